/* SPDX-License-Identifier: BSD-2-Clause */
/* A binary heap of deadlines. The ring of a worker and the control loop keep their timers in one
 * each, so that a timer costs neither an SQE nor a descriptor: only the nearest deadline goes into
 * the wait. Equal deadlines fire in the order in which they were added. */
#ifndef RUNTIME_TIMERS_H
#define RUNTIME_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

struct timers_entry {
	uint64_t at_ns;
	uint32_t seq;
	uint32_t id;
};

struct timers {
	struct timers_entry *heap;
	uint32_t *pos; /* by id: index into heap, UINT32_MAX = not set */
	unsigned nr, max;
	uint32_t seq;
};

/* For ids 0 .. max - 1. 0 or -ENOMEM. */
int timers_init(struct timers *t, unsigned max);
void timers_done(struct timers *t);
/* The id must not be set. */
void timers_add(struct timers *t, unsigned id, uint64_t at_ns);
/* Was it set? */
bool timers_del(struct timers *t, unsigned id);
/* Take the first one that is due at now_ns: its id, and when it was due. -1 when none is. */
int timers_pop(struct timers *t, uint64_t now_ns, uint64_t *ret_at_ns);

/* When the first one is due; UINT64_MAX = none is set. */
static inline uint64_t timers_next(const struct timers *t)
{
	return t->nr ? t->heap[0].at_ns : UINT64_MAX;
}

#endif
