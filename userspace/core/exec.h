/* SPDX-License-Identifier: BSD-2-Clause */
/* A wrapped command as a job: trials of it under counters and probes. */
#ifndef CORE_EXEC_H
#define CORE_EXEC_H

#include <jansson.h>
#include "core/run.h"
#include "core/settings.h"

struct spawner;

/* What a shell would return. */
#define EXEC_FAILED 125	   /* bench itself failed */
#define EXEC_CANNOT 126	   /* cannot be executed */
#define EXEC_NOT_FOUND 127 /* not found */

/* Run the command (argv, ends with NULL, as given to the spawner) warm-up runs and trials times.
 * Returns the job's object for result.jobs (new reference); *ret_status is the exit code to pass on:
 * that of the first run that failed, or 128 + signal, or one of the above with the reason in the
 * job. */
json_t *exec_execute(struct run *run, struct spawner *spawner, const struct exec_settings *settings,
		     char *const argv[], int *ret_status);

/* Say why exec of `name` failed with `error`. Returns EXEC_CANNOT or EXEC_NOT_FOUND. */
int exec_explain(const char *name, int error, char *reason, size_t size);

#endif
