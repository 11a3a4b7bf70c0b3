// SPDX-License-Identifier: BSD-2-Clause
/* What ran in turns: commands, each against the first; jobs on both runtimes. */
#include <math.h>
#include <string.h>

#include "report/lib/sections.h"

#define NAME_COL 26
/* Right edges of the columns. */
#define RESULT_END 38
#define RATIO_END 47
#define INTERVAL_END 63
#define VERDICT_COL 65

static const json_t *job_called(const json_t *result, const char *name)
{
	const json_t *jobs = bench_result_get(result, "jobs"), *job;
	size_t i;

	json_array_foreach (jobs, i, job)
		if (!strcmp(bench_result_str(job, "name"), name))
			return job;
	return NULL;
}

static const char *verdict_words(const char *verdict, enum text_color *ret_color)
{
	*ret_color = TEXT_PLAIN;
	if (!strcmp(verdict, "slower") || !strcmp(verdict, "faster"))
		return verdict;
	*ret_color = TEXT_YELLOW;
	if (!strcmp(verdict, "noise"))
		return "the difference is within noise";
	return "6 rounds give an interval";
}

/* Four digits, as far as they are behind the point. */
static int decimals(double ratio)
{
	return ratio < 10 ? 3 : ratio < 100 ? 2 : ratio < 1000 ? 1 : 0;
}

static void name_and_result(struct text *t, const json_t *result, const char *name,
			    const char *metric)
{
	const json_t *job = job_called(result, name);
	char text[UNITS_MAX];

	text_to(t, 2);
	t->indent = 4;
	text_words(t, TEXT_PLAIN, name);
	if (t->col >= NAME_COL + 2)
		text_end(t);
	text_right(t, RESULT_END, TEXT_PLAIN,
		   metric_value(t, text, bench_result_metric(job, metric, NULL, NULL)));
}

static void row(struct text *t, const json_t *result, const json_t *entry, const char *metric)
{
	const json_t *ci = bench_result_get(entry, "ci");
	enum text_color color;
	const char *words = verdict_words(bench_result_str(entry, "verdict"), &color);
	double ratio = bench_result_num(entry, "ratio");
	char text[64];

	name_and_result(t, result, bench_result_str(entry, "job"), metric);
	snprintf(text, sizeof(text), "%.*f", decimals(ratio), ratio);
	text_right(t, RATIO_END, TEXT_BOLD, text);
	if (json_array_size(ci) == 2) {
		double low = json_number_value(json_array_get(ci, 0));
		double high = json_number_value(json_array_get(ci, 1));

		snprintf(text, sizeof(text), "[%.*f, %.*f]", decimals(low), low, decimals(high),
			 high);
		text_right(t, INTERVAL_END, TEXT_PLAIN, text);
	}
	if (VERDICT_COL + text_len(t, words) > t->width)
		text_end(t);
	text_to(t, t->col ? VERDICT_COL : 4);
	text_put(t, color, "%s", words);
	text_end(t);
}

void section_comparison(struct text *t, const json_t *result)
{
	const json_t *comparison = bench_result_get(result, "comparison"), *entry;
	const json_t *entries = bench_result_get(comparison, "jobs");
	const char *metric = bench_result_str(comparison, "metric");
	size_t i;

	if (!json_array_size(entries))
		return;
	text_put(t, TEXT_BOLD, "compared");
	text_right(t, RESULT_END, TEXT_DIM, metric);
	text_right(t, RATIO_END, TEXT_DIM, "ratio");
	text_right(t, INTERVAL_END, TEXT_DIM, "95 %");
	text_end(t);
	name_and_result(t, result, bench_result_str(comparison, "base"), metric);
	text_right(t, RATIO_END, TEXT_BOLD, "1");
	text_end(t);
	json_array_foreach (entries, i, entry)
		row(t, result, entry, metric);
}

/* Right edges of the columns of what explains a difference. */
#define BASE_END 40
#define VALUE_END 53
#define CHANGE_END 66

/* What a metric is called among those that explain; NULL = by its own name. */
static const char *explained_label(const json_t *entry)
{
	static const char *const labels[][2] = {
		{ "latency", "latency, median" },
		{ "cpu.per_op", "cpu time" },
		{ "syscalls.per_op", "system calls" },
		{ "context-switches.per_op", "context switches" },
		{ "wakeups.per_op", "wake-ups" },
		{ "runtime.submit_batch", "handed over at once" },
		{ "runtime.reap_batch", "completed at once" },
		{ "runtime.inflight", "in flight, all workers" },
	};
	const char *name = bench_result_str(entry, "metric");

	for (unsigned i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		if (!strcmp(name, labels[i][0]))
			return labels[i][1];
	return *bench_result_str(entry, "labels.cause") ? bench_result_str(entry, "labels.cause") : name;
}

static void explained_value(struct text *t, unsigned end, const json_t *entry, const char *key)
{
	const char *unit = bench_result_str(entry, "unit");
	bool change = !strcmp(key, "difference");
	double value = bench_result_num(entry, key);
	char text[UNITS_MAX + 1], *digits = text + 1;

	if (isnan(value)) {
		text_right(t, end, TEXT_DIM, change ? "" : "-");
		return;
	}
	/* Counts per operation are small numbers, not whole ones. */
	if (strcmp(unit, "ns"))
		snprintf(digits, UNITS_MAX, "%.*f", fabs(value) < 10 ? 2 : 1, fabs(value));
	else
		units_value(digits, fabs(value), unit, t->style->utf8);
	text[0] = value < 0 ? '-' : '+';
	text_right(t, end, TEXT_PLAIN, change || value < 0 ? text : digits);
}

static void explained_rows(struct text *t, const json_t *entries)
{
	bool times = false;
	const json_t *entry;
	size_t i;

	json_array_foreach (entries, i, entry) {
		bool cause = !strcmp(bench_result_str(entry, "metric"), "wall.time.per_op");

		if (cause && !times) {
			text_to(t, 4);
			text_put(t, TEXT_DIM, "where the threads' time went");
			text_end(t);
		}
		times |= cause;
		text_to(t, cause ? 6 : 4);
		text_put(t, TEXT_PLAIN, "%s", explained_label(entry));
		explained_value(t, BASE_END, entry, "base");
		explained_value(t, VALUE_END, entry, "value");
		explained_value(t, CHANGE_END, entry, "difference");
		text_end(t);
	}
}

/* "only uring has depth=32" */
static void unlike(struct text *t, const json_t *params)
{
	unsigned left = TEXT_TOP;

	if (!json_object_size(params))
		return;
	text_to(t, 4);
	text_put(t, TEXT_DIM, "only uring has");
	t->indent = 4;
	t->begun = true;
	text_members(t, params, "", true, &left);
	text_end(t);
}

static void runtimes(struct text *t, const json_t *result, const json_t *comparison)
{
	const json_t *entry = json_array_get(bench_result_get(comparison, "jobs"), 0);
	const json_t *ci = bench_result_get(entry, "ci");
	const char *names[2] = { bench_result_str(comparison, "base"), bench_result_str(entry, "job") };
	enum text_color color;
	const char *words = verdict_words(bench_result_str(entry, "verdict"), &color);
	double ratio = bench_result_num(entry, "paired_ratio");
	char text[UNITS_MAX];

	text_to(t, 2);
	t->indent = 4;
	text_words(t, TEXT_BOLD, names[1]);
	text_words(t, TEXT_PLAIN, " : ");
	text_words(t, TEXT_BOLD, names[0]);
	text_end(t);
	text_to(t, 4);
	text_put(t, TEXT_PLAIN, "%s", bench_result_str(comparison, "metric"));
	for (unsigned n = 0; n < 2; n++)
		text_right(t, n ? VALUE_END : BASE_END, TEXT_PLAIN,
			   metric_value(t, text, bench_result_metric(job_called(result, names[n]),
								     bench_result_str(comparison, "metric"),
								     NULL, NULL)));
	text_put(t, TEXT_BOLD, "   %s%.*f", text_sign(t, "\xc3\x97", "x"), decimals(ratio), ratio);
	if (json_array_size(ci) == 2)
		text_put(t, TEXT_PLAIN, " [%.3f, %.3f]", json_number_value(json_array_get(ci, 0)),
			 json_number_value(json_array_get(ci, 1)));
	text_put(t, color, " %s", words);
	text_end(t);
	unlike(t, bench_result_get(entry, "unlike"));
	explained_rows(t, bench_result_get(entry, "explained"));
}

void section_runtimes(struct text *t, const json_t *result)
{
	const json_t *comparisons = bench_result_get(result, "comparisons"), *comparison;
	size_t i;

	if (!json_array_size(comparisons))
		return;
	text_blank(t);
	text_put(t, TEXT_BOLD, "runtimes, per op");
	text_right(t, BASE_END, TEXT_DIM, "blocking");
	text_right(t, VALUE_END, TEXT_DIM, "uring");
	text_right(t, CHANGE_END, TEXT_DIM, "difference");
	text_end(t);
	json_array_foreach (comparisons, i, comparison)
		runtimes(t, result, comparison);
}
