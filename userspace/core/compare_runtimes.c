// SPDX-License-Identifier: BSD-2-Clause
// The two runtimes on one workload: what each spends on an operation. All values are per operation of
// the active workers and of all threads of the job, servers included.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/compare.h"
#include "core/result.h"

/* A cause below this share of both is left out. */
#define CAUSE_FLOOR 0.01

static double value_of(const json_t *job, const char *name, const char *key, const char *label)
{
	const json_t *m = bench_result_metric(job, name, key, label);

	return bench_result_has_value(m) ? bench_result_num(m, "value") : NAN;
}

/* Batches and the like are few and skewed: their mean says what an operation cost. */
static double mean_of(const json_t *job, const char *name)
{
	const json_t *m = bench_result_metric(job, name, NULL, NULL);
	double count = bench_result_num(m, "hist.count");

	return bench_result_has_value(m) && count > 0 ? bench_result_num(m, "hist.sum") / count : NAN;
}

/* A count of a trial for each of its operations. */
static double per_op(const json_t *job, const char *name, const char *key, const char *label)
{
	double ops = value_of(job, "ops", NULL, NULL) * bench_result_num(job, "trial_ns") / 1e9;

	return value_of(job, name, key, label) / ops;
}

static void put(json_t *list, const char *metric, json_t *labels, const char *unit, double base,
		double value)
{
	if (isnan(base) && isnan(value)) {
		json_decref(labels);
		return;
	}
	json_array_append_new(list, json_pack("{s:s, s:o, s:s, s:o, s:o, s:o}", "metric", metric,
					      "labels", labels ? labels : json_object(), "unit", unit,
					      "base", result_number(base), "value",
					      result_number(value), "difference",
					      result_number(value - base)));
}

/* Thread time for each operation, by cause: these sum to the number of threads over the rate. */
static void put_causes(json_t *list, const json_t *uring, const json_t *blocking)
{
	const json_t *metrics = bench_result_get(uring, "metrics"), *m;
	const json_t *both[2] = { blocking, uring };
	size_t i;

	json_array_foreach (metrics, i, m) {
		const char *cause = bench_result_str(m, "labels.cause");
		double ns[2], largest = 0;

		if (strcmp(bench_result_str(m, "name"), "wall.time"))
			continue;
		for (unsigned n = 0; n < 2; n++) {
			double share = value_of(both[n], "wall.time", "cause", cause);
			double threads = (double)json_array_size(
				bench_result_get(both[n], "placement"));

			ns[n] = share * threads * 1e9 / value_of(both[n], "ops", NULL, NULL);
			largest = fmax(largest, share);
		}
		if (largest >= CAUSE_FLOOR)
			put(list, "wall.time.per_op", json_pack("{s:s}", "cause", cause), "ns", ns[0],
			    ns[1]);
	}
}

static json_t *explain(const json_t *uring, const json_t *blocking)
{
	json_t *list = json_array();
	const char *const batches[] = { "runtime.submit_batch", "runtime.reap_batch", NULL };

	put(list, "latency", NULL, "ns", value_of(blocking, "latency", NULL, NULL),
	    value_of(uring, "latency", NULL, NULL));
	put(list, "cpu.per_op", NULL, "ns", value_of(blocking, "cpu.per_op", NULL, NULL),
	    value_of(uring, "cpu.per_op", NULL, NULL));
	put(list, "syscalls.per_op", NULL, "count", value_of(blocking, "syscalls.per_op", NULL, NULL),
	    value_of(uring, "syscalls.per_op", NULL, NULL));
	put(list, "context-switches.per_op", NULL, "count",
	    value_of(blocking, "context-switches.per_op", "scope", "worker"),
	    value_of(uring, "context-switches.per_op", "scope", "worker"));
	/* Who left its CPU of its own accord was woken to go on. */
	put(list, "wakeups.per_op", NULL, "count",
	    per_op(blocking, "sched.switches", "kind", "voluntary"),
	    per_op(uring, "sched.switches", "kind", "voluntary"));
	for (unsigned i = 0; batches[i]; i++)
		put(list, batches[i], NULL, "ops", mean_of(blocking, batches[i]),
		    mean_of(uring, batches[i]));
	put(list, "runtime.inflight", json_pack("{s:s}", "stat", "mean"), "ops",
	    value_of(blocking, "runtime.inflight", "stat", "mean"),
	    value_of(uring, "runtime.inflight", "stat", "mean"));
	put_causes(list, uring, blocking);
	return list;
}

/* Parameters that the other one lacks. */
static json_t *unlike(const json_t *uring, const json_t *blocking)
{
	const json_t *other = bench_result_get(blocking, "params");
	json_t *params = json_object(), *value;
	const char *name;

	json_object_foreach ((json_t *)bench_result_get(uring, "params"), name, value)
		if (!json_object_get(other, name) && !json_is_null(value))
			json_object_set(params, name, value);
	return params;
}

json_t *compare_runtimes(const json_t *uring, const json_t *blocking)
{
	json_t *entry = compare_jobs(blocking, uring, "ops");

	if (!entry)
		return NULL;
	json_object_set_new(entry, "unlike", unlike(uring, blocking));
	json_object_set_new(entry, "explained", explain(uring, blocking));
	return json_pack("{s:s, s:O, s:[o]}", "metric", "ops", "base", bench_result_get(blocking, "name"),
			 "jobs", entry);
}
