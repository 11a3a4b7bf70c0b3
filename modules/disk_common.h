/* SPDX-License-Identifier: BSD-2-Clause */
/* What disk (io_uring) and disk_sync (pread, pwrite) share: setting up and what goes around a
 * window. */
#ifndef MODULES_DISK_COMMON_H
#define MODULES_DISK_COMMON_H

#include <stdatomic.h>

#include "bench/module.h"
#include "disk_cursor.h"
#include "disk_options.h"
#include "disk_set.h"

struct disk_shared {
	struct disk_set set;
	uint64_t nr_blocks;
	_Atomic uint64_t *ends; /* layout=append, by file: where the next op goes */
	double cached;	/* share of the files in the page cache when the window began */
	int cached_err; /* negative errno: not known */
};

/* Where the ops must show besides. Through the page cache others write back and read ahead. A request
 * is one op when it cannot be split (a page at most) and neighbours are seldom there to merge with. */
#define DISK_WHOLE 4096u
#define DISK_SPARSE 256u
static inline unsigned disk_receipt(const struct disk_params *p, const struct disk_shared *s,
				    unsigned nr_workers)
{
	uint64_t under_way = (p->depth ? p->depth : 1) * nr_workers;
	const struct disk_place *place = &s->set.places[0]; /* the others lie in the same directory */
	bool steps = p->sync == DISK_FDATASYNC || p->sync == DISK_FSYNC;
	unsigned ring = BENCH_RECEIPT_RING | (steps ? BENCH_RECEIPT_STEPS : 0);

	/* To write what is more than data is the writer's part in some file systems. */
	if (p->sync != DISK_SYNC_NONE || p->layout == DISK_APPEND)
		ring |= BENCH_RECEIPT_MORE;
	/* Appends of a ring are the kernel's workers', which the probes do not follow. */
	if (!p->direct || !place->dev || place->stacked ||
	    (p->layout == DISK_APPEND && p->depth))
		return ring;
	if (!disk_random(p) || p->bs > DISK_WHOLE || s->nr_blocks < DISK_SPARSE * under_way)
		return ring | BENCH_RECEIPT_BLOCK;
	return ring | BENCH_RECEIPT_BLOCK | BENCH_RECEIPT_REQUESTS;
}

/* The files or the device, as the parameters have them. */
static inline int disk_open(const struct bench_job *job, struct disk_set *set, struct bench_err *err)
{
	const struct disk_params *p = job->params;
	const char *dir = p->directory ? p->directory : job->workdir ? job->workdir : ".";
	uint64_t each = p->size / p->files - p->size / p->files % p->bs;
	int flags = p->sync == DISK_O_DSYNC ? O_DSYNC : 0, ret;

	if (p->destroy)
		return disk_file_take(&set->files[0], p->filename, p->destroy, p->size, p->bs,
				      p->direct, flags, job, err);
	if (p->filename)
		return disk_file_open(&set->files[0], p->filename, p->direct, err);
	ret = disk_file_room(dir, each * p->files, err);
	for (unsigned i = 0; i < set->nr && !ret; i++) {
		ret = disk_file_make(&set->files[i], dir, each, p->bs, p->direct,
				     p->layout == DISK_APPEND, job, err);
		if (!ret && flags)
			ret = disk_file_reopen(&set->files[i], flags, err);
	}
	return ret;
}

/* Does the disk's queue complete without interrupts when asked to? */
static inline int disk_can_poll(const struct disk_place *place, struct bench_err *err)
{
	char text[16] = "";

	if (place->dev &&
	    disk_device_text(disk_place_disk(place), "queue/io_poll", text, sizeof(text)) &&
	    strcmp(text, "0"))
		return 0;
	return bench_fail(err, -EOPNOTSUPP,
			  "iopoll=1: the disk's queue cannot be polled (queue/io_poll is %s); NVMe has "
			  "poll queues with the kernel parameter nvme.poll_queues=N",
			  text[0] ? text : "not there");
}

static inline int disk_setup(struct bench_job *job, struct bench_err *err)
{
	const struct disk_params *p = job->params;
	struct disk_shared *s = calloc(1, sizeof(*s));
	const struct disk_file *f;
	int ret;

	if (!s)
		return bench_fail(err, -ENOMEM, "out of memory");
	job->shared = s;
	s->ends = calloc(p->files, sizeof(*s->ends));
	ret = s->ends ? disk_set_init(&s->set, (unsigned)p->files, err) :
			bench_fail(err, -ENOMEM, "out of memory");
	ret = ret ? ret : disk_open(job, &s->set, err);
	if (ret)
		return ret;
	f = &s->set.files[0];
	if (s->set.files[0].size > p->size)
		s->set.files[0].size = p->size;
	ret = p->filename ? disk_file_fits(f, p->bs, p->filename, err) : 0;
	if (ret)
		return ret;
	s->set.each = f->size - f->size % p->bs;
	s->nr_blocks = s->set.each / p->bs * s->set.nr;
	if (s->nr_blocks < (disk_random(p) ? 1 : job->nr_workers))
		return bench_fail(err, -EINVAL,
				  "%" PRIu64 " bytes are too few for blocks of %" PRIu64
				  " bytes and %u workers",
				  s->set.each * s->set.nr, p->bs, job->nr_workers);
	disk_set_place(&s->set);
	job->receipt = disk_receipt(p, s, job->nr_workers);
	job->steady = p->mode == DISK_STEADY ? BENCH_STEADY_WAIT : BENCH_STEADY_QUICK;
	job->steady_max_ns = p->steady_max_ns;
	return p->iopoll ? disk_can_poll(&s->set.places[0], err) : 0;
}

/* The key of an op is its place in the range of all files. */
static inline int disk_locate(const struct bench_job *job, uint64_t key,
			      struct bench_place *ret_place)
{
	const struct disk_params *p = job->params;
	const struct disk_shared *s = job->shared;
	uint64_t offset;
	unsigned file = disk_set_find(&s->set, key, &offset);

	return file < s->set.nr ? disk_place_find(&s->set.places[file], offset, p->bs, ret_place) :
				  -ENOENT;
}

static inline void disk_teardown(struct bench_job *job)
{
	struct disk_shared *s = job->shared;

	if (!s)
		return;
	disk_set_done(&s->set);
	free(s->ends);
	free(s);
	job->shared = NULL;
}

/* The cursor of worker w. Appends of a worker go to one file, by turns. */
static inline void disk_cursor_enter(struct disk_cursor *c, const struct bench_worker *w)
{
	const struct disk_params *p = w->job->params;
	struct disk_shared *s = w->job->shared;
	unsigned file = w->index % s->set.nr;

	disk_cursor_init(c, p, s->nr_blocks, w->index, w->job->nr_workers);
	if (p->layout != DISK_APPEND)
		return;
	c->end = &s->ends[file];
	c->first = s->set.each / p->bs * file;
	c->room = s->set.each;
}

/* False, and the worker's failure, when an append found no room: at is DISK_FULL. */
static inline bool disk_room(struct bench_worker *w, uint64_t at)
{
	const struct disk_shared *s = w->job->shared;

	if (at != DISK_FULL)
		return true;
	bench_worker_fail(w, -ENOSPC,
			  "layout=append: size=%" PRIu64 " is appended before the window is over; make "
			  "it larger, or --duration shorter",
			  s->set.each * s->set.nr);
	return false;
}

/* Before each window: an append starts with an empty file; with direct=0 the cache is emptied or
 * filled, and what it then holds is measured. */
static inline int disk_begin(struct bench_worker *w)
{
	const struct disk_params *p = w->job->params;
	struct disk_shared *s = w->job->shared;
	int ret = 0;

	if (w->index != 0)
		return 0;
	if (p->layout == DISK_APPEND)
		ret = disk_set_empty(&s->set);
	if (ret)
		return bench_worker_fail(w, ret, "empty the file: %s", strerror(-ret));
	for (unsigned i = 0; i < s->set.nr; i++)
		atomic_store(&s->ends[i], 0);
	if (p->direct)
		return 0;
	s->cached_err = disk_set_cached(&s->set, &s->cached);
	if (p->cache == DISK_COLD || s->cached_err || s->cached < 1)
		ret = disk_set_cache(&s->set, p->cache == DISK_WARM, w->job->stop);
	if (ret)
		return bench_worker_fail(w, ret, "%s the page cache of the file: %s",
					 p->cache == DISK_WARM ? "fill" : "drop", strerror(-ret));
	s->cached_err = disk_set_cached(&s->set, &s->cached);
	return 0;
}

/* An operation (a "read", say) that did not transfer bs bytes. at: its place in the range of all
 * files. res: bytes or negative errno. */
static inline int disk_failed(struct bench_worker *w, const char *what, uint64_t bs, uint64_t at,
			      int64_t res)
{
	const struct disk_shared *s = w->job->shared;
	char of[32] = "";
	uint64_t offset;
	unsigned file = disk_set_find(&s->set, at, &offset);

	if (s->set.nr > 1)
		snprintf(of, sizeof(of), " of file %u", file);
	if (res < 0)
		return bench_worker_fail(
			w, (int)res, "%s of %" PRIu64 " bytes at offset %" PRIu64 "%s: %s (errno %d)",
			what, bs, offset, of, strerror((int)-res), (int)-res);
	return bench_worker_fail(
		w, -EIO, "%s of %" PRIu64 " bytes at offset %" PRIu64 "%s: short, %" PRId64 " bytes",
		what, bs, offset, of, res);
}

#endif
