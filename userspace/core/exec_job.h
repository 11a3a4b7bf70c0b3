/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of `bench exec`: a job is one command, a session all that run in turns. */
#ifndef CORE_EXEC_JOB_H
#define CORE_EXEC_JOB_H

#include "core/exec.h"
#include "core/observer.h"
#include "core/spawner.h"
#include "host/host.h"

/* One run of a command. */
struct child {
	struct spawner *spawner;
	struct spawned at;
	bool answered; /* it has ended: */
	int answer;    /* runs that there were, or a negative errno */
	struct spawn_end end; /* of the last of them */
	bool timed_out;
};

struct exec_job {
	struct exec_session *session;
	const struct exec_spec *spec;
	char *const *argv;
	struct bench_metric_set *metrics;
	struct sampler *sampler; /* NULL without probes */
	unsigned nr_trials;
	uint64_t wall_ns;   /* of the last run; 0 = there was none */
	const char *status; /* "ok" so far */
	char reason[400];
	json_t *warnings; /* of the probes, in its last trial; NULL = none */
	struct bench_window window;
	struct observer observer;
};

struct exec_session {
	struct run *run;
	struct spawner *spawner;
	const struct exec_settings *settings;
	const struct exec_plan *plan;
	struct exec_job *jobs;		   /* one for each spec of the plan */
	struct counter_packages *packages; /* NULL = none */
	struct host_sample host;	   /* after the last run; at_ns 0 = none */
	uint64_t told_ns;		   /* when progress was told */
	struct child *child;		   /* that is waited for; NULL = none */
	struct spawn_end ends[SPAWN_RUNS]; /* of its runs */
	int code;			   /* to pass on */
	int *cpus;			   /* all allowed ones */
	unsigned nr_cpus;
};

/* A control run is timed like any other, but without probes, and enters no metric of its own. */
enum run_kind { RUN_WARM_UP, RUN_TIMED, RUN_CONTROL };

void child_init(struct child *c, struct spawner *spawner);
/* Of a shell. */
int child_exit_code(const struct child *c);

uint64_t child_wall_ns(const struct child *c);

/* --- core/exec_run.c --- */

/* Have the helper's answers heard; once for all runs. */
int exec_watch(struct exec_session *s);
void exec_unwatch(struct exec_session *s);

/* One run of the job, or several of a short command, left at most: the timed ones count in
 * job->nr_trials. c is the last of them. 0 when the command was run, whatever its exit status, and
 * when it cannot be (c->end.exec_errno). */
int exec_run(struct exec_job *job, enum run_kind kind, uint64_t left, struct child *c,
	     struct bench_err *err);
/* One run of a hook; with to_the_end an interruption does not stop it. 0 when it ended well or was
 * interrupted. */
int exec_run_hook(struct exec_session *s, enum exec_hook hook, int command, bool to_the_end,
		  struct bench_err *err);

/* --- core/exec_row.c --- */

/* The job's object for result.jobs. New reference. */
json_t *exec_row(struct exec_job *job);

/* --- core/exec_compare.c --- */

/* "comparison" of the result: each job with a wall time against the first that has one, from the
 * pairs of trials that ran in one round. NULL = there are no two. New reference. */
json_t *exec_compare(const json_t *jobs);

#endif
