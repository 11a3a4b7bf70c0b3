// SPDX-License-Identifier: BSD-2-Clause
#include "counters/ring.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "counters/plan.h"
#include "counters/ring_buffer.h"

#define SAMPLE_TYPE (PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU)

struct counter_ring {
	int fd;
	char event[RING_EVENT_MAX];
	bool stacks, counts_lost;
	struct ring_stats stats;
	uint64_t lost_records; /* what the records in the buffer say is lost */
	struct ring_buffer buffer;
	/* While it is read. */
	void (*fn)(const struct ring_sample *sample, void *ctx);
	void *ctx;
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

static int open_event(struct counter_ring *ring, const struct ring_config *c)
{
	struct perf_event_attr attr;
	int fd;

	fill_attr(&attr, c);
	fd = ring_event_open(&attr, c->tid, c->cpu, c->pmus, ring->event);
	ring->counts_lost = attr.read_format & PERF_FORMAT_LOST;
	return fd;
}

int ring_open(struct counter_ring **ret_ring, const struct ring_config *config,
	      struct bench_err *err)
{
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
	ret = ring_buffer_map(&ring->buffer, ring->fd, config->pages);
	if (ret) {
		/* EPERM is kernel.perf_event_mlock_kb for users without CAP_IPC_LOCK. */
		bench_fail(err, ret, "sampling: cannot map %u pages: %s", config->pages,
			   strerror(-ret));
		goto out;
	}
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
	ring_buffer_unmap(&ring->buffer);
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

static void take_record(const struct perf_event_header *header, void *ctx)
{
	struct counter_ring *ring = ctx;
	const uint64_t *words = (const uint64_t *)(header + 1);
	struct ring_sample sample;

	switch (header->type) {
	case PERF_RECORD_SAMPLE:
		if (!parse_sample(ring, header, &sample)) {
			ring->stats.malformed++;
			break;
		}
		ring->stats.samples++;
		if (ring->fn)
			ring->fn(&sample, ring->ctx);
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
	ring->fn = fn;
	ring->ctx = ctx;
	if (!ring_buffer_read(&ring->buffer, take_record, ring))
		ring->stats.malformed++;
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
