/* SPDX-License-Identifier: BSD-2-Clause */
/* memory,mode=read|write|copy|triad: one pass after the other over arrays, block by block, by the
 * rules of STREAM (McCalpin): the owner touches first, bytes are those that the program moves,
 * results are verified. Each pass writes other values, so that a store of an earlier pass is not
 * taken for one of this. */
#ifndef MODULES_MEMORY_STREAM_H
#define MODULES_MEMORY_STREAM_H

#include "bench/module.h"
#include "pages.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#define STREAM_HAS_NT 1
#define STREAM_REG "x"
#elif defined(__aarch64__)
#define STREAM_HAS_NT 0
#define STREAM_REG "w"
#else
#define STREAM_HAS_NT 0
#define STREAM_REG "m"
#endif

/* An op: long enough for its own two clock reads, short beside a window. */
#define STREAM_BLOCK (1u << 20)

enum stream_kind { STREAM_READ, STREAM_WRITE, STREAM_COPY, STREAM_TRIAD };

/* 16 bytes: any x86-64 or Arm core has them, and memory is not faster with more. */
typedef double stream_vec __attribute__((vector_size(16)));

struct stream {
	enum stream_kind kind;
	bool nt;
	double *to, *from, *from2; /* the arrays; which exist depends on the kind */
	uint64_t block;		   /* elements */
	uint64_t nr_blocks;
	uint64_t at, pass; /* next block; pass 1 is the first */
};

static inline unsigned stream_arrays(enum stream_kind kind)
{
	return kind == STREAM_TRIAD ? 3 : kind == STREAM_COPY ? 2 : 1;
}

/* Keeps the compiler from making a call of memcpy or memset of a loop, or from leaving it out. */
static inline stream_vec stream_keep(stream_vec v)
{
	__asm__ volatile("" : "+" STREAM_REG(v));
	return v;
}

static inline void stream_store(double *to, stream_vec v, bool nt)
{
#if STREAM_HAS_NT
	if (nt) {
		_mm_stream_pd(to, (__m128d)v);
		return;
	}
#else
	(void)nt;
#endif
	*(stream_vec *)to = v;
}

static inline stream_vec stream_load(const double *from)
{
	return *(const stream_vec *)from;
}

static inline double stream_read(const double *from, uint64_t nr)
{
	stream_vec sum[4] = { { 0 } }, all;

	for (uint64_t i = 0; i < nr; i += 8)
		for (unsigned j = 0; j < 4; j++)
			sum[j] += stream_load(from + i + 2 * j);
	all = sum[0] + sum[1] + sum[2] + sum[3];
	return all[0] + all[1];
}

static inline __attribute__((always_inline)) void stream_move(const struct stream *s,
							      uint64_t first, enum stream_kind kind,
							      bool nt)
{
	double *to = s->to + first;
	const double *from = s->from + first, *from2 = s->from2 + first;
	double q = (double)s->pass;
	stream_vec factor = { q, q };

	for (uint64_t i = 0; i < s->block; i += 8) {
		for (unsigned j = 0; j < 8; j += 2) {
			stream_vec v = factor;

			if (kind == STREAM_COPY)
				v = stream_load(from + i + j);
			else if (kind == STREAM_TRIAD)
				v = stream_load(from + i + j) + factor * stream_load(from2 + i + j);
			stream_store(to + i + j, stream_keep(v), nt);
		}
	}
#if STREAM_HAS_NT
	if (nt)
		_mm_sfence();
#endif
}

/* A loop for each kind and store: nothing is decided inside. */
static inline void stream_block(const struct stream *s, uint64_t first)
{
	switch (s->kind) {
	case STREAM_COPY:
		s->nt ? stream_move(s, first, STREAM_COPY, true)
		      : stream_move(s, first, STREAM_COPY, false);
		return;
	case STREAM_TRIAD:
		s->nt ? stream_move(s, first, STREAM_TRIAD, true)
		      : stream_move(s, first, STREAM_TRIAD, false);
		return;
	default:
		s->nt ? stream_move(s, first, STREAM_WRITE, true)
		      : stream_move(s, first, STREAM_WRITE, false);
	}
}

/* What the element i holds that pass wrote. */
static inline double stream_expect(const struct stream *s, uint64_t i, uint64_t pass)
{
	double block = (double)(i / s->block + 1);

	switch (s->kind) {
	case STREAM_COPY:
		/* The first of each block carries the number of the pass. */
		return i % s->block ? (double)i : (double)pass;
	case STREAM_TRIAD:
		return block + (double)pass;
	default:
		return (double)pass;
	}
}

/* First touch of all arrays, on the worker. */
static inline void stream_fill(struct stream *s)
{
	for (uint64_t i = 0; i < s->nr_blocks * s->block; i++) {
		double block = (double)(i / s->block + 1);

		if (s->kind != STREAM_READ)
			s->to[i] = -1;
		if (s->from)
			s->from[i] = s->kind == STREAM_COPY ? (double)i : block;
		if (s->from2)
			s->from2[i] = 1;
	}
	s->at = 0;
	s->pass = 1;
}

/* One block. 0, or -EBADMSG when its sum is wrong or its ends do not hold what this pass writes. */
static inline int stream_op(struct stream *s)
{
	uint64_t first = s->at * s->block, last = first + s->block - 1;
	int ret = 0;

	if (s->kind == STREAM_READ) {
		double sum = stream_read(s->from + first, s->block);

		/* Whole numbers far below 2^53: exact in any order. */
		if (sum != (double)(s->at + 1) * (double)s->block)
			ret = -EBADMSG;
	} else {
		if (s->kind == STREAM_COPY)
			s->from[first] = (double)s->pass;
		stream_block(s, first);
		if (s->to[first] != stream_expect(s, first, s->pass) ||
		    s->to[last] != stream_expect(s, last, s->pass))
			ret = -EBADMSG;
	}
	if (++s->at == s->nr_blocks) {
		s->at = 0;
		s->pass++;
	}
	return ret;
}

/* Every element, after a window: 0, or -EBADMSG and the first one that is wrong. */
static inline int stream_verify(const struct stream *s, uint64_t *ret_wrong)
{
	if (s->kind == STREAM_READ)
		return 0;
	for (uint64_t i = 0; i < s->nr_blocks * s->block; i++) {
		uint64_t pass = i / s->block < s->at ? s->pass : s->pass - 1;
		double expected = pass ? stream_expect(s, i, pass) : -1;

		if (s->to[i] != expected) {
			*ret_wrong = i;
			return -EBADMSG;
		}
	}
	return 0;
}

#endif
