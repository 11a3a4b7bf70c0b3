/* SPDX-License-Identifier: BSD-2-Clause */
/* Building and saving a result. */
#ifndef CORE_RESULT_H
#define CORE_RESULT_H

#include <stdbool.h>
#include <stdint.h>
#include "bench/metric.h"
#include "bench/result.h"

/* --- metrics of one job (bench/metric.h has the functions that fill it) --- */
struct bench_metric_set *metric_set_new(void);
void metric_set_free(struct bench_metric_set *set); /* NULL is fine */
/* Values put from now on belong to the next trial. Values put before the first call are dropped by
 * metric_set_json() (warm-up). */
void metric_set_next_trial(struct bench_metric_set *set);
/* Forget the current trial's values (it was interrupted). */
void metric_set_drop_trial(struct bench_metric_set *set);
/* "metrics" of the job: per id the median over trials, its distribution-free 95 % interval (null
 * below 6 trials, where none exists), the trials, the merged histogram. A status that differs over
 * trials is the worst one. New reference, or NULL when memory ran out (now or in a put). */
json_t *metric_set_json(const struct bench_metric_set *set);
/* Median over trials so far of a metric without labels, NAN when there is none. */
double metric_set_value(const struct bench_metric_set *set, const char *name);
/* The current trial's value of a metric with this label and no other, NAN when it has none. */
double metric_set_now(const struct bench_metric_set *set, const char *name, const char *key,
		      const char *value);

/* The words of the result: "ok", "not_supported", ... */
const char *bench_status_name(enum bench_status status);

/* --- statistics --- */
/* Sorts values. NAN when nr is 0. */
double stats_median(double *values, unsigned nr);
double stats_mean(const double *values, unsigned nr); /* NAN for none */
/* Student's interval of the mean, 95 %; false below 6 values, as for the median. */
bool stats_mean_ci95(const double *values, unsigned nr, double *ret_low, double *ret_high);
/* Distribution-free confidence interval of the median from order statistics (David and Nagaraja,
 * Order Statistics, 7.1): the narrowest symmetric pair of ranks with coverage >= 0.95. values are
 * sorted. False when nr is too small (below 6) for any. */
bool stats_median_ci95(const double *sorted, unsigned nr, double *ret_low, double *ret_high);
/* Are count values enough to tell quantile q (0..1)? At least 10 must be expected beyond it. */
bool stats_supports(uint64_t count, double q);

/* --- the document --- */
/* A JSON string of text from outside (argv, comm, file names): bytes that are not valid UTF-8
 * become "\\xNN", for json_string() would refuse them. NULL gives null. New reference. */
json_t *result_text(const char *text);
/* A JSON number, rounded to the 15 digits that are saved (so that what is loaded is what was
 * measured), an integer where it is one; null when value is not finite. New reference. */
json_t *result_number(double value);
/* The document as it is saved and printed: indented by 2, members in order, 15 digits. malloc'ed,
 * ends with a newline. NULL when out of memory. */
char *result_dump(const json_t *result);
/* schema, tool, id, started, command; the rest is set by the caller. New reference. */
json_t *result_new(int argc, char *const argv[]);
/* Append {"text"} to the document's warnings (plain strings), once per distinct text. */
void result_warn(json_t *result, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Where a result goes, decided and checked before any workload. */
struct result_target {
	char *path; /* NULL = no file */
	bool stream; /* standard output instead; a report must go elsewhere then */
	bool force;
	bool automatic; /* the name is ours: take the next free one when it is taken meanwhile */
};
/* spec: NULL = bench-<UTC time>.json in the working directory, "none", "-", a directory or a file.
 * Checks that it can be written and, without force, does not exist. -EEXIST, -EACCES, -ENOENT,
 * -ENOSPC, -EROFS, -EINVAL (the path is a device, a pipe or a socket). */
int result_target_init(struct result_target *ret_target, const char *spec, bool force,
		       struct bench_err *err);
void result_target_done(struct result_target *target);
/* Write to a temporary name in the same directory, fsync, rename (without replacing unless force).
 * The file belongs to the invoking user under sudo (SUDO_UID, SUDO_GID). An automatic name that was
 * taken meanwhile is changed in target. On failure nothing is left behind. */
int result_save(const json_t *result, struct result_target *target, struct bench_err *err);
/* The same for any text: write len bytes of data to path. */
int result_write(const char *path, bool force, const char *data, size_t len, struct bench_err *err);

/* A file that is written while a run goes on and has no name meanwhile: killed, nothing of it is
 * left. Only its owner may read it. (Where a file system cannot do that it has a temporary name beside path.) */
struct result_file {
	int fd; /* -1 = none */
	char *temp;
};
/* Beside path; path NULL = it will never have a name. Checks that path is free, as
 * result_target_init() does. */
int result_file_open(struct result_file *ret_file, const char *path, bool force,
		     struct bench_err *err);
/* It appears as path, complete. */
int result_file_publish(struct result_file *file, const char *path, bool force,
			struct bench_err *err);
void result_file_close(struct result_file *file); /* all zero with fd -1 is fine */

#endif
