// SPDX-License-Identifier: BSD-2-Clause
/* Disk by io_uring: each worker keeps `depth` operations in flight (closed loop: the next one
 * starts when one completes; latency is from the moment an operation was described to its reap), or
 * has up to `depth` operations in flight when they are paced. */
#include "bench/async.h"
#include "disk_cache.h"
#include "disk_common.h"

/* Completions come in lumps; their successors go out in portions of this size, so that the device
 * does not idle until the whole lump is dealt with. Against fio's depth 32 the whole lump gave 0.84 of
 * its IOPS, portions of 8 gave 0.98, 4 1.01, 1 1.03 at more system calls. */
#define DISK_BATCH 4u

struct disk_slot {
	void *buf;
	uint64_t at; /* in the range of all files */
	uint16_t file;
	uint64_t submit_ns; /* of the write, when an fsync follows it */
	bool write, syncing;
	bool busy; /* the kernel's until its completion */
	struct disk_slot *next; /* paced: of the free ones */
};

/* How the ring knows a file. */
struct disk_target {
	int fd;		/* descriptor, or index of the registered file */
	unsigned flags; /* BENCH_IO_FIXED_FILE when it is */
};

struct disk_state {
	struct disk_cursor cursor;
	struct prng data;
	struct disk_slot *slots;
	struct disk_slot *free; /* paced */
	void *buffers;
	struct disk_target *targets; /* of each file */
	int buf_index;	/* of the registered buffers, -1 = none */
	unsigned sync_flags; /* BENCH_IO_DSYNC: of the fsync when there is one, else of the write */
	bool fsync;	     /* after each write */
};

/* Registered buffers and files save work in the kernel for each operation; without them all works as
 * well. */
static void disk_register(struct bench_worker *w)
{
	const struct disk_params *p = w->job->params;
	const struct disk_shared *s = w->job->shared;
	struct disk_state *d = w->state;
	struct iovec iov = { d->buffers, p->bs * p->depth };

	d->buf_index = bench_async_add_buffers(w->async, &iov, 1) == 0 ? 0 : -1;
	for (unsigned i = 0; i < s->set.nr; i++) {
		int index = bench_async_add_file(w->async, s->set.files[i].fd);

		d->targets[i] = index >= 0 ?
					(struct disk_target){ index, BENCH_IO_FIXED_FILE } :
					(struct disk_target){ s->set.files[i].fd, 0 };
	}
}

static int disk_enter(struct bench_worker *w)
{
	const struct disk_params *p = w->job->params;
	const struct disk_shared *s = w->job->shared;
	struct disk_state *d = w->state;

	if (p->depth > bench_async_depth(w->async))
		return bench_worker_fail(w, -EINVAL,
					 "depth=%" PRIu64 " is more than the %u "
					 "operations that a ring holds here",
					 p->depth, bench_async_depth(w->async));
	bench_async_set_batch(w->async, DISK_BATCH);
	disk_cursor_enter(&d->cursor, w);
	prng_seed(&d->data, bench_now_ns() + w->index);
	d->slots = calloc(p->depth, sizeof(*d->slots));
	d->targets = calloc(s->set.nr, sizeof(*d->targets));
	d->buffers = d->slots ? disk_buffers_new(p, p->depth, &d->data) : NULL;
	if (!d->buffers || !d->targets)
		return bench_worker_fail(w, -ENOMEM,
					 "no memory for %" PRIu64 " buffers of %" PRIu64 " bytes",
					 p->depth, p->bs);
	for (uint64_t i = 0; i < p->depth; i++)
		d->slots[i].buf = (char *)d->buffers + i * p->bs;

	disk_register(w);
	if (p->sync == DISK_FDATASYNC || p->sync == DISK_RWF_DSYNC)
		d->sync_flags = BENCH_IO_DSYNC;
	d->fsync = p->sync == DISK_FDATASYNC || p->sync == DISK_FSYNC;
	return 0;
}

/* False, with op untouched, when there is no room left. */
static bool disk_submit(struct bench_worker *w, struct bench_op *op)
{
	struct disk_state *d = w->state;
	const struct disk_shared *s = w->job->shared;
	struct disk_slot *slot = op->user;
	const struct disk_target *target;
	uint32_t bs = (uint32_t)d->cursor.bs;
	uint64_t offset;

	slot->at = disk_cursor_next(&d->cursor, &slot->write);
	slot->syncing = false;
	if (slot->write && !disk_room(w, slot->at))
		return false;
	slot->file = (uint16_t)disk_set_find(&s->set, slot->at, &offset);
	target = &d->targets[slot->file];
	if (slot->write) {
		disk_refresh(&d->data, slot->buf, bs);
		bench_op_write(w->async, op, target->fd, slot->buf, bs, offset, d->buf_index,
			       target->flags | (d->fsync ? 0 : d->sync_flags));
	} else {
		bench_op_read(w->async, op, target->fd, slot->buf, bs, offset, d->buf_index,
			      target->flags);
	}
	slot->busy = true;
	return true;
}

static void disk_done(struct bench_worker *w, struct bench_op *op)
{
	struct disk_state *d = w->state;
	struct disk_slot *slot = op->user;
	uint64_t bs = d->cursor.bs;

	slot->busy = false;
	if (op->res != (slot->syncing ? 0 : (int64_t)bs)) {
		disk_failed(w, slot->syncing ? "sync after a write" : slot->write ? "write" : "read", bs,
			    slot->at, op->res);
		return; /* no further operation: a broken disk would be asked again and again */
	}
	if (!w->paced && !bench_running(w, op->done_ns))
		return;
	if (!slot->syncing)
		slot->submit_ns = op->submit_ns;
	if (d->fsync && slot->write && !slot->syncing) {
		slot->syncing = slot->busy = true;
		bench_op_fsync(w->async, op, d->targets[slot->file].fd,
			       d->targets[slot->file].flags | d->sync_flags);
		return;
	}
	bench_op_done(w, op, slot->submit_ns, bs, slot->at);
	if (w->paced) {
		slot->next = d->free;
		d->free = slot;
		return;
	}
	op->intended_ns = op->done_ns;
	disk_submit(w, op);
}

static int disk_issue(struct bench_worker *w, struct bench_op *op)
{
	struct disk_state *d = w->state;
	struct disk_slot *slot = d->free;

	if (!slot)
		return -EAGAIN;
	d->free = slot->next;
	op->done = disk_done;
	op->user = slot;
	return disk_submit(w, op) ? 0 : -ENOSPC;
}

static int disk_start(struct bench_worker *w)
{
	const struct disk_params *p = w->job->params;
	struct disk_state *d = w->state;

	d->free = NULL;
	for (uint64_t i = 0; i < p->depth; i++) {
		struct bench_op *op;

		if (w->paced) {
			d->slots[i].next = d->free;
			d->free = &d->slots[i];
			continue;
		}
		op = bench_op_get(w->async);
		if (!op)
			return bench_worker_fail(w, -EBUSY, "no free operation for depth=%" PRIu64,
						 p->depth);
		op->done = disk_done;
		op->user = &d->slots[i];
		op->passive = false;
		if (!disk_submit(w, op)) {
			bench_op_put(w->async, op);
			return -ENOSPC;
		}
	}
	return 0;
}

static void disk_leave(struct bench_worker *w)
{
	const struct disk_params *p = w->job->params;
	struct disk_state *d = w->state;

	free(d->targets);
	d->targets = NULL;
	if (!d->slots)
		return;
	/* What the device may still write to cannot be given back. */
	for (uint64_t i = 0; i < p->depth; i++)
		if (d->slots[i].busy)
			return;
	if (d->buffers)
		munmap(d->buffers, p->bs * p->depth);
	free(d->slots);
	d->buffers = NULL;
	d->slots = NULL;
}

static const struct bench_option disk_options[] = {
	DISK_OPTIONS,
	{ .name = "depth",
	  .type = BENCH_OPT_U64,
	  .offset = offsetof(struct disk_params, depth),
	  .min = 1,
	  .max = 1024,
	  .def = "32",
	  .help = "operations that each worker keeps in flight; with rate= at most" },
	{ .name = "sqpoll",
	  .type = BENCH_OPT_BOOL,
	  .offset = offsetof(struct disk_params, sqpoll),
	  .def = "0",
	  .help = "1: a kernel thread for each worker takes what is submitted (SQPOLL); it spins on "
		  "a CPU" },
	{ .name = "iopoll",
	  .type = BENCH_OPT_BOOL,
	  .offset = offsetof(struct disk_params, iopoll),
	  .def = "0",
	  .help = "1: completions are polled for, without interrupts (IOPOLL); takes a disk with poll "
		  "queues" },
	{ .name = NULL },
};

static unsigned disk_ring(const void *params)
{
	const struct disk_params *p = params;

	return (p->sqpoll ? BENCH_RING_SQPOLL : 0) | (p->iopoll ? BENCH_RING_IOPOLL : 0);
}

static const char *const disk_suite[] = { "rw=randread,depth=32,size=256m",
					  "rw=randread,depth=1,size=256m", NULL };
static const char *const disk_full[] = { "rw=randread,depth={4,16,128},size=256m",
					 "rw={read,write},bs=128k,size=256m",
					 "rw={randwrite,randrw},size=256m", NULL };

const struct bench_module bench_module_disk = {
	.abi = BENCH_MODULE_ABI,
	.exec = BENCH_EXEC_ASYNC,
	.name = "disk",
	.summary = "disk by io_uring, with a queue of operations in flight for each worker",
	.op = "one read or write of bs bytes, with what sync= does after it",
	.sibling = "disk_sync",
	.single = "depth=1",
	.options = disk_options,
	.suite = disk_suite,
	.full = disk_full,
	.params_size = sizeof(struct disk_params),
	.state_size = sizeof(struct disk_state),
	.validate = disk_validate,
	.alone = disk_alone,
	.ring = disk_ring,
	.setup = disk_setup,
	.enter = disk_enter,
	.begin = disk_begin,
	.start = disk_start,
	.issue = disk_issue,
	.leave = disk_leave,
	.locate = disk_locate,
	.teardown = disk_teardown,
	.report = disk_report,
};
