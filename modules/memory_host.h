/* SPDX-License-Identifier: BSD-2-Clause */
/* What memory.c has to know about the host: its caches, and how much memory there is to take. */
#ifndef MODULES_MEMORY_HOST_H
#define MODULES_MEMORY_HOST_H

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "bench/module.h"

static inline bool memory_cache(char *text, size_t size, unsigned cpu, unsigned index,
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

/* Bytes of the highest cache level, all instances together; 0 = sysfs does not tell. An instance
 * counts with the first CPU that shares it. */
static inline uint64_t memory_llc_bytes(void)
{
	uint64_t sum = 0;
	long nr = sysconf(_SC_NPROCESSORS_CONF);

	for (unsigned cpu = 0; nr > 0 && cpu < (unsigned)nr; cpu++) {
		unsigned last = 0, first;
		char text[64];
		uint64_t kib;

		while (memory_cache(text, sizeof(text), cpu, last, "level"))
			last++;
		if (last && memory_cache(text, sizeof(text), cpu, last - 1, "shared_cpu_list") &&
		    sscanf(text, "%u", &first) == 1 && first == cpu &&
		    memory_cache(text, sizeof(text), cpu, last - 1, "size") &&
		    sscanf(text, "%" SCNu64 "K", &kib) == 1)
			sum += kib << 10;
	}
	return sum;
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
