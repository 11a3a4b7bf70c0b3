// SPDX-License-Identifier: BSD-2-Clause
#include "counters/ring_buffer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "counters/plan.h"

int ring_buffer_map(struct ring_buffer *buffer, int fd, unsigned pages)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	buffer->data_size = pages * page;
	buffer->map_size = buffer->data_size + page;
	buffer->page = mmap(NULL, buffer->map_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (buffer->page == MAP_FAILED) {
		buffer->page = NULL;
		return -errno;
	}
	buffer->data = (const unsigned char *)buffer->page + page;
	return 0;
}

void ring_buffer_unmap(struct ring_buffer *buffer)
{
	if (buffer->page)
		munmap(buffer->page, buffer->map_size);
	buffer->page = NULL;
}

/* The record at this position, in one piece. */
static const struct perf_event_header *record_at(struct ring_buffer *buffer, uint64_t tail)
{
	size_t at = tail & (buffer->data_size - 1), first;
	const struct perf_event_header *header = (const void *)(buffer->data + at);

	/* Records are aligned to 8 bytes, so a header is never split. */
	if (at + header->size <= buffer->data_size)
		return header;
	first = buffer->data_size - at;
	memcpy(buffer->record, header, first);
	memcpy((unsigned char *)buffer->record + first, buffer->data, header->size - first);
	return (const void *)buffer->record;
}

bool ring_buffer_read(struct ring_buffer *buffer,
		      void (*fn)(const struct perf_event_header *record, void *ctx), void *ctx)
{
	/* Pairs with the kernel's barrier between the data and the head. */
	uint64_t head = __atomic_load_n(&buffer->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = buffer->page->data_tail;
	bool whole = true;

	while (tail < head) {
		const struct perf_event_header *header = record_at(buffer, tail);

		/* Without a size there is no next record to find. */
		if (header->size < sizeof(*header)) {
			whole = false;
			tail = head;
			break;
		}
		fn(header, ctx);
		tail += header->size;
	}
	/* What was read must have been read before the kernel may write there. */
	__atomic_store_n(&buffer->page->data_tail, tail, __ATOMIC_RELEASE);
	return whole;
}

static int open_attr(struct perf_event_attr *attr, pid_t tid, int cpu)
{
	int fd = sys_perf_open(attr, tid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd == -EINVAL && attr->read_format & PERF_FORMAT_LOST) {
		attr->read_format = 0;
		fd = sys_perf_open(attr, tid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
		if (fd < 0)
			attr->read_format = PERF_FORMAT_LOST;
	}
	return fd;
}

int ring_event_open(struct perf_event_attr *attr, pid_t tid, int cpu, const struct pmu_set *pmus,
		    char ret_name[RING_EVENT_MAX])
{
	const struct pmu *pmu = pmus ? pmu_core(pmus, 0) : NULL;
	int fd = -ENOENT;

	attr->type = PERF_TYPE_HARDWARE;
	attr->config = PERF_COUNT_HW_CPU_CYCLES;
	/* The instruction pointer of an imprecise sample is some way behind. */
	for (int precise = pmu && pmu_is_precise(pmus, pmu) ? 3 : 0; pmu && precise >= 0 && fd < 0;
	     precise--) {
		attr->precise_ip = (unsigned)precise & 3;
		fd = open_attr(attr, tid, cpu);
		snprintf(ret_name, RING_EVENT_MAX, "cycles%s%.*s", precise ? ":" : "", precise,
			 "ppp");
		if (fd == -EACCES || fd == -EPERM)
			return fd;
	}
	if (fd >= 0)
		return fd;
	attr->type = PERF_TYPE_SOFTWARE;
	attr->config = PERF_COUNT_SW_CPU_CLOCK;
	attr->precise_ip = 0;
	strcpy(ret_name, "cpu-clock");
	return open_attr(attr, tid, cpu);
}
