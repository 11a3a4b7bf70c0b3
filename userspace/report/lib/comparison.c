// SPDX-License-Identifier: BSD-2-Clause
/* Commands that ran in turns: each against the first. */
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
