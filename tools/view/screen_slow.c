// SPDX-License-Identifier: BSD-2-Clause
// The slowest operations, newest first, each with what it waited for; Enter opens one.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/result.h"
#include "draw.h"
#include "metric.h"
#include "view.h"

static const char *const orders[] = { "newest", "slowest", NULL };

static unsigned by;

static int compare(const void *a, const void *b)
{
	const json_t *x = *(const json_t *const *)a, *y = *(const json_t *const *)b;
	const char *keys[] = { "trial", "at_ns" };

	for (unsigned i = 0; i < 2 && by == 0; i++) {
		double p = number_of(x, keys[i]), q = number_of(y, keys[i]);

		if (p != q)
			return p < q ? 1 : -1;
	}
	return number_of(x, "latency_ns") < number_of(y, "latency_ns") ? 1 : -1;
}

/* The largest cause of an operation. */
static const char *top_cause(const json_t *op, double *ret_ns)
{
	const char *key, *top = "";
	json_t *value;

	*ret_ns = 0;
	json_object_foreach(json_object_get(op, "causes"), key, value) {
		if (json_number_value(value) <= *ret_ns)
			continue;
		top = key;
		*ret_ns = json_number_value(value);
	}
	return top;
}

static const char *culprit(const json_t *op)
{
	return text_of(json_array_get(json_object_get(op, "culprits"), 0), "who");
}

static const json_t **list_ops(const struct view *v, const json_t *doc, size_t *ret_nr)
{
	const json_t *slow = json_object_get(doc, "slow");
	const json_t **list = calloc(json_array_size(slow) + 1, sizeof(*list));
	size_t nr = 0;
	double ns;

	for (size_t i = 0; list && i < json_array_size(slow); i++) {
		const json_t *op = json_array_get(slow, i);

		if (view_passes(v, top_cause(op, &ns)) || view_passes(v, culprit(op)))
			list[nr++] = op;
	}
	by = v->order[v->screen];
	if (list)
		qsort(list, nr, sizeof(*list), compare);
	*ret_nr = nr;
	return list;
}

static size_t lines(const struct view *v)
{
	struct frame f = view_frame(v);
	size_t nr;

	free(list_ops(v, f.doc, &nr));
	return nr;
}

static void draw_op(const struct view *v, int y, const json_t *op, bool selected)
{
	char latency[UNITS_MAX], part[UNITS_MAX];
	double ns;
	const char *cause = top_cause(op, &ns);

	draw(y, 0, 2, BOLD, selected ? (draw_utf8() ? "▶" : ">") : " ");
	draw_right(y, 2, 6, PLAIN, "%.0f", number_of(op, "trial"));
	draw_right(y, 9, 11, PLAIN, "%.3f s", number_of(op, "at_ns") / 1e9);
	draw_right(y, 21, 7, PLAIN, "%.0f", number_of(op, "worker"));
	draw_right(y, 29, 10, BOLD, "%s",
		   units_value(latency, number_of(op, "latency_ns"), "ns", draw_utf8()));
	draw_right(y, 40, 10, PLAIN, "%s", units_value(part, ns, "ns", draw_utf8()));
	draw(y, 51, 15, PLAIN, "%s", cause);
	draw(y, 67, v->width - 68, PLAIN, "%s", culprit(op));
}

static void draw_open(const struct view *v, int y, int rows, const json_t *op)
{
	double latency = number_of(op, "latency_ns");
	const char *key;
	json_t *value;
	char text[UNITS_MAX];
	size_t i;
	int row = 2;

	draw(y, 2, v->width, BOLD, "%s in trial %.0f, %.6f s into it, worker %.0f",
	     units_value(text, latency, "ns", draw_utf8()), number_of(op, "trial"),
	     number_of(op, "at_ns") / 1e9, number_of(op, "worker"));
	json_object_foreach(json_object_get(op, "causes"), key, value) {
		double ns = json_number_value(value);

		if (row >= rows)
			return;
		draw(y + row, 2, 16, PLAIN, "%s", key);
		draw_right(y + row, 18, 11, BOLD, "%s", units_value(text, ns, "ns", draw_utf8()));
		draw_bar(y + row, 31, v->width - 34, ACCENT, latency > 0 ? ns / latency : 0);
		row++;
	}
	row++;
	json_array_foreach(json_object_get(op, "culprits"), i, value) {
		if (row < rows)
			draw(y + row++, 2, v->width, PLAIN, "behind %s for %s", text_of(value, "who"),
			     units_value(text, number_of(value, "ns"), "ns", draw_utf8()));
	}
	if (text_of(op, "note")[0] && row < rows)
		draw(y + row, 2, v->width - 4, DIM, "%s", text_of(op, "note"));
}

static void draw_screen(struct view *v, int y, int rows)
{
	struct frame f = view_frame(v);
	size_t nr, top;
	const json_t **list = list_ops(v, f.doc, &nr);

	if (view_nothing(&f, y, nr || v->filter[0] ? NULL :
			      "no slow operations known yet; they come with each trial"))
		goto out;
	top = view_scroll(v, nr, rows - 1);
	if (v->open && list && nr) {
		draw_open(v, y, rows, list[v->line[v->screen]]);
		goto out;
	}
	draw_right(y, 2, 6, DIM, "trial");
	draw_right(y, 9, 11, DIM, "at");
	draw_right(y, 21, 7, DIM, "worker");
	draw_right(y, 29, 10, DIM, "latency");
	draw_right(y, 40, 10, DIM, "most of it");
	draw(y, 51, 15, DIM, "in");
	draw(y, 67, v->width - 68, DIM, "behind");
	for (size_t i = top; list && i < nr && (int)(i - top) < rows - 1; i++)
		draw_op(v, y + 1 + (int)(i - top), list[i], i == v->line[v->screen]);
out:
	free(list);
}

const struct screen screen_slow = { "slow", draw_screen, lines, orders };
