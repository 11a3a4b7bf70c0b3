/* SPDX-License-Identifier: BSD-2-Clause */
/* The jobs asked for, on the command line and in a config file, before the plan places them. */
#ifndef CORE_JOB_LIST_H
#define CORE_JOB_LIST_H

#include <stdbool.h>
#include <stdint.h>
#include "bench/error.h"
#include "bench/module.h"
#include "bench/option.h"
#include "runtime/runtime.h"

/* How the operations of an open loop are spaced. */
enum arrival { ARRIVAL_CONSTANT, ARRIVAL_POISSON };

/* How workers stand to worker 0; from the second on as enum topology_relation. */
enum placement {
	PLACEMENT_ANY,
	PLACEMENT_SAME_CPU,
	PLACEMENT_SMT,
	PLACEMENT_LLC,
	PLACEMENT_PACKAGE,
	PLACEMENT_CROSS,
};

/* How many workers there are when nobody gives a number. */
enum spread {
	SPREAD_ANY, /* as the plan decides */
	SPREAD_ONE,
	SPREAD_CORE, /* one on each core */
	SPREAD_PU,   /* one on each hardware thread, where cores have several */
};

/* Keys that every job takes beside its module's own. */
struct job_settings {
	uint64_t rate;	  /* ops due per second, all workers together; 0 = closed loop */
	uint64_t arrival; /* enum arrival */
	const char *slo;  /* search the rate that keeps this target; NULL = do not */
	uint64_t workers; /* 0 = as the plan decides */
	const char *cpus; /* NULL = as the plan decides */
	uint64_t placement; /* enum placement */
	uint64_t spread; /* enum spread */
	const char *peer;      /* "HOST:PORT" of the server's end, NULL = here */
	const char *peer_cpus; /* CPUs there, NULL = as the plan there decides */
};
extern const struct bench_option job_options[];

/* Parameters that vary in one sweep, and jobs that it makes, at most. */
#define SWEEP_MAX_AXES 4
#define SWEEP_MAX_JOBS 1000

struct sweep_axis {
	const struct bench_option *option; /* of the module, or of job_options */
	const char *text;		   /* lives as long as the list */
};

/* One job as asked for, before the plan places it. */
struct job_spec {
	char *name; /* unique in the run */
	const struct bench_module *module;
	void *params; /* module->params_size bytes */
	struct job_settings common;
	bool from_suite; /* from the default suite, not named by the user */

	/* Parameters with several values. Before job_list_expand() the values asked for, after it
	 * the one of this job. */
	struct sweep_axis axes[SWEEP_MAX_AXES];
	unsigned nr_axes;
	const char *sweep; /* what the user called the sweep that this job is of, NULL = none */
	uint64_t given;	   /* rows of the module's options that were set, a bit each */

	/* After job_list_pair(). */
	enum runtime_kind runtime; /* that the job is for */
	bool in_turns;		   /* with the next job of the list */
};

struct job_list {
	struct job_spec *specs;
	unsigned nr;
	char **texts; /* backs the strings of parameters */
	unsigned nr_texts;
};

void job_list_free(struct job_list *list);
/* Forget the jobs but keep the texts, which settings may point to. */
void job_list_drop_jobs(struct job_list *list);
/* Text that lives as long as the list, or NULL when out of memory. */
const char *job_list_keep(struct job_list *list, const char *text);
/* Append "MODULE[,key=value...]". A backslash quotes a comma, and so do braces around a value.
 * -EINVAL, err says what is unknown or out of range. */
int job_list_add(struct job_list *list, const char *text, bool from_suite, struct bench_err *err);
/* Append an empty job of that module; set its keys with job_spec_set(). */
int job_list_add_named(struct job_list *list, const char *name, const char *module,
		       struct bench_err *err);
/* value, which may stand for several (core/sweep.h), must live as long as the list. */
int job_spec_set(struct job_spec *spec, const char *key, const char *value, struct bench_err *err);
/* Replace every job whose parameters have several values by one for each combination, the last
 * parameter varying fastest. -EINVAL: more than SWEEP_MAX_JOBS of them. */
int job_list_expand(struct job_list *list, struct bench_err *err);
/* For two runtimes: replace every job by one for each of them, next to each other. On io_uring it is
 * the family's async module, on the other its blocking sibling, with equal parameters; a module
 * without a sibling is the same on both, or on one only. */
int job_list_pair(struct job_list *list, struct bench_err *err);
/* Where an axis' value stands in the spec: its params or its common. */
const void *job_spec_params(const struct job_spec *spec, const struct bench_option *option);
/* Append the default suite: every module's own jobs; with `full` the others, too. */
int job_list_add_suite(struct job_list *list, bool full, struct bench_err *err);

#endif
