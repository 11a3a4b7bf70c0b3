/* SPDX-License-Identifier: BSD-2-Clause */
/* What the user asked for, from defaults, config file and command line, in that order. */
#ifndef CORE_SETTINGS_H
#define CORE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include "bench/error.h"
#include "bench/module.h"
#include "bench/option.h"
#include "core/job_list.h"

/* Are there trials without probes, to measure what the probes cost? */
enum observer_mode { OBSERVER_OFF, OBSERVER_AB };

/* Options of `bench run` (and, where it applies, of `bench exec`); also the keys of [general]. */
struct settings {
	uint64_t runtime; /* enum runtime_kind */
	uint64_t trials, duration_ns, warmup_ns, workers;
	uint64_t oversubscribe, force, quiet, live;
	uint64_t trace;	      /* bytes of a file of trace events, 0 = none */
	uint64_t slow;	      /* slow operations to keep for each job, 0 = none */
	uint64_t interval_ns; /* of the time series */
	uint64_t observer;    /* enum observer_mode */
	uint64_t sample;      /* samples per second, 0 = none */
	uint64_t multiplex;   /* all counter groups in every trial */
	uint64_t scope;	      /* of the counters: enum events_scope */
	const char *cpus, *counters, *probes, *output, *format, *directory;
	const char *threshold; /* core/threshold.h has the form; NULL = none */
	const char *key; /* file, shared with peers; NULL = none */
};

/* exec's own, in front of which its struct settings stand. */
struct exec_settings {
	struct settings common;
	uint64_t warmup_runs, discard_output, ignore_failure;
	uint64_t timeout_ns; /* of each run, 0 = none */
	uint64_t pid, watch_ns; /* to watch, 0 = none; for how long, 0 = until it ends */
	const char *cgroup;	/* to watch, NULL = none */
	const char *setup, *prepare, *cleanup; /* command lines, NULL = none */
};

extern const struct bench_option run_options[];	 /* offsets into struct settings */
extern const struct bench_option exec_options[]; /* offsets into struct exec_settings */

/* Read a config file: keys of [general] (and, when options are exec_options, of [exec], which wins)
 * into settings, one section a job into jobs. path NULL = the user's
 * ($XDG_CONFIG_HOME or ~/.config)/bench/bench.conf, else /etc/bench/bench.conf, else nothing.
 * -EINVAL: err gives file and line. -ENOENT/-EACCES only for a path given. *ret_path (may be NULL)
 * gets the file read, malloc'ed, or NULL. */
int config_read(const char *path, const struct bench_option *options, void *settings,
		struct job_list *jobs, char **ret_path, struct bench_err *err);

#endif
