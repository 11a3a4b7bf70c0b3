// SPDX-License-Identifier: BSD-2-Clause
// The life of one job: check, set-up, enter, warm-up, trials, leave. The orchestrator's side; what
// the workers do is in worker.c.
#include "core/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/clock.h"
#include "core/calls.h"
#include "core/collect.h"
#include "core/events.h"
#include "core/result.h"
#include "core/series.h"
#include "core/slow.h"
#include "core/worker.h"

/* The window starts this long after the workers were told, enough for all of them to wake up. */
#define LEAD_NS BENCH_NS_PER_MS
/* A worker that is still busy this long after its window gets its module's interrupt(). */
#define GRACE_NS (10 * BENCH_NS_PER_SEC)
/* And after this long more it is given up. */
#define GIVE_UP_NS (10 * BENCH_NS_PER_SEC)
/* A module that cannot be interrupted waits for a device, which may be slow and healthy. */
#define HANG_NS (300 * BENCH_NS_PER_SEC)
/* Without a warm-up, BLOCKING modules find their batch in a window of this length. */
#define CALIBRATE_NS (10 * BENCH_NS_PER_MS)
/* How often the progress line is redrawn. */
#define REDRAW_NS (250 * BENCH_NS_PER_MS)

static void fail(struct execution *x, const char *status, const char *reason)
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
static int phase(struct execution *x, void (*fn)(struct runtime_thread *, void *), unsigned nr,
		 uint64_t due_ns)
{
	int rc;

	for (unsigned i = 0; i < nr; i++) {
		x->jr.workers[i].done = false;
		runtime_post(x->runtime, x->jr.workers[i].thread, fn, &x->jr.workers[i],
			     &x->jr.workers[i].done);
	}
	rc = wait_phase(x, nr, due_ns);
	if (rc) {
		char text[160];

		x->run->stuck = x->over = true;
		snprintf(text, sizeof(text), rc == -ETIME ?
				 "a worker does not come back from the kernel" :
				 "the control loop failed: %s", strerror(-rc));
		fail(x, "failed", text);
		return rc;
	}
	for (unsigned i = 0; i < nr; i++) {
		struct worker_run *wr = &x->jr.workers[i];

		if (!wr->rc)
			continue;
		if (x->run->stop)
			fail(x, "interrupted", strsignal(x->run->signo));
		fail(x, "failed", wr->w.err.msg[0] ? wr->w.err.msg : strerror(-wr->rc));
		rc = wr->rc;
		x->over = true;
	}
	return rc;
}

/* What slow ops and the law between depth and latency need of the trial that has just ended. */
static void keep_trial(struct execution *x)
{
	char text[200];

	for (unsigned i = 0; x->latency && i < x->jr.nr; i++)
		if (!x->jr.workers[i].w.passive)
			bench_hist_merge(x->latency, x->jr.workers[i].w.latency);
	if (!collect_little(&x->jr, text, sizeof(text)))
		result_warn(x->run->result, "%s: trial %u: %s", x->plan->spec->name,
			    x->nr_trials + 1, text);
}

static int window(struct execution *x, uint64_t duration_ns, bool timed)
{
	struct job_run *jr = &x->jr;
	struct collect_span span;
	int rc, end_rc;

	execution_follow(x);
	jr->trial = timed ? x->nr_trials + 1 : 0;
	rc = phase(x, worker_begin, jr->nr, bench_now_ns());
	if (!rc) {
		jr->active_left = 0;
		for (unsigned i = 0; i < jr->nr; i++)
			jr->active_left += !jr->workers[i].w.passive;
		jr->nr_active = jr->active_left;
		if (timed)
			collect_begin(&span, jr);
		jr->window.start_ns = bench_now_ns() + LEAD_NS;
		/* Told to stop while it began: nothing of it is run. */
		jr->window.end_ns = jr->window.start_ns + (x->run->stop ? 0 : duration_ns);
		x->run->window = &jr->window;
		if (timed && x->run->probes)
			probe_window(x->run->probes, &jr->window);
		if (timed && x->sampler)
			sampler_begin(x->sampler, jr->window.start_ns, jr->window.end_ns,
				      x->nr_trials + 1);
		rc = phase(x, worker_window, jr->nr, jr->window.end_ns);
		x->run->window = NULL;
		if (timed && x->sampler)
			sampler_end(x->sampler, jr->window.end_ns, !rc && !x->run->stop);
		if (timed)
			collect_end(&span, jr);
	}
	if (x->run->stuck)
		return rc;
	end_rc = phase(x, worker_end, jr->nr, bench_now_ns());
	if (rc || end_rc)
		return rc ? rc : end_rc;
	if (timed && !x->run->stop) {
		metric_set_next_trial(x->metrics);
		if (x->run->probes)
			probe_window(x->run->probes, &jr->window);
		if (!collect_trial(x->run, jr, &span, x->metrics, x->reason, sizeof(x->reason)))
			x->status = "invalid";
		json_decref(x->warnings);
		x->warnings = x->run->probes ? json_array() : NULL;
		if (x->warnings)
			probe_warnings(x->run->probes, x->warnings);
		keep_trial(x);
		x->nr_trials++;
	}
	return 0;
}

/* Operations per second of the trial that has just ended. */
static double speed(const struct job_run *jr)
{
	double per_s = 0;

	for (unsigned i = 0; i < jr->nr; i++) {
		const struct worker_run *wr = &jr->workers[i];

		if (!wr->w.passive && worker_took_ns(wr))
			per_s += (double)wr->w.ops * 1e9 / (double)worker_took_ns(wr);
	}
	return per_s;
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
				 .status = "ok" };
	if (m->check && m->check(plan->spec->params, &err)) {
		result_warn(run->result, "%s: skipped: %s", plan->spec->name, err.msg);
		fail(x, "skipped", err.msg);
		return;
	}
	x->metrics = metric_set_new();
	x->jr.module = m;
	x->jr.runtime = x->runtime;
	x->jr.counters = run->counters;
	x->jr.scope = (unsigned)run->settings->scope;
	x->jr.nr = plan->nr_workers;
	x->jr.common = &plan->spec->common;
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
	if (prepare(x, &err))
		fail(x, "failed", err.msg);
}

/* Is there more to do for it? Invalid trials do not end a job. */
static bool goes_on(const struct execution *x)
{
	return (!strcmp(x->status, "ok") || !strcmp(x->status, "invalid")) && !x->over;
}

void execution_enter(struct execution *x)
{
	int rc;

	if (!goes_on(x))
		return;
	progress_step(&x->run->progress, "set-up");
	x->stage = STAGE_SET_UP;
	rc = phase(x, worker_setup, 1, UINT64_MAX);
	atomic_store(&x->jr.setup_what, NULL);
	if (x->run->stop) {
		fail(x, "interrupted", strsignal(x->run->signo));
		return;
	}
	if (rc)
		return;
	x->stage = STAGE_ENTERING;
	if (phase(x, worker_enter, x->jr.nr, UINT64_MAX))
		return;
	execution_introduce(x);
	execution_sample(x);
	x->stage = STAGE_ENTERED;
}

void execution_warm_up(struct execution *x)
{
	uint64_t warmup_ns = x->run->settings->warmup_ns;

	if (!warmup_ns && x->jr.module->exec == BENCH_EXEC_BLOCKING)
		warmup_ns = CALIBRATE_NS;
	if (warmup_ns && goes_on(x) && !x->run->stop) {
		progress_step(&x->run->progress, "warm-up");
		(void)window(x, warmup_ns, false);
	}
	if (goes_on(x))
		observer_begin(&x->observer, x->run);
}

void execution_trial(struct execution *x)
{
	const struct settings *s = x->run->settings;
	struct bench_err err = { 0 };
	int rc = 0;

	for (unsigned i = observer_trials(&x->observer, 1); i && !rc; i--) {
		if (!goes_on(x) || x->run->stop)
			return;
		progress_step(&x->run->progress, "trial %u/%u", x->observer.next + 1,
			      observer_trials(&x->observer, (unsigned)s->trials));
		rc = observer_next(&x->observer, x->run, &err);
		if (rc)
			fail(x, "failed", err.msg);
		rc = rc ? rc : window(x, s->duration_ns, !x->observer.control);
		if (!rc && !x->run->stop)
			observer_note(&x->observer, speed(&x->jr), x->metrics);
	}
}

/* Long enough for thousands of operations of most modules. */
#define CALLS_NS (300 * BENCH_NS_PER_MS)

/* The calls of all workers, servers included, for each op. */
static void put_calls(struct execution *x, const struct calls *calls, enum bench_status status,
		      const char *why)
{
	const struct bench_metric_id id = { .name = "syscalls.per_op",
					    .unit = "count",
					    .source = BENCH_SOURCE_RUNTIME,
					    .better = BENCH_BETTER_LOWER };
	uint64_t counted = 0, ops = 0;

	for (unsigned i = 0; i < x->jr.nr; i++) {
		counted += calls[i].counted;
		ops += x->jr.workers[i].w.passive ? 0 : x->jr.workers[i].w.ops;
	}
	if (status != BENCH_OK)
		bench_metric_put_status(x->metrics, &id, status, 0, why);
	else if (!ops)
		bench_metric_put_status(x->metrics, &id, BENCH_NOT_COUNTED, 0,
					"not one op finished while they were counted");
	else
		bench_metric_put(x->metrics, &id, (double)counted / (double)ops);
}

void execution_count_calls(struct execution *x)
{
	uint64_t ns = x->run->settings->duration_ns;
	struct calls *calls = calloc(x->jr.nr, sizeof(*calls));
	enum bench_status status = BENCH_OK;
	char why[200] = "";
	int rc = 0;

	if (!calls || !goes_on(x) || x->run->stop || !x->nr_trials)
		goto out;
	for (unsigned i = 0; i < x->jr.nr; i++) {
		struct worker_run *wr = &x->jr.workers[i];

		calls[i].fd = -1;
		if (status == BENCH_OK)
			status = calls_open(&calls[i], runtime_thread(x->runtime, wr->thread)->tid, why,
					    sizeof(why));
		wr->calls = &calls[i];
	}
	if (status == BENCH_OK)
		rc = window(x, ns < CALLS_NS ? ns : CALLS_NS, false);
	if (x->run->stuck)
		return; /* a worker still has them */
	for (unsigned i = 0; i < x->jr.nr; i++) {
		calls_close(&calls[i]);
		x->jr.workers[i].calls = NULL;
	}
	if (!rc && !x->run->stop)
		put_calls(x, calls, status, why);
out:
	free(calls);
}

void execution_leave(struct execution *x)
{
	struct bench_err err = { 0 };

	if (x->stage == STAGE_NONE)
		return;
	events_put_missed(&x->jr, x->nr_trials, x->metrics);
	if (observer_end(&x->observer, x->run, &err))
		fail(x, "failed", err.msg);
	if (x->run->stop)
		fail(x, "interrupted", strsignal(x->run->signo));
	if (x->run->followed == x)
		execution_unfollow(x->run);
	if (x->run->stuck)
		return;
	if (x->stage >= STAGE_ENTERING) {
		if (x->stage == STAGE_ENTERED)
			execution_gather(x);
		(void)phase(x, worker_leave, x->jr.nr, bench_now_ns());
	}
	if (!x->run->stuck)
		(void)phase(x, worker_teardown, 1, bench_now_ns());
}

void execution_done(struct execution *x)
{
	json_decref(x->warnings);
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
