// SPDX-License-Identifier: BSD-2-Clause
// The windows of a job in execution: warm-up, trials, and the one in which system calls are counted.
// Of a job with its server's end on another host, each step is that of both.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/clock.h"
#include "core/calls.h"
#include "core/job.h"
#include "core/remote.h"
#include "core/result.h"
#include "core/sampling.h"
#include "core/series.h"
#include "core/stalls.h"
#include "core/trace.h"

/* The window starts this long after the workers were told, enough for all of them to wake up. */
#define LEAD_NS BENCH_NS_PER_MS
/* Without a warm-up, BLOCKING modules find their batch in a window of this length. */
#define CALIBRATE_NS (10 * BENCH_NS_PER_MS)

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

int execution_begin(struct execution *x, bool timed)
{
	struct job_run *jr = &x->jr;
	int rc = 0, there = 0;

	execution_follow(x);
	jr->trial = timed ? x->nr_trials + 1 : 0;
	/* Both ends at the same time: one connects, the other accepts. */
	if (x->remote)
		rc = execution_check(x, remote_begin(x->remote, timed && !x->aside));
	if (!rc)
		rc = execution_phase(x, "begin", worker_begin, jr->nr, bench_now_ns());
	if (x->remote && !x->run->stuck)
		there = execution_check(x, remote_begun(x->remote));
	jr->nr_active = 0;
	for (unsigned i = 0; i < jr->nr; i++)
		jr->nr_active += !jr->workers[i].w.passive;
	/* Servers alone go on until their client, elsewhere, says that it is done. */
	atomic_store(&jr->active_left, jr->nr_active ? jr->nr_active : 1);
	return rc ? rc : there;
}

int execution_run(struct execution *x, uint64_t start_ns, uint64_t duration_ns)
{
	struct job_run *jr = &x->jr;
	bool timed = jr->trial > 0;
	int rc, there = 0;

	if (timed)
		collect_begin(&x->span, jr);
	if (!start_ns)
		start_ns = bench_now_ns() + LEAD_NS + (x->remote ? remote_lead_ns(x->remote) : 0);
	jr->window.start_ns = start_ns;
	/* Told to stop while it began: nothing of it is run. */
	jr->window.end_ns = jr->window.start_ns + (x->run->stop ? 0 : duration_ns);
	x->run->window = &jr->window;
	if (timed && x->run->probes)
		probe_window(x->run->probes, &jr->window);
	if (timed && x->sampler)
		sampler_begin(x->sampler, jr->window.start_ns, jr->window.end_ns, x->nr_trials + 1);
	if (timed && !x->aside) {
		sampling_begin(x->run->sampling);
		trace_begin(x->run->trace, x->index, x->nr_trials + 1);
	}
	rc = x->remote ? execution_check(x, remote_start(x->remote, &jr->window)) : 0;
	rc = rc ? rc : execution_phase(x, "run", worker_window, jr->nr, jr->window.end_ns);
	x->run->window = NULL;
	if (timed && x->sampler)
		sampler_end(x->sampler, jr->window.end_ns, !rc && !x->run->stop);
	if (timed && !x->aside) {
		sampling_stop(x->run->sampling);
		trace_end(x->run->trace, &jr->window, !rc && !x->run->stop);
	}
	if (timed)
		collect_end(&x->span, jr);
	if (x->remote && !x->run->stuck)
		there = execution_check(x, remote_done(x->remote));
	return rc ? rc : there;
}

/* The trial that has just ended becomes one of the job's. */
static void keep(struct execution *x)
{
	struct job_run *jr = &x->jr;

	metric_set_next_trial(x->metrics);
	if (x->run->probes)
		probe_window(x->run->probes, &jr->window);
	if (!collect_trial(x->run, jr, &x->span, x->metrics, x->reason, sizeof(x->reason)))
		x->status = "invalid";
	if (!x->aside) {
		json_decref(x->warnings);
		x->warnings = x->run->probes ? json_array() : NULL;
	}
	if (x->warnings && !x->aside)
		probe_warnings(x->run->probes, x->warnings);
	keep_trial(x);
	x->nr_trials++;
}

/* What the server's end counted, and its part of what was slow here. */
static int remote_counted(struct execution *x)
{
	int rc = execution_check(x, remote_ended(x->remote, &x->jr.job));

	for (unsigned i = 0; !rc && i < x->jr.nr; i++)
		stalls_charge(remote_stalls(x->remote), x->jr.workers[i].w.slow);
	return rc;
}

int execution_end(struct execution *x, bool good,
		  int (*exchange)(struct execution *x, void *arg), void *arg)
{
	struct job_run *jr = &x->jr;
	int rc, there = 0;

	if (x->run->stuck)
		return -ETIME;
	/* Both ends at the same time: a server reads to the end of what the client closes. */
	if (x->remote)
		there = execution_check(x, remote_end(x->remote));
	rc = execution_phase(x, "end", worker_end, jr->nr, bench_now_ns());
	if (x->remote && !there)
		there = remote_counted(x);
	if (exchange)
		there = exchange(x, arg);
	if (good && !rc && !there && jr->trial && !x->run->stop)
		keep(x);
	if (jr->trial)
		sampling_end(x->run->sampling, x->index, &jr->window);
	return rc ? rc : there;
}

int execution_window(struct execution *x, uint64_t duration_ns, bool timed)
{
	int rc = execution_begin(x, timed), end_rc;

	if (!rc)
		rc = execution_run(x, 0, duration_ns);
	end_rc = execution_end(x, !rc, NULL, NULL);
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

void execution_warm_up(struct execution *x)
{
	uint64_t warmup_ns = x->run->settings->warmup_ns;
	int rc = 0;

	if (!warmup_ns && x->jr.module->exec == BENCH_EXEC_BLOCKING)
		warmup_ns = CALIBRATE_NS;
	if (warmup_ns && execution_goes_on(x) && !x->run->stop) {
		progress_step(&x->run->progress, "warm-up");
		rc = execution_window(x, warmup_ns, false);
	}
	if (!rc && execution_goes_on(x) && !x->run->stop)
		rc = execution_approach(x);
	x->over |= rc != 0;
	if (execution_goes_on(x))
		observer_begin(&x->observer, x->run);
}

void execution_trial(struct execution *x)
{
	const struct settings *s = x->run->settings;
	uint64_t duration_ns = s->duration_ns;
	struct bench_err err = { 0 };
	int rc = 0;

	if (x->slo.target.ns)
		duration_ns = slo_window_ns(&x->slo.target, x->jr.rate, duration_ns);
	for (unsigned i = observer_trials(&x->observer, 1); i && !rc; i--) {
		if (!execution_goes_on(x) || x->run->stop)
			return;
		progress_step(&x->run->progress, "trial %u/%u", x->observer.next + 1,
			      observer_trials(&x->observer, (unsigned)s->trials));
		rc = observer_next(&x->observer, x->run, &err);
		if (rc)
			execution_fail(x, "failed", err.msg);
		rc = rc ? rc : execution_window(x, duration_ns, !x->observer.control);
		if (!rc && !x->run->stop) {
			observer_note(&x->observer, execution_speed(x), x->metrics);
			if (!x->observer.control)
				execution_note(x);
		}
		if (!rc)
			execution_tell_viewer(x);
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

	if (!calls || !execution_goes_on(x) || x->run->stop || !x->nr_trials)
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
		rc = execution_window(x, ns < CALLS_NS ? ns : CALLS_NS, false);
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
