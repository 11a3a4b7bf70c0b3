// SPDX-License-Identifier: BSD-2-Clause
/* What on this host disturbs measurements, or is worth knowing when they are read. A check that
 * cannot see what it needs says so: it never guesses, and it changes nothing. */
#include "host/audit.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/host.h"
#include "host/root.h"
#include "host/topology_internal.h"

static const struct check {
	const char *name;
	audit_fn *run;
	const char *why;    /* a clause: reporters put it after "check = value:" */
	const char *remedy; /* NULL = none; given with note and warn only */
} checks[] = {
	/* --- processor --- */
	{ "governor", audit_governor,
	  "the clock rate follows the load, so short runs and first trials are slower",
	  "cpupower frequency-set -g performance" },
	{ "frequency", audit_frequency, "the clock rate may change while a trial runs", NULL },
	{ "boost", audit_boost, "the clock rate depends on heat and on how many cores are busy",
	  NULL },
	{ "smt", audit_smt,
	  "work on a sibling takes execution units and cache from the measured CPU",
	  "echo off >/sys/devices/system/cpu/smt/control" },
	{ "cpuidle", audit_cpuidle,
	  "waking from a deep idle state adds its exit latency to wake-up times",
	  "cpupower idle-set -D 10" },
	{ "isolation", audit_isolation,
	  "isolated CPUs see fewer other tasks, ticks and callbacks than the rest",
	  "taskset -c <list> bench --cpus=<list>" },
	{ "mitigations", audit_mitigations,
	  "mitigations make system calls, switches and branches slower", NULL },
	{ "thermal", audit_thermal, "the processor has slowed itself down because of heat or power",
	  "better cooling, or a lower power limit" },
	{ "virtualisation", audit_virtualisation,
	  "other guests share caches, memory and CPU time; timers and interrupts cost more", NULL },
	{ "clocksource", audit_clocksource,
	  "reading the time is on the path of each timed operation", NULL },
	/* --- load and memory --- */
	{ "steal", audit_steal, "the hypervisor ran something else while our CPUs had work",
	  "a host that is not overcommitted" },
	{ "load", audit_load, "other work was running in the last minute",
	  "wait, or stop other work" },
	{ "runnable", audit_runnable, "other tasks compete for the CPUs right now",
	  "wait, or stop other work" },
	{ "swap", audit_swap, "pages on swap come back by disk reads in the middle of a trial",
	  "swapoff -a" },
	{ "thp", audit_thp,
	  "huge pages change memory results; with 'always' it depends on free memory if they are "
	  "used",
	  "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled" },
	{ "numa_balancing", audit_numa_balancing,
	  "the kernel unmaps and moves pages while a trial runs",
	  "sysctl kernel.numa_balancing=0" },
	{ "ksm", audit_ksm, "page merging burns CPU time and makes later writes fault",
	  "echo 0 >/sys/kernel/mm/ksm/run" },
	{ "cgroup_cpu", audit_cgroup_cpu,
	  "above the quota all threads stand still until the next period",
	  "run in a cgroup without a CPU quota" },
	{ "cgroup_cpuset", audit_cgroup_cpuset, "only a part of the host's CPUs may be used",
	  NULL },
	{ "cgroup_memory", audit_cgroup_memory,
	  "page cache and buffers count against the limit; above it pages are reclaimed", NULL },
	{ "irqbalance", audit_irqbalance, "interrupts move between CPUs from one trial to the next",
	  "systemctl stop irqbalance" },
	/* --- kernel --- */
	{ "io_uring", audit_io_uring, "decides whether the uring runtime can work",
	  "sysctl kernel.io_uring_disabled=0" },
	{ "perf_event_paranoid", audit_perf_event_paranoid,
	  "decides which hardware counters may be read", "sysctl kernel.perf_event_paranoid=-1" },
	{ "nmi_watchdog", audit_nmi_watchdog, "it takes one hardware counter on each CPU",
	  "sysctl kernel.nmi_watchdog=0" },
	{ "memlock", audit_memlock, "rings, registered buffers and BPF maps count against it",
	  "ulimit -l unlimited" },
	{ "aslr", audit_aslr,
	  "with one fixed memory layout, all runs share the luck of that layout",
	  "sysctl kernel.randomize_va_space=2" },
	{ "preemption", audit_preemption,
	  "the preemption model decides how long a woken task waits", NULL },
	{ "hz", audit_hz, "the tick rate decides time slices and the grain of CPU accounting",
	  NULL },
	{ "bpf_programs", audit_bpf_programs,
	  "programs of others add their cost to each event that they are attached to",
	  "bpftool prog list" },
	{ "bpf_stats", audit_bpf_stats, "counting their run time makes all BPF programs slower",
	  "sysctl kernel.bpf_stats_enabled=0" },
	{ "sched_ext", audit_sched_ext, "a BPF scheduler, not the kernel's own, is measured",
	  "stop the sched_ext scheduler" },
};

void finding_set(struct finding *finding, enum audit_status status, const char *fmt, ...)
{
	va_list ap;

	finding->status = status;
	va_start(ap, fmt);
	vsnprintf(finding->value, sizeof(finding->value), fmt, ap);
	va_end(ap);
}

void finding_unknown(struct finding *finding, const char *fmt, ...)
{
	va_list ap;

	finding->status = AUDIT_UNKNOWN;
	va_start(ap, fmt);
	vsnprintf(finding->value, sizeof(finding->value), fmt, ap);
	va_end(ap);
}

void finding_remedy(struct finding *finding, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(finding->remedy, sizeof(finding->remedy), fmt, ap);
	va_end(ap);
}

bool audit_cmdline(const struct audit *audit, const char *key, char *buf, size_t size)
{
	size_t len = strlen(key);
	bool found = false;

	/* The last one wins, as in the kernel. */
	for (const char *p = audit->cmdline; *p; p += strcspn(p, " \n"), p += strspn(p, " \n")) {
		if (strncmp(p, key, len) || (p[len] != '=' && p[len] != ' ' && p[len] != '\0'))
			continue;
		p += len;
		p += *p == '=';
		snprintf(buf, size, "%.*s", (int)strcspn(p, " \n"), p);
		found = true;
	}
	return found;
}

bool audit_capable(const struct audit *audit, unsigned capability)
{
	char value[32];

	return host_field(audit->status, "CapEff", ':', value, sizeof(value)) &&
	       strtoull(value, NULL, 16) >> capability & 1;
}

/* A kernel's CPU list. One without an end ("0-"; no kernel writes it) would never stop a loop. */
static void parse_cpus(hwloc_bitmap_t set, const char *text)
{
	if (hwloc_bitmap_list_sscanf(set, text) || hwloc_bitmap_weight(set) < 0)
		hwloc_bitmap_zero(set);
}

static int audit_init(struct audit *audit, const struct topology *t)
{
	unsigned major, minor;
	char text[256];

	*audit = (struct audit){ .topology = t,
				 .online = hwloc_bitmap_alloc(),
				 .allowed = hwloc_bitmap_alloc() };
	if (!audit->online || !audit->allowed)
		return -1;
	host_read(audit->cmdline, sizeof(audit->cmdline), "/proc/cmdline");
	host_read(audit->status, sizeof(audit->status), "/proc/self/status");
	(void)cgroup_read(&audit->limits); /* version 0 = none found */
	audit_read_config(&audit->config);
	if (host_read(text, sizeof(text), "/sys/devices/system/cpu/online") > 0)
		parse_cpus(audit->online, text);
	if (t)
		hwloc_bitmap_copy(audit->allowed, t->allowed);
	else if (host_field(audit->status, "Cpus_allowed_list", ':', text, sizeof(text)))
		parse_cpus(audit->allowed, text);
	if (host_read(text, sizeof(text), "/proc/sys/kernel/osrelease") > 0 &&
	    sscanf(text, "%u.%u", &major, &minor) == 2)
		audit->kernel = major * 1000 + minor;
	return 0;
}

static json_t *text_or_null(const char *text)
{
	json_t *value = text && *text ? json_string(text) : NULL;

	return value ? value : json_null();
}

static json_t *run_check(const struct audit *audit, const struct check *check)
{
	static const char *const names[] = { "ok", "note", "warn", "unknown" };
	struct finding finding = { .status = AUDIT_UNKNOWN };
	const char *remedy = NULL;
	bool unknown;
	json_t *row;

	check->run(audit, &finding);
	unknown = finding.status == AUDIT_UNKNOWN;
	if (finding.status == AUDIT_NOTE || finding.status == AUDIT_WARN)
		remedy = finding.remedy[0] ? finding.remedy : check->remedy;
	row = json_pack("{s:s, s:s, s:o, s:s, s:o}", "check", check->name, "status",
			names[finding.status], "value",
			unknown ? json_null() : text_or_null(finding.value), "why", check->why,
			"remedy", text_or_null(remedy));
	if (row && unknown)
		json_object_set_new(row, "reason", text_or_null(finding.value));
	return row;
}

json_t *host_audit(const struct topology *t)
{
	json_t *rows = json_array();
	struct audit audit;

	if (!audit_init(&audit, t))
		for (unsigned i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
			json_array_append_new(rows, run_check(&audit, &checks[i]));
	hwloc_bitmap_free(audit.online);
	hwloc_bitmap_free(audit.allowed);
	return rows;
}
