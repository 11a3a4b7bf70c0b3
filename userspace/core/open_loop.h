/* SPDX-License-Identifier: BSD-2-Clause */
/* Open loop: operations are due at times that are fixed before the window, whether or not the ones
 * before have ended, and latency counts from then. (A closed loop asks less of a slow system, which
 * hides its slowness: coordinated omission.) For BLOCKING modules: one worker is both the generator
 * and, while it executes an op, the server; ops that are due meanwhile wait in line. */
#ifndef CORE_OPEN_LOOP_H
#define CORE_OPEN_LOOP_H

#include <stdbool.h>
#include "bench/hist.h"
#include "core/job_list.h"

struct worker_run;
struct bench_metric_set;
struct job_run;

/* One worker's arrivals. */
struct open_loop {
	uint64_t arrival;  /* enum arrival */
	uint64_t random;   /* state of the generator; poisson */
	double period_ns;  /* mean time between two arrivals at this worker */
	double next_ns;	   /* the next one, since the start of the window */
	uint64_t arrivals; /* due within the window */
	uint64_t unserved; /* of them, not begun by its end */
	struct bench_hist *service;  /* ns, begin to completion */
	struct bench_hist *lateness; /* ns by which the generator itself was late: from when the op
					was due and the worker free, to its begin */
};

/* NULL when out of memory. The memory is touched here. */
struct open_loop *open_loop_new(uint64_t arrival);
void open_loop_free(struct open_loop *open); /* NULL is fine */
/* Before a window: rate of all workers together, 1/s; this is worker `index` of the nr active ones.
 * The same arguments give the same arrivals. */
void open_loop_begin(struct open_loop *open, double rate, unsigned index, unsigned nr,
		     unsigned trial);
/* The next arrival, ns since the start of the window. */
uint64_t open_loop_next(struct open_loop *open);
/* The measured loop. 0, or what the module's run() failed with. */
int open_loop_run(struct worker_run *wr);
/* Put what the trial's arrivals were like. False when the generator was too slow for the latencies
 * to mean anything; `note` then says by how much. */
bool open_loop_put(const struct job_run *jr, const struct bench_hist *latency,
		   struct bench_metric_set *set, char *note, size_t size);

#endif
