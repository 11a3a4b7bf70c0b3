// SPDX-License-Identifier: BSD-2-Clause
/* Checks of the processor: clock rate, idle states, sharing, mitigations, time. */
#include "host/audit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/root.h"
#include "host/virt.h"

#define CPU_DIR "/sys/devices/system/cpu"
#define CLOCK_DIR "/sys/devices/system/clocksource/clocksource0"

static const char no_cpufreq[] =
	"no cpufreq driver: the clock rate is up to the firmware or the hypervisor";

void audit_governor(const struct audit *audit, struct finding *finding)
{
	char text[64], other[64] = "", list[96];
	hwloc_bitmap_t slow = hwloc_bitmap_alloc();
	unsigned nr = 0;

	if (!slow)
		return finding_unknown(finding, "out of memory");
	for (int cpu = hwloc_bitmap_first(audit->online); cpu >= 0;
	     cpu = hwloc_bitmap_next(audit->online, cpu)) {
		if (host_read(text, sizeof(text), CPU_DIR "/cpu%d/cpufreq/scaling_governor", cpu) <=
		    0)
			continue;
		nr++;
		if (!strcmp(text, "performance"))
			continue;
		hwloc_bitmap_set(slow, (unsigned)cpu);
		if (!other[0])
			memcpy(other, text, sizeof(other));
		else if (strcmp(other, text))
			snprintf(other, sizeof(other), "several");
	}
	hwloc_bitmap_list_snprintf(list, sizeof(list), slow);
	if (!nr)
		finding_unknown(finding, "%s", no_cpufreq);
	else if (hwloc_bitmap_iszero(slow))
		finding_set(finding, AUDIT_OK, "performance");
	else if ((unsigned)hwloc_bitmap_weight(slow) == nr)
		finding_set(finding, AUDIT_WARN, "%s", other);
	else
		finding_set(finding, AUDIT_WARN, "%s on CPUs %s, performance elsewhere", other,
			    list);
	hwloc_bitmap_free(slow);
}

void audit_frequency(const struct audit *audit, struct finding *finding)
{
	int64_t low = INT64_MAX, high = 0, limit = 0;
	enum audit_status status;
	bool capped = false;

	for (int cpu = hwloc_bitmap_first(audit->online); cpu >= 0;
	     cpu = hwloc_bitmap_next(audit->online, cpu)) {
		int64_t min, max, hw_max = 0;

		if (host_read_i64(&min, CPU_DIR "/cpu%d/cpufreq/scaling_min_freq", cpu) ||
		    host_read_i64(&max, CPU_DIR "/cpu%d/cpufreq/scaling_max_freq", cpu))
			continue;
		(void)host_read_i64(&hw_max, CPU_DIR "/cpu%d/cpufreq/cpuinfo_max_freq", cpu);
		low = min < low ? min : low;
		high = max > high ? max : high;
		limit = hw_max > limit ? hw_max : limit;
		capped |= max < hw_max;
	}
	if (!high)
		return finding_unknown(finding, "%s", no_cpufreq);
	status = low == high ? AUDIT_OK : capped ? AUDIT_WARN : AUDIT_NOTE;
	if (capped)
		finding_set(finding, status,
			    "%" PRId64 "-%" PRId64 " MHz, hardware up to %" PRId64 " MHz",
			    low / 1000, high / 1000, limit / 1000);
	else
		finding_set(finding, status, "%" PRId64 "-%" PRId64 " MHz", low / 1000,
			    high / 1000);
	finding_remedy(finding, "cpupower frequency-set -d %" PRId64 "MHz -u %" PRId64 "MHz",
		       high / 1000, high / 1000);
}

/* acpi-cpufreq has one switch, amd-pstate one per policy. */
static int cpufreq_boost(const struct audit *audit, int64_t *ret_on)
{
	int64_t on = 0, one;
	int ret = -1;

	if (!host_read_i64(ret_on, CPU_DIR "/cpufreq/boost"))
		return 0;
	for (int cpu = hwloc_bitmap_first(audit->online); cpu >= 0;
	     cpu = hwloc_bitmap_next(audit->online, cpu)) {
		if (!host_read_i64(&one, CPU_DIR "/cpu%d/cpufreq/boost", cpu)) {
			on |= one;
			ret = 0;
		}
	}
	*ret_on = on;
	return ret;
}

void audit_boost(const struct audit *audit, struct finding *finding)
{
	int64_t off, on;

	if (!host_read_i64(&off, CPU_DIR "/intel_pstate/no_turbo")) {
		finding_set(finding, off ? AUDIT_OK : AUDIT_NOTE, "%s (intel_pstate)",
			    off ? "off" : "on");
		finding_remedy(finding, "echo 1 >" CPU_DIR "/intel_pstate/no_turbo");
	} else if (!cpufreq_boost(audit, &on)) {
		finding_set(finding, on ? AUDIT_NOTE : AUDIT_OK, "%s", on ? "on" : "off");
		finding_remedy(finding, "echo 0 >" CPU_DIR "/cpufreq/boost");
	} else {
		finding_unknown(finding, "%s", no_cpufreq);
	}
}

void audit_smt(const struct audit *audit, struct finding *finding)
{
	char control[32], list[64];
	int cpu = hwloc_bitmap_first(audit->online), per_core = 0;
	hwloc_bitmap_t siblings = hwloc_bitmap_alloc();
	int64_t active;

	if (siblings &&
	    host_read(list, sizeof(list), CPU_DIR "/cpu%d/topology/thread_siblings_list",
		      cpu < 0 ? 0 : cpu) > 0 &&
	    !hwloc_bitmap_list_sscanf(siblings, list))
		per_core = hwloc_bitmap_weight(siblings);
	hwloc_bitmap_free(siblings);
	host_read(control, sizeof(control), CPU_DIR "/smt/control");
	/* Kernels before 4.19 have no smt directory. */
	if (host_read_i64(&active, CPU_DIR "/smt/active")) {
		if (!per_core)
			return finding_unknown(finding, CPU_DIR "/smt/active cannot be read");
		active = per_core > 1;
	}
	if (active && per_core > 1)
		finding_set(finding, AUDIT_NOTE, "on, %d PUs per core", per_core);
	else if (active)
		finding_set(finding, AUDIT_NOTE, "on");
	else
		finding_set(finding, AUDIT_OK, "off%s%s%s", control[0] ? " (" : "", control,
			    control[0] ? ")" : "");
}

void audit_cpuidle(const struct audit *audit, struct finding *finding)
{
	char driver[64], governor[64], deepest[64] = "";
	int cpu = hwloc_bitmap_first(audit->online);
	int64_t worst = -1;

	if (host_read(driver, sizeof(driver), CPU_DIR "/cpuidle/current_driver") <= 0)
		return finding_unknown(finding, CPU_DIR "/cpuidle/current_driver cannot be read");
	if (host_read(governor, sizeof(governor), CPU_DIR "/cpuidle/current_governor") <= 0)
		host_read(governor, sizeof(governor), CPU_DIR "/cpuidle/current_governor_ro");
	/* The kernel allows ten states (CPUIDLE_STATE_MAX); one CPU stands for all. */
	for (int i = 0; i < 10; i++) {
		int64_t us, off = 0;

		if (host_read_i64(&us, CPU_DIR "/cpu%d/cpuidle/state%d/latency", cpu, i))
			break;
		(void)host_read_i64(&off, CPU_DIR "/cpu%d/cpuidle/state%d/disable", cpu, i);
		if (off || us <= worst)
			continue;
		worst = us;
		host_read(deepest, sizeof(deepest), CPU_DIR "/cpu%d/cpuidle/state%d/name", cpu, i);
	}
	if (worst < 0)
		finding_set(finding, AUDIT_OK, "%s/%s, no idle states", driver, governor);
	else
		/* 10 us: above it the exit shows in wake-up latencies of a few us. */
		finding_set(finding, worst > 10 ? AUDIT_NOTE : AUDIT_OK,
			    "%s/%s, deepest state %s takes %" PRId64 " us to leave", driver,
			    governor, deepest, worst);
}

void audit_isolation(const struct audit *audit, struct finding *finding)
{
	char isolated[96] = "", nohz[96] = "", rcu[96] = "";
	hwloc_bitmap_t set = hwloc_bitmap_alloc();
	enum audit_status status = AUDIT_OK;
	int ret;

	ret = host_read(isolated, sizeof(isolated), CPU_DIR "/isolated");
	host_read(nohz, sizeof(nohz), CPU_DIR "/nohz_full");
	if (!strcmp(nohz, "(null)")) /* how kernels before 6.4 print an empty mask */
		nohz[0] = '\0';
	audit_cmdline(audit, "rcu_nocbs", rcu, sizeof(rcu));
	if (ret < 0 || !set) {
		finding_unknown(finding, CPU_DIR "/isolated cannot be read");
	} else if (!isolated[0] && !nohz[0] && !rcu[0]) {
		finding_set(finding, AUDIT_OK, "none");
	} else {
		/* All of one kind is fine; a mix, or isolated CPUs left out, is worth a note. */
		if (isolated[0] && !hwloc_bitmap_list_sscanf(set, isolated) &&
		    !hwloc_bitmap_isincluded(audit->allowed, set))
			status = AUDIT_NOTE;
		finding_set(finding, status, "isolcpus %s, nohz_full %s, rcu_nocbs %s",
			    isolated[0] ? isolated : "none", nohz[0] ? nohz : "none",
			    rcu[0] ? rcu : "none");
	}
	hwloc_bitmap_free(set);
}

/* One file of the directory: "Not affected", "Mitigation: ...", "KVM: Mitigation: ...",
 * "Vulnerable", "Vulnerable: ...", "Processor vulnerable", "Unknown: ..." */
static void count_mitigation(const char *name, unsigned nr[3], char *names, size_t size)
{
	char text[256];
	size_t len = strlen(names);

	if (host_read(text, sizeof(text), CPU_DIR "/vulnerabilities/%s", name) <= 0)
		return;
	if (!strncmp(text, "Not affected", 12)) {
		nr[2]++;
	} else if (strstr(text, "Mitigation") && strncmp(text, "Vulnerable", 10)) {
		nr[0]++;
		if (len + strlen(name) + 3 <= size)
			sprintf(names + len, "%s%s", len ? ", " : "", name);
	} else {
		nr[1]++;
	}
}

void audit_mitigations(const struct audit *audit, struct finding *finding)
{
	int fd = host_open(CPU_DIR "/vulnerabilities");
	char mode[64], names[320] = "";
	struct dirent **list = NULL;
	unsigned nr[3] = { 0 };
	/* Sorted, so that the text of two runs can be compared. */
	int nr_files = fd < 0 ? -1 : scandirat(fd, ".", &list, NULL, alphasort);

	if (fd >= 0)
		close(fd);
	if (nr_files < 0)
		return finding_unknown(finding, CPU_DIR "/vulnerabilities cannot be read");
	for (int i = 0; i < nr_files; i++) {
		if (list[i]->d_name[0] != '.')
			count_mitigation(list[i]->d_name, nr, names, sizeof(names));
		free(list[i]);
	}
	free(list);
	if (!audit_cmdline(audit, "mitigations", mode, sizeof(mode)))
		snprintf(mode, sizeof(mode), "default");
	if (!strcmp(mode, "off"))
		finding_remedy(finding, "compare only with hosts that run without mitigations too");
	finding_set(finding, nr[0] || !strcmp(mode, "off") ? AUDIT_NOTE : AUDIT_OK,
		    "%s: %u active%s%s%s, %u vulnerable, %u not affected", mode, nr[0],
		    names[0] ? " (" : "", names, names[0] ? ")" : "", nr[1], nr[2]);
}

void audit_thermal(const struct audit *audit, struct finding *finding)
{
	int64_t core = 0, package = 0, count;
	unsigned nr = 0;

	for (int cpu = hwloc_bitmap_first(audit->online); cpu >= 0;
	     cpu = hwloc_bitmap_next(audit->online, cpu)) {
		if (!host_read_i64(&count, CPU_DIR "/cpu%d/thermal_throttle/core_throttle_count",
				   cpu)) {
			core += count;
			nr++;
		}
		/* All CPUs of a package show the same count. */
		if (!host_read_i64(&count, CPU_DIR "/cpu%d/thermal_throttle/package_throttle_count",
				   cpu)) {
			package = count > package ? count : package;
			nr++;
		}
	}
	if (!nr)
		finding_unknown(finding, "no throttle counters in " CPU_DIR);
	else
		finding_set(finding, core || package ? AUDIT_NOTE : AUDIT_OK,
			    "throttled since boot: cores %" PRId64 ", package %" PRId64 " times",
			    core, package);
}

void audit_virtualisation(const struct audit *audit, struct finding *finding)
{
	const char *virt = host_virt();

	(void)audit;
	if (!virt)
		finding_unknown(finding, "neither the processor nor the firmware says");
	else
		finding_set(finding, strcmp(virt, "none") ? AUDIT_NOTE : AUDIT_OK, "%s", virt);
}

void audit_clocksource(const struct audit *audit, struct finding *finding)
{
	/* Read in user space from a counter of the processor, on each architecture. */
	static const char *const good[] = { "tsc", "arch_sys_counter", "riscv_clocksource",
					    "timebase", "tod" };
	/* Also without a system call, but through a page shared with the hypervisor. */
	static const char *const fair[] = { "kvm-clock", "hyperv_clocksource_tsc_page" };
	enum audit_status status = AUDIT_WARN;
	char name[64], available[128] = " ";

	(void)audit;
	if (host_read(name, sizeof(name), CLOCK_DIR "/current_clocksource") <= 0)
		return finding_unknown(finding, "current_clocksource cannot be read");
	for (unsigned i = 0; i < sizeof(fair) / sizeof(fair[0]); i++)
		if (!strcmp(name, fair[i]))
			status = AUDIT_NOTE;
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!strcmp(name, good[i]))
			status = AUDIT_OK;
	finding_set(finding, status, "%s", name);
	/* Where tsc is not offered, the kernel found it unfit. */
	if (host_read(available + 1, sizeof(available) - 2, CLOCK_DIR "/available_clocksource") >
		    0 &&
	    strstr(strcat(available, " "), " tsc "))
		finding_remedy(finding, "echo tsc >" CLOCK_DIR "/current_clocksource");
}
