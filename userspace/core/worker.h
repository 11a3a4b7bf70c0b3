/* SPDX-License-Identifier: BSD-2-Clause */
/* What runs on the pool threads: the phases of a job on one worker. */
#ifndef CORE_WORKER_H
#define CORE_WORKER_H

#include <stdatomic.h>
#include "bench/module.h"
#include "counters/counters.h"
#include "runtime/runtime.h"

struct job_run;

struct worker_run {
	struct bench_worker w;
	struct job_run *run;
	unsigned thread; /* index in the runtime's pool */
	struct counter_session *counters; /* NULL = none */
	uint64_t batch;	 /* BLOCKING: ops per timed call; 0 = not calibrated yet */

	/* Of the last phase. */
	bool done; /* set by the control loop when the phase returned */
	int rc;
	uint64_t start_ns, stop_ns; /* of the window, as this worker saw it */
	uint64_t cpu_ns;	    /* user + system time within the window */
	struct async_stats async;   /* ASYNC modules; histograms belong to the ring */
} __attribute__((aligned(64)));

/* One job in execution, shared by its workers. */
struct job_run {
	struct bench_window window;
	_Atomic unsigned active_left; /* active workers still in their window */
	struct bench_job job;
	const struct bench_module *module;
	const struct counter_plan *counters; /* NULL = none */
	struct worker_run *workers;
	unsigned nr;
};

/* Phases, each posted to the pool with a struct worker_run; the outcome is in ->rc and ->w.err. */
void worker_setup(struct runtime_thread *thread, void *arg); /* module setup(), worker 0 only */
void worker_enter(struct runtime_thread *thread, void *arg);
void worker_begin(struct runtime_thread *thread, void *arg);
void worker_window(struct runtime_thread *thread, void *arg);
void worker_end(struct runtime_thread *thread, void *arg);
void worker_leave(struct runtime_thread *thread, void *arg);
void worker_teardown(struct runtime_thread *thread, void *arg); /* worker 0 only */

#endif
