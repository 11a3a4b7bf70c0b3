/* SPDX-License-Identifier: BSD-2-Clause */
/* A result: one run, one JSON document (schema "bench.result/1"). The document itself is the
 * model, so what is saved and what is reported cannot differ. Reporters use this header only: they
 * render, and compute nothing. */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <jansson.h>
#include "bench/error.h"

#define BENCH_RESULT_SCHEMA "bench.result/1"

/* Read and check a saved result: "-" = standard input. -ENOENT, -EINVAL (not JSON: line and column;
 * not this schema: what it says it is). The caller owns the reference. */
int bench_result_load(json_t **ret_result, const char *path, struct bench_err *err);

/* Look-ups that never fail: a missing member gives NULL, "" or NAN. Borrowed references. path is
 * dotted: "host.kernel". */
const json_t *bench_result_get(const json_t *object, const char *path);
const char *bench_result_str(const json_t *object, const char *path);
double bench_result_num(const json_t *object, const char *path);

/* A metric of a job by name, and label when key is not NULL. NULL when the job has none. */
const json_t *bench_result_metric(const json_t *job, const char *name, const char *key,
				  const char *value);
/* Is there a value (status ok or scaled)? */
bool bench_result_has_value(const json_t *metric);

#endif
