// SPDX-License-Identifier: BSD-2-Clause
/* Top-down shares from made-up counts, for CPUs that are not here: by fixtures of their sysfs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/result.h"
#include "core/result.h"
#include "counters/formula.h"
#include "counters/topdown.h"

#define FIXTURES "tests/fixtures/pmu/"

static struct counter_plan *plan;
static struct bench_metric_set *set;
static struct total totals[COUNTER_MAX_EVENTS];
static json_t *job;

static int setup(void **state)
{
	(void)state;
	if (access(FIXTURES "spr", R_OK))
		fail_msg("no " FIXTURES ": run from the top folder of the source");
	set = metric_set_new();
	metric_set_next_trial(set);
	memset(totals, 0, sizeof(totals));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	counter_plan_free(plan);
	plan = NULL;
	metric_set_free(set);
	json_decref(job);
	job = NULL;
	return 0;
}

static void make_plan(const char *host)
{
	struct bench_err err = { 0 };
	char root[128];

	snprintf(root, sizeof(root), FIXTURES "%s", host);
	if (counter_plan_new_at(&plan, "topdown", root, false, &err))
		fail_msg("%s", err.msg);
}

/* Every event with this key counted so much. */
static void counted(const char *key, double value)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < plan->nr_events; i++) {
		if (!plan->events[i].key || strcmp(plan->events[i].key, key) != 0)
			continue;
		totals[i] = (struct total){ .value = value, .present = true };
		nr++;
	}
	if (!nr)
		fail_msg("no event has the key %s", key);
}

static void put(void)
{
	const struct sink sink = { .set = set, .scope = "worker" };

	topdown_put(&sink, plan, totals);
	job = json_pack("{s:o}", "metrics", metric_set_json(set));
}

static void assert_share(const char *name, double share)
{
	const json_t *m = bench_result_metric(job, name, NULL, NULL);
	double got = bench_result_num(m, "value");

	if (!m)
		fail_msg("no metric %s", name);
	if (!(fabs(got - share) < 1e-9))
		fail_msg("%s is %g, not %g (%s: %s)", name, got, share,
			 bench_result_str(m, "status"), bench_result_str(m, "note"));
}

static uint64_t config(const char *key)
{
	for (unsigned i = 0; i < plan->nr_events; i++)
		if (plan->events[i].key && strcmp(plan->events[i].key, key) == 0)
			return plan->events[i].attr.config;
	fail_msg("no event has the key %s", key);
	return 0;
}

static void zen4_has_both_levels_each_from_one_group(void **state)
{
	(void)state;
	make_plan("amd");
	assert_int_equal(plan->nr_groups, 4);
	/* Level 1 takes the six counters there are. */
	assert_int_equal(plan->groups[0].nr, 6);
	assert_true(config("fe") == 0x1000001a0);
	assert_true(config("be") == 0x100001ea0);
	assert_true(config("none") == 0x1060001a0);
	assert_true(config("ucode") == 0x1000000c2);
	counted("cycles", 3e9);
	counted("fe", 3.6e9);
	counted("be", 5.4e9);
	counted("smt", 0.9e9);
	counted("dispatched", 9e9);
	counted("retired", 8.1e9);
	counted("none", 0.3e9);
	counted("ucode", 0.9e9);
	counted("brmis", 3e7);
	counted("resync", 1e7);
	counted("load", 1e9);
	counted("waiting", 2e9);
	put();
	assert_share("topdown.frontend_bound", 0.2);
	assert_share("topdown.backend_bound", 0.3);
	assert_share("topdown.smt_contention", 0.05);
	assert_share("topdown.bad_speculation", 0.05);
	assert_share("topdown.retiring", 0.45);
	assert_share("topdown.fetch_latency", 0.1);
	assert_share("topdown.fetch_bandwidth", 0.1);
	assert_share("topdown.heavy_operations", 0.05);
	assert_share("topdown.branch_mispredicts", 0.0375);
	assert_share("topdown.machine_clears", 0.0125);
	assert_share("topdown.memory_bound", 0.15);
	assert_share("topdown.core_bound", 0.15);
	assert_non_null(strstr(bench_result_str(bench_result_metric(job, "topdown.retiring", NULL,
								    NULL), "note"),
			       "Zen 4, formulas 1; Linux pmu-events"));
}

static void count_metrics(void)
{
	counted("slots", 1000);
	counted("ret", 400);
	counted("bad", 100);
	counted("fe", 200);
	counted("be", 300);
}

static void sapphire_rapids_has_both_levels_in_one_group_led_by_slots(void **state)
{
	(void)state;
	make_plan("spr");
	assert_int_equal(plan->nr_groups, 1);
	assert_string_equal(plan->events[plan->members[0]].name, "slots");
	assert_true(config("slots") == 0x400);
	assert_true(config("mem") == 0x8700);
	assert_true(config("drop") == 0x10ad);
	count_metrics();
	counted("heavy", 50);
	counted("brmis", 80);
	counted("lat", 120);
	counted("mem", 210);
	counted("drop", 20);
	put();
	assert_share("topdown.frontend_bound", 0.18);
	assert_share("topdown.backend_bound", 0.3);
	assert_share("topdown.retiring", 0.4);
	assert_share("topdown.bad_speculation", 0.12);
	assert_share("topdown.fetch_latency", 0.1);
	assert_share("topdown.fetch_bandwidth", 0.08);
	assert_share("topdown.machine_clears", 0.04);
	assert_share("topdown.memory_bound", 0.21);
	assert_share("topdown.core_bound", 0.09);
	assert_share("topdown.heavy_operations", 0.05);
}

static void ice_lake_takes_level_2_from_ordinary_events(void **state)
{
	(void)state;
	make_plan("icx");
	assert_int_equal(plan->nr_groups, 3);
	assert_true(config("drop") == 0x100d);
	count_metrics();
	counted("drop", 20);
	counted("clears", 4);
	counted("none", 24);
	counted("brmis", 3);
	counted("mclears", 1);
	counted("stallmem", 30);
	counted("stores", 10);
	counted("stalls", 40);
	counted("port1", 20);
	counted("port2", 25);
	put();
	assert_share("topdown.frontend_bound", 0.18);
	assert_share("topdown.backend_bound", 0.32);
	assert_share("topdown.bad_speculation", 0.1);
	assert_share("topdown.fetch_latency", 0.1);
	assert_share("topdown.branch_mispredicts", 0.075);
	assert_share("topdown.machine_clears", 0.025);
	/* 0.32 * (30 + 10) / (40 + 20 + 0.4 * 25 + 10) */
	assert_share("topdown.memory_bound", 0.16);
	assert_share("topdown.core_bound", 0.16);
}

static void neoverse_v1_has_level_1(void **state)
{
	(void)state;
	make_plan("arm");
	assert_int_equal(plan->nr_groups, 1);
	counted("cycles", 3e9); /* of 8 slots */
	counted("fe", 6e9);
	counted("be", 4.8e9);
	counted("stall", 12e9);
	counted("spec", 10e9);
	counted("retired", 8e9);
	counted("brmis", 3e7);
	put();
	assert_share("topdown.frontend_bound", 0.21);
	assert_share("topdown.bad_speculation", 0.14);
	assert_share("topdown.backend_bound", 0.2);
	assert_share("topdown.retiring", 0.4);
}

static void group_of_another_trial_has_no_rows(void **state)
{
	(void)state;
	make_plan("amd");
	counted("cycles", 3e9);
	counted("be", 5.4e9);
	counted("load", 1e9);
	counted("waiting", 2e9);
	for (unsigned i = 0; i < plan->nr_events; i++)
		totals[i].absent = plan->events[i].brace != plan->topdown_brace + 3;
	put();
	assert_share("topdown.memory_bound", 0.15);
	assert_null(bench_result_metric(job, "topdown.retiring", NULL, NULL));
}

static void missing_event_is_the_reason_of_what_needs_it(void **state)
{
	const json_t *m;

	(void)state;
	make_plan("arm");
	for (unsigned i = 0; i < plan->nr_events; i++) {
		totals[i] = (struct total){ .value = 1e9, .present = true };
		if (strcmp(plan->events[i].key, "spec") == 0) {
			plan->events[i].status = BENCH_NOT_SUPPORTED;
			strcpy(plan->events[i].note, "the CPU's PMU has no such event");
		}
	}
	put();
	m = bench_result_metric(job, "topdown.retiring", NULL, NULL);
	assert_string_equal(bench_result_str(m, "status"), "not_supported");
	assert_string_equal(bench_result_str(m, "note"), "r3b: the CPU's PMU has no such event");
	assert_true(json_is_null(bench_result_get(m, "value")));
}

static void unknown_cpu_is_said_to_have_no_table(void **state)
{
	const json_t *m;

	(void)state;
	make_plan("odd");
	put();
	m = bench_result_metric(job, "topdown.retiring", NULL, NULL);
	assert_string_equal(bench_result_str(m, "status"), "not_supported");
	assert_non_null(strstr(bench_result_str(m, "note"), "PMU"));
}

static void models_are_told_by_their_numbers(void **state)
{
	static const struct {
		const char *fixture, *cpu;
		struct cpu_id id;
	} cases[] = {
		{ "amd", "Zen 4", { "AuthenticAMD", 0x19, 0x61, 0 } },
		{ "amd", NULL, { "AuthenticAMD", 0x19, 0x21, 0 } }, /* Zen 3 */
		{ "amd", "Zen 5", { "AuthenticAMD", 0x1a, 0x02, 0 } },
		{ "amd", NULL, { "AuthenticAMD", 0x17, 0x31, 0 } },
		{ "arm", "Neoverse V2", { "arm", 0, 0, 0x410fd4f0 } },
		{ "arm", "Neoverse N2 r0", { "arm", 0, 0, 0x410fd490 } },
		{ "arm", "Neoverse N2", { "arm", 0, 0, 0x411fd490 } },
		{ "arm", NULL, { "arm", 0, 0, 0x411fd0c1 } }, /* N1 has no STALL_SLOT */
		{ "spr", NULL, { "Other", 6, 0x8f, 0 } },
		{ "hybrid", NULL, { "GenuineIntel", 6, 0x97, 0 } },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct topdown_model *model;
		struct pmu_set pmus;
		char root[128];

		snprintf(root, sizeof(root), FIXTURES "%s", cases[i].fixture);
		assert_int_equal(pmu_set_load(&pmus, root), 0);
		model = topdown_find(&cases[i].id, &pmus);
		pmu_set_done(&pmus);
		if (!cases[i].cpu)
			assert_null(model);
		else
			assert_string_equal(model ? model->cpu : "none", cases[i].cpu);
	}
}

static double three(const char *name, size_t len, void *ctx)
{
	(void)ctx;
	return len == 1 && *name == 'x' ? 3 : NAN;
}

static void formulas_have_the_usual_precedence(void **state)
{
	(void)state;
	assert_true(formula_eval("1 + 2 * x", three, NULL) == 7);
	assert_true(formula_eval("(1 + 2) * x / 2 - 1", three, NULL) == 3.5);
	assert_true(formula_eval("8 - x - 1", three, NULL) == 4);
	assert_true(formula_eval("max(0, 1 - x)", three, NULL) == 0);
	assert_true(isnan(formula_eval("x / (3 - x)", three, NULL)));
	assert_true(isnan(formula_eval("y + 1", three, NULL)));
	assert_true(isnan(formula_eval("max(0, y)", three, NULL)));
	assert_true(isnan(formula_eval("1 +", three, NULL)));
	assert_true(isnan(formula_eval("1 2", three, NULL)));
	assert_true(isnan(formula_eval("(1", three, NULL)));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(zen4_has_both_levels_each_from_one_group),
		TEST(sapphire_rapids_has_both_levels_in_one_group_led_by_slots),
		TEST(ice_lake_takes_level_2_from_ordinary_events),
		TEST(neoverse_v1_has_level_1),
		TEST(group_of_another_trial_has_no_rows),
		TEST(missing_event_is_the_reason_of_what_needs_it),
		TEST(unknown_cpu_is_said_to_have_no_table),
		TEST(models_are_told_by_their_numbers),
		TEST(formulas_have_the_usual_precedence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
