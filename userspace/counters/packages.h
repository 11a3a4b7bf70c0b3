/* SPDX-License-Identifier: BSD-2-Clause */
/* Events that a package counts for everybody on it: energy, memory traffic. */
#ifndef COUNTERS_PACKAGES_H
#define COUNTERS_PACKAGES_H

#include "counters/counters.h"

struct counter_packages;

/* One open event per package, on the CPU that its PMU names. *ret_packages is NULL where the plan has
 * none. What cannot be opened keeps its reason. -ENOMEM. */
int packages_open(struct counter_packages **ret_packages, const struct counter_plan *plan);
void packages_begin(struct counter_packages *p); /* of the window; all NULL-safe */
void packages_end(struct counter_packages *p);
/* Every event with the labels scope=package and package, and energy.per_op over all packages. */
void packages_put(const struct counter_packages *p, uint64_t ops, struct bench_metric_set *set);
void packages_close(struct counter_packages *p);

#endif
