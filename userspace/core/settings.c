// SPDX-License-Identifier: BSD-2-Clause
// The option tables.
#include "core/settings.h"

#include <stddef.h>

/* By enum runtime_kind. */
static const char *const runtime_words[] = { "auto", "uring", "blocking", "uring,blocking", NULL };
static const char *const observer_words[] = { "off", "ab", NULL };
static const char *const scope_words[] = { "worker", "cpu", "both", NULL };
static const char *const list_word[] = { "LIST", NULL };
static const char *const file_word[] = { "FILE|DIR|none|-", NULL };
static const char *const name_word[] = { "NAME", NULL };
static const char *const hz_word[] = { "HZ", NULL };
static const char *const size_word[] = { "SIZE", NULL };
static const char *const key_word[] = { "FILE", NULL };
static const char *const dir_word[] = { "DIR", NULL };
static const char *const threshold_word[] = { "METRIC<VALUE", NULL };
static const char *const command_word[] = { "CMD", NULL };

/* Both commands share these rows; S is the offset of the struct settings. */
#define COMMON_OPTIONS(trials_def, s)                                                              \
	{ "runtime", BENCH_OPT_ENUM, (s) + offsetof(struct settings, runtime), 0, 0, "auto",       \
	  runtime_words, "execution runtime; auto takes uring where it works; both: jobs in turns, compared", NULL, 0 },          \
	{ "trials", BENCH_OPT_U64, (s) + offsetof(struct settings, trials), 1, 1000, trials_def,   \
	  NULL, "timed repetitions; an interval needs 6", NULL, 0 },                               \
	{ "counters", BENCH_OPT_STRING, (s) + offsetof(struct settings, counters), 0, 0,           \
	  "none", list_word,                                                                       \
	  "perf events; without LIST the set that fits this host", "default", 0 },                        \
	{ "multiplex", BENCH_OPT_BOOL, (s) + offsetof(struct settings, multiplex), 0, 0, "0", NULL,  \
	  "count all events in every trial, extrapolated, instead of a group per trial", NULL, 0 },  \
	{ "probes", BENCH_OPT_STRING, (s) + offsetof(struct settings, probes), 0, 0, "all",        \
	  list_word, "eBPF probes: all, none (--no-probes) or names", NULL, 0 },                   \
	{ "observer", BENCH_OPT_ENUM, (s) + offsetof(struct settings, observer), 0, 0, "off",      \
	  observer_words, "ab: as many trials again without probes, to measure what they cost",    \
	  NULL, 0 },                                                                               \
	{ "sample", BENCH_OPT_U64, (s) + offsetof(struct settings, sample), 0, 1000000, "0",       \
	  hz_word, "sample stacks, running and waiting, HZ times a second (999): profile, perf.data", \
	  "999", 0 },                                                                              \
	{ "trace", BENCH_OPT_SIZE, (s) + offsetof(struct settings, trace), 0, UINT64_C(1) << 40, "0", \
	  size_word, "write a timeline for Perfetto, of at most SIZE (64M)", "64M", 0 },            \
	{ "interval", BENCH_OPT_DURATION, (s) + offsetof(struct settings, interval_ns),            \
	  BENCH_NS_PER_MS, 3600 * BENCH_NS_PER_SEC, "100ms", NULL,                                 \
	  "time between two rows of the time series", NULL, 0 },                                   \
	{ "output", BENCH_OPT_STRING, (s) + offsetof(struct settings, output), 0, 0, NULL,         \
	  file_word,                                                                               \
	  "where to save the result (default: bench-<UTC time>.json here); -: stdout", NULL, 'o' },\
	{ "force", BENCH_OPT_BOOL, (s) + offsetof(struct settings, force), 0, 0, "0", NULL,        \
	  "overwrite an existing output file", NULL, 0 },                                          \
	{ "format", BENCH_OPT_STRING, (s) + offsetof(struct settings, format), 0, 0, "text",       \
	  name_word, "report to print; see `bench list reporters`", NULL, 0 },                     \
	{ "live", BENCH_OPT_BOOL, (s) + offsetof(struct settings, live), 0, 0, "0", NULL,          \
	  "watch the run on the terminal; q leaves the view, the run goes on", NULL, 0 },          \
	{ "threshold", BENCH_OPT_STRING, (s) + offsetof(struct settings, threshold), 0, 0, NULL,   \
	  threshold_word,                                                                          \
	  "exit with 3 unless this holds, such as 'latency.p99<2ms'; may be given again", NULL, 0 },\
	{ "quiet", BENCH_OPT_BOOL, (s) + offsetof(struct settings, quiet), 0, 0, "0", NULL,        \
	  "no progress on stderr", NULL, 'q' }

const struct bench_option run_options[] = {
	COMMON_OPTIONS("6", 0),
	{ "duration", BENCH_OPT_DURATION, offsetof(struct settings, duration_ns),
	  10 * BENCH_NS_PER_MS, 3600 * BENCH_NS_PER_SEC, "600ms", NULL, "length of each trial",
	  NULL, 0 },
	{ "warmup", BENCH_OPT_DURATION, offsetof(struct settings, warmup_ns), 0,
	  3600 * BENCH_NS_PER_SEC, "300ms", NULL, "untimed run before the first trial", NULL, 0 },
	{ "cpus", BENCH_OPT_STRING, offsetof(struct settings, cpus), 0, 0, NULL, list_word,
	  "CPUs to bind workers to, in this order, such as 0-3,8", NULL, 0 },
	{ "workers", BENCH_OPT_U64, offsetof(struct settings, workers), 0, 4096, "0", NULL,
	  "workers per job; 0 = one per core, or what the module needs", NULL, 0 },
	{ "scope", BENCH_OPT_ENUM, offsetof(struct settings, scope), 0, 0, "worker", scope_words,
	  "count events on the workers' threads, on their CPUs, or on both in turns", NULL, 0 },
	{ "oversubscribe", BENCH_OPT_BOOL, offsetof(struct settings, oversubscribe), 0, 0, "0",
	  NULL, "allow more workers than CPUs or cgroup quota", NULL, 0 },
	{ "slow", BENCH_OPT_U64, offsetof(struct settings, slow), 0, 10000, "32", NULL,
	  "slowest operations to take apart for each job; 0 = none", NULL, 0 },
	{ "directory", BENCH_OPT_STRING, offsetof(struct settings, directory), 0, 0, ".", dir_word,
	  "where modules make their temporary files", NULL, 0 },
	{ "key", BENCH_OPT_STRING, offsetof(struct settings, key), 0, 0, NULL, key_word,
	  "the key shared with `bench peer`, for jobs with peer=", NULL, 0 },
	{ NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 0 },
};

const struct bench_option exec_options[] = {
	COMMON_OPTIONS("10", offsetof(struct exec_settings, common)),
	{ "warmup", BENCH_OPT_U64, offsetof(struct exec_settings, warmup_runs), 0, 1000, "1", NULL,
	  "untimed runs of the command before the first trial", NULL, 0 },
	{ "discard-output", BENCH_OPT_BOOL, offsetof(struct exec_settings, discard_output), 0, 0,
	  "0", NULL, "send the command's stdout and stderr to /dev/null", NULL, 0 },
	{ "pid", BENCH_OPT_U64, offsetof(struct exec_settings, pid), 0, INT32_MAX, "0", NULL,
	  "watch this process and its descendants, which run already; 0 = none", NULL, 'p' },
	{ "cgroup", BENCH_OPT_STRING, offsetof(struct exec_settings, cgroup), 0, 0, NULL, dir_word,
	  "watch the processes in this cgroup and below", NULL, 0 },
	{ "duration", BENCH_OPT_DURATION, offsetof(struct exec_settings, watch_ns), 0,
	  86400 * BENCH_NS_PER_SEC, "0", NULL,
	  "how long to watch; 0 = until it ends, or ^C", NULL, 0 },
	{ "setup", BENCH_OPT_STRING, offsetof(struct exec_settings, setup), 0, 0, NULL,
	  command_word, "run once before everything, by /bin/sh -c", NULL, 0 },
	{ "prepare", BENCH_OPT_STRING, offsetof(struct exec_settings, prepare), 0, 0, NULL,
	  command_word, "run before each run of the command, outside of what is measured", NULL, 0 },
	{ "cleanup", BENCH_OPT_STRING, offsetof(struct exec_settings, cleanup), 0, 0, NULL,
	  command_word, "run at the end, also after a failure or ^C", NULL, 0 },
	{ "timeout", BENCH_OPT_DURATION, offsetof(struct exec_settings, timeout_ns), 0,
	  86400 * BENCH_NS_PER_SEC, "0", NULL,
	  "end a run that takes longer, with its whole process tree; 0 = never", NULL, 0 },
	{ "ignore-failure", BENCH_OPT_BOOL, offsetof(struct exec_settings, ignore_failure), 0, 0,
	  "0", NULL, "go on when the command exits with another status than 0", NULL, 'i' },
	{ NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 0 },
};
