/* SPDX-License-Identifier: BSD-2-Clause */
/* The software events that the kernel counts anyway: told under perf's names when no counters were
 * asked for, because a perf event on a thread costs at each of its switches (4 events: 1.5 to 2 us
 * for each request and response of two threads on one CPU). */
#ifndef CORE_USAGE_H
#define CORE_USAGE_H

#include <stdint.h>
#include <sys/resource.h>
#include "bench/metric.h"

struct usage {
	uint64_t cpu_ns;   /* user and system */
	uint64_t switches; /* voluntary and involuntary */
	uint64_t faults;   /* minor and major */
};

/* Switches and faults of the calling thread so far; cpu_ns from its clock, which is exact. */
void usage_thread(struct usage *ret_usage);
/* Of a process that was waited for, with its waited-for children. */
void usage_of(const struct rusage *rusage, struct usage *ret_usage);
/* end - begin. */
struct usage usage_between(const struct usage *begin, const struct usage *end);
/* task-clock, context-switches and page-faults, and per operation when ops > 0. scope as in
 * counter_put(). */
void usage_put(const struct usage *usage, const char *scope, uint64_t ops,
	       struct bench_metric_set *set);

#endif
