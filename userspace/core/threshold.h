/* SPDX-License-Identifier: BSD-2-Clause */
/* Thresholds: what the user demands of metrics, held against a result. */
#ifndef CORE_THRESHOLD_H
#define CORE_THRESHOLD_H

#include <jansson.h>
#include "bench/error.h"

struct thresholds;

/* A list of "[[PATTERN] ]METRIC[{label=value,...}][.STAT] OP VALUE", separated by ';'. PATTERN is a
 * glob(7) pattern for job names; STAT is min, mean, p50, p90, p99, p99.9 or max of a distribution; OP
 * is <, <=, >, >=, == or !=; VALUE has a unit that fits the metric's: 2ms, 64k, 5%. list NULL or empty =
 * none, and *ret is NULL. -EINVAL, err says what is wrong with which. */
int thresholds_parse(struct thresholds **ret, const char *list, struct bench_err *err);
void thresholds_free(struct thresholds *thresholds); /* NULL is fine */

/* Hold them against all jobs. What comes out is put into the document: "thresholds" of each job that
 * has the metric (or that PATTERN names), and of the result. Those that were there are replaced.
 * Returns how many are broken; one that cannot be told is. thresholds NULL = 0, nothing is changed. */
unsigned thresholds_apply(const struct thresholds *thresholds, json_t *result);

#endif
