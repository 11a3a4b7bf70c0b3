/* SPDX-License-Identifier: BSD-2-Clause */
/* memory,mode=latency: a chain of dependent loads through all cache lines of a buffer, in an order
 * that no prefetcher guesses. */
#ifndef MODULES_MEMORY_CHASE_H
#define MODULES_MEMORY_CHASE_H

#include <stdlib.h>

#include "bench/module.h"
#include "pages.h"
#include "prng.h"

/* One cache line. The rank is the place in the cycle: after n loads it must have grown by n, which
 * proves that each of them took place. */
struct chase_line {
	struct chase_line *next;
	uint64_t rank;
} __attribute__((aligned(64)));

struct chase {
	struct chase_line *at;
	uint64_t nr; /* lines */
};

/* Link all lines to one cycle: the consecutive entries of a shuffled list, each line's rank its
 * place in the list. (A shuffled map would fall into several short cycles.) Every line of the
 * buffer is part of it, so that its footprint is the buffer's size, all sets of a cache are used
 * alike, and what a prefetcher brings beside a line is no help before its turn comes, at random. */
static inline int chase_build(struct chase *c, void *memory, size_t bytes, uint64_t seed)
{
	struct chase_line *line = memory;
	uint64_t nr = bytes / sizeof(*line);
	uint32_t *order = malloc(nr * sizeof(*order));
	struct prng rng;

	if (!order)
		return -ENOMEM;
	prng_seed(&rng, seed);
	for (uint64_t i = 0; i < nr; i++) {
		uint64_t j = prng_below(&rng, i + 1);

		order[i] = order[j];
		order[j] = (uint32_t)i;
	}
	for (uint64_t i = 0; i < nr; i++) {
		line[order[i]].next = &line[order[i + 1 < nr ? i + 1 : 0]];
		line[order[i]].rank = i;
	}
	*c = (struct chase){ .at = &line[order[0]], .nr = nr };
	free(order);
	return 0;
}

#define CHASE_UNROLL 16

static inline struct chase_line *chase_loads(struct chase_line *p, uint64_t nr)
{
	for (uint64_t i = nr / CHASE_UNROLL; i; i--) {
#define CHASE_4 p = p->next, p = p->next, p = p->next, p = p->next
		CHASE_4, CHASE_4, CHASE_4, CHASE_4;
#undef CHASE_4
		__asm__ volatile("" : "+r"(p));
	}
	for (uint64_t i = nr % CHASE_UNROLL; i; i--) {
		p = p->next;
		__asm__ volatile("" : "+r"(p));
	}
	return p;
}

/* Go on by ops loads. 0, or -EBADMSG when the line reached is not the one that so many loads lead
 * to. */
static inline int chase_run(struct chase *c, uint64_t ops)
{
	uint64_t expected = (c->at->rank + ops) % c->nr;

	c->at = chase_loads(c->at, ops);
	return c->at->rank == expected ? 0 : -EBADMSG;
}

#endif
