/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of a run, over its time: filled from the lines that a run tells, or from a saved
 * result. Times are ns since the start of the run. Nothing is thrown away, so that one can look at
 * any moment. */
#ifndef VIEW_MODEL_H
#define VIEW_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>

/* What was so from at_ns on. */
struct moment {
	uint64_t at_ns;
	char *text;  /* step, warning, mark */
	json_t *doc; /* the job as far as known, an object of result.jobs; the latency so far: a metric */
};

struct moments {
	struct moment *list;
	size_t nr, room;
};

/* One row of the time series: means over the span that ends at at_ns. */
struct row {
	uint64_t at_ns, span_ns;
	unsigned trial;
	double *values; /* one a column of the job, NAN = not known */
};

struct job {
	char *name;
	uint64_t start_ns, end_ns; /* end_ns 0 = not over */
	bool begun;
	char **columns;
	size_t nr_columns;
	struct row *rows;
	size_t nr_rows, room;
	struct moments steps, docs, latencies;
};

struct model {
	bool saved;	       /* from a file: what is known of a job is known at all its times */
	json_t *run;	       /* what was told at the start; of a saved result the result itself */
	uint64_t started_ns;   /* CLOCK_MONOTONIC of a run that goes on */
	uint64_t last_ns;      /* of what was told last */
	uint64_t expected_ns;  /* warm-ups and trials of all jobs, 0 = not known */
	bool over;
	int version;
	uint64_t nr_dropped;
	struct job *jobs;
	size_t nr_jobs, current; /* current: index of the job told of last */
	struct moments log, marks;
	/* CPU time of the orchestrator: share of one CPU of late, NAN = not known. */
	double tool_share;
	uint64_t tool_ns, tool_at_ns;
};

void model_init(struct model *model);
void model_done(struct model *model);
/* A line that a run told. What is not understood is ignored: it is from a later version. */
void model_take(struct model *model, const json_t *message);
/* A saved result as a whole. Its jobs are laid one behind the other where it does not say when they
 * ran. */
void model_load(struct model *model, const json_t *result);

/* --- at a moment --- */

/* The job that ran then, SIZE_MAX before the first. */
size_t model_job_at(const struct model *model, uint64_t at_ns);
/* The last one at or before, NULL = none. */
const struct moment *moment_at(const struct moments *moments, uint64_t at_ns);
/* The job as it was known then, NULL = nothing yet. */
const json_t *job_doc(const struct model *model, const struct job *job, uint64_t at_ns);
/* The latency of the trial that went on then, as a metric; NULL = not known, or in the document. */
const json_t *job_latency(const struct job *job, uint64_t at_ns);
/* The number of rows up to then; the last of them is rows[n - 1]. */
size_t job_rows(const struct job *job, uint64_t at_ns);
/* Index of a column, SIZE_MAX = there is none. */
size_t job_column(const struct job *job, const char *name);

/* Members of JSON without surprises: "" and NAN where there is none. */
const char *text_of(const json_t *object, const char *path);
double number_of(const json_t *object, const char *path);

#endif
