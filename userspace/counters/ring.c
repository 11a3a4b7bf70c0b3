// SPDX-License-Identifier: BSD-2-Clause
#include "counters/ring.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "counters/plan.h"

#define SAMPLE_TYPE (PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU)
/* A record's size is 16 bits. */
#define RECORD_MAX 65536

struct counter_ring {
	int fd;
	char event[16];
	bool stacks, counts_lost;
	struct perf_event_mmap_page *page;
	size_t map_size, data_size;
	const unsigned char *data;
	struct ring_stats stats;
	uint64_t lost_records; /* what the records in the buffer say is lost */
	/* A record that goes over the end of the buffer is put together here. */
	uint64_t record[RECORD_MAX / sizeof(uint64_t)];
};

static void fill_attr(struct perf_event_attr *attr, const struct ring_config *c)
{
	*attr = (struct perf_event_attr){
		.size = sizeof(*attr),
		.sample_freq = c->frequency,
		.freq = 1,
		.sample_type = SAMPLE_TYPE | (c->stacks ? PERF_SAMPLE_CALLCHAIN : 0),
		.read_format = PERF_FORMAT_LOST,
		.disabled = 1,
		.exclude_kernel = c->user_only,
		.exclude_callchain_kernel = c->user_only,
		.exclude_hv = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.watermark = 1,
		.wakeup_watermark = (uint32_t)(c->pages * (size_t)sysconf(_SC_PAGESIZE) / 2),
	};
}

static int open_attr(struct counter_ring *ring, struct perf_event_attr *attr,
		     const struct ring_config *c)
{
	int fd = sys_perf_open(attr, c->tid, c->cpu, -1, PERF_FLAG_FD_CLOEXEC);

	ring->counts_lost = attr->read_format & PERF_FORMAT_LOST;
	/* Kernels before 6.0 do not know it. */
	if (fd == -EINVAL && ring->counts_lost) {
		attr->read_format = 0;
		ring->counts_lost = false;
		fd = sys_perf_open(attr, c->tid, c->cpu, -1, PERF_FLAG_FD_CLOEXEC);
		if (fd < 0)
			attr->read_format = PERF_FORMAT_LOST;
	}
	return fd;
}

static int open_event(struct counter_ring *ring, const struct ring_config *c)
{
	const struct pmu *pmu = c->pmus ? pmu_core(c->pmus, 0) : NULL;
	struct perf_event_attr attr;
	int fd = -ENOENT;

	fill_attr(&attr, c);
	attr.type = PERF_TYPE_HARDWARE;
	attr.config = PERF_COUNT_HW_CPU_CYCLES;
	/* The instruction pointer of an imprecise sample is some way behind. */
	for (int precise = pmu && pmu_is_precise(c->pmus, pmu) ? 3 : 0;
	     pmu && precise >= 0 && fd < 0; precise--) {
		attr.precise_ip = (unsigned)precise & 3;
		fd = open_attr(ring, &attr, c);
		snprintf(ring->event, sizeof(ring->event), "cycles%s%.*s", precise ? ":" : "",
			 precise, "ppp");
		if (fd == -EACCES || fd == -EPERM)
			return fd;
	}
	if (fd >= 0)
		return fd;
	attr.type = PERF_TYPE_SOFTWARE;
	attr.config = PERF_COUNT_SW_CPU_CLOCK;
	attr.precise_ip = 0;
	strcpy(ring->event, "cpu-clock");
	return open_attr(ring, &attr, c);
}

int ring_open(struct counter_ring **ret_ring, const struct ring_config *config,
	      struct bench_err *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct counter_ring *ring;
	int ret = 0;

	if (!config->pages || config->pages & (config->pages - 1))
		return bench_fail(err, -EINVAL, "sampling: %u pages are no power of two",
				  config->pages);
	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return bench_fail(err, -ENOMEM, "sampling: out of memory");
	ring->stacks = config->stacks;
	ring->fd = open_event(ring, config);
	if (ring->fd < 0) {
		ret = bench_fail(err, ring->fd, "sampling %s: %s", ring->event,
				 strerrordesc_np(-ring->fd) ?: "unknown error");
		goto out;
	}
	ring->data_size = config->pages * page;
	ring->map_size = ring->data_size + page;
	ring->page = mmap(NULL, ring->map_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
	if (ring->page == MAP_FAILED) {
		ring->page = NULL;
		/* EPERM is kernel.perf_event_mlock_kb for users without CAP_IPC_LOCK. */
		ret = bench_fail(err, -errno, "sampling: cannot map %u pages: %s", config->pages,
				 strerror(errno));
		goto out;
	}
	ring->data = (const unsigned char *)ring->page + page;
	*ret_ring = ring;
	ring = NULL;
out:
	ring_close(ring);
	return ret;
}

void ring_close(struct counter_ring *ring)
{
	if (!ring)
		return;
	if (ring->page)
		munmap(ring->page, ring->map_size);
	if (ring->fd >= 0)
		sys_perf_close(ring->fd);
	free(ring);
}

int ring_start(struct counter_ring *ring)
{
	return sys_perf_ioctl(ring->fd, PERF_EVENT_IOC_ENABLE, NULL);
}

int ring_stop(struct counter_ring *ring)
{
	return sys_perf_ioctl(ring->fd, PERF_EVENT_IOC_DISABLE, NULL);
}

/* The record at this position, in one piece. */
static const struct perf_event_header *record_at(struct counter_ring *ring, uint64_t tail)
{
	size_t at = tail & (ring->data_size - 1), first;
	const struct perf_event_header *header = (const void *)(ring->data + at);

	/* Records are aligned to 8 bytes, so a header is never split. */
	if (at + header->size <= ring->data_size)
		return header;
	first = ring->data_size - at;
	memcpy(ring->record, header, first);
	memcpy((unsigned char *)ring->record + first, ring->data, header->size - first);
	return (const void *)ring->record;
}

/* perf_event_open(2), PERF_RECORD_SAMPLE: ip, pid and tid, time, cpu, then the call chain. */
static bool parse_sample(const struct counter_ring *ring, const struct perf_event_header *header,
			 struct ring_sample *sample)
{
	const uint64_t *words = (const uint64_t *)(header + 1);
	size_t nr = (header->size - sizeof(*header)) / sizeof(*words);

	if (nr < (ring->stacks ? 5 : 4))
		return false;
	*sample = (struct ring_sample){ .ip = words[0], .time_ns = words[2] };
	memcpy(&sample->pid, &words[1], sizeof(sample->pid));
	memcpy(&sample->tid, (const char *)&words[1] + 4, sizeof(sample->tid));
	memcpy(&sample->cpu, &words[3], sizeof(sample->cpu));
	sample->kernel = (header->misc & PERF_RECORD_MISC_CPUMODE_MASK) == PERF_RECORD_MISC_KERNEL;
	if (!ring->stacks)
		return true;
	if (words[4] > nr - 5)
		return false;
	sample->nr_stack = (unsigned)words[4];
	sample->stack = &words[5];
	return true;
}

static void take_record(struct counter_ring *ring, const struct perf_event_header *header,
			void (*fn)(const struct ring_sample *sample, void *ctx), void *ctx)
{
	const uint64_t *words = (const uint64_t *)(header + 1);
	struct ring_sample sample;

	switch (header->type) {
	case PERF_RECORD_SAMPLE:
		if (!parse_sample(ring, header, &sample)) {
			ring->stats.malformed++;
			break;
		}
		ring->stats.samples++;
		if (fn)
			fn(&sample, ctx);
		break;
	case PERF_RECORD_LOST: /* id, lost */
		ring->lost_records += words[1];
		break;
	case PERF_RECORD_LOST_SAMPLES:
		ring->lost_records += words[0];
		break;
	case PERF_RECORD_THROTTLE:
		ring->stats.throttled++;
		break;
	}
}

void ring_read(struct counter_ring *ring, void (*fn)(const struct ring_sample *sample, void *ctx),
	       void *ctx)
{
	/* Pairs with the kernel's barrier between the data and the head. */
	uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = ring->page->data_tail;

	while (tail < head) {
		const struct perf_event_header *header = record_at(ring, tail);

		/* Without a size there is no next record to find. */
		if (header->size < sizeof(*header)) {
			ring->stats.malformed++;
			tail = head;
			break;
		}
		take_record(ring, header, fn, ctx);
		tail += header->size;
	}
	/* What was read must have been read before the kernel may write there. */
	__atomic_store_n(&ring->page->data_tail, tail, __ATOMIC_RELEASE);
}

void ring_stats(struct counter_ring *ring, struct ring_stats *ret_stats)
{
	uint64_t buf[2] = { 0 }; /* value, lost */

	*ret_stats = ring->stats;
	ret_stats->lost = ring->lost_records;
	if (!ring->counts_lost || sys_perf_read(ring->fd, buf, sizeof(buf)) != sizeof(buf))
		return;
	/* A record of a loss is written when there is room again, which may be never. */
	ret_stats->lost_exact = true;
	if (buf[1] > ret_stats->lost)
		ret_stats->lost = buf[1];
}

int ring_fd(const struct counter_ring *ring)
{
	return ring->fd;
}

const char *ring_event(const struct counter_ring *ring)
{
	return ring->event;
}
