// SPDX-License-Identifier: BSD-2-Clause
// The life of one job: check, set-up, enter, warm-up, trials, leave. The orchestrator's side; what
// the workers do is in worker.c.
#include "core/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/clock.h"
#include "core/events.h"
#include "core/remote.h"
#include "core/result.h"
#include "core/series.h"
#include "core/slow.h"
#include "core/stuck.h"
#include "core/worker.h"

/* A worker that is still busy this long after its window gets its module's interrupt(). */
#define GRACE_NS (10 * BENCH_NS_PER_SEC)
/* And after this long more it is given up. */
#define GIVE_UP_NS (10 * BENCH_NS_PER_SEC)
/* A module that cannot be interrupted waits for a device, which may be slow and healthy. */
#define HANG_NS (300 * BENCH_NS_PER_SEC)
/* How often the progress line is redrawn. */
#define REDRAW_NS (250 * BENCH_NS_PER_MS)

void execution_fail(struct execution *x, const char *status, const char *reason)
{
	if (strcmp(x->status, "ok") != 0)
		return;
	x->status = status;
	snprintf(x->reason, sizeof(x->reason), "%s", reason);
}

/* bench_job.progress: on a pool thread, so the control loop is left to print it. */
static void note_progress(const struct bench_job *job, const char *what, uint64_t done,
			  uint64_t total)
{
	struct job_run *jr = (struct job_run *)((char *)job - offsetof(struct job_run, job));

	atomic_store(&jr->setup_percent, total ? (unsigned)((double)done / (double)total * 100) : 0);
	atomic_store(&jr->setup_what, what);
}

static void tell_progress(struct execution *x)
{
	const char *what = atomic_load(&x->jr.setup_what);

	if (what)
		progress_step(&x->run->progress, "%s %u %%", what,
			      atomic_load(&x->jr.setup_percent));
}

/* Wait until the first nr workers finished their phase. Told to stop, or late by GRACE_NS, the
 * module is asked to interrupt them. */
static int wait_phase(struct execution *x, unsigned nr, uint64_t due_ns)
{
	struct loop *loop = runtime_loop(x->runtime);
	/* Outside of the window there is nothing to interrupt; large arrays take long to fill. */
	bool window = x->run->window && x->jr.module->interrupt;
	uint64_t grace = window ? GRACE_NS : HANG_NS;
	uint64_t deadline = due_ns == UINT64_MAX ? UINT64_MAX : due_ns + grace;
	bool interrupted = false;

	for (unsigned i = 0; i < nr; i++) {
		struct worker_run *wr = &x->jr.workers[i];

		while (!wr->done) {
			uint64_t now = bench_now_ns();
			uint64_t until = now + REDRAW_NS < deadline ? now + REDRAW_NS : deadline;
			int rc = loop_run(loop, &wr->done, until);

			if (rc && rc != -ETIME)
				return rc;
			tell_progress(x);
			now = bench_now_ns();
			if (x->run->stop && deadline > now + GRACE_NS)
				deadline = now + GRACE_NS;
			if (wr->done || now < deadline)
				continue;
			if (interrupted)
				return -ETIME;
			interrupted = true;
			deadline = now + GIVE_UP_NS;
			for (unsigned j = 0; window && j < nr; j++)
				if (!x->jr.workers[j].done)
					x->jr.module->interrupt(&x->jr.workers[j].w);
		}
	}
	return 0;
}

/* Post a phase to the first nr workers, wait, and keep the first error. */
int execution_phase(struct execution *x, const char *name, void (*fn)(struct runtime_thread *, void *),
		    unsigned nr, uint64_t due_ns)
{
	int rc;

	for (unsigned i = 0; i < nr; i++) {
		x->jr.workers[i].done = false;
		runtime_post(x->runtime, x->jr.workers[i].thread, fn, &x->jr.workers[i],
			     &x->jr.workers[i].done);
	}
	rc = wait_phase(x, nr, due_ns);
	if (rc) {
		char text[sizeof(x->reason)];

		x->run->stuck = x->over = true;
		snprintf(text, sizeof(text), "the control loop failed: %s", strerror(-rc));
		if (rc == -ETIME)
			stuck_workers(x->runtime, &x->jr, nr, name, text, sizeof(text));
		/* The job may have a reason already; this one must not be lost. */
		result_warn(x->run->result, "%s: %s", x->plan->spec->name, text);
		execution_fail(x, "failed", text);
		return rc;
	}
	for (unsigned i = 0; i < nr; i++) {
		struct worker_run *wr = &x->jr.workers[i];

		if (!wr->rc)
			continue;
		if (x->run->stop)
			execution_fail(x, "interrupted", strsignal(x->run->signo));
		execution_fail(x, "failed", wr->w.err.msg[0] ? wr->w.err.msg : strerror(-wr->rc));
		rc = wr->rc;
		x->over = true;
	}
	return rc;
}

static int prepare(struct execution *x, struct bench_err *err)
{
	const struct plan_job *plan = x->plan;
	struct job_run *jr = &x->jr;
	unsigned *threads;
	int rc;

	jr->workers = aligned_alloc(64, plan->nr_workers * sizeof(*jr->workers));
	threads = calloc(plan->nr_workers, sizeof(*threads));
	if (!jr->workers || !threads) {
		free(threads);
		return bench_fail(err, -ENOMEM, "out of memory");
	}
	memset(jr->workers, 0, plan->nr_workers * sizeof(*jr->workers));
	rc = runtime_threads(x->runtime, plan->cpus, plan->nr_workers, threads, err);
	for (unsigned i = 0; i < plan->nr_workers; i++) {
		jr->workers[i].run = jr;
		jr->workers[i].thread = threads[i];
		jr->workers[i].w = (struct bench_worker){ .job = &jr->job,
							  .window = &jr->window,
							  .index = i,
							  .cpu = plan->cpus[i] };
	}
	free(threads);
	/* Where there are CPUs to spare, the orchestrator stays off the workers'. */
	(void)topology_bind(x->run->topology, -1, plan->cpus, plan->nr_workers);
	return rc;
}

void execution_init(struct execution *x, struct run *run, const struct plan_job *plan,
		    unsigned group)
{
	const struct bench_module *m = plan->spec->module;
	struct bench_err err = { 0 };

	*x = (struct execution){ .run = run,
				 .plan = plan,
				 .runtime = run_runtime(run, plan->runtime),
				 .group = group,
				 .index = (unsigned)json_array_size(
						  json_object_get(run->result, "jobs")) +
					  group,
				 .status = "ok" };
	if (m->check && m->check(plan->spec->params, &err)) {
		result_warn(run->result, "%s: skipped: %s", plan->spec->name, err.msg);
		execution_fail(x, "skipped", err.msg);
		return;
	}
	x->metrics = metric_set_new();
	x->jr.module = m;
	x->jr.runtime = x->runtime;
	x->jr.counters = run->counters;
	x->jr.scope = (unsigned)run->settings->scope;
	x->jr.nr = plan->nr_workers;
	x->jr.common = &plan->spec->common;
	x->jr.rate = (double)x->jr.common->rate;
	if (x->jr.common->slo) { /* the plan took it */
		(void)slo_parse(x->jr.common->slo, &x->slo.target, &err);
		x->jr.rate = SLO_FLOOD;
	}
	x->jr.probes = run->probes;
	x->jr.nr_slow = (unsigned)run->settings->slow;
	if (x->jr.nr_slow)
		x->latency = bench_hist_new(BENCH_HIST_BITS_WORKER);
	x->jr.job = (struct bench_job){ .params = plan->spec->params,
					.nr_workers = plan->nr_workers,
					.cpus = plan->cpus,
					.workdir = run->settings->directory,
					.metrics = x->metrics,
					.stop = &run->stop,
					.progress = run->settings->quiet ? NULL : note_progress };
	if ((plan->spec->common.peer && remote_open(&x->remote, run, plan, &err)) ||
	    prepare(x, &err))
		execution_fail(x, run->stop ? "interrupted" : "failed", err.msg);
}

int execution_check(struct execution *x, int rc)
{
	if (!rc)
		return 0;
	x->over = true;
	if (x->run->stop)
		execution_fail(x, "interrupted", strsignal(x->run->signo));
	execution_fail(x, "failed", remote_why(x->remote));
	return rc;
}

/* Is there more to do for it? Invalid trials do not end a job. */
bool execution_goes_on(const struct execution *x)
{
	return (!strcmp(x->status, "ok") || !strcmp(x->status, "invalid")) && !x->over;
}

void execution_enter(struct execution *x)
{
	int rc;

	if (!execution_goes_on(x))
		return;
	progress_step(&x->run->progress, "set-up");
	x->stage = STAGE_SET_UP;
	if (x->remote && execution_check(x, remote_prepare(x->remote)))
		return;
	rc = execution_phase(x, "setup", worker_setup, 1, UINT64_MAX);
	atomic_store(&x->jr.setup_what, NULL);
	if (x->run->stop) {
		execution_fail(x, "interrupted", strsignal(x->run->signo));
		return;
	}
	if (rc)
		return;
	if (x->remote)
		remote_introduce(x->remote, &x->jr.job);
	x->stage = STAGE_ENTERING;
	if (execution_phase(x, "enter", worker_enter, x->jr.nr, UINT64_MAX))
		return;
	collect_warn_refused(x->run, &x->jr, x->plan->spec->name);
	execution_introduce(x);
	execution_sample(x);
	x->stage = STAGE_ENTERED;
}

/* A trial of which one end is wrong is none. */
static void judge_peer(struct execution *x)
{
	const json_t *job;
	char text[sizeof(x->reason)];

	if (execution_check(x, remote_finish(x->remote)))
		return;
	job = bench_result_get(remote_row(x->remote), "job");
	if (!strcmp(bench_result_str(job, "status"), "ok"))
		return;
	snprintf(text, sizeof(text), "the server's end: %.300s", bench_result_str(job, "reason"));
	execution_fail(x, strcmp(bench_result_str(job, "status"), "invalid") ? "failed" : "invalid",
		       text);
}

void execution_leave(struct execution *x)
{
	struct bench_err err = { 0 };

	if (x->stage == STAGE_NONE)
		return;
	events_put_missed(&x->jr, x->nr_trials, x->metrics);
	if (observer_end(&x->observer, x->run, &err))
		execution_fail(x, "failed", err.msg);
	if (x->run->stop)
		execution_fail(x, "interrupted", strsignal(x->run->signo));
	if (x->stage == STAGE_ENTERED && !x->run->stuck) {
		execution_gather(x);
		if (execution_goes_on(x) && !x->run->stop)
			execution_knee(x);
	}
	if (x->run->followed == x)
		execution_unfollow(x->run);
	if (x->run->stuck)
		return;
	if (x->stage >= STAGE_ENTERING)
		(void)execution_phase(x, "leave", worker_leave, x->jr.nr, bench_now_ns());
	if (!x->run->stuck)
		(void)execution_phase(x, "teardown", worker_teardown, 1, bench_now_ns());
	if (x->remote)
		judge_peer(x);
}

void execution_done(struct execution *x)
{
	steady_done(&x->steady);
	json_decref(x->warnings);
	remote_close(x->remote);
	/* A thread that hangs still uses them. */
	if (x->run->stuck)
		return;
	metric_set_free(x->metrics);
	free(x->jr.workers);
	bench_hist_free(x->latency);
}

json_t *job_execute(struct run *run, const struct plan_job *plan)
{
	struct execution x;
	json_t *object;

	execution_init(&x, run, plan, 0);
	execution_enter(&x);
	execution_warm_up(&x);
	for (uint64_t i = 0; i < run->settings->trials; i++)
		execution_trial(&x);
	execution_leave(&x);
	object = execution_row(&x);
	execution_done(&x);
	return object;
}
