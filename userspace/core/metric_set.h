/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside of a metric set, shared by the file that fills it and the one that makes JSON of it. */
#ifndef CORE_METRIC_SET_H
#define CORE_METRIC_SET_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "bench/metric.h"

#define METRIC_HASH_HEADS 1024

/* A metric in one trial. */
struct metric_cell {
	bool used; /* it was put in this trial */
	bool left_out; /* but shall not be joined with the others */
	enum bench_status status;
	double value; /* NAN = none */
	char *note;
	double enabled_ns, running_ns, error; /* of an event counter; enabled_ns 0 = none */
};

struct metric {
	char *name, *unit;
	char *keys[BENCH_MAX_LABELS], *values[BENCH_MAX_LABELS]; /* sorted by key */
	enum bench_source source;
	enum bench_better better;
	bool sparse; /* a trial without a value counts as 0 */
	bool mean;   /* of the trials, instead of the median */
	bool hide_zero;
	uint32_t hash, next;
	struct metric_cell *cells; /* finished trials; later ones may be missing */
	unsigned nr_cells;
	struct bench_hist *hist; /* finished trials together; NULL = no distribution */
	struct metric_cell now;	 /* the current trial, which may still be dropped */
	struct bench_hist *hist_now;
};

struct bench_metric_set {
	struct metric **metrics; /* in the order of their first put */
	unsigned nr, room;
	uint32_t heads[METRIC_HASH_HEADS];
	unsigned nr_done; /* finished trials */
	bool recording;	  /* a trial is current; otherwise values are warm-up */
	bool no_memory;
};

/* "hist" of a metric. New reference. */
json_t *metric_hist_json(const struct bench_hist *hist);

#endif
