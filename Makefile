# SPDX-License-Identifier: BSD-2-Clause
#
# make            build everything into build/ (the program is build/bench)
# make run        install what is missing, build, run the main job
# make check      install what is missing, build, run all tests (sanitizers included)
# make check-vm   only the lab: this build on other kernels, in qemu
# make soak       every module for SOAK seconds (600), the live view for six times as long, without
#                 growth of memory or descriptors; hours in all
# make SAN=address,undefined    the same build with sanitizers, in build/san-address,undefined
# make install    PREFIX=/usr/local, DESTDIR honoured
# make ARCH=arm64   for another architecture, in build/arm64: CROSS_COMPILE is the prefix of its tools,
#                   SYSROOT the directory of its headers and libraries (/ when not given)
# Variables: CC, CLANG (BPF compiler), CFLAGS, V=1 for the commands, WERROR=1.

SHELL := /bin/sh
.SUFFIXES:
.DELETE_ON_ERROR:

# As the kernel calls architectures.
arch_of = $(subst x86_64,x86,$(subst aarch64,arm64,$(1)))
native := $(call arch_of,$(shell uname -m))
ifdef CROSS_COMPILE
ARCH ?= $(call arch_of,$(firstword $(subst -, ,$(notdir $(CROSS_COMPILE)))))
endif
ARCH ?= $(native)
override ARCH := $(call arch_of,$(ARCH))
ifneq ($(ARCH),$(native))
triplet := $(patsubst arm64,aarch64,$(patsubst x86,x86_64,$(ARCH)))-linux-gnu
CROSS_COMPILE ?= $(triplet)-
endif
SYSROOT ?=

CC ?= gcc
ifeq ($(origin CC),default)
CC := $(CROSS_COMPILE)gcc
endif
AR := $(CROSS_COMPILE)ar
CLANG ?= clang
PKG_CONFIG ?= pkg-config
# Its libraries only: those of the building host would be found otherwise.
pkg_config = $(if $(triplet),PKG_CONFIG_PATH= PKG_CONFIG_SYSROOT_DIR=$(SYSROOT) PKG_CONFIG_LIBDIR=$(SYSROOT)/usr/lib/$(triplet)/pkgconfig:$(SYSROOT)/usr/share/pkgconfig) $(PKG_CONFIG)
SAN ?=
BUILD ?= build$(if $(triplet),/$(ARCH))$(if $(SAN),/san-$(subst $(empty) ,_,$(SAN)))$(if $(filter clang%,$(notdir $(CC))),/clang)
PREFIX ?= /usr/local
CFLAGS ?= -O2 -g
V ?=
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)')

VERSION := $(shell cat VERSION)
COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

PKGS := libbpf libelf libdw liburing hwloc jansson inih uuid blkid libsodium
# Evaluated at the first compile only, so that `make deps` works before pkg-config exists.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell $(pkg_config) --cflags $(PKGS)))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $$(shell $(pkg_config) --libs $(PKGS)) -lpfm -lm -lz -ldl)$(PKG_LIBS)
VIEW_CFLAGS = $(eval VIEW_CFLAGS := $$(shell $(pkg_config) --cflags ncursesw))$(VIEW_CFLAGS)
VIEW_LIBS = $(eval VIEW_LIBS := $$(shell $(pkg_config) --libs ncursesw))$(VIEW_LIBS)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 \
	$(if $(WERROR),-Werror)
# gcc's thread sanitizer does not know fences and says so; those here stand between loads of memory
# that the kernel side writes, which no sanitizer sees anyway.
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer) \
	$(if $(and $(filter thread,$(SAN)),$(filter-out clang%,$(notdir $(CC)))),-Wno-tsan)
TARGET := $(if $(and $(triplet),$(filter clang%,$(notdir $(CC)))),--target=$(triplet)) \
	$(if $(SYSROOT),--sysroot=$(SYSROOT))
override CPPFLAGS += -D_GNU_SOURCE
override CFLAGS += -std=gnu17 -pthread -fno-strict-aliasing $(TARGET) $(WARN) $(SANFLAGS)
override LDFLAGS += -pthread -rdynamic $(SANFLAGS)

core_src := $(wildcard userspace/*.c userspace/*/*.c userspace/*/*/*.c)
module_src := $(wildcard modules/*.c)
bpf_src := $(wildcard bpf/*.bpf.c)
test_src := $(wildcard tests/*/test_*.c)
tool_src := $(wildcard tests/*/tool_*.c scripts/*.c scripts/*/*.c)

core_obj := $(core_src:%.c=$(BUILD)/%.o)
module_obj := $(module_src:%.c=$(BUILD)/%.o)
bpf_obj := $(bpf_src:%.bpf.c=$(BUILD)/%.bpf.o)
lib_obj := $(filter-out $(BUILD)/userspace/main.o,$(core_obj)) $(module_obj) \
	$(BUILD)/registry.o $(BUILD)/bpf_images.o
view_obj := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tools/view/*.c))
tests := $(test_src:%.c=$(BUILD)/%)
test_tools := $(tool_src:%.c=$(BUILD)/%)

all: $(BUILD)/bench $(BUILD)/bench-view $(test_tools)

# Companion programs see the public headers only, as modules do.
$(BUILD)/tools/%.o: tools/%.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Iuserspace/include $(PKG_CFLAGS) $(VIEW_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/bench-view: $(view_obj) $(BUILD)/libbench.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(view_obj) $(BUILD)/libbench.a $(PKG_LIBS) $(VIEW_LIBS)

$(BUILD)/bench: $(BUILD)/userspace/main.o $(BUILD)/libbench.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< -Wl,--whole-archive $(BUILD)/libbench.a \
		-Wl,--no-whole-archive $(PKG_LIBS)

$(BUILD)/libbench.a: $(lib_obj)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# Modules see the public headers only; that is what keeps them independent of the core.
$(BUILD)/modules/%.o: modules/%.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Iuserspace/include $(PKG_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/userspace/%.o: userspace/%.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Iuserspace/include -Iuserspace -Ibpf $(PKG_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/userspace/core/version.o: CPPFLAGS += -DBENCH_VERSION='"$(VERSION)"' -DBENCH_COMMIT='"$(COMMIT)"'
$(BUILD)/userspace/core/version.o: $(BUILD)/commit

# Rewritten only when the text changes, so a no-op make rebuilds nothing.
$(BUILD)/commit: FORCE
	$(Q)mkdir -p $(@D); echo '$(VERSION) $(COMMIT)' >$@.new; cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(BUILD)/registry.c: FORCE scripts/registry.sh
	$(Q)mkdir -p $(@D); sh scripts/registry.sh >$@.new; cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(BUILD)/registry.o: $(BUILD)/registry.c
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) -Iuserspace/include -Iuserspace $(PKG_CFLAGS) $(CFLAGS) -c -o $@ $<

$(BUILD)/bpf_images.S: FORCE scripts/bpf_images.sh
	$(Q)mkdir -p $(@D); sh scripts/bpf_images.sh $(BUILD) >$@.new; cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(BUILD)/bpf_images.o: $(BUILD)/bpf_images.S $(bpf_obj)
	$(call say,AS,$@)
	$(Q)$(CC) $(TARGET) -c -o $@ $<

# v3 (Linux 5.1): instructions of 32 bits. The programs at context switches run 1 to 2 % faster and take
# the verifier longer.
$(BUILD)/bpf/sched.bpf.o: BPF_CPU := -mcpu=v3

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) -target bpf $(BPF_CPU) -D__TARGET_ARCH_$(ARCH) -O2 -g -Wall -Wextra $(if $(WERROR),-Werror) \
		-Wno-unused-parameter -Ibpf -MMD -MP -MF $(@:.o=.d) -c -o $@ $<

$(BUILD)/tests/%: tests/%.c $(BUILD)/libbench.a
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Iuserspace/include -Iuserspace -Ibpf -Itests $(PKG_CFLAGS) $(CFLAGS) $(LDFLAGS) \
		-MMD -MP -MF $@.d -o $@ $< $(BUILD)/libbench.a $(PKG_LIBS) -lcmocka

$(BUILD)/scripts/%: scripts/%.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -MF $@.d -o $@ $< -luring

tests: all $(tests)

deps:
	$(Q)sh scripts/deps.sh

deps-check:
	$(Q)sh scripts/deps.sh check

# deps may install the compiler, so the build is a make of its own.
run: deps
	$(Q)$(MAKE) --no-print-directory all
	$(BUILD)/bench --runtime=uring --counters

check: deps-check
	$(Q)sh scripts/check.sh

check-vm: deps-check
	$(Q)$(MAKE) --no-print-directory all tests
	$(Q)sh scripts/check.sh 'vm '

SOAK ?= 600
soak: deps-check
	$(Q)$(MAKE) --no-print-directory all
	$(Q)python3 scripts/soak.py --bench $(BUILD)/bench --time $(SOAK)
	$(Q)python3 scripts/soak_view.py --bench $(BUILD)/bench --time $$((6 * $(SOAK)))

install: all
	install -D -m 755 $(BUILD)/bench $(DESTDIR)$(PREFIX)/bin/bench
	install -D -m 755 $(BUILD)/bench-view $(DESTDIR)$(PREFIX)/libexec/bench/bench-view
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/include/bench userspace/include/bench/*.h
	install -D -m 644 docs/bench.1 $(DESTDIR)$(PREFIX)/share/man/man1/bench.1
	install -D -m 644 docs/bench.bash-completion $(DESTDIR)$(PREFIX)/share/bash-completion/completions/bench

clean:
	rm -rf build

FORCE:
.PHONY: all tests deps deps-check run check check-vm soak install clean FORCE

-include $(core_obj:.o=.d) $(view_obj:.o=.d) $(module_obj:.o=.d) $(bpf_obj:.o=.d) $(tests:=.d) $(test_tools:=.d)
