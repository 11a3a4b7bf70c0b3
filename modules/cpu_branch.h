/* SPDX-License-Identifier: BSD-2-Clause */
/* cpu,kernel=branch: a conditional branch on each bit of a word of random numbers, and the same code
 * on words of ones. No predictor can be right about the first more often than not, whatever its
 * history holds, and every one is right about the second: the difference is half a misprediction. */
#ifndef MODULES_CPU_BRANCH_H
#define MODULES_CPU_BRANCH_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/clock.h"
#include "prng.h"

/* Branches of one pattern before the other has its turn: both see the same clock and the same
 * neighbours, and the two reads of the clock are a thousandth. */
#define BRANCH_RUN (1u << 16)

struct branch_half {
	uint64_t branches, taken, expected; /* taken by the code, and by the bits */
	uint64_t ns;
};

struct branch {
	struct prng rng;
	struct branch_half random, steady;
};

static inline void branch_begin(struct branch *b, uint64_t seed)
{
	*b = (struct branch){ .random = { 0 } };
	prng_seed(&b->rng, seed);
}

/* How many of the 64 bits of word lead into the branch. The asm statements keep it a branch: a
 * conditional move has nothing to predict. 64 of them and no loop, whose own branch would go wrong
 * now and then. */
static inline __attribute__((always_inline)) uint64_t branch_word(uint64_t word)
{
	uint64_t taken = 0;

#pragma GCC unroll 64
	for (unsigned i = 0; i < 64; i++) {
		if (word & 1) {
			taken++;
			__asm__ volatile("" : "+r"(taken));
		} else {
			__asm__ volatile("" : "+r"(word));
		}
		word >>= 1;
	}
	return taken;
}

/* 64 * words branches. Both halves take the numbers; one of them does not look. */
static inline void branch_words(struct prng *rng, struct branch_half *half, uint64_t words,
				uint64_t always)
{
	for (uint64_t i = 0; i < words; i++) {
		uint64_t word = prng_next(rng) | always;

		half->expected += (uint64_t)__builtin_popcountll(word);
		half->taken += branch_word(word);
	}
	half->branches += 64 * words;
}

static inline void branch_half_run(struct branch *b, struct branch_half *half, uint64_t always)
{
	uint64_t begin = bench_now_ns();

	branch_words(&b->rng, half, BRANCH_RUN / 64, always);
	half->ns += bench_now_ns() - begin;
}

static inline void branch_run(struct branch *b)
{
	branch_half_run(b, &b->random, 0);
	branch_half_run(b, &b->steady, ~0ull);
}

/* ns of one branch of this half. */
static inline double branch_ns(const struct branch_half *half)
{
	return half->branches ? (double)half->ns / (double)half->branches : 0;
}

/* Every second branch on random bits goes wrong. */
static inline double branch_mispredict_ns(const struct branch *b)
{
	return 2 * (branch_ns(&b->random) - branch_ns(&b->steady));
}

static inline bool branch_right(const struct branch *b)
{
	return b->random.taken == b->random.expected && b->steady.taken == b->steady.expected;
}

#endif
