/* SPDX-License-Identifier: BSD-2-Clause */
/* What the three formats of perf stat have in common: which rows there are, and their columns. */
#ifndef REPORT_LIB_PERF_H
#define REPORT_LIB_PERF_H

#include <stdbool.h>
#include <stdio.h>
#include "bench/reporter.h"

/* One event as perf sees it. */
struct perf_row {
	const json_t *job;
	char event[160];
	const char *unit;    /* "msec", "Joules" or "" */
	const char *missing; /* "<not counted>" or "<not supported>", NULL = there is a value */
	double value;
	bool decimals;	 /* the value is scaled: two decimals */
	double noise;	 /* standard error of the mean, relative; NAN with one trial */
	double run_ns;	 /* time that it was counted */
	double percent;	 /* of the time that it was meant to be */
	bool has_metric; /* what perf derives behind the '#' */
	double metric;
	const char *metric_format; /* "%8.3f" */
	char metric_unit[32];
};

struct perf_walk {
	const json_t *job, *metrics;
	size_t index;
	const char *scope; /* that perf would have had: the tree, the threads, or the CPUs */
	double clock_ns, wall_ns;
	unsigned trials;
};

/* False for a job without counters. */
bool perf_begin(struct perf_walk *w, const json_t *job);
bool perf_next(struct perf_walk *w, struct perf_row *ret_row);
/* A time of the job in seconds, and the standard error of its mean (NAN with one trial); NAN when
 * it is not known. name: "wall", "user", "sys". */
double perf_seconds(const struct perf_walk *w, const char *name, double *ret_error);
/* Jobs that have counters. */
unsigned perf_nr_jobs(const json_t *result);
/* Report with fn called for each job in turn, under a locale with decimal points. */
int perf_report(const json_t *result, FILE *out, struct bench_err *err,
		void (*fn)(struct perf_walk *w, const json_t *result, FILE *out));

#endif
