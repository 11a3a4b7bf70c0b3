/* SPDX-License-Identifier: BSD-2-Clause */
/* cpu: the two chains in assembly, whose length in cycles is known. A compiler could fold them, and
 * a loop of its own would add to them. */
#ifndef MODULES_CPU_CHAIN_H
#define MODULES_CPU_CHAIN_H

#include <stdint.h>

/* Odd and large: the chain's value depends on every single add. It sits in a register on purpose:
 * recent Intel cores (Golden Cove on) resolve adds of small constants while renaming, several per
 * cycle. */
#define CPU_STEP 0x9e3779b97f4a7c15ull

/* The loop counter runs beside the chain and does not lengthen it: 64 ops per turn. */
#define CPU_UNROLL 64

/* The operands below are early clobbers ("&"): the chain writes them while its other operands are
 * still read, and a compiler may give one register to two operands of equal value. */

#if defined(__x86_64__)
static inline uint64_t cpu_int_chain(uint64_t x, uint64_t step, uint64_t ops)
{
	uint64_t turns = ops / CPU_UNROLL, rest = ops % CPU_UNROLL;

	__asm__ volatile("test %[t], %[t]\n\tjz 2f\n\t.p2align 5\n"
			 "1:\n\t.rept 64\n\tadd %[s], %[x]\n\t.endr\n\tdec %[t]\n\tjnz 1b\n"
			 "2:\ttest %[r], %[r]\n\tjz 4f\n"
			 "3:\tadd %[s], %[x]\n\tdec %[r]\n\tjnz 3b\n"
			 "4:\n"
			 : [x] "+&r"(x), [t] "+&r"(turns), [r] "+&r"(rest)
			 : [s] "r"(step)
			 : "cc");
	return x;
}

/* x = x * one + one. The chain goes through the factor: 4 cycles on Intel since Skylake and on AMD
 * since Zen 2 (uops.info, VFMADD213SD). Through the summand some cores forward early. */
static inline double cpu_float_chain(double x, double one, uint64_t ops)
{
	uint64_t turns = ops / CPU_UNROLL, rest = ops % CPU_UNROLL;

	__asm__ volatile("test %[t], %[t]\n\tjz 2f\n\t.p2align 5\n"
			 "1:\n\t.rept 64\n\tvfmadd213sd %[o], %[o], %[x]\n\t.endr\n"
			 "\tdec %[t]\n\tjnz 1b\n"
			 "2:\ttest %[r], %[r]\n\tjz 4f\n"
			 "3:\tvfmadd213sd %[o], %[o], %[x]\n\tdec %[r]\n\tjnz 3b\n"
			 "4:\n"
			 : [x] "+&x"(x), [t] "+&r"(turns), [r] "+&r"(rest)
			 : [o] "x"(one)
			 : "cc");
	return x;
}
#elif defined(__aarch64__)
static inline uint64_t cpu_int_chain(uint64_t x, uint64_t step, uint64_t ops)
{
	uint64_t turns = ops / CPU_UNROLL, rest = ops % CPU_UNROLL;

	__asm__ volatile("cbz %[t], 2f\n\t.p2align 5\n"
			 "1:\n\t.rept 64\n\tadd %[x], %[x], %[s]\n\t.endr\n"
			 "\tsub %[t], %[t], #1\n\tcbnz %[t], 1b\n"
			 "2:\tcbz %[r], 4f\n"
			 "3:\tadd %[x], %[x], %[s]\n\tsub %[r], %[r], #1\n\tcbnz %[r], 3b\n"
			 "4:\n"
			 : [x] "+&r"(x), [t] "+&r"(turns), [r] "+&r"(rest)
			 : [s] "r"(step));
	return x;
}

/* As on x86: the chain goes through the factor, 4 cycles on Neoverse N1, V1 and N2 (Arm's
 * optimization guides); through the summand it would be 2. */
static inline double cpu_float_chain(double x, double one, uint64_t ops)
{
	uint64_t turns = ops / CPU_UNROLL, rest = ops % CPU_UNROLL;

	__asm__ volatile("cbz %[t], 2f\n\t.p2align 5\n"
			 "1:\n\t.rept 64\n\tfmadd %d[x], %d[x], %d[o], %d[o]\n\t.endr\n"
			 "\tsub %[t], %[t], #1\n\tcbnz %[t], 1b\n"
			 "2:\tcbz %[r], 4f\n"
			 "3:\tfmadd %d[x], %d[x], %d[o], %d[o]\n\tsub %[r], %[r], #1\n"
			 "\tcbnz %[r], 3b\n"
			 "4:\n"
			 : [x] "+&w"(x), [t] "+&r"(turns), [r] "+&r"(rest)
			 : [o] "w"(one));
	return x;
}
#else
/* The empty asm keeps the compiler from folding the chain; loop overhead is part of the op here. */
static inline uint64_t cpu_int_chain(uint64_t x, uint64_t step, uint64_t ops)
{
	for (uint64_t i = 0; i < ops; i++) {
		x += step;
		__asm__ volatile("" : "+r"(x));
	}
	return x;
}

static inline double cpu_float_chain(double x, double one, uint64_t ops)
{
	for (uint64_t i = 0; i < ops; i++) {
		x = x * one + one;
		__asm__ volatile("" : "+m"(x));
	}
	return x;
}
#endif

/* The values that a chain of ops steps must end in. Whole numbers below 2^53 are exact in a double,
 * and 2^53 dependent operations take weeks. */
static inline uint64_t cpu_int_expect(uint64_t x, uint64_t ops)
{
	return x + CPU_STEP * ops;
}

static inline double cpu_float_expect(double x, uint64_t ops)
{
	return x + (double)ops;
}

#endif
