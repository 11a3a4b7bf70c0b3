// SPDX-License-Identifier: BSD-2-Clause
#include "metric.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/result.h"
#include "draw.h"

const json_t *metric_of(const json_t *doc, const char *name, size_t *at)
{
	const json_t *metrics = json_object_get(doc, "metrics");

	while (*at < json_array_size(metrics)) {
		const json_t *metric = json_array_get(metrics, (*at)++);

		if (!name || !strcmp(bench_result_str(metric, "name"), name))
			return metric;
	}
	return NULL;
}

const char *metric_label(const json_t *metric, const char *key)
{
	const char *value = json_string_value(json_object_get(json_object_get(metric, "labels"), key));

	return value ? value : "";
}

const char *metric_text(char buf[UNITS_MAX], const json_t *metric, const char **ret_why)
{
	const char *unit = bench_result_str(metric, "unit");

	*ret_why = "";
	if (!bench_result_has_value(metric)) {
		*ret_why = bench_result_str(metric, "note");
		if (!(*ret_why)[0])
			*ret_why = bench_result_str(metric, "status");
		snprintf(buf, UNITS_MAX, "-");
		return buf;
	}
	return units_value(buf, bench_result_num(metric, "value"), unit, draw_utf8());
}

const char *metric_trust(char buf[UNITS_MAX], const json_t *metric)
{
	const json_t *ci = json_object_get(metric, "ci");
	double value = bench_result_num(metric, "value");
	double low = json_number_value(json_array_get(ci, 0));
	double high = json_number_value(json_array_get(ci, 1));
	size_t trials = json_array_size(json_object_get(metric, "trials"));

	if (json_array_size(ci) == 2 && value > 0) {
		double far = fmax(value - low, high - value) / value * 100;

		snprintf(buf, UNITS_MAX, "%s%.*f %%", draw_utf8() ? "±" : "+-", far < 10 ? 1 : 0,
			 far);
	} else {
		snprintf(buf, UNITS_MAX, "%zu trial%s", trials, trials == 1 ? "" : "s");
	}
	return buf;
}

const json_t *metric_main(const json_t *doc)
{
	static const char *const names[] = { "ops", "bytes", "wall" };

	for (unsigned i = 0; i < 3; i++) {
		size_t at = 0;
		const json_t *metric = metric_of(doc, names[i], &at);

		if (bench_result_has_value(metric) && bench_result_num(metric, "value") > 0)
			return metric;
	}
	return NULL;
}

static int larger_first(const void *a, const void *b)
{
	double x = bench_result_num(*(const json_t *const *)a, "value");
	double y = bench_result_num(*(const json_t *const *)b, "value");

	return x < y ? 1 : x > y ? -1 : 0;
}

const json_t **metric_sorted(const json_t *doc, const char *name, size_t *ret_nr)
{
	size_t at = 0, nr = 0;
	const json_t **list =
		calloc(json_array_size(json_object_get(doc, "metrics")) + 1, sizeof(*list));
	const json_t *metric;

	while (list && (metric = metric_of(doc, name, &at)))
		if (bench_result_has_value(metric) && bench_result_num(metric, "value") > 0)
			list[nr++] = metric;
	if (list)
		qsort(list, nr, sizeof(*list), larger_first);
	*ret_nr = nr;
	return list;
}
