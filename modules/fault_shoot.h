/* SPDX-License-Identifier: BSD-2-Clause */
/* fault,kind=unmap|protect|dontneed: taking a page away while other threads of the process run. Every
 * CPU that runs one has to forget the translation: on most processors by an interrupt that the caller
 * waits for. */
#ifndef MODULES_FAULT_SHOOT_H
#define MODULES_FAULT_SHOOT_H

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench/module.h"
#include "pages.h"

enum shoot_kind { SHOOT_UNMAP, SHOOT_PROTECT, SHOOT_DONTNEED };

/* Interrupts by which a CPU has others do something, shootdowns among them, on CPUs, all together since
 * boot; -1 = this kernel does not count them, or one of the CPUs is not known. Some kernels tell shootdowns apart (TLB), others have them
 * with the rest (CAL): the sum is the same. */
static inline int64_t shoot_interrupts(const int *cpus, unsigned nr)
{
	FILE *file = fopen("/proc/interrupts", "re");
	int *column = NULL, cpu;
	char *line = NULL, *at;
	unsigned nr_columns = 0;
	int64_t sum = -1;
	size_t room = 0;
	int used;

	/* Where an unbound worker runs is not known. */
	for (unsigned j = 0; j < nr && file; j++)
		if (!cpus || cpus[j] < 0) {
			fclose(file);
			file = NULL;
		}
	if (!file)
		return -1;
	/* The heading has the CPUs that are online, and so have the lines. */
	if (getline(&line, &room, file) > 0)
		for (at = line; sscanf(at, " CPU%d%n", &cpu, &used) == 1; at += used) {
			int *grown = realloc(column, (nr_columns + 1) * sizeof(*column));

			if (!grown)
				break;
			column = grown;
			column[nr_columns++] = cpu;
		}
	while (getline(&line, &room, file) > 0) {
		uint64_t value;

		at = line + strspn(line, " ");
		if (strncmp(at, "TLB:", 4) && strncmp(at, "CAL:", 4))
			continue;
		sum = sum < 0 ? 0 : sum;
		at += 4;
		for (unsigned i = 0; i < nr_columns && sscanf(at, " %" SCNu64 "%n", &value, &used) == 1;
		     i++, at += used)
			for (unsigned j = 0; j < nr; j++)
				if (cpus[j] == column[i])
					sum += (int64_t)value;
	}
	free(column);
	free(line);
	fclose(file);
	return sum;
}

/* Take one page away by the call. 0 or negative errno. */
static inline int shoot_page(enum shoot_kind kind, unsigned char *page)
{
	int rc;

	switch (kind) {
	case SHOOT_UNMAP:
		rc = munmap(page, PAGES_4K);
		break;
	case SHOOT_PROTECT:
		rc = mprotect(page, PAGES_4K, PROT_READ);
		break;
	default:
		rc = madvise(page, PAGES_4K, MADV_DONTNEED);
	}
	return rc ? -errno : 0;
}

/* Make a region of which all pages were taken whole again, and empty. 0 or negative errno. */
static inline int shoot_rewind(enum shoot_kind kind, const struct pages *pg)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, prot = PROT_READ | PROT_WRITE;

	if (kind == SHOOT_UNMAP && mmap(pg->at, pg->bytes, prot, flags, -1, 0) == MAP_FAILED)
		return -errno;
	if (kind == SHOOT_PROTECT && mprotect(pg->at, pg->bytes, prot))
		return -errno;
	/* A kernel without huge pages has nothing to forbid. */
	(void)madvise(pg->at, pg->bytes, MADV_NOHUGEPAGE);
	return madvise(pg->at, pg->bytes, MADV_DONTNEED) ? -errno : 0;
}

#endif
