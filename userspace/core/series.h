/* SPDX-License-Identifier: BSD-2-Clause */
/* A job over time: what the workers and the run queues did in each interval of the timed windows,
 * read by a timer of the control loop. */
#ifndef CORE_SERIES_H
#define CORE_SERIES_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "core/live.h"
#include "probe/ledger.h"
#include "runtime/loop.h"

struct job_run;
struct series;

#define SERIES_ROWS 600 /* at most; then rows merge and the interval doubles */

/* What one row holds: sums over its time, so that two rows merge by adding. */
struct series_row {
	uint64_t at_ns, span_ns; /* since the start of the first trial; how much time it covers */
	unsigned trial;
	double *sum; /* one a column */
};

/* --- rows, bounded --- */

/* A sum is divided by the row's seconds where per_second says so, else by its ns (mean over time). */
struct series_column {
	char name[32];
	bool per_second;
	bool rare; /* left out when it is 0 in all rows */
};

struct series *series_new(const struct series_column *columns, unsigned nr_columns,
			  uint64_t interval_ns);
void series_free(struct series *series); /* NULL is fine */
uint64_t series_interval(const struct series *series);
/* Add a row; NAN in a sum = not known. */
void series_add(struct series *series, uint64_t at_ns, uint64_t span_ns, unsigned trial,
		const double *sum);
/* Forget the rows of this trial: it was cut short. */
void series_drop(struct series *series, unsigned trial);
/* Names of all columns, and the values of the last row (which must exist) as the result has them, of
 * all columns. New references. */
json_t *series_names(const struct series *series);
json_t *series_last(const struct series *series);
/* "series" of the job; NULL when there is no row. New reference. */
json_t *series_json(const struct series *series);

/* --- sampling --- */

struct sampler;

/* cpus: those whose run queues are followed, each once. probes may be NULL. jr NULL: there are no
 * workers (a wrapped command). async: the columns of a ring. */
struct sampler_config {
	struct loop *loop;
	struct probe_set *probes;
	const struct job_run *jr;
	const int *cpus;
	unsigned nr_cpus;
	bool async;
	uint64_t interval_ns;
	struct live *live; /* is told each row; NULL = nobody */
};
struct sampler *sampler_new(const struct sampler_config *config);
void sampler_free(struct sampler *sampler); /* NULL is fine */
/* A timed window [start_ns, end_ns) is about to begin (end_ns may be UINT64_MAX) ... */
void sampler_begin(struct sampler *sampler, uint64_t start_ns, uint64_t end_ns, unsigned trial);
/* ... and has ended at end_ns, before the probes' window is closed. keep false: forget its rows. */
void sampler_end(struct sampler *sampler, uint64_t end_ns, bool keep);
/* When the first window began; 0 = none has. */
uint64_t sampler_first_ns(const struct sampler *sampler);
json_t *sampler_json(const struct sampler *sampler);

#endif
