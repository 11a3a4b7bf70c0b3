// SPDX-License-Identifier: BSD-2-Clause
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/knee.h"
#include "core/steady.h"

/* Rounds until the test holds, 0 = it never does. */
static unsigned rounds_until(const double *speeds, unsigned nr, struct steady *s)
{
	assert_true(steady_init(s, BENCH_STEADY_WAIT));
	for (unsigned i = 0; i < nr; i++)
		if (steady_add(s, speeds[i]))
			return i + 1;
	return 0;
}

static void five_rounds_alike_are_steady(void **state)
{
	static const double speeds[] = { 100, 104, 97, 101, 99 };
	struct steady s;

	(void)state;
	assert_int_equal(rounds_until(speeds, 5, &s), 5);
	assert_true(fabs(s.range - 7 / 100.2) < 1e-9);
	steady_done(&s);
}

/* The trend of a line is its rise over the window: 4 steps of 2 are 8 of 104, of 3 are 12 of 106. */
static void a_trend_is_not_steady(void **state)
{
	static const double slow[] = { 100, 102, 104, 106, 108 }, fast[] = { 100, 103, 106, 109, 112 };
	struct steady s;

	(void)state;
	assert_int_equal(rounds_until(slow, 5, &s), 5);
	assert_true(fabs(s.slope - 8 / 104.0) < 1e-9);
	steady_done(&s);
	assert_int_equal(rounds_until(fast, 5, &s), 0);
	assert_true(fabs(s.slope - 12 / 106.0) < 1e-9);
	steady_done(&s);
}

static void a_drop_has_to_be_over(void **state)
{
	static const double speeds[] = { 900, 910, 905, 400, 300, 305, 298, 301, 299 };
	struct steady_change change;
	struct steady s;

	(void)state;
	assert_int_equal(rounds_until(speeds, 9, &s), 9);
	assert_true(steady_changed(&s, &change));
	assert_int_equal(change.at, 3);
	assert_true(change.from == 905 && change.to == 300.5);
	steady_done(&s);
}

static void noise_is_no_change_of_level(void **state)
{
	static const double speeds[] = { 100, 140, 90, 130, 95, 138, 99, 141 };
	struct steady_change change;
	struct steady s;

	(void)state;
	(void)rounds_until(speeds, 8, &s);
	assert_false(steady_changed(&s, &change));
	steady_done(&s);
}

static void trials_are_looked_at_but_no_rounds(void **state)
{
	static const double speeds[] = { 100, 100, 100, 100, 100 };
	struct steady_change change;
	struct steady s;
	json_t *json;

	(void)state;
	assert_int_equal(rounds_until(speeds, 5, &s), 5);
	for (unsigned i = 0; i < 3; i++)
		steady_add_trial(&s, 50);
	assert_true(steady_changed(&s, &change));
	assert_int_equal(change.at, 5);
	json = steady_json(&s);
	assert_int_equal(json_array_size(json_object_get(json, "rounds")), 5);
	assert_string_equal(json_string_value(json_object_get(json, "state")), "steady");
	assert_non_null(json_object_get(json, "change"));
	json_decref(json);
	steady_done(&s);
}

static void many_rounds_keep_the_last(void **state)
{
	struct steady s;

	(void)state;
	assert_true(steady_init(&s, BENCH_STEADY_WAIT));
	for (unsigned i = 0; i < STEADY_MAX_ROUNDS + 10; i++)
		(void)steady_add(&s, i);
	assert_int_equal(s.nr, STEADY_MAX_ROUNDS);
	assert_true(s.rounds[s.nr - 1] == STEADY_MAX_ROUNDS + 9);
	steady_done(&s);
}

/* A device with 8 channels of 100 us each: throughput grows up to a depth of 8, then latency does. */
static json_t *depth_sweep(unsigned largest)
{
	json_t *jobs = json_array();

	for (unsigned depth = 1; depth <= largest; depth *= 2) {
		double busy = depth < 8 ? depth : 8, us = 100.0 * depth / busy;

		json_array_append_new(
			jobs, json_pack("{s:s, s:{s:s, s:{s:i}}, s:[{s:s, s:s, s:f}, {s:s, s:s, s:f, s:{s:f, s:i}}]}",
					"status", "ok", "sweep", "name", "disk,depth=1..64*2", "params",
					"depth", (int)depth, "metrics", "name", "ops", "status", "ok",
					"value", 1e6 / us * depth, "name", "latency", "status", "ok",
					"value", us, "hist", "sum", us * 1000, "count", 1000));
	}
	return jobs;
}

static void the_knee_is_where_the_device_is_full(void **state)
{
	json_t *jobs = depth_sweep(64), *job;
	size_t i;

	(void)state;
	knee_mark(jobs);
	json_array_foreach (jobs, i, job) {
		const json_t *sweep = json_object_get(job, "sweep");
		json_int_t depth = json_integer_value(
			json_object_get(json_object_get(sweep, "params"), "depth"));

		assert_int_equal(json_is_true(json_object_get(sweep, "knee")), depth == 8);
	}
	json_decref(jobs);
}

static void a_sweep_that_ends_before_it_has_no_knee(void **state)
{
	json_t *jobs = depth_sweep(8), *job;
	size_t i;

	(void)state;
	knee_mark(jobs);
	json_array_foreach (jobs, i, job)
		assert_null(json_object_get(json_object_get(job, "sweep"), "knee"));
	json_decref(jobs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(five_rounds_alike_are_steady),
		cmocka_unit_test(a_trend_is_not_steady),
		cmocka_unit_test(a_drop_has_to_be_over),
		cmocka_unit_test(noise_is_no_change_of_level),
		cmocka_unit_test(trials_are_looked_at_but_no_rounds),
		cmocka_unit_test(many_rounds_keep_the_last),
		cmocka_unit_test(the_knee_is_where_the_device_is_full),
		cmocka_unit_test(a_sweep_that_ends_before_it_has_no_knee),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
