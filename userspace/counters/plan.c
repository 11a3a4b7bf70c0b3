// SPDX-License-Identifier: BSD-2-Clause
/* A plan: the events asked for, and which of them are counted together. */
#include "counters/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *counter_status_name(enum bench_status status)
{
	static const char *const names[] = {
		[BENCH_OK] = "ok",
		[BENCH_SCALED] = "scaled",
		[BENCH_NOT_COUNTED] = "not_counted",
		[BENCH_NOT_SUPPORTED] = "not_supported",
		[BENCH_NOT_PERMITTED] = "not_permitted",
		[BENCH_SKIPPED] = "skipped",
		[BENCH_INVALID] = "invalid",
	};

	return names[status];
}

unsigned counter_plan_members(const struct counter_plan *plan)
{
	const struct counter_group *last;

	if (!plan->nr_groups)
		return 0;
	last = &plan->groups[plan->nr_groups - 1];
	return last->first + last->nr;
}

/* The order within a group. The kernel wants slots in front of the topdown events. */
static int sentinel_rank(const struct counter_event *event)
{
	static const char *const names[] = { "slots", "cycles", "instructions" };
	int rank = 0;

	while (rank < 3 && strcmp(event->base, names[rank]) != 0)
		rank++;
	return rank;
}

bool counter_is_sentinel(const struct counter_event *event)
{
	return event->kind == EVENT_CORE && sentinel_rank(event) < 3;
}

bool counter_same_pmu(const struct counter_event *a, const struct counter_event *b)
{
	if (a->kind != b->kind)
		return false;
	/* A host with one kind of core has one core PMU, named or not. */
	if (a->kind == EVENT_CORE && !a->hybrid && !b->hybrid)
		return true;
	return strcmp(a->pmu, b->pmu) == 0;
}

/* One group of every event that shares brace, kind and PMU with events[model]. cycles and
 * instructions lead: they are what the others are related to. */
static void add_group(struct counter_plan *plan, unsigned model)
{
	const struct counter_event *like = &plan->events[model];
	struct counter_group group = { .first = counter_plan_members(plan) };

	for (int rank = 0; rank < 4; rank++) {
		for (unsigned i = 0; i < plan->nr_events; i++) {
			const struct counter_event *event = &plan->events[i];

			if (event->status != BENCH_OK || event->brace != like->brace ||
			    sentinel_rank(event) != rank)
				continue;
			/* Kinds of core cannot be counted together, whatever the braces say. */
			if (event->hybrid && like->hybrid && !counter_same_pmu(event, like))
				continue;
			if (like->brace < 0 &&
			    (!counter_same_pmu(event, like) ||
			     (event->kind == EVENT_OTHER && i != model)))
				continue;
			plan->members[group.first + group.nr++] = i;
		}
	}
	plan->groups[plan->nr_groups++] = group;
}

static enum event_kind group_kind(const struct counter_plan *plan, unsigned model)
{
	const struct counter_event *like = &plan->events[model];
	enum event_kind kind = like->kind;

	for (unsigned i = 0; like->brace >= 0 && i < plan->nr_events; i++) {
		if (plan->events[i].brace == like->brace && plan->events[i].kind == EVENT_CORE)
			kind = EVENT_CORE;
	}
	return kind;
}

static bool is_grouped(const struct counter_plan *plan, unsigned event)
{
	for (unsigned m = 0; m < counter_plan_members(plan); m++) {
		if (plan->members[m] == event)
			return true;
	}
	return false;
}

void counter_plan_group(struct counter_plan *plan)
{
	static const enum event_kind order[] = { EVENT_SOFTWARE, EVENT_OTHER, EVENT_CORE };

	plan->nr_groups = 0;
	for (unsigned k = 0; k < sizeof(order) / sizeof(order[0]); k++) {
		for (unsigned i = 0; i < plan->nr_events; i++) {
			if (plan->events[i].status == BENCH_OK && !is_grouped(plan, i) &&
			    group_kind(plan, i) == order[k])
				add_group(plan, i);
		}
	}
}

int counter_plan_new_at(struct counter_plan **ret_plan, const char *list, const char *root,
			bool prove, struct bench_err *err)
{
	struct counter_plan *plan = calloc(1, sizeof(*plan));
	int ret;

	if (!plan)
		return bench_fail(err, -ENOMEM, "counters: out of memory");
	ret = pmu_set_load(&plan->pmus, root);
	if (!ret)
		ret = counter_plan_parse(plan, list, err);
	if (!ret) {
		counter_plan_group(plan);
		if (prove)
			ret = counter_plan_prove(plan);
	}
	if (ret == -ENOMEM)
		bench_fail(err, ret, "counters: out of memory");
	if (ret)
		goto out;
	*ret_plan = plan;
	plan = NULL;
out:
	counter_plan_free(plan);
	return ret;
}

int counter_plan_new(struct counter_plan **ret_plan, const char *list, struct bench_err *err)
{
	return counter_plan_new_at(ret_plan, list, NULL, true, err);
}

void counter_plan_free(struct counter_plan *plan)
{
	if (!plan)
		return;
	pmu_set_done(&plan->pmus);
	free(plan);
}

/* The event before i with the same status and reason, -1 = none: one PMU that is missing takes many
 * events with it. */
static int same_reason(const struct counter_plan *plan, unsigned i)
{
	for (unsigned n = 0; n < i; n++) {
		if (plan->events[n].status == plan->events[i].status &&
		    strcmp(plan->events[n].note, plan->events[i].note) == 0)
			return n;
	}
	return -1;
}

bool counter_plan_in_trial(const struct counter_plan *plan, unsigned group, unsigned trial)
{
	const struct counter_group *g = &plan->groups[group];

	if (!g->core)
		return true;
	if (trial == COUNTER_NO_PASS)
		return false;
	return plan->multiplex || trial % g->turns == g->turn;
}

unsigned counter_plan_passes(const struct counter_plan *plan)
{
	unsigned passes = 1;

	for (unsigned g = 0; g < plan->nr_groups && !plan->multiplex; g++) {
		if (plan->groups[g].core && plan->groups[g].turns > passes)
			passes = plan->groups[g].turns;
	}
	return passes;
}

void counter_plan_multiplex(struct counter_plan *plan)
{
	plan->multiplex = true;
}

void counter_plan_print(const struct counter_plan *plan, FILE *out)
{
	if (!plan->nr_events)
		fputs("none", out);
	for (unsigned i = 0; i < plan->nr_events; i++) {
		const struct counter_event *event = &plan->events[i];
		int same = same_reason(plan, i);

		if (event->extra && event->status != BENCH_OK)
			continue;
		fprintf(out, "%s%s", i ? ", " : "", event->name);
		if (event->status != BENCH_OK && same >= 0)
			fprintf(out, " (%s: as %s)", counter_status_name(event->status),
				plan->events[same].name);
		else if (event->status != BENCH_OK)
			fprintf(out, " (%s: %s)", counter_status_name(event->status), event->note);
		else if (event->note[0])
			fprintf(out, " (%s)", event->note);
	}
	if (counter_plan_passes(plan) > 1)
		fprintf(out, "; %u passes, one per trial", counter_plan_passes(plan));
	else if (plan->multiplex)
		fprintf(out, "; multiplexed");
}

int counter_plan_group_of(const struct counter_plan *plan, unsigned event)
{
	for (unsigned g = 0; g < plan->nr_groups; g++) {
		const struct counter_group *group = &plan->groups[g];

		for (unsigned m = group->first; m < group->first + group->nr; m++) {
			if (plan->members[m] == event)
				return g;
		}
	}
	return -1;
}

static json_t *hex_json(uint64_t number)
{
	char text[32];

	/* As text: a JSON number would lose bits above 2^53 in many readers. */
	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)number);
	return json_string(text);
}

static json_t *event_json(const struct counter_plan *plan, unsigned i)
{
	const struct counter_event *event = &plan->events[i];
	json_t *object = json_object();
	int group = counter_plan_group_of(plan, i);

	json_object_set_new(object, "event", json_string(event->name));
	json_object_set_new(object, "pmu", event->pmu[0] ? json_string(event->pmu) : json_null());
	json_object_set_new(object, "type",
			    event->unencoded ? json_null() : json_integer(event->attr.type));
	json_object_set_new(object, "config",
			    event->unencoded ? json_null() : hex_json(event->attr.config));
	if (event->attr.config1)
		json_object_set_new(object, "config1", hex_json(event->attr.config1));
	if (event->attr.config2)
		json_object_set_new(object, "config2", hex_json(event->attr.config2));
	json_object_set_new(object, "source", json_string(event->source));
	if (event->encoding[0])
		json_object_set_new(object, "encoding", json_string(event->encoding));
	json_object_set_new(object, "group", group < 0 ? json_null() : json_integer(group));
	if (group >= 0 && plan->groups[group].split)
		json_object_set_new(object, "split", json_true());
	if (group >= 0 && plan->groups[group].core)
		json_object_set_new(object, "passes", json_integer(plan->groups[group].turns));
	if (event->extra)
		json_object_set_new(object, "extra", json_true());
	json_object_set_new(object, "status", json_string(counter_status_name(event->status)));
	json_object_set_new(object, "note",
			    event->note[0] ? json_string(event->note) : json_null());
	return object;
}

json_t *counter_plan_json(const struct counter_plan *plan)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < plan->nr_events; i++) {
		if (!plan->events[i].extra || plan->events[i].status == BENCH_OK)
			json_array_append_new(array, event_json(plan, i));
	}
	return array;
}
