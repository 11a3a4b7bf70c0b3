/* SPDX-License-Identifier: BSD-2-Clause */
/* One job while it is executed: job.c for its life, job_search.c for what may come before its trials. */
#ifndef CORE_EXECUTION_H
#define CORE_EXECUTION_H

#include <jansson.h>
#include "core/observer.h"
#include "core/run.h"
#include "core/series.h"
#include "core/slo.h"
#include "core/steady.h"
#include "core/worker.h"

struct execution {
	struct run *run;
	const struct plan_job *plan;
	struct job_run jr;
	struct bench_metric_set *metrics;
	struct bench_hist *latency; /* of all trials, where slow ops are kept */
	struct sampler *sampler;
	struct observer observer;
	json_t *slow, *series; /* of the job, NULL = none */
	uint64_t first_ns;     /* when the first timed window began; 0 = there was none */
	struct steady steady;	/* speeds of rounds and trials */
	struct slo slo;		/* what the search for a rate found; target.ns 0 = there is none */
	json_t *slo_trials;	/* the percentile of each trial, ns */
	unsigned slo_kept;	/* trials that kept the target */
	json_t *knee;		/* why the rate above misses its target, NULL = none */
	unsigned nr_trials;	/* finished */
	unsigned index;		/* among the jobs of the result */
	const char *status;	/* of the job, "ok" so far */
	char reason[400];
};

/* --- job.c --- */

/* One window of all workers. timed: it is a trial, its metrics go to x->metrics. 0, or what a phase
 * failed with, which is in x->status then. */
int execution_window(struct execution *x, uint64_t duration_ns, bool timed);
/* Operations per second of the window that has just ended. */
double execution_speed(const struct execution *x);
/* Set the job's status and why, unless it failed already. */
void execution_fail(struct execution *x, const char *status, const char *reason);

/* --- job_row.c --- */

/* What is known of the job by now, and all that is at its end. New references. */
json_t *execution_so_far(const struct execution *x);
json_t *execution_row(const struct execution *x);

/* --- job_search.c --- */

/* What comes before the trials: the search for a rate (slo=), and rounds until the speed is steady. 0,
 * or what a window failed with. */
int execution_approach(struct execution *x);
/* After each trial. */
void execution_note(struct execution *x);
/* After the trials: a look at the rate above the one that was found. */
void execution_knee(struct execution *x);
/* "slo" and "steady" of the job's object. */
void execution_search_json(const struct execution *x, json_t *object);

#endif
