/* SPDX-License-Identifier: BSD-2-Clause */
/* What a run tells those who watch it: JSON objects, one a line, appended to a file in memory
 * (memfd). Whoever watches reads that file at his own pace, so nobody can slow the run: it never
 * waits, and never knows how far others have read. The words are in docs/live.md. */
#ifndef CORE_LIVE_H
#define CORE_LIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "bench/error.h"
#include "runtime/loop.h"

struct live;
struct job_run;

/* Of the words; a viewer of another version says so and leaves. */
#define LIVE_VERSION 1
/* The file holds at most this much; what comes later is dropped and counted. */
#define LIVE_MAX (64ull << 20)

/* Open the file and the pipe by which a viewer answers ("hello", "mark TEXT"), watched on loop.
 * result gets the marks; started_ns is when the run began. -EMFILE, -ENOMEM. */
int live_open(struct live **ret_live, struct loop *loop, json_t *result, uint64_t started_ns,
	      struct bench_err *err);
/* Watch the pipe on this loop, too: of two, only that of the job in execution turns. 0 or negative
 * errno. */
int live_also(struct live *live, struct loop *loop);
void live_close(struct live *live); /* NULL is fine, as for all below */

/* Does anybody watch? What costs more than a line is told only then. */
bool live_watched(const struct live *live);
/* Append {"t": type, "at_ns": now, "job": n, ...members}; members is stolen, NULL = none. */
void live_tell(struct live *live, const char *type, json_t *members);
/* The job in execution (1, 2, ...), its name and what it does; told when it changed. */
void live_step(struct live *live, unsigned job, const char *name, const char *text);
/* Job number nr (1, 2, ...) so far, or at its end, as an object of result.jobs (borrowed), and the
 * warnings of the run that came since. at_ns: its first timed window, 0 = none yet. */
void live_job(struct live *live, unsigned nr, const json_t *job, uint64_t at_ns, bool over);

/* The latency in this trial so far, of all workers that record one; while they run. Returns when to
 * tell it again. */
uint64_t live_latency(struct live *live, const struct job_run *jr, unsigned trial, uint64_t now_ns);

/* --- the viewer of --live, a process of its own --- */

/* Start it on the controlling terminal. -ENOTTY: there is none; -ENOENT: the program is missing. */
int live_show(struct live *live, struct bench_err *err);
/* Does it stand on the terminal, where nothing else may be printed then? */
bool live_shown(const struct live *live);
/* Tell the end of the run and wait until it has left, at most until *stop; the terminal is as it was then. */
void live_wait(struct live *live, const bool *stop);

#endif
