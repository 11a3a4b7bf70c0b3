// SPDX-License-Identifier: BSD-2-Clause
/* Log-linear histogram: everything but the hot path, which is inline in bench/hist.h. */
#include "bench/hist.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct bench_hist *bench_hist_new(uint32_t bits)
{
	uint32_t nr = BENCH_HIST_BUCKETS(bits);
	struct bench_hist *hist;

	hist = calloc(1, sizeof(*hist) + nr * sizeof(hist->n[0]));
	if (!hist)
		return NULL;
	hist->bits = bits;
	hist->nr_buckets = nr;
	hist->min = UINT64_MAX;
	return hist;
}

void bench_hist_free(struct bench_hist *hist)
{
	free(hist);
}

void bench_hist_reset(struct bench_hist *hist)
{
	memset(hist->n, 0, hist->nr_buckets * sizeof(hist->n[0]));
	hist->count = 0;
	hist->sum = 0;
	hist->min = UINT64_MAX;
	hist->max = 0;
}

void bench_hist_merge(struct bench_hist *into, const struct bench_hist *from)
{
	assert(into->bits == from->bits && into->nr_buckets == from->nr_buckets);
	if (!from->count)
		return;
	for (uint32_t i = 0; i < from->nr_buckets; i++)
		into->n[i] += from->n[i];
	into->count += from->count;
	into->sum += from->sum;
	if (from->min < into->min)
		into->min = from->min;
	if (from->max > into->max)
		into->max = from->max;
}

void bench_hist_peek(struct bench_hist *into, const struct bench_hist *from)
{
	assert(into->bits == from->bits && into->nr_buckets == from->nr_buckets);
	for (uint32_t i = 0; i < from->nr_buckets; i++) {
		uint64_t n = __atomic_load_n(&from->n[i], __ATOMIC_RELAXED);
		uint64_t low, last;

		if (!n)
			continue;
		low = bench_hist_low(from, i);
		last = bench_hist_high(from, i) - 1;
		into->n[i] += n;
		into->count += n;
		into->sum += n * (low + (last - low) / 2);
		if (low < into->min)
			into->min = low;
		if (last > into->max)
			into->max = last;
	}
}

void bench_hist_widen(struct bench_hist *to, const struct bench_hist *from)
{
	assert(to->bits <= from->bits);
	bench_hist_reset(to);
	for (uint32_t i = 0; i < from->nr_buckets; i++)
		if (from->n[i])
			to->n[bench_hist_index(to->bits, bench_hist_low(from, i))] += from->n[i];
	to->count = from->count;
	to->sum = from->sum;
	to->min = from->min;
	to->max = from->max;
}

uint64_t bench_hist_low(const struct bench_hist *hist, uint32_t index)
{
	uint64_t step = 1ull << hist->bits;
	uint32_t row = index >> hist->bits;

	/* Row 0 holds the values below 2^bits, row 1 the first power of two: both have steps of 1.
	 */
	if (row < 2)
		return index;
	return (step + (index & (step - 1))) << (row - 1);
}

uint64_t bench_hist_high(const struct bench_hist *hist, uint32_t index)
{
	if (index + 1 >= hist->nr_buckets)
		return UINT64_MAX;
	return bench_hist_low(hist, index + 1);
}

/* 1 .. count: the rank of the value that quantile q asks for. The small term keeps 0.07 * 100,
 * which is a little over 7 in binary, from asking for the eighth. */
static uint64_t hist_rank(uint64_t count, double q)
{
	double rank = ceil(q * (double)count - 1e-9);

	if (rank < 1)
		return 1;
	if (rank >= (double)count)
		return count;
	return (uint64_t)rank;
}

uint64_t bench_hist_at(const struct bench_hist *hist, double q)
{
	uint64_t rank, seen = 0, value = hist->max;

	if (!hist->count)
		return 0;
	if (!(q > 0)) /* NaN too */
		return hist->min;
	if (q >= 1)
		return hist->max;
	rank = hist_rank(hist->count, q);
	for (uint32_t i = 0; i < hist->nr_buckets; i++) {
		seen += hist->n[i];
		if (seen >= rank) {
			uint64_t low = bench_hist_low(hist, i);

			value = low + (bench_hist_high(hist, i) - 1 - low) / 2;
			break;
		}
	}
	if (value < hist->min)
		return hist->min;
	return value > hist->max ? hist->max : value;
}
