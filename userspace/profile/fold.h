/* SPDX-License-Identifier: BSD-2-Clause */
/* Samples summed up by job, event, command, file and function, as perf report does by default. */
#ifndef PROFILE_FOLD_H
#define PROFILE_FOLD_H

#include <jansson.h>
#include <stdint.h>
#include "profile/samples.h"

/* When a job was measured: once for each trial, in the order of time, none over another. */
struct fold_span {
	uint64_t start_ns, end_ns;
	unsigned job;
	unsigned trial; /* from 1 */
};

/* The span that a time is in, NULL = none. */
const struct fold_span *fold_span_at(const struct fold_span *spans, unsigned nr, uint64_t time_ns);

struct fold;

/* spans live as long. NULL when out of memory. */
struct fold *fold_new(const struct fold_span *spans, unsigned nr_spans, unsigned nr_jobs);
void fold_free(struct fold *fold); /* NULL is fine */
void fold_add(struct fold *fold, const struct sample *sample, struct symbols *symbols);

/* Rows of an event in a job that are kept, largest first; the rest is one row. */
#define FOLD_ROWS 30

/* "events" and "symbols" of a job's profile. cpu_event: name of PROFILE_CPU. False = there are no
 * samples of that job. */
bool fold_json(struct fold *fold, unsigned job, const char *cpu_event, json_t *profile);

#endif
