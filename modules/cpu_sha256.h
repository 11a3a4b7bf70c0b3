/* SPDX-License-Identifier: BSD-2-Clause */
/* cpu,kernel=sha256: SHA-256 (FIPS 180-4) in plain C, so that every host runs the same algorithm:
 * rotations, additions and logic on 32-bit words, within the first cache. It does not use the
 * instructions that some processors have for it. */
#ifndef MODULES_CPU_SHA256_H
#define MODULES_CPU_SHA256_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SHA256_BYTES 32

/* FIPS 180-4, 4.2.2: the fractions of the cube roots of the first 64 primes. */
static const uint32_t sha256_k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t sha256_rotr(uint32_t x, unsigned n)
{
	return (x >> n) | (x << (32 - n));
}

static inline uint32_t sha256_word(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* 6.2.2: one block of 64 bytes. */
static inline void sha256_block(uint32_t state[8], const unsigned char *p)
{
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5],
		 g = state[6], h = state[7], w[64];

	for (unsigned i = 0; i < 16; i++)
		w[i] = sha256_word(p + 4 * i);
	for (unsigned i = 16; i < 64; i++) {
		uint32_t x = w[i - 15], y = w[i - 2];

		w[i] = w[i - 16] + (sha256_rotr(x, 7) ^ sha256_rotr(x, 18) ^ (x >> 3)) + w[i - 7] +
		       (sha256_rotr(y, 17) ^ sha256_rotr(y, 19) ^ (y >> 10));
	}
	for (unsigned i = 0; i < 64; i++) {
		uint32_t t1 = h + (sha256_rotr(e, 6) ^ sha256_rotr(e, 11) ^ sha256_rotr(e, 25)) +
			      ((e & f) ^ (~e & g)) + sha256_k[i] + w[i];
		uint32_t t2 = (sha256_rotr(a, 2) ^ sha256_rotr(a, 13) ^ sha256_rotr(a, 22)) +
			      ((a & b) ^ (a & c) ^ (b & c));

		h = g, g = f, f = e, e = d + t1;
		d = c, c = b, b = a, a = t1 + t2;
	}
	state[0] += a, state[1] += b, state[2] += c, state[3] += d;
	state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

static inline void sha256(const unsigned char *data, size_t len,
			  unsigned char ret_digest[SHA256_BYTES])
{
	/* 5.3.3: the fractions of the square roots of the first 8 primes. */
	uint32_t state[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
			      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
	size_t whole = len / 64 * 64, left = len - whole;
	size_t padded = left < 56 ? 64 : 128;
	unsigned char last[128] = { 0 };

	for (size_t at = 0; at < whole; at += 64)
		sha256_block(state, data + at);
	memcpy(last, data + whole, left);
	last[left] = 0x80;
	for (unsigned i = 0; i < 8; i++)
		last[padded - 1 - i] = (unsigned char)((uint64_t)len * 8 >> (8 * i));
	for (size_t at = 0; at < padded; at += 64)
		sha256_block(state, last + at);
	for (unsigned i = 0; i < SHA256_BYTES; i++)
		ret_digest[i] = (unsigned char)(state[i / 4] >> (24 - i % 4 * 8));
}

#endif
