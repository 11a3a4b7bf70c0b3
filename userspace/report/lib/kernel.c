// SPDX-License-Identifier: BSD-2-Clause
/* What the kernel saw, what the runtime did, and every metric that no other part knows. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/lib/sections.h"

static bool is_cause(const json_t *metric)
{
	return !strcmp(bench_result_str(metric, "name"), "wall.time") &&
	       bench_result_has_value(metric);
}

const char *top_cause(char buf[UNITS_MAX], const json_t *job)
{
	const json_t *metrics = bench_result_get(job, "metrics"), *metric;
	char share[UNITS_MAX];
	double most = 0;
	size_t i;

	buf[0] = '\0';
	json_array_foreach (metrics, i, metric) {
		double value = bench_result_num(metric, "value");

		if (!is_cause(metric) || value <= most)
			continue;
		most = value;
		snprintf(buf, UNITS_MAX, "%.24s %.16s", metric_label(metric, "cause"),
			 units_share(share, value));
	}
	return buf;
}

static bool has_any(const struct text *t, const char *name)
{
	struct metric_walk w = { 0 };

	while (metric_next(t, &w))
		if (!t->shown[w.index] && !strcmp(w.name, name) && bench_result_has_value(w.metric))
			return true;
	return false;
}

static int by_share_down(const void *a, const void *b)
{
	double x = bench_result_num(*(const json_t *const *)a, "value");
	double y = bench_result_num(*(const json_t *const *)b, "value");

	return x < y ? 1 : x > y ? -1 : 0;
}

/* All causes with a share, largest first, and always the part that could not be explained. */
static void wall_time(struct text *t)
{
	const json_t **list = calloc(json_array_size(t->metrics) + 1, sizeof(*list));
	struct metric_walk w = { 0 };
	unsigned nr = 0;

	while (list && metric_next(t, &w)) {
		if (!is_cause(w.metric))
			continue;
		t->shown[w.index] = true;
		if (bench_result_num(w.metric, "value") != 0 ||
		    !strcmp(metric_label(w.metric, "cause"), "unaccounted"))
			list[nr++] = w.metric;
	}
	if (nr) {
		qsort(list, nr, sizeof(*list), by_share_down);
		text_row(t, "wall time");
	}
	for (unsigned i = 0; i < nr; i++) {
		const char *cause = metric_label(list[i], "cause");
		double share = bench_result_num(list[i], "value");
		bool residual = !strcmp(cause, "unaccounted");
		char text[UNITS_MAX];

		text_item(t,
			  residual && fabs(share) > 0.01 ? TEXT_RED
			  : i				 ? TEXT_PLAIN
							 : TEXT_BOLD,
			  "%s %s", cause, units_share(text, share));
	}
	text_end(t);
	free(list);
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

/* "depth 1.98 tasks on average  0.12 of them waiting  5 at most  CPU 0: 1.00 (max 3)  ..." */
static void run_queue(struct text *t)
{
	struct metric_walk w = { 0 };
	unsigned cpus = 0;
	char most[32];

	if (!has_any(t, "sched.runq_depth"))
		return;
	text_row(t, "run queue");
	depth_item(t, "sched.runq_depth", "tasks on average (running and waiting)");
	depth_item(t, "sched.runq_waiting", "waiting");
	depth_item(t, "sched.runq_depth_max", "at most");
	while (metric_next(t, &w)) {
		const char *cpu = metric_label(w.metric, "cpu");
		const json_t *max;

		if (t->shown[w.index] || strcmp(w.name, "sched.runq_depth") || !*cpu ||
		    !bench_result_has_value(w.metric))
			continue;
		t->shown[w.index] = true;
		depth_of(t, "sched.runq_waiting", cpu);
		max = depth_of(t, "sched.runq_depth_max", cpu);
		if (cpus++ >= TEXT_TOP)
			continue;
		snprintf(most, sizeof(most), " (max %.3g)", bench_result_num(max, "value"));
		text_item(t, TEXT_PLAIN, "CPU %s: %.3g%s", cpu, bench_result_num(w.metric, "value"),
			  max ? most : "");
	}
	if (cpus > TEXT_TOP)
		text_item(t, TEXT_DIM, "and %u more; see the JSON", cpus - TEXT_TOP);
	text_end(t);
}

static bool is_depth_share(const struct text *t, const struct metric_walk *w)
{
	return !t->shown[w->index] && !strcmp(w->name, "sched.runq_time") &&
	       bench_result_has_value(w->metric);
}

static int by_depth_up(const void *a, const void *b)
{
	long x = strtol(metric_label(*(const json_t *const *)a, "depth"), NULL, 10);
	long y = strtol(metric_label(*(const json_t *const *)b, "depth"), NULL, 10);

	return (x > y) - (x < y);
}

/* "CPU 0:  0 tasks 1.2 %  1 task 90.1 %  2 tasks 8.7 %" for the CPU of the first metric. */
static void depth_shares_of(struct text *t, const struct metric_walk *first, bool print)
{
	const char *cpu = metric_label(first->metric, "cpu");
	const json_t **list = calloc(json_array_size(t->metrics) + 1, sizeof(*list));
	struct metric_walk w = { .next = first->index };
	unsigned nr = 0;
	char share[UNITS_MAX];

	while (list && metric_next(t, &w)) {
		if (!is_depth_share(t, &w) || strcmp(metric_label(w.metric, "cpu"), cpu))
			continue;
		t->shown[w.index] = true;
		if (bench_result_num(w.metric, "value") >= 0.0001)
			list[nr++] = w.metric;
	}
	if (nr)
		qsort(list, nr, sizeof(*list), by_depth_up);
	if (print)
		text_item(t, TEXT_PLAIN, "CPU %s:", cpu);
	for (unsigned i = 0; print && i < nr; i++) {
		const char *depth = metric_label(list[i], "depth");

		text_item(t, TEXT_PLAIN, "%s %s %s", depth, strcmp(depth, "1") ? "tasks" : "task",
			  units_share(share, bench_result_num(list[i], "value")));
	}
	free(list);
}

static void depth_shares(struct text *t)
{
	struct metric_walk w = { 0 };
	unsigned cpus = 0;

	while (metric_next(t, &w)) {
		if (!is_depth_share(t, &w))
			continue;
		if (cpus < 4)
			text_row(t, cpus ? "" : "time at depth");
		depth_shares_of(t, &w, cpus++ < 4);
	}
	if (cpus > 4)
		text_item(t, TEXT_DIM, "and %u more CPUs; see the JSON", cpus - 4);
	text_end(t);
}

/* Rows in the order of the report: a name of a metric, or of a family when it ends with a dot. */
static const struct flow {
	const char *row, *name, *word; /* word: before each item, "" = the name itself */
	bool zeros;
} flows[] = {
	{ "scheduler", "sched.switches", "switches", true },
	{ "scheduler", "sched.migrations", "migrations", true },
	{ "scheduler", "sched.work_conservation", "waited while a CPU idled", true },
	{ "scheduler", "sched.", "", true },
	{ "waited for", "sched.blame", NULL, false },
	{ "by task", "wall.time_of", NULL, false },
	{ "interrupts", "irq.time", "irq", false },
	{ "interrupts", "softirq.time", "softirq", false },
	{ "block I/O", "block.bytes", NULL, false },
	{ "block I/O", "block.", "", false },
	{ "kernel", "fault.count", "faults", true },
	{ "kernel", "net.retransmits", "TCP retransmits", true },
	{ "kernel", "uring.punts", "io_uring punts", true },
	{ "runtime", "runtime.", "", true },
	{ "host", "host.", "", true },
	{ "host", "tool.cpu", "bench itself", true },
};

static bool flow_has(const struct flow *f, const char *name)
{
	size_t len = strlen(f->name);

	/* A family leaves to a later row what that names in full. */
	if (f->name[len - 1] != '.')
		return !strcmp(name, f->name);
	if (strncmp(name, f->name, len))
		return false;
	for (unsigned i = 0; i < sizeof(flows) / sizeof(flows[0]); i++)
		if (!strcmp(flows[i].name, name))
			return false;
	return true;
}

static void flow_row(struct text *t, const struct flow *f, bool *begun)
{
	struct metric_walk w = { 0 };

	while (metric_next(t, &w)) {
		const char *word = f->word;

		if (t->shown[w.index] || !flow_has(f, w.name) || !bench_result_has_value(w.metric))
			continue;
		if (!*begun)
			text_row(t, f->row);
		*begun = true;
		if (word && !*word)
			word = w.name + strlen(f->name);
		metric_list(t, w.name, word, f->zeros);
	}
}

void section_kernel(struct text *t)
{
	bool begun = false;

	wall_time(t);
	run_queue(t);
	depth_shares(t);
	for (unsigned i = 0; i < sizeof(flows) / sizeof(flows[0]); i++) {
		if (i && strcmp(flows[i].row, flows[i - 1].row))
			begun = false;
		flow_row(t, &flows[i], &begun);
	}
	text_end(t);
}
