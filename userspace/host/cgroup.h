/* SPDX-License-Identifier: BSD-2-Clause */
/* What our cgroup and its ancestors grant us. */
#ifndef HOST_CGROUP_H
#define HOST_CGROUP_H

#include <stdint.h>

struct cgroup_limits {
	int version;	      /* of the hierarchy that governs CPU time: 1 or 2; 0 = none found */
	double quota_cpus;    /* smallest over our cgroup and its ancestors; 0 = unlimited */
	char quota_path[512]; /* the file that says so, "" when unlimited */
	int64_t nr_throttled; /* times our cgroup ran into a quota; -1 = unknown */
	int64_t memory_bytes; /* smallest memory limit; -1 = unlimited */
	char memory_path[512];
	char cpuset[256]; /* our cgroup's effective CPUs, "" = unknown */
};

/* From /proc/self/cgroup and /proc/self/mountinfo, v1 and v2. 0, or negative errno when these
 * cannot be read; the limits then say "none found". */
int cgroup_read(struct cgroup_limits *ret_limits);

#endif
