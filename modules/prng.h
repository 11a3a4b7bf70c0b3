/* SPDX-License-Identifier: BSD-2-Clause */
/* xoshiro256** seeded by splitmix64 (Blackman and Vigna, public domain): a few cycles a number, the
 * same sequence for the same seed on every host. */
#ifndef MODULES_PRNG_H
#define MODULES_PRNG_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct prng {
	uint64_t s[4];
};

static inline uint64_t prng_rotl(uint64_t x, unsigned n)
{
	return (x << n) | (x >> (64 - n));
}

static inline void prng_seed(struct prng *rng, uint64_t seed)
{
	for (unsigned i = 0; i < 4; i++) {
		uint64_t z = seed += 0x9e3779b97f4a7c15ull;

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
		z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
		rng->s[i] = z ^ (z >> 31);
	}
}

static inline uint64_t prng_next(struct prng *rng)
{
	uint64_t *s = rng->s;
	uint64_t result = prng_rotl(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = prng_rotl(s[3], 45);
	return result;
}

/* Uniform over 0 .. n - 1, n > 0. The product of two halves favours no value by more than n/2^64.
 */
static inline uint64_t prng_below(struct prng *rng, uint64_t n)
{
	uint64_t r = prng_next(rng);
#if defined(__SIZEOF_INT128__)
	return (uint64_t)(((unsigned __int128)r * n) >> 64);
#else
	return r % n;
#endif
}

/* Data that no compressor shrinks. */
static inline void prng_fill(struct prng *rng, void *buf, size_t len)
{
	unsigned char *p = buf;

	while (len) {
		uint64_t r = prng_next(rng);
		size_t n = len < sizeof(r) ? len : sizeof(r);

		memcpy(p, &r, n);
		p += n;
		len -= n;
	}
}

#endif
