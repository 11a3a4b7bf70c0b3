// SPDX-License-Identifier: BSD-2-Clause
// Who looks at a job while it runs: the probes that follow its workers, the sampler of its time
// series, and what both leave behind.
#include <stdlib.h>

#include "core/job.h"
#include "core/result.h"
#include "core/sampling.h"
#include "core/series.h"
#include "core/slow.h"

_Static_assert(ASYNC_MIX_DISK == PROBE_MIX_DISK && ASYNC_MIX_NET == PROBE_MIX_NET &&
		       ASYNC_MIX_TIMER == PROBE_MIX_TIMER && ASYNC_MIX_IPC == PROBE_MIX_IPC,
	       "one word, two parts that do not know each other");

/* Rings tell the probes what they have in flight, or stop doing so. */
static void tell_mix(struct execution *x, bool on)
{
	for (unsigned i = 0; i < x->jr.nr; i++) {
		const struct worker_run *wr = &x->jr.workers[i];
		pid_t tid = runtime_thread(x->runtime, wr->thread)->tid;

		if (wr->w.async)
			async_set_mix(wr->w.async, on ? probe_mix(x->run->probes, tid) : NULL);
	}
}

static int track(struct execution *x)
{
	struct bench_err err = { 0 };

	for (unsigned i = 0; x->run->probes && i < x->jr.nr; i++) {
		const struct runtime_thread *t =
			runtime_thread(x->runtime, x->jr.workers[i].thread);
		int rc = probe_track(x->run->probes, t->tid, false, &err);

		if (rc) {
			result_warn(x->run->result, "probes do not follow worker %u: %s", i, err.msg);
			return rc;
		}
	}
	return 0;
}

void execution_unfollow(struct run *run)
{
	if (!run->followed)
		return;
	/* First: the memory that the rings tell it by is others' once nobody is followed. */
	if (run->probes && !run->stuck)
		tell_mix(run->followed, false);
	if (run->probes)
		probe_untrack_all(run->probes);
	sampling_unfollow(run->sampling);
	run->followed = NULL;
}

void execution_follow(struct execution *x)
{
	struct run *run = x->run;

	if (run->followed == x)
		return;
	execution_unfollow(run);
	run->followed = x;
	sampling_follow_workers(run->sampling, &x->jr, x->plan->spec->name);
	if (!run->probes)
		return;
	probe_stacks_group(run->probes, x->group);
	(void)track(x);
	tell_mix(x, true);
}

/* The control loop's view of the job over time. Without memory for it there is none. */
void execution_sample(struct execution *x)
{
	struct sampler_config c = { .loop = runtime_loop(x->runtime),
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

void execution_tell_viewer(const struct execution *x)
{
	json_t *object, *slow;

	if (!live_watched(x->run->live))
		return;
	object = execution_so_far(x);
	slow = slow_now(x);
	if (slow)
		json_object_set_new(object, "slow", slow);
	live_job(x->run->live, x->index + 1, object, x->sampler ? sampler_first_ns(x->sampler) : 0, false);
	json_decref(object);
}

void execution_gather(struct execution *x)
{
	x->slow = slow_now(x);
	if (x->sampler) {
		x->series = sampler_json(x->sampler);
		x->first_ns = sampler_first_ns(x->sampler);
	}
	sampler_free(x->sampler);
	x->sampler = NULL;
}

/* Who serves the others is known now: it is the other end of their connections. */
void execution_introduce(struct execution *x)
{
	pid_t peer = 0;

	for (unsigned i = 0; i < x->jr.nr; i++)
		if (x->jr.workers[i].w.passive)
			peer = runtime_thread(x->runtime, x->jr.workers[i].thread)->tid;
	for (unsigned i = 0; i < x->jr.nr; i++)
		if (x->jr.workers[i].w.slow)
			x->jr.workers[i].w.slow->source.peer = peer;
}
