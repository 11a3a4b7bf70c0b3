/* SPDX-License-Identifier: BSD-2-Clause */
/* The server's end of a job, which `bench peer` runs on another host: the client's side of what
 * core/remote_session.c is the server's. Each function below is one message or one exchange. Unless it
 * says otherwise it returns 0 or negative errno, and remote_why() then tells which host and what. */
#ifndef CORE_REMOTE_H
#define CORE_REMOTE_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "bench/error.h"
#include "bench/module.h"

struct plan_job;
struct run;
struct plan;
struct stalls;

/* What both sides must agree on; raised with each change of the messages. */
#define REMOTE_PROTOCOL 2

struct remote;

/* Look up the address of the job's peer and make its parameters those of the client's end. Before the
 * plan places it. */
int remote_split(struct plan_job *job, struct bench_err *err);
/* Ask every peer of the plan whether it could serve its jobs: before any workload. */
int remote_check(struct run *run, const struct plan *plan, struct bench_err *err);

/* Connect; both prove that they have the key; versions are compared. */
int remote_open(struct remote **ret_remote, struct run *run, const struct plan_job *job,
		struct bench_err *err);
void remote_close(struct remote *r); /* NULL is fine */
const char *remote_why(const struct remote *r);

/* The job is set up there; its workers are in. The clocks are compared. */
int remote_prepare(struct remote *r);
/* What the server said then becomes known to the client's module, after its setup(). */
void remote_introduce(struct remote *r, struct bench_job *job);
/* A window: begin and begun, one before and one after the client's own begin(). */
int remote_begin(struct remote *r, bool timed);
int remote_begun(struct remote *r);
/* How much later than here a window can begin there, ns. */
uint64_t remote_lead_ns(const struct remote *r);
int remote_start(struct remote *r, const struct bench_window *window);
/* The client's window is over: wait for that of the server. */
int remote_done(struct remote *r);
/* Before and after the client's end(): then both tell each other what they counted. */
int remote_end(struct remote *r);
int remote_ended(struct remote *r, struct bench_job *job);
/* When the server held its answers back in that window, by the clock here. */
const struct stalls *remote_stalls(const struct remote *r);
/* Its workers leave, and the job's row comes over. */
int remote_finish(struct remote *r);
/* "peer" of the job's row; NULL before remote_finish(). Borrowed. */
json_t *remote_row(const struct remote *r);

#endif
