/* SPDX-License-Identifier: BSD-2-Clause */
/* One check per function; the table is in audit.c. */
#ifndef HOST_AUDIT_H
#define HOST_AUDIT_H

#include <hwloc.h>
#include <stdbool.h>

#include "host/cgroup.h"
#include "host/topology.h"

enum audit_status {
	AUDIT_OK,
	AUDIT_NOTE, /* worth knowing when reading the numbers */
	AUDIT_WARN, /* disturbs measurements */
	AUDIT_UNKNOWN,
};

/* From the kernel's configuration file. */
struct audit_config {
	char hz[16];	   /* "" = unknown */
	const char *model; /* preemption model at boot, NULL = unknown */
	bool dynamic;	   /* it can be changed while running */
};

/* What several checks look at, read once. */
struct audit {
	const struct topology *topology; /* NULL: the affinity mask is taken from /proc */
	char cmdline[4096];
	char status[4096];	/* /proc/self/status */
	hwloc_bitmap_t online;	/* empty = unknown */
	hwloc_bitmap_t allowed; /* empty = unknown */
	struct cgroup_limits limits;
	struct audit_config config;
	unsigned kernel; /* major * 1000 + minor, 0 = unknown */
};

struct finding {
	enum audit_status status;
	char value[512];
	char remedy[192]; /* instead of the table's */
};

void finding_set(struct finding *finding, enum audit_status status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* There is no value, and why. */
void finding_unknown(struct finding *finding, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void finding_remedy(struct finding *finding, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The value of "key=value" on the kernel command line, "" for the bare word. False when absent. */
bool audit_cmdline(const struct audit *audit, const char *key, char *buf, size_t size);
/* Do we hold a capability (CAP_*, linux/capability.h) in effect? */
bool audit_capable(const struct audit *audit, unsigned capability);

void audit_read_config(struct audit_config *ret_config);

typedef void audit_fn(const struct audit *audit, struct finding *finding);

/* audit_cpu.c */
audit_fn audit_governor, audit_frequency, audit_boost, audit_smt, audit_cpuidle, audit_isolation,
	audit_mitigations, audit_thermal, audit_virtualisation, audit_clocksource;
/* audit_load.c */
audit_fn audit_steal, audit_load, audit_runnable, audit_swap, audit_thp, audit_numa_balancing,
	audit_ksm, audit_cgroup_cpu, audit_cgroup_cpuset, audit_cgroup_memory, audit_irqbalance;
/* audit_kernel.c */
audit_fn audit_io_uring, audit_perf_event_paranoid, audit_nmi_watchdog, audit_memlock, audit_aslr,
	audit_preemption, audit_hz, audit_bpf_programs, audit_bpf_stats, audit_sched_ext;

#endif
