#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Names in profiles and flame graphs: code made at run time, separate debug files, the vdso, C++ and what
# was inlined. Each program spends its time in one function whose name is known.
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/cli/lib.sh
. "$root/tests/cli/lib.sh"

cat >inlined.cc <<'C'
namespace app {
struct Mix {
	unsigned long v;
	__attribute__((always_inline)) unsigned long step(unsigned long x)
	{
		for (int k = 0; k < 50; k++)
			v = v * 6364136223846793005UL + x;
		return v >> 33;
	}
};
template <class T> __attribute__((noinline)) T heavy(T n)
{
	Mix m{1};
	T s = 0;
	for (T i = 0; i < n; i++)
		s += m.step(i);
	return s;
}
}
int main(int argc, char **)
{
	unsigned long s = 0;
	for (int i = 0; i < 30; i++)
		s += app::heavy<unsigned long>(100000ul * argc + i);
	return s == 42;
}
C
cat >spin.h <<'C'
/* No calls and no data: it runs wherever it is copied to. */
#define SPIN                                                                     \
	unsigned long v = 1;                                                     \
	for (unsigned long i = 0; i < n; i++) {                                  \
		v = v * 6364136223846793005ul + i;                               \
		__asm__ volatile("" : "+r"(v));                                  \
	}                                                                        \
	return v;
C
cat >run_time.c <<'C'
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "spin.h"
__attribute__((noinline, section("copied"))) unsigned long code(unsigned long n) { SPIN }
extern const char __start_copied[], __stop_copied[];
int main(void)
{
	size_t len = (size_t)(__stop_copied - __start_copied);
	char name[64], *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FILE *map;
	memcpy(at, __start_copied, len);
	mprotect(at, 4096, PROT_READ | PROT_EXEC);
	__builtin___clear_cache(at, at + len);
	snprintf(name, sizeof(name), "/tmp/perf-%d.map", getpid());
	map = fopen(name, "w");
	fprintf(map, "%lx %zx made_at_run_time\n", (unsigned long)at, len);
	fclose(map);
	puts(name);
	return ((unsigned long (*)(unsigned long))at)(200000000ul) == 42;
}
C
cat >debug.c <<'C'
#include "spin.h"
__attribute__((noinline)) static unsigned long only_in_debug(unsigned long n) { SPIN }
int main(int argc, char **argv) { (void)argv; return only_in_debug(200000000ul + argc) == 42; }
C
cat >clock.c <<'C'
#include <time.h>
int main(void)
{
	struct timespec ts;
	for (long i = 0; i < 6000000; i++)
		clock_gettime(CLOCK_MONOTONIC, &ts);
	return 0;
}
C

# What most samples of the CPU are of: the stack, as the flame graph has it.
top() { # NAME PROGRAM
	run "$BENCH" exec -q --sample --trials=1 --warmup=0 --force -o "$1.json" -- "$2"
	expect "$1: it is recorded" "$code" 0
	stack=$("$BENCH" report --format=folded "--event=$(json "$1.json" 'd["sampling"]["event"]')" "$1.json" |
		awk '{ print $NF, $0 }' | sort -n | tail -n 1)
}

has() { # NAME REGEX
	if printf '%s\n' "$stack" | grep -q "$2"; then pass "$1"; else fail "$1" "$stack"; fi
}

in_svg() { # NAME TEXT
	"$BENCH" report --format=flamegraph "$1.json" >"$1.svg"
	if grep -q "$2" "$1.svg"; then pass "$1: and in the flame graph"; else fail "$1: and in the flame graph"; fi
}

gcc -O2 -g -fno-omit-frame-pointer -Wl,--build-id -o debug debug.c
gcc -O2 -fno-omit-frame-pointer -o run_time run_time.c
gcc -O2 -o clock clock.c

clang -x c++ -O2 -g -fno-omit-frame-pointer -o inlined inlined.cc
top inlined ./inlined
has 'what was inlined, and C++ names' ';app::heavy<unsigned long>;app::Mix::step_\[i\] '
in_svg inlined 'app::Mix::step'

top run_time ./run_time
has 'code made at run time' 'made_at_run_time_\[j\]'
in_svg run_time made_at_run_time
rm -f "/tmp/perf-$(printf '%s\n' "$out" | sed -n 's/^.tmp.perf-\([0-9]*\).map$/\1/p' | head -n 1).map"

cp debug link
objcopy --only-keep-debug link link.debug
strip -s link
objcopy --add-gnu-debuglink=link.debug link
top link ./link
has 'a debug file by its link' ';only_in_debug'
in_svg link only_in_debug

# By build id, in the place that distributions use. Nothing of a package is there under this one.
id=$(readelf -n debug | sed -n 's/.*Build ID: //p')
folder=/usr/lib/debug/.build-id/$(printf '%s' "$id" | cut -c1-2)
file=$folder/$(printf '%s' "$id" | cut -c3-).debug
if [ "$(id -u)" = 0 ] && [ ! -e "$file" ] && mkdir -p "$folder" 2>/dev/null; then
	objcopy --only-keep-debug debug "$file"
	cp debug by_id
	strip -s by_id
	top by_id ./by_id
	has 'a debug file by its build id' ';only_in_debug'
	in_svg by_id only_in_debug
	rm -f "$file"
	rmdir "$folder" 2>/dev/null
else
	skip 'a debug file by its build id' "$folder cannot be written"
fi
strip -s -o nameless debug
top nameless ./nameless
has 'without any name it says so' ';\[nameless\] '

top clock ./clock
case $stack in
*vdso*) pass 'the vdso is named' ;;
*) skip 'the vdso is named' 'its clock makes a system call here' ;;
esac

finish
