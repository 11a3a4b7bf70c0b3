/* SPDX-License-Identifier: BSD-2-Clause */
/* cpu: fused multiply-adds of vectors of doubles, x = x * 1 + 1 in every lane, so that each lane
 * counts the operations it went through. In assembly: no wider code than the job asks for may run
 * before or beside it (wide vectors lower the clock of some cores), and a build for any x86-64 has
 * to have it all. */
#ifndef MODULES_CPU_FMA_H
#define MODULES_CPU_FMA_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/error.h"

/* Doubles of the widest vector. */
#define FMA_LANES_MAX 8

#if defined(__aarch64__)
/* Four pipes of four cycles (Neoverse V1, Arm's optimization guide) are busy from 16 on. */
#define FMA_CHAINS 16
#else
/* Two pipes of four cycles (Intel since Skylake, AMD since Zen 2, uops.info) are busy from 8 on; the
 * others absorb what is not scheduled perfectly. 16 registers have no room for more than 15. */
#define FMA_CHAINS 12
#endif
/* Vectors of one turn of the loop. */
#define FMA_UNROLL (4 * FMA_CHAINS)

struct fma {
	double acc[FMA_CHAINS][FMA_LANES_MAX] __attribute__((aligned(64)));
	uint64_t done[FMA_CHAINS]; /* operations of each chain since fma_begin() */
	uint64_t ahead;
	unsigned lanes;
};

/* bits: 128, 256 or 512. 0, or -EOPNOTSUPP and why not here. */
static inline int fma_check(unsigned bits, struct bench_err *err)
{
#if defined(__x86_64__)
	/* These look at what the kernel saves, too (XCR0). */
	if (!__builtin_cpu_supports("fma"))
		return bench_fail(err, -EOPNOTSUPP, "this CPU has no FMA instructions");
	if (bits == 512 && !__builtin_cpu_supports("avx512f"))
		return bench_fail(err, -EOPNOTSUPP, "this CPU has no AVX-512");
	return 0;
#elif defined(__aarch64__)
	if (bits != 128)
		return bench_fail(err, -EOPNOTSUPP,
				  "vectors of %u bits: on arm64 only those of 128 bits (NEON) are known",
				  bits);
	return 0;
#else
	return bench_fail(err, -EOPNOTSUPP,
			  "vectors of %u bits: none are known for this architecture", bits);
#endif
}

static inline void fma_begin(struct fma *f, unsigned bits)
{
	f->lanes = bits / 64;
	f->ahead = 0;
	for (unsigned i = 0; i < FMA_CHAINS; i++) {
		for (unsigned lane = 0; lane < FMA_LANES_MAX; lane++)
			f->acc[i][lane] = i + lane;
		f->done[i] = 0;
	}
}

#if defined(__x86_64__)
/* The registers by name: inline assembly has no constraint for vectors that the build does not
 * know. xmm15 holds the ones. */
#define FMA_EACH(r, op) op(r, 0) op(r, 1) op(r, 2) op(r, 3) op(r, 4) op(r, 5) op(r, 6) op(r, 7)    \
	op(r, 8) op(r, 9) op(r, 10) op(r, 11)
#define FMA_LOAD(r, i) "vmovupd 64*" #i "(%[acc]), %%" r #i "\n\t"
#define FMA_STORE(r, i) "vmovupd %%" r #i ", 64*" #i "(%[acc])\n\t"
#define FMA_STEP(r, i) "vfmadd213pd %%" r "15, %%" r "15, %%" r #i "\n\t"
#define FMA_FIRST(r, i) FMA_STEP(r, 0)

#define FMA_LOOP(r, step)                                                                          \
	__asm__ volatile("vmovupd (%[one]), %%" r "15\n\t" FMA_EACH(r, FMA_LOAD)                    \
			 "test %[t], %[t]\n\tjz 2f\n\t.p2align 5\n"                                \
			 "1:\n\t.rept 4\n\t" FMA_EACH(r, step) ".endr\n\t"                          \
			 "dec %[t]\n\tjnz 1b\n"                                                    \
			 "2:\n\t" FMA_EACH(r, FMA_STORE) "vzeroupper\n\t"                           \
			 : [t] "+&r"(turns)                                                        \
			 : [acc] "r"(f->acc), [one] "r"(ones)                                      \
			 : "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",  \
			   "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm15")

/* turns times FMA_UNROLL instructions, in the first chain or over all of them. */
static inline void fma_turns(struct fma *f, bool several, uint64_t turns)
{
	static const double ones[FMA_LANES_MAX] = { 1, 1, 1, 1, 1, 1, 1, 1 };

	if (f->lanes == 2) {
		if (several)
			FMA_LOOP("xmm", FMA_STEP);
		else
			FMA_LOOP("xmm", FMA_FIRST);
	} else if (f->lanes == 4) {
		if (several)
			FMA_LOOP("ymm", FMA_STEP);
		else
			FMA_LOOP("ymm", FMA_FIRST);
	} else {
		if (several)
			FMA_LOOP("zmm", FMA_STEP);
		else
			FMA_LOOP("zmm", FMA_FIRST);
	}
}
#elif defined(__aarch64__)
#define FMA_EACH(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11)     \
	op(12) op(13) op(14) op(15)
#define FMA_LOAD(i) "ldr q" #i ", [%[acc], #64*" #i "]\n\t"
#define FMA_STORE(i) "str q" #i ", [%[acc], #64*" #i "]\n\t"
/* Here the chain goes through the summand: vectors have no other form. Cores of Arm forward it
 * early, which makes two cycles of four (Neoverse N1, V1, N2). */
#define FMA_STEP(i) "fmla v" #i ".2d, v30.2d, v31.2d\n\t"
#define FMA_FIRST(i) FMA_STEP(0)

#define FMA_LOOP(step)                                                                             \
	__asm__ volatile("ldr q31, [%[one]]\n\tmov v30.16b, v31.16b\n\t" FMA_EACH(FMA_LOAD)         \
			 "cbz %[t], 2f\n\t.p2align 5\n"                                            \
			 "1:\n\t.rept 4\n\t" FMA_EACH(step) ".endr\n\t"                             \
			 "sub %[t], %[t], #1\n\tcbnz %[t], 1b\n"                                   \
			 "2:\n\t" FMA_EACH(FMA_STORE)                                              \
			 : [t] "+&r"(turns)                                                        \
			 : [acc] "r"(f->acc), [one] "r"(ones)                                      \
			 : "memory", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9",    \
			   "v10", "v11", "v12", "v13", "v14", "v15", "v30", "v31")

static inline void fma_turns(struct fma *f, bool several, uint64_t turns)
{
	static const double ones[2] = { 1, 1 };

	if (several)
		FMA_LOOP(FMA_STEP);
	else
		FMA_LOOP(FMA_FIRST);
}
#else
static inline void fma_turns(struct fma *f, bool several, uint64_t turns)
{
	(void)f;
	(void)several;
	(void)turns; /* fma_check() let nobody come here */
}
#endif

/* ops instructions in the first chain, or over all of them. The loop does whole turns; what it did
 * more is taken off the next call. */
static inline void fma_run(struct fma *f, bool several, uint64_t ops)
{
	uint64_t turns;

	if (ops <= f->ahead) {
		f->ahead -= ops;
		return;
	}
	ops -= f->ahead;
	turns = (ops + FMA_UNROLL - 1) / FMA_UNROLL;
	f->ahead = turns * FMA_UNROLL - ops;
	fma_turns(f, several, turns);
	for (unsigned i = 0; i < FMA_CHAINS; i++)
		f->done[several ? i : 0] += turns * (FMA_UNROLL / FMA_CHAINS);
}

/* Every lane of every chain: the first chain that is wrong, or FMA_CHAINS. Whole numbers below 2^53
 * are exact. */
static inline unsigned fma_verify(const struct fma *f)
{
	for (unsigned i = 0; i < FMA_CHAINS; i++)
		for (unsigned lane = 0; lane < f->lanes; lane++)
			if (f->acc[i][lane] != (double)(i + lane) + (double)f->done[i])
				return i;
	return FMA_CHAINS;
}

#endif
