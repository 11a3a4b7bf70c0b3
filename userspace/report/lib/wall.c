// SPDX-License-Identifier: BSD-2-Clause
/* Where the wall time went: a bar for each cause, largest first, who kept the workers from running,
 * and what the threads slept for that no cause names. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/lib/sections.h"

#define MAX_BARS 6
#define BAR_FROM 0.02 /* smaller causes share a line: their bar would be one sign */
#define BAR_MAX 50
#define CAUSE_WIDTH 14
#define SHARE_WIDTH 9
#define TOP_THIEVES 5
#define TOP_STACKS 3
/* A task is unlike the others when a cause takes this much more or less of its time. */
#define UNLIKE 0.15
/* Below this share of the wall time on the run queue, it does not matter who was in the way. */
#define WAITED_FROM 0.005

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

static int by_share_down(const void *a, const void *b)
{
	double x = bench_result_num(*(const json_t *const *)a, "value");
	double y = bench_result_num(*(const json_t *const *)b, "value");

	return x < y ? 1 : x > y ? -1 : 0;
}

static bool is_residual(const json_t *metric)
{
	return !strcmp(metric_label(metric, "cause"), "unaccounted");
}

/* Eighths of a column where the terminal has them. */
static void bar_row(struct text *t, const json_t *metric, bool first)
{
	double share = bench_result_num(metric, "value");
	char text[UNITS_MAX];
	unsigned len;

	text_row(t, first ? "wall time" : "");
	text_put(t, first ? TEXT_BOLD : TEXT_PLAIN, "%.32s", metric_label(metric, "cause"));
	len = text_len(t, units_share(text, share));
	text_to(t, TEXT_INDENT + CAUSE_WIDTH + SHARE_WIDTH - (len < SHARE_WIDTH ? len : 0));
	text_put(t, first ? TEXT_BOLD : TEXT_PLAIN, "%s ", text);
	text_bar(t, share, BAR_MAX);
}

static void share_item(struct text *t, const json_t *metric)
{
	double share = bench_result_num(metric, "value");
	bool wrong = is_residual(metric) && fabs(share) > 0.01;
	char text[UNITS_MAX];

	text_item(t, wrong ? TEXT_RED : TEXT_PLAIN, "%s %s", metric_label(metric, "cause"),
		  units_share(text, share));
}

/* All causes with a share, and always the part that could not be explained. */
static void wall_bars(struct text *t)
{
	const json_t **list = calloc(json_array_size(t->metrics) + 1, sizeof(*list));
	unsigned nr = 0, bars = 0;
	struct metric_walk w = { 0 };

	while (list && metric_next(t, &w)) {
		if (t->shown[w.index] || !is_cause(w.metric))
			continue;
		t->shown[w.index] = true;
		if (bench_result_num(w.metric, "value") != 0 || is_residual(w.metric))
			list[nr++] = w.metric;
	}
	if (nr)
		qsort(list, nr, sizeof(*list), by_share_down);
	for (; bars < nr && bars < MAX_BARS; bars++) {
		if (bench_result_num(list[bars], "value") < BAR_FROM || is_residual(list[bars]))
			break;
		bar_row(t, list[bars], !bars);
	}
	if (bars < nr)
		text_row(t, bars ? "" : "wall time");
	for (unsigned i = bars; i < nr; i++)
		share_item(t, list[i]);
	text_end(t);
	free(list);
}

/* Trials that are in none of the rows above. */
static void trials_left_out(struct text *t)
{
	const json_t *metric = bench_result_metric(t->job, "wall.time", "cause", "unaccounted"),
		     *one;
	size_t i;

	json_array_foreach (json_object_get(metric, "left_out"), i, one) {
		text_row(t, i ? "" : "left out");
		text_put(t, TEXT_YELLOW, "trial %.0f: %.120s", bench_result_num(one, "trial"),
			 bench_result_str(one, "note"));
		text_end(t);
	}
}

/* --- tasks that are unlike the rest --- */

static double job_share(const struct text *t, const char *cause)
{
	return bench_result_num(bench_result_metric(t->job, "wall.time", "cause", cause), "value");
}

/* "task 812 apt: runqueue 31.0 % (all 12.0 %)" for each task with a cause far from the job's. Rows
 * of the rest are in the JSON. */
static void unlike_tasks(struct text *t)
{
	struct metric_walk w = { 0 };
	unsigned nr = 0, more = 0;

	while (metric_next(t, &w)) {
		const char *cause = metric_label(w.metric, "cause");
		double value = bench_result_num(w.metric, "value"), all = job_share(t, cause);
		char own[UNITS_MAX], mean[UNITS_MAX];

		if (t->shown[w.index] || strcmp(w.name, "wall.time_of") ||
		    !bench_result_has_value(w.metric))
			continue;
		t->shown[w.index] = true;
		if (!(fabs(value - all) > UNLIKE))
			continue;
		if (nr >= TOP_THIEVES) {
			more++;
			continue;
		}
		if (!nr++)
			text_row(t, "unlike others");
		text_item(t, TEXT_PLAIN, "%.40s: %s %s (all %s)", metric_label(w.metric, "task"),
			  cause, units_share(own, value), units_share(mean, all));
	}
	if (more)
		text_item(t, TEXT_DIM, "and %u more; see the JSON", more);
	text_end(t);
}

/* --- who kept the workers from running --- */

static double blame_sum(const struct text *t)
{
	struct metric_walk w = { 0 };
	double sum = 0;

	while (metric_next(t, &w))
		if (!strcmp(w.name, "sched.blame") && bench_result_has_value(w.metric))
			sum += bench_result_num(w.metric, "value");
	return sum;
}

static void thieves(struct text *t)
{
	const json_t **list = calloc(json_array_size(t->metrics) + 1, sizeof(*list));
	double sum = blame_sum(t);
	bool matters = !(job_share(t, "runqueue") < WAITED_FROM); /* unknown counts */
	struct metric_walk w = { 0 };
	unsigned nr = 0;

	while (list && metric_next(t, &w)) {
		if (t->shown[w.index] || strcmp(w.name, "sched.blame") ||
		    !bench_result_has_value(w.metric))
			continue;
		t->shown[w.index] = true;
		if (matters && bench_result_num(w.metric, "value") > 0)
			list[nr++] = w.metric;
	}
	if (nr) {
		qsort(list, nr, sizeof(*list), by_share_down);
		text_row(t, "kept off by");
	}
	for (unsigned i = 0; i < nr && i < TOP_THIEVES; i++) {
		char *labels = metric_labels(list[i], false), share[UNITS_MAX], ns[UNITS_MAX];

		text_item(t, TEXT_PLAIN, "%s %s (%s)", labels && *labels ? labels : "?",
			  units_share(share, bench_result_num(list[i], "value") / sum),
			  metric_value(t, ns, list[i]));
		free(labels);
	}
	if (nr > TOP_THIEVES)
		text_item(t, TEXT_DIM, "and %u more; see the JSON", nr - TOP_THIEVES);
	text_end(t);
	free(list);
}

/* --- stacks --- */

static void stack_row(struct text *t, const json_t *stack, bool first)
{
	const json_t *frames = bench_result_get(stack, "frames"), *frame;
	double ns = bench_result_num(stack, "ns");
	char text[UNITS_MAX];
	unsigned nr = 0;
	size_t i;

	text_row(t, first ? "stacks" : "");
	text_words(t, TEXT_PLAIN, bench_result_str(stack, "cause"));
	if (isfinite(ns))
		text_words(t, TEXT_BOLD, units_value(text, ns, "ns", t->style->utf8));
	t->indent = TEXT_INDENT + 2;
	text_put(t, TEXT_PLAIN, ":");
	json_array_foreach (frames, i, frame) {
		if (!json_is_string(frame) || nr >= TEXT_TOP)
			continue;
		if (nr++)
			text_words(t, TEXT_DIM, "<");
		text_words(t, TEXT_DIM, json_string_value(frame));
	}
	text_end(t);
}

static void stacks(struct text *t)
{
	const json_t *list = bench_result_get(t->job, "stacks");
	size_t nr = json_array_size(list);

	for (size_t i = 0; i < nr && i < TOP_STACKS; i++)
		stack_row(t, json_array_get(list, i), !i);
}

/* --- checks that failed --- */

static void job_warnings(struct text *t)
{
	const json_t *warnings = bench_result_get(t->job, "warnings"), *warning;
	size_t i;

	json_array_foreach (warnings, i, warning) {
		if (!json_is_string(warning))
			continue;
		text_row(t, "check failed");
		text_words(t, TEXT_YELLOW, json_string_value(warning));
		text_end(t);
	}
}

void section_wall(struct text *t)
{
	wall_bars(t);
	trials_left_out(t);
	unlike_tasks(t);
	thieves(t);
	section_worst(t);
	stacks(t);
	job_warnings(t);
}
