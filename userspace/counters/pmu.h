/* SPDX-License-Identifier: BSD-2-Clause */
/* The PMUs that the kernel exposes in sysfs, their named events and their formats. */
#ifndef COUNTERS_PMU_H
#define COUNTERS_PMU_H

#include <linux/perf_event.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bench/error.h"

#define PMU_NAME_MAX 64
#define PMU_ROOT "/sys/bus/event_source/devices"

struct pmu {
	char name[PMU_NAME_MAX];
	bool core; /* the CPU's own: named cpu, or has a cpus file (kernel, sysfs ABI) */
};

struct pmu_set {
	char root[256];
	struct pmu *pmus; /* sorted by name */
	unsigned nr, nr_core;
};

/* What an event file says beside the encoding. */
struct pmu_extra {
	double scale;
	char unit[16]; /* "" = plain count */
};

/* Names only: other files are read when they are needed, as a server may have a hundred PMUs. root
 * NULL = PMU_ROOT. A root that cannot be read is an empty set. -ENOMEM. */
int pmu_set_load(struct pmu_set *ret_set, const char *root);
void pmu_set_done(struct pmu_set *set);
const struct pmu *pmu_find(const struct pmu_set *set, const char *name); /* or NULL */
/* The i-th core PMU, or NULL. */
const struct pmu *pmu_core(const struct pmu_set *set, unsigned i);
/* The PMU with this type number, or NULL. */
const struct pmu *pmu_by_type(const struct pmu_set *set, uint32_t type);
int pmu_type(const struct pmu_set *set, const struct pmu *pmu, uint32_t *ret_type);
bool pmu_has_event(const struct pmu_set *set, const struct pmu *pmu, const char *name);
/* Does it look at precise_ip at all? x86's do; arm64's take any value and sample as ever. */
bool pmu_is_precise(const struct pmu_set *set, const struct pmu *pmu);
/* The CPUs to open a package-wide PMU on; false when it has no such restriction. */
bool pmu_cpu_mask(const struct pmu_set *set, const struct pmu *pmu, cpu_set_t *ret_mask);
/* Is it a name that other hosts have: missing here is then no typing error. */
bool pmu_known_elsewhere(const char *name);

/* Encode "event=0x3c,umask=1", "config=0x3c" or the name of one of its events into attr (type,
 * config, config1, config2). -ENOENT: unknown term; -EINVAL: bad value. */
int pmu_encode(const struct pmu_set *set, const struct pmu *pmu, const char *terms,
	       struct perf_event_attr *attr, struct pmu_extra *extra, struct bench_err *err);
/* Every named event of a PMU, in no order. */
void pmu_each_event(const struct pmu_set *set, const struct pmu *pmu,
		    void (*fn)(const struct pmu *pmu, const char *name, void *ctx), void *ctx);

#endif
