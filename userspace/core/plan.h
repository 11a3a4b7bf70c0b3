/* SPDX-License-Identifier: BSD-2-Clause */
/* The plan: which jobs run where, decided and checked before any workload. */
#ifndef CORE_PLAN_H
#define CORE_PLAN_H

#include <stdio.h>
#include "bench/error.h"
#include "core/settings.h"
#include "host/topology.h"
#include "runtime/runtime.h"

struct plan_job {
	const struct job_spec *spec;
	unsigned nr_workers;
	int *cpus;	/* nr_workers OS CPU numbers */
	enum runtime_kind runtime; /* URING or BLOCKING */
	char *address;	/* of the server's end elsewhere, numeric; NULL = all is here */
	char *skip;	/* not NULL: will not run, and why */
	char *warning;	/* not NULL: to be told with the result */
};

struct plan {
	const struct settings *settings;
	const struct topology *topology;
	enum runtime_kind runtime; /* active; BOTH: each job says which */
	struct plan_job *jobs;
	unsigned nr_jobs;
};

/* Place every job. -EINVAL (exit 2) when something asked for cannot be: err names the job and the
 * remedy. An ASYNC job on the blocking runtime is an error when the user named it and a skipped job
 * when it comes from the default suite. */
int plan_build(struct plan *ret_plan, const struct job_list *list, const struct settings *settings,
	       const struct topology *topology, enum runtime_kind runtime, struct bench_err *err);
void plan_free(struct plan *plan);
/* Warm-up and trials of all jobs together, ns. */
uint64_t plan_duration_ns(const struct plan *plan);
/* --dry-run: one row a job. */
void plan_print(const struct plan *plan, FILE *out);

#endif
