// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "core/result.h"

static const struct bench_metric_id ops = {
	.name = "ops",
	.unit = "1/s",
	.source = BENCH_SOURCE_MODULE,
	.better = BENCH_BETTER_HIGHER,
};
static const struct bench_metric_id latency = {
	.name = "latency",
	.unit = "ns",
	.source = BENCH_SOURCE_MODULE,
	.better = BENCH_BETTER_LOWER,
};

static struct bench_metric_set *set;
static json_t *job; /* {"metrics": ...} of the last render() */

static int setup(void **state)
{
	(void)state;
	set = metric_set_new();
	job = NULL;
	return set ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	metric_set_free(set);
	json_decref(job);
	return 0;
}

static const json_t *render(const char *name)
{
	json_decref(job);
	job = json_pack("{s:o}", "metrics", metric_set_json(set));
	assert_non_null(job);
	return bench_result_metric(job, name, NULL, NULL);
}

static void put_trial(double value)
{
	metric_set_next_trial(set);
	bench_metric_put(set, &ops, value);
}

static void value_is_the_median_and_trials_keep_their_order(void **state)
{
	const json_t *m, *trials;

	(void)state;
	put_trial(30);
	put_trial(10);
	put_trial(20.5);
	m = render("ops");
	assert_true(bench_result_num(m, "value") == 20.5);
	assert_true(json_is_null(bench_result_get(m, "ci")));
	trials = bench_result_get(m, "trials");
	assert_int_equal(json_array_size(trials), 3);
	assert_true(json_number_value(json_array_get(trials, 0)) == 30);
	assert_string_equal(bench_result_str(m, "unit"), "1/s");
	assert_string_equal(bench_result_str(m, "source"), "module");
	assert_string_equal(bench_result_str(m, "better"), "higher");
	assert_string_equal(bench_result_str(m, "status"), "ok");
	assert_null(bench_result_get(m, "hist"));
	assert_true(metric_set_value(set, "ops") == 20.5);
}

static void interval_appears_with_six_trials(void **state)
{
	const json_t *ci;

	(void)state;
	for (int i = 0; i < 6; i++)
		put_trial(100 + i);
	ci = bench_result_get(render("ops"), "ci");
	assert_int_equal(json_array_size(ci), 2);
	assert_true(json_number_value(json_array_get(ci, 0)) == 100);
	assert_true(json_number_value(json_array_get(ci, 1)) == 105);
}

static void warm_up_values_are_dropped(void **state)
{
	(void)state;
	bench_metric_put(set, &ops, 1e9);
	assert_null(render("ops"));
	assert_true(isnan(metric_set_value(set, "ops")));
	put_trial(5);
	assert_true(bench_result_num(render("ops"), "value") == 5);
	assert_int_equal(json_array_size(bench_result_get(render("ops"), "trials")), 1);
}

static void dropped_trial_leaves_no_trace(void **state)
{
	struct bench_hist *hist = bench_hist_new(BENCH_HIST_BITS_WORKER);
	const json_t *m;

	(void)state;
	assert_non_null(hist);
	bench_hist_record(hist, 7);
	put_trial(5);
	bench_metric_put_hist(set, &latency, hist);
	put_trial(500);
	bench_metric_put_hist(set, &latency, hist);
	metric_set_drop_trial(set);
	bench_metric_put(set, &ops, 999); /* belongs to no trial */
	m = render("ops");
	assert_int_equal(json_array_size(bench_result_get(m, "trials")), 1);
	assert_true(bench_result_num(m, "value") == 5);
	assert_true(bench_result_num(render("latency"), "hist.count") == 1);
	put_trial(6);
	assert_int_equal(json_array_size(bench_result_get(render("ops"), "trials")), 2);
	bench_hist_free(hist);
}

static void second_put_in_a_trial_adds_up(void **state)
{
	(void)state;
	put_trial(5);
	bench_metric_put(set, &ops, 7);
	assert_true(bench_result_num(render("ops"), "value") == 12);
}

static void trial_without_value_is_null(void **state)
{
	const json_t *trials;

	(void)state;
	put_trial(1);
	metric_set_next_trial(set);
	put_trial(3);
	metric_set_next_trial(set);
	trials = bench_result_get(render("ops"), "trials");
	assert_int_equal(json_array_size(trials), 4);
	assert_true(json_is_null(json_array_get(trials, 1)));
	assert_true(json_is_null(json_array_get(trials, 3)));
	assert_true(bench_result_num(render("ops"), "value") == 2);
	assert_string_equal(bench_result_str(render("ops"), "status"), "ok");
}

static void sparse_metric_is_zero_where_it_did_not_occur(void **state)
{
	struct bench_metric_id id = { .name = "sched.blame", .unit = "ns" };
	const json_t *m;

	(void)state;
	bench_metric_put_sparse(set, &id, 9); /* warm-up */
	put_trial(1);
	assert_null(render("sched.blame"));
	put_trial(1);
	bench_metric_put_sparse(set, &id, 5);
	put_trial(1);
	m = render("sched.blame");
	assert_int_equal(json_array_size(bench_result_get(m, "trials")), 3);
	assert_true(json_number_value(json_array_get(bench_result_get(m, "trials"), 0)) == 0);
	assert_true(json_number_value(json_array_get(bench_result_get(m, "trials"), 1)) == 5);
	assert_true(json_number_value(json_array_get(bench_result_get(m, "trials"), 2)) == 0);
	assert_true(bench_result_num(m, "value") == 0);
}

static void worst_status_wins_with_its_note(void **state)
{
	const json_t *m;

	(void)state;
	put_trial(1);
	metric_set_next_trial(set);
	bench_metric_put_status(set, &ops, BENCH_NOT_COUNTED, 77, "never scheduled in");
	metric_set_next_trial(set);
	bench_metric_put_status(set, &ops, BENCH_SCALED, 3, "multiplexed");
	m = render("ops");
	assert_string_equal(bench_result_str(m, "status"), "not_counted");
	assert_string_equal(bench_result_str(m, "note"), "never scheduled in");
	assert_true(json_is_null(bench_result_get(m, "value")));
	assert_false(bench_result_has_value(m));
	assert_true(json_is_null(json_array_get(bench_result_get(m, "trials"), 1)));
	assert_true(json_number_value(json_array_get(bench_result_get(m, "trials"), 2)) == 3);
}

static void sum_with_a_missing_part_is_missing(void **state)
{
	const json_t *m;

	(void)state;
	metric_set_next_trial(set);
	bench_metric_put(set, &ops, 1);
	bench_metric_put_status(set, &ops, BENCH_NOT_SUPPORTED, 5, "on one of two cores");
	bench_metric_put(set, &ops, 1);
	m = render("ops");
	assert_string_equal(bench_result_str(m, "status"), "not_supported");
	assert_string_equal(bench_result_str(m, "note"), "on one of two cores");
	assert_true(json_is_null(bench_result_get(m, "value")));
	assert_true(json_is_null(json_array_get(bench_result_get(m, "trials"), 0)));
}

static void scaled_value_is_a_value_and_invalid_is_not(void **state)
{
	struct bench_metric_id bad = ops;

	(void)state;
	bad.name = "bad";
	metric_set_next_trial(set);
	bench_metric_put_status(set, &ops, BENCH_SCALED, 3, NULL);
	bench_metric_put_status(set, &bad, BENCH_INVALID, 4, "residual over 1 %");
	assert_true(bench_result_has_value(render("ops")));
	assert_false(bench_result_has_value(render("bad")));
	assert_true(json_is_null(bench_result_get(render("bad"), "value")));
	assert_true(json_number_value(
			    json_array_get(bench_result_get(render("bad"), "trials"), 0)) == 4);
}

static void not_a_number_is_invalid_and_never_zero(void **state)
{
	(void)state;
	put_trial(INFINITY);
	assert_string_equal(bench_result_str(render("ops"), "status"), "invalid");
	assert_true(json_is_null(bench_result_get(render("ops"), "value")));
}

static void identity_is_name_and_labels_in_any_order(void **state)
{
	struct bench_metric_id a = ops, b = ops;

	(void)state;
	a.labels[0] = (struct bench_label){ "cpu", "0" };
	a.labels[1] = (struct bench_label){ "depth", "3" };
	b.labels[0] = (struct bench_label){ "depth", "3" };
	b.labels[2] = (struct bench_label){ "cpu", "0" };
	metric_set_next_trial(set);
	bench_metric_put(set, &a, 1);
	bench_metric_put(set, &b, 2);
	bench_metric_put(set, &ops, 10);
	b.labels[2].value = "1";
	bench_metric_put(set, &b, 5);
	render("ops");
	assert_int_equal(json_array_size(bench_result_get(job, "metrics")), 3);
	assert_true(bench_result_num(bench_result_metric(job, "ops", "cpu", "0"), "value") == 3);
	assert_true(bench_result_num(bench_result_metric(job, "ops", "cpu", "1"), "value") == 5);
	assert_true(bench_result_num(bench_result_metric(job, "ops", NULL, NULL), "value") == 10);
	assert_null(bench_result_metric(job, "ops", "cpu", "2"));
}

static void thousands_of_ids_stay_apart(void **state)
{
	struct bench_metric_id id = ops;
	char cpu[16];

	(void)state;
	id.labels[0] = (struct bench_label){ "cpu", cpu };
	for (int trial = 0; trial < 3; trial++) {
		metric_set_next_trial(set);
		for (int i = 0; i < 5000; i++) {
			snprintf(cpu, sizeof(cpu), "%d", i);
			bench_metric_put(set, &id, i + trial);
		}
	}
	render("ops");
	assert_int_equal(json_array_size(bench_result_get(job, "metrics")), 5000);
	assert_true(bench_result_num(bench_result_metric(job, "ops", "cpu", "4711"), "value") ==
		    4712);
}

static void histogram_merges_and_trials_are_medians(void **state)
{
	struct bench_hist *hist = bench_hist_new(BENCH_HIST_BITS_WORKER);
	const json_t *m, *h;

	(void)state;
	assert_non_null(hist);
	for (uint64_t trial = 1; trial <= 3; trial++) {
		bench_hist_reset(hist);
		for (int i = 0; i < 40; i++)
			bench_hist_record(hist, trial * 10);
		metric_set_next_trial(set);
		bench_metric_put_hist(set, &latency, hist);
	}
	metric_set_next_trial(set);
	bench_hist_reset(hist);
	bench_metric_put_hist(set, &latency, hist); /* no value in this trial */
	m = render("latency");
	h = bench_result_get(m, "hist");
	assert_true(bench_result_num(m, "value") == 20);
	assert_int_equal(json_array_size(bench_result_get(m, "trials")), 4);
	assert_true(json_is_null(json_array_get(bench_result_get(m, "trials"), 3)));
	assert_true(bench_result_num(h, "count") == 120);
	assert_true(bench_result_num(h, "sum") == 40 * 60);
	assert_true(bench_result_num(h, "min") == 10 && bench_result_num(h, "max") == 30);
	assert_true(bench_result_num(h, "p50") == 20 && bench_result_num(h, "p90") == 30);
	assert_true(json_is_null(bench_result_get(h, "p99"))); /* 120 values are too few */
	assert_true(json_is_null(bench_result_get(h, "p999")));
	assert_true(bench_result_num(h, "error") == 1.0 / 64);
	assert_int_equal(json_array_size(bench_result_get(h, "buckets")), 3);
	bench_hist_free(hist);
}

static void empty_histogram_has_no_numbers(void **state)
{
	struct bench_hist *hist = bench_hist_new(BENCH_HIST_BITS_KERNEL);
	const json_t *m;

	(void)state;
	assert_non_null(hist);
	metric_set_next_trial(set);
	bench_metric_put_hist(set, &latency, hist);
	m = render("latency");
	assert_true(json_is_null(bench_result_get(m, "value")));
	assert_true(json_is_null(bench_result_get(m, "hist.min")));
	assert_true(json_is_null(bench_result_get(m, "hist.p50")));
	assert_int_equal(json_array_size(bench_result_get(m, "hist.buckets")), 0);
	bench_hist_free(hist);
}

static void values_beyond_int64_survive(void **state)
{
	struct bench_hist *hist = bench_hist_new(BENCH_HIST_BITS_WORKER);
	const json_t *m;

	(void)state;
	assert_non_null(hist);
	bench_hist_record(hist, UINT64_MAX);
	metric_set_next_trial(set);
	bench_metric_put_hist(set, &latency, hist);
	m = render("latency");
	assert_true(bench_result_num(m, "hist.max") > 1.8e19);
	assert_true(bench_result_num(m, "hist.max") < 1.9e19);
	bench_hist_free(hist);
}

static void label_that_is_not_utf8_does_not_break_the_document(void **state)
{
	struct bench_metric_id id = ops;

	(void)state;
	id.labels[0] = (struct bench_label){ "comm", "ev\xff\xc3(il" };
	metric_set_next_trial(set);
	bench_metric_put(set, &id, 1);
	render("ops");
	assert_non_null(bench_result_metric(job, "ops", "comm", "ev\\xff\\xc3(il"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* One that cannot be right says nothing about the others. */
static void trial_that_is_left_out_is_not_joined(void **state)
{
	const json_t *m, *one;

	(void)state;
	put_trial(1);
	metric_set_next_trial(set);
	bench_metric_put_left_out(set, &ops, 50, "half of it is missing");
	put_trial(3);
	m = render("ops");
	assert_string_equal(bench_result_str(m, "status"), "ok");
	assert_true(bench_result_num(m, "value") == 2);
	assert_int_equal(json_array_size(bench_result_get(m, "trials")), 3);
	assert_true(json_is_null(json_array_get(bench_result_get(m, "trials"), 1)));
	assert_int_equal(json_array_size(bench_result_get(m, "left_out")), 1);
	one = json_array_get(bench_result_get(m, "left_out"), 0);
	assert_true(bench_result_num(one, "trial") == 2);
	assert_true(bench_result_num(one, "value") == 50);
	assert_string_equal(bench_result_str(one, "note"), "half of it is missing");
}

static void where_all_are_left_out_the_metric_is_invalid(void **state)
{
	const json_t *m;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		metric_set_next_trial(set);
		bench_metric_put_left_out(set, &ops, 50 + i, "half of it is missing");
	}
	m = render("ops");
	assert_string_equal(bench_result_str(m, "status"), "invalid");
	assert_string_equal(bench_result_str(m, "note"), "half of it is missing");
	assert_true(json_is_null(bench_result_get(m, "value")));
	assert_true(json_real_value(json_array_get(bench_result_get(m, "trials"), 1)) == 51 ||
		    json_integer_value(json_array_get(bench_result_get(m, "trials"), 1)) == 51);
	assert_null(bench_result_get(m, "left_out"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(value_is_the_median_and_trials_keep_their_order),
		TEST(interval_appears_with_six_trials),
		TEST(warm_up_values_are_dropped),
		TEST(dropped_trial_leaves_no_trace),
		TEST(second_put_in_a_trial_adds_up),
		TEST(trial_without_value_is_null),
		TEST(sparse_metric_is_zero_where_it_did_not_occur),
		TEST(worst_status_wins_with_its_note),
		TEST(trial_that_is_left_out_is_not_joined),
		TEST(where_all_are_left_out_the_metric_is_invalid),
		TEST(sum_with_a_missing_part_is_missing),
		TEST(scaled_value_is_a_value_and_invalid_is_not),
		TEST(not_a_number_is_invalid_and_never_zero),
		TEST(identity_is_name_and_labels_in_any_order),
		TEST(thousands_of_ids_stay_apart),
		TEST(histogram_merges_and_trials_are_medians),
		TEST(empty_histogram_has_no_numbers),
		TEST(values_beyond_int64_survive),
		TEST(label_that_is_not_utf8_does_not_break_the_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
