// SPDX-License-Identifier: BSD-2-Clause
/* Disk by pread(2) and pwrite(2): one operation at a time for each worker, no io_uring. */
#include <sys/uio.h>

#include "disk_cache.h"
#include "disk_common.h"

struct disk_sync {
	struct disk_cursor cursor;
	struct prng data;
	void *buf;
};

static int disk_sync_enter(struct bench_worker *w)
{
	const struct disk_params *p = w->job->params;
	struct disk_sync *d = w->state;

	disk_cursor_enter(&d->cursor, w);
	prng_seed(&d->data, bench_now_ns() + w->index);
	d->buf = disk_buffers_new(p, 1, &d->data);
	if (!d->buf)
		return bench_worker_fail(w, -ENOMEM, "no memory for a buffer of %" PRIu64 " bytes",
					 p->bs);
	return 0;
}

/* A write and what makes it durable. Bytes written, or -1 with errno; *what is the step. */
static ssize_t disk_sync_write(int fd, const struct disk_sync *d, uint64_t offset, uint64_t how,
			       const char **what)
{
	struct iovec iov = { d->buf, d->cursor.bs };
	ssize_t n;

	*what = "write";
	if (how == DISK_RWF_DSYNC)
		return pwritev2(fd, &iov, 1, (off_t)offset, RWF_DSYNC);
	n = pwrite(fd, d->buf, d->cursor.bs, (off_t)offset);
	if (n != (ssize_t)d->cursor.bs)
		return n;
	*what = "sync after a write";
	if ((how == DISK_FDATASYNC && fdatasync(fd)) || (how == DISK_FSYNC && fsync(fd)))
		return -1;
	return n;
}

static int disk_sync_run(struct bench_worker *w, uint64_t ops)
{
	const struct disk_params *p = w->job->params;
	const struct disk_shared *s = w->job->shared;
	struct disk_sync *d = w->state;
	uint64_t bs = d->cursor.bs;

	for (uint64_t i = 0; i < ops; i++) {
		const char *what = "read";
		bool write;
		uint64_t at = disk_cursor_next(&d->cursor, &write), offset;
		ssize_t n;
		int fd;

		if (write && !disk_room(w, at))
			return -ENOSPC;
		w->key = at;
		fd = s->set.files[disk_set_find(&s->set, at, &offset)].fd;
		if (write) {
			disk_refresh(&d->data, d->buf, bs);
			n = disk_sync_write(fd, d, offset, p->sync, &what);
		} else {
			n = pread(fd, d->buf, bs, (off_t)offset);
		}
		if (n != (ssize_t)bs)
			return disk_failed(w, what, bs, at, n < 0 ? -errno : n);
		w->bytes += bs;
	}
	return 0;
}

static void disk_sync_leave(struct bench_worker *w)
{
	const struct disk_params *p = w->job->params;
	struct disk_sync *d = w->state;

	if (d->buf)
		munmap(d->buf, p->bs);
	d->buf = NULL;
}

static const struct bench_option disk_sync_options[] = {
	DISK_OPTIONS,
	{ .name = NULL },
};

static const char *const disk_sync_suite[] = { "rw=randread,size=256m", NULL };
static const char *const disk_sync_full[] = { "rw={read,write},bs=128k,size=256m",
					      "rw=randwrite,size=256m",
					      "rw=write,sync={fdatasync,fsync,dsync,rwf_dsync},"
					      "layout={overwrite,append},size=2g,workers=1",
					      "rw=randread,direct=0,cache={cold,warm},size=512m", NULL };

const struct bench_module bench_module_disk_sync = {
	.abi = BENCH_MODULE_ABI,
	.exec = BENCH_EXEC_BLOCKING,
	.name = "disk_sync",
	.summary = "disk by pread and pwrite, one operation at a time for each worker",
	.op = "one read or write of bs bytes, with what sync= does after it",
	.options = disk_sync_options,
	.suite = disk_sync_suite,
	.full = disk_sync_full,
	.params_size = sizeof(struct disk_params),
	.state_size = sizeof(struct disk_sync),
	.validate = disk_validate,
	.alone = disk_alone,
	.setup = disk_setup,
	.enter = disk_sync_enter,
	.begin = disk_begin,
	.run = disk_sync_run,
	.leave = disk_sync_leave,
	.locate = disk_locate,
	.teardown = disk_teardown,
	.report = disk_report,
};
