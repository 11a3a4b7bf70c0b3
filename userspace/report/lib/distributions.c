// SPDX-License-Identifier: BSD-2-Clause
/* Every histogram of a job in one table, so that they can be compared at a glance. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/lib/sections.h"

#define VALUES_WIDTH 10

static const struct column {
	const char *title, *member;
	bool narrow; /* kept where there is little room */
	bool exact;  /* not read from a bucket */
} columns[] = {
	{ "min", "hist.min", false, true },    { "p50", "hist.p50", true, false },
	{ "p90", "hist.p90", false, false },   { "p99", "hist.p99", true, false },
	{ "p99.9", "hist.p999", true, false }, { "max", "hist.max", true, true },
};

#define NR_COLUMNS (sizeof(columns) / sizeof(columns[0]))

static bool narrow(const struct text *t)
{
	return t->width < 90;
}

static unsigned name_width(const struct text *t)
{
	return t->width < 76 ? 16 : narrow(t) ? 20 : 24;
}

static unsigned column_width(const struct text *t)
{
	return (t->width - VALUES_WIDTH - name_width(t)) / (narrow(t) ? 4 : 6);
}

/* What the table needs explained below it. */
struct notes {
	bool rough, unsupported;
};

/* The field's words for the names that are known; others keep their names. */
static const char *title(const char *name)
{
	static const char *const words[][2] = {
		{ "sched.runq_latency", "runq latency" },
		{ "sched.offcpu", "off-CPU" },
		{ "block.latency", "block" },
		{ "runtime.submit_batch", "submit batch" },
		{ "runtime.reap_batch", "reap batch" },
		{ "runtime.loop_lag", "loop lag" },
	};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(name, words[i][0]))
			return words[i][1];
	return name;
}

static void right(struct text *t, unsigned col, const char *text)
{
	unsigned len = text_len(t, text);

	text_to(t, col > len ? col - len : 0);
	text_put(t, TEXT_PLAIN, "%s", text);
}

/* The kernel's buckets are 12.5 % wide: two digits and a "~" say so. */
static void row(struct text *t, const json_t *metric, struct notes *notes)
{
	const char *unit = metric_unit(metric);
	bool rough = bench_result_num(metric, "hist.error") > 0.05, utf8 = t->style->utf8;
	char *labels = metric_labels(metric, false), number[UNITS_MAX], cell[UNITS_MAX + 1];
	unsigned col = name_width(t);

	text_end(t);
	text_to(t, 2);
	t->indent = 4;
	text_words(t, TEXT_PLAIN, title(bench_result_str(metric, "name")));
	if (labels && *labels)
		text_words(t, TEXT_PLAIN, labels);
	free(labels);
	/* A long name has a line of its own. */
	if (t->col >= name_width(t) + 2)
		text_end(t);
	for (unsigned i = 0; i < NR_COLUMNS; i++) {
		double v = bench_result_num(metric, columns[i].member);
		bool exact = !rough || columns[i].exact;

		if (narrow(t) && !columns[i].narrow)
			continue;
		if (exact)
			units_value(number, v, unit, utf8);
		else
			units_rough(number, v, unit, utf8);
		snprintf(cell, sizeof(cell), "%s%s", exact || !isfinite(v) ? "" : "~", number);
		right(t, col += column_width(t), cell);
		notes->rough = notes->rough || !exact;
		notes->unsupported = notes->unsupported || !isfinite(v);
	}
	right(t, t->width,
	      units_value(number, bench_result_num(metric, "hist.count"), "count", utf8));
	text_end(t);
}

static void heading(struct text *t)
{
	unsigned col = name_width(t);

	text_end(t);
	text_to(t, 2);
	text_put(t, TEXT_DIM, "distribution");
	for (unsigned i = 0; i < NR_COLUMNS; i++)
		if (!narrow(t) || columns[i].narrow)
			right(t, col += column_width(t), columns[i].title);
	right(t, t->width, "values");
	text_end(t);
}

static bool has_rows(const struct text *t, const struct metric_walk *w)
{
	return !t->shown[w->index] && json_is_object(bench_result_get(w->metric, "hist")) &&
	       bench_result_has_value(w->metric);
}

/* All of one name, at most TEXT_TOP. */
static void rows_of(struct text *t, const struct metric_walk *first, struct notes *notes)
{
	struct metric_walk w = { .next = first->index };
	unsigned nr = 0;

	while (metric_next(t, &w)) {
		if (!has_rows(t, &w) || strcmp(w.name, first->name))
			continue;
		t->shown[w.index] = true;
		if (nr++ < TEXT_TOP)
			row(t, w.metric, notes);
	}
	if (nr > TEXT_TOP) {
		text_to(t, 4);
		text_put(t, TEXT_DIM, "and %u more of %s; see the JSON", nr - TEXT_TOP,
			 first->name);
		text_end(t);
	}
}

void section_distributions(struct text *t)
{
	struct metric_walk w = { 0 };
	struct notes notes = { 0 };
	bool any = false;

	while (metric_next(t, &w)) {
		if (!has_rows(t, &w))
			continue;
		if (!any)
			heading(t);
		any = true;
		rows_of(t, &w, &notes);
	}
	if (notes.rough || notes.unsupported) {
		t->indent = 2;
		text_to(t, 2);
		if (notes.rough)
			text_item(t, TEXT_DIM, "~ within 12.5 %%, counted in the kernel");
		if (notes.unsupported)
			text_item(t, TEXT_DIM, "- too few values to tell");
		text_end(t);
	}
}
