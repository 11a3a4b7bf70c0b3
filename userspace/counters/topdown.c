// SPDX-License-Identifier: BSD-2-Clause
/* Top-down: which CPU this is, and the shares of one trial by the formulas of its table. */
#include "counters/topdown.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "counters/formula.h"

static void read_midr(struct cpu_id *id)
{
	FILE *file = fopen("/sys/devices/system/cpu/cpu0/regs/identification/midr_el1", "re");
	unsigned long long midr;

	if (!file)
		return;
	if (fscanf(file, "%llx", &midr) == 1) {
		strcpy(id->vendor, "arm");
		id->midr = midr;
	}
	fclose(file);
}

static void read_fixture(struct cpu_id *id, const struct pmu_set *pmus)
{
	unsigned long long midr = 0;
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/cpu_id", pmus->root);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fscanf(file, "%15s %x %x %llx", id->vendor, &id->family, &id->model, &midr) < 3)
		id->vendor[0] = '\0';
	id->midr = midr;
	fclose(file);
}

void topdown_cpu(struct cpu_id *ret_id, const struct pmu_set *pmus)
{
	char line[256];
	FILE *file;

	*ret_id = (struct cpu_id){ 0 };
	if (strcmp(pmus->root, PMU_ROOT) != 0) {
		read_fixture(ret_id, pmus);
		return;
	}
	file = fopen("/proc/cpuinfo", "re");
	/* The first processor's lines end with an empty one. */
	while (file && fgets(line, sizeof(line), file) && line[0] != '\n') {
		(void)sscanf(line, "vendor_id : %15s", ret_id->vendor);
		(void)sscanf(line, "cpu family : %u", &ret_id->family);
		(void)sscanf(line, "model : %u", &ret_id->model);
	}
	if (file)
		fclose(file);
	if (!ret_id->vendor[0])
		read_midr(ret_id);
}

/* One group of one trial. */
struct evaluation {
	const struct counter_plan *plan;
	const struct total *totals;
	const struct topdown_group *group;
	int brace;
	unsigned slots;
	double nodes[TOPDOWN_MAX_NODES];
	unsigned nr_nodes;   /* known so far */
	struct total status; /* the worst of what was looked up */
	bool absent;	     /* another pass */
};

static bool is_name(const char *known, const char *name, size_t len)
{
	return strlen(known) == len && strncmp(known, name, len) == 0;
}

/* The event of the group with this key. */
static double event_value(struct evaluation *e, const char *key)
{
	for (unsigned i = 0; i < e->plan->nr_events; i++) {
		const struct counter_event *event = &e->plan->events[i];
		const struct total *total = &e->totals[i];

		if (event->brace != e->brace || !event->key || strcmp(event->key, key) != 0)
			continue;
		if (event->status != BENCH_OK) {
			char note[192];

			snprintf(note, sizeof(note), "%.60s: %.120s", event->name, event->note);
			total_worsen(&e->status, event->status, note);
			return NAN;
		}
		e->absent |= total->absent;
		/* A zero is no failure here: nothing was counted of a kind that may not occur. */
		if (total->status != BENCH_OK && total->status != BENCH_SCALED && total->value > 0)
			total_worsen(&e->status, total->status, total->note);
		e->status.count.error = fmax(e->status.count.error, total->count.error);
		return total->value;
	}
	return NAN;
}

static double lookup(const char *name, size_t len, void *ctx)
{
	struct evaluation *e = ctx;

	if (is_name("width", name, len))
		return e->slots;
	for (unsigned i = 0; i < e->nr_nodes; i++)
		if (is_name(e->group->nodes[i].name, name, len))
			return e->nodes[i];
	for (unsigned i = 0; e->group->events[i].key; i++)
		if (is_name(e->group->events[i].key, name, len))
			return event_value(e, e->group->events[i].key);
	return NAN;
}

static void put_node(const struct sink *sink, const struct topdown_model *model,
		     const struct topdown_node *node, const struct evaluation *e, double value)
{
	struct total total = e->status;
	char name[64];

	total.value = value;
	if (isnan(value))
		total_worsen(&total, BENCH_NOT_COUNTED, "nothing to divide by was counted");
	if (!total.note[0])
		snprintf(total.note, sizeof(total.note), "%s = %.100s (%s, formulas %d; %.40s)",
			 node->name, node->formula, model->cpu, TOPDOWN_VERSION, model->source);
	snprintf(name, sizeof(name), "topdown.%s", node->name);
	total_put_level(sink, name, node->level, &total);
}

static void put_group(const struct sink *sink, const struct counter_plan *plan,
		      const struct total *totals, unsigned g)
{
	struct evaluation e = { .plan = plan, .totals = totals, .group = plan->topdown->groups[g] };

	e.brace = plan->topdown_brace + (int)g;
	e.slots = topdown_slots(plan->topdown, &plan->pmus);
	for (unsigned i = 0; e.group->nodes[i].name; i++) {
		const struct topdown_node *node = &e.group->nodes[i];
		double value = formula_eval(node->formula, lookup, &e);

		if (e.absent)
			return;
		e.nodes[e.nr_nodes++] = value;
		if (node->level)
			put_node(sink, plan->topdown, node, &e, value);
	}
}

void topdown_put(const struct sink *sink, const struct counter_plan *plan,
		 const struct total *totals)
{
	static const char *const level1[] = { "frontend_bound", "bad_speculation", "backend_bound",
					      "retiring" };
	struct total none = { .status = BENCH_NOT_SUPPORTED };

	if (!plan->topdown_asked)
		return;
	for (unsigned g = 0; plan->topdown && plan->topdown->groups[g]; g++)
		put_group(sink, plan, totals, g);
	if (plan->topdown)
		return;
	strcpy(none.note, plan->pmus.nr_core > 1 ? "no table for hosts with several kinds of core" :
			  plan->pmus.nr_core	 ? "no table for this CPU" :
						   "no CPU PMU on this host");
	for (unsigned i = 0; i < 4; i++) {
		char name[64];

		snprintf(name, sizeof(name), "topdown.%s", level1[i]);
		total_put_level(sink, name, 1, &none);
	}
}
