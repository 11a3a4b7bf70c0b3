// SPDX-License-Identifier: BSD-2-Clause
/* Readings to metrics: sums over sessions, scaling, values per operation, and the derived ones. */
#include "counters/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_SESSION "not counted on any of the targets"
/* perf rotates groups every 4 ms (perf_event_mux_interval_ms); below a hundred turns the share of
 * the time that was seen says little about the rest. */
#define SCALED_MIN_NS 400000000ull
#define UNPROVED "read 0 and has never been seen to count on this host"

/* One event over all sessions. */
struct total {
	double value; /* in the event's unit */
	enum bench_status status;
	char note[192];
	bool present; /* some session had a reading or a reason */
	bool absent;  /* belongs to another pass: nothing to report */
	struct bench_metric_count count;
};

/* Statuses are declared from good to bad. */
static void worsen(struct total *total, enum bench_status status, const char *note)
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
		worsen(total, status, text);
		return;
	}
	total->value += r->value * event->scale;
	worsen(total, status, note);
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
	}
	total->absent &= !total->present;
	if (!total->present)
		worsen(total, BENCH_NOT_COUNTED, NO_SESSION);
	if (total->status == BENCH_SCALED)
		add_error(plan, event, sessions, nr, total);
	/* An event that was never seen to count may not be implemented: its zero is no zero. */
	if (event->kind != EVENT_SOFTWARE && !event->proved && total->value == 0)
		worsen(total, BENCH_NOT_COUNTED, UNPROVED);
}

/* Where the values go, the same for all of one call. */
struct sink {
	struct bench_metric_set *set;
	const char *scope;
	uint64_t ops;
};

static void put(const struct sink *sink, const char *name, const char *unit,
		enum bench_better better, const char *pmu, enum bench_status status, double value,
		const char *note, const struct bench_metric_count *count)
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
	bench_metric_put_count(sink->set, &id, status, value, note && *note ? note : NULL, count);
}

/* The kinds of core of a hybrid host are told apart by a label, as their counts do not add up. */
static const char *pmu_label(const struct counter_event *event)
{
	return event->hybrid ? event->pmu : NULL;
}

static void put_event(const struct sink *sink, const struct counter_event *event,
		      const struct total *total)
{
	char name[EVENT_NAME_MAX + 16];

	put(sink, event->name, event->unit, BENCH_BETTER_NONE, pmu_label(event), total->status,
	    total->value, total->note, &total->count);
	/* What is not there at all does not need saying twice. */
	if (!sink->ops || event->status != BENCH_OK)
		return;
	snprintf(name, sizeof(name), "%s.per_op", event->name);
	put(sink, name, event->unit, BENCH_BETTER_LOWER, pmu_label(event), total->status,
	    total->value / sink->ops, total->note, &total->count);
}

/* The modifiers of an event's name: "", ":u", or "u" after a slash. */
static const char *suffix(const struct counter_event *event)
{
	return event->name + strlen(event->base);
}

/* The event called base with the same modifiers and PMU as like, or -1. Only events that were found
 * to work: for the others their own row says why. */
static int partner(const struct counter_plan *plan, const struct counter_event *like,
		   const char *base, const char *modifiers)
{
	for (unsigned i = 0; i < plan->nr_events; i++) {
		const struct counter_event *event = &plan->events[i];

		if (event->status != BENCH_OK || strcmp(event->base, base) != 0 ||
		    strcmp(suffix(event), modifiers) != 0)
			continue;
		if (event->kind == EVENT_SOFTWARE || event->brace == like->brace) {
			if (event->kind == EVENT_SOFTWARE || strcmp(event->pmu, like->pmu) == 0)
				return i;
		}
	}
	return -1;
}

static void put_ratio(const struct sink *sink, const char *name, const char *unit,
		      enum bench_better better, const char *pmu, const struct total *above,
		      const struct total *below)
{
	struct total ratio = *above;

	worsen(&ratio, below->status, below->note);
	if (below->value > 0)
		ratio.value = above->value / below->value;
	else
		worsen(&ratio, BENCH_NOT_COUNTED, "nothing to divide by was counted");
	/* Errors of parts of one group go the same way; a clock has none. */
	ratio.count.error = fmax(above->count.error, below->count.error);
	put(sink, name, unit, better, pmu, ratio.status, ratio.value, ratio.note, &ratio.count);
}

static void put_derived(const struct sink *sink, const struct counter_plan *plan,
			const struct total *totals, unsigned i, bool per_cpu)
{
	const struct counter_event *cycles = &plan->events[i];
	int instructions = partner(plan, cycles, "instructions", suffix(cycles));
	int clock = partner(plan, cycles, "task-clock", "");
	char name[EVENT_NAME_MAX + 8];

	snprintf(name, sizeof(name), "ipc%s", suffix(cycles));
	if (instructions >= 0 && !totals[instructions].absent)
		put_ratio(sink, name, "ratio", BENCH_BETTER_HIGHER, pmu_label(cycles),
			  &totals[instructions], &totals[i]);
	/* The clock covers user and kernel, so only unrestricted cycles go with it; on a CPU it
	 * runs while idle too, and on a hybrid host it runs on every kind of core. */
	if (clock < 0 || *suffix(cycles) || per_cpu || cycles->hybrid)
		return;
	put_ratio(sink, "ghz", "GHz", BENCH_BETTER_NONE, NULL, &totals[i], &totals[clock]);
}

/* The same event may be counted in several groups: which one stands for it? The best status, then
 * the first. */
static bool is_best(const struct counter_plan *plan, const struct total *totals, unsigned i)
{
	const struct counter_event *event = &plan->events[i];

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
	const struct sink sink = { set, scope, ops };
	struct total totals[COUNTER_MAX_EVENTS];
	bool per_cpu = false;

	for (unsigned n = 0; n < nr; n++) {
		if (!sessions[n])
			continue;
		counter_session_finish(sessions[n]);
		per_cpu |= counter_session_target(sessions[n])->cpu >= 0;
	}
	for (unsigned i = 0; i < plan->nr_events; i++)
		total_event(plan, i, sessions, nr, &totals[i]);
	for (unsigned i = 0; i < plan->nr_events; i++) {
		if (is_best(plan, totals, i))
			put_event(&sink, &plan->events[i], &totals[i]);
	}
	for (unsigned i = 0; i < plan->nr_events; i++) {
		const struct counter_event *event = &plan->events[i];

		if (strcmp(event->base, "cycles") == 0 && event->status == BENCH_OK &&
		    is_best(plan, totals, i))
			put_derived(&sink, plan, totals, i, per_cpu);
	}
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

void counter_put_missed(const struct counter_plan *plan, unsigned nr_trials, const char *scope,
			struct bench_metric_set *set)
{
	const struct sink sink = { set, scope, 0 };
	const struct bench_metric_count none = { 0 };

	for (unsigned i = 0; nr_trials && i < plan->nr_events; i++) {
		const struct counter_event *event = &plan->events[i];
		unsigned trial = first_trial(plan, i);
		char note[32];

		if (event->status != BENCH_OK || event->extra || trial < nr_trials)
			continue;
		snprintf(note, sizeof(note), "needs %u trials", trial + 1);
		put(&sink, event->name, event->unit, BENCH_BETTER_NONE, pmu_label(event),
		    BENCH_NOT_COUNTED, 0, note, &none);
	}
}
