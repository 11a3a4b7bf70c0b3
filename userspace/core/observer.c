// SPDX-License-Identifier: BSD-2-Clause
#include "core/observer.h"

#include <math.h>
#include <string.h>
#include <sys/random.h>

#include "bench/clock.h"
#include "core/result.h"

/* The order within a pair must not follow anything periodic of the host. */
static bool toss(void)
{
	unsigned char byte;

	if (getrandom(&byte, 1, GRND_NONBLOCK) != 1)
		byte = (unsigned char)(bench_now_ns() / 100);
	return byte & 1;
}

void observer_begin(struct observer *o, struct run *run)
{
	struct bench_err err = { 0 };
	int rc = 0;

	*o = (struct observer){ .on = false };
	if (run->settings->observer != OBSERVER_AB || !run->probes)
		return;
	rc = probe_detach(run->probes, &err);
	rc = rc ? rc : probe_attach(run->probes, &err);
	if (rc)
		result_warn(run->result, "--observer=ab: not compared: %s", err.msg);
	o->on = !rc;
}

unsigned observer_trials(const struct observer *o, unsigned nr)
{
	return o->on ? 2 * nr : nr;
}

int observer_next(struct observer *o, struct run *run, struct bench_err *err)
{
	bool second = o->next++ & 1;

	if (!o->on)
		return 0;
	if (!second)
		o->control_first = toss();
	o->control = o->control_first != second;
	return o->control ? probe_detach(run->probes, err) : probe_attach(run->probes, err);
}

void observer_note(struct observer *o, double speed, struct bench_metric_set *metrics)
{
	const struct bench_metric_id id = { .name = "overhead.observer",
					    .unit = "ratio",
					    .source = BENCH_SOURCE_PROBE,
					    .better = BENCH_BETTER_LOWER };

	if (!o->on)
		return;
	o->speed[o->control] = speed;
	if (o->next & 1)
		return;
	o->nr_pairs++;
	bench_metric_put(metrics, &id, 1 - o->speed[0] / o->speed[1]);
}

int observer_end(struct observer *o, struct run *run, struct bench_err *err)
{
	return o->on ? probe_attach(run->probes, err) : 0;
}

void observer_warnings(struct run *run, json_t *job)
{
	json_t *warnings = json_array();

	if (run->probes)
		probe_warnings(run->probes, warnings);
	if (json_array_size(warnings))
		json_object_set(job, "warnings", warnings);
	json_decref(warnings);
}

json_t *observer_json(const json_t *jobs)
{
	json_t *list = json_array();
	const json_t *job;
	size_t i;

	json_array_foreach (jobs, i, job) {
		const json_t *m = bench_result_metric(job, "overhead.observer", NULL, NULL);
		const json_t *ci = bench_result_get(m, "ci");
		bool wall = !strcmp(bench_result_str(job, "module"), "exec");

		if (!m)
			continue;
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:o, s:o, s:O}", "job",
					bench_result_str(job, "name"), "metric",
					wall ? "wall" : "ops", "pairs",
					result_number(bench_result_num(job, "control_trials")),
					"cost", result_number(bench_result_num(m, "value")), "ci",
					ci ? ci : json_null()));
	}
	if (json_array_size(list))
		return json_pack(
			"{s:s, s:s, s:o}", "mode", "ab", "method",
			"trials in pairs, one with the probes attached and one with them detached, "
			"in random order; cost is the median over the pairs of 1 - speed with / "
			"speed without; trials without probes enter no other metric",
			"jobs", list);
	json_decref(list);
	return NULL;
}
