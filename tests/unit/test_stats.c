// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <cmocka.h>

#include "core/result.h"

static uint64_t seed = 7;

/* Uniform in (0, 1): xorshift64*. */
static double rnd(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return ((double)((seed * 2685821657736338717ull) >> 11) + 0.5) / 9007199254740992.0;
}

static void median_is_the_middle(void **state)
{
	double odd[] = { 5, 1, 3 }, even[] = { 4, 1, 3, 2 }, one[] = { 9 };
	double huge[] = { 1.7e308, 1.7e308 };

	(void)state;
	assert_true(stats_median(odd, 3) == 3);
	assert_true(stats_median(even, 4) == 2.5);
	assert_true(stats_median(one, 1) == 9);
	assert_true(stats_median(huge, 2) == 1.7e308);
	assert_true(isnan(stats_median(NULL, 0)));
}

static void interval_needs_six_values(void **state)
{
	double v[6] = { 1, 2, 3, 4, 5, 6 }, low = -1, high = -1;

	(void)state;
	for (unsigned nr = 0; nr < 6; nr++)
		assert_false(stats_median_ci95(v, nr, &low, &high));
	assert_true(low == -1 && high == -1);
	assert_true(stats_median_ci95(v, 6, &low, &high));
	assert_true(low == 1 && high == 6);
}

/* Ranks from published tables of the sign-test interval (Conover, Practical Nonparametric
 * Statistics, table for the median at 95 %). */
static void interval_has_the_ranks_of_the_tables(void **state)
{
	static const struct {
		unsigned nr, rank;
	} table[] = { { 8, 1 },	 { 9, 2 },  { 11, 2 }, { 12, 3 },
		      { 15, 4 }, { 20, 6 }, { 25, 8 }, { 30, 10 } };
	double v[30], low, high;

	(void)state;
	for (unsigned i = 0; i < 30; i++)
		v[i] = i + 1;
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_true(stats_median_ci95(v, table[i].nr, &low, &high));
		assert_true(low == table[i].rank);
		assert_true(high == table[i].nr + 1 - table[i].rank);
	}
}

enum shape { UNIFORM, EXPONENTIAL, LOGNORMAL, CAUCHY, NR_SHAPES };

static double draw(enum shape shape, double *ret_median)
{
	double u = rnd();

	switch (shape) {
	case EXPONENTIAL:
		*ret_median = M_LN2;
		return -log(u);
	case LOGNORMAL: /* strongly skewed: sigma 2 */
		*ret_median = 1;
		return exp(2 * sqrt(-2 * log(u)) * cos(2 * M_PI * rnd()));
	case CAUCHY: /* has no mean at all */
		*ret_median = 0;
		return tan(M_PI * (u - 0.5));
	default:
		*ret_median = 0.5;
		return u;
	}
}

static void interval_covers_the_median_in_95_percent_whatever_the_shape(void **state)
{
	enum { RUNS = 4000 };

	(void)state;
	for (enum shape shape = UNIFORM; shape < NR_SHAPES; shape++) {
		for (unsigned nr = 6; nr <= 30; nr++) {
			unsigned covered = 0;

			for (unsigned run = 0; run < RUNS; run++) {
				double v[30], median, low, high;

				for (unsigned i = 0; i < nr; i++)
					v[i] = draw(shape, &median);
				stats_median(v, nr);
				assert_true(stats_median_ci95(v, nr, &low, &high));
				covered += low <= median && median <= high;
			}
			/* 3 standard errors of a simulated 95 % are 1 %. */
			assert_true(covered >= RUNS * 0.94);
		}
	}
}

static void interval_stays_narrow_with_many_values(void **state)
{
	enum { NR = 5000 };
	double *v = calloc(NR, sizeof(*v)), low, high;

	(void)state;
	assert_non_null(v);
	for (unsigned i = 0; i < NR; i++)
		v[i] = i + 1;
	assert_true(stats_median_ci95(v, NR, &low, &high));
	/* Normal approximation: n/2 - 0.98 sqrt(n) = 2430.7. */
	assert_true(low >= 2429 && low <= 2432);
	assert_true(high == NR + 1 - low);
	free(v);
}

/* mmtests' interval is that of one value, however many there are: four times as many halve ours. */
static void interval_narrows_with_the_number_of_values(void **state)
{
	double width[2] = { 0 };

	(void)state;
	for (unsigned run = 0; run < 400; run++) {
		for (unsigned k = 0; k < 2; k++) {
			unsigned nr = k ? 400 : 100;
			double v[400], low, high, median;

			for (unsigned i = 0; i < nr; i++)
				v[i] = draw(UNIFORM, &median);
			stats_median(v, nr);
			assert_true(stats_median_ci95(v, nr, &low, &high));
			width[k] += high - low;
		}
	}
	assert_true(width[1] / width[0] > 0.42 && width[1] / width[0] < 0.58);
}

/* Apache Otava takes one spike for a change. */
static void one_spike_moves_neither_value_nor_interval(void **state)
{
	double v[20], low, high, spiked_low, spiked_high, median;

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		v[i] = 100 + i % 5;
	median = stats_median(v, 20);
	assert_true(stats_median_ci95(v, 20, &low, &high));
	v[19] = 1e9;
	assert_true(stats_median(v, 20) == median);
	assert_true(stats_median_ci95(v, 20, &spiked_low, &spiked_high));
	assert_true(spiked_low == low && spiked_high == high);
}

static void percentile_needs_ten_values_beyond_it(void **state)
{
	(void)state;
	assert_true(stats_supports(20, 0.5) && !stats_supports(19, 0.5));
	assert_true(stats_supports(100, 0.9) && !stats_supports(99, 0.9));
	assert_true(stats_supports(1000, 0.99) && !stats_supports(999, 0.99));
	assert_true(stats_supports(10000, 0.999) && !stats_supports(9999, 0.999));
	assert_false(stats_supports(0, 0.5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(median_is_the_middle),
		cmocka_unit_test(interval_needs_six_values),
		cmocka_unit_test(interval_has_the_ranks_of_the_tables),
		cmocka_unit_test(interval_covers_the_median_in_95_percent_whatever_the_shape),
		cmocka_unit_test(interval_stays_narrow_with_many_values),
		cmocka_unit_test(interval_narrows_with_the_number_of_values),
		cmocka_unit_test(one_spike_moves_neither_value_nor_interval),
		cmocka_unit_test(percentile_needs_ten_values_beyond_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
