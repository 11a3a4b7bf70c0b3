// SPDX-License-Identifier: BSD-2-Clause
// Counters, each with a mark for how good its value is.
#include <stdlib.h>
#include <string.h>

#include "bench/result.h"
#include "draw.h"
#include "metric.h"
#include "view.h"

static const char *const orders[] = { "result", "name", "value", NULL };

/* Good: counted all the time. What else it is, is written beside it. */
static const struct {
	const char *status, *mark;
	enum color color;
} marks[] = {
	{ "ok", "ok", GOOD },
	{ "scaled", "scaled", WARN },
	{ "not_counted", "not counted", BAD },
	{ "not_supported", "not here", DIM },
	{ "not_permitted", "forbidden", BAD },
	{ "skipped", "skipped", DIM },
	{ "invalid", "invalid", BAD },
};

static unsigned by;

static int compare(const void *a, const void *b)
{
	const json_t *x = *(const json_t *const *)a, *y = *(const json_t *const *)b;
	double p = bench_result_num(x, "value"), q = bench_result_num(y, "value");

	if (by == 1)
		return strcmp(text_of(x, "name"), text_of(y, "name"));
	return p < q || (p != p && q == q) ? 1 : p > q || q != q ? -1 : 0;
}

static const json_t **list_counters(const struct view *v, const json_t *doc, size_t *ret_nr)
{
	const json_t **list =
		calloc(json_array_size(json_object_get(doc, "metrics")) + 1, sizeof(*list));
	const json_t *metric;
	size_t nr = 0, at = 0;

	while (list && (metric = metric_of(doc, NULL, &at)))
		if (!strcmp(text_of(metric, "source"), "counter") &&
		    view_passes(v, text_of(metric, "name")))
			list[nr++] = metric;
	by = v->order[v->screen];
	if (list && by)
		qsort(list, nr, sizeof(*list), compare);
	*ret_nr = nr;
	return list;
}

static size_t lines(const struct view *v)
{
	struct frame f = view_frame(v);
	size_t nr;

	free(list_counters(v, f.doc, &nr));
	return nr;
}

static void draw_counter(const struct view *v, int y, const json_t *metric, bool selected)
{
	const char *status = text_of(metric, "status"), *why;
	char text[UNITS_MAX], trust[UNITS_MAX];

	draw(y, 0, 2, BOLD, selected ? (draw_utf8() ? "▶" : ">") : " ");
	draw(y, 2, 32, selected ? BOLD : PLAIN, "%s", text_of(metric, "name"));
	draw(y, 35, 7, DIM, "%s", metric_label(metric, "scope"));
	draw_right(y, 42, 12, BOLD, "%s", metric_text(text, metric, &why));
	if (!why[0])
		draw_right(y, 55, 10, PLAIN, "%s", metric_trust(trust, metric));
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (!strcmp(status, marks[i].status))
			draw(y, 67, 12, marks[i].color, "%s", marks[i].mark);
	draw(y, 79, v->width - 80, DIM, "%s", text_of(metric, "note"));
}

static void draw_screen(struct view *v, int y, int rows)
{
	struct frame f = view_frame(v);
	size_t nr, top;
	const json_t **list = list_counters(v, f.doc, &nr);

	if (!view_nothing(&f, y, nr || v->filter[0] ? NULL :
			      "no counters: they are counted with --counters, and shown when a trial is over")) {
		draw(y, 2, 30, DIM, "event");
		draw(y, 35, 7, DIM, "scope");
		draw_right(y, 42, 12, DIM, "in a trial");
		draw_right(y, 55, 10, DIM, "95 %%");
		draw(y, 67, 12, DIM, "quality");
		top = view_scroll(v, nr, rows - 1);
		for (size_t i = top; list && i < nr && (int)(i - top) < rows - 1; i++)
			draw_counter(v, y + 1 + (int)(i - top), list[i], i == v->line[v->screen]);
	}
	free(list);
}

const struct screen screen_counters = { "counters", draw_screen, lines, orders };
