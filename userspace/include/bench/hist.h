/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

/* Log-linear histogram, one layout for workers and for the kernel: each power of two is cut into
 * 2^bits equal steps, and values below 2^bits have a bucket each. The index of a value v >= 2^bits
 * with highest set bit e is ((e - bits + 1) << bits) + ((v >> (e - bits)) - 2^bits). A bucket is
 * at most 1/2^bits of its lower end wide, which bounds the error of a value read back.
 * (The layout of HdrHistogram and of fio's stat.c, written down.) */
#define BENCH_HIST_BITS_WORKER 6 /* error <= 1/64 = 1.6 % */
#define BENCH_HIST_BITS_KERNEL 3 /* error <= 1/8 = 12.5 % */
#define BENCH_HIST_BUCKETS(bits) ((64 - (bits) + 1) << (bits))

/* One thread records, others merge afterwards; what another thread may do meanwhile is look at the
 * counts in n[] (bench_hist_peek()). */
struct bench_hist {
	uint32_t bits;
	uint32_t nr_buckets;
	uint64_t count, sum, min, max; /* exact; min is UINT64_MAX while count is 0. sum wraps
					  at 2^64: 584 years when the values are ns */
	uint64_t n[];		       /* nr_buckets */
};

/* Zeroed histogram, or NULL when out of memory. bits is one of BENCH_HIST_BITS_*. */
struct bench_hist *bench_hist_new(uint32_t bits);
/* NULL is fine. */
void bench_hist_free(struct bench_hist *hist);
/* Forget all values. */
void bench_hist_reset(struct bench_hist *hist);
/* Add from's values to into. Both must have the same bits (programmer error otherwise). */
void bench_hist_merge(struct bench_hist *into, const struct bench_hist *from);
/* Add to into what the owner of from, which still records, has so far: counts, and from them about
 * what sum, min and max are. Each bucket is as it was at some moment of the call. */
void bench_hist_peek(struct bench_hist *into, const struct bench_hist *from);
/* The same counts in wider buckets: to has fewer bits, and gets sum, min and max as they are. */
void bench_hist_widen(struct bench_hist *to, const struct bench_hist *from);
/* Smallest value that falls into bucket index, and the smallest that falls into the next one
 * (UINT64_MAX for the last bucket, which includes it). */
uint64_t bench_hist_low(const struct bench_hist *hist, uint32_t index);
uint64_t bench_hist_high(const struct bench_hist *hist, uint32_t index);
/* The value below which quantile q (0..1) of the values lie: the middle of its bucket, clamped to
 * [min, max]; q 0 is min, q 1 is max. 0 when empty. */
uint64_t bench_hist_at(const struct bench_hist *hist, double q);

static inline uint32_t bench_hist_index(uint32_t bits, uint64_t value)
{
	uint32_t exp;

	if (value < (1ull << bits))
		return (uint32_t)value;
	exp = 63 - (uint32_t)__builtin_clzll(value);
	return ((exp - bits) << bits) + (uint32_t)(value >> (exp - bits));
}

/* The same value nr times. Constant time, no allocation. */
static inline void bench_hist_record_many(struct bench_hist *hist, uint64_t value, uint64_t nr)
{
	uint64_t *n = &hist->n[bench_hist_index(hist->bits, value)];

	/* Not an atomic addition: nobody else writes. */
	__atomic_store_n(n, *n + nr, __ATOMIC_RELAXED);
	hist->count += nr;
	hist->sum += value * nr;
	if (value < hist->min)
		hist->min = value;
	if (value > hist->max)
		hist->max = value;
}

static inline void bench_hist_record(struct bench_hist *hist, uint64_t value)
{
	bench_hist_record_many(hist, value, 1);
}

#endif
