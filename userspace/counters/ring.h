/* SPDX-License-Identifier: BSD-2-Clause */
/* Samples of a thread or a CPU, from the ring buffer that the kernel fills, with every sample that it
 * had to drop accounted for. */
#ifndef COUNTERS_RING_H
#define COUNTERS_RING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "bench/error.h"
#include "counters/pmu.h"

#define RING_MAX_DEPTH 127 /* kernel.perf_event_max_stack */

struct ring_config {
	pid_t tid; /* 0 = the caller, -1 = every thread on cpu */
	int cpu;   /* -1 = wherever the thread runs */
	unsigned frequency; /* samples per second of the event's time */
	unsigned pages;	    /* of data, a power of two */
	bool stacks;	    /* with the call chain */
	bool user_only;
	const struct pmu_set *pmus; /* cycles are sampled where they have a core PMU; NULL = none */
};

struct ring_sample {
	uint64_t ip, time_ns; /* CLOCK_MONOTONIC */
	uint32_t pid, tid, cpu;
	bool kernel;
	unsigned nr_stack;
	/* Innermost first; PERF_CONTEXT_* markers of linux/perf_event.h stand in between. */
	const uint64_t *stack;
};

struct ring_stats {
	uint64_t samples;   /* handed out */
	uint64_t lost;	    /* dropped by the kernel: the buffer was full */
	uint64_t throttled; /* times that the kernel stopped the event for a tick */
	uint64_t malformed; /* records that are not what was asked for */
	bool lost_exact;    /* the kernel counts them (6.0); else some of the last may be missing */
};

struct counter_ring;

/* Opened stopped. The event is cycles at the highest precision that the PMU has, else the clock of
 * the CPU. */
int ring_open(struct counter_ring **ret_ring, const struct ring_config *config,
	      struct bench_err *err);
void ring_close(struct counter_ring *ring); /* NULL is fine */
int ring_start(struct counter_ring *ring);
int ring_stop(struct counter_ring *ring);
/* Hand out what is there, oldest first. A sample is valid until fn returns. */
void ring_read(struct counter_ring *ring, void (*fn)(const struct ring_sample *sample, void *ctx),
	       void *ctx);
void ring_stats(struct counter_ring *ring, struct ring_stats *ret_stats);
/* To wait for: readable when a half of the buffer is full. */
int ring_fd(const struct counter_ring *ring);
/* "cycles:ppp", "cycles", "cpu-clock". */
const char *ring_event(const struct counter_ring *ring);

#endif
