/* SPDX-License-Identifier: BSD-2-Clause */
/* Printing metrics of a job: each is marked as shown, and what no section knew is printed by the
 * last one, so that a new metric is never invisible. */
#ifndef REPORT_LIB_METRICS_H
#define REPORT_LIB_METRICS_H

#include "report/lib/text.h"
#include "bench/units.h"

/* Walk over the metrics of t->job: starts with index 0; false at the end. */
struct metric_walk {
	size_t next, index;
	const json_t *metric;
	const char *name;
};
bool metric_next(const struct text *t, struct metric_walk *w);
void metric_shown(struct text *t, const json_t *metric);

const char *metric_label(const json_t *metric, const char *key); /* "" when it has none */
/* The values of all labels ("voluntary", "kworker/0:1 12"), or "key=value,..." with keys.
 * malloc'ed, "" without labels. */
char *metric_labels(const json_t *metric, bool keys);
/* Unit to print in: shares are "share" though the result says "ratio". */
const char *metric_unit(const json_t *metric);
const char *metric_value(const struct text *t, char buf[UNITS_MAX], const json_t *metric);

#define INTERVAL_MAX 160
/* How far the value can be trusted: "±1.2 %", "[64.8 k/s, 66.0 k/s]", "1 trial: no interval". */
const char *metric_interval(const struct text *t, char buf[INTERVAL_MAX], const json_t *metric);
/* Yellow when the value is known within 5 % at best. */
enum text_color metric_trust_color(const json_t *metric);
/* The short form for a column: "±1.2 %", "-38/+62 %", "3 trials". */
const char *metric_trust(const struct text *t, char buf[UNITS_MAX], const json_t *metric);

/* All metrics called name that have a value, largest first, as items of the current row; `prefix`
 * stands before each, NULL = none. Zeros are left out when zeros is false. At most `top`, then "and
 * N more". Returns how many were printed. */
unsigned metric_list(struct text *t, const char *name, const char *prefix, unsigned top,
		     bool zeros);
/* Are all metrics called name 0? Then they count as shown: that nothing happened takes no line. */
bool metric_zeros(struct text *t, const char *name);
/* Rows for what has no value, joined by reason; only those of this source, or all when NULL. */
void metric_missing(struct text *t, const char *source);

#endif
