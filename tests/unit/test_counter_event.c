// SPDX-License-Identifier: BSD-2-Clause
/* Names to encodings, against PMUs laid down as files and libpfm4's tables. Nothing is opened. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "counters/plan.h"

#define FIXTURES "tests/fixtures/pmu/"

static struct counter_plan *plan;
static struct bench_err err;

static int teardown(void **state)
{
	(void)state;
	counter_plan_free(plan);
	plan = NULL;
	return 0;
}

/* The plan of a list on the fixture host, nothing opened. Returns the result. */
static int parse(const char *host, const char *list)
{
	char root[128];

	counter_plan_free(plan);
	plan = NULL;
	err = (struct bench_err){ 0 };
	snprintf(root, sizeof(root), FIXTURES "%s", host);
	if (access(FIXTURES "intel", R_OK))
		fail_msg("no " FIXTURES ": run from the top folder of the source");
	return counter_plan_new_at(&plan, list, root, false, &err);
}

static const struct counter_event *one(const char *host, const char *name)
{
	if (parse(host, name))
		fail_msg("%s: %s", name, err.msg);
	assert_int_equal(plan->nr_events, 1);
	return &plan->events[0];
}

static void assert_encodes(const char *host, const char *name, const char *canonical, uint32_t type,
			   uint64_t config)
{
	const struct counter_event *e = one(host, name);

	assert_string_equal(e->name, canonical);
	if (e->attr.type != type || e->attr.config != config)
		fail_msg("%s: type %u config 0x%llx", name, e->attr.type,
			 (unsigned long long)e->attr.config);
}

static void assert_fails(const char *host, const char *list, int code, const char *text)
{
	assert_int_equal(parse(host, list), code);
	assert_int_equal(err.code, code);
	assert_null(plan);
	if (!strstr(err.msg, text))
		fail_msg("'%s' does not say '%s'", err.msg, text);
}

static void generic_names_and_aliases_have_perfs_encoding(void **state)
{
	(void)state;
	assert_encodes("intel", "cycles", "cycles", 0, 0);
	assert_encodes("intel", "cpu-cycles", "cycles", 0, 0);
	assert_encodes("intel", "instructions", "instructions", 0, 1);
	assert_encodes("intel", "cache-references", "cache-references", 0, 2);
	assert_encodes("intel", "cache-misses", "cache-misses", 0, 3);
	assert_encodes("intel", "branch-instructions", "branches", 0, 4);
	assert_encodes("intel", "branch-misses", "branch-misses", 0, 5);
	assert_encodes("intel", "bus-cycles", "bus-cycles", 0, 6);
	assert_encodes("intel", "idle-cycles-frontend", "stalled-cycles-frontend", 0, 7);
	assert_encodes("intel", "stalled-cycles-backend", "stalled-cycles-backend", 0, 8);
	assert_encodes("intel", "ref-cycles", "ref-cycles", 0, 9);
	assert_encodes("intel", "cpu-clock", "cpu-clock", 1, 0);
	assert_encodes("intel", "task-clock", "task-clock", 1, 1);
	assert_encodes("intel", "faults", "page-faults", 1, 2);
	assert_encodes("intel", "cs", "context-switches", 1, 3);
	assert_encodes("intel", "migrations", "cpu-migrations", 1, 4);
	assert_encodes("intel", "minor-faults", "minor-faults", 1, 5);
	assert_encodes("intel", "major-faults", "major-faults", 1, 6);
	assert_encodes("intel", "alignment-faults", "alignment-faults", 1, 7);
	assert_encodes("intel", "emulation-faults", "emulation-faults", 1, 8);
	assert_encodes("intel", "cgroup-switches", "cgroup-switches", 1, 11);
}

/* config = cache | operation << 8 | result << 16, perf_event_open(2) */
static void cache_names_have_perfs_encoding(void **state)
{
	(void)state;
	assert_encodes("intel", "L1-dcache-load-misses", "L1-dcache-load-misses", 3, 0x10000);
	assert_encodes("intel", "l1d-read-miss", "L1-dcache-load-misses", 3, 0x10000);
	assert_encodes("intel", "L1-icache-loads", "L1-icache-loads", 3, 0x1);
	assert_encodes("intel", "LLC-loads", "LLC-loads", 3, 0x2);
	assert_encodes("intel", "LLC", "LLC-loads", 3, 0x2);
	assert_encodes("intel", "LLC-store-misses", "LLC-store-misses", 3, 0x10102);
	assert_encodes("intel", "dTLB-load-misses", "dTLB-load-misses", 3, 0x10003);
	assert_encodes("intel", "dtlb-speculative-read", "dTLB-prefetches", 3, 0x203);
	assert_encodes("intel", "iTLB-load-misses", "iTLB-load-misses", 3, 0x10004);
	assert_encodes("intel", "branch-load-misses", "branch-load-misses", 3, 0x10005);
	assert_encodes("intel", "node-prefetches", "node-prefetches", 3, 0x206);
	/* Nothing stores to an instruction cache. */
	assert_fails("intel", "L1-icache-stores", -ENOENT, "unknown event");
	assert_fails("intel", "LLC-load-load", -ENOENT, "unknown event");
}

static void every_listed_name_resolves_to_itself(void **state)
{
	struct event_name known;
	char buf[EVENT_NAME_MAX];
	unsigned i = 0;

	(void)state;
	for (; names_at(i, &known, buf, sizeof(buf)); i++)
		assert_encodes("intel", known.name, known.name, known.type, known.config);
	assert_true(i > 50);
}

static void raw_events_are_hexadecimal(void **state)
{
	(void)state;
	assert_encodes("intel", "r1c2", "r1c2", PERF_TYPE_RAW, 0x1c2);
	assert_encodes("intel", "rA00000001:u", "rA00000001:u", PERF_TYPE_RAW, 0xa00000001);
	assert_fails("intel", "r12345678901234567", -ENOENT, "unknown event");
}

static void modifiers_set_the_exclude_bits(void **state)
{
	const struct perf_event_attr *a;

	(void)state;
	a = &one("intel", "cycles")->attr;
	assert_true(!a->exclude_user && !a->exclude_kernel && a->exclude_hv && !a->exclude_guest);
	a = &one("intel", "cycles:u")->attr;
	assert_true(!a->exclude_user && a->exclude_kernel && a->exclude_hv);
	a = &one("intel", "cycles:ku")->attr;
	assert_string_equal(plan->events[0].name, "cycles:uk");
	assert_true(!a->exclude_user && !a->exclude_kernel && a->exclude_hv);
	a = &one("intel", "cycles:h")->attr;
	assert_true(a->exclude_user && a->exclude_kernel && !a->exclude_hv);
	a = &one("intel", "cpu/event=0x3c/k")->attr;
	assert_string_equal(plan->events[0].name, "cpu/event=0x3c/k");
	assert_true(a->exclude_user && !a->exclude_kernel);
	a = &one("intel", "page-faults:k")->attr;
	assert_true(a->exclude_user && !a->exclude_kernel && !a->exclude_hv);
	assert_fails("intel", "cycles:x", -EINVAL, "unknown modifier 'x'");
	assert_fails("intel", "msr/tsc/z", -EINVAL, "unknown modifier 'z'");
}

static void a_software_event_that_a_modifier_would_falsify_is_refused(void **state)
{
	(void)state;
	assert_int_equal(one("intel", "context-switches:u")->status, BENCH_NOT_SUPPORTED);
	assert_true(plan->events[0].note[0]);
	assert_int_equal(plan->nr_groups, 0);
	assert_int_equal(one("intel", "task-clock:k")->status, BENCH_NOT_SUPPORTED);
	assert_int_equal(one("intel", "PERF_COUNT_SW_CPU_MIGRATIONS:u")->status,
			 BENCH_NOT_SUPPORTED);
	assert_int_equal(one("intel", "context-switches:k")->status, BENCH_OK);
}

static void sysfs_events_are_spread_over_their_format(void **state)
{
	(void)state;
	assert_encodes("intel", "cpu/cpu-cycles/", "cpu/cpu-cycles/", 4, 0x3c);
	assert_encodes("intel", "cpu/config=0x1234/", "cpu/config=0x1234/", 4, 0x1234);
	assert_encodes("intel", "cpu/event=0xc2,umask=2,edge,cmask=1/",
		       "cpu/event=0xc2,umask=2,edge,cmask=1/", 4, 0x10402c2);
	/* The named event comes first and a term after it wins. */
	assert_encodes("intel", "cpu/mem-loads,ldlat=30/u", "cpu/mem-loads,ldlat=30/u", 4, 0x1cd);
	assert_int_equal(plan->events[0].attr.config1, 30);
	/* Zen: the upper half of the event number is in bits 32 to 35. */
	assert_encodes("amd", "cpu/event=0x1a0,umask=1/", "cpu/event=0x1a0,umask=1/", 4,
		       0x1000001a0);
	assert_encodes("arm", "armv8_pmuv3_0/cpu_cycles,long/", "armv8_pmuv3_0/cpu_cycles,long/", 8,
		       0x11);
	assert_int_equal(plan->events[0].attr.config1, 1);
	assert_int_equal(plan->events[0].kind, EVENT_CORE);
}

static void core_pmu_events_are_found_by_their_bare_name(void **state)
{
	(void)state;
	assert_encodes("intel", "mem-loads", "mem-loads", 4, 0x1cd);
	assert_encodes("intel", "topdown-retiring:u", "topdown-retiring:u", 4, 0x8000);
	assert_encodes("arm", "inst_retired", "inst_retired", 8, 8);
}

static void package_events_carry_unit_scale_and_cpus_and_no_exclude_bit(void **state)
{
	const struct counter_event *e = one("intel", "power/energy-pkg/");

	(void)state;
	assert_string_equal(e->unit, "J");
	assert_true(e->scale > 2.32e-10 && e->scale < 2.33e-10);
	assert_true(e->cpu_only && CPU_ISSET(0, &e->cpu_mask) && CPU_COUNT(&e->cpu_mask) == 1);
	e = one("intel", "uncore_imc_0/cas_count_read/");
	assert_string_equal(e->unit, "B");
	assert_true(e->scale == 64); /* one cache line */
	assert_true(CPU_ISSET(16, &e->cpu_mask) && CPU_COUNT(&e->cpu_mask) == 2);
	assert_int_equal(e->kind, EVENT_OTHER);
	assert_true(!e->attr.exclude_hv && !e->attr.exclude_kernel && !e->attr.exclude_user);
	assert_false(one("intel", "msr/tsc/")->cpu_only);
}

static void bad_sysfs_terms_are_named(void **state)
{
	(void)state;
	assert_fails("intel", "cpu/umask=0x100/", -EINVAL, "config:8-15");
	assert_fails("intel", "cpu/event=/", -EINVAL, "needs a number");
	assert_fails("intel", "cpu/event=0x3c,/", -EINVAL, "empty term");
	assert_fails("intel", "cpu//", -EINVAL, "empty term");
	assert_fails("intel", "cpu/../../type/", -EINVAL, "expected pmu/event/");
	assert_fails("intel", "cpu/cpu-cycles", -EINVAL, "expected pmu/event/");
	assert_fails("intel", "/event=1/", -EINVAL, "expected pmu/event/");
	assert_fails("intel", "cpu/even=1/", -ENOENT, "'even'");
	assert_fails("intel", "cpu/event=18446744073709551616/", -EINVAL, "needs a number");
	assert_fails("intel", "cpu/event=-1/", -EINVAL, "needs a number");
	assert_fails("odd", "pmu/broken=1/", -EINVAL, "config:9-4");
	assert_fails("odd", "pmu/elsewhere=1/", -EINVAL, "config9");
	assert_fails("odd", "notype/event=1/", -ENOENT, "cannot read the type");
	assert_fails("odd", "pmu/nested/", -ENOENT, "per_core");
	assert_encodes("odd", "pmu/per_core,core=3/", "pmu/per_core,core=3/", 30, 0x307);
}

static void missing_pmu_of_other_hosts_is_a_status_and_not_an_error(void **state)
{
	const struct counter_event *e = one("odd", "cpu/mem-loads/");
	json_t *json;

	(void)state;
	assert_int_equal(e->status, BENCH_NOT_SUPPORTED);
	assert_non_null(strstr(e->note, "no PMU 'cpu'"));
	json = counter_plan_json(plan);
	assert_true(json_is_null(json_object_get(json_array_get(json, 0), "config")));
	json_decref(json);
	assert_fails("odd", "cpux/mem-loads/", -ENOENT, "no PMU 'cpux'");
}

static void unknown_names_come_with_the_nearest_ones(void **state)
{
	(void)state;
	assert_fails("intel", "cycels", -ENOENT, "'cycles'");
	assert_fails("intel", "page-fault", -ENOENT, "'page-faults'");
	assert_fails("intel", "L1-dcache-load-mises", -ENOENT, "'L1-dcache-load-misses'");
	assert_fails("intel", "instructions,branch-mises:u", -ENOENT, "'branch-misses'");
	assert_fails("intel", "msr/tcs/", -ENOENT, "'msr/tsc/'");
	assert_fails("intel", "powr/energy-pkg/", -ENOENT, "'power/energy-pkg/'");
	assert_fails("intel", "mem-load", -ENOENT, "'mem-loads'");
	assert_fails("intel", "zzzzzzzzzzzz", -ENOENT, "bench list counters");
}

static void bad_lists_are_refused_with_the_place(void **state)
{
	char text[4096] = "";

	(void)state;
	assert_fails("intel", ",", -EINVAL, "empty event name");
	assert_fails("intel", "cycles,", -EINVAL, "empty event name");
	assert_fails("intel", "cycles,,cs", -EINVAL, "empty event name");
	assert_fails("intel", "{}", -EINVAL, "empty event name");
	assert_fails("intel", "{cycles", -EINVAL, "without '}'");
	assert_fails("intel", "cycles}", -EINVAL, "before '}'");
	assert_fails("intel", "{cycles}{cs}", -EINVAL, "before '{cs}'");
	assert_fails("intel", "{cycles,{cs}}", -EINVAL, "braces within braces");
	assert_fails("intel", "{cycles}:q", -EINVAL, "unknown modifier 'q'");
	assert_fails("intel", "{cycles}:", -EINVAL, "unknown modifier ''");
	assert_fails("intel", "{cpu/event=1}", -EINVAL, "without '}'");
	for (unsigned i = 0; i < 130; i++)
		sprintf(text + strlen(text), "%sr%x", i ? "," : "", 0x1000 + i);
	assert_fails("intel", text, -EINVAL, "more than 128");
	memset(text, 'a', 300);
	text[300] = '\0';
	assert_fails("intel", text, -EINVAL, "longer than");
}

static void lists_keep_order_and_drop_repetitions(void **state)
{
	(void)state;
	assert_int_equal(parse("intel", " cs , cycles,cpu-cycles,msr/event=0/,cs"), 0);
	assert_int_equal(plan->nr_events, 3);
	assert_string_equal(plan->events[0].name, "context-switches");
	assert_string_equal(plan->events[1].name, "cycles");
	assert_string_equal(plan->events[2].name, "msr/event=0/");
	assert_int_equal(parse("intel", "none"), 0);
	assert_int_equal(plan->nr_events + plan->nr_groups, 0);
}

/* Names of a group's members, joined. */
static const char *group_text(unsigned g)
{
	static char text[512];

	text[0] = '\0';
	assert_true(g < plan->nr_groups);
	for (unsigned m = 0; m < plan->groups[g].nr; m++) {
		if (m)
			strcat(text, " ");
		strcat(text, plan->events[plan->members[plan->groups[g].first + m]].name);
	}
	return text;
}

static void default_hardware_events_are_one_group_led_by_cycles(void **state)
{
	(void)state;
	assert_int_equal(parse("intel", NULL), 0);
	assert_int_equal(plan->nr_groups, 4);
	assert_string_equal(group_text(0), "task-clock context-switches cpu-migrations page-faults "
					   "major-faults");
	assert_string_equal(group_text(1), "power/energy-pkg/");
	assert_string_equal(group_text(2), "cycles instructions branches branch-misses "
					   "cache-references cache-misses");
	assert_string_equal(group_text(3), "cycles cycles:u instructions instructions:u");
	assert_int_equal(parse("intel", ""), 0);
	assert_int_equal(plan->nr_groups, 4);
}

static void braces_make_groups_and_pass_their_modifiers_on(void **state)
{
	(void)state;
	assert_int_equal(parse("intel", "{instructions,cycles:k}:u,branches,{cs,cycles},msr/tsc/,"
					"power/energy-pkg/,task-clock,cycles"),
			 0);
	assert_int_equal(plan->nr_groups, 6);
	assert_string_equal(group_text(0), "task-clock");
	assert_string_equal(group_text(1), "msr/tsc/");
	assert_string_equal(group_text(2), "power/energy-pkg/");
	assert_string_equal(group_text(3), "cycles:uk instructions:u");
	assert_string_equal(group_text(4), "cycles branches");
	assert_string_equal(group_text(5), "cycles context-switches");
}

/* perf_event_open(2), PERF_TYPE_HARDWARE: the PMU's type is in the upper half of config. */
static void hybrid_hosts_get_one_event_per_kind_of_core(void **state)
{
	(void)state;
	assert_int_equal(parse("hybrid", "cycles,instructions,r1c2,mem-loads,cs"), 0);
	assert_int_equal(plan->nr_events, 9);
	assert_string_equal(plan->events[0].pmu, "cpu_atom");
	assert_int_equal(plan->events[0].attr.config, UINT64_C(10) << 32);
	assert_string_equal(plan->events[1].pmu, "cpu_core");
	assert_int_equal(plan->events[1].attr.config, UINT64_C(4) << 32);
	assert_int_equal(plan->events[3].attr.config, (UINT64_C(4) << 32) + 1);
	assert_int_equal(plan->events[4].attr.type, 10);
	assert_int_equal(plan->events[4].attr.config, 0x1c2);
	assert_int_equal(plan->events[6].attr.type, 10);
	assert_int_equal(plan->nr_groups, 3);
	assert_string_equal(group_text(1), "cycles instructions r1c2 mem-loads");
	assert_string_equal(group_text(2), "cycles instructions r1c2 mem-loads");
	assert_true(plan->events[0].hybrid && !plan->events[8].hybrid);
	/* A PMU named by the user is that one alone. */
	assert_encodes("hybrid", "cpu_atom/event=0x3c/", "cpu_atom/event=0x3c/", 10, 0x3c);
}

static void only_pmus_that_look_at_the_precision_are_asked_for_it(void **state)
{
	static const struct {
		const char *host, *pmu;
		bool precise;
	} rows[] = { { "intel", "cpu", true }, { "arm", "armv8_pmuv3_0", false } };

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pmu_set pmus;
		char root[128];

		snprintf(root, sizeof(root), FIXTURES "%s", rows[i].host);
		assert_int_equal(pmu_set_load(&pmus, root), 0);
		assert_string_equal(pmu_core(&pmus, 0)->name, rows[i].pmu);
		assert_int_equal(pmu_is_precise(&pmus, pmu_core(&pmus, 0)), rows[i].precise);
		pmu_set_done(&pmus);
	}
}

static void libpfm4_generic_names_are_encoded(void **state)
{
	(void)state;
	assert_encodes("intel", "PERF_COUNT_HW_CACHE_LL:READ:MISS",
		       "PERF_COUNT_HW_CACHE_LL:READ:MISS", 3, 0x10002);
	assert_string_equal(plan->events[0].source, "libpfm4");
	assert_non_null(strstr(plan->events[0].encoding, "PERF_COUNT_HW_CACHE_LL:READ:MISS"));
	assert_encodes("intel", "perf_raw::r01c2", "perf_raw::r01c2", PERF_TYPE_RAW, 0x1c2);
	/* libpfm4 excludes guests always, and the hypervisor for its own reasons. */
	assert_false(plan->events[0].attr.exclude_guest);
	assert_true(plan->events[0].attr.exclude_hv);
	assert_encodes("intel", "perf_raw::r01c2:u", "perf_raw::r01c2:u", PERF_TYPE_RAW, 0x1c2);
	assert_true(plan->events[0].attr.exclude_kernel);
	assert_encodes("intel", "{perf_raw::r01c2}:k", "perf_raw::r01c2:k", PERF_TYPE_RAW, 0x1c2);
	assert_true(plan->events[0].attr.exclude_user && !plan->events[0].attr.exclude_kernel);
}

/* libpfm4 reads its environment once, so each CPU model takes a process of its own. */
static void assert_vendor(const char *variable, const char *value, const char *name,
			  uint64_t config)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct counter_plan *child = NULL;
		struct bench_err why = { 0 };
		int ret;

		setenv(variable, value, 1);
		ret = counter_plan_new_at(&child, name, FIXTURES "intel", false, &why);
		if (ret)
			printf("%s: %s\n", name, why.msg);
		else if (child->events[0].attr.config != config)
			printf("%s: config 0x%llx\n", name,
			       (unsigned long long)child->events[0].attr.config);
		ret = ret || child->events[0].attr.config != config ||
		      child->events[0].attr.type != PERF_TYPE_RAW ||
		      strcmp(child->events[0].source, "libpfm4") != 0 ||
		      !child->events[0].encoding[0];
		fflush(stdout);
		_exit(ret);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void libpfm4_vendor_events_are_encoded(void **state)
{
	(void)state;
#ifndef __x86_64__
	print_message("skipped: libpfm4 has the Intel and AMD tables on x86 only\n");
	skip();
#endif
	/* Intel SDM, "Performance Monitoring Events": BR_INST_RETIRED is event c4. */
	assert_vendor("LIBPFM_FORCE_PMU", "spr", "BR_INST_RETIRED:ALL_BRANCHES", 0xc4);
	assert_vendor("LIBPFM_FORCE_PMU", "skx", "MEM_LOAD_RETIRED:L3_MISS", 0x20d1);
	/* Codes of the top-down tables. */
	assert_vendor("LIBPFM_FORCE_PMU", "icx", "INT_MISC:UOP_DROPPING", 0x100d);
	assert_vendor("LIBPFM_FORCE_PMU", "spr", "INT_MISC:UOP_DROPPING", 0x10ad);
	assert_vendor("LIBPFM_FORCE_PMU", "icx", "INT_MISC:CLEARS_COUNT", 0x104010d);
	assert_vendor("LIBPFM_FORCE_PMU", "icx", "CYCLE_ACTIVITY:STALLS_MEM_ANY", 0x140014a3);
	assert_vendor("LIBPFM_FORCE_PMU", "icx", "EXE_ACTIVITY:BOUND_ON_STORES", 0x20040a6);
	/* AMD PPR for family 19h: retired micro-ops are event c1, instructions c0. */
	assert_vendor("LIBPFM_FORCE_PMU", "amd64_fam19h_zen4", "RETIRED_OPS", 0xc1);
	assert_vendor("LIBPFM_ENCODE_INACTIVE", "1", "spr::BR_INST_RETIRED:ALL_BRANCHES:u", 0xc4);
}

static void libpfm4_errors_say_what_is_wrong(void **state)
{
	(void)state;
	assert_fails("intel", "PERF_COUNT_HW_CACHE_LL:READ:NONSENSE", -EINVAL, "NONSENSE");
	assert_fails("intel", "nosuchpmu::EVENT", -ENOENT, "unknown event");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First, while libpfm4 has not been initialised in this process. */
		cmocka_unit_test(libpfm4_vendor_events_are_encoded),
		cmocka_unit_test(generic_names_and_aliases_have_perfs_encoding),
		cmocka_unit_test(cache_names_have_perfs_encoding),
		cmocka_unit_test(every_listed_name_resolves_to_itself),
		cmocka_unit_test(raw_events_are_hexadecimal),
		cmocka_unit_test(modifiers_set_the_exclude_bits),
		cmocka_unit_test(a_software_event_that_a_modifier_would_falsify_is_refused),
		cmocka_unit_test(sysfs_events_are_spread_over_their_format),
		cmocka_unit_test(core_pmu_events_are_found_by_their_bare_name),
		cmocka_unit_test(package_events_carry_unit_scale_and_cpus_and_no_exclude_bit),
		cmocka_unit_test(bad_sysfs_terms_are_named),
		cmocka_unit_test(missing_pmu_of_other_hosts_is_a_status_and_not_an_error),
		cmocka_unit_test(unknown_names_come_with_the_nearest_ones),
		cmocka_unit_test(bad_lists_are_refused_with_the_place),
		cmocka_unit_test(lists_keep_order_and_drop_repetitions),
		cmocka_unit_test(default_hardware_events_are_one_group_led_by_cycles),
		cmocka_unit_test(braces_make_groups_and_pass_their_modifiers_on),
		cmocka_unit_test(hybrid_hosts_get_one_event_per_kind_of_core),
		cmocka_unit_test(only_pmus_that_look_at_the_precision_are_asked_for_it),
		cmocka_unit_test(libpfm4_generic_names_are_encoded),
		cmocka_unit_test(libpfm4_errors_say_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
