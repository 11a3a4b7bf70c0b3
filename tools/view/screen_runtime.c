// SPDX-License-Identifier: BSD-2-Clause
// The runtime: what is in flight over time, batches, overflows, loop lag, io workers.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/result.h"
#include "draw.h"
#include "metric.h"
#include "view.h"

static int draw_column(const struct view *v, const struct frame *f, int y, int rows,
		       const char *column, const char *title, const char *unit)
{
	char now[UNITS_MAX], top[UNITS_MAX];
	size_t nr;
	double *values = view_column(f, column, &nr), max = 0;

	if (!values)
		return 0;
	for (size_t i = 0; i < nr; i++)
		max = values[i] > max ? values[i] : max;
	draw(y, 2, v->width - 2, PLAIN, "%s  now %s  most %s", title,
	     units_value(now, values[nr - 1], unit, draw_utf8()),
	     units_value(top, max, unit, draw_utf8()));
	draw_graph(y + 1, 2, rows - 1, v->width - 4, ACCENT, values, nr, max);
	free(values);
	return rows + 1;
}

static const char *label_of(const json_t *metric)
{
	const json_t *label = json_object_iter_value(
		json_object_iter(json_object_get(metric, "labels")));

	return json_string_value(label) ? json_string_value(label) : "";
}

/* Two columns where there is room; then why the others have no value, once for each reason. */
static void draw_metrics(const struct view *v, const json_t *doc, int y, int rows)
{
	int columns = v->width >= 100 ? 2 : 1, nr = 0;
	const char *last_why = "", *why;
	const json_t *metric;
	size_t at = 0;

	for (int pass = 0; pass < 2; pass++, at = 0) {
		while ((metric = metric_of(doc, NULL, &at))) {
			const char *name = text_of(metric, "name");
			char text[UNITS_MAX];
			int x = 2 + nr % columns * (v->width / 2), row = nr / columns;

			if (strncmp(name, "runtime.", 8) && strncmp(name, "uring.", 6))
				continue;
			(void)metric_text(text, metric, &why);
			if (row >= rows || (pass == 0) != !why[0])
				continue;
			if (pass && strcmp(why, last_why)) {
				nr = (row + (nr % columns > 0)) * columns;
				draw(y + nr / columns, 2, v->width - 4, DIM, "not measured: %s", why);
				nr += columns;
			} else if (!pass) {
				draw(y + row, x, 28, PLAIN, "%s %s", strchr(name, '.') + 1,
				     label_of(metric));
				draw_right(y + row, x + 28, 14, BOLD, "%s", text);
				nr++;
			}
			last_why = why;
		}
	}
}

static void draw_screen(struct view *v, int y, int rows)
{
	struct frame f = view_frame(v);
	const json_t *runtime = json_object_get(v->model.run, "runtime");
	const char *own = text_of(f.doc, "runtime");
	int graph = rows / 3 > 3 ? rows / 3 : 3, used = 2;

	if (view_nothing(&f, y, NULL))
		return;
	draw(y, 2, v->width - 4, PLAIN, "%s runtime%s%s",
	     own[0] ? own : text_of(runtime, "active"), text_of(runtime, "reason")[0] ? ": " : "",
	     text_of(runtime, "reason"));
	used += draw_column(v, &f, y + used, graph, "ops", "operations", "1/s");
	used += draw_column(v, &f, y + used, graph, "inflight", "in flight", "ops");
	draw_metrics(v, f.doc, y + used, rows - used);
}

const struct screen screen_runtime = { "runtime", draw_screen, NULL, NULL };
