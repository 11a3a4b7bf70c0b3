// SPDX-License-Identifier: BSD-2-Clause
/* Run-queue depth: time integrals per CPU, closed at the window's end. */
#include "probe/set.h"

#include <math.h>
#include <string.h>

/* Depths that always have a row, so that a table of trials has no holes in the usual case. */
#define ROWS_ALWAYS 4

bool depth_close(const struct probe_set *set, unsigned cpu, uint64_t end_ns,
		 struct probe_depth *ret_depth)
{
	const struct probe_queue *q = &set->queues[cpu];
	struct probe_depth d = set->depth[window_bank(set) * set->nr_cpus + cpu];
	uint64_t from, ns, until = end_ns;

	if (!d.touched) {
		if (set->mode.depth_exact && !d.peeked)
			return false;
		d.depth = d.peek_depth;
		d.waiting = d.peek_waiting;
		if (!set->mode.depth_exact) {
			d.depth = q->count > 0 ? (uint32_t)q->count : 0;
			d.waiting = d.depth > q->running ? d.depth - q->running : 0;
		}
		d.since_ns = 0;
	}
	from = d.since_ns > set->start_ns ? d.since_ns : set->start_ns;
	if (d.idle_ns > from && d.idle_ns < end_ns) {
		until = d.idle_ns;
		d.at_ns[0] += end_ns - until;
	}
	ns = until > from ? until - from : 0;
	if (ns) {
		d.at_ns[d.depth < PROBE_DEPTHS ? d.depth : PROBE_DEPTHS - 1] += ns;
		d.depth_ns += ns * d.depth;
		d.waiting_ns += ns * d.waiting;
		d.max = d.depth > d.max ? d.depth : d.max;
	}
	if (fault_injected(set, "depth")) { /* a CPU that looks idle */
		memset(d.at_ns, 0, sizeof(d.at_ns));
		d.at_ns[0] = end_ns - set->start_ns;
		d.depth_ns = d.waiting_ns = 0;
	}
	for (unsigned i = 0; fault_injected(set, "gap") && i < PROBE_DEPTHS; i++)
		d.at_ns[i] /= 2; /* time at no depth */
	*ret_depth = d;
	return true;
}

struct depth_row {
	struct probe_set *set;
	const struct probe_metric *metric;
	struct bench_metric_set *metrics;
	uint64_t end_ns;
};

static void row_put(const struct depth_row *row, const char *cpu, const char *depth,
		    enum bench_status status, double value, const char *note)
{
	struct bench_metric_id id = {
		.name = row->metric->desc.name,
		.unit = row->metric->desc.unit,
		.source = BENCH_SOURCE_PROBE,
		.labels = { { cpu ? "cpu" : NULL, cpu }, { depth ? "depth" : NULL, depth } },
	};

	if (status == BENCH_OK && !row->set->mode.depth_exact)
		note = row->set->mode.depth_forced
			       ? "derived from scheduler events, as BENCH_PROBE_FALLBACK asks"
			       : "derived from scheduler events: the run queue's own count cannot "
				 "be "
				 "followed on this kernel";
	if (status == BENCH_OK && depth) /* a depth that does not occur has no time */
		bench_metric_put_sparse(row->metrics, &id, 0);
	bench_metric_put_status(row->metrics, &id, status, value, note);
	if (depth)
		bench_metric_join_mean(row->metrics, &id, false);
}

/* Value of one CPU; NAN = not known. */
static double cpu_value(const struct depth_row *row, unsigned cpu, struct probe_depth *d)
{
	uint64_t covered = 0;

	if (cpu >= row->set->nr_cpus || !depth_close(row->set, cpu, row->end_ns, d))
		return NAN;
	for (unsigned i = 0; i < PROBE_DEPTHS; i++)
		covered += d->at_ns[i];
	if (!covered)
		return NAN;
	switch (row->metric->desc.slot) {
	case PROBE_DEPTH_MEAN:
		return (double)d->depth_ns / (double)covered;
	case PROBE_DEPTH_WAITING:
		return (double)d->waiting_ns / (double)covered;
	case PROBE_DEPTH_MAX:
		return d->max;
	default:
		return (double)covered;
	}
}

static void time_put(const struct depth_row *row, const char *cpu, const struct probe_depth *d,
		     double covered)
{
	char depth[16];

	for (unsigned i = 0; i < PROBE_DEPTHS; i++) {
		if (i >= ROWS_ALWAYS && !d->at_ns[i])
			continue;
		snprintf(depth, sizeof(depth), "%u", i);
		row_put(row, cpu, depth, BENCH_OK, (double)d->at_ns[i] / covered, NULL);
	}
}

static void cpus_put(const struct depth_row *row, const int *cpus, unsigned nr)
{
	struct probe_depth d;

	for (unsigned i = 0; i < nr; i++) {
		char cpu[16];
		double value;
		bool seen = cpus[i] < 0;

		for (unsigned k = 0; k < i && !seen; k++)
			seen = cpus[k] == cpus[i]; /* two workers on one CPU */
		if (seen)
			continue;
		value = cpu_value(row, (unsigned)cpus[i], &d);
		snprintf(cpu, sizeof(cpu), "%d", cpus[i]);
		if (isnan(value))
			row_put(row, cpu, NULL, BENCH_NOT_COUNTED, 0,
				"nothing is known of this CPU: it is offline");
		else if (row->metric->desc.slot == PROBE_DEPTH_TIME)
			time_put(row, cpu, &d, value);
		else
			row_put(row, cpu, NULL, BENCH_OK, value, NULL);
	}
}

/* Over all allowed CPUs: the sum, or for the maximum the largest. */
static double all_value(const struct depth_row *row)
{
	bool max = row->metric->desc.slot == PROBE_DEPTH_MAX;
	struct probe_depth d;
	double all = NAN;

	for (unsigned cpu = 0; cpu < row->set->nr_cpus && cpu < CPU_SETSIZE; cpu++) {
		double value;

		if (!CPU_ISSET(cpu, &row->set->allowed))
			continue;
		value = cpu_value(row, cpu, &d);
		if (isnan(value))
			continue;
		if (isnan(all))
			all = value;
		else
			all = max ? fmax(all, value) : all + value;
	}
	return all;
}

void depth_put(struct probe_set *set, const struct probe_metric *metric, const int *cpus,
	       unsigned nr, struct bench_metric_set *metrics)
{
	struct depth_row row = { set, metric, metrics, set->end_ns };
	const char *label = metric->desc.slot == PROBE_DEPTH_MAX ? NULL : "all";
	double all;

	/* The maximum has one row: over the job's CPUs, where it has any. */
	if (metric->desc.slot == PROBE_DEPTH_MAX && nr) {
		struct probe_depth d;

		all = NAN;
		for (unsigned i = 0; i < nr; i++)
			if (cpus[i] >= 0)
				all = fmax(all, cpu_value(&row, (unsigned)cpus[i], &d));
		if (isnan(all))
			all = all_value(&row);
	} else {
		cpus_put(&row, cpus, nr);
		if (metric->desc.slot == PROBE_DEPTH_TIME)
			return;
		all = all_value(&row);
	}
	if (isnan(all))
		row_put(&row, label, NULL, BENCH_NOT_COUNTED, 0, "no CPU was observed");
	else
		row_put(&row, label, NULL, BENCH_OK, all, NULL);
}
