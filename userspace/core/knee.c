// SPDX-License-Identifier: BSD-2-Clause
#include "core/knee.h"

#include <math.h>
#include <string.h>

#include "bench/result.h"

/* Parameters of which more is more load. Others, such as a block's size, make another operation. */
static const char *const loads[] = { "depth", "flows", "workers", "rate", NULL };

static const char *load_of(const json_t *job)
{
	const json_t *params = bench_result_get(job, "sweep.params");

	for (unsigned i = 0; loads[i]; i++)
		if (json_is_number(json_object_get(params, loads[i])))
			return loads[i];
	return NULL;
}

/* Are both of one sweep, and equal in all that varies but the load? */
static bool alike(const json_t *a, const json_t *b, const char *load)
{
	const json_t *other = bench_result_get(b, "sweep.params");
	const char *key;
	json_t *value;

	if (strcmp(bench_result_str(a, "sweep.name"), bench_result_str(b, "sweep.name")))
		return false;
	json_object_foreach ((json_t *)bench_result_get(a, "sweep.params"), key, value)
		if (strcmp(key, load) && !json_equal(value, json_object_get(other, key)))
			return false;
	return true;
}

static double power_of(const json_t *job)
{
	const json_t *latency = bench_result_metric(job, "latency", NULL, NULL);
	double ops = bench_result_num(bench_result_metric(job, "ops", NULL, NULL), "value");
	double mean = bench_result_num(latency, "hist.sum") / bench_result_num(latency, "hist.count");

	return strcmp(bench_result_str(job, "status"), "ok") ? NAN : ops / mean;
}

static double load_value(const json_t *job, const char *load)
{
	return json_number_value(json_object_get(bench_result_get(job, "sweep.params"), load));
}

void knee_mark(json_t *jobs)
{
	json_t *first, *job;
	size_t i, j;

	json_array_foreach (jobs, i, first) {
		const char *load = load_of(first);
		double best = -1, largest = -1;
		json_t *knee = NULL;
		unsigned nr = 0;
		bool seen = false;

		for (j = 0; load && j < i; j++)
			seen |= alike(json_array_get(jobs, j), first, load);
		if (!load || seen)
			continue;
		json_array_foreach (jobs, j, job) {
			double power = power_of(job);

			if (!alike(first, job, load) || isnan(power))
				continue;
			nr++;
			largest = fmax(largest, load_value(job, load));
			if (power <= best)
				continue;
			best = power;
			knee = job;
		}
		if (nr >= 3 && load_value(knee, load) < largest)
			json_object_set_new(json_object_get(knee, "sweep"), "knee", json_true());
	}
}
