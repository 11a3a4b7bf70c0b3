/* SPDX-License-Identifier: BSD-2-Clause */
/* What block.bpf.c shares with userspace/probe/block.c: the requests that completed last. */
#ifndef BLOCK_ABI_H
#define BLOCK_ABI_H

#include "probe_abi.h"

#define BLOCK_RING 4096 /* requests that a CPU remembers */

struct block_done {
	__u64 number; /* of this request on its CPU, from 1; 0 = being written */
	__u64 sector; /* of the whole device */
	__u32 dev;    /* of the whole device: major << 20 | minor */
	__u32 bytes;
	__u64 insert_ns, issue_ns, complete_ns;
} __attribute__((aligned(64)));

/* Map "block_rings", element cpu: written by its CPU only, oldest overwritten. */
struct block_ring {
	__u64 nr; /* written so far; the newest is done[(nr - 1) % BLOCK_RING] */
	__u64 pad[7];
	struct block_done done[BLOCK_RING];
};

#define BLOCK_DEVICES 8

/* Operations, in the order of their labels. */
enum { BLOCK_READ, BLOCK_WRITE, BLOCK_DISCARD, BLOCK_OTHER, BLOCK_OPS };

/* Slots of its values. */
enum {
	BLOCK_BYTES,
	BLOCK_OTHER_BYTES = BLOCK_BYTES + BLOCK_OPS,
	BLOCK_REQUESTS = BLOCK_OTHER_BYTES + BLOCK_OPS,
	BLOCK_FLUSHES = BLOCK_REQUESTS + BLOCK_OPS,
	BLOCK_ERRORS,
	BLOCK_UNSEEN,
	BLOCK_OPEN_BYTES,
	BLOCK_SCRATCH,					    /* one per program */
	BLOCK_LATENCY = BLOCK_SCRATCH + PROBE_MAX_PROGRAMS, /* per device: queue, device */
	BLOCK_SLOTS = BLOCK_LATENCY + BLOCK_DEVICES * 2 * PROBE_HIST_SLOTS,
};

#endif
