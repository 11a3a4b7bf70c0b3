/* SPDX-License-Identifier: BSD-2-Clause */
/* What memory.c has to know about the host: its caches, and how much memory there is to take. */
#ifndef MODULES_MEMORY_HOST_H
#define MODULES_MEMORY_HOST_H

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "bench/module.h"

#define MEMORY_LEVELS 4

/* A cache that loads go through. */
struct memory_cache {
	unsigned level;
	uint64_t bytes;	 /* of one instance */
	unsigned shared; /* CPUs that share an instance; 0 = not known */
	const char *source;
};

static inline bool memory_cache_text(char *text, size_t size, unsigned cpu, unsigned index,
				     const char *name)
{
	char path[128];
	FILE *file;
	bool ok;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/cache/index%u/%s", cpu, index,
		 name);
	file = fopen(path, "re");
	ok = file && fgets(text, (int)size, file);
	if (file)
		fclose(file);
	return ok;
}

/* The data caches of a CPU, the nearest first; how many. 0 = sysfs does not tell. */
static inline unsigned memory_caches_sysfs(unsigned cpu, struct memory_cache *ret_caches)
{
	unsigned nr = 0;
	char text[64];

	for (unsigned i = 0; nr < MEMORY_LEVELS && memory_cache_text(text, sizeof(text), cpu, i, "type");
	     i++) {
		struct memory_cache c = { .source = "sysfs" };
		uint64_t kib;

		if (text[0] == 'I' || !memory_cache_text(text, sizeof(text), cpu, i, "level") ||
		    sscanf(text, "%u", &c.level) != 1 ||
		    !memory_cache_text(text, sizeof(text), cpu, i, "size") ||
		    sscanf(text, "%" SCNu64 "K", &kib) != 1)
			continue;
		c.bytes = kib << 10;
		ret_caches[nr++] = c;
	}
	return nr;
}

#if defined(__x86_64__)
/* First and second level from AMD's older leaves, 0x80000005 and 0x80000006, in KiB: hypervisors that
 * hide the others leave these. Their third level is that of the whole package, which a guest does not
 * have to itself. */
static inline unsigned memory_caches_amd(struct memory_cache *ret_caches)
{
	unsigned a, b, c, d, l1, l2;

	if (!__get_cpuid(0x80000005, &a, &b, &c, &d))
		return 0;
	l1 = c >> 24;
	if (!__get_cpuid(0x80000006, &a, &b, &c, &d))
		return 0;
	l2 = c >> 16;
	if (!l1 || !l2)
		return 0;
	ret_caches[0] = (struct memory_cache){ .level = 1, .bytes = l1 * 1024ull, .source = "CPUID" };
	ret_caches[1] = (struct memory_cache){ .level = 2, .bytes = l2 * 1024ull, .source = "CPUID" };
	return 2;
}
#endif

/* The same from the processor itself (CPUID leaf 4, AMD 0x8000001D: ways, partitions, line size and
 * sets, each less one): guests may have it where their sysfs has nothing. */
static inline unsigned memory_caches_cpuid(struct memory_cache *ret_caches)
{
	unsigned nr = 0;
#if defined(__x86_64__)
	static const unsigned leaves[] = { 4, 0x8000001d };

	for (unsigned l = 0; l < 2 && !nr; l++) {
		unsigned a, b, c, d;

		for (unsigned i = 0; nr < MEMORY_LEVELS &&
				     __get_cpuid_count(leaves[l], i, &a, &b, &c, &d) && (a & 31);
		     i++) {
			uint64_t lines = (uint64_t)((b >> 22) + 1) * ((b >> 12 & 0x3ff) + 1) * (c + 1ull);

			if ((a & 31) == 2) /* instructions */
				continue;
			ret_caches[nr++] = (struct memory_cache){ .level = a >> 5 & 7,
								  .bytes = lines * ((b & 0xfff) + 1),
								  .shared = (a >> 14 & 0xfff) + 1,
								  .source = "CPUID" };
		}
	}
	return nr ? nr : memory_caches_amd(ret_caches);
#else
	(void)ret_caches;
	return nr;
#endif
}

/* Of the first CPU: how many levels, 0 = nobody tells. */
static inline unsigned memory_caches(struct memory_cache *ret_caches)
{
	unsigned nr = memory_caches_sysfs(0, ret_caches);

	return nr ? nr : memory_caches_cpuid(ret_caches);
}

/* Bytes of the last level, all instances together; 0 = nobody tells. In sysfs an instance counts with
 * the first CPU that shares it. */
static inline uint64_t memory_llc_bytes(void)
{
	struct memory_cache caches[MEMORY_LEVELS];
	long nr_cpus = sysconf(_SC_NPROCESSORS_CONF);
	uint64_t sum = 0;
	unsigned nr;

	for (unsigned cpu = 0; nr_cpus > 0 && cpu < (unsigned)nr_cpus; cpu++) {
		unsigned last = 0, first;
		char text[64];

		nr = memory_caches_sysfs(cpu, caches);
		while (memory_cache_text(text, sizeof(text), cpu, last, "level"))
			last++;
		if (nr && last &&
		    memory_cache_text(text, sizeof(text), cpu, last - 1, "shared_cpu_list") &&
		    sscanf(text, "%u", &first) == 1 && first == cpu)
			sum += caches[nr - 1].bytes;
	}
	/* Unless it is told who shares it, it is not known to be the last. */
	nr = sum ? 0 : memory_caches_cpuid(caches);
	if (nr && caches[nr - 1].shared && nr_cpus > 0)
		sum = caches[nr - 1].bytes *
		      (((unsigned)nr_cpus + caches[nr - 1].shared - 1) / caches[nr - 1].shared);
	return sum;
}

/* node= of a job: a number, or -1 for "local", or -2 for anything else. */
static inline int memory_node(const char *text)
{
	char *end;
	long node;

	if (!text || !strcmp(text, "local"))
		return -1;
	node = strtol(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && node < 1024 ? (int)node : -2;
}

/* 0, or -EOPNOTSUPP and which nodes there are. */
static inline int memory_node_check(int node, struct bench_err *err)
{
	char path[64], nodes[128] = "0";
	FILE *file;

	if (node < 1)
		return 0;
	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d", node);
	if (!access(path, F_OK))
		return 0;
	file = fopen("/sys/devices/system/node/has_memory", "re");
	if (file && fgets(nodes, sizeof(nodes), file))
		nodes[strcspn(nodes, "\n")] = '\0';
	if (file)
		fclose(file);
	return bench_fail(err, -EOPNOTSUPP, "this host has no NUMA node %d (with memory: %s)", node,
			  nodes);
}

/* Memory that is not there would be taken from others, or be swapped. */
static inline int memory_available(uint64_t wanted, struct bench_err *err)
{
	FILE *file = fopen("/proc/meminfo", "re");
	uint64_t kib = UINT64_MAX;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1)
			break;
	if (file)
		fclose(file);
	if (kib == UINT64_MAX || wanted / 1024 <= kib / 4 * 3)
		return 0;
	return bench_fail(err, -ENOMEM,
			  "%" PRIu64 " MiB are wanted, three quarters of the %" PRIu64
			  " MiB available at most; give a smaller size=",
			  wanted >> 20, kib >> 10);
}

#endif
