/* SPDX-License-Identifier: BSD-2-Clause */
/* What runs on the pool threads: the phases of a job on one worker. */
#ifndef CORE_WORKER_H
#define CORE_WORKER_H

#include <stdatomic.h>
#include "bench/module.h"
#include "core/job_list.h"
#include "core/usage.h"
#include "counters/counters.h"
#include "runtime/runtime.h"

struct calls;
struct job_run;
struct probe_set;

/* What the control loop may look at in the middle of a window: written by the worker with relaxed
 * stores, on a cache line of its own. */
struct worker_live {
	_Atomic uint64_t ops, bytes;
	/* ASYNC: operations x ns in flight up to at_ns, and how many there are from then on; seq is
	 * odd while they are written. */
	_Atomic uint64_t seq, at_ns, inflight_ns, inflight_next;
	_Atomic double gauges[BENCH_GAUGES]; /* of the module; NAN = not known */
} __attribute__((aligned(64)));

struct worker_run {
	struct bench_worker w;
	struct worker_live live;
	struct job_run *run;
	unsigned thread; /* index in the runtime's pool */
	struct bench_async *ring; /* of the module's own kind; NULL = the thread's is used */
	struct counter_session *counters; /* NULL = none */
	struct counter_session *cpu_counters; /* of the CPU; NULL = none */
	struct counter_packages *packages;    /* worker 0: of all packages; NULL = none */
	struct open_loop *open;		      /* NULL = closed loop */
	struct calls *calls;		      /* its system calls are counted; NULL = no */
	uint64_t batch;	 /* BLOCKING: ops per timed call; 0 = not calibrated yet */

	/* Of the last phase. */
	bool done; /* set by the control loop when the phase returned */
	int rc;
	int elsewhere;		    /* a CPU that it was on instead of its own; -1 = none */
	uint64_t looked_ns;	    /* when that was looked at last */
	uint64_t start_ns, stop_ns; /* of the window, as this worker saw it */
	struct usage usage;	    /* within the window */
	struct async_stats async;   /* ASYNC modules; histograms belong to the ring */
} __attribute__((aligned(64)));

/* One job in execution, shared by its workers. */
struct job_run {
	struct bench_window window;
	_Atomic unsigned active_left; /* active workers still in their window */
	unsigned nr_active;	      /* all of them */
	const struct job_settings *common;
	double rate;	 /* of the open loop, 1/s, all workers together; 0 = closed loop */
	struct bench_job job;
	const struct bench_module *module;
	const struct runtime *runtime; /* whose threads the workers are */
	const struct counter_plan *counters; /* NULL = none */
	unsigned scope;			 /* enum events_scope */
	struct worker_run *workers;
	unsigned nr;
	unsigned trial;			 /* of the window to come, 1, 2, ...; 0 = warm-up */
	unsigned nr_slow;		 /* slow ops to keep, 0 = none */
	const struct probe_set *probes;	 /* where their causes come from; NULL = nowhere */
	/* How far a long set-up is, for the progress line; NULL = it does not say. */
	const char *_Atomic setup_what;
	_Atomic unsigned setup_percent;
};

/* Time of the window that the worker had, ns: from the start for all, so that one that started late
 * does not count as fast. 0 = none. */
static inline uint64_t worker_took_ns(const struct worker_run *wr)
{
	uint64_t start_ns = wr->run->window.start_ns;

	return wr->stop_ns > start_ns && wr->stop_ns > wr->start_ns ? wr->stop_ns - start_ns : 0;
}

/* Account one op of a BLOCKING module: due, begun and completed, ns. True when it was slow and took
 * time to look at. */
bool worker_op(struct worker_run *wr, uint64_t due_ns, uint64_t begin_ns, uint64_t done_ns);
/* Tell the core that this is a spin. */
static inline void worker_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Phases, each posted to the pool with a struct worker_run; the outcome is in ->rc and ->w.err. */
void worker_setup(struct runtime_thread *thread, void *arg); /* module setup(), worker 0 only */
void worker_enter(struct runtime_thread *thread, void *arg);
void worker_begin(struct runtime_thread *thread, void *arg);
void worker_window(struct runtime_thread *thread, void *arg);
void worker_end(struct runtime_thread *thread, void *arg);
void worker_leave(struct runtime_thread *thread, void *arg);
void worker_teardown(struct runtime_thread *thread, void *arg); /* worker 0 only */

#endif
