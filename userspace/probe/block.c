// SPDX-License-Identifier: BSD-2-Clause
/* Block requests that completed, one by one, out of the rings that block.bpf.c writes. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "block_abi.h"
#include "probe/ledger.h"
#include "probe/set.h"

/* Read the table of requests under way once, so that its pages are mapped. A hypervisor that shadows
 * page tables maps them at the first access, which costs some 10 us: in a program that would be told
 * as its cost, and be so for the first requests. */
static void touch(const struct probe_object *object)
{
	const struct bpf_map *map = bpf_object__find_map_by_name(object->bpf, "underway");
	uint32_t size = map ? bpf_map__value_size(map) : 0;
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);
	char *row = size ? malloc(size) : NULL;

	for (uint32_t i = 0; row && i < bpf_map__max_entries(map); i += page / size + !(page / size))
		if (bpf_map__lookup_elem(map, &i, sizeof(i), row, size, 0))
			break;
	free(row);
}

void block_open(struct probe_set *set, struct probe_object *object)
{
	set->block = object;
	touch(object);
	set->block_rings = object_map(object, "block_rings", &set->block_bytes);
}

/* Copy request number nr of a ring. False = it is gone, or being written. */
static bool done_copy(const struct block_ring *ring, uint64_t nr, struct block_done *ret_done)
{
	const struct block_done *d = &ring->done[(nr - 1) % BLOCK_RING];

	if (__atomic_load_n(&d->number, __ATOMIC_ACQUIRE) != nr)
		return false;
	*ret_done = *d;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&d->number, __ATOMIC_RELAXED) == nr;
}

/* Of one CPU, newest first; they are in the order of their completion. */
static bool ring_find(const struct block_ring *ring, uint32_t dev, uint64_t sector,
		      uint64_t from_ns, uint64_t to_ns, struct block_done *ret_done)
{
	uint64_t nr = __atomic_load_n(&ring->nr, __ATOMIC_ACQUIRE);
	uint64_t oldest = nr > BLOCK_RING ? nr - BLOCK_RING : 0;

	for (; nr > oldest; nr--) {
		if (!done_copy(ring, nr, ret_done))
			continue; /* overtaken: so are all that are older, soon found out */
		if (ret_done->complete_ns < from_ns)
			return false;
		if (ret_done->complete_ns <= to_ns && ret_done->dev == dev &&
		    sector >= ret_done->sector && sector - ret_done->sector < ret_done->bytes / 512)
			return true;
	}
	return false;
}

int probe_block_find(const struct probe_set *set, uint32_t dev, uint64_t sector, uint64_t from_ns,
		     uint64_t to_ns, struct probe_block *ret_block)
{
	struct block_done done, best = { 0 };

	if (!set || !set->block_rings)
		return -EOPNOTSUPP;
	for (unsigned cpu = 0; cpu < set->nr_cpus; cpu++)
		if (ring_find(&set->block_rings[cpu], dev, sector, from_ns, to_ns, &done) &&
		    done.complete_ns > best.complete_ns)
			best = done;
	if (!best.complete_ns)
		return -ENOENT;
	*ret_block = (struct probe_block){
		.dev = best.dev,
		.sector = best.sector,
		.bytes = best.bytes,
		.insert_ns = best.insert_ns,
		.issue_ns = best.issue_ns,
		.complete_ns = best.complete_ns,
	};
	return 0;
}
