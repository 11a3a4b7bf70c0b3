// SPDX-License-Identifier: BSD-2-Clause
// Where the workers' wall time went: all together over time, and each task by cause.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/result.h"
#include "causes.h"
#include "draw.h"
#include "metric.h"
#include "view.h"

struct task {
	const char *name;
	double shares[32], sum;
};

static int larger_first(const void *a, const void *b)
{
	double x = ((const struct task *)a)->sum, y = ((const struct task *)b)->sum;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* Rows of wall.time_of, one a task. malloc'ed. */
static struct task *tasks_of(const struct view *v, const json_t *doc, size_t *ret_nr)
{
	struct task *list = calloc(json_array_size(json_object_get(doc, "metrics")) + 1,
				   sizeof(*list));
	const json_t *metric;
	size_t nr = 0, at = 0, i;

	while (list && (metric = metric_of(doc, "wall.time_of", &at))) {
		const char *name = metric_label(metric, "task");
		size_t cause = cause_index(metric_label(metric, "cause"));
		double share = bench_result_num(metric, "value");

		if (!view_passes(v, name) || cause == nr_causes || !(share > 0))
			continue;
		for (i = 0; i < nr && strcmp(list[i].name, name); i++)
			;
		if (i == nr)
			list[nr++].name = name;
		list[i].shares[cause] = share;
		list[i].sum += share;
	}
	if (list)
		qsort(list, nr, sizeof(*list), larger_first);
	*ret_nr = nr;
	return list;
}

static size_t lines(const struct view *v)
{
	struct frame f = view_frame(v);
	size_t nr;

	free(tasks_of(v, f.doc, &nr));
	return nr;
}

static void draw_shares(int y, int x, int width, const double *shares, double sum)
{
	struct part parts[32];

	for (size_t i = 0; i < nr_causes; i++)
		parts[i] = (struct part){ sum > 0 ? shares[i] / sum : 0, causes[i].letter,
					  causes[i].color };
	draw_stack(y, x, width, parts, nr_causes);
}

static double total_of(const json_t *doc, double *shares)
{
	const json_t *metric;
	size_t at = 0;
	double sum = 0;

	while ((metric = metric_of(doc, "wall.time", &at))) {
		size_t cause = cause_index(metric_label(metric, "cause"));
		double share = bench_result_num(metric, "value");

		if (cause == nr_causes || !(share > 0))
			continue;
		shares[cause] = share;
		sum += share;
	}
	return sum;
}

/* The last rows of the series, one below the other: oldest first. */
static int draw_series(const struct view *v, const struct frame *f, int y, int rows)
{
	int room = rows < (int)f->nr_rows ? rows : (int)f->nr_rows;

	for (int i = 0; i < room; i++) {
		size_t at = f->nr_rows - (size_t)(room - i);
		const struct row *row = &f->job->rows[at];
		double shares[32] = { 0 }, sum = 0;

		for (size_t c = 0; c < nr_causes; c++) {
			char name[40];
			size_t column;

			snprintf(name, sizeof(name), "wall.%s", causes[c].name);
			column = job_column(f->job, name);
			if (column == SIZE_MAX || !(row->values[column] > 0))
				continue;
			shares[c] = row->values[column];
			sum += shares[c];
		}
		draw_right(y + i, 2, 10, DIM, "%.2f s", (double)row->at_ns / 1e9);
		draw_shares(y + i, 14, v->width - 16, shares, sum);
	}
	return room;
}

static void draw_screen(struct view *v, int y, int rows)
{
	struct frame f = view_frame(v);
	double shares[32] = { 0 }, sum = total_of(f.doc, shares);
	size_t nr, top;
	struct task *list;
	int half = (rows - 6) / 2, used;

	if (view_nothing(&f, y, NULL))
		return;
	draw(y, 2, 10, BOLD, "all");
	draw_shares(y, 14, v->width - 16, shares, sum);
	causes_legend(y + 1, 14, v->width - 14, 2, shares);
	draw_rule(y + 3, 0, v->width, "over time (newest last)");
	used = draw_series(v, &f, y + 4, half > 0 ? half : 0);
	y += 4 + used;
	rows -= 4 + used;
	draw_rule(y, 0, v->width, "by task, in the trials that are over");
	list = tasks_of(v, f.doc, &nr);
	top = view_scroll(v, nr, rows - 1);
	if (!nr)
		draw(y + 1, 2, v->width, DIM, "no single tasks told of");
	for (size_t i = top; list && i < nr && (int)(i - top) < rows - 1; i++) {
		int line = y + 1 + (int)(i - top);

		draw(line, 2, 20, i == v->line[v->screen] ? BOLD : PLAIN, "%s", list[i].name);
		draw_right(line, 23, 7, PLAIN, "%.1f %%", list[i].sum * 100);
		draw_shares(line, 32, v->width - 34, list[i].shares, list[i].sum);
	}
	free(list);
}

const struct screen screen_ledger = { "ledger", draw_screen, lines, NULL };
