// SPDX-License-Identifier: BSD-2-Clause
/* The run queue: how many tasks, and for how much of the time so many. CPUs that are alike share a
 * line. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/lib/sections.h"

#define DEPTHS 65 /* the last one stands for all that are deeper */
/* Shares below this do not change what one thinks of a run queue. */
#define SHARE_FROM 0.01
/* CPUs are alike when no depth's share differs by more ... */
#define ALIKE_SHARE 0.05
/* ... and no mean depth by more tasks. */
#define ALIKE_DEPTH 0.2
#define MAX_CPUS 4

static bool has_any(const struct text *t, const char *name)
{
	struct metric_walk w = { 0 };

	while (metric_next(t, &w))
		if (!t->shown[w.index] && !strcmp(w.name, name) && bench_result_has_value(w.metric))
			return true;
	return false;
}

/* One metric by its name and cpu as words in a sentence; NULL when it is not there. */
static const json_t *depth_of(struct text *t, const char *name, const char *cpu)
{
	const json_t *metric = bench_result_metric(t->job, name, "cpu", cpu);

	if (!metric && !strcmp(cpu, "all"))
		metric = bench_result_metric(t->job, name, NULL, NULL);
	if (!bench_result_has_value(metric))
		return NULL;
	metric_shown(t, metric);
	return metric;
}

static void depth_item(struct text *t, const char *name, const char *words)
{
	const json_t *metric = depth_of(t, name, "all");

	if (metric)
		text_item(t, TEXT_PLAIN, "%.3g %s", bench_result_num(metric, "value"), words);
}

static bool is_cpu_depth(const struct text *t, const struct metric_walk *w)
{
	return !t->shown[w->index] && !strcmp(w->name, "sched.runq_depth") &&
	       *metric_label(w->metric, "cpu") && bench_result_has_value(w->metric);
}

static bool depths_differ(const struct text *t)
{
	double low = INFINITY, high = -INFINITY;
	struct metric_walk w = { 0 };

	while (metric_next(t, &w)) {
		double value = bench_result_num(w.metric, "value");

		if (!is_cpu_depth(t, &w))
			continue;
		low = fmin(low, value);
		high = fmax(high, value);
	}
	return high - low > ALIKE_DEPTH;
}

/* "3.2 tasks on average (running and waiting)  1.2 waiting  5 at most", and each CPU's mean where
 * they differ. */
static void run_queue(struct text *t)
{
	struct metric_walk w = { 0 };
	unsigned cpus = 0;
	bool differ;

	if (!has_any(t, "sched.runq_depth"))
		return;
	text_row(t, "run queue");
	depth_item(t, "sched.runq_depth", "tasks on average (running and waiting)");
	depth_item(t, "sched.runq_waiting", "waiting");
	depth_item(t, "sched.runq_depth_max", "at most");
	differ = depths_differ(t);
	while (metric_next(t, &w)) {
		const char *cpu = metric_label(w.metric, "cpu");

		if (!is_cpu_depth(t, &w))
			continue;
		t->shown[w.index] = true;
		depth_of(t, "sched.runq_waiting", cpu);
		depth_of(t, "sched.runq_depth_max", cpu);
		if (differ && cpus++ < MAX_CPUS)
			text_item(t, TEXT_PLAIN, "CPU %s: %.3g", cpu,
				  bench_result_num(w.metric, "value"));
	}
	if (cpus > MAX_CPUS)
		text_item(t, TEXT_DIM, "and %u more; see the JSON", cpus - MAX_CPUS);
	text_end(t);
}

/* --- time at each depth --- */

struct cpu_shares {
	const char *cpu;
	double share[DEPTHS];
};

/* All CPUs with their shares, which are marked as shown. NULL when there are none. */
static struct cpu_shares *shares_collect(struct text *t, unsigned *ret_nr)
{
	struct cpu_shares *list = NULL, *grown;
	struct metric_walk w = { 0 };
	unsigned nr = 0, i;

	while (metric_next(t, &w)) {
		const char *cpu = metric_label(w.metric, "cpu");
		long depth = strtol(metric_label(w.metric, "depth"), NULL, 10);

		if (t->shown[w.index] || strcmp(w.name, "sched.runq_time") ||
		    !bench_result_has_value(w.metric))
			continue;
		t->shown[w.index] = true;
		for (i = nr; i > 0 && strcmp(list[i - 1].cpu, cpu); i--)
			;
		if (!i) {
			grown = realloc(list, (nr + 1) * sizeof(*list));
			if (!grown)
				break;
			list = grown;
			list[nr] = (struct cpu_shares){ .cpu = cpu };
			i = ++nr;
		}
		depth = depth < 0 ? 0 : depth >= DEPTHS ? DEPTHS - 1 : depth;
		list[i - 1].share[depth] += bench_result_num(w.metric, "value");
	}
	*ret_nr = nr;
	return list;
}

static bool shares_alike(const struct cpu_shares *list, unsigned nr)
{
	for (unsigned d = 0; d < DEPTHS; d++)
		for (unsigned i = 1; i < nr; i++)
			if (!(fabs(list[i].share[d] - list[0].share[d]) <= ALIKE_SHARE))
				return false;
	return true;
}

static void shares_row(struct text *t, const struct cpu_shares *s)
{
	char share[UNITS_MAX];

	for (unsigned d = 0; d < DEPTHS; d++)
		if (s->share[d] >= SHARE_FROM)
			text_item(t, TEXT_PLAIN, "%u %s %s", d, d == 1 ? "task" : "tasks",
				  units_share(share, s->share[d]));
}

static void depth_shares(struct text *t)
{
	struct cpu_shares mean = { .cpu = "all" }, *list;
	unsigned nr;

	list = shares_collect(t, &nr);
	if (nr > 1 && shares_alike(list, nr)) {
		for (unsigned i = 0; i < nr; i++)
			for (unsigned d = 0; d < DEPTHS; d++)
				mean.share[d] += list[i].share[d] / nr;
		text_row(t, "time at depth");
		text_item(t, TEXT_PLAIN, "each CPU:");
		shares_row(t, &mean);
	} else {
		for (unsigned i = 0; i < nr && i < MAX_CPUS; i++) {
			text_row(t, i ? "" : "time at depth");
			text_item(t, TEXT_PLAIN, "CPU %s:", list[i].cpu);
			shares_row(t, &list[i]);
		}
		if (nr > MAX_CPUS)
			text_item(t, TEXT_DIM, "and %u more CPUs; see the JSON", nr - MAX_CPUS);
	}
	text_end(t);
	free(list);
}

void section_runq(struct text *t)
{
	run_queue(t);
	depth_shares(t);
}
