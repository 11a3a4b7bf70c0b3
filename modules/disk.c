// SPDX-License-Identifier: BSD-2-Clause
/* Disk by io_uring: each worker keeps `depth` operations in flight (closed loop: the next one
 * starts when one completes; latency is from the moment an operation was described to its reap), or
 * has up to `depth` operations in flight when they are paced. */
#include "bench/async.h"
#include "disk_common.h"

/* Completions come in lumps; their successors go out in portions of this size, so that the device
 * does not idle until the whole lump is dealt with. Against fio's depth 32 the whole lump gave 0.84 of
 * its IOPS, portions of 8 gave 0.98, 4 1.01, 1 1.03 at more system calls. */
#define DISK_BATCH 4u

struct disk_slot {
	void *buf;
	uint64_t offset;
	uint64_t submit_ns; /* of the write, when an fsync follows it */
	bool write, syncing;
	bool busy; /* the kernel's until its completion */
	struct disk_slot *next; /* paced: of the free ones */
};

struct disk_state {
	struct disk_cursor cursor;
	struct prng data;
	struct disk_slot *slots;
	struct disk_slot *free; /* paced */
	void *buffers;
	int fd;		/* descriptor, or index of the registered file */
	unsigned flags; /* BENCH_IO_FIXED_FILE when it is */
	int buf_index;	/* of the registered buffers, -1 = none */
	unsigned sync_flags; /* BENCH_IO_DSYNC: of the fsync when there is one, else of the write */
	bool fsync;	     /* after each write */
};

static int disk_enter(struct bench_worker *w)
{
	const struct disk_params *p = w->job->params;
	const struct disk_shared *s = w->job->shared;
	struct disk_state *d = w->state;
	struct iovec iov;
	int index;

	if (p->depth > bench_async_depth(w->async))
		return bench_worker_fail(w, -EINVAL,
					 "depth=%" PRIu64 " is more than the %u "
					 "operations that a ring holds here",
					 p->depth, bench_async_depth(w->async));
	bench_async_set_batch(w->async, DISK_BATCH);
	disk_cursor_enter(&d->cursor, w);
	prng_seed(&d->data, bench_now_ns() + w->index);
	d->slots = calloc(p->depth, sizeof(*d->slots));
	d->buffers = d->slots ? disk_buffers_new(p, p->depth, &d->data) : NULL;
	if (!d->buffers)
		return bench_worker_fail(w, -ENOMEM,
					 "no memory for %" PRIu64 " buffers of %" PRIu64 " bytes",
					 p->depth, p->bs);
	for (uint64_t i = 0; i < p->depth; i++)
		d->slots[i].buf = (char *)d->buffers + i * p->bs;

	/* Both save work in the kernel for each operation; without them all works as well. */
	iov = (struct iovec){ d->buffers, p->bs * p->depth };
	d->buf_index = bench_async_add_buffers(w->async, &iov, 1) == 0 ? 0 : -1;
	d->fd = s->file.fd;
	index = bench_async_add_file(w->async, s->file.fd);
	if (index >= 0) {
		d->fd = index;
		d->flags = BENCH_IO_FIXED_FILE;
	}
	if (p->sync == DISK_FDATASYNC || p->sync == DISK_RWF_DSYNC)
		d->sync_flags = BENCH_IO_DSYNC;
	d->fsync = p->sync == DISK_FDATASYNC || p->sync == DISK_FSYNC;
	return 0;
}

/* False, with op untouched, when there is no room left. */
static bool disk_submit(struct bench_worker *w, struct bench_op *op)
{
	struct disk_state *d = w->state;
	struct disk_slot *slot = op->user;
	uint32_t bs = (uint32_t)d->cursor.bs;

	slot->offset = disk_cursor_next(&d->cursor, &slot->write);
	slot->syncing = false;
	if (slot->write) {
		if (!disk_room(w, slot->offset, bs))
			return false;
		disk_refresh(&d->data, slot->buf, bs);
		bench_op_write(w->async, op, d->fd, slot->buf, bs, slot->offset, d->buf_index,
			       d->flags | (d->fsync ? 0 : d->sync_flags));
	} else {
		bench_op_read(w->async, op, d->fd, slot->buf, bs, slot->offset, d->buf_index,
			      d->flags);
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
			    slot->offset, op->res);
		return; /* no further operation: a broken disk would be asked again and again */
	}
	if (!w->paced && !bench_running(w, op->done_ns))
		return;
	if (!slot->syncing)
		slot->submit_ns = op->submit_ns;
	if (d->fsync && slot->write && !slot->syncing) {
		slot->syncing = slot->busy = true;
		bench_op_fsync(w->async, op, d->fd, d->flags | d->sync_flags);
		return;
	}
	bench_op_done(w, op, slot->submit_ns, bs, slot->offset);
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
	{ .name = NULL },
};

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
