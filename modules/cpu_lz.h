/* SPDX-License-Identifier: BSD-2-Clause */
/* cpu,kernel=lz: compress a text and restore it, with a format of the LZ77 family as lz4 has it. A
 * real program in small: hashing, look-ups, copies of all lengths, branches that depend on data. */
#ifndef MODULES_CPU_LZ_H
#define MODULES_CPU_LZ_H

#include <stdint.h>
#include <string.h>

#include "prng.h"

/* The text, and the table of where its strings were last: the second cache holds both. */
#define LZ_TEXT (64u << 10)
#define LZ_TABLE_BITS 12
/* What does not get shorter grows by a byte for each 255 at most, and the last few. */
#define LZ_PACKED (LZ_TEXT + LZ_TEXT / 255 + 16)
/* A match is told in 3 bytes. */
#define LZ_MATCH_MIN 4

struct lz {
	uint32_t table[1u << LZ_TABLE_BITS]; /* position + 1; 0 = none */
	unsigned char text[LZ_TEXT], packed[LZ_PACKED], wanted[LZ_PACKED], restored[LZ_TEXT];
};

/* Words of a made-up language, the frequent ones drawn more often (Zipf): text that compresses as
 * prose does, the same on every host. */
static inline void lz_text(unsigned char *text, size_t len)
{
	char words[256][12];
	unsigned char size[256];
	struct prng rng;
	size_t at = 0;

	prng_seed(&rng, 1);
	for (unsigned i = 0; i < 256; i++) {
		size[i] = (unsigned char)(2 + prng_below(&rng, 9));
		for (unsigned j = 0; j < size[i]; j++)
			words[i][j] = (char)('a' + prng_below(&rng, 26));
		words[i][size[i]++] = ' ';
	}
	while (at < len) {
		/* The product of two uniform numbers: small ones are frequent. */
		uint64_t i = prng_below(&rng, prng_below(&rng, 256) + 1);
		size_t n = size[i] < len - at ? size[i] : len - at;

		memcpy(text + at, words[i], n);
		at += n;
	}
}

static inline uint32_t lz_four(const unsigned char *p)
{
	uint32_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* Knuth's multiplicative hash. */
static inline uint32_t lz_hash(uint32_t word)
{
	return word * 2654435761u >> (32 - LZ_TABLE_BITS);
}

/* A length of 15 or more goes on in bytes of 255 and one that is less. */
static inline unsigned char *lz_put_length(unsigned char *to, size_t length)
{
	if (length < 15)
		return to;
	for (length -= 15; length >= 255; length -= 255)
		*to++ = 255;
	*to++ = (unsigned char)length;
	return to;
}

/* Token (4 bits each: literals, match - 4), literals, distance. match 0 ends the data. */
static inline unsigned char *lz_put(unsigned char *to, const unsigned char *literals, size_t nr,
				    size_t distance, size_t match)
{
	size_t more = match ? match - LZ_MATCH_MIN : 0;

	*to++ = (unsigned char)((nr < 15 ? nr : 15) << 4 | (more < 15 ? more : 15));
	to = lz_put_length(to, nr);
	memcpy(to, literals, nr);
	to += nr;
	if (!match)
		return to;
	*to++ = (unsigned char)distance;
	*to++ = (unsigned char)(distance >> 8);
	return lz_put_length(to, more);
}

static inline size_t lz_match_length(const unsigned char *a, const unsigned char *b,
				     const unsigned char *end)
{
	const unsigned char *from = b;

	while (b < end && *a == *b) {
		a++;
		b++;
	}
	return (size_t)(b - from);
}

/* Bytes of the packed text. */
static inline size_t lz_pack(struct lz *lz)
{
	const unsigned char *text = lz->text, *end = text + LZ_TEXT, *p = text, *literals = text;
	unsigned char *to = lz->packed;

	memset(lz->table, 0, sizeof(lz->table));
	while (p + LZ_MATCH_MIN <= end) {
		uint32_t *entry = &lz->table[lz_hash(lz_four(p))];
		const unsigned char *before = *entry ? text + *entry - 1 : NULL;
		size_t length;

		*entry = (uint32_t)(p - text) + 1;
		/* A distance has 16 bits: the text is no longer than that. */
		if (!before || lz_four(before) != lz_four(p)) {
			p++;
			continue;
		}
		length = lz_match_length(before, p, end);
		to = lz_put(to, literals, (size_t)(p - literals), (size_t)(p - before), length);
		p += length;
		literals = p;
	}
	to = lz_put(to, literals, (size_t)(end - literals), 0, 0);
	return (size_t)(to - lz->packed);
}

static inline const unsigned char *lz_get_length(const unsigned char *from,
						 const unsigned char *end, size_t *length)
{
	unsigned char more = 255;

	if (*length != 15)
		return from;
	while (more == 255 && from < end) {
		more = *from++;
		*length += more;
	}
	return from;
}

/* Bytes restored; they stop short of the text where the data is damaged. */
static inline size_t lz_unpack(struct lz *lz, size_t packed)
{
	const unsigned char *from = lz->packed, *end = from + packed;
	unsigned char *to = lz->restored, *limit = to + LZ_TEXT;

	while (from < end) {
		unsigned char token = *from++;
		size_t nr = token >> 4, match = token & 15, distance;

		from = lz_get_length(from, end, &nr);
		if (nr > (size_t)(end - from) || nr > (size_t)(limit - to))
			break;
		memcpy(to, from, nr);
		to += nr;
		from += nr;
		if (end - from < 2)
			break;
		distance = from[0] | (size_t)from[1] << 8;
		from = lz_get_length(from + 2, end, &match);
		match += LZ_MATCH_MIN;
		if (!distance || distance > (size_t)(to - lz->restored) ||
		    match > (size_t)(limit - to))
			break;
		/* They may overlap: a distance of 1 repeats a byte. */
		for (; match; match--, to++)
			*to = *(to - distance);
	}
	return (size_t)(to - lz->restored);
}

#endif
