/* SPDX-License-Identifier: BSD-2-Clause */
/* --trace: the timed windows as a file of trace events (Chrome's JSON, which Perfetto opens): trials,
 * what each thread did and why it did not, who had each CPU, block requests, slow operations, and the
 * time series as counters. Every function is fine with NULL, which is a run without it. */
#ifndef CORE_TRACE_H
#define CORE_TRACE_H

#include <stdbool.h>
#include <jansson.h>
#include "bench/error.h"
#include "bench/module.h"

struct run;
struct trace;

/* Begin the file that belongs to the result's (r.json -> r.trace.json). NULL in *ret_trace when it was
 * not asked for. -EINVAL: there is no result file beside which it could be; as result_file_open(). */
int trace_open(struct trace **ret_trace, struct run *run, const char *result_path, bool force,
	       struct bench_err *err);
void trace_close(struct trace *trace);

/* A timed window opens: what the probes remember from now on belongs to it. job counts from 0, trial
 * from 1. */
void trace_begin(struct trace *trace, unsigned job, unsigned trial);
/* It is over, and so are its threads soon: write it. keep false: it was cut short, and is not kept. */
void trace_end(struct trace *trace, const struct bench_window *window, bool keep);
/* The job is over: its name, slow operations and series. job as above, row its object of the result. */
void trace_job(struct trace *trace, unsigned job, const json_t *row);
/* Give the file its name, and put it into "artifacts". */
void trace_finish(struct trace *trace);

#endif
