// SPDX-License-Identifier: BSD-2-Clause
// Run queues: depth of each CPU over time, run-queue latency, who kept the workers off.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/result.h"
#include "draw.h"
#include "metric.h"
#include "view.h"

/* A full block stands for this depth: twice as much work as the CPU can do. */
#define DEPTH_FULL 4

/* Columns "runq_depth.N" of the job. */
static size_t cpu_columns(const struct frame *f, size_t *list, size_t room)
{
	size_t nr = 0;

	for (size_t i = 0; f->job && i < f->job->nr_columns && nr < room; i++)
		if (!strncmp(f->job->columns[i], "runq_depth.", 11))
			list[nr++] = i;
	return nr;
}

static size_t lines(const struct view *v)
{
	struct frame f = view_frame(v);
	size_t list[1024];

	return cpu_columns(&f, list, 1024);
}

static void draw_cpu(const struct view *v, const struct frame *f, int y, size_t column)
{
	const char *cpu = f->job->columns[column] + strlen("runq_depth.");
	char waiting[40], depth[UNITS_MAX], queued[UNITS_MAX];
	size_t nr;
	double *values = view_column(f, f->job->columns[column], &nr);

	snprintf(waiting, sizeof(waiting), "runq_waiting.%s", cpu);
	draw(y, 2, 10, PLAIN, "cpu %s", cpu);
	draw_right(y, 11, 7, BOLD, "%s",
		   units_value(depth, view_now(f, f->job->columns[column]), "", draw_utf8()));
	draw_right(y, 19, 8, PLAIN, "%s",
		   units_value(queued, view_now(f, waiting), "", draw_utf8()));
	draw_heat(y, 29, v->width - 30, ACCENT, values, nr, DEPTH_FULL);
	free(values);
}

static int draw_latency(const json_t *doc, int y, int width)
{
	static const char *const names[] = { "p50", "p90", "p99", "p999", "max" };
	size_t at = 0;
	const json_t *hist = json_object_get(metric_of(doc, "sched.runq_latency", &at), "hist");
	char text[UNITS_MAX];
	int x = 18;

	draw(y, 2, 16, PLAIN, "runq latency");
	if (!hist)
		return draw(y, x, width - x, DIM, "not measured"), 1;
	for (unsigned i = 0; i < 5; i++) {
		double value = bench_result_num(hist, names[i]);

		if (isnan(value))
			continue;
		x += draw(y, x, width - x, DIM, "%s ", i == 3 ? "p99.9" : names[i]);
		x += draw(y, x, width - x, BOLD, "%s   ", units_value(text, value, "ns", draw_utf8()));
	}
	return 1;
}

static void draw_blame(const struct view *v, const json_t *doc, int y, int rows)
{
	size_t nr;
	const json_t **list = metric_sorted(doc, "sched.blame", &nr);
	double most = nr ? bench_result_num(list[0], "value") : 0;

	if (rows > 0 && !nr)
		draw(y, 2, v->width, DIM, "nobody kept the workers waiting, or it is not measured");
	for (size_t i = 0; i < nr && (int)i < rows; i++) {
		const json_t *labels = json_object_get(list[i], "labels"), *value;
		char text[UNITS_MAX], who[120] = "";
		const char *key, *why;

		json_object_foreach((json_t *)labels, key, value)
			snprintf(who + strlen(who), sizeof(who) - strlen(who), "%s%s",
				 who[0] ? " " : "", json_string_value(value));
		draw(y + (int)i, 2, 34, PLAIN, "%s", who);
		draw_right(y + (int)i, 36, 10, BOLD, "%s", metric_text(text, list[i], &why));
		draw_bar(y + (int)i, 48, v->width - 50, BAD,
			 bench_result_num(list[i], "value") / most);
	}
	free(list);
}

static void draw_screen(struct view *v, int y, int rows)
{
	struct frame f = view_frame(v);
	size_t list[1024], nr = cpu_columns(&f, list, 1024), top;
	int room = (int)nr < rows / 2 ? (int)nr : rows / 2;

	if (view_nothing(&f, y, NULL))
		return;
	draw(y, 2, 10, DIM, "run queue");
	draw_right(y, 11, 7, DIM, "depth");
	draw_right(y, 19, 8, DIM, "waiting");
	draw(y, 29, v->width - 30, DIM, "depth over time, newest right; full = %d or more",
	     DEPTH_FULL);
	if (!nr)
		room = draw(y + 1, 2, v->width, DIM, "no depth over time: no probes, or not told "
						     "of while nobody watched") > 0;
	top = view_scroll(v, nr, room);
	for (size_t i = top; i < nr && (int)(i - top) < room; i++)
		draw_cpu(v, &f, y + 1 + (int)(i - top), list[i]);
	y += 1 + room;
	rows -= 1 + room;
	(void)draw_latency(f.doc, y + 1, v->width);
	draw_rule(y + 3, 0, v->width, "who kept workers waiting (time in a trial)");
	draw_blame(v, f.doc, y + 4, rows - 4);
}

const struct screen screen_runq = { "runq", draw_screen, lines, NULL };
