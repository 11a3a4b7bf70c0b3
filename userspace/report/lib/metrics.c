// SPDX-License-Identifier: BSD-2-Clause
#include "report/lib/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool metric_next(const struct text *t, struct metric_walk *w)
{
	w->index = w->next++;
	w->metric = json_array_get(t->metrics, w->index);
	w->name = bench_result_str(w->metric, "name");
	return w->metric;
}

void metric_shown(struct text *t, const json_t *metric)
{
	for (size_t i = 0; i < json_array_size(t->metrics); i++)
		if (json_array_get(t->metrics, i) == metric)
			t->shown[i] = true;
}

const char *metric_label(const json_t *metric, const char *key)
{
	const char *text =
		json_string_value(json_object_get(bench_result_get(metric, "labels"), key));

	return text ? text : "";
}

char *metric_labels(const json_t *metric, bool keys)
{
	const json_t *labels = bench_result_get(metric, "labels");
	const char *key;
	json_t *value;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return strdup("");
	json_object_foreach ((json_t *)labels, key, value) {
		const char *word = json_string_value(value);

		/* The heading of the counters says it already; a cgroup's path is too long. */
		if (!keys && (!strcmp(key, "scope") || !strcmp(key, "cgroup")))
			continue;
		if (ftell(out) > 0 && (keys || strcmp(key, "pid")))
			fputc(keys ? ',' : ' ', out);
		if (keys)
			fprintf(out, "%s=", key);
		if (!keys && !strcmp(key, "pid"))
			fprintf(out, "[%s]", word ? word : "?");
		else
			fputs(word ? word : "?", out);
	}
	fclose(out);
	return text ? text : strdup("");
}

static bool starts(const char *name, const char *prefix)
{
	return !strncmp(name, prefix, strlen(prefix));
}

const char *metric_unit(const json_t *metric)
{
	const char *name = bench_result_str(metric, "name");
	const char *unit = bench_result_str(metric, "unit");

	if (strcmp(unit, "ratio"))
		return unit;
	if (starts(name, "wall.time") || starts(name, "host.") || starts(name, "topdown.") ||
	    !strcmp(name, "tool.cpu") || !strcmp(name, "overhead.observer") ||
	    !strcmp(name, "sched.runq_time") || !strcmp(name, "sched.work_conservation"))
		return "share";
	return unit;
}

const char *metric_value(const struct text *t, char buf[UNITS_MAX], const json_t *metric)
{
	return units_value(buf, bench_result_num(metric, "value"), metric_unit(metric),
			   t->style->utf8);
}

struct spread {
	double value, low, high; /* interval; NAN when there is none */
	double min, max;	 /* of the trials */
	unsigned nr;		 /* trials with a value */
};

static struct spread spread_of(const json_t *metric)
{
	const json_t *ci = bench_result_get(metric, "ci"), *trials, *trial;
	struct spread s = { .value = bench_result_num(metric, "value"), .low = NAN, .high = NAN };
	size_t i;

	trials = bench_result_get(metric, "trials");
	json_array_foreach (trials, i, trial) {
		double v = json_number_value(trial);

		if (!json_is_number(trial))
			continue;
		s.min = s.nr ? fmin(s.min, v) : v;
		s.max = s.nr ? fmax(s.max, v) : v;
		s.nr++;
	}
	if (json_is_number(json_array_get(ci, 0)) && json_is_number(json_array_get(ci, 1))) {
		s.low = json_number_value(json_array_get(ci, 0));
		s.high = json_number_value(json_array_get(ci, 1));
	}
	return s;
}

/* Beyond this a half-width hides more than it tells: "-62 %" and "+62 %" are factors of 2.6
 * and 1.6. */
#define WIDE 0.2
/* Nobody cares how lopsided an interval of a few per cent is. */
#define SMALL 0.02

/* Both sides of the interval as shares of the value; false when that says nothing: there is no
 * interval, or the value is 0. */
static bool sides(const struct spread *s, double *ret_down, double *ret_up)
{
	double up = s->high - s->value, down = s->value - s->low;

	if (!isfinite(s->low) || up < 0 || down < 0 || (s->value == 0 && up + down > 0))
		return false;
	*ret_down = down > 0 ? down / fabs(s->value) : 0;
	*ret_up = up > 0 ? up / fabs(s->value) : 0;
	return true;
}

/* The wider side; NAN without an interval. */
static double half_width(const struct spread *s)
{
	double down, up;

	return sides(s, &down, &up) ? fmax(down, up) : NAN;
}

/* Is one figure enough to tell the interval? */
static bool is_even(const struct spread *s)
{
	double down, up;

	return sides(s, &down, &up) && fmax(down, up) <= WIDE &&
	       (fmax(down, up) <= SMALL || fmin(down, up) * 2 >= fmax(down, up));
}

static const char *plus_minus(const struct text *t, char buf[UNITS_MAX], double share)
{
	char number[UNITS_MAX];

	snprintf(buf, UNITS_MAX, "%s%.30s", text_sign(t, "\xc2\xb1", "+-"),
		 units_share(number, share));
	return buf;
}

const char *metric_interval(const struct text *t, char buf[INTERVAL_MAX], const json_t *metric)
{
	struct spread s = spread_of(metric);
	char a[UNITS_MAX], b[UNITS_MAX];
	const char *unit = metric_unit(metric);

	buf[0] = '\0';
	if (is_even(&s)) {
		snprintf(buf, INTERVAL_MAX, "%s", plus_minus(t, a, half_width(&s)));
	} else if (isfinite(s.low)) {
		snprintf(buf, INTERVAL_MAX, "[%s, %s]", units_value(a, s.low, unit, t->style->utf8),
			 units_value(b, s.high, unit, t->style->utf8));
	} else if (s.nr == 1) {
		snprintf(buf, INTERVAL_MAX, "1 trial: no interval");
	} else if (s.nr > 1) {
		snprintf(buf, INTERVAL_MAX, "%u trials from %s to %s (6 give an interval)", s.nr,
			 units_value(a, s.min, unit, t->style->utf8),
			 units_value(b, s.max, unit, t->style->utf8));
	}
	return buf;
}

enum text_color metric_trust_color(const json_t *metric)
{
	struct spread s = spread_of(metric);

	return half_width(&s) < 0.05 ? TEXT_PLAIN : TEXT_YELLOW;
}

const char *metric_trust(const struct text *t, char buf[UNITS_MAX], const json_t *metric)
{
	struct spread s = spread_of(metric);
	double down, up;

	if (is_even(&s))
		return plus_minus(t, buf, half_width(&s));
	/* Beyond that, the value says nothing anyway. */
	if (sides(&s, &down, &up) && fmax(down, up) < 9.995) {
		snprintf(buf, UNITS_MAX, "-%.0f/+%.0f %%", down * 100, up * 100);
		return buf;
	}
	snprintf(buf, UNITS_MAX, s.nr == 1 ? "%u trial" : "%u trials", s.nr);
	return buf;
}

static int by_value_down(const void *a, const void *b)
{
	const json_t *x = *(const json_t *const *)a, *y = *(const json_t *const *)b;
	double vx = bench_result_num(x, "value"), vy = bench_result_num(y, "value");

	if (vx != vy)
		return vx < vy ? 1 : -1;
	/* A fixed order for equal values, whatever qsort() does. */
	return x < y ? -1 : x > y;
}

static void list_item(struct text *t, const json_t *metric, const char *prefix)
{
	char *labels = metric_labels(metric, false), value[UNITS_MAX];
	const char *gap = prefix && labels && *labels ? " " : "";

	text_item(t, TEXT_PLAIN, "%s%s%s%s%s%s", prefix ? prefix : "", gap, labels ? labels : "",
		  prefix || (labels && *labels) ? " " : "", metric_value(t, value, metric),
		  strcmp(bench_result_str(metric, "status"), "scaled") ? "" : " (scaled)");
	free(labels);
}

static bool listed(const struct text *t, const struct metric_walk *w, const char *name)
{
	return !t->shown[w->index] && !strcmp(w->name, name) && bench_result_has_value(w->metric);
}

bool metric_zeros(struct text *t, const char *name)
{
	struct metric_walk w = { 0 };

	while (metric_next(t, &w))
		if (listed(t, &w, name) && bench_result_num(w.metric, "value") != 0)
			return false;
	w = (struct metric_walk){ 0 };
	while (metric_next(t, &w))
		if (listed(t, &w, name))
			t->shown[w.index] = true;
	return true;
}

unsigned metric_list(struct text *t, const char *name, const char *prefix, unsigned top, bool zeros)
{
	struct metric_walk w = { 0 };
	const json_t **list = calloc(json_array_size(t->metrics) + 1, sizeof(*list));
	unsigned nr = 0, printed = 0;

	while (list && metric_next(t, &w)) {
		if (!listed(t, &w, name))
			continue;
		if (!zeros && bench_result_num(w.metric, "value") == 0)
			t->shown[w.index] = true;
		else
			list[nr++] = w.metric;
	}
	/* Few ones keep their order: CPU 0, CPU 1. */
	if (nr > 4 || nr > top)
		qsort(list, nr, sizeof(*list), by_value_down);
	for (unsigned i = 0; i < nr; i++) {
		metric_shown(t, list[i]);
		if (i < top) {
			list_item(t, list[i], prefix);
			printed++;
		}
	}
	/* Several lists may stand in one row: each says of what there is more. */
	if (nr > printed)
		text_item(t, TEXT_DIM, "and %u more %s", nr - printed,
			  prefix ? prefix : "in the JSON");
	free(list);
	return printed;
}

/* --- metrics without a value --- */

/* "not_supported" as perf words it. */
static void status_words(char *buf, size_t size, const char *status)
{
	snprintf(buf, size, "%s", *status ? status : "no status");
	for (char *p = buf; *p; p++)
		if (*p == '_')
			*p = ' ';
}

static bool lacks_value(const struct text *t, const struct metric_walk *w, const char *source)
{
	return !t->shown[w->index] && !bench_result_has_value(w->metric) &&
	       (!source || !strcmp(bench_result_str(w->metric, "source"), source));
}

/* "cycles.per_op" needs no mention beside "cycles". */
static bool derived(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && !strcmp(dot, ".per_op");
}

/* All names of one status and reason, each once, in one row. */
static void missing_group(struct text *t, const struct metric_walk *first, const char *source)
{
	const char *status = bench_result_str(first->metric, "status");
	const char *note = bench_result_str(first->metric, "note"), *last = "";
	struct metric_walk w = { .next = first->index };
	unsigned names = 0, more = 0;
	char words[64];

	status_words(words, sizeof(words), status);
	text_row(t, words);
	while (metric_next(t, &w)) {
		if (!lacks_value(t, &w, source) ||
		    strcmp(bench_result_str(w.metric, "status"), status) ||
		    strcmp(bench_result_str(w.metric, "note"), note))
			continue;
		t->shown[w.index] = true;
		if (!strcmp(w.name, last) || (derived(w.name) && names))
			continue;
		last = w.name;
		if (names < TEXT_TOP) {
			if (names++)
				text_put(t, TEXT_PLAIN, ",");
			text_words(t, TEXT_PLAIN, *w.name ? w.name : "(no name)");
		} else {
			more++;
		}
	}
	if (more)
		text_put(t, TEXT_PLAIN, ", and %u more", more);
	if (*note) {
		text_put(t, TEXT_PLAIN, ":");
		text_words(t, TEXT_DIM, note);
	}
	text_end(t);
}

/* That a job without io_uring has no ring goes without saying. */
static bool ring_less(const struct text *t, const json_t *metric)
{
	return !strcmp(bench_result_str(metric, "source"), "runtime") &&
	       !strcmp(bench_result_str(t->job, "exec"), "blocking");
}

static bool has_value(const struct text *t, const char *name)
{
	struct metric_walk w = { 0 };

	while (metric_next(t, &w))
		if (!strcmp(w.name, name) && bench_result_has_value(w.metric))
			return true;
	return false;
}

void metric_missing(struct text *t, const char *source)
{
	struct metric_walk w = { 0 };

	while (metric_next(t, &w)) {
		if (!lacks_value(t, &w, source))
			continue;
		/* A distribution of nothing: nothing happened, and nothing is wrong. Where others
		 * of the name have values, one that this host lacks is a matter for the JSON. */
		if (!strcmp(bench_result_str(w.metric, "status"), "ok") || has_value(t, w.name) ||
		    ring_less(t, w.metric))
			t->shown[w.index] = true;
		else
			missing_group(t, &w, source);
	}
}
