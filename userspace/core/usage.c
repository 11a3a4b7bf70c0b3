// SPDX-License-Identifier: BSD-2-Clause
#include "core/usage.h"

#include <stdio.h>
#include <time.h>

#include "bench/clock.h"

static uint64_t tv_ns(struct timeval tv)
{
	return (uint64_t)tv.tv_sec * BENCH_NS_PER_SEC + (uint64_t)tv.tv_usec * BENCH_NS_PER_US;
}

void usage_of(const struct rusage *rusage, struct usage *ret_usage)
{
	*ret_usage = (struct usage){
		.cpu_ns = tv_ns(rusage->ru_utime) + tv_ns(rusage->ru_stime),
		.switches = (uint64_t)(rusage->ru_nvcsw + rusage->ru_nivcsw),
		.faults = (uint64_t)(rusage->ru_minflt + rusage->ru_majflt),
	};
}

void usage_thread(struct usage *ret_usage)
{
	struct rusage rusage;
	struct timespec ts;

	getrusage(RUSAGE_THREAD, &rusage);
	usage_of(&rusage, ret_usage);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	ret_usage->cpu_ns = (uint64_t)ts.tv_sec * BENCH_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

struct usage usage_between(const struct usage *begin, const struct usage *end)
{
	return (struct usage){ .cpu_ns = end->cpu_ns - begin->cpu_ns,
			       .switches = end->switches - begin->switches,
			       .faults = end->faults - begin->faults };
}

#define SOURCE "from the scheduler's clock and getrusage(2), no perf event"

static void put(struct bench_metric_set *set, const char *name, const char *unit, const char *scope,
		uint64_t ops, double value)
{
	struct bench_metric_id id = { .name = name,
				      .unit = unit,
				      .source = BENCH_SOURCE_COUNTER,
				      .labels = { { "scope", scope } } };
	char per_op[64];

	bench_metric_put_status(set, &id, BENCH_OK, value, SOURCE);
	if (!ops)
		return;
	snprintf(per_op, sizeof(per_op), "%s.per_op", name);
	id.name = per_op;
	id.better = BENCH_BETTER_LOWER;
	bench_metric_put_status(set, &id, BENCH_OK, value / (double)ops, SOURCE);
}

void usage_put(const struct usage *usage, const char *scope, uint64_t ops,
	       struct bench_metric_set *set)
{
	put(set, "task-clock", "ns", scope, ops, (double)usage->cpu_ns);
	put(set, "context-switches", "count", scope, ops, (double)usage->switches);
	put(set, "page-faults", "count", scope, ops, (double)usage->faults);
}
