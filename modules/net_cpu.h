/* SPDX-License-Identifier: BSD-2-Clause */
/* CPU time that a window cost, interrupts included: what the workers' CPUs and those that handled
 * the packets were not idle, from /proc/stat and /proc/softirqs. Threads' own clocks miss what a
 * packet costs on the CPU where it arrives. */
#ifndef MODULES_NET_CPU_H
#define MODULES_NET_CPU_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/clock.h"
#include "bench/module.h"

#define NET_CPUS_MAX 1024u
/* A CPU that handled less than this share of the host's packets has no part in it. */
#define NET_CPU_SHARE 0.01

struct net_cpu_sample {
	uint64_t at_ns;
	uint64_t *idle_ns; /* by CPU: idle, iowait and steal; 0 = never seen */
	uint64_t *packets; /* by CPU: runs of NET_RX and NET_TX */
};

static inline int net_cpu_new(struct net_cpu_sample *s)
{
	s->idle_ns = calloc(NET_CPUS_MAX, sizeof(*s->idle_ns));
	s->packets = calloc(NET_CPUS_MAX, sizeof(*s->packets));
	return s->idle_ns && s->packets ? 0 : -ENOMEM;
}

static inline void net_cpu_free(struct net_cpu_sample *s)
{
	free(s->idle_ns);
	free(s->packets);
}

/* "cpuN user nice system idle iowait irq softirq steal ..." in USER_HZ (man proc_stat). */
static inline void net_cpu_stat(struct net_cpu_sample *s)
{
	uint64_t tick_ns = BENCH_NS_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK), idle, iowait, steal;
	FILE *f = fopen("/proc/stat", "re");
	char line[512];
	unsigned cpu;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "cpu%u %*u %*u %*u %" SCNu64 " %" SCNu64 " %*u %*u %" SCNu64, &cpu,
			   &idle, &iowait, &steal) == 4 &&
		    cpu < NET_CPUS_MAX)
			s->idle_ns[cpu] = (idle + iowait + steal) * tick_ns;
	if (f)
		fclose(f);
}

/* The first line names the CPUs (offline ones have no column), the others are "NET_RX: n n ...". */
static inline void net_cpu_softirqs(struct net_cpu_sample *s)
{
	FILE *f = fopen("/proc/softirqs", "re");
	unsigned *columns = calloc(NET_CPUS_MAX, sizeof(*columns)), nr = 0;
	char *line = NULL, *save, *word;
	size_t size = 0;

	for (bool first = true; f && columns && getline(&line, &size, f) > 0; first = false) {
		word = strtok_r(line, " \n", &save);
		if (!first && (!word || (strcmp(word, "NET_RX:") && strcmp(word, "NET_TX:"))))
			continue;
		for (unsigned i = 0; first && word && nr < NET_CPUS_MAX;
		     i++, word = strtok_r(NULL, " \n", &save))
			columns[nr++] = (unsigned)strtoul(word + 3, NULL, 10);
		for (unsigned i = 0; !first && i < nr && (word = strtok_r(NULL, " \n", &save)); i++)
			if (columns[i] < NET_CPUS_MAX)
				s->packets[columns[i]] += strtoull(word, NULL, 10);
	}
	free(line);
	free(columns);
	if (f)
		fclose(f);
}

static inline void net_cpu_take(struct net_cpu_sample *s)
{
	memset(s->idle_ns, 0, NET_CPUS_MAX * sizeof(*s->idle_ns));
	memset(s->packets, 0, NET_CPUS_MAX * sizeof(*s->packets));
	net_cpu_softirqs(s);
	net_cpu_stat(s);
	s->at_ns = bench_now_ns();
}

static inline bool net_cpu_is_worker(const struct bench_job *job, unsigned cpu)
{
	for (unsigned i = 0; i < job->nr_workers; i++)
		if (!job->cpus || job->cpus[i] < 0 || (unsigned)job->cpus[i] == cpu)
			return true;
	return false;
}

/* CPU time between two samples, and of how many CPUs. */
static inline double net_cpu_busy(const struct bench_job *job, const struct net_cpu_sample *from,
				  const struct net_cpu_sample *to, unsigned *ret_cpus)
{
	double wall = (double)(to->at_ns - from->at_ns), sum = 0, packets = 0;

	*ret_cpus = 0;
	for (unsigned i = 0; i < NET_CPUS_MAX; i++)
		packets += (double)(to->packets[i] - from->packets[i]);
	for (unsigned i = 0; i < NET_CPUS_MAX; i++) {
		double idle = (double)to->idle_ns[i] - (double)from->idle_ns[i];

		if (!to->idle_ns[i] ||
		    (!net_cpu_is_worker(job, i) &&
		     (double)(to->packets[i] - from->packets[i]) < NET_CPU_SHARE * packets))
			continue;
		++*ret_cpus;
		sum += idle < wall ? wall - (idle > 0 ? idle : 0) : 0;
	}
	return sum;
}

#endif
