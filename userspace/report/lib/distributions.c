// SPDX-License-Identifier: BSD-2-Clause
/* Every histogram of a job in one table, so that they can be compared at a glance. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/lib/sections.h"

static const struct column {
	const char *title, *member;
	unsigned from; /* width of the page that has room for it */
	bool exact;    /* not read from a bucket */
} columns[] = {
	{ "min", "hist.min", 90, true },      { "p50", "hist.p50", 0, false },
	{ "p90", "hist.p90", 90, false },     { "p99", "hist.p99", 0, false },
	{ "p99.9", "hist.p999", 60, false },  { "max", "hist.max", 0, true },
	{ "values", "hist.count", 60, true },
};

#define NR_COLUMNS (sizeof(columns) / sizeof(columns[0]))
#define VALUES_WIDTH 10 /* of the last column, which ends with the page */

static unsigned name_width(const struct text *t)
{
	return t->width < 60 ? 13 : t->width < 76 ? 16 : t->width < 90 ? 20 : 24;
}

static bool has_column(const struct text *t, unsigned i)
{
	return t->width >= columns[i].from;
}

/* Where column i ends. */
static unsigned column_end(const struct text *t, unsigned i)
{
	unsigned before = 0, nr = 0, room = t->width - name_width(t);

	if (i == NR_COLUMNS - 1)
		return t->width;
	if (has_column(t, NR_COLUMNS - 1))
		room -= VALUES_WIDTH;
	for (unsigned k = 0; k < NR_COLUMNS - 1; k++) {
		nr += has_column(t, k);
		before += k <= i && has_column(t, k);
	}
	return name_width(t) + before * (room / nr);
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
	bool rough = bench_result_num(metric, "hist.error") > 0.05, utf8 = t->style->utf8;
	char *labels = metric_labels(metric, false), number[UNITS_MAX], cell[UNITS_MAX + 1];

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
		const char *unit = i < NR_COLUMNS - 1 ? metric_unit(metric) : "count";
		bool exact = !rough || columns[i].exact;

		if (!has_column(t, i))
			continue;
		if (exact)
			units_value(number, v, unit, utf8);
		else
			units_rough(number, v, unit, utf8);
		snprintf(cell, sizeof(cell), "%s%s", exact || !isfinite(v) ? "" : "~", number);
		right(t, column_end(t, i), cell);
		notes->rough = notes->rough || !exact;
		notes->unsupported = notes->unsupported || !isfinite(v);
	}
	text_end(t);
}

static void heading(struct text *t)
{
	text_end(t);
	text_to(t, 2);
	text_put(t, TEXT_DIM, "distribution");
	for (unsigned i = 0; i < NR_COLUMNS; i++)
		if (has_column(t, i))
			right(t, column_end(t, i), columns[i].title);
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
