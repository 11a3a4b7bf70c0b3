// SPDX-License-Identifier: BSD-2-Clause
/* Block I/O of the tracked threads: how long requests waited in the queue and were with the device,
 * what they moved, and the last ones one by one, so that a slow operation finds its own request. A
 * request belongs to the thread in whose context it entered the queue. It is told at completion,
 * which is an interrupt of any CPU. */
#include "bench.bpf.h"
#include "block_abi.h"
#include "keys.bpf.h"

/* include/linux/blk_types.h; the numbers are part of what the kernel's own tracers print */
#define REQ_OP_MASK 0xff
enum { REQ_OP_READ = 0, REQ_OP_WRITE = 1, REQ_OP_FLUSH = 2, REQ_OP_DISCARD = 3 };
#define REQ_OP_SECURE_ERASE 5

/* These moved from version to version: relocated. */
enum req_flag_bits { __REQ_FUA = 17, __REQ_PREFLUSH = 18 };

struct gendisk {
	int major, first_minor;
	char disk_name[32];
} __pai;

struct request_queue {
	struct gendisk *disk; /* 5.15 */
} __pai;

struct request {
	struct request_queue *q;
	unsigned int cmd_flags;
	unsigned int __data_len;
	unsigned long __sector;
} __pai;

struct request___old {
	struct gendisk *rq_disk; /* until 5.16 */
} __pai;

#define REQUEST_EVENTS "block_rq_issue block_rq_complete"
#define OPS                                                                                        \
	{                                                                                          \
		"read", "write", "discard", "other"                                                \
	}

const struct probe_desc metrics[] SEC(".rodata.probe") = {
	PROBE_METRIC(PROBE_HIST, BLOCK_LATENCY, "block.latency", "ns", REQUEST_EVENTS,
		     "tracked threads' requests: wait in the queue, and time with the device",
		     .better = PROBE_BETTER_LOWER, .key = "stage", .label = { "queue", "device" },
		     .found_key = "dev", .found_max = BLOCK_DEVICES),
	PROBE_METRIC(PROBE_COUNT, BLOCK_BYTES, "block.bytes", "B", REQUEST_EVENTS,
		     "bytes that tracked threads' requests moved", .key = "op", .label = OPS),
	PROBE_METRIC(PROBE_COUNT, BLOCK_OTHER_BYTES, "block.other_bytes", "B", REQUEST_EVENTS,
		     "bytes that all other requests of the host moved, write-back included",
		     .key = "op", .label = OPS),
	PROBE_METRIC(PROBE_COUNT, BLOCK_REQUESTS, "block.requests", "count", REQUEST_EVENTS,
		     "tracked threads' requests that the device did", .key = "op", .label = OPS),
	PROBE_METRIC(PROBE_COUNT, BLOCK_FLUSHES, "block.flushes", "count",
		     "block_io_start block_rq_complete",
		     "flushes of the device's cache that tracked threads waited for"),
	PROBE_METRIC(PROBE_COUNT, BLOCK_ERRORS, "block.errors", "count", REQUEST_EVENTS,
		     "tracked threads' requests that failed", .better = PROBE_BETTER_LOWER),
	PROBE_METRIC(PROBE_COUNT, BLOCK_UNSEEN, "block.unseen", "count", REQUEST_EVENTS,
		     "tracked threads' requests that completed unseen: counted, without latency"),
	PROBE_METRIC(PROBE_COUNT, BLOCK_OPEN_BYTES, "block.open_bytes", "B", REQUEST_EVENTS,
		     "bytes sent to the device for tracked threads, not seen to end: in flight, or "
		     "hidden"),
};

const struct probe_program programs[] SEC(".rodata.programs") = {
	{ "on_start" },	   { "on_insert" },  { "on_issue" },
	{ "on_complete" }, { "on_requeue" }, { "on_merge" },
};
enum { RUN_START, RUN_INSERT, RUN_ISSUE, RUN_COMPLETE, RUN_REQUEUE, RUN_MERGE };

PROBE_VALUES(BLOCK_SLOTS)
PROBE_KEYS(BLOCK_DEVICES)

static __always_inline __u32 op_of(__u32 cmd_flags)
{
	switch (cmd_flags & REQ_OP_MASK) {
	case REQ_OP_READ:
		return BLOCK_READ;
	case REQ_OP_WRITE:
		return BLOCK_WRITE;
	case REQ_OP_DISCARD:
	case REQ_OP_SECURE_ERASE:
		return BLOCK_DISCARD;
	default:
		return BLOCK_OTHER;
	}
}

/* --- requests under way --- */

/* The kernel uses the same few requests again and again, so a table that is indexed by their
 * address is as good as a hash map, and costs a tenth. A row holds those whose addresses fall
 * together; when it is full the oldest is forgotten. */
#define ROWS 4096
#define ROW 4

#define UNDERWAY_JOB 1u
#define UNDERWAY_ISSUED 2u /* since it was last queued */
#define UNDERWAY_QUEUED_AGAIN 4u
#define UNDERWAY_OPEN 8u /* what is left of it is in BLOCK_OPEN_BYTES */

struct underway {
	__u64 rq; /* 0 = free */
	__u64 serial;
	__u64 insert_ns; /* 0 = was not seen to wait */
	__u64 issue_ns;	 /* 0 = not yet */
	__u32 left;	 /* bytes to do */
	__u32 done;	 /* bytes done so far */
	__u32 flags;
	__u32 op;
} __attribute__((aligned(64))); /* the CPU that completes is often another: one line to fetch */

struct underway_row {
	struct underway r[ROW];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ROWS);
	__type(key, __u32);
	__type(value, struct underway_row);
} underway SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* CPUs; set by userspace */
	__type(key, __u32);
	__type(value, struct block_ring);
} block_rings SEC(".maps");

static __always_inline struct underway_row *row_of(__u64 rq)
{
	__u32 row = (__u32)(((rq >> 5) * 0x9e3779b97f4a7c15ull) >> 52);

	return bpf_map_lookup_elem(&underway, &row);
}

/* The value, without what the verifier knows about it: else it tells apart all ways that led to it,
 * in the whole rest of the program, which takes it 50 ms. word is a scratch word of this program.
 */
static __always_inline __u64 forget(__u64 *word, __u64 value)
{
	WRITE_ONCE(*word, value);
	return READ_ONCE(*word);
}

static __always_inline struct underway *underway_find(__u64 rq, __u64 serial, __u64 *word)
{
	struct underway_row *row = row_of(rq);
	__u64 found = ROW;

	if (!row)
		return NULL;
	for (__u64 i = 0; i < ROW; i++)
		if (row->r[i].rq == rq) {
			found = i;
			break;
		}
	found = forget(word, found);
	if (found >= ROW || row->r[found].serial != serial)
		return NULL;
	return &row->r[found];
}

/* The place that it has from an earlier use, a free one, or the oldest one. Two CPUs may take the
 * same free place at the same moment; then one of the two requests is not found again and counts as
 * one of others. */
static __always_inline struct underway *row_take(struct underway_row *row, __u64 rq)
{
	struct underway *r = &row->r[0];

	for (int i = 0; i < ROW; i++)
		if (row->r[i].rq == rq)
			return &row->r[i];
	for (int i = 1; i < ROW; i++)
		if (r->rq && (!row->r[i].rq || row->r[i].issue_ns < r->issue_ns))
			r = &row->r[i];
	return r;
}

/* A request of the job was with the device and its place is used again, so that it has completed,
 * and no program was run for that. When is not known. */
static __always_inline void unseen(const struct underway *r, __u64 *slot)
{
	if (!(r->flags & UNDERWAY_OPEN) || !r->left)
		return;
	value_add(&slot[BLOCK_BYTES + r->op % BLOCK_OPS], r->left);
	value_add(&slot[BLOCK_REQUESTS + r->op % BLOCK_OPS], 1);
	value_add(&slot[BLOCK_UNSEEN], 1);
	value_add(&slot[BLOCK_OPEN_BYTES], -(__u64)r->left);
}

static __always_inline struct underway *underway_new(__u64 rq, __u32 bank, bool raw)
{
	struct probe_values_element *v = values_here(bank);
	struct underway_row *row = row_of(rq);
	struct underway *r = row ? row_take(row, rq) : NULL;
	__u64 serial = window_span(bank)->serial;

	if (!r || !v)
		return NULL;
	if (r->rq == rq && r->serial == serial && r->flags & UNDERWAY_ISSUED)
		unseen(r, v->slot);
	r->serial = serial;
	r->insert_ns = 0;
	r->issue_ns = 0;
	r->left = 0;
	r->done = 0;
	r->flags = tag_of(task_current(raw), raw) ? UNDERWAY_JOB : 0;
	r->rq = rq;
	return r;
}

/* --- the way of a request --- */

static __always_inline struct request *request_arg(__u64 *ctx)
{
	return (void *)(config.block_rq_arg ? ctx[1] : ctx[0]);
}

/* Counts the run. Returns a scratch word of the program, with the request's address as a number:
 * the verifier does not let a pointer be calculated with, but knows nothing of what comes out of
 * memory. Each program has its own word, because one may interrupt another. NULL = no window. */
static __always_inline __u64 *request_begin(struct request *rq, __u32 bank, __u32 program)
{
	struct probe_values_element *v;

	v = bank == PROBE_NO_WINDOW ? NULL : values_here(bank);
	if (!v)
		return NULL;
	value_add(&v->runs[program], 1);
	WRITE_ONCE(v->slot[BLOCK_SCRATCH + program], (__u64)rq);
	return &v->slot[BLOCK_SCRATCH + program];
}

/* block_io_start(rq), in the context of whoever asked. Requests that flush the device's cache are
 * sent on by the kernel's own threads: only here is it known whose they are. */
static __always_inline int on_start(__u64 *ctx, bool raw)
{
	struct request *rq = (void *)ctx[0];
	__u32 bank = window_bank(), flush = 0;
	__u64 *word = request_begin(rq, bank, RUN_START);
	struct underway *r;

	flush |= 1u << bpf_core_enum_value(enum req_flag_bits, __REQ_PREFLUSH);
	flush |= 1u << bpf_core_enum_value(enum req_flag_bits, __REQ_FUA);
	if (!word || !(GET(raw, rq, cmd_flags) & flush))
		return 0;
	r = underway_new(READ_ONCE(*word), bank, raw);
	if (r)
		r->insert_ns = bpf_ktime_get_ns();
	return 0;
}
PROBE_TRACEPOINT(block_io_start, on_start)

/* block_rq_insert(rq): it has to wait, in the I/O scheduler or because the device is busy. */
static __always_inline int on_insert(__u64 *ctx, bool raw)
{
	struct request *rq = request_arg(ctx);
	__u32 bank = window_bank();
	__u64 *word = request_begin(rq, bank, RUN_INSERT), address, serial;
	struct underway *r;

	if (!word)
		return 0;
	address = READ_ONCE(*word);
	serial = window_span(bank)->serial;
	r = underway_find(address, serial, word);
	if (r && (r->flags & UNDERWAY_QUEUED_AGAIN || !r->issue_ns))
		return 0;
	r = underway_new(address, bank, raw);
	if (r)
		r->insert_ns = bpf_ktime_get_ns();
	return 0;
}
PROBE_TRACEPOINT(block_rq_insert, on_insert)

/* block_rq_issue(rq): it goes to the device. */
static __always_inline int on_issue(__u64 *ctx, bool raw)
{
	struct request *rq = request_arg(ctx);
	__u32 bank = window_bank();
	__u64 *word = request_begin(rq, bank, RUN_ISSUE), address, serial, now;
	struct probe_values_element *v;
	struct underway *r;
	__u64 open;

	v = word ? values_here(bank) : NULL;
	if (!v)
		return 0;
	address = READ_ONCE(*word);
	serial = window_span(bank)->serial;
	r = underway_find(address, serial, word);
	/* One that was issued already and not queued again is a new one in the same place. */
	if (!r || r->flags & UNDERWAY_ISSUED)
		r = underway_new(address, bank, raw);
	if (!r)
		return 0;
	now = bpf_ktime_get_ns();
	if (!r->insert_ns)
		r->insert_ns = now;
	r->issue_ns = now;
	/* One that was queued again may have grown there. */
	open = r->flags & UNDERWAY_OPEN ? r->left : 0;
	r->left = GET(raw, rq, __data_len);
	r->op = op_of(GET(raw, rq, cmd_flags));
	if (r->flags & UNDERWAY_JOB && window_has(window_span(bank), now))
		r->flags |= UNDERWAY_OPEN;
	if (r->flags & UNDERWAY_OPEN)
		value_add(&v->slot[BLOCK_OPEN_BYTES], r->left - open);
	r->flags = (r->flags & (UNDERWAY_JOB | UNDERWAY_OPEN)) | UNDERWAY_ISSUED;
	return 0;
}
PROBE_TRACEPOINT(block_rq_issue, on_issue)

/* block_rq_requeue(rq): the device did not take it; the next issue counts. */
static __always_inline int on_requeue(__u64 *ctx, bool raw)
{
	struct request *rq = request_arg(ctx);
	__u32 bank = window_bank();
	__u64 *word = request_begin(rq, bank, RUN_REQUEUE);
	struct underway *r;

	r = word ? underway_find(READ_ONCE(*word), window_span(bank)->serial, word) : NULL;
	if (r)
		r->flags = (r->flags & (UNDERWAY_JOB | UNDERWAY_OPEN)) | UNDERWAY_QUEUED_AGAIN;
	return 0;
}
PROBE_TRACEPOINT(block_rq_requeue, on_requeue)

/* block_rq_merge(rq): it was queued and becomes part of the one before it. */
static __always_inline int on_merge(__u64 *ctx, bool raw)
{
	struct request *rq = request_arg(ctx);
	__u32 bank = window_bank();
	__u64 *word = request_begin(rq, bank, RUN_MERGE);
	struct probe_values_element *v;
	struct underway *r;

	v = word ? values_here(bank) : NULL;
	r = v ? underway_find(READ_ONCE(*word), window_span(bank)->serial, word) : NULL;
	if (!r)
		return 0;
	if (r->flags & UNDERWAY_OPEN)
		value_add(&v->slot[BLOCK_OPEN_BYTES], -(__u64)r->left);
	r->rq = 0;
	return 0;
}
PROBE_TRACEPOINT(block_rq_merge, on_merge)

/* --- completion --- */

static __always_inline struct gendisk *disk_of(struct request *rq, bool raw)
{
	struct request___old *old = (void *)rq;
	struct request_queue *q;

	if (bpf_core_field_exists(old->rq_disk))
		return BPF_CORE_READ(old, rq_disk);
	q = GET(raw, rq, q); /* what is read at NULL is 0 */
	return GET(raw, q, disk);
}

/* Its place in the table of devices, or -1. */
static __always_inline int device_index(struct gendisk *disk, __u32 dev)
{
	struct probe_keys_element *all;
	__u64 id = (1ull << 32) | dev; /* 0 = free */
	__u32 zero = 0;
	int i;

	all = bpf_map_lookup_elem(&keys, &zero);
	if (!all)
		return -1;
	i = key_find(all, id);
	if (i >= 0)
		return i;
	i = key_claim(all, id);
	if (i < 0 || i >= BLOCK_DEVICES)
		return -1;
	BPF_CORE_READ_STR_INTO(&all->key[i].name, disk, disk_name);
	WRITE_ONCE(all->key[i].id, id);
	return i;
}

static __always_inline void remember(const struct underway *r, __u32 dev, __u64 sector, __u64 now)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct block_ring *ring = bpf_map_lookup_elem(&block_rings, &cpu);
	struct block_done *d;

	if (!ring)
		return;
	d = &ring->done[ring->nr % BLOCK_RING];
	WRITE_ONCE(d->number, 0);
	barrier();
	d->sector = sector;
	d->dev = dev;
	d->bytes = r->done;
	d->insert_ns = r->insert_ns;
	d->issue_ns = r->issue_ns;
	d->complete_ns = now;
	barrier();
	WRITE_ONCE(d->number, ring->nr + 1);
	WRITE_ONCE(ring->nr, ring->nr + 1);
}

/* Its last part is done. */
static __always_inline void finished(struct probe_values_element *v, __u64 *word,
				     const struct underway *r, struct gendisk *disk, __u64 op,
				     bool counts, __u64 now, bool raw, __u64 sector)
{
	__u32 dev;
	__u64 i;

	if (!disk)
		return;
	dev = (__u32)GET(raw, disk, major) << 20 | (__u32)GET(raw, disk, first_minor);
	remember(r, dev, sector, now);
	if (!counts)
		return;
	i = forget(word, device_index(disk, dev));
	if (i >= BLOCK_DEVICES)
		return;
	value_add(&v->slot[BLOCK_REQUESTS + op % BLOCK_OPS], 1);
	hist_record(&v->slot[BLOCK_LATENCY + i * 2 * PROBE_HIST_SLOTS], r->issue_ns - r->insert_ns);
	hist_record(&v->slot[BLOCK_LATENCY + (i * 2 + 1) * PROBE_HIST_SLOTS], now - r->issue_ns);
}

/* block_rq_complete(rq, error, nr_bytes): once for each part that is done, before the request is
 * moved on by it. The same program never runs twice at one time on a CPU, so that its CPU's values
 * need no lock. */
static __always_inline int on_complete(__u64 *ctx, bool raw)
{
	struct request *rq = (void *)ctx[0];
	__u32 error = (__u8)ctx[1], bytes = (__u32)ctx[2], bank = window_bank(), left;
	__u64 *word = request_begin(rq, bank, RUN_COMPLETE), now, op, i;
	const volatile struct probe_span *w;
	struct probe_values_element *v;
	struct gendisk *disk;
	struct underway *r;
	bool in, job;

	v = word ? values_here(bank) : NULL;
	if (!v)
		return 0;
	/* Here, where all ways lead to: the verifier takes a millisecond for it each time. */
	disk = disk_of(rq, raw);
	w = window_span(bank);
	r = underway_find(READ_ONCE(*word), w->serial, word);
	now = bpf_ktime_get_ns();
	in = window_has(w, now);
	op = forget(word, op_of(GET(raw, rq, cmd_flags)));
	left = GET(raw, rq, __data_len);
	job = r && r->flags & UNDERWAY_JOB;
	if (in && bytes && !error) {
		i = op % BLOCK_OPS;
		asm volatile("" : "+r"(i)); /* added, not or-ed: 6.1 loses its bound in that */
		value_add(&v->slot[(job ? BLOCK_BYTES : BLOCK_OTHER_BYTES) + i], bytes);
	}
	if (!r)
		return 0;
	if (r->flags & UNDERWAY_OPEN)
		value_add(&v->slot[BLOCK_OPEN_BYTES], -(__u64)bytes);
	r->done += bytes;
	r->left = left - bytes;
	if (bytes < left)
		return 0;
	if (in && job && error)
		v->slot[BLOCK_ERRORS]++;
	if (in && job && !r->done && op == BLOCK_WRITE)
		v->slot[BLOCK_FLUSHES]++;
	if (r->issue_ns && r->done)
		finished(v, word, r, disk, op, in && job && !error, now, raw,
			 GET(raw, rq, __sector) - ((r->done - bytes) >> 9));
	r->rq = 0;
	return 0;
}
PROBE_TRACEPOINT(block_rq_complete, on_complete)

char LICENSE[] SEC("license") = "Dual BSD/GPL";
