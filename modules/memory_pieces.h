/* SPDX-License-Identifier: BSD-2-Clause */
/* memory,mode=latency: the window in pieces of some thousand loads, so that those in which nobody else
 * used the core's caches can be told from the rest. */
#ifndef MODULES_MEMORY_PIECES_H
#define MODULES_MEMORY_PIECES_H

#include <stdint.h>
#include <stdlib.h>

/* Fewer loads differ by where in the memory they happen to be. */
#define PIECE_LOADS 4096u
#define PIECES_MAX 8192u
/* What else runs on the host, or beside this core on its other thread, only makes a piece longer, and
 * evicts what takes the pieces after it as long to fetch again. The least of all would be luck. */
#define PIECES_QUANTILE 0.1

struct pieces {
	uint64_t ops, ns;     /* of the piece that is not complete */
	unsigned nr, every;   /* one of so many is kept, so that the window fits */
	unsigned passed;      /* since the last that was kept */
	uint32_t ps[PIECES_MAX]; /* per load */
};

static inline void pieces_clear(struct pieces *p)
{
	p->ops = p->ns = 0;
	p->nr = p->passed = 0;
	p->every = 1;
}

static inline void pieces_add(struct pieces *p, uint64_t ops, uint64_t ns)
{
	double ps;

	p->ops += ops;
	p->ns += ns;
	if (p->ops < PIECE_LOADS)
		return;
	ps = (double)p->ns * 1000 / (double)p->ops;
	p->ops = p->ns = 0;
	if (++p->passed < p->every)
		return;
	p->passed = 0;
	if (p->nr == PIECES_MAX) {
		for (unsigned i = 0; i < PIECES_MAX / 2; i++)
			p->ps[i] = p->ps[2 * i];
		p->nr = PIECES_MAX / 2;
		p->every *= 2;
	}
	p->ps[p->nr++] = ps < UINT32_MAX ? (uint32_t)ps : UINT32_MAX;
}

static inline int pieces_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* The time per load, in ns, that one piece in ten undercuts; 0 = no piece was complete. Sorts them. */
static inline double pieces_quiet_ns(struct pieces *p)
{
	if (!p->nr)
		return 0;
	qsort(p->ps, p->nr, sizeof(p->ps[0]), pieces_compare);
	return p->ps[(unsigned)((p->nr - 1) * PIECES_QUANTILE)] / 1000.0;
}

#endif
