/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the time of followed threads went, told bit by bit while a window is open: each bit is what
 * came since the one before, so that those of a thread sum to its time in the window. */
#ifndef PROBE_WAITS_H
#define PROBE_WAITS_H

#include <stdbool.h>
#include <stdint.h>
#include "bench/error.h"

struct probe_set;

enum probe_wait_kind {
	PROBE_WAIT_CPU,	     /* it ran */
	PROBE_WAIT_TAKEN,    /* interrupts and the host took the CPU that it had */
	PROBE_WAIT_RUNQ,     /* runnable, and another had the CPU */
	PROBE_WAIT_BLOCK_IO, /* blocked on a block device, for a page of it included */
	PROBE_WAIT_OFFCPU,   /* blocked on anything else */
	PROBE_WAIT_KINDS,
};

struct probe_wait {
	uint64_t at_ns; /* up to when */
	uint32_t tid, tgid, cpu;
	uint64_t ns[PROBE_WAIT_KINDS];
	/* The part of ns that the stacks are of; the last wait. */
	uint64_t stack_ns[PROBE_WAIT_KINDS];
	const uint64_t *kernel, *user; /* innermost first */
	unsigned nr_kernel, nr_user;   /* 0 = there is none */
	bool ended; /* the thread has, or the window */
};

struct probe_waits_stats {
	uint64_t stacks; /* taken, in all windows read so far */
	uint64_t full;	 /* bits that waited for a later one, because the buffer was full */
};

/* Have a set tell. After probe_open(), between windows. -ENOTSUP, -EPERM: err says why there is
 * nothing to tell. */
int probe_waits_open(struct probe_set *set, struct bench_err *err);
/* Hand out what was told since. A bit is valid until fn returns. Fine when it is not open. */
void probe_waits_read(struct probe_set *set, void (*fn)(const struct probe_wait *wait, void *ctx),
		      void *ctx);
/* The window has been read, or is given up: hand out the rest of it, up to its end. */
void probe_waits_end(struct probe_set *set, void (*fn)(const struct probe_wait *wait, void *ctx),
		     void *ctx);
/* CPUs that are possible here, and what interrupts took of one of them in windows so far, ns. */
unsigned probe_nr_cpus(const struct probe_set *set);
uint64_t probe_cpu_taken(const struct probe_set *set, unsigned cpu);
void probe_waits_stats(const struct probe_set *set, struct probe_waits_stats *ret_stats);

#endif
