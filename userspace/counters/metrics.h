/* SPDX-License-Identifier: BSD-2-Clause */
/* Between readings and metrics: what one trial's events came to, for those who derive from them. */
#ifndef COUNTERS_METRICS_H
#define COUNTERS_METRICS_H

#include "counters/plan.h"

/* One event over all sessions. */
struct total {
	double value; /* in the event's unit */
	enum bench_status status;
	char note[192];
	bool present; /* some session had a reading or a reason */
	bool absent;  /* belongs to another pass: nothing to report */
	struct bench_metric_count count;
};

/* Where the values go, the same for all of one call. */
struct sink {
	struct bench_metric_set *set;
	const char *scope;
	uint64_t ops;
	bool per_cpu; /* some session was on a CPU */
};

/* Statuses are declared from good to bad: take the worse one. */
void total_worsen(struct total *total, enum bench_status status, const char *note);
/* Put total under this name; pmu NULL = no label. */
void total_put(const struct sink *sink, const char *name, const char *unit, enum bench_better better,
	       const char *pmu, const struct total *total);
/* The same for a share of a top-down level. */
void total_put_level(const struct sink *sink, const char *name, unsigned level,
		     const struct total *total);
/* The kinds of core of a hybrid host are told apart by a label, as their counts do not add up. */
const char *total_pmu(const struct counter_event *event);
/* The same event may be counted in several groups: does event i stand for it in this trial? */
bool total_is_best(const struct counter_plan *plan, const struct total *totals, unsigned i);

/* derived.c: everything that is made of several events of one group. */
void derived_put(const struct sink *sink, const struct counter_plan *plan,
		 const struct total *totals);

#endif
