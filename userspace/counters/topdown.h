/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the issue slots of a CPU went, levels 1 and 2, as its maker defines it. */
#ifndef COUNTERS_TOPDOWN_H
#define COUNTERS_TOPDOWN_H

#include "counters/metrics.h"

#define TOPDOWN_MAX_EVENTS 12
#define TOPDOWN_MAX_NODES 12

/* Events that have to be counted in the same moments, and what follows from them alone. */
struct topdown_group {
	struct topdown_event {
		const char *key;  /* in formulas */
		const char *name; /* in --counters */
	} events[TOPDOWN_MAX_EVENTS + 1];
	/* In this order; later ones may use earlier ones. Level 0 is not shown. */
	struct topdown_node {
		const char *name;
		unsigned level;
		const char *formula;
	} nodes[TOPDOWN_MAX_NODES + 1];
};

struct topdown_model {
	const char *cpu, *source;
	const struct topdown_group *groups[5]; /* ends with NULL */
	unsigned slots;			       /* per cycle; 0 = counted */
};

/* Raised whenever a formula changes; each value says which it is from. */
#define TOPDOWN_VERSION 1

struct cpu_id {
	char vendor[16]; /* "GenuineIntel", "AuthenticAMD"; "arm" */
	unsigned family, model;
	uint64_t midr;
};

/* Of this host, or what the file cpu_id of another sysfs root says: vendor, family, model or midr. */
void topdown_cpu(struct cpu_id *ret_id, const struct pmu_set *pmus);
/* NULL when the table has no such CPU. */
const struct topdown_model *topdown_find(const struct cpu_id *id, const struct pmu_set *pmus);
/* Slots per cycle: the kernel's word (caps/slots), else the table's. */
unsigned topdown_slots(const struct topdown_model *model, const struct pmu_set *pmus);

/* topdown.c: the shares of this trial. */
void topdown_put(const struct sink *sink, const struct counter_plan *plan,
		 const struct total *totals);

#endif
