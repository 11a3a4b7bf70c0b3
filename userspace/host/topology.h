/* SPDX-License-Identifier: BSD-2-Clause */
/* What CPUs there are, which we may use, and in which order to use them (hwloc). */
#ifndef HOST_TOPOLOGY_H
#define HOST_TOPOLOGY_H

#include <stdbool.h>
#include <jansson.h>
#include "bench/error.h"

struct topology;

struct topology_cpu {
	int os_index;	   /* OS CPU number */
	int core, package; /* logical indexes, unique over the host; -1 = unknown */
	int numa;	   /* OS NUMA node, -1 = unknown */
	int llc;	   /* largest cache that it shares with others, logical index; -1 = unknown */
	bool smt_sibling;  /* not the first PU of its core among the allowed ones */
};

/* Load once. Only CPUs that are online and in our cpuset are kept. */
int topology_open(struct topology **ret_topology, struct bench_err *err);
void topology_close(struct topology *t); /* NULL is fine */

/* Allowed CPUs in order of use: one PU per core first (NUMA node by node), siblings after. */
unsigned topology_nr_cpus(const struct topology *t);
const struct topology_cpu *topology_cpu(const struct topology *t, unsigned i);
unsigned topology_nr_cores(const struct topology *t); /* allowed cores */
const struct topology_cpu *topology_find(const struct topology *t, int os_index); /* or NULL */

/* What two CPUs have in common, the closest first. */
enum topology_relation {
	TOPOLOGY_SAME_CPU,
	TOPOLOGY_SMT,	  /* the core */
	TOPOLOGY_LLC,	  /* the last-level cache, not the core */
	TOPOLOGY_PACKAGE, /* the package, not the cache; nothing is known of caches: not the core */
	TOPOLOGY_CROSS,	  /* nothing */
};
enum topology_relation topology_relation(const struct topology_cpu *a, const struct topology_cpu *b);

/* Parse "0-3,8" or "all" into OS CPU numbers, order kept. *ret_cpus is malloc'ed. -EINVAL names
 * the bad part; a CPU that is offline or outside our cpuset is said so. */
int topology_parse(const struct topology *t, const char *list, int **ret_cpus, unsigned *ret_nr,
		   struct bench_err *err);
/* Bind the calling thread, and its memory to the CPU's NUMA node; cpu -1 = all allowed CPUs except
 * those in avoid (nr of them; all allowed ones when nothing is left). 0 or negative errno. */
int topology_bind(const struct topology *t, int cpu, const int *avoid, unsigned nr);

/* CPUs' worth of time that the cgroup grants (v1 and v2, all ancestors), e.g. 1.5; 0 = unlimited.
 * The file it came from goes to *ret_source (static or owned by t), for messages. */
double topology_quota(const struct topology *t, const char **ret_source);

/* The host's topology for the result: packages, cores, PUs, caches, NUMA nodes. New reference. */
json_t *topology_json(const struct topology *t);

#endif
