// SPDX-License-Identifier: BSD-2-Clause
// The life of one job: check, set-up, enter, warm-up, trials, leave. The orchestrator's side; what
// the workers do is in worker.c.
#include "core/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/clock.h"
#include "core/collect.h"
#include "core/events.h"
#include "core/execution.h"
#include "core/option.h"
#include "core/result.h"
#include "core/sampling.h"
#include "core/slow.h"
#include "core/stuck.h"
#include "core/trace.h"

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
	struct loop *loop = runtime_loop(x->run->runtime);
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
static int phase(struct execution *x, const char *name, void (*fn)(struct runtime_thread *, void *),
		 unsigned nr, uint64_t due_ns)
{
	int rc;

	for (unsigned i = 0; i < nr; i++) {
		x->jr.workers[i].done = false;
		runtime_post(x->run->runtime, x->jr.workers[i].thread, fn, &x->jr.workers[i],
			     &x->jr.workers[i].done);
	}
	rc = wait_phase(x, nr, due_ns);
	if (rc) {
		char text[sizeof(x->reason)];

		x->run->stuck = true;
		snprintf(text, sizeof(text), "the control loop failed: %s", strerror(-rc));
		if (rc == -ETIME)
			stuck_workers(x->run->runtime, &x->jr, nr, name, text, sizeof(text));
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

int execution_window(struct execution *x, uint64_t duration_ns, bool timed)
{
	struct job_run *jr = &x->jr;
	struct collect_span span;
	int rc, end_rc;

	jr->trial = timed ? x->nr_trials + 1 : 0;
	rc = phase(x, "begin", worker_begin, jr->nr, bench_now_ns());
	if (!rc) {
		jr->active_left = 0;
		for (unsigned i = 0; i < jr->nr; i++)
			jr->active_left += !jr->workers[i].w.passive;
		jr->nr_active = jr->active_left;
		if (timed)
			collect_begin(&span, x->run, jr);
		jr->window.start_ns = bench_now_ns() + LEAD_NS;
		/* Told to stop while it began: nothing of it is run. */
		jr->window.end_ns = jr->window.start_ns + (x->run->stop ? 0 : duration_ns);
		x->run->window = &jr->window;
		if (timed && x->run->probes)
			probe_window(x->run->probes, &jr->window);
		if (timed && x->sampler)
			sampler_begin(x->sampler, jr->window.start_ns, jr->window.end_ns,
				      x->nr_trials + 1);
		if (timed) {
			sampling_begin(x->run->sampling);
			trace_begin(x->run->trace, x->index, x->nr_trials + 1);
		}
		rc = phase(x, "run", worker_window, jr->nr, jr->window.end_ns);
		x->run->window = NULL;
		if (timed && x->sampler)
			sampler_end(x->sampler, jr->window.end_ns, !rc && !x->run->stop);
		if (timed) {
			sampling_stop(x->run->sampling);
			trace_end(x->run->trace, &jr->window, !rc && !x->run->stop);
			collect_end(&span, x->run, jr);
		}
	}
	if (x->run->stuck)
		return rc;
	end_rc = phase(x, "end", worker_end, jr->nr, bench_now_ns());
	if (!rc && !end_rc && timed && !x->run->stop) {
		metric_set_next_trial(x->metrics);
		if (x->run->probes)
			probe_window(x->run->probes, &jr->window);
		if (!collect_trial(x->run, jr, &span, x->metrics, x->reason, sizeof(x->reason)))
			x->status = "invalid";
		keep_trial(x);
		x->nr_trials++;
	}
	if (timed)
		sampling_end(x->run->sampling, x->index, &jr->window);
	return rc ? rc : end_rc;
}

double execution_speed(const struct execution *x)
{
	const struct job_run *jr = &x->jr;
	double per_s = 0;

	for (unsigned i = 0; i < jr->nr; i++) {
		const struct worker_run *wr = &jr->workers[i];

		if (!wr->w.passive && worker_took_ns(wr))
			per_s += (double)wr->w.ops * 1e9 / (double)worker_took_ns(wr);
	}
	return per_s;
}

static json_t *slow_now(const struct execution *x);

/* Between two windows: nothing is disturbed by it. */
static void tell_viewer(const struct execution *x)
{
	json_t *object, *slow;

	if (!live_watched(x->run->live))
		return;
	object = execution_so_far(x);
	slow = slow_now(x);
	if (slow)
		json_object_set_new(object, "slow", slow);
	live_job(x->run->live, object, x->sampler ? sampler_first_ns(x->sampler) : 0, false);
	json_decref(object);
}

static int trials(struct execution *x)
{
	const struct settings *s = x->run->settings;
	uint64_t warmup_ns = s->warmup_ns, duration_ns = s->duration_ns;
	struct bench_err err = { 0 };
	unsigned nr;
	int rc = 0;

	if (!warmup_ns && x->jr.module->exec == BENCH_EXEC_BLOCKING)
		warmup_ns = CALIBRATE_NS;
	if (warmup_ns && !x->run->stop) {
		progress_step(&x->run->progress, "warm-up");
		rc = execution_window(x, warmup_ns, false);
	}
	if (!rc && !x->run->stop)
		rc = execution_approach(x);
	if (x->slo.target.ns)
		duration_ns = slo_window_ns(&x->slo.target, x->jr.rate, duration_ns);
	observer_begin(&x->observer, x->run);
	nr = observer_trials(&x->observer, (unsigned)s->trials);
	for (unsigned i = 0; i < nr && !rc && !x->run->stop; i++) {
		progress_step(&x->run->progress, "trial %u/%u", i + 1, nr);
		rc = observer_next(&x->observer, x->run, &err);
		rc = rc ? rc : execution_window(x, duration_ns, !x->observer.control);
		if (!rc && !x->run->stop)
			observer_note(&x->observer, execution_speed(x), x->metrics);
		if (!rc && !x->run->stop && !x->observer.control)
			execution_note(x);
		if (!rc)
			tell_viewer(x);
	}
	events_put_missed(&x->jr, x->nr_trials, x->metrics);
	if (observer_end(&x->observer, x->run, &err) || err.msg[0])
		execution_fail(x, "failed", err.msg);
	if (x->run->stop)
		execution_fail(x, "interrupted", strsignal(x->run->signo));
	return rc;
}

/* The control loop's view of the job over time. Without memory for it there is none. */
static void follow(struct execution *x)
{
	struct sampler_config c = { .loop = runtime_loop(x->run->runtime),
				    .probes = x->run->probes,
				    .jr = &x->jr,
				    .async = x->jr.module->exec == BENCH_EXEC_ASYNC,
				    .live = x->run->live,
				    .interval_ns = x->run->settings->interval_ns };
	int *cpus = calloc(x->jr.nr, sizeof(*cpus));

	for (unsigned i = 0; cpus && i < x->jr.nr; i++) {
		bool known = x->plan->cpus[i] < 0;

		for (unsigned j = 0; j < c.nr_cpus; j++)
			known |= cpus[j] == x->plan->cpus[i];
		if (!known)
			cpus[c.nr_cpus++] = x->plan->cpus[i];
	}
	c.cpus = cpus;
	if (c.interval_ns)
		x->sampler = sampler_new(&c);
	free(cpus);
}

static json_t *slow_now(const struct execution *x)
{
	struct bench_slow **slows = calloc(x->jr.nr, sizeof(*slows));
	json_t *json = NULL;

	for (unsigned i = 0; slows && i < x->jr.nr; i++)
		slows[i] = x->jr.workers[i].w.slow;
	if (slows && x->latency)
		json = slow_json(slows, x->jr.nr, x->jr.nr_slow, x->latency, x->nr_trials);
	free(slows);
	return json;
}

/* "slow" and "series", before the workers leave and take theirs with them. */
static void gather(struct execution *x)
{
	x->slow = slow_now(x);
	if (x->sampler) {
		x->series = sampler_json(x->sampler);
		x->first_ns = sampler_first_ns(x->sampler);
	}
	sampler_free(x->sampler);
	x->sampler = NULL;
}

_Static_assert(ASYNC_MIX_DISK == PROBE_MIX_DISK && ASYNC_MIX_NET == PROBE_MIX_NET &&
		       ASYNC_MIX_TIMER == PROBE_MIX_TIMER && ASYNC_MIX_IPC == PROBE_MIX_IPC,
	       "one word, two parts that do not know each other");

/* Rings tell the probes what they have in flight, or stop doing so. */
static void tell_mix(struct execution *x, bool on)
{
	for (unsigned i = 0; i < x->jr.nr; i++) {
		const struct worker_run *wr = &x->jr.workers[i];
		pid_t tid = runtime_thread(x->run->runtime, wr->thread)->tid;

		if (wr->w.async)
			async_set_mix(wr->w.async, on ? probe_mix(x->run->probes, tid) : NULL);
	}
}

/* Who serves the others is known now: it is the other end of their connections. */
static void introduce(struct execution *x)
{
	pid_t peer = 0;

	for (unsigned i = 0; i < x->jr.nr; i++)
		if (x->jr.workers[i].w.passive)
			peer = runtime_thread(x->run->runtime, x->jr.workers[i].thread)->tid;
	for (unsigned i = 0; i < x->jr.nr; i++)
		if (x->jr.workers[i].w.slow)
			x->jr.workers[i].w.slow->source.peer = peer;
}

static int track(struct execution *x)
{
	struct bench_err err = { 0 };

	for (unsigned i = 0; x->run->probes && i < x->jr.nr; i++) {
		const struct runtime_thread *t =
			runtime_thread(x->run->runtime, x->jr.workers[i].thread);
		int rc = probe_track(x->run->probes, t->tid, false, &err);

		if (rc) {
			result_warn(x->run->result, "probes do not follow worker %u: %s", i, err.msg);
			return rc;
		}
	}
	return 0;
}

/* set-up .. tear-down on threads that exist. */
static void execute(struct execution *x)
{
	unsigned nr = x->jr.nr;
	int rc;

	progress_step(&x->run->progress, "set-up");
	rc = phase(x, "setup", worker_setup, 1, UINT64_MAX);
	atomic_store(&x->jr.setup_what, NULL);
	if (x->run->stop) {
		execution_fail(x, "interrupted", strsignal(x->run->signo));
	} else if (!rc) {
		rc = phase(x, "enter", worker_enter, nr, UINT64_MAX);
		if (!rc) {
			collect_warn_refused(x->run, &x->jr, x->plan->spec->name);
			(void)track(x);
			introduce(x);
			if (x->run->probes)
				tell_mix(x, true);
			follow(x);
			sampling_follow_workers(x->run->sampling, &x->jr, x->plan->spec->name);
			rc = trials(x);
			sampling_unfollow(x->run->sampling);
			if (!x->run->stuck)
				gather(x);
			if (!rc && !x->run->stop)
				execution_knee(x);
		}
		if (x->run->probes) {
			if (!x->run->stuck)
				tell_mix(x, false);
			probe_untrack_all(x->run->probes);
		}
		if (!x->run->stuck)
			(void)phase(x, "leave", worker_leave, nr, bench_now_ns());
	}
	if (!x->run->stuck)
		(void)phase(x, "teardown", worker_teardown, 1, bench_now_ns());
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
	rc = runtime_threads(x->run->runtime, plan->cpus, plan->nr_workers, threads, err);
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

json_t *job_execute(struct run *run, const struct plan_job *plan)
{
	const struct bench_module *m = plan->spec->module;
	struct execution x = { .run = run, .plan = plan, .status = "ok" };
	struct bench_err err = { 0 };
	json_t *object;

	if (m->check && m->check(plan->spec->params, &err)) {
		result_warn(run->result, "%s: skipped: %s", plan->spec->name, err.msg);
		return job_not_run(run, plan, "skipped", err.msg);
	}
	x.index = (unsigned)json_array_size(json_object_get(run->result, "jobs"));
	x.metrics = metric_set_new();
	x.jr.module = m;
	x.jr.counters = run->counters;
	x.jr.scope = (unsigned)run->settings->scope;
	x.jr.nr = plan->nr_workers;
	x.jr.common = &plan->spec->common;
	x.jr.rate = (double)x.jr.common->rate;
	if (x.jr.common->slo) { /* the plan took it */
		(void)slo_parse(x.jr.common->slo, &x.slo.target, &err);
		x.jr.rate = SLO_FLOOD;
	}
	x.jr.probes = run->probes;
	x.jr.nr_slow = (unsigned)run->settings->slow;
	if (x.jr.nr_slow)
		x.latency = bench_hist_new(BENCH_HIST_BITS_WORKER);
	x.jr.job = (struct bench_job){ .params = plan->spec->params,
				       .nr_workers = plan->nr_workers,
				       .cpus = plan->cpus,
				       .workdir = run->settings->directory,
				       .metrics = x.metrics,
				       .stop = &run->stop,
				       .progress = run->settings->quiet ? NULL : note_progress };
	if (prepare(&x, &err))
		execution_fail(&x, "failed", err.msg);
	else
		execute(&x);
	object = execution_row(&x);
	/* A thread that hangs still uses them. */
	if (!run->stuck) {
		metric_set_free(x.metrics);
		free(x.jr.workers);
		bench_hist_free(x.latency);
	}
	steady_done(&x.steady);
	return object;
}
