// SPDX-License-Identifier: BSD-2-Clause
/* Jobs that differ in a parameter, under each other: throughput as a bar, so that a knee is seen. */
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
	unsigned label, rate, p50, p99; /* right edges; 0 = left out */
	unsigned cause, bar;		/* left edges; cause 0 = left out */
};

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
	bool timed = false;
	const json_t *job;
	char text[160];
	size_t i;

	*ret_most = 0;
	json_array_foreach (jobs, i, job) {
		if (!in_sweep(job, sweep))
			continue;
		label(job, text, sizeof(text));
		if (2 + text_len(t, text) > c.label)
			c.label = 2 + text_len(t, text);
		timed |= !isnan(latency(job, "hist.p50"));
		*ret_most = fmax(*ret_most, bench_result_num(main_metric(job), "value"));
	}
	if (c.label > t->width / 2)
		c.label = t->width / 2;
	c.rate = c.bar = c.label + RATE_WIDTH;
	if (timed && c.bar + 2 * TIME_WIDTH + BAR_LEAST <= t->width) {
		c.p50 = c.bar + TIME_WIDTH;
		c.p99 = c.bar = c.p50 + TIME_WIDTH;
	}
	c.bar += 2;
	if (c.bar + CAUSE_WIDTH + BAR_LEAST <= t->width) {
		c.cause = c.bar;
		c.bar += CAUSE_WIDTH;
	}
	return c;
}

static void point(struct text *t, const struct columns *c, const json_t *job, double most)
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
	text_bar(t, most > 0 ? bench_result_num(metric, "value") / most : 0, BAR_MAX);
	text_end(t);
}

static void curve(struct text *t, const json_t *jobs, const char *sweep)
{
	double most;
	struct columns c = lay_out(t, jobs, sweep, &most);
	const json_t *job;
	bool knee = false;
	size_t i;

	text_rule(t, sweep, TEXT_PLAIN, "sweep");
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
		point(t, &c, job, most);
		knee |= json_is_true(bench_result_get(job, "sweep.knee"));
	}
	if (!knee)
		return;
	text_to(t, 2);
	text_put(t, TEXT_DIM, "%s knee: most throughput for its latency",
		 text_sign(t, "\xe2\x96\xb8", ">"));
	text_end(t);
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
			curve(t, jobs, sweep);
	}
}
