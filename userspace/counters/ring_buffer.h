/* SPDX-License-Identifier: BSD-2-Clause */
/* The buffer that the kernel fills with records of perf events, and the event that is sampled where
 * nobody says which. */
#ifndef COUNTERS_RING_BUFFER_H
#define COUNTERS_RING_BUFFER_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "counters/pmu.h"

/* A record's size is 16 bits. */
#define RING_RECORD_MAX 65536
/* "cycles:ppp" */
#define RING_EVENT_MAX 16

struct ring_buffer {
	struct perf_event_mmap_page *page; /* NULL = not mapped */
	size_t map_size, data_size;
	const unsigned char *data;
	/* A record that goes over the end of the buffer is put together here. */
	uint64_t record[RING_RECORD_MAX / sizeof(uint64_t)];
};

/* Map the buffer of an event, with so many pages of data, a power of two. 0 or negative errno; EPERM
 * is kernel.perf_event_mlock_kb for users without CAP_IPC_LOCK. */
int ring_buffer_map(struct ring_buffer *buffer, int fd, unsigned pages);
void ring_buffer_unmap(struct ring_buffer *buffer); /* fine when it is not mapped */
/* Hand out what is there, oldest first; a record is valid until fn returns. False when the buffer
 * holds what is no record: the rest of it was thrown away. */
bool ring_buffer_read(struct ring_buffer *buffer,
		      void (*fn)(const struct perf_event_header *record, void *ctx), void *ctx);

/* Open cycles at the highest precision that the core PMU has, else the clock of the CPU. attr has
 * all but type, config and precise_ip, which are filled in; read_format is 0 afterwards where the
 * kernel does not count losses (before 6.0). pmus NULL = the clock. Returns the descriptor or
 * negative errno, and what was tried last in ret_name. */
int ring_event_open(struct perf_event_attr *attr, pid_t tid, int cpu, const struct pmu_set *pmus,
		    char ret_name[RING_EVENT_MAX]);

#endif
