// SPDX-License-Identifier: BSD-2-Clause
/* The timer that turns what the workers publish and the probes' memory into rows. */
#include "core/series.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/clock.h"
#include "core/run.h"
#include "core/worker.h"
#include "probe/series.h"

/* Run queues of more CPUs than this are one sum. */
#define CPUS_APART 32

/* Columns of workers, which come first. */
enum { COL_OPS, COL_BYTES, COL_INFLIGHT };

struct sampler {
	struct sampler_config config;
	int *cpus; /* config.cpus, a copy */
	struct series *series;
	unsigned nr_columns;
	unsigned first_gauge, nr_gauges; /* columns */
	unsigned first_cpu;   /* column; two for each CPU, or for all of them */
	unsigned first_cause; /* column; one for each of the ledger's */
	int timer;	    /* -1 = none */
	bool asked;	    /* silent CPUs of this window */
	bool told;	    /* the viewer knows the columns */
	unsigned trial;
	uint64_t latency_ns;  /* when the viewer gets the next histogram */
	uint64_t first_ns, start_ns, end_ns, last_ns;
	double *last; /* totals of the window at last_ns, one a column */
	double *now, *row;
};

static bool cpus_apart(const struct sampler_config *c)
{
	return c->nr_cpus <= CPUS_APART;
}

#define MAX_COLUMNS (3 + BENCH_GAUGES + 2 * CPUS_APART + PROBE_NR_INTERVAL_CAUSES)

/* What does not exist has no column. */
static void name_columns(struct sampler *s, struct series_column *columns)
{
	const struct sampler_config *c = &s->config;
	unsigned nr = 0;

	if (c->jr) {
		columns[nr++] = (struct series_column){ .name = "ops", .per_second = true };
		columns[nr++] = (struct series_column){ .name = "bytes", .per_second = true };
	}
	if (c->jr && c->async)
		columns[nr++] = (struct series_column){ .name = "inflight" };
	s->first_gauge = nr;
	for (unsigned i = 0; c->jr && c->jr->module && c->jr->module->gauges &&
			     c->jr->module->gauges[i] && i < BENCH_GAUGES;
	     i++)
		snprintf(columns[nr++].name, sizeof(columns[0].name), "%s",
			 c->jr->module->gauges[i]);
	s->nr_gauges = nr - s->first_gauge;
	s->first_cpu = nr;
	for (unsigned i = 0; c->probes && i < (cpus_apart(c) ? c->nr_cpus : 1); i++) {
		char cpu[16] = "all";

		if (cpus_apart(c))
			snprintf(cpu, sizeof(cpu), "%d", c->cpus[i]);
		snprintf(columns[nr++].name, sizeof(columns[0].name), "runq_depth.%s", cpu);
		snprintf(columns[nr++].name, sizeof(columns[0].name), "runq_waiting.%s", cpu);
	}
	s->first_cause = nr;
	for (unsigned i = 0; c->probes && i < PROBE_NR_INTERVAL_CAUSES; i++) {
		snprintf(columns[nr].name, sizeof(columns[0].name), "wall.%s",
			 probe_cause_name((enum probe_cause)i));
		columns[nr++].rare = true;
	}
	s->nr_columns = nr;
}

/* Operations in flight x ns of one worker up to now. What it has handed over since its last turn it
 * tells beforehand, because it tells nothing while it waits. */
static double inflight_at(const struct worker_live *live, uint64_t now_ns)
{
	for (unsigned tries = 0; tries < 100; tries++) {
		uint64_t seq = atomic_load_explicit(&live->seq, memory_order_acquire);
		uint64_t at = atomic_load_explicit(&live->at_ns, memory_order_acquire);
		uint64_t sum = atomic_load_explicit(&live->inflight_ns, memory_order_acquire);
		uint64_t next = atomic_load_explicit(&live->inflight_next, memory_order_acquire);

		if ((seq & 1) || seq != atomic_load_explicit(&live->seq, memory_order_relaxed))
			continue;
		return (double)sum + (now_ns > at && at ? (double)(next * (now_ns - at)) : 0);
	}
	return NAN;
}

static void read_workers(const struct sampler *s, uint64_t now_ns, double *total)
{
	for (unsigned i = 0; s->config.jr && i < s->config.jr->nr; i++) {
		const struct worker_run *wr = &s->config.jr->workers[i];

		if (wr->w.passive)
			continue;
		total[COL_OPS] += (double)atomic_load_explicit(&wr->live.ops, memory_order_relaxed);
		total[COL_BYTES] +=
			(double)atomic_load_explicit(&wr->live.bytes, memory_order_relaxed);
		if (s->config.async)
			total[COL_INFLIGHT] += inflight_at(&wr->live, now_ns);
	}
}

static void read_cpus(struct sampler *s, uint64_t now_ns, double *total)
{
	for (unsigned i = 0; s->config.probes && i < s->config.nr_cpus; i++) {
		unsigned at = s->first_cpu + (cpus_apart(&s->config) ? 2 * i : 0);
		double *pair = &total[at];
		unsigned cpu = (unsigned)s->config.cpus[i];
		double depth_ns = NAN, waiting_ns = NAN;

		(void)probe_series_depth(s->config.probes, cpu, now_ns, &depth_ns, &waiting_ns);
		pair[0] += depth_ns;
		pair[1] += waiting_ns;
		/* A CPU may turn out to have been idle when it seemed busy: no row goes below nobody. */
		for (unsigned k = 0; k < 2 && cpus_apart(&s->config); k++)
			if (pair[k] < s->last[at + k])
				pair[k] = s->last[at + k];
	}
}

static void read_causes(const struct sampler *s, uint64_t now_ns, double *total)
{
	double ns[PROBE_NR_INTERVAL_CAUSES];
	int rc = s->config.probes ? probe_series_causes(s->config.probes, now_ns, ns) : 0;

	for (unsigned i = 0; s->config.probes && i < PROBE_NR_INTERVAL_CAUSES; i++)
		total[s->first_cause + i] = rc ? 0 : ns[i];
}

/* Gauges are levels: their mean over the active workers, for the time of the row. */
static void read_gauges(const struct sampler *s, uint64_t now_ns, double *row)
{
	for (unsigned i = 0; i < s->nr_gauges; i++) {
		double sum = 0;
		unsigned nr = 0;

		for (unsigned k = 0; k < s->config.jr->nr; k++) {
			const struct worker_run *wr = &s->config.jr->workers[k];
			double value = atomic_load_explicit(&wr->live.gauges[i],
							    memory_order_relaxed);

			if (wr->w.passive || isnan(value))
				continue;
			sum += value;
			nr++;
		}
		row[s->first_gauge + i] = nr ? sum / nr * (double)(now_ns - s->last_ns) : NAN;
	}
}

/* The row that has just been added. */
static void tell_viewer(struct sampler *s, uint64_t now_ns)
{
	struct live *live = s->config.live;

	if (!live_watched(live))
		return;
	if (!s->told)
		live_tell(live, "columns", json_pack("{s:o}", "names", series_names(s->series)));
	s->told = true;
	live_tell(live, "row", json_pack("{s:I, s:i, s:o}", "span_ns",
					 (json_int_t)(now_ns - s->last_ns), "trial", (int)s->trial,
					 "values", series_last(s->series)));
	if (s->config.jr && now_ns >= s->latency_ns && now_ns < s->end_ns)
		s->latency_ns = live_latency(live, s->config.jr, s->trial, now_ns);
}

static void sample(struct sampler *s, uint64_t now_ns)
{
	double *swap = s->last;

	if (now_ns <= s->last_ns)
		return;
	memset(s->now, 0, s->nr_columns * sizeof(*s->now));
	read_workers(s, now_ns, s->now);
	if (!s->asked && s->config.probes)
		probe_series_ask(s->config.probes, s->config.cpus, s->config.nr_cpus);
	s->asked = true;
	read_cpus(s, now_ns, s->now);
	read_causes(s, now_ns, s->now);
	for (unsigned i = 0; i < s->nr_columns; i++)
		s->row[i] = s->now[i] - s->last[i];
	read_gauges(s, now_ns, s->row);
	series_add(s->series, s->last_ns - s->first_ns, now_ns - s->last_ns, s->trial, s->row);
	tell_viewer(s, now_ns);
	s->last = s->now;
	s->now = swap;
	s->last_ns = now_ns;
}

static void on_timer(void *arg);

static void arm(struct sampler *s)
{
	uint64_t interval = series_interval(s->series), next;

	next = s->start_ns + ((s->last_ns - s->start_ns) / interval + 1) * interval;
	/* The rest, however short, is read when the window has ended. */
	s->timer = -1;
	if (s->end_ns == UINT64_MAX || next + interval / 2 < s->end_ns)
		s->timer = loop_timer(s->config.loop, next, on_timer, s);
}

static void on_timer(void *arg)
{
	struct sampler *s = arg;
	uint64_t now_ns = bench_now_ns();

	s->timer = -1;
	if (now_ns >= s->end_ns)
		return;
	sample(s, now_ns);
	arm(s);
}

struct sampler *sampler_new(const struct sampler_config *config)
{
	struct series_column columns[MAX_COLUMNS] = { 0 };
	struct sampler *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->config = *config;
	s->timer = -1;
	s->config.cpus = s->cpus = calloc(config->nr_cpus, sizeof(*s->cpus));
	if (s->cpus && config->nr_cpus)
		memcpy(s->cpus, config->cpus, config->nr_cpus * sizeof(*s->cpus));
	name_columns(s, columns);
	s->series = series_new(columns, s->nr_columns, config->interval_ns);
	s->last = calloc(s->nr_columns, sizeof(double));
	s->now = calloc(s->nr_columns, sizeof(double));
	s->row = calloc(s->nr_columns, sizeof(double));
	if (s->cpus && s->series && s->last && s->now && s->row)
		return s;
	sampler_free(s);
	return NULL;
}

void sampler_free(struct sampler *sampler)
{
	if (!sampler)
		return;
	loop_cancel_timer(sampler->config.loop, sampler->timer);
	series_free(sampler->series);
	free(sampler->cpus);
	free(sampler->last);
	free(sampler->now);
	free(sampler->row);
	free(sampler);
}

void sampler_begin(struct sampler *sampler, uint64_t start_ns, uint64_t end_ns, unsigned trial)
{
	struct sampler *s = sampler;

	if (!s->first_ns)
		s->first_ns = start_ns;
	s->start_ns = s->last_ns = start_ns;
	s->end_ns = end_ns;
	s->trial = trial;
	s->asked = false;
	memset(s->last, 0, s->nr_columns * sizeof(*s->last));
	arm(s);
}

void sampler_end(struct sampler *sampler, uint64_t end_ns, bool keep)
{
	struct sampler *s = sampler;

	loop_cancel_timer(s->config.loop, s->timer);
	s->timer = -1;
	if (keep)
		sample(s, end_ns);
	else
		series_drop(s->series, s->trial);
	s->trial = 0;
}

uint64_t sampler_first_ns(const struct sampler *sampler)
{
	return sampler->first_ns;
}

json_t *sampler_json(const struct sampler *sampler)
{
	return series_json(sampler->series);
}
