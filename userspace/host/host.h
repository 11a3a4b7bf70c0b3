/* SPDX-License-Identifier: BSD-2-Clause */
/* Facts about the host, an audit of what disturbs measurements, and what it did in a window. */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include <stdint.h>
#include <jansson.h>
#include "bench/metric.h"
#include "host/topology.h"

/* "host" of the result: hostname, kernel, arch, cpu (model), cpus, memory_bytes, topology, virt,
 * clocksource, ... Unknown facts are null. New reference. */
json_t *host_facts(const struct topology *t);
/* "audit": array of {check, status ok|note|warn|unknown, value, why, remedy}. Reads /proc and /sys
 * only; takes no more than a few ms. New reference. */
json_t *host_audit(const struct topology *t);

/* Host-wide readings at one moment: steal, PSI, our own CPU time. Values copied. */
struct host_sample {
	uint64_t at_ns;
	uint64_t steal_ns, total_ns; /* /proc/stat, all CPUs; UINT64_MAX = unknown */
	uint64_t psi_some_us[3];     /* cpu, memory, io; UINT64_MAX = unknown */
	uint64_t tool_cpu_ns;	     /* CPU time of the calling thread */
};
void host_sample(struct host_sample *ret_sample);
/* host.steal (share), host.psi (resource=cpu|memory|io, share of time some task stalled), tool.cpu
 * (share of one CPU used by the orchestrator thread) between two samples. */
void host_put(const struct host_sample *begin, const struct host_sample *end,
	      struct bench_metric_set *metrics);

#endif
