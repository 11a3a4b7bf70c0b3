// SPDX-License-Identifier: BSD-2-Clause
/* Jobs that differ in a parameter, under each other: the result as a bar, the knees that the result has
 * marked and told, and how the rate grows with the workers. */
#include <math.h>
#include <string.h>

#include "report/lib/sections.h"

/* Columns behind that of the parameters. */
#define RATE_WIDTH 13
#define TIME_WIDTH 11
#define CAUSE_WIDTH 24
#define BAR_MAX 40
#define BAR_LEAST 8

struct columns {
	unsigned label, over, rate, p50, p99; /* right edges; 0 = left out */
	unsigned cause, bar;		/* left edges; cause 0 = left out */
};

/* What "knee" and the sign before it take at the end of a bar. */
#define MARK_WIDTH 7

static bool in_sweep(const json_t *job, const char *sweep)
{
	return !strcmp(bench_result_str(job, "sweep.name"), sweep);
}

static size_t put_value(const json_t *value, char *buf, size_t size)
{
	if (json_is_string(value))
		return (size_t)snprintf(buf, size, "%s", json_string_value(value));
	return (size_t)snprintf(buf, size, "%.15g", json_number_value(value));
}

/* "bs=4k depth=8": the values as the job's name has them, or else as they are. */
static void label(const json_t *job, char *buf, size_t size)
{
	const char *name = bench_result_str(job, "name"), *key;
	const json_t *params = bench_result_get(job, "sweep.params");
	json_t *value;
	size_t used = 0;

	buf[0] = '\0';
	json_object_foreach ((json_t *)params, key, value) {
		size_t len = strlen(key);
		const char *at = name;

		while ((at = strstr(at, key)) &&
		       (at[len] != '=' || (at > name && !strchr(", ", at[-1]))))
			at += len;
		if (used >= size)
			break;
		if (at)
			used += (size_t)snprintf(buf + used, size - used, "%s%.*s", used ? " " : "",
						 (int)strcspn(at, ","), at);
		else
			used += (size_t)snprintf(buf + used, size - used, "%s%s=", used ? " " : "", key);
		if (!at && used < size)
			used += put_value(value, buf + used, size - used);
	}
}

static double latency(const json_t *job, const char *percentile)
{
	return bench_result_num(bench_result_metric(job, "latency", NULL, NULL), percentile);
}

static struct columns lay_out(const struct text *t, const json_t *jobs, const char *sweep,
			      double *ret_most)
{
	struct columns c = { .label = 2 };
	bool timed = false, over = false, causes = false;
	char text[160], cause[UNITS_MAX];
	const json_t *job;
	size_t i;

	*ret_most = 0;
	json_array_foreach (jobs, i, job) {
		if (!in_sweep(job, sweep))
			continue;
		label(job, text, sizeof(text));
		if (2 + text_len(t, text) > c.label)
			c.label = 2 + text_len(t, text);
		timed |= !isnan(latency(job, "hist.p50"));
		over |= *bench_result_str(job, "figure_over");
		causes |= *top_cause(cause, job);
		*ret_most = fmax(*ret_most, bench_result_num(main_metric(job), "value"));
	}
	if (c.label > t->width / 2)
		c.label = t->width / 2;
	if (over)
		c.over = c.label + RATE_WIDTH;
	c.rate = c.bar = (over ? c.over : c.label) + RATE_WIDTH;
	if (timed && c.bar + 2 * TIME_WIDTH + BAR_LEAST <= t->width) {
		c.p50 = c.bar + TIME_WIDTH;
		c.p99 = c.bar = c.p50 + TIME_WIDTH;
	}
	c.bar += 2;
	if (causes && c.bar + CAUSE_WIDTH + BAR_LEAST <= t->width) {
		c.cause = c.bar;
		c.bar += CAUSE_WIDTH;
	}
	return c;
}

/* The sweep in "sweeps"; NULL = it has no shape. */
static const json_t *shape_of(const json_t *result, const char *sweep)
{
	const json_t *sweeps = bench_result_get(result, "sweeps"), *one;
	size_t i;

	json_array_foreach (sweeps, i, one)
		if (!strcmp(bench_result_str(one, "name"), sweep))
			return one;
	return NULL;
}

static bool is_knee(const json_t *shape, const json_t *job)
{
	const json_t *curves = bench_result_get(shape, "curves"), *line, *knee;
	size_t i, j;

	json_array_foreach (curves, i, line)
		json_array_foreach (bench_result_get(line, "knees"), j, knee)
			if (!strcmp(bench_result_str(knee, "job"), bench_result_str(job, "name")))
				return true;
	return false;
}

/* A knee's mark behind the longest bar has its place, too. */
static unsigned bar_width(const struct text *t, const struct columns *c)
{
	unsigned room = t->width > c->bar + MARK_WIDTH ? t->width - c->bar - MARK_WIDTH : 0;

	return room < BAR_MAX ? room : BAR_MAX;
}

static void point(struct text *t, const struct columns *c, const json_t *job, double most, bool knee)
{
	const json_t *metric = main_metric(job);
	char text[160];

	if (json_is_true(bench_result_get(job, "sweep.knee")))
		text_put(t, TEXT_BOLD, "%s", text_sign(t, "\xe2\x96\xb8", ">"));
	text_to(t, 2);
	label(job, text, sizeof(text));
	text_put(t, TEXT_PLAIN, "%s", text);
	if (!metric) {
		const char *status = bench_result_str(job, "status");

		text_put(t, status_color(status), "  %s", status);
		text_end(t);
		return;
	}
	if (c->over)
		text_right(t, c->over, TEXT_PLAIN,
			   metric_value(t, text,
					bench_result_metric(
						job, bench_result_str(job, "figure_over"), NULL,
						NULL)));
	text_right(t, c->rate, TEXT_BOLD, metric_value(t, text, metric));
	if (c->p50) {
		text_right(t, c->p50, TEXT_PLAIN,
			   units_value(text, latency(job, "hist.p50"), "ns", t->style->utf8));
		text_right(t, c->p99, TEXT_PLAIN,
			   units_value(text, latency(job, "hist.p99"), "ns", t->style->utf8));
	}
	if (c->cause) {
		text_to(t, c->cause);
		text_put(t, TEXT_PLAIN, "%s", top_cause(text, job));
	}
	text_to(t, c->bar);
	text_bar(t, most > 0 ? bench_result_num(metric, "value") / most : 0,
		 bar_width(t, c));
	if (knee)
		text_put(t, TEXT_YELLOW, " %s knee", text_sign(t, "\xe2\x97\x82", "<"));
	text_end(t);
}

/* "size between 48 KiB and 56 KiB" */
static void between(struct text *t, const json_t *line, const json_t *knee)
{
	const char *unit = bench_result_str(line, "x_unit");
	char low[UNITS_MAX], high[UNITS_MAX];

	text_item(t, TEXT_PLAIN, "%s between %s and %s", bench_result_str(line, "x"),
		  units_value(low, bench_result_num(knee, "low"), unit, t->style->utf8),
		  units_value(high, bench_result_num(knee, "high"), unit, t->style->utf8));
}

static void knee_row(struct text *t, const json_t *line, const json_t *knee)
{
	const char *kind = bench_result_str(knee, "kind"), *near = bench_result_str(knee, "near.label");
	char level[UNITS_MAX], known[UNITS_MAX];

	text_row(t, "knee");
	between(t, line, knee);
	units_value(level, bench_result_num(knee, "level"), bench_result_str(line, "y_unit"),
		    t->style->utf8);
	if (!strcmp(kind, "settles"))
		text_item(t, TEXT_PLAIN, "%s from there on", level);
	else if (!strcmp(kind, "doubles"))
		text_item(t, TEXT_PLAIN, "twice the %s at the lowest", level);
	else
		text_item(t, TEXT_PLAIN, "%s up to there", level);
	if (*near)
		text_item(t, TEXT_BOLD, "%s: %s", near,
			  units_value(known, bench_result_num(knee, "near.value"),
				      bench_result_str(line, "x_unit"), t->style->utf8));
}

static void line_rows(struct text *t, const json_t *line)
{
	const json_t *knees = bench_result_get(line, "knees"), *one;
	char at[UNITS_MAX], value[UNITS_MAX], share[UNITS_MAX];
	unsigned left = 8;
	size_t i;

	if (json_object_size(bench_result_get(line, "params"))) {
		text_row(t, "of");
		text_members(t, bench_result_get(line, "params"), "", false, &left);
	}
	json_array_foreach (knees, i, one)
		knee_row(t, line, one);
	if (!json_array_size(knees)) {
		text_row(t, "knee");
		text_item(t, TEXT_DIM, "none");
	}
	json_array_foreach (bench_result_get(line, "shares"), i, one) {
		if (isnan(bench_result_num(one, "value")))
			continue;
		text_row(t, i ? "" : "loaded");
		text_item(t, TEXT_PLAIN, "%s at %s, %s of the most",
			  units_value(value, bench_result_num(one, "value"),
				      bench_result_str(line, "y_unit"), t->style->utf8),
			  units_value(at, bench_result_num(one, "at"),
				      bench_result_str(line, "x_unit"), t->style->utf8),
			  units_share(share, bench_result_num(one, "of")));
	}
	text_end(t);
}

/* "1.97 [1.95, 1.99]" */
static void ratio_item(struct text *t, const json_t *row, const char *name, const char *words)
{
	const json_t *ratio = bench_result_get(row, name), *ci = bench_result_get(ratio, "ci");

	if (!ratio)
		return;
	text_item(t, TEXT_BOLD, "%.3g times %s", bench_result_num(ratio, "value"), words);
	if (json_array_size(ci) == 2)
		text_put(t, TEXT_PLAIN, " [%.3g, %.3g]", json_number_value(json_array_get(ci, 0)),
			 json_number_value(json_array_get(ci, 1)));
}

static void scaling_rows(struct text *t, const json_t *rows)
{
	const json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		double workers = bench_result_num(row, "workers");
		double cores = bench_result_num(row, "cores");

		text_row(t, i ? "" : "scaling");
		text_item(t, TEXT_PLAIN, "%.0f workers on %.0f core%s:", workers, cores,
			  cores == 1 ? "" : "s");
		ratio_item(t, row, "speedup", "one");
		ratio_item(t, row, "smt_yield", "one per core");
	}
	text_end(t);
}

static void curve(struct text *t, const json_t *result, const json_t *jobs, const char *sweep)
{
	const json_t *shape = shape_of(result, sweep), *line;
	double most;
	struct columns c = lay_out(t, jobs, sweep, &most);
	const json_t *job;
	bool power = false;
	size_t i;

	text_rule(t, sweep, TEXT_PLAIN, "sweep");
	if (c.over)
		text_right(t, c.over, TEXT_DIM, "over");
	text_right(t, c.rate, TEXT_DIM, "result");
	if (c.p50) {
		text_right(t, c.p50, TEXT_DIM, "p50");
		text_right(t, c.p99, TEXT_DIM, "p99");
	}
	if (c.cause) {
		text_to(t, c.cause);
		text_put(t, TEXT_DIM, "mostly");
	}
	text_end(t);
	json_array_foreach (jobs, i, job) {
		if (!in_sweep(job, sweep))
			continue;
		point(t, &c, job, most, is_knee(shape, job));
		power |= json_is_true(bench_result_get(job, "sweep.knee"));
	}
	json_array_foreach (bench_result_get(shape, "curves"), i, line)
		line_rows(t, line);
	if (power) {
		text_to(t, 2);
		text_put(t, TEXT_DIM, "%s knee: most throughput for its latency",
			 text_sign(t, "\xe2\x96\xb8", ">"));
		text_end(t);
	}
	scaling_rows(t, bench_result_get(shape, "scaling"));
}

void section_sweeps(struct text *t, const json_t *result)
{
	const json_t *jobs = bench_result_get(result, "jobs"), *job, *before;
	size_t i, j;

	json_array_foreach (jobs, i, job) {
		const char *sweep = bench_result_str(job, "sweep.name");
		bool first = *sweep;

		for (j = 0; first && j < i; j++) {
			before = json_array_get(jobs, j);
			first = !in_sweep(before, sweep);
		}
		if (first)
			curve(t, result, jobs, sweep);
	}
}
