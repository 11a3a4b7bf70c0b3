// SPDX-License-Identifier: BSD-2-Clause
#include "counters/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "bench/clock.h"
#include "counters/plan.h"
#include "counters/ring_buffer.h"

/* Of data for each CPU: a second of samples at 10 kHz with deep stacks, and all that many CPUs may
 * hold together is bounded. */
#define PAGES 512u
#define PAGES_MANY 128u
#define MANY_CPUS 32u
/* A PMU that counts counts this long a loop. */
#define LIVE_NS (2 * BENCH_NS_PER_MS)

struct counter_record {
	struct ring_buffer **buffers; /* nr_cpus */
	int *anchors;		      /* events that only own them */
	int *cpus;
	unsigned nr_cpus;
	int *fds; /* what is sampled now */
	int prog_fd; /* runs at each sample; -1 = none */
	unsigned nr_fds, room;
	struct pmu_set pmus;
	bool cycles; /* they count here */
	bool user_only;
	char event[RING_EVENT_MAX + 4];
	struct perf_event_attr attr;
	struct record_stats stats;
	uint64_t lost_records; /* what the records in the buffers say is lost ... */
	uint64_t lost_counted; /* ... and what the kernel counted, of events closed already */
	/* While a buffer is read. */
	void (*fn)(const struct perf_event_header *header, void *ctx);
	void *ctx;
};

/* A virtual machine's PMU may take the event and count nothing. */
static bool cycles_count(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_HARDWARE,
					.size = sizeof(attr),
					.config = PERF_COUNT_HW_CPU_CYCLES,
					.exclude_kernel = 1,
					.exclude_hv = 1 };
	int fd = sys_perf_open(&attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	uint64_t until = bench_now_ns() + LIVE_NS, count = 0;

	if (fd < 0)
		return false;
	while (bench_now_ns() < until)
		;
	if (sys_perf_read(fd, &count, sizeof(count)) != sizeof(count))
		count = 0;
	sys_perf_close(fd);
	return count > 0;
}

static void fill_attr(struct perf_event_attr *attr, const struct counter_record *r, bool on_exec)
{
	*attr = (struct perf_event_attr){
		.size = sizeof(*attr),
		.sample_freq = r->attr.sample_freq,
		.freq = 1,
		.sample_type = RECORD_SAMPLE_TYPE,
		.read_format = PERF_FORMAT_LOST,
		.sample_id_all = 1,
		.disabled = 1,
		.enable_on_exec = on_exec,
		.inherit = 1,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.task = 1,
		.context_switch = 1,
		.exclude_kernel = r->user_only,
		.exclude_callchain_kernel = r->user_only,
		.exclude_hv = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};
}

static int open_event(struct counter_record *r, pid_t tid, int cpu, bool on_exec)
{
	char name[RING_EVENT_MAX];
	int fd;

	fill_attr(&r->attr, r, on_exec);
	fd = ring_event_open(&r->attr, tid, cpu, r->cycles ? &r->pmus : NULL, name);
	if ((fd == -EACCES || fd == -EPERM) && !r->user_only) {
		r->user_only = true;
		fill_attr(&r->attr, r, on_exec);
		fd = ring_event_open(&r->attr, tid, cpu, r->cycles ? &r->pmus : NULL, name);
	}
	snprintf(r->event, sizeof(r->event), "%s%s", name,
		 !r->user_only ? "" : strchr(name, ':') ? "u" : ":u");
	return fd;
}

static int anchor_open(struct counter_record *r, unsigned i, unsigned pages)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
					.size = sizeof(attr),
					.config = PERF_COUNT_SW_DUMMY,
					.disabled = 1,
					.exclude_kernel = 1,
					.use_clockid = 1,
					.clockid = CLOCK_MONOTONIC,
					.watermark = 1,
					.wakeup_watermark = UINT32_MAX }; /* it is read in time */

	r->anchors[i] = sys_perf_open(&attr, 0, r->cpus[i], -1, PERF_FLAG_FD_CLOEXEC);
	if (r->anchors[i] < 0)
		return r->anchors[i];
	r->buffers[i] = calloc(1, sizeof(*r->buffers[i]));
	if (!r->buffers[i])
		return -ENOMEM;
	return ring_buffer_map(r->buffers[i], r->anchors[i], pages);
}

static int explain(int rc, struct bench_err *err)
{
	switch (-rc) {
	case EACCES:
		return bench_fail(err, rc,
				  "--sample: not permitted to sample; run as root, with CAP_PERFMON, "
				  "or lower kernel.perf_event_paranoid");
	case EPERM:
		return bench_fail(err, rc,
				  "--sample: not permitted to map buffers for samples; run as root, "
				  "or raise kernel.perf_event_mlock_kb");
	case ENOSYS:
		return bench_fail(err, rc, "--sample: this kernel has no perf events");
	case EMFILE:
		return bench_fail(err, rc,
				  "--sample: too many open files; raise the limit (ulimit -n)");
	default:
		return bench_fail(err, rc, "--sample: %s", strerror(-rc));
	}
}

/* Try the event on the calling thread, for its name and attributes. */
static int try_event(struct counter_record *r)
{
	int fd = open_event(r, 0, r->cpus[0], false);

	if (fd < 0)
		return fd;
	sys_perf_close(fd);
	return 0;
}

int record_open(struct counter_record **ret_record, const struct record_config *config,
		struct bench_err *err)
{
	unsigned nr = config->nr_cpus, pages = nr > MANY_CPUS ? PAGES_MANY : PAGES;
	struct counter_record *r = calloc(1, sizeof(*r));
	int rc = r ? 0 : -ENOMEM;

	if (rc)
		return explain(rc, err);
	r->buffers = calloc(nr, sizeof(struct ring_buffer *));
	r->anchors = malloc(nr * sizeof(*r->anchors));
	r->cpus = malloc(nr * sizeof(*r->cpus));
	if (!r->buffers || !r->anchors || !r->cpus) {
		rc = -ENOMEM;
		goto out;
	}
	memcpy(r->cpus, config->cpus, nr * sizeof(*r->cpus));
	r->nr_cpus = nr;
	r->prog_fd = -1;
	for (unsigned i = 0; i < nr; i++)
		r->anchors[i] = -1;
	for (unsigned i = 0; i < nr && !rc; i++)
		rc = anchor_open(r, i, pages);
	r->attr.sample_freq = config->frequency;
	r->cycles = !rc && cycles_count() && !pmu_set_load(&r->pmus, NULL);
	rc = rc ? rc : try_event(r);
	r->stats.lost_exact = r->attr.read_format & PERF_FORMAT_LOST;
out:
	if (rc) {
		record_close(r);
		return explain(rc, err);
	}
	*ret_record = r;
	return 0;
}

void record_close(struct counter_record *r)
{
	if (!r)
		return;
	record_detach(r);
	for (unsigned i = 0; i < r->nr_cpus; i++) {
		if (r->buffers[i])
			ring_buffer_unmap(r->buffers[i]);
		free(r->buffers[i]);
		if (r->anchors[i] >= 0)
			sys_perf_close(r->anchors[i]);
	}
	if (r->cycles)
		pmu_set_done(&r->pmus);
	free(r->fds);
	free(r->buffers);
	free(r->anchors);
	free(r->cpus);
	free(r);
}

/* The event's records go to the buffer of its CPU. */
static int attach_on(struct counter_record *r, pid_t tid, bool on_exec, unsigned i)
{
	int fd, rc;

	if (r->nr_fds == r->room) {
		unsigned room = r->room ? 2 * r->room : 64;
		int *grown = reallocarray(r->fds, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		r->fds = grown;
		r->room = room;
	}
	fd = open_event(r, tid, r->cpus[i], on_exec);
	if (fd < 0)
		return fd;
	rc = ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, r->anchors[i]) ||
			     (r->prog_fd >= 0 && ioctl(fd, PERF_EVENT_IOC_SET_BPF, r->prog_fd)) ?
		     -errno :
		     0;
	if (rc)
		sys_perf_close(fd);
	else
		r->fds[r->nr_fds++] = fd;
	return rc;
}

int record_attach(struct counter_record *r, pid_t tid, bool on_exec, const int *cpus,
		  unsigned nr_cpus, struct bench_err *err)
{
	int rc = 0;

	for (unsigned i = 0; i < r->nr_cpus && !rc; i++) {
		bool wanted = false;

		for (unsigned k = 0; k < nr_cpus && !wanted; k++)
			wanted = cpus[k] == r->cpus[i] || cpus[k] < 0;
		if (wanted)
			rc = attach_on(r, tid, on_exec, i);
	}
	return rc ? explain(rc, err) : 0;
}

int record_run(struct counter_record *r, int prog_fd)
{
	int fd = open_event(r, 0, r->cpus[0], false), rc;

	if (fd < 0)
		return fd;
	rc = ioctl(fd, PERF_EVENT_IOC_SET_BPF, prog_fd) ? -errno : 0;
	sys_perf_close(fd);
	if (!rc)
		r->prog_fd = prog_fd;
	return rc;
}

static uint64_t lost_now(const struct counter_record *r)
{
	uint64_t lost = 0, buf[2]; /* value, lost */

	for (unsigned i = 0; r->stats.lost_exact && i < r->nr_fds; i++)
		if (sys_perf_read(r->fds[i], buf, sizeof(buf)) == sizeof(buf))
			lost += buf[1];
	return lost;
}

void record_detach(struct counter_record *r)
{
	r->lost_counted += lost_now(r);
	for (unsigned i = 0; i < r->nr_fds; i++)
		sys_perf_close(r->fds[i]);
	r->nr_fds = 0;
}

void record_start(const struct counter_record *r)
{
	for (unsigned i = 0; i < r->nr_fds; i++)
		(void)sys_perf_ioctl(r->fds[i], PERF_EVENT_IOC_ENABLE, NULL); /* cannot fail */
}

void record_stop(const struct counter_record *r)
{
	for (unsigned i = 0; i < r->nr_fds; i++)
		(void)sys_perf_ioctl(r->fds[i], PERF_EVENT_IOC_DISABLE, NULL); /* cannot fail */
}

static void take(const struct perf_event_header *header, void *ctx)
{
	const uint64_t *words = (const uint64_t *)(header + 1);
	struct counter_record *r = ctx;

	switch (header->type) {
	case PERF_RECORD_SAMPLE:
		r->stats.samples++;
		break;
	case PERF_RECORD_LOST: /* id, lost */
		r->lost_records += words[1];
		break;
	case PERF_RECORD_LOST_SAMPLES:
		r->lost_records += words[0];
		break;
	case PERF_RECORD_THROTTLE:
		r->stats.throttled++;
		break;
	}
	r->fn(header, r->ctx);
}

void record_read(struct counter_record *r,
		 void (*fn)(const struct perf_event_header *header, void *ctx), void *ctx)
{
	r->fn = fn;
	r->ctx = ctx;
	for (unsigned i = 0; i < r->nr_cpus; i++)
		if (!ring_buffer_read(r->buffers[i], take, r))
			r->stats.malformed++;
}

void record_stats(struct counter_record *r, struct record_stats *ret_stats)
{
	uint64_t counted = r->lost_counted + lost_now(r);

	*ret_stats = r->stats;
	/* A record of a loss is written when there is room again, which may be never; and not only
	 * samples are lost. */
	ret_stats->lost = counted > r->lost_records ? counted : r->lost_records;
}

const char *record_event(const struct counter_record *r)
{
	return r->event;
}

const struct perf_event_attr *record_attr(const struct counter_record *r)
{
	return &r->attr;
}
