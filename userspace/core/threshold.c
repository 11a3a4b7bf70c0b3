// SPDX-License-Identifier: BSD-2-Clause
#include "core/threshold.h"

#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bench/result.h"
#include "core/result.h"

enum op { OP_LESS, OP_LESS_EQUAL, OP_GREATER, OP_GREATER_EQUAL, OP_EQUAL, OP_UNEQUAL };

/* Longer ones first, so that "<=" is not read as "<". */
static const struct {
	const char *sign;
	enum op op;
} ops[] = { { "<=", OP_LESS_EQUAL }, { ">=", OP_GREATER_EQUAL }, { "==", OP_EQUAL },
	    { "!=", OP_UNEQUAL },    { "<", OP_LESS },		 { ">", OP_GREATER } };

/* Members of a distribution, as the user says them and as the result has them. */
static const char *const stats[][2] = { { "p99.9", "p999" }, { "p999", "p999" }, { "p99", "p99" },
					{ "p90", "p90" },    { "p50", "p50" },	 { "min", "min" },
					{ "max", "max" },    { "mean", "mean" } };

enum { KIND_TIME = 1, KIND_SIZE = 2, KIND_SHARE = 4, KIND_NUMBER = 8 };

static const struct {
	const char *suffix;
	double factor;
	unsigned kinds;
} suffixes[] = {
	{ "", 1, KIND_TIME | KIND_SIZE | KIND_SHARE | KIND_NUMBER },
	{ "ns", 1, KIND_TIME },		      { "us", 1e3, KIND_TIME },
	{ "µs", 1e3, KIND_TIME },	      { "ms", 1e6, KIND_TIME },
	{ "s", 1e9, KIND_TIME },	      { "m", 60e9, KIND_TIME },
	{ "h", 3600e9, KIND_TIME },	      { "k", 1024, KIND_SIZE },
	{ "m", 1048576, KIND_SIZE },	      { "g", 1073741824, KIND_SIZE },
	{ "t", 1099511627776, KIND_SIZE },    { "%", 0.01, KIND_SHARE },
	{ "k", 1e3, KIND_NUMBER },	      { "m", 1e6, KIND_NUMBER },
	{ "g", 1e9, KIND_NUMBER },
};
#define NR_SUFFIXES (sizeof(suffixes) / sizeof(suffixes[0]))

struct threshold {
	char *text;	 /* as typed */
	char *words;	 /* a copy of it, cut into these: */
	char *pattern;	 /* NULL = any job */
	char *metric;	 /* with a statistic behind it, perhaps */
	char *labels;	 /* "dev=vda,stage=device", NULL = any */
	const char *stat; /* behind the labels, NULL = none there */
	enum op op;
	double value;
	char suffix[8];
};

struct thresholds {
	struct threshold *list;
	unsigned nr;
};

static char *trim(char *text)
{
	char *end = text + strlen(text);

	while (end > text && strchr(" \t", end[-1]))
		*--end = '\0';
	return text + strspn(text, " \t");
}

/* --- parsing --- */

static const char *stat_of(const char *text)
{
	for (unsigned i = 0; i < sizeof(stats) / sizeof(stats[0]); i++)
		if (!strcmp(text, stats[i][0]))
			return stats[i][1];
	return NULL;
}

static int parse_value(struct threshold *t, const char *text, struct bench_err *err)
{
	char *end;

	t->value = strtod(text, &end);
	if (end == text || !isfinite(t->value) || strlen(end) >= sizeof(t->suffix))
		return bench_fail(err, -EINVAL, "threshold '%s': '%s' is no value; give one such as 50000, "
				  "2ms, 64k or 5%%", t->text, text);
	end += strspn(end, " \t");
	snprintf(t->suffix, sizeof(t->suffix), "%s", end);
	for (unsigned i = 0; i < NR_SUFFIXES; i++)
		if (!strcasecmp(suffixes[i].suffix, t->suffix))
			return 0;
	return bench_fail(err, -EINVAL, "threshold '%s': unknown unit '%s'; give ns, us, ms, s, m, h, k, g, "
			  "t or %%", t->text, t->suffix);
}

/* "NAME{labels}.STAT": cut apart in place. */
static int parse_metric(struct threshold *t, struct bench_err *err)
{
	char *open = strchr(t->metric, '{'), *close = open ? strchr(open, '}') : NULL;

	if (open && (!close || (close[1] && (close[1] != '.' || !(t->stat = stat_of(close + 2))))))
		return bench_fail(err, -EINVAL, "threshold '%s': labels are {label=value,...}, and behind "
				  "them stands .min, .mean, .p50, .p90, .p99, .p99.9, .max or nothing", t->text);
	if (open) {
		*open = *close = '\0';
		t->labels = open + 1;
	}
	if (!t->metric[0])
		return bench_fail(err, -EINVAL, "threshold '%s': which metric?", t->text);
	return 0;
}

static int parse_one(struct threshold *t, const char *text, struct bench_err *err)
{
	char *at, *sign;

	t->text = strdup(text);
	t->words = at = strdup(text);
	if (!t->text || !at)
		return bench_fail(err, -ENOMEM, "out of memory");
	if (*at == '[') {
		sign = strrchr(at, ']');
		if (!sign)
			return bench_fail(err, -EINVAL, "threshold '%s': no ']' behind the job's name",
					  text);
		*sign = '\0';
		t->pattern = at + 1;
		at = sign + 1;
	}
	for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		size_t len = strlen(ops[i].sign);

		sign = strstr(at, ops[i].sign);
		if (!sign)
			continue;
		*sign = '\0';
		t->op = ops[i].op;
		t->metric = trim(at);
		return parse_value(t, trim(sign + len), err) ?: parse_metric(t, err);
	}
	return bench_fail(err, -EINVAL, "threshold '%s': give METRIC, one of < <= > >= == !=, and a value, "
			  "such as ops>=50000 or latency.p99<2ms", text);
}

int thresholds_parse(struct thresholds **ret, const char *list, struct bench_err *err)
{
	struct thresholds *all = calloc(1, sizeof(*all));
	char *copy = strdup(list ? list : ""), *rest = copy, *word;
	int rc = all && copy ? 0 : bench_fail(err, -ENOMEM, "out of memory");

	*ret = NULL;
	while (!rc && (word = strsep(&rest, ";"))) {
		struct threshold *grown;

		word = trim(word);
		if (!*word)
			continue;
		grown = reallocarray(all->list, all->nr + 1, sizeof(*grown));
		if (!grown) {
			rc = bench_fail(err, -ENOMEM, "out of memory");
			break;
		}
		all->list = grown;
		grown[all->nr] = (struct threshold){ .text = NULL };
		rc = parse_one(&grown[all->nr++], word, err);
	}
	free(copy);
	if (rc || !all->nr) {
		thresholds_free(all);
		return rc;
	}
	*ret = all;
	return 0;
}

void thresholds_free(struct thresholds *thresholds)
{
	for (unsigned i = 0; thresholds && i < thresholds->nr; i++) {
		free(thresholds->list[i].text);
		free(thresholds->list[i].words);
	}
	free(thresholds ? thresholds->list : NULL);
	free(thresholds);
}

/* --- holding them against a result --- */

static unsigned kind_of(const char *unit)
{
	if (!strcmp(unit, "ns"))
		return KIND_TIME;
	if (!strcmp(unit, "B") || !strcmp(unit, "B/s"))
		return KIND_SIZE;
	return strcmp(unit, "ratio") ? KIND_NUMBER : KIND_SHARE;
}

/* The bound in the metric's unit. False when its unit does not fit. */
static bool limit_of(const struct threshold *t, const char *unit, double *ret_limit)
{
	for (unsigned i = 0; i < NR_SUFFIXES; i++)
		if (suffixes[i].kinds & kind_of(unit) && !strcasecmp(suffixes[i].suffix, t->suffix)) {
			*ret_limit = t->value * suffixes[i].factor;
			return true;
		}
	return false;
}

static bool holds(enum op op, double value, double limit)
{
	switch (op) {
	case OP_LESS:
		return value < limit;
	case OP_LESS_EQUAL:
		return value <= limit;
	case OP_GREATER:
		return value > limit;
	case OP_GREATER_EQUAL:
		return value >= limit;
	case OP_EQUAL:
		return value == limit;
	case OP_UNEQUAL:
		return value != limit;
	}
	return false;
}

/* Has the metric each of the labels that are given? */
static bool labels_fit(const char *labels, const json_t *metric)
{
	char *copy = labels ? strdup(labels) : NULL, *rest = copy, *pair;
	bool fit = !labels || copy;

	while (fit && (pair = strsep(&rest, ","))) {
		char *value = strchr(pair, '=');
		const char *found;

		if (value)
			*value++ = '\0';
		found = json_string_value(
			json_object_get(json_object_get(metric, "labels"), trim(pair)));
		fit = value && found && !strcmp(found, trim(value));
	}
	free(copy);
	return fit;
}

/* Is the threshold about this metric, and about which statistic of it (NULL = its value)? */
static bool is_about(const struct threshold *t, const json_t *metric, const char **ret_stat)
{
	const char *name = bench_result_str(metric, "name");
	size_t len = strlen(name);

	*ret_stat = t->stat;
	if (!labels_fit(t->labels, metric))
		return false;
	if (!strcmp(t->metric, name))
		return true;
	if (t->labels || strncmp(t->metric, name, len) || t->metric[len] != '.')
		return false;
	*ret_stat = stat_of(t->metric + len + 1);
	return *ret_stat && bench_result_get(metric, "hist");
}

/* "block.latency{dev=vda,stage=device}.p50" */
static json_t *metric_name(const json_t *metric, const char *stat)
{
	char text[256];
	size_t used = (size_t)snprintf(text, sizeof(text), "%s", bench_result_str(metric, "name"));
	const char *key, *before = "{";
	json_t *label;

	json_object_foreach ((json_t *)bench_result_get(metric, "labels"), key, label) {
		if (used < sizeof(text))
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s=%s", before, key,
						 json_string_value(label) ?: "");
		before = ",";
	}
	if (used < sizeof(text))
		snprintf(text + used, sizeof(text) - used, "%s%s%s", *before == ',' ? "}" : "",
			 stat ? "." : "", stat ? (strcmp(stat, "p999") ? stat : "p99.9") : "");
	return result_text(text);
}

/* False when there is none; then why. */
static bool value_of(const json_t *metric, const char *stat, double *ret_value, char *why,
		     size_t size)
{
	const json_t *hist = bench_result_get(metric, "hist");
	const char *note = bench_result_str(metric, "note");

	*ret_value = NAN;
	if (!bench_result_has_value(metric))
		snprintf(why, size, "%s%s%s", bench_result_str(metric, "status"), note[0] ? ": " : "", note);
	else if (!stat)
		*ret_value = bench_result_num(metric, "value");
	else if (!hist)
		snprintf(why, size, "it is no distribution");
	else if (!strcmp(stat, "mean"))
		*ret_value = bench_result_num(hist, "sum") / bench_result_num(hist, "count");
	else
		*ret_value = bench_result_num(hist, stat);
	if (isfinite(*ret_value))
		return true;
	if (!why[0])
		snprintf(why, size, "too few values for %s", stat ? stat : "one");
	return false;
}

static const char *judge(const struct threshold *t, const json_t *metric, const char *stat, json_t *row)
{
	const char *unit = bench_result_str(metric, "unit"), *status = "unknown";
	double value = NAN, limit = NAN;
	char why[400] = "";

	if (!limit_of(t, unit, &limit))
		snprintf(why, sizeof(why), "'%s' does not fit the metric's unit, %s", t->suffix, unit);
	else if (value_of(metric, stat, &value, why, sizeof(why)))
		status = holds(t->op, value, limit) ? "ok" : "broken";
	json_object_set_new(row, "metric", metric_name(metric, stat));
	json_object_set_new(row, "unit", json_string(unit));
	json_object_set_new(row, "value", isfinite(value) ? result_number(value) : json_null());
	json_object_set_new(row, "limit", isfinite(limit) ? result_number(limit) : json_null());
	json_object_set_new(row, "status", json_string(status));
	if (why[0])
		json_object_set_new(row, "reason", result_text(why));
	return status;
}

/* What one threshold comes to over all jobs. */
struct outcome {
	unsigned nr_jobs, nr_broken;
	bool unknown;
};

static void note(struct outcome *o, const char *status)
{
	o->nr_broken += strcmp(status, "ok") != 0;
	o->unknown |= !strcmp(status, "unknown");
}

/* A job that PATTERN names must have the metric; others may be without. */
static void apply_to_job(const struct threshold *t, json_t *job, struct outcome *o)
{
	json_t *rows = json_object_get(job, "thresholds"), *metric;
	bool named = t->pattern && !fnmatch(t->pattern, bench_result_str(job, "name"), 0), any = false;
	const char *stat;
	size_t i;

	if (t->pattern && !named)
		return;
	if (!strcmp(bench_result_str(job, "status"), "skipped")) {
		o->nr_jobs += named;
		return;
	}
	json_array_foreach (json_object_get(job, "metrics"), i, metric) {
		json_t *row;

		if (!is_about(t, metric, &stat))
			continue;
		any = true;
		row = json_pack("{s:o}", "threshold", result_text(t->text));
		note(o, judge(t, metric, stat, row));
		json_array_append_new(rows, row);
	}
	if (!any && named) {
		json_array_append_new(rows, json_pack("{s:o, s:o, s:s, s:n, s:n, s:s, s:s}", "threshold",
						      result_text(t->text), "metric",
						      result_text(t->metric), "unit", "",
						      "value", "limit", "status", "unknown", "reason",
						      "the job has no such metric"));
		note(o, "unknown");
	}
	o->nr_jobs += any || named;
}

unsigned thresholds_apply(const struct thresholds *thresholds, json_t *result)
{
	json_t *jobs = json_object_get(result, "jobs"), *all = json_array(), *job;
	unsigned nr_broken = 0;
	size_t k;

	if (!thresholds) {
		json_decref(all);
		return 0;
	}
	json_array_foreach (jobs, k, job)
		json_object_set_new(job, "thresholds", json_array());
	for (unsigned i = 0; i < thresholds->nr; i++) {
		const struct threshold *t = &thresholds->list[i];
		struct outcome o = { 0 };

		json_array_foreach (jobs, k, job)
			apply_to_job(t, job, &o);
		o.unknown |= !o.nr_jobs;
		nr_broken += o.nr_broken || !o.nr_jobs;
		json_array_append_new(all, json_pack("{s:o, s:i, s:s}", "threshold", result_text(t->text),
						     "jobs", (int)o.nr_jobs, "status",
						     o.unknown	   ? "unknown" :
						     o.nr_broken ? "broken" :
								   "ok"));
	}
	json_array_foreach (jobs, k, job)
		if (!json_array_size(json_object_get(job, "thresholds")))
			json_object_del(job, "thresholds");
	json_object_set_new(result, "thresholds", all);
	return nr_broken;
}
