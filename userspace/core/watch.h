/* SPDX-License-Identifier: BSD-2-Clause */
/* Something that runs already, under counters and probes for a while, and never touched: no signal,
 * no ptrace, no other priority. */
#ifndef CORE_WATCH_H
#define CORE_WATCH_H

#include "core/run.h"
#include "core/settings.h"
#include "core/tree.h"

/* What settings->pid or settings->cgroup name. 0, or a negative errno and why: there is no such
 * process or cgroup, both are given, there is nothing to watch it with. Before run_open(). */
int watch_check(const struct exec_settings *settings, struct bench_err *err);
/* Watch it for settings->watch_ns (0: until it ends), or until it ends or the user interrupts.
 * Appends to result.jobs. Returns the exit code: 0 (after SIGINT, too, which is how such a watch is
 * ended), 128 + signal, EXEC_FAILED with err set. */
int watch_execute(struct run *run, const struct exec_settings *settings, struct bench_err *err);

/* --- core/watch_who.c --- */

/* Processes of the target, parents before children, without bench itself: a process and its
 * descendants, or a cgroup with those below it. -ENOMEM, or why the cgroup cannot be read. */
int watch_who(struct tree *who, const struct exec_settings *settings, struct bench_err *err);
/* "sleep (1234)" or the cgroup's path. */
void watch_name(const struct exec_settings *settings, char *name, size_t size);
/* Threads of a process, none when it has ended. -ENOMEM. */
int watch_threads(struct tree *threads, pid_t pid);

#endif
