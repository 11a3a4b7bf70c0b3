/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_MODULE_H
#define BENCH_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bench/clock.h"
#include "bench/error.h"
#include "bench/hist.h"
#include "bench/metric.h"
#include "bench/option.h"

#define BENCH_MODULE_ABI 4

/* What the module needs to execute; decides which callbacks are mandatory. */
enum bench_exec {
	BENCH_EXEC_BLOCKING, /* run(): may sleep in the kernel, one op at a time; either runtime */
	BENCH_EXEC_ASYNC,    /* start() and op callbacks: never sleep; needs the uring runtime */
};

/* bench_module.workers(): one for each CPU, SMT siblings included. */
#define BENCH_WORKERS_ALL UINT32_MAX

/* Where else the ops of a module show, so that the core can hold its counts against others: */
#define BENCH_RECEIPT_RING 1u	  /* ASYNC: each is one read or write of the ring */
#define BENCH_RECEIPT_BLOCK 2u	  /* its bytes, at a block device, within the window */
#define BENCH_RECEIPT_REQUESTS 4u /* and it is one request there, neither split nor merged */
#define BENCH_RECEIPT_STEPS 8u	  /* more follows its read or write before it counts */
#define BENCH_RECEIPT_MORE 16u	  /* at the block layer there may be more: a journal, say */

/* Does what the job measures change with use, as a disk's speed does? */
enum bench_steady {
	BENCH_STEADY_NONE,  /* no, or the module does not know */
	BENCH_STEADY_QUICK, /* yes, and it is measured as it is: the result says "not steady state" */
	BENCH_STEADY_WAIT,  /* yes: rounds of load come before the trials until they are alike */
};

/* The ring that an ASYNC module wants instead of the runtime's own (bench_module.ring): */
#define BENCH_RING_SQPOLL 1u /* a thread of the kernel takes submissions (IORING_SETUP_SQPOLL) */
#define BENCH_RING_IOPOLL 2u /* completions are polled for (IORING_SETUP_IOPOLL): direct I/O only */

/* A job as its module sees it: shared by all its workers, written by setup() only. */
struct bench_job {
	const void *params; /* params_size bytes, parsed from options */
	void *shared;	    /* set by setup(), released by teardown() */
	unsigned receipt;   /* BENCH_RECEIPT_*, set by setup(); 0 = nothing to compare with */
	enum bench_steady steady; /* set by setup() */
	uint64_t steady_max_ns;	  /* BENCH_STEADY_WAIT, set by setup(): rounds go on for so long at most */
	unsigned nr_workers;
	const int *cpus;      /* nr_workers OS CPU numbers; -1 = unbound */
	const char *workdir;  /* directory for files that the module makes */
	struct bench_metric_set *metrics; /* for report(); NULL elsewhere */
	/* Set by report(): why the trial is none of what was asked for. "" = it is one. */
	char invalid[200];
	volatile const bool *stop; /* true once the user interrupts: long set-up returns -EINTR */
	/* In a long setup(), now and then: which part of it, how much of it is done. `what` must
	 * outlive the call. NULL = nobody wants to know. */
	void (*progress)(const struct bench_job *job, const char *what, uint64_t done,
			 uint64_t total);
	/* Set by setup(), static texts: the metric of the module's own that stands for the job, in the
	 * summary and in the curve of a sweep; NULL = ops. */
	const char *figure;
	/* The curve's other axis, a metric of the module's own; NULL = the parameter that varies. Where
	 * figure then reaches twice what it is at the lowest value is the curve's knee. */
	const char *figure_over;
	/* A metric of the module's own with one label, each value of which is a known point on the axis
	 * of the parameter (the size of a cache): knees near one are told with its label. NULL = none. */
	const char *figure_marks;
};

/* Which ends of what it connects a job has. */
enum bench_end { BENCH_END_BOTH, BENCH_END_CLIENT, BENCH_END_SERVER };

/* Numbers that one end tells the other, at most. */
#define BENCH_TELL_MAX 8

struct bench_async;
struct bench_op;
struct bench_slow;

/* The timed window: the shared cache line that starts and ends it, read by all workers, written by
 * the orchestrator only. Times are CLOCK_MONOTONIC ns. */
struct bench_window {
	uint64_t start_ns; /* workers spin until this moment */
	uint64_t end_ns;   /* no op starts at or after this moment; pulled in to stop early */
} __attribute__((aligned(64)));

/* One bound thread of one job. Between enter() and leave() only that thread touches it. */
struct bench_worker {
	const struct bench_job *job;
	void *state;		    /* state_size bytes, zeroed, on the worker's NUMA node */
	struct bench_async *async;  /* ASYNC modules: this worker's ring (bench/async.h) */
	volatile const struct bench_window *window;
	unsigned index;		    /* 0 .. nr_workers - 1 */
	int cpu;		    /* OS CPU number, -1 when unbound */
	bool passive;		    /* set by enter(): serves others (a server); its ops do not count */
	bool no_latency;	    /* set by enter(): the time of an op is no latency worth the name:
				       the core records none, run() may record its own */
	bool paced;		    /* ASYNC: open loop, see issue(). Set by the core after enter() */

	/* Accounting of the current window; see bench_done(). */
	uint64_t ops, bytes, errors;
	uint64_t other_cpu_ns; /* CPU time in the window of threads or children that the module made by
				  itself, given by finish() at the latest; counts in cpu.per_op */
	struct bench_hist *latency; /* ns, intended start to completion */
	struct bench_err err;	    /* first failure, for the report */

	/* Slow operations; see bench_slow(). */
	uint64_t key;		 /* BLOCKING: which op the last run(1) was, for locate() */
	uint64_t slow_ns;	 /* an op that took at least so long is worth keeping */
	struct bench_slow *slow; /* the core's; NULL = nothing is kept */
};

/* Where on a block device an op went. */
struct bench_place {
	uint32_t dev;	 /* major << 20 | minor, of the whole disk */
	uint32_t bytes;	 /* how far it reaches from there */
	uint64_t sector; /* of the whole disk, 512 bytes each */
	/* Else, the TCP connection whose answer ended it: descriptor + 1 of both ends, or 0.
	 * Nothing may have been sent on it since. The other end is a passive worker's. */
	uint32_t socket, peer_socket;
};

/* False once the window is over: start no further op. */
static inline bool bench_running(const struct bench_worker *w, uint64_t now_ns)
{
	return now_ns < w->window->end_ns;
}

/* ASYNC modules: account one op that succeeded. Constant time, no locks, worker thread only. Ops
 * that complete after the end of the window must not be passed here. Where the op is one of
 * bench/async.h, use bench_op_done(). */
static inline void bench_done(struct bench_worker *w, uint64_t bytes, uint64_t latency_ns)
{
	w->ops++;
	w->bytes += bytes;
	bench_hist_record(w->latency, latency_ns);
}

/* A value over time of the module's own: what it is from now on. One of the module's gauges[], by its
 * place there. NAN = not known. The time series has its mean over each interval, and over the active
 * workers that know it. A store; worker thread only. */
void bench_gauge(struct bench_worker *w, unsigned gauge, double value);

/* Keep an op that took long, with what it waited for, which is looked up at once. On the worker,
 * right after the completion, and only for an op of at least w->slow_ns (bench_op_done() and, for
 * BLOCKING modules, the core see to that). The stamps are CLOCK_MONOTONIC ns: due, handed over,
 * completed. key is what locate() understands. */
void bench_slow(struct bench_worker *w, uint64_t intended_ns, uint64_t submit_ns, uint64_t done_ns,
		uint64_t key);

/* One op failed. Counts it, keeps the first reason, and returns code. A trial with errors is
 * `failed`: failed operations never count as fast ones. */
int bench_worker_fail(struct bench_worker *w, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Gauges of a module, at most. */
#define BENCH_GAUGES 4u

/* A workload. One const descriptor per file of modules/: `modules/foo.c` defines
 * `const struct bench_module bench_module_foo` whose .name is "foo"; the build registers it. */
struct bench_module {
	unsigned abi; /* BENCH_MODULE_ABI */
	enum bench_exec exec;
	const char *name;    /* file stem */
	const char *summary; /* one line for `bench list modules` */
	const char *op;	     /* what one op is: "one random read of bs bytes" */
	const char *sibling; /* ASYNC: the BLOCKING module of the same family, NULL = none */
	/* ASYNC with a sibling: the parameters with which it has one operation under way at a time, as
	 * the sibling has ("depth=1"); NULL = none are needed. */
	const char *single;
	const struct bench_option *options; /* ends with name NULL; NULL = none */
	/* Jobs of the default suite, quick, each a parameter list as on the command line ("" = defaults),
	 * ended by NULL; NULL = not part of it. */
	const char *const *suite;
	/* More jobs, of the suite `full` only; a parameter may have several values. */
	const char *const *full;
	size_t params_size, state_size;

	/* Its ops have due times or clocks of their own: rate= is refused. */
	bool own_pace;

	/* Number of workers: 0 in min_workers means "as many as the plan gives, default one per
	 * core" ; otherwise the plan gives between min and max (max 0 = no limit). */
	unsigned min_workers, max_workers;
	/* The exact number of workers that these parameters need, 0 = as min and max say,
	 * BENCH_WORKERS_ALL = one for each CPU that the job may use, if workers= does not say
	 * otherwise. Optional. */
	unsigned (*workers)(const void *params);

	/* How many of the workers can be runnable at the same time, for the check against
	 * oversubscription: a ping-pong is 1. NULL or 0 = all of them. */
	unsigned (*runnable)(const void *params);
	/* Are these parameters possible together? 0, or -EINVAL and why; the request is refused with
	 * exit 2 before any workload. Optional; touches nothing. */
	int (*validate)(const void *params, struct bench_err *err);
	/* ASYNC: BENCH_RING_*, each worker then has a ring of its own with that, from before enter()
	 * until after leave(). NULL or 0 = the runtime's. Optional; touches nothing. */
	unsigned (*ring)(const void *params);
	/* Put in what a parameter's "choose for me" value stands for, so that the saved result tells
	 * it. After validate(). Optional; touches nothing else. */
	void (*resolve)(void *params);
	/* What of these parameters is for one job at a time, in words ("the device of destroy="),
	 * or NULL: nothing is. With both runtimes two jobs are set up together, so that is refused.
	 * Optional. */
	const char *(*alone)(const void *params);
	/* Can it run on this host? 0, or negative errno and why; the job is then skipped.
	 * Optional; leaves no trace. */
	int (*check)(const void *params, struct bench_err *err);
	/* Once per job, untimed, on worker 0's thread, before enter(). May take long (lay out a
	 * file) if it looks at job->stop now and then. Optional. */
	int (*setup)(struct bench_job *job, struct bench_err *err);
	/* On the bound worker, untimed, once per job: allocate, first touch, open. Optional. On
	 * failure fills w->err through bench_worker_fail() and returns negative errno. */
	int (*enter)(struct bench_worker *w);
	/* On the bound worker, untimed, before each window (warm-up and every trial), all workers of
	 * the job at the same time: connect, rewind. Optional. As enter() on failure. */
	int (*begin)(struct bench_worker *w);
	/* BLOCKING, mandatory: perform exactly `ops` ops and account their bytes in w->bytes. The
	 * core times the call and calibrates ops during warm-up: 1 when one op is long enough to be
	 * timed alone (its latency is then recorded), else a batch. Passive workers are called once
	 * per window with UINT64_MAX and return 0 when their peers are done. 0, or negative errno
	 * through bench_worker_fail(). */
	int (*run)(struct bench_worker *w, uint64_t ops);
	/* ASYNC, mandatory: submit the first operations of a window. Their callbacks submit the next
	 * ones while bench_running(). 0, or negative errno through bench_worker_fail(). */
	int (*start)(struct bench_worker *w);
	/* ASYNC, on an active worker with w->paced: begin the op that was due at op->intended_ns, by
	 * describing this operation. start() and the callbacks then begin none, but pass every op that
	 * succeeded to bench_op_done(), also one that ends after the window. 0; -EAGAIN with op
	 * untouched when as many are under way as the parameters allow (it is asked again after
	 * completions); or negative errno through bench_worker_fail(). Optional: without it there is no
	 * open loop. */
	int (*issue)(struct bench_worker *w, struct bench_op *op);
	/* BLOCKING, on an active worker, right after its last op of a window, also when that failed:
	 * tell passive peers that it is over, by closing a connection, say. Optional. */
	void (*finish)(struct bench_worker *w);
	/* From another thread, when a worker did not return in time after the window: make it, by
	 * shutting down its sockets, say. Async-signal-safe calls only. Optional. */
	void (*interrupt)(struct bench_worker *w);
	/* On the worker, untimed, after each window: also after a failed begin(). Optional. */
	void (*end)(struct bench_worker *w);
	/* On the worker, once; also after a failed enter(). Optional. */
	void (*leave)(struct bench_worker *w);
	/* Where the op with this key (w->key, or that of bench_op_done()) went: on a block device,
	 * from what setup() found out, or by which connection. Called on a worker in the window, so
	 * loads only. 0, or -ENOENT when it cannot be told. Optional. */
	int (*locate)(const struct bench_job *job, uint64_t key, struct bench_place *ret_place);
	/* Once per job, on worker 0's thread; also after a failed setup(). Optional. */
	void (*teardown)(struct bench_job *job);
	/* The ends of a job on two hosts, each a job of its own there; all three or none.
	 *
	 * Make params those of one end. address: of the server, numeric, as the client reaches it;
	 * other: of the client, the only one to be served (NULL at the client). Both outlive the job.
	 * After the options were set, before validate(); -EINVAL and why when these parameters need
	 * both ends on one host. */
	int (*split)(void *params, enum bench_end end, const char *address, const char *other,
		     struct bench_err *err);
	/* On the orchestrator: what the other end must know, into BENCH_TELL_MAX values; how many. The
	 * server's after setup(), for the client before begin(). After end() of each window the
	 * client's, for the server before report(), and then the server's, for the client before
	 * report(). Not called while a worker runs. */
	unsigned (*tell)(const struct bench_job *job, uint64_t *values);
	void (*hear)(struct bench_job *job, const uint64_t *values, unsigned nr);
	/* On the orchestrator after each trial: put metrics of its own into job->metrics.
	 * Optional. */
	void (*report)(struct bench_job *job, uint64_t trial_ns);
	/* Names of its gauges, columns of the time series, with their unit at the end
	 * ("net.rtt_ns"); ended by NULL; see bench_gauge(). Optional. */
	const char *const *gauges;
};

#endif
