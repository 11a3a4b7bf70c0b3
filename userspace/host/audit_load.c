// SPDX-License-Identifier: BSD-2-Clause
/* Checks of what else uses CPUs and memory, and of what our cgroup leaves us. */
#include "host/audit.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/clock.h"
#include "host/root.h"

#define MIB (1 << 20)

static unsigned nr_online(const struct audit *audit)
{
	int nr = hwloc_bitmap_weight(audit->online);

	return nr > 0 ? (unsigned)nr : 1;
}

void audit_steal(const struct audit *audit, struct finding *finding)
{
	unsigned long long n[8], total = 0;
	char text[256];
	double share;

	(void)audit;
	host_read(text, sizeof(text), "/proc/stat");
	if (sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &n[0], &n[1], &n[2], &n[3],
		   &n[4], &n[5], &n[6], &n[7]) != 8)
		return finding_unknown(finding, "/proc/stat has no steal column");
	for (int i = 0; i < 8; i++)
		total += n[i];
	if (!total)
		return finding_unknown(finding, "/proc/stat counts no time");
	share = (double)n[7] / (double)total;
	finding_set(finding,
		    share > 0.01 ? AUDIT_WARN
		    : n[7]	 ? AUDIT_NOTE
				 : AUDIT_OK,
		    "%.2f %% of CPU time since boot", share * 100);
}

/* "0.00 0.01 0.05 1/123 4567": three averages, runnable/all tasks, the last pid (man proc). */
static bool read_loadavg(double avg[3], unsigned *ret_runnable)
{
	char text[128];

	return host_read(text, sizeof(text), "/proc/loadavg") > 0 &&
	       sscanf(text, "%lf %lf %lf %u/", &avg[0], &avg[1], &avg[2], ret_runnable) == 4;
}

void audit_load(const struct audit *audit, struct finding *finding)
{
	unsigned runnable;
	double avg[3], per_cpu;

	if (!read_loadavg(avg, &runnable))
		return finding_unknown(finding, "/proc/loadavg cannot be read");
	per_cpu = avg[0] / nr_online(audit);
	finding_set(finding,
		    per_cpu > 0.5   ? AUDIT_WARN
		    : per_cpu > 0.1 ? AUDIT_NOTE
				    : AUDIT_OK,
		    "%.2f %.2f %.2f on %u CPUs", avg[0], avg[1], avg[2], nr_online(audit));
}

void audit_runnable(const struct audit *audit, struct finding *finding)
{
	unsigned runnable, others;
	double avg[3];

	if (!read_loadavg(avg, &runnable))
		return finding_unknown(finding, "/proc/loadavg cannot be read");
	others = runnable ? runnable - 1 : 0; /* the reader itself is one of them */
	finding_set(finding,
		    others >= nr_online(audit) ? AUDIT_WARN
		    : others		       ? AUDIT_NOTE
					       : AUDIT_OK,
		    "%u other task%s", others, others == 1 ? "" : "s");
}

void audit_swap(const struct audit *audit, struct finding *finding)
{
	unsigned long long size, used, all_size = 0, all_used = 0;
	FILE *file = host_fopen("/proc/swaps");
	char line[512];

	(void)audit;
	if (!file)
		return finding_unknown(finding, "/proc/swaps cannot be read");
	/* "Filename Type Size Used Priority" in KiB, after a line of titles. */
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*s %*s %llu %llu", &size, &used) != 2)
			continue;
		all_size += size;
		all_used += used;
	}
	fclose(file);
	if (!all_size)
		finding_set(finding, AUDIT_OK, "none");
	else
		finding_set(finding, all_used ? AUDIT_WARN : AUDIT_OK, "%llu of %llu MiB used",
			    all_used / 1024, all_size / 1024);
}

void audit_thp(const struct audit *audit, struct finding *finding)
{
	char text[64], *word;

	(void)audit;
	if (host_read(text, sizeof(text), "/sys/kernel/mm/transparent_hugepage/enabled") <= 0)
		return finding_unknown(finding, "transparent_hugepage/enabled cannot be read");
	/* "always [madvise] never" */
	word = strchr(text, '[');
	if (!word)
		return finding_unknown(finding, "transparent_hugepage/enabled names no choice");
	word++;
	word[strcspn(word, "]")] = '\0';
	finding_set(finding, strcmp(word, "madvise") ? AUDIT_NOTE : AUDIT_OK, "%s", word);
}

void audit_numa_balancing(const struct audit *audit, struct finding *finding)
{
	hwloc_bitmap_t set = hwloc_bitmap_alloc();
	char text[128];
	int nodes = 1;
	int64_t mode;

	(void)audit;
	if (set && host_read(text, sizeof(text), "/sys/devices/system/node/online") > 0 &&
	    !hwloc_bitmap_list_sscanf(set, text))
		nodes = hwloc_bitmap_weight(set);
	hwloc_bitmap_free(set);
	if (host_read_i64(&mode, "/proc/sys/kernel/numa_balancing"))
		return finding_unknown(finding, "kernel.numa_balancing cannot be read");
	finding_set(finding, mode && nodes > 1 ? AUDIT_WARN : AUDIT_OK, "%s, %d node%s",
		    mode ? "on" : "off", nodes, nodes == 1 ? "" : "s");
}

void audit_ksm(const struct audit *audit, struct finding *finding)
{
	int64_t run;

	(void)audit;
	if (host_read_i64(&run, "/sys/kernel/mm/ksm/run"))
		return finding_unknown(finding, "/sys/kernel/mm/ksm/run cannot be read");
	finding_set(finding, run == 1 ? AUDIT_NOTE : AUDIT_OK, "%s", run == 1 ? "on" : "off");
}

void audit_cgroup_cpu(const struct audit *audit, struct finding *finding)
{
	const struct cgroup_limits *limits = &audit->limits;
	int nr = hwloc_bitmap_weight(audit->allowed);
	char throttled[64] = "";

	if (!limits->version)
		return finding_unknown(finding, "our cgroup cannot be found");
	if (limits->quota_cpus <= 0)
		return finding_set(finding, AUDIT_OK, "no quota (v%d)", limits->version);
	if (limits->nr_throttled >= 0)
		snprintf(throttled, sizeof(throttled), ", reached %" PRId64 " times",
			 limits->nr_throttled);
	/* A quota that covers all our CPUs cannot be reached. */
	finding_set(finding, nr > 0 && limits->quota_cpus >= nr ? AUDIT_OK : AUDIT_WARN,
		    "%.2f CPUs%s (%.150s)", limits->quota_cpus, throttled, limits->quota_path);
}

void audit_cgroup_cpuset(const struct audit *audit, struct finding *finding)
{
	int allowed = hwloc_bitmap_weight(audit->allowed);
	int online = hwloc_bitmap_weight(audit->online);
	char list[160];

	if (allowed <= 0 || online <= 0)
		return finding_unknown(finding, "%s cannot be read",
				       allowed <= 0 ? "our affinity mask"
						    : "/sys/devices/system/cpu/online");
	hwloc_bitmap_list_snprintf(list, sizeof(list), audit->allowed);
	finding_set(finding, allowed < online ? AUDIT_NOTE : AUDIT_OK, "%d of %d CPUs (%s)",
		    allowed, online, list);
}

void audit_cgroup_memory(const struct audit *audit, struct finding *finding)
{
	const struct cgroup_limits *limits = &audit->limits;
	char text[512], value[64];

	if (!limits->version)
		return finding_unknown(finding, "our cgroup cannot be found");
	host_read(text, sizeof(text), "/proc/meminfo");
	if (!host_field(text, "MemTotal", ':', value, sizeof(value)))
		return finding_unknown(finding, "/proc/meminfo cannot be read");
	if (limits->memory_bytes < 0 || limits->memory_bytes >= strtoll(value, NULL, 10) * 1024)
		finding_set(finding, AUDIT_OK, "no limit below the host's memory");
	else
		finding_set(finding, AUDIT_NOTE, "%" PRId64 " MiB (%.150s)",
			    limits->memory_bytes / MIB, limits->memory_path);
}

static bool is_irqbalance(const char *pid)
{
	char comm[32];

	return host_read(comm, sizeof(comm), "/proc/%s/comm", pid) > 0 &&
	       !strcmp(comm, "irqbalance");
}

/* Of this thread. */
static uint64_t cpu_time_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * BENCH_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

void audit_irqbalance(const struct audit *audit, struct finding *finding)
{
	/* Daemons stand at the start of /proc, so a running one is found soon; the limit keeps the
	 * audit quick on hosts with very many processes. It is one of CPU time: on a busy host few
	 * processes may take long, too. */
	uint64_t until = cpu_time_ns() + 3 * BENCH_NS_PER_MS;
	DIR *dir = host_opendir("/proc");
	struct dirent *entry;
	bool found = false, late = false, any = false;

	(void)audit;
	while (dir && !found && !late && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		any = true;
		found = is_irqbalance(entry->d_name);
		late = cpu_time_ns() > until;
	}
	if (dir)
		closedir(dir);
	if (found)
		finding_set(finding, AUDIT_NOTE, "running");
	else if (late)
		finding_unknown(finding, "too many processes to look through in 3 ms");
	else if (!any)
		finding_unknown(finding, "/proc shows no process");
	else
		finding_set(finding, AUDIT_OK, "not running");
}
