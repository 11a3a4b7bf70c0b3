/* SPDX-License-Identifier: BSD-2-Clause */
/* A kernel that is made up, which slow operations are looked up in. */
#ifndef UNIT_SLOW_RIG_H
#define UNIT_SLOW_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bench/async.h"
#include "core/collect.h"
#include "core/slow.h"

/* A kernel that is made up: the worker waits on the run queue behind "hog" up to runnable_ns, is
 * then on a CPU until it blocks at blocked_ns, for good. */
static struct {
	uint64_t runnable_ns, blocked_ns;
	unsigned blocked_on; /* enum probe_cause, 0 = a disk */
	uint64_t extra_ns; /* told too much */
	unsigned crowd;	   /* so many hogs take turns; 0 = the one */
	unsigned asked;
	struct probe_block requests[2];
	unsigned nr_requests;
	struct probe_answer answer;
} kernel;

static inline uint64_t overlap(uint64_t from, uint64_t to, uint64_t low, uint64_t high)
{
	from = from > low ? from : low;
	to = to < high ? to : high;
	return to > from ? to - from : 0;
}

static inline int made_up_history(const struct probe_set *set, pid_t tid, uint64_t from_ns, uint64_t to_ns,
			   struct probe_interval *ret)
{
	(void)set;
	if (tid != 7)
		return -ENOENT;
	kernel.asked++;
	memset(ret, 0, sizeof(*ret));
	ret->ns[PROBE_CAUSE_RUNQUEUE] = overlap(from_ns, to_ns, 0, kernel.runnable_ns);
	ret->ns[PROBE_CAUSE_ONCPU] =
		overlap(from_ns, to_ns, kernel.runnable_ns, kernel.blocked_ns) + kernel.extra_ns;
	ret->ns[kernel.blocked_on ? kernel.blocked_on : PROBE_CAUSE_DISK] =
		overlap(from_ns, to_ns, kernel.blocked_ns, UINT64_MAX);
	for (unsigned i = 0; i < kernel.crowd; i++) {
		/* Others than last time, and the last one is whoever is left. */
		snprintf(ret->culprits[i].who, sizeof(ret->culprits[i].who), "hog (%u)",
			 kernel.asked * 100 + i);
		ret->culprits[i].ns = ret->ns[PROBE_CAUSE_RUNQUEUE] / kernel.crowd;
		if (i == PROBE_MAX_CULPRITS - 1)
			strcpy(ret->culprits[i].who, PROBE_OTHERS);
	}
	if (ret->ns[PROBE_CAUSE_RUNQUEUE] && !kernel.crowd) {
		strcpy(ret->culprits[0].who, "hog (1)");
		ret->culprits[0].ns = ret->ns[PROBE_CAUSE_RUNQUEUE];
	}
	return 0;
}

static inline int made_up_block(const struct probe_set *set, uint32_t dev, uint64_t sector,
			 uint64_t from_ns, uint64_t to_ns, struct probe_block *ret)
{
	(void)set;
	for (unsigned i = 0; i < kernel.nr_requests; i++) {
		const struct probe_block *b = &kernel.requests[i];

		if (b->dev == dev && sector >= b->sector && sector < b->sector + b->bytes / 512 &&
		    b->complete_ns >= from_ns && b->complete_ns <= to_ns) {
			*ret = *b;
			return 0;
		}
	}
	return -ENOENT;
}

static inline int made_up_answer(const struct probe_set *set, int fd, int peer_fd, uint64_t since_ns,
			  struct probe_answer *ret)
{
	(void)set;
	if (fd != 3 || peer_fd != 4 || since_ns != 200)
		return -ENOENT;
	*ret = kernel.answer;
	return 0;
}

static const struct slow_source made_up = {
	.tid = 7, .history = made_up_history, .block = made_up_block, .answer = made_up_answer
};

static inline uint64_t sum_of(const struct slow_op *op)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < SLOW_NR_CAUSES; i++)
		sum += op->ns[i];
	return sum;
}

#endif
