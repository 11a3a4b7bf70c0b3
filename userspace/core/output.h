/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of a run: print the report, save the result, say where. */
#ifndef CORE_OUTPUT_H
#define CORE_OUTPUT_H

#include <stdio.h>
#include "core/report.h"
#include "core/result.h"
#include "core/run.h"
#include "core/threshold.h"

#define OUTPUT_BROKEN 3 /* exit code: a threshold is broken */

struct output {
	const struct bench_reporter *reporter;
	struct result_target target;
	struct thresholds *thresholds; /* NULL = none */
};

/* Check format, thresholds and output file before any workload. */
int output_init(struct output *output, const struct settings *settings, struct bench_err *err);
/* Hold the result against the thresholds, print to out and save; where the result goes to standard
 * output, print to stderr. Returns the exit code: run_exit_code(), or 1 when it cannot be written, or
 * OUTPUT_BROKEN. */
int output_finish(struct output *output, struct run *run, FILE *out);
void output_done(struct output *output);

#endif
