/* SPDX-License-Identifier: BSD-2-Clause */
/* One run: everything that lives from start-up to the saved result. */
#ifndef CORE_RUN_H
#define CORE_RUN_H

#include <jansson.h>
#include "bench/error.h"
#include "core/live.h"
#include "core/plan.h"
#include "core/progress.h"
#include "core/settings.h"
#include "counters/counters.h"
#include "host/host.h"
#include "host/topology.h"
#include "probe/probe.h"
#include "runtime/runtime.h"

struct sampling;
struct trace;
struct execution;

struct run {
	const struct settings *settings;
	struct topology *topology;
	struct runtime *runtime;
	struct runtime *blocking; /* the other one of RUNTIME_BOTH, else NULL */
	struct counter_plan *counters; /* NULL = none */
	struct probe_set *probes;      /* NULL = none */
	struct sampling *sampling;     /* NULL = none */
	struct trace *trace;	       /* NULL = none */
	json_t *result;
	uint64_t started_ns;
	struct progress progress;
	struct live *live; /* NULL = none: it could not be made */
	int signal_fd;
	bool stop;  /* the user interrupted */
	int signo;  /* by which signal */
	int si_code; /* and who sent it: SI_KERNEL = the terminal */
	bool stuck; /* a thread does not come back: leave with _exit() */
	struct execution *followed;  /* by the probes, NULL = none */
	struct bench_window *window; /* of the job in execution, NULL between jobs */
};

/* Start topology, runtime and counters, and begin the result. Signals must not have been touched
 * yet. What is wrong with the request is -EINVAL or -ENOENT (exit 2). */
int run_open(struct run *run, const struct settings *settings, int argc, char *const argv[],
	     struct bench_err *err);
/* Make the worker threads of all jobs, rings included, so that a limit on those is told before any
 * workload. -ENOMEM with the reason when there is no room for all; what else goes wrong is the job's
 * to tell. */
int run_open_workers(struct run *run, const struct plan *plan, struct bench_err *err);
/* RUNTIME_BOTH, or the one that is active. */
enum runtime_kind run_active(const struct run *run);
/* The one of this kind. */
struct runtime *run_runtime(const struct run *run, enum runtime_kind kind);
/* The loop that turns while the job in execution runs: with both runtimes each has its own. */
struct loop *run_loop(const struct run *run);
/* Go on without io_uring, for the reason given. The plan must be made anew. */
int run_fall_back(struct run *run, const char *reason, struct bench_err *err);
/* Load the probes asked for. Separate from run_open() because it is the slow part. */
int run_open_probes(struct run *run, struct bench_err *err);
/* Tell whoever wants to watch, and show it here when the user asked for it. plan NULL = a command's.
 * What goes wrong with it is told and is no failure. */
void run_open_live(struct run *run, const struct plan *plan);
void run_close(struct run *run);

/* Execute every job of the plan; appends to result.jobs and result.warnings. */
void run_plan(struct run *run, const struct plan *plan);
/* Complete the document: elapsed time, overhead. */
void run_finish(struct run *run);
/* Exit code for the jobs in the result: 0, 1, or 128 + signal. */
int run_exit_code(const struct run *run);

/* --- core/job.c --- */

/* Execute one job: returns its object for result.jobs, new reference. */
json_t *job_execute(struct run *run, const struct plan_job *plan);

/* --- core/turns.c --- */

/* Execute two jobs trial by trial, in random order within each round. Appends the objects of both to
 * jobs, and their comparison to result.comparisons when there is one. */
void turns_execute(struct run *run, const struct plan_job *pair, json_t *jobs);

#endif
