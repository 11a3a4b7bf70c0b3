/* SPDX-License-Identifier: BSD-2-Clause */
/* What the user asked for, from defaults, config file and command line, in that order. */
#ifndef CORE_SETTINGS_H
#define CORE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include "bench/error.h"
#include "bench/module.h"
#include "bench/option.h"

/* Are there trials without probes, to measure what the probes cost? */
enum observer_mode { OBSERVER_OFF, OBSERVER_AB };

/* Options of `bench run` (and, where it applies, of `bench exec`); also the keys of [general]. */
struct settings {
	uint64_t runtime; /* enum runtime_kind */
	uint64_t trials, duration_ns, warmup_ns, workers;
	uint64_t oversubscribe, force, quiet;
	uint64_t slow;	      /* slow operations to keep for each job, 0 = none */
	uint64_t interval_ns; /* of the time series */
	uint64_t observer;    /* enum observer_mode */
	uint64_t multiplex;   /* all counter groups in every trial */
	uint64_t scope;	      /* of the counters: enum events_scope */
	const char *cpus, *counters, *probes, *output, *format, *directory;
};

/* exec's own, in front of which its struct settings stand. */
struct exec_settings {
	struct settings common;
	uint64_t warmup_runs, discard_output, ignore_failure;
};

extern const struct bench_option run_options[];	 /* offsets into struct settings */
extern const struct bench_option exec_options[]; /* offsets into struct exec_settings */

/* Keys that every job takes beside its module's own. */
struct job_settings {
	uint64_t workers; /* 0 = as the plan decides */
	const char *cpus; /* NULL = as the plan decides */
};
extern const struct bench_option job_options[];

/* One job as asked for, before the plan places it. */
struct job_spec {
	char *name; /* unique in the run */
	const struct bench_module *module;
	void *params; /* module->params_size bytes */
	struct job_settings common;
	bool from_suite; /* from the default suite, not named by the user */
	char *text;	 /* backs the string parameters */
};

struct job_list {
	struct job_spec *specs;
	unsigned nr;
	char **texts; /* backs the strings of config files */
	unsigned nr_texts;
};

void job_list_free(struct job_list *list);
/* Forget the jobs but keep the texts, which settings may point to. */
void job_list_drop_jobs(struct job_list *list);
/* Text that lives as long as the list, or NULL when out of memory. */
const char *job_list_keep(struct job_list *list, const char *text);
/* Append "MODULE[,key=value...]". A backslash quotes a comma. -EINVAL, err says what is unknown or
 * out of range. */
int job_list_add(struct job_list *list, const char *text, bool from_suite, struct bench_err *err);
/* Append an empty job of that module; set its keys with job_spec_set(). */
int job_list_add_named(struct job_list *list, const char *name, const char *module,
		       struct bench_err *err);
/* value must live as long as the list. */
int job_spec_set(struct job_spec *spec, const char *key, const char *value, struct bench_err *err);
/* Append the default suite: every module's own jobs. */
int job_list_add_suite(struct job_list *list, struct bench_err *err);

/* The module called name, or NULL with err naming the nearest (err may be NULL). */
const struct bench_module *module_find(const char *name, struct bench_err *err);

/* Read a config file: keys of [general] (and, when options are exec_options, of [exec], which wins)
 * into settings, one section a job into jobs. path NULL = the user's
 * ($XDG_CONFIG_HOME or ~/.config)/bench/bench.conf, else /etc/bench/bench.conf, else nothing.
 * -EINVAL: err gives file and line. -ENOENT/-EACCES only for a path given. *ret_path (may be NULL)
 * gets the file read, malloc'ed, or NULL. */
int config_read(const char *path, const struct bench_option *options, void *settings,
		struct job_list *jobs, char **ret_path, struct bench_err *err);

#endif
