// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "bench/clock.h"
#include "core/series.h"
#include "core/worker.h"

static const struct series_column columns[] = { { .name = "ops", .per_second = true },
						{ .name = "depth" } };

static double cell(const json_t *json, size_t row, size_t column)
{
	const json_t *value = json_array_get(
		json_array_get(json_object_get(json, "rows"), row), column);

	return json_is_number(value) ? json_number_value(value) : NAN;
}

static size_t nr_rows(const json_t *json)
{
	return json_array_size(json_object_get(json, "rows"));
}

static void sums_become_rates_and_means(void **state)
{
	struct series *s = series_new(columns, 2, 1000);
	const double sum[] = { 30, 8000 }, unknown[] = { NAN, 0 };
	json_t *json;

	(void)state;
	assert_null(series_json(s));
	series_add(s, 0, 2000, 1, sum);
	series_add(s, 2000, 1000, 1, unknown);
	json = series_json(s);
	assert_int_equal(nr_rows(json), 2);
	assert_true(cell(json, 0, 0) == 0 && cell(json, 0, 1) == 2000 && cell(json, 0, 2) == 1);
	assert_true(cell(json, 0, 3) == 30 * 1e9 / 2000);
	assert_true(cell(json, 0, 4) == 4);
	assert_true(isnan(cell(json, 1, 3)));
	assert_true(cell(json, 1, 4) == 0);
	json_decref(json);
	series_free(s);
}

/* However many there are: bounded, nothing lost, nothing twice, trials apart. */
static void rows_merge_when_they_run_out(void **state)
{
	struct series *s = series_new(columns, 2, 1000);
	uint64_t next = 0;
	double ops = 0;
	json_t *json;

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		const double sum[] = { 1, 1000 };

		series_add(s, (uint64_t)i * 1000, 1000, 1 + i / 1000, sum);
	}
	assert_true(series_interval(s) >= 16000);
	json = series_json(s);
	assert_in_range(nr_rows(json), SERIES_ROWS / 3, SERIES_ROWS);
	for (size_t i = 0; i < nr_rows(json); i++) {
		assert_true(cell(json, i, 0) == (double)next);
		assert_true(cell(json, i, 2) == (double)(1 + next / 1000000));
		assert_true(cell(json, i, 4) == 1);
		ops += cell(json, i, 3) * cell(json, i, 1) / 1e9;
		next += (uint64_t)cell(json, i, 1);
	}
	assert_int_equal(next, 10000 * 1000);
	assert_true(fabs(ops - 10000) < 1e-6);
	json_decref(json);
	series_free(s);
}

static void more_trials_than_rows_merge_too(void **state)
{
	struct series *s = series_new(columns, 2, 1000);
	const double sum[] = { 1, 1000 };
	json_t *json;

	(void)state;
	for (unsigned i = 0; i < 5000; i++)
		series_add(s, (uint64_t)i * 1000, 1000, 1 + i, sum);
	json = series_json(s);
	assert_in_range(nr_rows(json), 1, SERIES_ROWS);
	json_decref(json);
	series_free(s);
}

static void trial_cut_short_leaves_no_rows(void **state)
{
	struct series *s = series_new(columns, 2, 1000);
	const double sum[] = { 1, 1000 };
	json_t *json;

	(void)state;
	series_add(s, 0, 1000, 1, sum);
	series_add(s, 1000, 1000, 2, sum);
	series_add(s, 2000, 1000, 2, sum);
	series_drop(s, 2);
	json = series_json(s);
	assert_int_equal(nr_rows(json), 1);
	json_decref(json);
	series_free(s);
}

/* A worker that has done 1000 ops per ms by its own account, in 32 of which were always in flight;
 * the control loop looks every 5 ms. */
static void timer_reads_what_workers_publish(void **state)
{
	struct worker_run *wr = aligned_alloc(64, sizeof(*wr));
	static const char *const gauges[] = { "a.level", "a.secret", NULL };
	static const struct bench_module module = { .gauges = gauges };
	struct job_run jr = { .workers = wr, .nr = 1, .module = &module };
	struct sampler_config c = { .jr = &jr, .async = true, .interval_ns = 5 * BENCH_NS_PER_MS };
	struct bench_err err = { 0 };
	uint64_t start, now;
	struct sampler *s;
	double ops = 0;
	bool never = false;
	json_t *json;

	(void)state;
	assert_non_null(wr);
	memset(wr, 0, sizeof(*wr));
	assert_int_equal(loop_open(&c.loop, NULL, &err), 0);
	s = sampler_new(&c);
	assert_non_null(s);
	start = now = bench_now_ns();
	wr->live.inflight_next = 32;
	bench_gauge(&wr->w, 0, 7);
	bench_gauge(&wr->w, 1, NAN);
	bench_gauge(&wr->w, BENCH_GAUGES, 1); /* has no place */
	wr->live.at_ns = start;
	sampler_begin(s, start, start + 30 * BENCH_NS_PER_MS, 1);
	while (now < start + 30 * BENCH_NS_PER_MS) {
		now = bench_now_ns();
		wr->live.ops = (now - start) / 1000;
		(void)loop_run(c.loop, &never, now + BENCH_NS_PER_MS / 2);
	}
	wr->live.ops = 30000;
	sampler_end(s, start + 30 * BENCH_NS_PER_MS, true);
	json = sampler_json(s);
	assert_non_null(json);
	/* Others may have had the CPU, so there may be fewer rows, never more. */
	assert_in_range(nr_rows(json), 2, 6);
	for (size_t i = 0; i < nr_rows(json); i++) {
		assert_true(fabs(cell(json, i, 5) - 32) < 0.01);
		assert_true(fabs(cell(json, i, 6) - 7) < 0.01);
		/* Not known: null, never 0. */
		assert_true(json_is_null(json_array_get(
			json_array_get(json_object_get(json, "rows"), i), 7)));
		ops += cell(json, i, 3) * cell(json, i, 1) / 1e9;
	}
	assert_true(fabs(ops - 30000) < 1);
	json_decref(json);
	sampler_free(s);
	loop_close(c.loop);
	free(wr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_become_rates_and_means),
		cmocka_unit_test(rows_merge_when_they_run_out),
		cmocka_unit_test(more_trials_than_rows_merge_too),
		cmocka_unit_test(trial_cut_short_leaves_no_rows),
		cmocka_unit_test(timer_reads_what_workers_publish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
