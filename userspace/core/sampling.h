/* SPDX-License-Identifier: BSD-2-Clause */
/* --sample: where time goes, by samples with stacks, in a file for perf (perf.data) and summed up in
 * the result. Every function is fine with NULL, which is a run without it. */
#ifndef CORE_SAMPLING_H
#define CORE_SAMPLING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "bench/error.h"
#include "bench/module.h"

struct run;
struct sampling;

/* Begin the file that belongs to the result's (r.json -> r.perf.data; NULL = none is kept). NULL in
 * *ret_sampling when it was not asked for. What cannot be had is an error, before any workload;
 * waits that cannot be had are a warning of the result. */
int sampling_open(struct sampling **ret_sampling, struct run *run, const char *result_path,
		  bool force, struct bench_err *err);
void sampling_close(struct sampling *sampling);

/* Sample a thread of a process and what it makes, on these CPUs, its own first. on_exec: from when it
 * executes a program; else from sampling_begin() on. */
int sampling_follow(struct sampling *sampling, pid_t pid, pid_t tid, bool on_exec, const int *cpus,
		    unsigned nr_cpus, struct bench_err *err);
/* Each worker of a job, on its own CPU and on the others of the job, where what it makes may run.
 * Those that cannot be sampled are a warning. */
struct job_run;
void sampling_follow_workers(struct sampling *sampling, const struct job_run *jr, const char *job);
void sampling_unfollow(struct sampling *sampling);

/* A window opens, of the probes already: those that are followed are sampled, and the file written. */
void sampling_begin(struct sampling *sampling);
/* It is over: nobody is sampled any more. */
void sampling_stop(struct sampling *sampling);
/* The probes have been read, if they are. job: its place among the jobs of the result. */
void sampling_end(struct sampling *sampling, unsigned job, const struct bench_window *window);

/* Sum up: "profile" of the result's jobs, and the file under its name in "artifacts". */
void sampling_finish(struct sampling *sampling);

#endif
