// SPDX-License-Identifier: BSD-2-Clause
/* Two jobs compared by the pairs of their trials. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "core/compare.h"
#include "core/result.h"

/* trials NAN = none in that round. */
static json_t *job(const double *trials, unsigned nr)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < nr; i++)
		json_array_append_new(list, isnan(trials[i]) ? json_null() : json_real(trials[i]));
	return json_pack("{s:s, s:[{s:s, s:{}, s:s, s:s, s:f, s:o}]}", "name", "a", "metrics", "name",
			 "wall", "labels", "better", "lower", "status", "ok", "value", trials[0], "trials",
			 list);
}

static json_t *compared(const double *a, unsigned nr_a, const double *b, unsigned nr_b)
{
	json_t *base = job(a, nr_a), *other = job(b, nr_b);
	json_t *found = compare_jobs(base, other, "wall");

	json_decref(base);
	json_decref(other);
	assert_non_null(found);
	return found;
}

static void expect(json_t *found, unsigned pairs, const char *verdict)
{
	assert_int_equal(bench_result_num(found, "pairs"), pairs);
	assert_string_equal(bench_result_str(found, "verdict"), verdict);
	assert_true(!strcmp(verdict, "unknown") == json_is_null(bench_result_get(found, "ci")));
	json_decref(found);
}

/* pyperf calls what it cannot compute significant. */
static void too_few_pairs_are_no_difference(void **state)
{
	const double a[] = { 1, 1, 1, 1, 1, 1 }, b[] = { 9, 9, 9, 9, 9, 9 };

	(void)state;
	expect(compared(a, 5, b, 5), 5, "unknown");
	expect(compared(a, 6, b, 6), 6, "slower");
	expect(compared(b, 6, a, 6), 6, "faster");
}

static void unequal_numbers_of_trials_are_compared_by_their_pairs(void **state)
{
	const double a[] = { 1, 2, 1, 2, 1, 2, 1, 2 }, b[] = { 1.5, 3, 1.5, 3, 1.5, 3 };

	(void)state;
	expect(compared(a, 8, b, 6), 6, "slower");
	expect(compared(a, 8, b, 3), 3, "unknown");
}

static void a_round_without_a_value_is_no_pair(void **state)
{
	const double a[] = { 1, NAN, 1, 1, 1, 0, 1, 1 }, b[] = { 2, 2, NAN, 2, 2, 2, 2, 2 };
	json_t *found = compared(a, 8, b, 8);

	(void)state;
	assert_true(bench_result_num(found, "paired_ratio") == 2);
	expect(found, 5, "unknown");
}

/* hyperfine divides means and calls a standard deviation the error: drift that is common to both, or
 * one run that was held up, decides there. */
static void drift_and_a_spike_decide_nothing(void **state)
{
	double a[12], b[12];

	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		a[i] = 100 + 20 * i;
		b[i] = a[i] * (i % 2 ? 1.001 : 0.999);
	}
	b[3] *= 50;
	expect(compared(a, 12, b, 12), 12, "noise");
	/* A difference far below the drift is seen all the same. */
	for (unsigned i = 0; i < 12; i++)
		b[i] = a[i] * 1.01;
	expect(compared(a, 12, b, 12), 12, "slower");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_few_pairs_are_no_difference),
		cmocka_unit_test(unequal_numbers_of_trials_are_compared_by_their_pairs),
		cmocka_unit_test(a_round_without_a_value_is_no_pair),
		cmocka_unit_test(drift_and_a_spike_decide_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
