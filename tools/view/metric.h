/* SPDX-License-Identifier: BSD-2-Clause */
/* Metrics of a job's document, for drawing. */
#ifndef VIEW_METRIC_H
#define VIEW_METRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <jansson.h>
#include "bench/units.h"

/* Metrics called name, walked with *at (0 at first); NULL at the end. */
const json_t *metric_of(const json_t *doc, const char *name, size_t *at);
/* Value of its label, "" = none. */
const char *metric_label(const json_t *metric, const char *key);
/* "1.21 GB/s", or "-" and in *ret_why the reason ("" when there is none). */
const char *metric_text(char buf[UNITS_MAX], const json_t *metric, const char **ret_why);
/* "±1.2 %", "3 trials": how far it can be trusted. */
const char *metric_trust(char buf[UNITS_MAX], const json_t *metric);
/* The number that stands for the job: ops, else bytes or wall time. */
const json_t *metric_main(const json_t *doc);

/* Metrics by value, largest first. malloc'ed. */
const json_t **metric_sorted(const json_t *doc, const char *name, size_t *ret_nr);

#endif
