// SPDX-License-Identifier: BSD-2-Clause
#include "core/events.h"

#include <stdlib.h>

#include "counters/packages.h"

/* Events of a thread and of its CPU are counted by the same counters of the PMU, so with both scopes
 * they take turns: even trials (from 0) are the threads', odd ones the CPUs'. Software events need no
 * counters and are in all. */
static unsigned rhythm(const struct job_run *jr, unsigned *ret_every, bool cpu)
{
	*ret_every = jr->scope == EVENTS_BOTH ? 2 : 1;
	return jr->scope == EVENTS_BOTH && cpu ? 1 : 0;
}

static unsigned pass(const struct job_run *jr, bool cpu)
{
	/* The warm-up and trials without probes count what the first trial does. */
	unsigned trial = jr->trial ? jr->trial - 1 : 0, every;
	unsigned from = rhythm(jr, &every, cpu);

	return trial % every == from ? trial / every : COUNTER_NO_PASS;
}

/* The first worker on a CPU counts for all of them. */
static bool counts_cpu(const struct worker_run *wr)
{
	const struct job_run *jr = wr->run;

	if (jr->scope == EVENTS_WORKER || wr->w.cpu < 0)
		return false;
	for (unsigned i = 0; i < wr->w.index; i++)
		if (jr->workers[i].w.cpu == wr->w.cpu)
			return false;
	return true;
}

int events_open(struct worker_run *wr)
{
	const struct counter_target self = { .tid = 0, .cpu = -1 };
	const struct counter_target cpu = { .tid = -1, .cpu = wr->w.cpu };
	const struct job_run *jr = wr->run;
	struct bench_err err = { 0 };
	int rc = 0;

	if (!jr->counters)
		return 0;
	if (jr->scope != EVENTS_CPU)
		rc = counter_open(&wr->counters, jr->counters, &self, pass(jr, false), &err);
	if (!rc && counts_cpu(wr))
		rc = counter_open(&wr->cpu_counters, jr->counters, &cpu, pass(jr, true), &err);
	/* Packages count for all workers. */
	if (!rc && wr->w.index == 0) {
		rc = packages_open(&wr->packages, jr->counters);
		if (rc)
			bench_fail(&err, rc, "counters: out of memory");
	}
	return rc ? bench_worker_fail(&wr->w, rc, "%s", err.msg) : 0;
}

int events_turn(struct worker_run *wr)
{
	struct bench_err err = { 0 };
	int rc = 0;

	if (wr->counters)
		rc = counter_turn(wr->counters, pass(wr->run, false), &err);
	if (!rc && wr->cpu_counters)
		rc = counter_turn(wr->cpu_counters, pass(wr->run, true), &err);
	return rc ? bench_worker_fail(&wr->w, rc, "%s", err.msg) : 0;
}

void events_start(struct worker_run *wr)
{
	packages_begin(wr->packages);
	if (wr->cpu_counters)
		(void)counter_enable(wr->cpu_counters);
	if (wr->counters)
		(void)counter_enable(wr->counters);
}

void events_stop(struct worker_run *wr)
{
	if (wr->counters)
		(void)counter_disable(wr->counters);
	if (wr->cpu_counters)
		(void)counter_disable(wr->cpu_counters);
	packages_end(wr->packages);
}

void events_close(struct worker_run *wr)
{
	counter_close(wr->counters);
	counter_close(wr->cpu_counters);
	packages_close(wr->packages);
	wr->counters = wr->cpu_counters = NULL;
	wr->packages = NULL;
}

void events_put(const struct job_run *jr, uint64_t ops, struct bench_metric_set *set)
{
	struct counter_session **sessions = calloc(jr->nr, sizeof(*sessions));

	for (unsigned i = 0; sessions && i < jr->nr; i++)
		sessions[i] = jr->workers[i].counters;
	if (sessions && jr->scope != EVENTS_CPU)
		counter_put(jr->counters, sessions, jr->nr, "worker", ops, set);
	for (unsigned i = 0; sessions && i < jr->nr; i++)
		sessions[i] = jr->workers[i].cpu_counters;
	if (sessions && jr->scope != EVENTS_WORKER)
		counter_put(jr->counters, sessions, jr->nr, "cpu", ops, set);
	packages_put(jr->workers[0].packages, ops, set);
	free(sessions);
}

void events_put_missed(const struct job_run *jr, unsigned nr_trials, struct bench_metric_set *set)
{
	unsigned every, from;

	if (!jr->counters)
		return;
	from = rhythm(jr, &every, false);
	if (jr->scope != EVENTS_CPU)
		counter_put_missed(jr->counters, nr_trials, every, from, "worker", set);
	from = rhythm(jr, &every, true);
	if (jr->scope != EVENTS_WORKER)
		counter_put_missed(jr->counters, nr_trials, every, from, "cpu", set);
}
