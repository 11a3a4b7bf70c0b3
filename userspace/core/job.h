/* SPDX-License-Identifier: BSD-2-Clause */
/* One job in execution, in steps: whoever runs several in turns calls them one by one, job_execute()
 * does so for one. All are the orchestrator's; what the workers do is in worker.c. */
#ifndef CORE_JOB_H
#define CORE_JOB_H

#include <stdbool.h>
#include <jansson.h>
#include "core/collect.h"
#include "core/observer.h"
#include "core/run.h"
#include "core/slo.h"
#include "core/steady.h"
#include "core/worker.h"

struct remote;
struct sampler;

/* How far a job got: decides what is to be undone. */
enum execution_stage { STAGE_NONE, STAGE_SET_UP, STAGE_ENTERING, STAGE_ENTERED };

struct execution {
	struct run *run;
	const struct plan_job *plan;
	struct runtime *runtime; /* the one of run's that it runs on */
	struct remote *remote;	 /* its server's end, elsewhere; NULL = all of it is here */
	struct job_run jr;
	struct collect_span span; /* of the window at hand */
	struct bench_metric_set *metrics;
	struct bench_hist *latency; /* of all trials, where slow ops are kept */
	struct sampler *sampler;
	struct observer observer;
	unsigned group;	       /* of the probes' stacks; jobs in turns have one each */
	enum execution_stage stage;
	bool over;	       /* it cannot go on */
	bool aside;	       /* a timed window is no trial: not sampled, not traced, none on the peer */
	json_t *slow, *series; /* of the job, NULL = none */
	json_t *warnings;      /* of the probes; NULL = none */
	struct steady steady;  /* speeds of rounds and trials */
	struct slo slo;	       /* what the search for a rate found; target.ns 0 = there is none */
	json_t *slo_trials;    /* the percentile of each trial, ns */
	unsigned slo_kept;     /* trials that kept the target */
	json_t *knee;	       /* why the rate above misses its target, NULL = none */
	uint64_t first_ns;     /* when the first timed window began; 0 = there was none */
	unsigned nr_trials;    /* finished */
	unsigned index;	       /* among the jobs of the result */
	const char *status;    /* "ok" so far */
	char reason[400];
};

/* Check, and get threads. The job may have failed or be skipped then: see status; the steps are to be
 * called all the same, and do nothing. */
void execution_init(struct execution *x, struct run *run, const struct plan_job *plan,
		    unsigned group);
/* Set-up and enter. */
void execution_enter(struct execution *x);
/* After the last trial, whether or not all took place. */
void execution_leave(struct execution *x);
/* What is known of the job by now; new reference. */
json_t *execution_so_far(const struct execution *x);
/* The job's object for result.jobs; new reference. */
json_t *execution_row(struct execution *x);
void execution_done(struct execution *x);

/* The job is over, and why; the first call counts. */
void execution_fail(struct execution *x, const char *status, const char *reason);
/* Is there more to do for it? Invalid trials do not end a job. */
bool execution_goes_on(const struct execution *x);
/* What the other end's step returned: the job fails with it. */
int execution_check(struct execution *x, int rc);
/* Post a phase to the first nr workers, wait, and keep the first error. name: what to call it; due_ns:
 * when the slowest of them should be done. */
int execution_phase(struct execution *x, const char *name, void (*fn)(struct runtime_thread *, void *),
		    unsigned nr, uint64_t due_ns);

/* --- core/job_window.c --- */

/* Warm-up, and what comes before the trials (job_search.c). */
void execution_warm_up(struct execution *x);
/* One window of all workers. timed: it is a trial, its metrics go to x->metrics. 0, or what a phase
 * failed with, which is in x->status then. */
int execution_window(struct execution *x, uint64_t duration_ns, bool timed);
/* Operations per second of the window that has just ended. */
double execution_speed(const struct execution *x);
/* The next trial (with --observer=ab also the one without probes). */
void execution_trial(struct execution *x);
/* A window whose metrics are not those of a trial: the system calls of the workers are counted. */
void execution_count_calls(struct execution *x);
/* A window in steps, for a job whose client is on another host. Each returns 0 or negative errno; a
 * window that was begun is to be ended. */
int execution_begin(struct execution *x, bool timed);
/* start_ns 0 = as soon as everybody is ready. */
int execution_run(struct execution *x, uint64_t start_ns, uint64_t duration_ns);
/* good: a timed window becomes a trial. exchange (NULL = none) runs before that, when the workers have
 * ended. */
int execution_end(struct execution *x, bool good,
		  int (*exchange)(struct execution *x, void *arg), void *arg);

/* --- core/job_watch.c --- */

/* The probes follow this job's workers and nobody else: of jobs in turns, those whose turn it is. */
void execution_follow(struct execution *x);
void execution_unfollow(struct run *run);
/* Who serves the others is known now: it is the other end of their connections. */
void execution_introduce(struct execution *x);
/* The control loop's view of the job over time. Without memory for it there is none. */
void execution_sample(struct execution *x);
/* Between two windows, where nothing is disturbed by it: what is known of the job, to the viewer. */
void execution_tell_viewer(const struct execution *x);
/* "slow" and "series", before the workers leave and take theirs with them. */
void execution_gather(struct execution *x);

/* --- core/job_search.c --- */

/* What comes before the trials: the search for a rate (slo=), and rounds until the speed is steady. 0,
 * or what a window failed with. */
int execution_approach(struct execution *x);
/* After each trial. */
void execution_note(struct execution *x);
/* After the trials: a look at the rate above the one that was found. */
void execution_knee(struct execution *x);
/* "slo" and "steady" of the job's object. */
void execution_search_json(const struct execution *x, json_t *object);

/* --- core/job_row.c --- */

/* The object of a job that did not run, or the beginning of one that did. */
json_t *job_not_run(const struct run *run, const struct plan_job *plan, const char *status,
		    const char *reason);

#endif
