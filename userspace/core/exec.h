/* SPDX-License-Identifier: BSD-2-Clause */
/* Wrapped commands as jobs: trials of them under counters and probes. */
#ifndef CORE_EXEC_H
#define CORE_EXEC_H

#include "core/exec_plan.h"
#include "core/run.h"
#include "core/settings.h"

struct spawner;

/* What a shell would return. */
#define EXEC_TIMED_OUT 124 /* a run was longer than --timeout, as timeout(1) has it */
#define EXEC_FAILED 125	   /* bench itself failed */
#define EXEC_CANNOT 126	   /* cannot be executed */
#define EXEC_NOT_FOUND 127 /* not found */

/* Run the plan's commands (which the spawner was given) warm-up runs and trials times, in turns, and
 * its hooks. Appends to result.jobs. Returns the exit code to pass on: that of the first run that
 * failed, 128 + signal, or one of the above; err says why a hook failed or bench did, and stays
 * empty otherwise. */
int exec_execute(struct run *run, struct spawner *spawner, const struct exec_settings *settings,
		 const struct exec_plan *plan, struct bench_err *err);

/* Say why exec of `name` failed with `error`. Returns EXEC_CANNOT or EXEC_NOT_FOUND. */
int exec_explain(const char *name, int error, char *reason, size_t size);

#endif
