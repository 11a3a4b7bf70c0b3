// SPDX-License-Identifier: BSD-2-Clause
#include "model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/result.h"

const char *text_of(const json_t *object, const char *path)
{
	return bench_result_str(object, path);
}

double number_of(const json_t *object, const char *path)
{
	return bench_result_num(object, path);
}

static uint64_t ns_of(const json_t *object, const char *name)
{
	double value = number_of(object, name);

	return value > 0 ? (uint64_t)value : 0;
}

/* realloc() that ends the program: a viewer without memory has nothing to show. */
static void *grow(void *list, size_t nr, size_t *room, size_t size)
{
	if (nr < *room)
		return list;
	*room = *room ? 2 * *room : 16;
	list = realloc(list, *room * size);
	if (!list)
		abort();
	return list;
}

static void add_moment(struct moments *m, uint64_t at_ns, const char *text, json_t *doc)
{
	m->list = grow(m->list, m->nr, &m->room, sizeof(*m->list));
	m->list[m->nr++] = (struct moment){ at_ns, text ? strdup(text) : NULL, json_incref(doc) };
}

static void free_moments(struct moments *m)
{
	for (size_t i = 0; i < m->nr; i++) {
		free(m->list[i].text);
		json_decref(m->list[i].doc);
	}
	free(m->list);
}

static void free_rows(struct job *job)
{
	for (size_t i = 0; i < job->nr_rows; i++)
		free(job->rows[i].values);
	for (size_t i = 0; i < job->nr_columns; i++)
		free(job->columns[i]);
	free(job->rows);
	free(job->columns);
	job->rows = NULL;
	job->columns = NULL;
	job->nr_rows = job->room = job->nr_columns = 0;
}

void model_init(struct model *model)
{
	*model = (struct model){ .tool_share = NAN, .current = SIZE_MAX };
}

void model_done(struct model *model)
{
	for (size_t i = 0; i < model->nr_jobs; i++) {
		struct job *job = &model->jobs[i];

		free_rows(job);
		free_moments(&job->steps);
		free_moments(&job->docs);
		free_moments(&job->latencies);
		free(job->name);
	}
	free(model->jobs);
	free_moments(&model->log);
	free_moments(&model->marks);
	json_decref(model->run);
}

static struct job *job_of(struct model *model, size_t index)
{
	if (index >= 1u << 20)
		return NULL;
	if (index >= model->nr_jobs) {
		model->jobs = realloc(model->jobs, (index + 1) * sizeof(*model->jobs));
		if (!model->jobs)
			abort();
		memset(&model->jobs[model->nr_jobs], 0,
		       (index + 1 - model->nr_jobs) * sizeof(*model->jobs));
		model->nr_jobs = index + 1;
	}
	return &model->jobs[index];
}

static void name_job(struct job *job, const char *name)
{
	if (!name[0] || (job->name && !strcmp(job->name, name)))
		return;
	free(job->name);
	job->name = strdup(name);
}

static void begin_job(struct model *model, struct job *job, uint64_t at_ns)
{
	if (!job->begun)
		job->start_ns = at_ns;
	job->begun = true;
	model->current = (size_t)(job - model->jobs);
}

static void set_columns(struct job *job, const json_t *names, size_t skip)
{
	size_t nr = json_array_size(names);

	free_rows(job);
	job->nr_columns = nr > skip ? nr - skip : 0;
	job->columns = calloc(job->nr_columns + 1, sizeof(*job->columns));
	if (!job->columns)
		abort();
	for (size_t i = 0; i < job->nr_columns; i++) {
		const char *name = json_string_value(json_array_get(names, i + skip));

		job->columns[i] = strdup(name ? name : "");
	}
}

static void add_row(struct job *job, uint64_t at_ns, uint64_t span_ns, unsigned trial,
		    const json_t *values, size_t skip)
{
	struct row *row;

	job->rows = grow(job->rows, job->nr_rows, &job->room, sizeof(*job->rows));
	row = &job->rows[job->nr_rows++];
	*row = (struct row){ at_ns, span_ns, trial,
			     calloc(job->nr_columns + 1, sizeof(*row->values)) };
	if (!row->values)
		abort();
	for (size_t i = 0; i < job->nr_columns; i++) {
		const json_t *value = json_array_get(values, i + skip);

		row->values[i] = json_is_number(value) ? json_number_value(value) : NAN;
	}
}

/* The rows of a job that is over come with it. */
#define SERIES_SKIP 3 /* at_ns, span_ns, trial */

static void load_series(struct job *job, const json_t *doc, uint64_t first_ns)
{
	const json_t *series = json_object_get(doc, "series"), *rows;

	if (!series || !first_ns)
		return;
	set_columns(job, json_object_get(series, "columns"), SERIES_SKIP);
	rows = json_object_get(series, "rows");
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		uint64_t at = (uint64_t)json_integer_value(json_array_get(row, 0));
		uint64_t span = (uint64_t)json_integer_value(json_array_get(row, 1));

		add_row(job, first_ns + at + span, span,
			(unsigned)json_integer_value(json_array_get(row, 2)), row, SERIES_SKIP);
	}
}

static void take_doc(struct model *model, struct job *job, const json_t *message, uint64_t at_ns)
{
	json_t *doc = json_object_get(message, "doc"), *text;
	size_t i;

	begin_job(model, job, at_ns);
	name_job(job, text_of(doc, "name"));
	add_moment(&job->docs, at_ns, NULL, doc);
	json_array_foreach(json_object_get(message, "warnings"), i, text)
		add_moment(&model->log, at_ns, json_string_value(text), NULL);
	if (!json_is_true(json_object_get(message, "over")))
		return;
	job->end_ns = at_ns;
	/* Told while it ran, rows are at hand already: with what was before somebody watched. */
	load_series(job, doc, ns_of(doc, "at_ns"));
}

static void take_run(struct model *model, const json_t *message)
{
	const json_t *name;
	size_t i;

	model->run = json_deep_copy(message);
	model->expected_ns = ns_of(message, "expected_ns");
	json_array_foreach(json_object_get(message, "jobs"), i, name) {
		struct job *job = job_of(model, i);

		if (job)
			name_job(job, json_string_value(name) ? json_string_value(name) : "");
	}
}

static void note_tool(struct model *model, const json_t *message, uint64_t at_ns)
{
	uint64_t ns = ns_of(message, "tool_ns");

	/* Over half a second: a line by itself is no load. */
	if (model->tool_at_ns && at_ns < model->tool_at_ns + 500000000)
		return;
	if (model->tool_at_ns && ns >= model->tool_ns)
		model->tool_share = (double)(ns - model->tool_ns) /
				    (double)(at_ns - model->tool_at_ns);
	model->tool_ns = ns;
	model->tool_at_ns = at_ns;
}

static void take_of_job(struct model *model, struct job *job, const json_t *message,
			const char *type, uint64_t at_ns)
{
	if (!strcmp(type, "step")) {
		begin_job(model, job, at_ns);
		name_job(job, text_of(message, "name"));
		add_moment(&job->steps, at_ns, text_of(message, "text"), NULL);
	} else if (!strcmp(type, "columns")) {
		set_columns(job, json_object_get(message, "names"), 0);
	} else if (!strcmp(type, "row")) {
		add_row(job, at_ns, ns_of(message, "span_ns"), (unsigned)ns_of(message, "trial"),
			json_object_get(message, "values"), 0);
	} else if (!strcmp(type, "latency")) {
		add_moment(&job->latencies, at_ns, NULL, json_object_get(message, "metric"));
	} else if (!strcmp(type, "doc")) {
		take_doc(model, job, message, at_ns);
	} else if (!strcmp(type, "mark")) {
		add_moment(&model->marks, at_ns, text_of(message, "text"), NULL);
	}
}

void model_take(struct model *model, const json_t *message)
{
	const char *type = text_of(message, "t");
	uint64_t at_ns = ns_of(message, "at_ns"), index = ns_of(message, "job");

	if (at_ns > model->last_ns)
		model->last_ns = at_ns;
	note_tool(model, message, at_ns);
	if (!strcmp(type, "live")) {
		model->version = (int)number_of(message, "version");
		model->started_ns = ns_of(message, "started_ns");
	} else if (!strcmp(type, "run")) {
		if (!model->run)
			take_run(model, message);
	} else if (!strcmp(type, "end")) {
		model->over = true;
		model->nr_dropped = ns_of(message, "dropped");
	} else if (index) {
		struct job *job = job_of(model, index - 1);

		if (job)
			take_of_job(model, job, message, type, at_ns);
	}
}

/* Where a job of a saved result stands: behind the one before, when it does not say. */
static void load_job(struct model *model, size_t index, json_t *doc)
{
	struct job *job = job_of(model, index);
	uint64_t first_ns = ns_of(doc, "at_ns");
	const struct row *last;

	if (!first_ns)
		first_ns = model->last_ns + 1;
	name_job(job, text_of(doc, "name"));
	job->start_ns = index ? model->last_ns : 0;
	job->begun = true;
	load_series(job, doc, first_ns);
	last = job->nr_rows ? &job->rows[job->nr_rows - 1] : NULL;
	job->end_ns = last ? last->at_ns : first_ns;
	if (job->end_ns > model->last_ns)
		model->last_ns = job->end_ns;
	add_moment(&job->docs, job->end_ns, NULL, doc);
	model->current = index;
}

void model_load(struct model *model, const json_t *result)
{
	json_t *doc, *one;
	size_t i;

	model->saved = model->over = true;
	model->run = json_incref((json_t *)result);
	json_array_foreach(json_object_get(result, "jobs"), i, doc)
		load_job(model, i, doc);
	json_array_foreach(json_object_get(result, "warnings"), i, one)
		add_moment(&model->log, 0, json_string_value(one), NULL);
	json_array_foreach(json_object_get(result, "marks"), i, one)
		add_moment(&model->marks, ns_of(one, "at_ns"), text_of(one, "text"), NULL);
}

size_t model_job_at(const struct model *model, uint64_t at_ns)
{
	size_t found = SIZE_MAX;

	for (size_t i = 0; i < model->nr_jobs; i++) {
		const struct job *job = &model->jobs[i];

		/* Jobs that run in turns begin once: the one told of last is it, up to now. */
		if (job->begun && job->start_ns <= at_ns &&
		    (found == SIZE_MAX || job->start_ns >= model->jobs[found].start_ns))
			found = i;
	}
	if (at_ns >= model->last_ns && model->current != SIZE_MAX)
		return model->current;
	return found;
}

const struct moment *moment_at(const struct moments *moments, uint64_t at_ns)
{
	size_t nr = moments->nr;

	while (nr && moments->list[nr - 1].at_ns > at_ns)
		nr--;
	return nr ? &moments->list[nr - 1] : NULL;
}

const json_t *job_doc(const struct model *model, const struct job *job, uint64_t at_ns)
{
	const struct moment *m = moment_at(&job->docs, at_ns);

	if (!m && model->saved && job->docs.nr && at_ns >= job->start_ns)
		m = &job->docs.list[0];
	return m ? m->doc : NULL;
}

const json_t *job_latency(const struct job *job, uint64_t at_ns)
{
	const struct moment *m = moment_at(&job->latencies, at_ns),
			    *doc = moment_at(&job->docs, at_ns);

	return m && (!doc || doc->at_ns < m->at_ns) ? m->doc : NULL;
}

size_t job_rows(const struct job *job, uint64_t at_ns)
{
	size_t low = 0, high = job->nr_rows;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (job->rows[middle].at_ns <= at_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t job_column(const struct job *job, const char *name)
{
	for (size_t i = 0; i < job->nr_columns; i++)
		if (!strcmp(job->columns[i], name))
			return i;
	return SIZE_MAX;
}
