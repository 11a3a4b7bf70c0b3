// SPDX-License-Identifier: BSD-2-Clause
#include "core/sweep_curve.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/result.h"
#include "core/result.h"
#include "core/sweep_shape.h"

/* A knee within this factor of a known point is told with its name. */
#define NEAR 1.5

/* One line of a sweep: jobs that differ in one parameter, in the order of x. */
struct line {
	const json_t *jobs;
	const struct bench_option *axis;
	const char *figure, *over;
	unsigned *index; /* of the job */
	struct shape_point *points;
	unsigned nr;
};

/* A known point of the axis. */
struct mark {
	const char *label;
	double value;
	bool taken;
};

bool sweep_same_but(const struct job_spec *a, const struct job_spec *b,
		    const struct bench_option *option)
{
	for (unsigned i = 0; i < a->nr_axes; i++)
		if (a->axes[i].option != option && strcmp(a->axes[i].text, b->axes[i].text))
			return false;
	return true;
}

static bool is_number(const struct bench_option *option)
{
	return option->type == BENCH_OPT_U64 || option->type == BENCH_OPT_SIZE ||
	       option->type == BENCH_OPT_DURATION;
}

static double axis_value(const struct job_spec *spec, const struct bench_option *option)
{
	const unsigned char *params = job_spec_params(spec, option);
	uint64_t value;

	memcpy(&value, params + option->offset, sizeof(value));
	return (double)value;
}

static const char *figure_of(const json_t *job)
{
	const char *figure = bench_result_str(job, "figure");

	return *figure ? figure : "ops";
}

static double value_of(const json_t *job, const char *metric)
{
	return bench_result_num(bench_result_metric(job, metric, NULL, NULL), "value");
}

static void line_add(struct line *l, const struct plan *plan, unsigned index)
{
	const json_t *job = json_array_get(l->jobs, index);
	struct shape_point p = { .y = value_of(job, l->figure) };
	unsigned at = l->nr;

	p.x = *l->over ? value_of(job, l->over)
		       : axis_value(plan->jobs[index].spec, l->axis);
	if (!(p.y > 0) || !isfinite(p.x))
		return;
	for (; at > 0 && l->points[at - 1].x > p.x; at--) {
		l->points[at] = l->points[at - 1];
		l->index[at] = l->index[at - 1];
	}
	l->points[at] = p;
	l->index[at] = index;
	l->nr++;
}

/* Known points, the smallest first. */
static unsigned read_marks(const json_t *job, struct mark *marks, unsigned room)
{
	const char *name = bench_result_str(job, "figure_marks"), *key;
	const json_t *metrics = bench_result_get(job, "metrics"), *metric;
	unsigned nr = 0;
	json_t *label;
	size_t i;

	json_array_foreach (metrics, i, metric) {
		struct mark m = { .value = bench_result_num(metric, "value") };
		unsigned at = nr;

		if (!*name || strcmp(bench_result_str(metric, "name"), name) || nr == room ||
		    !(m.value > 0))
			continue;
		json_object_foreach ((json_t *)bench_result_get(metric, "labels"), key, label)
			m.label = json_string_value(label);
		for (; at > 0 && marks[at - 1].value > m.value; at--)
			marks[at] = marks[at - 1];
		marks[at] = m;
		nr++;
	}
	return nr;
}

/* The range of the knee to the mark: 1 where it holds it, else the factor from the nearer end. */
static double distance(double low, double high, double mark)
{
	return mark < low ? low / mark : mark > high ? mark / high : 1;
}

/* The nearest known point that no knee before has. */
static json_t *near_json(struct mark *marks, unsigned nr, double low, double high)
{
	struct mark *best = NULL;

	for (unsigned i = 0; i < nr; i++)
		if (!marks[i].taken && marks[i].label &&
		    distance(low, high, marks[i].value) <= NEAR &&
		    (!best || distance(low, high, marks[i].value) < distance(low, high, best->value)))
			best = &marks[i];
	if (!best)
		return NULL;
	best->taken = true;
	return json_pack("{s:s, s:o}", "label", best->label, "value", result_number(best->value));
}

static json_t *knee_json(const struct line *l, const struct shape_knee *k, struct mark *marks,
			 unsigned nr_marks)
{
	static const char *const kinds[] = { [SHAPE_LEAVES] = "leaves",
					     [SHAPE_SETTLES] = "settles",
					     [SHAPE_DOUBLES] = "doubles" };
	double low = l->points[k->low].x, high = l->points[k->high].x;
	unsigned at = l->index[k->kind == SHAPE_LEAVES ? k->low : k->high];
	json_t *near = k->kind == SHAPE_LEAVES ? near_json(marks, nr_marks, low, high) : NULL;
	json_t *object = json_pack(
		"{s:s, s:o, s:o, s:o, s:o}", "kind", kinds[k->kind], "job",
		result_text(bench_result_str(json_array_get(l->jobs, at), "name")), "low",
		result_number(low), "high", result_number(high), "level", result_number(k->level));

	if (near)
		json_object_set_new(object, "near", near);
	return object;
}

/* What half and four fifths of the most cost. */
static json_t *shares_json(const struct line *l)
{
	static const double shares[] = { 0.5, 0.8 };
	double most = l->points[l->nr - 1].x;
	json_t *array = json_array();

	for (unsigned i = 0; i < 2; i++)
		json_array_append_new(array,
				      json_pack("{s:f, s:o, s:o}", "of", shares[i], "at",
						result_number(shares[i] * most), "value",
						result_number(shape_at(l->points, l->nr,
								       shares[i] * most))));
	return array;
}

static json_t *knees_json(const struct line *l)
{
	struct shape_knee knees[SHAPE_KNEES];
	struct mark marks[SHAPE_KNEES];
	unsigned nr_marks = read_marks(json_array_get(l->jobs, l->index[0]), marks, SHAPE_KNEES);
	unsigned nr = *l->over ? shape_doubles(l->points, l->nr, knees)
			       : shape_knees(l->points, l->nr, knees);
	json_t *array = json_array();

	for (unsigned i = 0; i < nr; i++)
		json_array_append_new(array, knee_json(l, &knees[i], marks, nr_marks));
	return array;
}

static const char *unit_of(const struct line *l)
{
	const json_t *job = json_array_get(l->jobs, l->index[0]);

	if (*l->over)
		return bench_result_str(bench_result_metric(job, l->over, NULL, NULL), "unit");
	return l->axis->type == BENCH_OPT_SIZE	   ? "B"
	       : l->axis->type == BENCH_OPT_DURATION ? "ns"
						     : "count";
}

/* What else varies in the sweep: which of its lines this is. */
static json_t *rest_json(const struct line *l)
{
	json_t *params = json_deep_copy(
		bench_result_get(json_array_get(l->jobs, l->index[0]), "sweep.params"));

	json_object_del(params, l->axis->name);
	return params;
}

static json_t *line_json(const struct line *l)
{
	const json_t *job = json_array_get(l->jobs, l->index[0]);
	json_t *object = json_pack("{s:o, s:s, s:s, s:s, s:s, s:o}", "params", rest_json(l), "x",
				   *l->over ? l->over : l->axis->name, "x_unit", unit_of(l), "y",
				   l->figure, "y_unit",
				   bench_result_str(bench_result_metric(job, l->figure, NULL, NULL),
						    "unit"),
				   "knees", knees_json(l));

	if (*l->over)
		json_object_set_new(object, "shares", shares_json(l));
	return object;
}

/* The lines of a sweep along one of its parameters. */
static json_t *curves_json(const json_t *jobs, const struct plan *plan, const unsigned *members,
			   unsigned nr, const struct bench_option *axis)
{
	struct line l = { .jobs = jobs, .axis = axis };
	json_t *array = json_array();

	l.index = calloc(nr, sizeof(*l.index));
	l.points = calloc(nr, sizeof(*l.points));
	for (unsigned i = 0; l.index && l.points && i < nr; i++) {
		const struct job_spec *spec = plan->jobs[members[i]].spec;
		bool first = true;

		for (unsigned j = 0; j < i && first; j++)
			first = !sweep_same_but(spec, plan->jobs[members[j]].spec, axis);
		if (!first)
			continue;
		l.nr = 0;
		l.figure = figure_of(json_array_get(jobs, members[i]));
		l.over = bench_result_str(json_array_get(jobs, members[i]), "figure_over");
		for (unsigned j = i; j < nr; j++)
			if (sweep_same_but(spec, plan->jobs[members[j]].spec, axis))
				line_add(&l, plan, members[j]);
		if (l.nr >= SHAPE_LEAST)
			json_array_append_new(array, line_json(&l));
	}
	free(l.index);
	free(l.points);
	return array;
}

/* The number that takes the most values; NULL = none does. Workers are another matter. */
static const struct bench_option *main_axis(const struct plan *plan, const unsigned *members,
					    unsigned nr)
{
	const struct job_spec *spec = plan->jobs[members[0]].spec;
	const struct bench_option *best = NULL;
	unsigned most = 1;

	for (unsigned a = 0; a < spec->nr_axes; a++) {
		const struct bench_option *option = spec->axes[a].option;
		unsigned values = 0;

		if (!is_number(option) || !strcmp(option->name, "workers"))
			continue;
		for (unsigned i = 0; i < nr; i++)
			values += sweep_same_but(spec, plan->jobs[members[i]].spec, option);
		if (values > most) {
			most = values;
			best = option;
		}
	}
	return best;
}

static json_t *sweep_one(const json_t *jobs, const struct plan *plan, const unsigned *members,
			 unsigned nr)
{
	const struct bench_option *axis = main_axis(plan, members, nr);
	json_t *object = json_pack("{s:o}", "name", result_text(plan->jobs[members[0]].spec->sweep));
	json_t *scaling = sweep_scaling(jobs, plan, members, nr);

	json_object_set_new(object, "curves",
			    axis ? curves_json(jobs, plan, members, nr, axis) : json_array());
	if (scaling)
		json_object_set_new(object, "scaling", scaling);
	return object;
}

void sweep_curves_add(json_t *result, const struct plan *plan)
{
	const json_t *jobs = json_object_get(result, "jobs");
	unsigned *members = calloc(plan->nr_jobs ? plan->nr_jobs : 1, sizeof(*members));
	json_t *array = json_array();

	for (unsigned i = 0; members && i < plan->nr_jobs; i++) {
		const char *sweep = plan->jobs[i].spec->sweep;
		bool first = sweep != NULL;
		unsigned nr = 0;

		for (unsigned j = 0; j < plan->nr_jobs && first; j++) {
			const char *other = plan->jobs[j].spec->sweep;
			bool same = other && !strcmp(other, sweep);

			first = !(same && j < i);
			if (same && !strcmp(bench_result_str(json_array_get(jobs, j), "status"), "ok"))
				members[nr++] = j;
		}
		if (first && nr)
			json_array_append_new(array, sweep_one(jobs, plan, members, nr));
	}
	free(members);
	if (json_array_size(array))
		json_object_set(result, "sweeps", array);
	json_decref(array);
}

void sweep_curve_figure(json_t *object, const struct bench_job *job)
{
	if (job->figure)
		json_object_set_new(object, "figure", json_string(job->figure));
	if (job->figure_over)
		json_object_set_new(object, "figure_over", json_string(job->figure_over));
	if (job->figure_marks)
		json_object_set_new(object, "figure_marks", json_string(job->figure_marks));
}
