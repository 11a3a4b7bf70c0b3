// SPDX-License-Identifier: BSD-2-Clause
/* Readings to metrics: sums over sessions, scaling, values per operation, and the derived ones. */
#include "counters/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_SESSION "not counted on any of the targets"
/* perf rotates groups every 4 ms (perf_event_mux_interval_ms); below a hundred turns the share of
 * the time that was seen says little about the rest. */
#define SCALED_MIN_NS 400000000ull
#define UNPROVED "dead: read 0, as in the test loop; it has never been seen to count on this host"

void total_worsen(struct total *total, enum bench_status status, const char *note)
{
	if (status <= total->status)
		return;
	total->status = status;
	snprintf(total->note, sizeof(total->note), "%s", note ? note : "");
}

static void add_reading(struct total *total, const struct counter_event *event,
			enum bench_status status, const struct counter_reading *r, const char *note)
{
	char text[96];

	total->present = true;
	total->count.enabled_ns += r->enabled_ns;
	total->count.running_ns += r->running_ns;
	if (status == BENCH_SCALED && event->hybrid) {
		/* It ran the rest of the time on the other kind of core: nothing is missing. */
		status = BENCH_OK;
	} else if (status == BENCH_SCALED) {
		double share = (double)r->running_ns / r->enabled_ns;

		total->value += r->value / share * event->scale;
		/* A sentinel may have run in several groups at once. */
		snprintf(text, sizeof(text), "counted %.1f %% of the time", 100 * fmin(share, 1));
		if (r->enabled_ns < SCALED_MIN_NS) {
			snprintf(text, sizeof(text), "counted for %.1f of %.1f ms: too short to scale",
				 r->running_ns / 1e6, r->enabled_ns / 1e6);
			status = BENCH_NOT_COUNTED;
		}
		total_worsen(total, status, text);
		return;
	}
	total->value += r->value * event->scale;
	total_worsen(total, status, note);
}

/* How far the groups of one window differ in what they all counted. */
static void add_error(const struct counter_plan *plan, const struct counter_event *event,
		      struct counter_session *const *sessions, unsigned nr, struct total *total)
{
	char text[sizeof(total->note)];

	for (unsigned i = 0; i < plan->nr_events; i++) {
		if (!counter_is_sentinel(&plan->events[i]) ||
		    !counter_same_pmu(&plan->events[i], event))
			continue;
		for (unsigned n = 0; n < nr; n++) {
			if (sessions[n])
				total->count.error = fmax(
					total->count.error,
					counter_session_spread(sessions[n], i));
		}
	}
	if (total->count.error > 0)
		snprintf(text, sizeof(text), "%.80s; groups differ by +-%.1f %%", total->note,
			 100 * total->count.error);
	else
		snprintf(text, sizeof(text), "%.80s; error unknown, one group only", total->note);
	strcpy(total->note, text);
}

static void total_event(const struct counter_plan *plan, unsigned i,
			struct counter_session *const *sessions, unsigned nr, struct total *total)
{
	const struct counter_event *event = &plan->events[i];

	const char *idle = NULL;

	*total = (struct total){ .status = BENCH_OK };
	for (unsigned n = 0; n < nr; n++) {
		enum session_presence presence;
		struct counter_reading reading;
		enum bench_status status;
		const char *note;

		if (!sessions[n])
			continue;
		if (!counter_session_has(sessions[n], i)) {
			total->absent = true;
			continue;
		}
		status = counter_session_reading(sessions[n], i, &presence, &reading, &note);
		if (presence == SESSION_COUNTED)
			add_reading(total, event, status, &reading, note);
		else if (presence == SESSION_IDLE)
			idle = note;
	}
	total->absent &= !total->present;
	if (!total->present)
		total_worsen(total, BENCH_NOT_COUNTED, idle ? idle : NO_SESSION);
	if (total->status == BENCH_SCALED)
		add_error(plan, event, sessions, nr, total);
	/* An event that was never seen to count may not be implemented: its zero is no zero. */
	if (event->kind != EVENT_SOFTWARE && !event->proved && total->value == 0)
		total_worsen(total, BENCH_NOT_COUNTED, UNPROVED);
}

void total_put(const struct sink *sink, const char *name, const char *unit, enum bench_better better,
	       const char *pmu, const struct total *total)
{
	struct bench_metric_id id = {
		.name = name,
		.unit = unit,
		.source = BENCH_SOURCE_COUNTER,
		.better = better,
		.labels = { { "scope", sink->scope } },
	};

	if (pmu)
		id.labels[1] = (struct bench_label){ "pmu", pmu };
	bench_metric_put_count(sink->set, &id, total->status, total->value,
			       total->note[0] ? total->note : NULL, &total->count);
}

void total_put_level(const struct sink *sink, const char *name, unsigned level,
		     const struct total *total)
{
	const char *const digits[] = { "0", "1", "2" };
	struct bench_metric_id id = {
		.name = name,
		.unit = "ratio",
		.source = BENCH_SOURCE_COUNTER,
		.labels = { { "scope", sink->scope }, { "level", digits[level] } },
	};

	bench_metric_put_count(sink->set, &id, total->status, total->value, total->note,
			       &total->count);
}

const char *total_pmu(const struct counter_event *event)
{
	return event->hybrid ? event->pmu : NULL;
}

static void put_event(const struct sink *sink, const struct counter_event *event,
		      const struct total *total)
{
	char name[EVENT_NAME_MAX + 16];
	struct total per_op = *total;

	total_put(sink, event->name, event->unit, BENCH_BETTER_NONE, total_pmu(event), total);
	/* What is not there at all does not need saying twice. */
	if (!sink->ops || event->status != BENCH_OK)
		return;
	snprintf(name, sizeof(name), "%s.per_op", event->name);
	per_op.value /= (double)sink->ops;
	total_put(sink, name, event->unit, BENCH_BETTER_LOWER, total_pmu(event), &per_op);
}

/* The best status, then the first. */
bool total_is_best(const struct counter_plan *plan, const struct total *totals, unsigned i)
{
	const struct counter_event *event = &plan->events[i];

	/* What a package counts is not a thread's: it has rows of its own. */
	if (event->cpu_only && event->status == BENCH_OK && !totals[i].present)
		return false;
	if (totals[i].absent || (event->extra && event->status != BENCH_OK))
		return false;
	for (unsigned n = 0; n < plan->nr_events; n++) {
		const struct counter_event *other = &plan->events[n];

		if (n == i || strcmp(other->name, event->name) != 0 ||
		    strcmp(other->pmu, event->pmu) != 0 || totals[n].absent)
			continue;
		if (totals[n].status < totals[i].status ||
		    (totals[n].status == totals[i].status && n < i))
			return false;
	}
	return true;
}

void counter_put(const struct counter_plan *plan, struct counter_session *const *sessions,
		 unsigned nr, const char *scope, uint64_t ops, struct bench_metric_set *set)
{
	struct sink sink = { set, scope, ops, false };
	struct total totals[COUNTER_MAX_EVENTS];

	for (unsigned n = 0; n < nr; n++) {
		if (!sessions[n])
			continue;
		counter_session_finish(sessions[n]);
		sink.per_cpu |= counter_session_target(sessions[n])->cpu >= 0;
	}
	for (unsigned i = 0; i < plan->nr_events; i++)
		total_event(plan, i, sessions, nr, &totals[i]);
	for (unsigned i = 0; i < plan->nr_events; i++) {
		if (total_is_best(plan, totals, i))
			put_event(&sink, &plan->events[i], &totals[i]);
	}
	derived_put(&sink, plan, totals);
}

/* The trial that event i is first counted in. */
static unsigned first_trial(const struct counter_plan *plan, unsigned i)
{
	unsigned trial = 0;

	while (trial < plan->nr_groups) {
		for (unsigned g = 0; g < plan->nr_groups; g++) {
			const struct counter_group *group = &plan->groups[g];

			for (unsigned m = group->first; m < group->first + group->nr; m++)
				if (plan->members[m] == i && counter_plan_in_trial(plan, g, trial))
					return trial;
		}
		trial++;
	}
	return 0;
}

/* Others are counted in every trial. */
static bool is_core_member(const struct counter_plan *plan, unsigned i)
{
	int group = counter_plan_group_of(plan, i);

	return group >= 0 && plan->groups[group].core;
}

void counter_put_missed(const struct counter_plan *plan, unsigned nr_trials, unsigned every,
			unsigned from, const char *scope, struct bench_metric_set *set)
{
	const struct sink sink = { .set = set, .scope = scope };

	for (unsigned i = 0; nr_trials && i < plan->nr_events; i++) {
		const struct counter_event *event = &plan->events[i];
		unsigned trial = first_trial(plan, i) * every + from;
		struct total none = { .status = BENCH_NOT_COUNTED };

		if (event->status != BENCH_OK || event->extra || trial < nr_trials ||
		    !is_core_member(plan, i))
			continue;
		snprintf(none.note, sizeof(none.note), "needs %u trials", trial + 1);
		total_put(&sink, event->name, event->unit, BENCH_BETTER_NONE, total_pmu(event),
			  &none);
	}
}
