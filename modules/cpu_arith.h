/* SPDX-License-Identifier: BSD-2-Clause */
/* cpu: additions, multiplications and divisions of 64-bit integers, as chains that the compiler
 * keeps apart: an empty asm after each operation makes its result unknown
 * to it, so that nothing is folded, reordered into vectors or left out. One chain gives the latency,
 * several side by side the throughput. The chains go on from call to call; what they must have come
 * to is worked out after the window. */
#ifndef MODULES_CPU_ARITH_H
#define MODULES_CPU_ARITH_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu_chain.h"

/* Chains side by side: as many as hide 4 cycles of latency on two pipes, or 3 on two (multiply), or
 * one cycle on six (add), and still fit 16 registers. */
#define ARITH_CHAINS 8

/* Odd: powers of it never come to 0. */
#define ARITH_FACTOR 0x5851f42d4c957f2dull
/* x / 3 + 2^62 comes to 3 * 2^61 from anywhere, so that each dividend has 63 bits:
 * dividers end early on small ones. */
#define ARITH_DIVISOR 3ull
#define ARITH_ADDEND (1ull << 62)

enum arith_kind { ARITH_ADD, ARITH_MUL, ARITH_DIV };

struct arith {
	uint64_t x[ARITH_CHAINS];
	uint64_t done[ARITH_CHAINS]; /* operations of each chain since arith_begin() */
};

static inline void arith_begin(struct arith *a)
{
	for (unsigned i = 0; i < ARITH_CHAINS; i++) {
		a->x[i] = i + 7;
		a->done[i] = 0;
	}
}

/* In a register, with a value that the compiler does not know. */
static inline __attribute__((always_inline)) uint64_t arith_hide(uint64_t x)
{
	__asm__ volatile("" : "+r"(x));
	return x;
}

static inline __attribute__((always_inline)) uint64_t arith_one(enum arith_kind kind, uint64_t x,
								uint64_t operand, uint64_t addend)
{
	switch (kind) {
	case ARITH_MUL:
		x *= operand;
		break;
	case ARITH_DIV:
		x = x / operand + addend;
		break;
	default:
		x += operand;
	}
	return arith_hide(x);
}

static inline uint64_t arith_operand(enum arith_kind kind)
{
	return kind == ARITH_MUL ? ARITH_FACTOR : kind == ARITH_DIV ? ARITH_DIVISOR : CPU_STEP;
}

/* kind and nr are constants at each call: the loops below become straight lines. */
static inline __attribute__((always_inline)) void arith_chains(struct arith *a,
							       enum arith_kind kind, unsigned nr,
							       uint64_t turns)
{
	uint64_t x[ARITH_CHAINS], operand = arith_hide(arith_operand(kind));
	uint64_t addend = arith_hide(ARITH_ADDEND);

	for (unsigned i = 0; i < nr; i++)
		x[i] = a->x[i];
	for (; turns; turns--) {
#pragma GCC unroll 8
		for (unsigned i = 0; i < ARITH_CHAINS; i++)
			x[nr == 1 ? 0 : i] =
				arith_one(kind, x[nr == 1 ? 0 : i], operand, addend);
	}
	for (unsigned i = 0; i < nr; i++)
		a->x[i] = x[i];
}

static inline void arith_turns(struct arith *a, enum arith_kind kind, bool several, uint64_t turns)
{
	switch (kind) {
	case ARITH_MUL:
		several ? arith_chains(a, ARITH_MUL, ARITH_CHAINS, turns)
			: arith_chains(a, ARITH_MUL, 1, turns);
		return;
	case ARITH_DIV:
		several ? arith_chains(a, ARITH_DIV, ARITH_CHAINS, turns)
			: arith_chains(a, ARITH_DIV, 1, turns);
		return;
	default:
		several ? arith_chains(a, ARITH_ADD, ARITH_CHAINS, turns)
			: arith_chains(a, ARITH_ADD, 1, turns);
	}
}

/* Exactly ops operations of integers: over all chains, or in the first one. */
static inline void arith_run(struct arith *a, enum arith_kind kind, bool several, uint64_t ops)
{
	uint64_t turns = ops / ARITH_CHAINS, rest = ops % ARITH_CHAINS;

	arith_turns(a, kind, several, turns);
	for (unsigned i = 0; i < ARITH_CHAINS; i++)
		a->done[several ? i : 0] += turns;
	for (unsigned i = 0; i < rest; i++) {
		uint64_t *x = &a->x[several ? i : 0];

		*x = arith_one(kind, *x, arith_operand(kind), ARITH_ADDEND);
		a->done[several ? i : 0]++;
	}
}

/* factor to the power of n, modulo 2^64. */
static inline uint64_t arith_power(uint64_t factor, uint64_t n)
{
	uint64_t product = 1;

	for (; n; n >>= 1, factor *= factor)
		if (n & 1)
			product *= factor;
	return product;
}

/* What chain i must be at. A division shrinks any distance from the fixed point to a third, so a
 * few dozen tell the rest: from there on its check is that the value is kept, not how often. */
static inline uint64_t arith_expect(const struct arith *a, enum arith_kind kind, unsigned i)
{
	uint64_t x = i + 7;

	switch (kind) {
	case ARITH_MUL:
		return x * arith_power(ARITH_FACTOR, a->done[i]);
	case ARITH_DIV:
		for (uint64_t n = 0; n < a->done[i] && n < 64; n++)
			x = x / ARITH_DIVISOR + ARITH_ADDEND;
		return x;
	default:
		return cpu_int_expect(x, a->done[i]);
	}
}

/* All chains: the first one that is wrong, or ARITH_CHAINS. */
static inline unsigned arith_verify(const struct arith *a, enum arith_kind kind)
{
	unsigned i = 0;

	while (i < ARITH_CHAINS && a->x[i] == arith_expect(a, kind, i))
		i++;
	return i;
}

#endif
