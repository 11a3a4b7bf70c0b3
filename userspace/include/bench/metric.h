/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_METRIC_H
#define BENCH_METRIC_H

#include <stddef.h>
#include <stdint.h>
#include "bench/hist.h"

/* Why a value is, or is not, there. Never a silent zero. The words are perf stat's. */
enum bench_status {
	BENCH_OK,
	BENCH_SCALED,	     /* multiplexed: value = raw * enabled / running */
	BENCH_NOT_COUNTED,   /* was never scheduled in */
	BENCH_NOT_SUPPORTED, /* this PMU, kernel or host lacks it */
	BENCH_NOT_PERMITTED, /* privileges or kernel.perf_event_paranoid forbid it */
	BENCH_SKIPPED,	     /* not asked for, or the module said it cannot run here */
	BENCH_INVALID,	     /* measured, but a check says it cannot be right */
};

enum bench_better { BENCH_BETTER_NONE, BENCH_BETTER_LOWER, BENCH_BETTER_HIGHER };

enum bench_source {
	BENCH_SOURCE_MODULE,
	BENCH_SOURCE_RUNTIME,
	BENCH_SOURCE_PROBE,
	BENCH_SOURCE_COUNTER,
	BENCH_SOURCE_HOST,
};

#define BENCH_MAX_LABELS 3

/* Identity of a metric within a job. Equal name and labels are one metric, over trials. The strings
 * are copied by the functions below. */
struct bench_metric_id {
	const char *name; /* as in the table of docs/result.md: "ops", "sched.runq_latency" */
	const char *unit; /* base units: "1/s", "B/s", "ns", "B", "count", "tasks", "ratio", ... */
	enum bench_source source;
	enum bench_better better;
	struct bench_label {
		const char *key, *value; /* key NULL = unused */
	} labels[BENCH_MAX_LABELS];
};

/* The metrics of one job, filled trial by trial by module, runtime, probes, counters and host. */
struct bench_metric_set;

/* This trial's value of a scalar metric. Called at most once per trial and id; a second call in the
 * same trial adds up. */
void bench_metric_put(struct bench_metric_set *set, const struct bench_metric_id *id, double value);
/* As bench_metric_put(), with a status other than ok and why: BENCH_SCALED and BENCH_INVALID keep
 * the value, for the others it is ignored. note is copied; NULL = none. */
void bench_metric_put_status(struct bench_metric_set *set, const struct bench_metric_id *id,
			     enum bench_status status, double value, const char *note);
/* This trial's value cannot be right, which says nothing about the others: the metric is joined
 * without it, and "left_out" has value and note, which is why. In all trials: the metric is
 * BENCH_INVALID. */
void bench_metric_put_left_out(struct bench_metric_set *set, const struct bench_metric_id *id,
			       double value, const char *note);
/* How an event counter came to its value in this trial. */
struct bench_metric_count {
	uint64_t enabled_ns, running_ns; /* time it was meant to count, and did */
	double error; /* of an extrapolated value, relative; 0 = not known */
};
/* As bench_metric_put_status(), with that. Where the error is known it is the interval (ci). */
void bench_metric_put_count(struct bench_metric_set *set, const struct bench_metric_id *id,
			    enum bench_status status, double value, const char *note,
			    const struct bench_metric_count *count);
/* As bench_metric_put(), for what need not occur in each trial: those without a value count as 0. */
void bench_metric_put_sparse(struct bench_metric_set *set, const struct bench_metric_id *id,
			     double value);
/* This trial's distribution; merged over trials (and over calls within a trial), copied. The
 * trial's value is its median. An empty histogram counts as a trial without value. */
void bench_metric_put_hist(struct bench_metric_set *set, const struct bench_metric_id *id,
			   const struct bench_hist *hist);

#endif
