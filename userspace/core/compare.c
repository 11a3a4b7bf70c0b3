// SPDX-License-Identifier: BSD-2-Clause
#include "core/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/result.h"

static const json_t *value_of(const json_t *job, const char *name)
{
	const json_t *metric = bench_result_metric(job, name, NULL, NULL);

	return bench_result_has_value(metric) ? metric : NULL;
}

/* A round in which one of them has no value is no pair. */
static unsigned pair_ratios(const json_t *base, const json_t *other, double *ratios)
{
	const json_t *a = bench_result_get(base, "trials"), *b = bench_result_get(other, "trials");
	unsigned nr = 0;

	for (size_t i = 0; i < json_array_size(a) && i < json_array_size(b); i++) {
		double x = json_number_value(json_array_get(a, i));
		const json_t *y = json_array_get(b, i);

		if (x > 0 && json_is_number(y))
			ratios[nr++] = json_number_value(y) / x;
	}
	return nr;
}

static const char *verdict_of(const json_t *metric, double low, double high)
{
	bool more_is_faster = !strcmp(bench_result_str(metric, "better"), "higher");

	if (low <= 1 && high >= 1)
		return "noise";
	return (low > 1) == more_is_faster ? "faster" : "slower";
}

json_t *compare_jobs(const json_t *base_job, const json_t *job, const char *metric)
{
	const json_t *base = value_of(base_job, metric), *other = value_of(job, metric);
	double *ratios, paired, low, high;
	const char *verdict = "unknown";
	json_t *ci = json_null();
	unsigned nr;

	if (!base || !other)
		return NULL;
	ratios = calloc(json_array_size(bench_result_get(other, "trials")) + 1, sizeof(*ratios));
	nr = ratios ? pair_ratios(base, other, ratios) : 0;
	paired = stats_median(ratios, nr);
	if (nr && stats_median_ci95(ratios, nr, &low, &high)) {
		ci = json_pack("[o, o]", result_number(low), result_number(high));
		verdict = verdict_of(other, low, high);
	}
	free(ratios);
	return json_pack("{s:O, s:o, s:o, s:o, s:i, s:s}", "job", bench_result_get(job, "name"),
			 "ratio",
			 result_number(bench_result_num(other, "value") /
				       bench_result_num(base, "value")),
			 "paired_ratio", result_number(paired), "ci", ci, "pairs", (int)nr, "verdict",
			 verdict);
}
