// SPDX-License-Identifier: BSD-2-Clause
// All jobs: how far they are, how fast, and what limits them.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/result.h"
#include "causes.h"
#include "draw.h"
#include "metric.h"
#include "ui.h"

static const char *const orders[] = { "plan", "name", "largest wait", NULL };

/* The largest share of wall time, over all causes or over those of waiting. */
static const json_t *top_cause(const json_t *doc, bool waiting)
{
	const json_t *metric, *top = NULL;
	size_t at = 0;

	while ((metric = metric_of(doc, "wall.time", &at))) {
		const char *cause = metric_label(metric, "cause");

		if (waiting && strncmp(cause, "blocked.", 8) && strcmp(cause, "runqueue"))
			continue;
		if (!top || bench_result_num(metric, "value") > bench_result_num(top, "value"))
			top = metric;
	}
	return top;
}

struct entry {
	size_t job;
	const char *name;
	double wait;
};

static unsigned by;

static int compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (by == 1 && strcmp(x->name, y->name))
		return strcmp(x->name, y->name);
	if (by == 2 && x->wait != y->wait)
		return x->wait < y->wait ? 1 : -1;
	return x->job < y->job ? -1 : 1;
}

/* Jobs that pass the filter, in order. malloc'ed. */
static struct entry *list_jobs(const struct view *v, size_t *ret_nr)
{
	struct entry *list = calloc(v->model.nr_jobs + 1, sizeof(*list));
	size_t nr = 0;

	for (size_t i = 0; list && i < v->model.nr_jobs; i++) {
		const struct job *job = &v->model.jobs[i];
		const json_t *doc = job_doc(&v->model, job, v->at_ns), *top = top_cause(doc, true);

		if (job->name && view_passes(v, job->name))
			list[nr++] = (struct entry){ i, job->name,
						     top ? bench_result_num(top, "value") : 0 };
	}
	by = v->order[0];
	if (list)
		qsort(list, nr, sizeof(*list), compare);
	*ret_nr = nr;
	return list;
}

static size_t lines(const struct view *v)
{
	size_t nr;

	free(list_jobs(v, &nr));
	return nr;
}

/* The job of the selected line, for who opens it. */
size_t overview_selected(const struct view *v)
{
	size_t nr, job = SIZE_MAX;
	struct entry *list = list_jobs(v, &nr);

	if (list && v->line[0] < nr)
		job = list[v->line[0]].job;
	free(list);
	return job;
}

static void draw_status(const struct view *v, int y, const struct job *job, size_t index)
{
	const json_t *doc = job_doc(&v->model, job, v->at_ns);
	const char *status = text_of(doc, "status");
	bool over = job->end_ns && job->end_ns <= v->at_ns;
	const struct moment *step = moment_at(&job->steps, v->at_ns);

	if (!job->begun || job->start_ns > v->at_ns)
		draw(y, 2, 12, DIM, "waiting");
	else if (over && strcmp(status, "ok"))
		draw(y, 2, 12, BAD, "%s", status);
	else if (over)
		draw(y, 2, 12, GOOD, "ok");
	else if (index == model_job_at(&v->model, v->at_ns))
		draw(y, 2, 12, ACCENT, "%s", step && step->text[0] ? step->text : "running");
	else
		draw(y, 2, 12, PLAIN, "%s", step ? step->text : "");
}

/* Of the rows so far, as many as fit. */
static void draw_line(const struct view *v, int y, int x, int width, const struct job *job)
{
	struct frame f = { .job = job, .nr_rows = job_rows(job, v->at_ns) };
	size_t nr;
	double *values = view_column(&f, "ops", &nr), max = 0;

	for (size_t i = 0; i < nr; i++)
		max = values[i] > max ? values[i] : max;
	draw_spark(y, x, width, ACCENT, values, nr, max);
	free(values);
}

static void draw_job(const struct view *v, int y, size_t index, bool selected)
{
	const struct job *job = &v->model.jobs[index];
	const json_t *doc = job_doc(&v->model, job, v->at_ns), *metric = metric_main(doc);
	const json_t *top = top_cause(doc, false);
	int right = v->width >= 110 ? 72 : 44, name = v->width - right - 16;
	char text[UNITS_MAX], trust[UNITS_MAX];
	const char *why;

	draw(y, 0, 2, BOLD, selected ? (draw_utf8() ? "▶" : ">") : " ");
	draw_status(v, y, job, index);
	draw(y, 15, name, selected ? BOLD : PLAIN, "%s", job->name);
	if (metric) {
		draw_right(y, v->width - right, 11, BOLD, "%s", metric_text(text, metric, &why));
		draw_right(y, v->width - right + 12, 9, PLAIN, "%s", metric_trust(trust, metric));
	}
	if (top && bench_result_has_value(top))
		draw(y, v->width - right + 23, 20, PLAIN, "%s %.0f%%", metric_label(top, "cause"),
		     bench_result_num(top, "value") * 100);
	if (right > 44)
		draw_line(v, y, v->width - right + 44, right - 45, job);
}

/* Shares of wall time by cause: of the last interval, else of the trials that are over. */
static void shares_now(const struct frame *f, double *shares)
{
	const json_t *metric;
	size_t at = 0;
	double sum = 0;

	for (size_t i = 0; i < nr_causes; i++) {
		char column[40];
		double value;

		snprintf(column, sizeof(column), "wall.%s", causes[i].name);
		value = view_now(f, column);
		shares[i] = value > 0 ? value : 0;
		sum += shares[i];
	}
	for (size_t i = 0; sum > 0 && i < nr_causes; i++)
		shares[i] /= sum;
	while (!(sum > 0) && (metric = metric_of(f->doc, "wall.time", &at))) {
		size_t cause = cause_index(metric_label(metric, "cause"));

		if (cause < nr_causes)
			shares[cause] = bench_result_num(metric, "value");
	}
}

/* What limits the job that is looked at: its causes and, when it is over, its verdicts. */
static int draw_limits(struct view *v, int y, int rows)
{
	struct frame f = view_frame(v);
	double shares[32] = { 0 };
	const json_t *verdict;
	size_t i;
	int used = 1;

	if (!f.job)
		return 0;
	draw_rule(y, 0, v->width, f.job->name ? f.job->name : "job");
	shares_now(&f, shares);
	used += causes_legend(y + used, 2, v->width - 2, rows > 3 ? 2 : 1, shares);
	json_array_foreach(json_object_get(f.doc, "verdicts"), i, verdict) {
		if (used < rows)
			used += draw_words(y + used, 2, v->width - 4, rows - used, BOLD,
					   text_of(verdict, "claim"));
	}
	return used;
}

static void draw_screen(struct view *v, int y, int rows)
{
	int right = v->width >= 110 ? 72 : 44, bottom = rows > 14 ? 6 : 3;
	size_t nr, top;
	struct entry *list = list_jobs(v, &nr);

	draw(y, 2, 12, DIM, "state");
	draw(y, 15, 20, DIM, "job");
	draw_right(y, v->width - right, 11, DIM, "throughput");
	draw_right(y, v->width - right + 12, 9, DIM, "95 %%");
	draw(y, v->width - right + 23, 20, DIM, "most time in");
	if (right > 44)
		draw(y, v->width - right + 44, 20, DIM, "ops/s over time");
	rows -= 1 + bottom;
	top = view_scroll(v, nr, rows);
	for (size_t i = top; i < nr && (int)(i - top) < rows; i++)
		draw_job(v, y + 1 + (int)(i - top), list[i].job, i == v->line[0]);
	free(list);
	(void)draw_limits(v, y + 1 + rows, bottom);
}

const struct screen screen_overview = { "overview", draw_screen, lines, orders };
