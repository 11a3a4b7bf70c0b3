// SPDX-License-Identifier: BSD-2-Clause
// What all screens share: the moment that is looked at, and what is known of it.
#include "view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "draw.h"

struct frame view_frame(const struct view *v)
{
	struct frame f = { 0 };

	if (v->job >= v->model.nr_jobs)
		return f;
	f.job = &v->model.jobs[v->job];
	f.doc = job_doc(&v->model, f.job, v->at_ns);
	/* A job chosen from another time is looked at as a whole. */
	if (!f.doc && v->chosen && f.job->docs.nr)
		f.doc = f.job->docs.list[f.job->docs.nr - 1].doc;
	f.latency = job_latency(f.job, v->at_ns);
	f.nr_rows = job_rows(f.job, v->at_ns);
	if (!f.nr_rows && v->chosen)
		f.nr_rows = f.job->nr_rows;
	f.row = f.nr_rows ? &f.job->rows[f.nr_rows - 1] : NULL;
	return f;
}

bool view_passes(const struct view *v, const char *text)
{
	return !v->filter[0] || strcasestr(text, v->filter);
}

size_t view_scroll(struct view *v, size_t nr, int rows)
{
	size_t *line = &v->line[v->screen], *top = &v->top[v->screen];
	size_t room = rows > 0 ? (size_t)rows : 1;

	if (*line >= nr)
		*line = nr ? nr - 1 : 0;
	if (*line < *top)
		*top = *line;
	if (*line >= *top + room)
		*top = *line - room + 1;
	if (*top + room > nr)
		*top = nr > room ? nr - room : 0;
	return *top;
}

double *view_column(const struct frame *f, const char *name, size_t *ret_nr)
{
	size_t column = f->job ? job_column(f->job, name) : SIZE_MAX;
	double *values;

	*ret_nr = 0;
	if (column == SIZE_MAX || !f->nr_rows)
		return NULL;
	values = calloc(f->nr_rows, sizeof(*values));
	for (size_t i = 0; values && i < f->nr_rows; i++)
		values[i] = f->job->rows[i].values[column];
	*ret_nr = values ? f->nr_rows : 0;
	return values;
}

double view_now(const struct frame *f, const char *name)
{
	size_t column = f->job ? job_column(f->job, name) : SIZE_MAX;

	return column == SIZE_MAX || !f->row ? NAN : f->row->values[column];
}

bool view_nothing(const struct frame *f, int y, const char *what)
{
	if (!f->job)
		draw(y, 2, 200, DIM, "no job has begun");
	else if (!f->doc && !f->row)
		draw(y, 2, 200, DIM, "%s: nothing measured yet; the first trial is still to come",
		     f->job->name ? f->job->name : "");
	else if (what)
		draw(y, 2, 200, DIM, "%s", what);
	else
		return false;
	return true;
}
