// SPDX-License-Identifier: BSD-2-Clause
// Commands that ran in turns, against the first of them. Two runs of one round are a pair: what the
// host did to both cancels in their ratio.
#include <math.h>
#include <stdlib.h>

#include "core/exec_job.h"
#include "core/result.h"

static const json_t *wall_of(const json_t *job)
{
	const json_t *wall = bench_result_metric(job, "wall", NULL, NULL);

	return bench_result_has_value(wall) ? wall : NULL;
}

/* Trial i of a job is that of round i: a job that fails has no further ones. */
static unsigned pair_ratios(const json_t *base, const json_t *other, double *ratios)
{
	const json_t *a = bench_result_get(base, "trials"), *b = bench_result_get(other, "trials");
	unsigned nr = 0;

	for (size_t i = 0; i < json_array_size(a) && i < json_array_size(b); i++)
		ratios[nr++] = json_number_value(json_array_get(b, i)) /
			       json_number_value(json_array_get(a, i));
	return nr;
}

static json_t *compare(const json_t *job, const json_t *base, const json_t *wall)
{
	double *ratios =
		calloc(json_array_size(bench_result_get(wall, "trials")) + 1, sizeof(*ratios));
	unsigned nr = ratios ? pair_ratios(base, wall, ratios) : 0;
	double paired = stats_median(ratios, nr), low, high;
	const char *verdict = "unknown";
	json_t *ci = json_null();

	if (nr && stats_median_ci95(ratios, nr, &low, &high)) {
		ci = json_pack("[o, o]", result_number(low), result_number(high));
		verdict = low > 1 ? "slower" : high < 1 ? "faster" : "noise";
	}
	free(ratios);
	return json_pack(
		"{s:O, s:o, s:o, s:o, s:i, s:s}", "job", bench_result_get(job, "name"), "ratio",
		result_number(bench_result_num(wall, "value") / bench_result_num(base, "value")),
		"paired_ratio", result_number(paired), "ci", ci, "pairs", (int)nr, "verdict",
		verdict);
}

json_t *exec_compare(const json_t *jobs)
{
	const json_t *base = NULL, *job;
	json_t *list = json_array();
	const char *name = "";
	size_t i;

	json_array_foreach (jobs, i, job) {
		const json_t *wall = wall_of(job);

		if (wall && base)
			json_array_append_new(list, compare(job, base, wall));
		if (wall && !base) {
			base = wall;
			name = bench_result_str(job, "name");
		}
	}
	if (json_array_size(list))
		return json_pack("{s:s, s:s, s:o}", "metric", "wall", "base", name, "jobs", list);
	json_decref(list);
	return NULL;
}
