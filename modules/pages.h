/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory on pages of a wanted size, and whether the kernel really gave them. */
#ifndef MODULES_PAGES_H
#define MODULES_PAGES_H

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/module.h"

#define PAGES_4K 4096u
#define PAGES_2M (2u << 20)

enum pages_size { PAGES_SMALL, PAGES_HUGE };

static const char *const pages_sizes[] = { "4k", "2m", NULL };

/* A mapping of its own: the pages around it are out of reach, so the kernel cannot merge it with
 * another one, and its entry in smaps is about it alone. */
struct pages {
	void *base; /* of everything; NULL = not mapped */
	size_t base_bytes;
	unsigned char *at; /* aligned to 2 MiB */
	size_t bytes;
};

/* 0, or -EOPNOTSUPP and why there are no huge pages here. */
static inline int pages_check(enum pages_size size, struct bench_err *err)
{
	static const char path[] = "/sys/kernel/mm/transparent_hugepage/enabled";
	char text[64] = "";
	FILE *file;

	if (size == PAGES_SMALL)
		return 0;
	file = fopen(path, "re");
	if (file && !fgets(text, sizeof(text), file))
		text[0] = '\0';
	if (file)
		fclose(file);
	if (!text[0] || strstr(text, "[never]"))
		return bench_fail(err, -EOPNOTSUPP,
				  "pages of 2 MiB need transparent huge pages; %s is %s", path,
				  text[0] ? "never" : "not there");
	return 0;
}

/* Reserve address space; nothing is touched. 0, or negative errno through bench_worker_fail(). */
static inline int pages_map(struct bench_worker *w, struct pages *pg, size_t bytes,
			    enum pages_size size)
{
	size_t around = bytes + 2 * (size_t)PAGES_2M;
	void *base =
		mmap(NULL, around, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return bench_worker_fail(w, -errno, "no address space for %zu bytes: %s", bytes,
					 strerror(errno));
	*pg = (struct pages){ .base = base, .base_bytes = around, .bytes = bytes };
	pg->at = (unsigned char *)(((uintptr_t)base + PAGES_2M) / PAGES_2M * PAGES_2M);
	if (mprotect(pg->at, bytes, PROT_READ | PROT_WRITE))
		return bench_worker_fail(w, -errno, "memory of %zu bytes: %s", bytes,
					 strerror(errno));
	/* Without transparent huge pages in the kernel there is nothing to forbid. */
	if (madvise(pg->at, bytes, size == PAGES_HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) &&
	    size == PAGES_HUGE)
		return bench_worker_fail(w, -errno, "MADV_HUGEPAGE: %s", strerror(errno));
	return 0;
}

static inline void pages_unmap(struct pages *pg)
{
	if (pg->base)
		munmap(pg->base, pg->base_bytes);
	pg->base = NULL;
}

/* Bytes of the mapping on huge pages, as the kernel tells; -1 = it does not. */
static inline int64_t pages_huge_bytes(const struct pages *pg)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	int64_t kib = -1;
	bool mine = false;
	char line[512];

	while (file && kib < 0 && fgets(line, sizeof(line), file)) {
		uintptr_t begin, end;

		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) == 2)
			mine = begin == (uintptr_t)pg->at;
		else if (mine)
			(void)sscanf(line, "AnonHugePages: %" SCNd64, &kib);
	}
	if (file)
		fclose(file);
	return kib < 0 ? -1 : kib * 1024;
}

/* The node of this thread. */
#define PAGES_LOCAL (-1)

/* All pages of the mapping shall come from that node; before the first touch. A kernel without NUMA
 * has node 0 only. */
static inline int pages_bind(struct bench_worker *w, const struct pages *pg, int node)
{
	enum { NODES_MAX = 1024, BITS = 8 * sizeof(unsigned long), MPOL_BIND_MODE = 2 };
	unsigned long mask[NODES_MAX / BITS] = { 0 };

	if (node == PAGES_LOCAL || node >= NODES_MAX)
		return 0;
	mask[node / BITS] = 1ul << (node % BITS);
	/* The kernel takes one bit less than it is told of: mbind(2), get_nodes(). */
	if (syscall(SYS_mbind, pg->at, pg->bytes, MPOL_BIND_MODE, mask,
		    (unsigned long)NODES_MAX + 1, 0) &&
	    !(errno == ENOSYS && node == 0))
		return bench_worker_fail(w, -errno, "memory of NUMA node %d: %s", node,
					 strerror(errno));
	return 0;
}

/* Of some pages spread over the mapping: how many are not on the node? Where the kernel does not
 * tell (no NUMA), none. */
static inline unsigned pages_elsewhere(const struct pages *pg, int wanted)
{
	enum { NR = 64 };
	void *page[NR];
	int status[NR];
	unsigned cpu, node, nr = 0;

	if (syscall(SYS_getcpu, &cpu, &node, NULL))
		return 0;
	if (wanted != PAGES_LOCAL)
		node = (unsigned)wanted;
	for (unsigned i = 0; i < NR; i++)
		page[i] = pg->at + pg->bytes / NR * i / PAGES_4K * PAGES_4K;
	if (syscall(SYS_move_pages, 0, (unsigned long)NR, page, NULL, status, 0))
		return 0;
	for (unsigned i = 0; i < NR; i++)
		nr += status[i] >= 0 && (unsigned)status[i] != node;
	return nr;
}

/* After every page has been touched: are the pages of the wanted size, and on the wanted node? */
static inline int pages_verify_on(struct bench_worker *w, const struct pages *pg,
				  enum pages_size size, int node)
{
	int64_t huge = pages_huge_bytes(pg);
	unsigned elsewhere = pages_elsewhere(pg, node);

	/* A kernel that does not know of huge pages gives none. */
	if (size == PAGES_SMALL ? huge > 0 : huge < (int64_t)pg->bytes)
		return bench_worker_fail(w, -ENOMEM,
					 "%" PRId64
					 " of %zu bytes are on pages of 2 MiB, wanted were %s",
					 huge, pg->bytes, size == PAGES_HUGE ? "all" : "none");
	if (elsewhere)
		return bench_worker_fail(
			w, -EXDEV, "%u of 64 pages looked at are on another NUMA node", elsewhere);
	return 0;
}

/* The same, on this worker's node. */
static inline int pages_verify(struct bench_worker *w, const struct pages *pg, enum pages_size size)
{
	return pages_verify_on(w, pg, size, PAGES_LOCAL);
}

#endif
