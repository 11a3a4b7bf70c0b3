/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef HOST_TOPOLOGY_INTERNAL_H
#define HOST_TOPOLOGY_INTERNAL_H

#include <hwloc.h>
#include <stdbool.h>

#include "host/topology.h"

struct topology {
	hwloc_topology_t hw;
	bool live;		/* hw describes this host */
	hwloc_bitmap_t allowed; /* OS CPU numbers */
	struct topology_cpu *cpus;
	unsigned nr, nr_cores;
	double quota;
	char quota_path[512];
};

#endif
