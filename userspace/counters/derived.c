// SPDX-License-Identifier: BSD-2-Clause
/* What is made of several events. Both sides of a ratio come from one group of one trial, so they
 * are of the same moments; a derived metric takes the worse status of its parts. */
#include "counters/topdown.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The modifiers of an event's name: "", ":u", or "u" after a slash. */
static const char *suffix(const struct counter_event *event)
{
	return event->name + strlen(event->base);
}

/* The event called base with these modifiers, in the same group as `like` (software events are
 * counted all the time), or -1. Only events that were found to work: for the others their own row
 * says why. */
static int partner(const struct counter_plan *plan, const struct total *totals,
		   const struct counter_event *like, const char *base, const char *modifiers)
{
	for (unsigned i = 0; i < plan->nr_events; i++) {
		const struct counter_event *event = &plan->events[i];

		if (event->status != BENCH_OK || totals[i].absent ||
		    strcmp(event->base, base) != 0 || strcmp(suffix(event), modifiers) != 0)
			continue;
		if (event->kind == EVENT_SOFTWARE)
			return i;
		if (event->brace == like->brace && counter_same_pmu(event, like))
			return i;
	}
	return -1;
}

static void put_ratio(const struct sink *sink, const char *name, const char *unit,
		      enum bench_better better, const char *pmu, const struct total *above,
		      const struct total *below, double scale)
{
	struct total ratio = *above;

	total_worsen(&ratio, below->status, below->note);
	if (below->value > 0)
		ratio.value = above->value / below->value * scale;
	else
		total_worsen(&ratio, BENCH_NOT_COUNTED, "nothing to divide by was counted");
	/* Errors of parts of one group go the same way; a clock has none. */
	ratio.count.error = fmax(above->count.error, below->count.error);
	total_put(sink, name, unit, better, pmu, &ratio);
}

static void put_cycles(const struct sink *sink, const struct counter_plan *plan,
		       const struct total *totals, unsigned i)
{
	const struct counter_event *cycles = &plan->events[i];
	int instructions = partner(plan, totals, cycles, "instructions", suffix(cycles));
	int clock = partner(plan, totals, cycles, "task-clock", "");
	char name[EVENT_NAME_MAX + 8];

	snprintf(name, sizeof(name), "ipc%s", suffix(cycles));
	if (instructions >= 0)
		put_ratio(sink, name, "ratio", BENCH_BETTER_HIGHER, total_pmu(cycles),
			  &totals[instructions], &totals[i], 1);
	/* The clock covers user and kernel, so only unrestricted cycles go with it; on a CPU it
	 * runs while idle too, and on a hybrid host it runs on every kind of core. */
	if (clock < 0 || *suffix(cycles) || sink->per_cpu || cycles->hybrid)
		return;
	put_ratio(sink, "ghz", "GHz", BENCH_BETTER_NONE, NULL, &totals[i], &totals[clock], 1);
}

/* Misses per 1000 instructions, the field's measure of how often a program misses. */
static void put_mpki(const struct sink *sink, const struct counter_plan *plan,
		     const struct total *totals, unsigned i)
{
	const struct counter_event *event = &plan->events[i];
	int instructions = partner(plan, totals, event, "instructions", suffix(event));
	char name[EVENT_NAME_MAX + 16];

	if (instructions < 0)
		return;
	snprintf(name, sizeof(name), "%s.mpki", event->name);
	put_ratio(sink, name, "per 1000 instructions", BENCH_BETTER_LOWER, total_pmu(event),
		  &totals[i], &totals[instructions], 1000);
}

/* What was not in user mode was in the kernel: both were counted in the same moments. */
static void put_kernel(const struct sink *sink, const struct counter_plan *plan,
		       const struct total *totals, unsigned i)
{
	const struct counter_event *user = &plan->events[i];
	int both = partner(plan, totals, user, user->base, "");
	char name[EVENT_NAME_MAX + 8];
	struct total kernel;

	if (both < 0)
		return;
	kernel = totals[both];
	total_worsen(&kernel, totals[i].status, totals[i].note);
	kernel.value -= totals[i].value;
	if (!kernel.note[0])
		snprintf(kernel.note, sizeof(kernel.note), "%.60s - %.60s of one group",
			 user->base, user->name);
	snprintf(name, sizeof(name), "%s:k", user->base);
	total_put(sink, name, user->unit, BENCH_BETTER_NONE, total_pmu(user), &kernel);
}

static bool ends(const char *text, const char *end)
{
	size_t lt = strlen(text), le = strlen(end);

	return lt > le && strcmp(text + lt - le, end) == 0;
}

void derived_put(const struct sink *sink, const struct counter_plan *plan,
		 const struct total *totals)
{
	for (unsigned i = 0; i < plan->nr_events; i++) {
		const struct counter_event *event = &plan->events[i];

		if (event->status != BENCH_OK || event->kind != EVENT_CORE ||
		    !total_is_best(plan, totals, i))
			continue;
		if (strcmp(event->base, "cycles") == 0)
			put_cycles(sink, plan, totals, i);
		if (ends(event->base, "-misses"))
			put_mpki(sink, plan, totals, i);
		if (event->extra && strcmp(suffix(event), ":u") == 0)
			put_kernel(sink, plan, totals, i);
	}
	topdown_put(sink, plan, totals);
}
