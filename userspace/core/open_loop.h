/* SPDX-License-Identifier: BSD-2-Clause */
/* Open loop: operations are due at times that are fixed before the window, whether or not the ones
 * before have ended, and latency counts from then. (A closed loop asks less of a slow system, which
 * hides its slowness: coordinated omission.) A worker of a BLOCKING module is both the generator and,
 * while it executes an op, the server; ops that are due meanwhile wait in line. With an ASYNC module
 * they do so while as many are in flight as the module allows. The line needs no memory: its head is
 * the next arrival that was not begun. */
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

	/* ASYNC. Times are CLOCK_MONOTONIC ns. */
	uint64_t due_ns;  /* the head of the line */
	uint64_t free_ns; /* there was room for it from here on; */
	bool full;	  /* not yet */
	uint64_t *ready_ns;   /* by slot: when its op was due and there was room for it */
	double line_integral; /* ops x ns in line, of those that were begun */
	uint64_t drained, drained_ns; /* ended after the window: how many, sum of latencies */
};

/* nr_slots: of the worker's ring, 0 = BLOCKING. NULL when out of memory. The memory is touched here. */
struct open_loop *open_loop_new(uint64_t arrival, unsigned nr_slots);
void open_loop_free(struct open_loop *open); /* NULL is fine */
/* Before a window: rate of all workers together, 1/s; this is worker `index` of the nr active ones.
 * The same arguments give the same arrivals. */
void open_loop_begin(struct open_loop *open, double rate, unsigned index, unsigned nr,
		     unsigned trial);
/* The next arrival, ns since the start of the window. */
uint64_t open_loop_next(struct open_loop *open);
/* The measured loop of a BLOCKING module. 0, or what its run() failed with. */
int open_loop_run(struct worker_run *wr);
/* ASYNC, in this order: when the window begins; before each turn, to begin what is due at now_ns, the
 * time of the last turn; when the window is over. issue() returns until when the turn may wait. A
 * failure of the module is in w->err. */
void open_loop_start(struct worker_run *wr);
uint64_t open_loop_issue(struct worker_run *wr, uint64_t now_ns);
void open_loop_stop(struct worker_run *wr);
/* Was the generator too late for the latencies to mean anything? Its lateness and the latencies, both
 * of all workers. */
bool open_loop_late(const struct bench_hist *lateness, const struct bench_hist *latency);
/* Put what the trial's arrivals were like. False when the generator was too slow for the latencies
 * to mean anything; `note` then says by how much. */
bool open_loop_put(const struct job_run *jr, const struct bench_hist *latency,
		   struct bench_metric_set *set, char *note, size_t size);

#endif
