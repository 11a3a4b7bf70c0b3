// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "bench/hist.h"

static const uint32_t all_bits[] = { BENCH_HIST_BITS_WORKER, BENCH_HIST_BITS_KERNEL };

static uint64_t seed = 42;

/* xorshift64*: repeatable, and the same on every libc. */
static uint64_t rnd(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * 2685821657736338717ull;
}

/* A value of any magnitude, each power of two as likely as the others. */
static uint64_t rnd_magnitude(void)
{
	return rnd() >> (rnd() % 64);
}

static void check_value(const struct bench_hist *hist, uint64_t v)
{
	uint32_t i = bench_hist_index(hist->bits, v);
	uint64_t low = bench_hist_low(hist, i), high = bench_hist_high(hist, i);

	assert_true(i < hist->nr_buckets);
	assert_true(low <= v);
	assert_true(v < high || (high == UINT64_MAX && v == UINT64_MAX));
	/* Width at most 1/2^bits of the lower end; one where values have buckets of their own. */
	assert_true(high - low == 1 || high - low <= (low >> hist->bits) + (high == UINT64_MAX));
	assert_int_equal(bench_hist_index(hist->bits, low), i);
}

/* schbench throws away samples of 0 us, its fastest ones. */
static void zero_is_a_value(void **state)
{
	(void)state;
	for (unsigned b = 0; b < 2; b++) {
		struct bench_hist *hist = bench_hist_new(all_bits[b]);

		assert_non_null(hist);
		for (unsigned i = 0; i < 90; i++)
			bench_hist_record(hist, 0);
		for (unsigned i = 0; i < 10; i++)
			bench_hist_record(hist, 1000);
		assert_int_equal(hist->count, 100);
		assert_int_equal(hist->min, 0);
		assert_int_equal(bench_hist_at(hist, 0.5), 0);
		bench_hist_free(hist);
	}
}

static void bucket_holds_value_within_bound_over_whole_range(void **state)
{
	(void)state;
	for (unsigned b = 0; b < 2; b++) {
		struct bench_hist *hist = bench_hist_new(all_bits[b]);

		assert_non_null(hist);
		for (unsigned e = 0; e < 64; e++) {
			uint64_t p = 1ull << e;

			check_value(hist, p - 1);
			check_value(hist, p);
			check_value(hist, p + 1);
			check_value(hist, p + p / 2);
		}
		check_value(hist, 0);
		check_value(hist, UINT64_MAX);
		check_value(hist, UINT64_MAX - 1);
		for (unsigned i = 0; i < 200000; i++)
			check_value(hist, rnd_magnitude());
		bench_hist_free(hist);
	}
}

static void buckets_tile_the_range_without_gap(void **state)
{
	(void)state;
	for (unsigned b = 0; b < 2; b++) {
		struct bench_hist *hist = bench_hist_new(all_bits[b]);

		assert_non_null(hist);
		assert_int_equal(bench_hist_low(hist, 0), 0);
		for (uint32_t i = 0; i + 1 < hist->nr_buckets; i++) {
			assert_true(bench_hist_high(hist, i) > bench_hist_low(hist, i));
			assert_int_equal(bench_hist_high(hist, i), bench_hist_low(hist, i + 1));
		}
		assert_true(bench_hist_high(hist, hist->nr_buckets - 1) == UINT64_MAX);
		bench_hist_free(hist);
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void quantile_is_within_bound_of_the_exact_one(void **state)
{
	static const double qs[] = { 0, 0.01, 0.07, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1 };
	enum { NR = 10007 };
	uint64_t *values = calloc(NR, sizeof(*values));

	(void)state;
	assert_non_null(values);
	for (unsigned b = 0; b < 2; b++) {
		struct bench_hist *hist = bench_hist_new(all_bits[b]);

		assert_non_null(hist);
		for (unsigned i = 0; i < NR; i++) {
			values[i] = b ? rnd_magnitude() : 1000 + rnd() % 100000;
			bench_hist_record(hist, values[i]);
		}
		qsort(values, NR, sizeof(*values), compare);
		for (unsigned i = 0; i < sizeof(qs) / sizeof(qs[0]); i++) {
			unsigned rank = (unsigned)(qs[i] * NR + 0.999999);
			uint64_t exact = values[rank ? rank - 1 : 0];
			uint64_t got = bench_hist_at(hist, qs[i]);
			uint64_t off = got > exact ? got - exact : exact - got;

			assert_true(off <= exact >> hist->bits);
		}
		assert_true(bench_hist_at(hist, 0) == values[0]);
		assert_true(bench_hist_at(hist, 1) == values[NR - 1]);
		bench_hist_free(hist);
	}
	free(values);
}

static void quantile_of_few_values_takes_the_right_rank(void **state)
{
	struct bench_hist *hist = bench_hist_new(BENCH_HIST_BITS_WORKER);

	(void)state;
	assert_non_null(hist);
	assert_int_equal(bench_hist_at(hist, 0.5), 0);
	for (uint64_t v = 1; v <= 50; v++) /* below 2^6: each has its own bucket */
		bench_hist_record(hist, v);
	assert_int_equal(bench_hist_at(hist, 0.5), 25);
	assert_int_equal(bench_hist_at(hist, 0.98), 49);
	assert_int_equal(bench_hist_at(hist, 0.14), 7); /* 0.14 * 50 is not exactly 7 */
	assert_int_equal(bench_hist_at(hist, 2), 50);
	assert_int_equal(bench_hist_at(hist, -1), 1);
	bench_hist_free(hist);
}

static void merge_equals_recording_everything_in_one(void **state)
{
	struct bench_hist *a = bench_hist_new(BENCH_HIST_BITS_WORKER);
	struct bench_hist *b = bench_hist_new(BENCH_HIST_BITS_WORKER);
	struct bench_hist *all = bench_hist_new(BENCH_HIST_BITS_WORKER);

	(void)state;
	assert_true(a && b && all);
	bench_hist_merge(a, b); /* an empty one changes nothing, min included */
	assert_true(a->count == 0 && a->min == UINT64_MAX && a->max == 0);
	bench_hist_record(b, 1); /* both ends come from the one that is merged in */
	bench_hist_record(all, 1);
	bench_hist_record(b, 1ull << 60);
	bench_hist_record(all, 1ull << 60);
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t v = 5 + (rnd_magnitude() >> 20);

		bench_hist_record(i % 3 ? a : b, v);
		bench_hist_record(all, v);
	}
	bench_hist_merge(a, b);
	assert_memory_equal(a, all, sizeof(*a) + a->nr_buckets * sizeof(a->n[0]));
	bench_hist_reset(a);
	assert_true(a->count == 0 && a->sum == 0 && a->min == UINT64_MAX && a->max == 0);
	for (uint32_t i = 0; i < a->nr_buckets; i++)
		assert_true(a->n[i] == 0);
	bench_hist_free(a);
	bench_hist_free(b);
	bench_hist_free(all);
	bench_hist_free(NULL);
}

/* What is seen of one that is still recorded into: the same counts, ends within a bucket. */
static void many_at_once_are_as_many_one_by_one(void **state)
{
	struct bench_hist *one = bench_hist_new(BENCH_HIST_BITS_WORKER);
	struct bench_hist *many = bench_hist_new(BENCH_HIST_BITS_WORKER);
	const uint64_t values[] = { 1, 32, 4097, 1ull << 40 };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned k = 0; k <= i; k++)
			bench_hist_record(one, values[i]);
		bench_hist_record_many(many, values[i], i + 1);
	}
	assert_int_equal(one->nr_buckets, many->nr_buckets);
	assert_memory_equal(one, many, sizeof(*one) + one->nr_buckets * sizeof(one->n[0]));
	bench_hist_free(one);
	bench_hist_free(many);
}

static void a_look_from_outside_has_all_counts(void **state)
{
	struct bench_hist *from = bench_hist_new(BENCH_HIST_BITS_WORKER);
	struct bench_hist *seen = bench_hist_new(BENCH_HIST_BITS_WORKER);

	(void)state;
	assert_true(from && seen);
	bench_hist_peek(seen, from);
	assert_true(seen->count == 0 && seen->min == UINT64_MAX);
	for (unsigned i = 0; i < 20000; i++)
		bench_hist_record(from, rnd_magnitude() >> 20);
	bench_hist_peek(seen, from);
	assert_int_equal(seen->count, from->count);
	assert_memory_equal(seen->n, from->n, from->nr_buckets * sizeof(from->n[0]));
	assert_true(seen->min <= from->min && from->min - seen->min <= from->min / 64 + 1);
	assert_true(seen->max >= from->max && seen->max - from->max <= from->max / 64 + 1);
	assert_true(seen->sum >= from->sum - from->sum / 64 - from->count &&
		    seen->sum <= from->sum + from->sum / 64 + from->count);
	bench_hist_peek(seen, from); /* of a second worker */
	assert_int_equal(seen->count, 2 * from->count);
	bench_hist_free(from);
	bench_hist_free(seen);
}

static void wider_buckets_keep_every_value(void **state)
{
	struct bench_hist *from = bench_hist_new(BENCH_HIST_BITS_WORKER);
	struct bench_hist *wide = bench_hist_new(BENCH_HIST_BITS_KERNEL);
	struct bench_hist *want = bench_hist_new(BENCH_HIST_BITS_KERNEL);

	(void)state;
	assert_true(from && wide && want);
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t v = rnd_magnitude();

		bench_hist_record(from, v);
		bench_hist_record(want, v);
	}
	bench_hist_widen(wide, from);
	assert_memory_equal(wide, want, sizeof(*want) + want->nr_buckets * sizeof(want->n[0]));
	bench_hist_free(from);
	bench_hist_free(wide);
	bench_hist_free(want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zero_is_a_value),
		cmocka_unit_test(bucket_holds_value_within_bound_over_whole_range),
		cmocka_unit_test(buckets_tile_the_range_without_gap),
		cmocka_unit_test(quantile_is_within_bound_of_the_exact_one),
		cmocka_unit_test(quantile_of_few_values_takes_the_right_rank),
		cmocka_unit_test(merge_equals_recording_everything_in_one),
		cmocka_unit_test(many_at_once_are_as_many_one_by_one),
		cmocka_unit_test(a_look_from_outside_has_all_counts),
		cmocka_unit_test(wider_buckets_keep_every_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
