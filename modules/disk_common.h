/* SPDX-License-Identifier: BSD-2-Clause */
/* What disk (io_uring) and disk_sync (pread, pwrite) share: parameters named as fio's, the file,
 * and which block comes next. */
#ifndef MODULES_DISK_COMMON_H
#define MODULES_DISK_COMMON_H

#include <stdatomic.h>

#include "bench/module.h"
#include "disk_file.h"
#include "disk_place.h"
#include "prng.h"

enum disk_rw { DISK_RANDREAD, DISK_READ, DISK_RANDWRITE, DISK_WRITE, DISK_RANDRW };

enum disk_sync_how { DISK_SYNC_NONE, DISK_FDATASYNC, DISK_FSYNC, DISK_O_DSYNC, DISK_RWF_DSYNC };
enum disk_layout { DISK_OVERWRITE, DISK_APPEND };
enum disk_cache { DISK_COLD, DISK_WARM };

/* Shares of the file in the page cache: none of it, all of it, and what a cold file may gain before
 * most reads are no longer cold. */
#define DISK_CACHE_NONE 0.01
#define DISK_CACHE_ALL 0.99
#define DISK_CACHE_HALF 0.5

struct disk_params {
	uint64_t rw, rwmixread, bs, size, direct, cache, sync, layout;
	uint64_t depth; /* disk only */
	const char *filename, *directory;
};

/* Memory that a worker's buffers may take. */
#define DISK_BUFFERS_MAX (1ull << 30)

static const char *const disk_rw_words[] = { "randread", "read",   "randwrite",
					     "write",	 "randrw", NULL };

static const char *const disk_sync_words[] = { "none",	"fdatasync", "fsync",
					       "dsync", "rwf_dsync", NULL };
static const char *const disk_cache_words[] = { "cold", "warm", NULL };
static const char *const disk_layout_words[] = { "overwrite", "append", NULL };

#define DISK_OPTIONS                                                                               \
	{ .name = "rw",                                                                            \
	  .type = BENCH_OPT_ENUM,                                                                  \
	  .offset = offsetof(struct disk_params, rw),                                              \
	  .def = "randread",                                                                       \
	  .values = disk_rw_words,                                                                 \
	  .help = "what to do: random or sequential reads or writes, or random of both" },         \
		{ .name = "rwmixread",                                                             \
		  .type = BENCH_OPT_U64,                                                           \
		  .offset = offsetof(struct disk_params, rwmixread),                               \
		  .max = 100,                                                                      \
		  .def = "50",                                                                     \
		  .help = "share of reads in rw=randrw, per cent" },                               \
		{ .name = "bs",                                                                    \
		  .type = BENCH_OPT_SIZE,                                                          \
		  .offset = offsetof(struct disk_params, bs),                                      \
		  .min = 512,                                                                      \
		  .max = 64u << 20,                                                                \
		  .def = "4k",                                                                     \
		  .help = "bytes per operation" },                                                 \
		{ .name = "size",                                                                  \
		  .type = BENCH_OPT_SIZE,                                                          \
		  .offset = offsetof(struct disk_params, size),                                    \
		  .min = 4096,                                                                     \
		  .max = 1ull << 44,                                                               \
		  .def = "1g",                                                                     \
		  .help = "bytes of the temporary file; with filename= the part used, from its "   \
			  "start" },                                                               \
		{ .name = "direct",                                                                \
		  .type = BENCH_OPT_BOOL,                                                          \
		  .offset = offsetof(struct disk_params, direct),                                  \
		  .def = "1",                                                                      \
		  .help = "1: past the page cache (O_DIRECT); 0: through it" },                    \
		{ .name = "cache",                                                                 \
		  .type = BENCH_OPT_ENUM,                                                          \
		  .offset = offsetof(struct disk_params, cache),                                   \
		  .def = "cold",                                                                   \
		  .values = disk_cache_words,                                                      \
		  .help = "direct=0: what the page cache holds of the file when a window begins, " \
			  "nothing or all" },                                                      \
		{ .name = "sync",                                                                  \
		  .type = BENCH_OPT_ENUM,                                                          \
		  .offset = offsetof(struct disk_params, sync),                                    \
		  .def = "none",                                                                   \
		  .values = disk_sync_words,                                                       \
		  .help = "how each write is made durable: by a call after it, O_DSYNC, or "       \
			  "RWF_DSYNC" },                                                           \
		{ .name = "layout",                                                                \
		  .type = BENCH_OPT_ENUM,                                                          \
		  .offset = offsetof(struct disk_params, layout),                                  \
		  .def = "overwrite",                                                              \
		  .values = disk_layout_words,                                                     \
		  .help = "rw=write: over what is there, or at the end of a file that is empty "   \
			  "when a window begins" },                                                \
		{ .name = "filename",                                                              \
		  .type = BENCH_OPT_STRING,                                                        \
		  .offset = offsetof(struct disk_params, filename),                                \
		  .help = "existing file or device to read; it is never written" },                \
	{                                                                                          \
		.name = "directory", .type = BENCH_OPT_STRING,                                     \
		.offset = offsetof(struct disk_params, directory),                                 \
		.help = "where the temporary file is made (default: the run's directory)"          \
	}

static inline bool disk_random(const struct disk_params *p)
{
	return p->rw == DISK_RANDREAD || p->rw == DISK_RANDWRITE || p->rw == DISK_RANDRW;
}

static inline bool disk_writes(const struct disk_params *p)
{
	return p->rw != DISK_RANDREAD && p->rw != DISK_READ;
}

/* What can be said of the paths without opening them, which the set-up does. */
static inline int disk_validate_paths(const struct disk_params *p, struct bench_err *err)
{
	const char *path = p->filename ? p->filename : p->directory;
	struct stat st;
	bool right;

	if (!path)
		return 0;
	if (stat(path, &st))
		return bench_fail(err, -errno, "%s='%s': %s",
				  p->filename ? "filename" : "directory", path, strerror(errno));
	right = p->filename ? S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) : S_ISDIR(st.st_mode);
	if (!right)
		return bench_fail(
			err, -EINVAL, "%s='%s' is %s", p->filename ? "filename" : "directory", path,
			p->filename ? "neither a file nor a block device" : "no directory");
	return 0;
}

static inline int disk_validate(const void *params, struct bench_err *err)
{
	const struct disk_params *p = params;

	if (p->filename && disk_writes(p))
		return bench_fail(err, -EINVAL,
				  "filename='%s' with rw=%s: only a file that bench "
				  "made itself is written; leave filename= out",
				  p->filename, disk_rw_words[p->rw]);
	if (p->filename && p->directory)
		return bench_fail(err, -EINVAL, "filename= and directory= exclude each other");
	if (p->direct && p->cache == DISK_WARM)
		return bench_fail(err, -EINVAL, "cache=warm goes with direct=0");
	if (p->layout == DISK_APPEND && p->cache == DISK_WARM)
		return bench_fail(err, -EINVAL, "cache=warm with layout=append: the file is empty");
	if (p->sync != DISK_SYNC_NONE && !disk_writes(p))
		return bench_fail(err, -EINVAL, "sync=%s with rw=%s: nothing is written",
				  disk_sync_words[p->sync], disk_rw_words[p->rw]);
	if (p->layout == DISK_APPEND && p->rw != DISK_WRITE)
		return bench_fail(err, -EINVAL, "layout=append with rw=%s: it takes rw=write",
				  disk_rw_words[p->rw]);
	if (p->bs % 512)
		return bench_fail(err, -EINVAL, "bs=%" PRIu64 " is not a multiple of 512", p->bs);
	if (p->bs > p->size)
		return bench_fail(err, -EINVAL, "bs=%" PRIu64 " is larger than size=%" PRIu64,
				  p->bs, p->size);
	if (p->depth > 1 && p->bs * p->depth > DISK_BUFFERS_MAX)
		return bench_fail(err, -EINVAL,
				  "bs=%" PRIu64 " times depth=%" PRIu64 " needs more "
				  "than 1 GiB of buffers for each worker",
				  p->bs, p->depth);
	return disk_validate_paths(p, err);
}

struct disk_shared {
	struct disk_file file;
	struct disk_place place;
	uint64_t nr_blocks;
	_Atomic uint64_t end; /* layout=append: where the next op of any worker goes */
	double cached;	/* share of the file in the page cache when the window began */
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
	bool steps = p->sync == DISK_FDATASYNC || p->sync == DISK_FSYNC;
	unsigned ring = BENCH_RECEIPT_RING | (steps ? BENCH_RECEIPT_STEPS : 0);

	/* To write what is more than data is the writer's part in some file systems. */
	if (p->sync != DISK_SYNC_NONE || p->layout == DISK_APPEND)
		ring |= BENCH_RECEIPT_MORE;
	/* Appends of a ring are the kernel's workers', which the probes do not follow. */
	if (!p->direct || !s->place.dev || s->place.stacked ||
	    (p->layout == DISK_APPEND && p->depth))
		return ring;
	if (!disk_random(p) || p->bs > DISK_WHOLE || s->nr_blocks < DISK_SPARSE * under_way)
		return ring | BENCH_RECEIPT_BLOCK;
	return ring | BENCH_RECEIPT_BLOCK | BENCH_RECEIPT_REQUESTS;
}

static inline int disk_setup(struct bench_job *job, struct bench_err *err)
{
	const struct disk_params *p = job->params;
	struct disk_shared *s = calloc(1, sizeof(*s));
	const char *dir = p->directory ? p->directory : job->workdir ? job->workdir : ".";
	int ret;

	if (!s)
		return bench_fail(err, -ENOMEM, "out of memory");
	s->file.fd = -1;
	job->shared = s;
	if (p->filename)
		ret = disk_file_open(&s->file, p->filename, p->direct, err);
	else
		ret = disk_file_make(&s->file, dir, p->size - p->size % p->bs, p->bs, p->direct,
				     p->layout == DISK_APPEND, job, err);
	if (!ret && p->sync == DISK_O_DSYNC)
		ret = disk_file_reopen(&s->file, O_DSYNC, err);
	if (ret)
		return ret;
	if (s->file.size > p->size)
		s->file.size = p->size;
	if (p->bs % s->file.align)
		return bench_fail(err, -EINVAL,
				  "bs=%" PRIu64 " is not a multiple of %u, which "
				  "direct I/O needs on '%s'",
				  p->bs, s->file.align, p->filename);
	s->nr_blocks = s->file.size / p->bs;
	if (s->nr_blocks < (disk_random(p) ? 1 : job->nr_workers))
		return bench_fail(err, -EINVAL,
				  "%" PRIu64 " bytes are too few for blocks of %" PRIu64
				  " bytes and %u workers",
				  s->file.size, p->bs, job->nr_workers);
	disk_place_init(&s->place, s->file.fd);
	job->receipt = disk_receipt(p, s, job->nr_workers);
	return 0;
}

/* The key of an op is its offset in the file. */
static inline int disk_locate(const struct bench_job *job, uint64_t key,
			      struct bench_place *ret_place)
{
	const struct disk_params *p = job->params;
	const struct disk_shared *s = job->shared;

	return disk_place_find(&s->place, key, p->bs, ret_place);
}

static inline void disk_teardown(struct bench_job *job)
{
	struct disk_shared *s = job->shared;

	if (!s)
		return;
	disk_file_close(&s->file);
	disk_place_done(&s->place);
	free(s);
	job->shared = NULL;
}

/* The sequence of one worker: uniform over all blocks, or the blocks of a region of its own, in
 * order and over again. */
struct disk_cursor {
	struct prng rng;
	uint64_t bs, first, nr, next;
	unsigned read_percent; /* 0, 100 or the mix */
	bool random;
	_Atomic uint64_t *end; /* layout=append; else NULL */
};

static inline void disk_cursor_init(struct disk_cursor *c, const struct disk_params *p,
				    uint64_t nr_blocks, unsigned worker, unsigned nr_workers)
{
	*c = (struct disk_cursor){ .bs = p->bs, .nr = nr_blocks, .random = disk_random(p) };
	prng_seed(&c->rng, 0x6469736bull + worker);
	c->read_percent = p->rw == DISK_RANDRW ? (unsigned)p->rwmixread : disk_writes(p) ? 0 : 100;
	if (!c->random) {
		c->first = nr_blocks / nr_workers * worker;
		c->nr = worker + 1 == nr_workers ? nr_blocks - c->first : nr_blocks / nr_workers;
	}
}

/* Offset in bytes of the next operation, and whether it writes. */
static inline uint64_t disk_cursor_next(struct disk_cursor *c, bool *ret_write)
{
	uint64_t block;

	*ret_write = c->read_percent < 100 &&
		     (c->read_percent == 0 || prng_below(&c->rng, 100) >= c->read_percent);
	if (c->random)
		return prng_below(&c->rng, c->nr) * c->bs;
	if (c->end)
		return atomic_fetch_add(c->end, c->bs);
	block = c->first + c->next;
	if (++c->next == c->nr)
		c->next = 0;
	return block * c->bs;
}

/* Anonymous pages for nr buffers, touched here and thus local; random when they will be written.
 * NULL when there is no memory. */
static inline void *disk_buffers_new(const struct disk_params *p, uint64_t nr, struct prng *rng)
{
	void *buf = mmap(NULL, p->bs * nr, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (buf == MAP_FAILED)
		return NULL;
	if (disk_writes(p))
		prng_fill(rng, buf, p->bs * nr);
	return buf;
}

/* Make the data of each write another one, so that nothing on the way down can store it once. One
 * word a sector is cheap and enough: no sector occurs twice. */
static inline void disk_refresh(struct prng *rng, void *buf, uint64_t bs)
{
	uint64_t stamp = prng_next(rng);

	for (uint64_t at = 0; at < bs; at += 512) {
		uint64_t word = stamp + at;

		memcpy((char *)buf + at, &word, sizeof(word));
	}
}

/* The cursor of worker w. */
static inline void disk_cursor_enter(struct disk_cursor *c, const struct bench_worker *w)
{
	const struct disk_params *p = w->job->params;
	struct disk_shared *s = w->job->shared;

	disk_cursor_init(c, p, s->nr_blocks, w->index, w->job->nr_workers);
	if (p->layout == DISK_APPEND)
		c->end = &s->end;
}

/* False, and the worker's failure, when an append has no room at offset. */
static inline bool disk_room(struct bench_worker *w, uint64_t offset, uint64_t bs)
{
	const struct disk_shared *s = w->job->shared;

	if (offset + bs <= s->file.size)
		return true;
	bench_worker_fail(w, -ENOSPC,
			  "layout=append: size=%" PRIu64 " is appended before the window is over; make "
			  "it larger, or --duration shorter",
			  s->file.size);
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
	if (p->layout == DISK_APPEND && ftruncate(s->file.fd, 0))
		return bench_worker_fail(w, -errno, "empty the file: %s", strerror(errno));
	atomic_store(&s->end, 0);
	if (p->direct)
		return 0;
	s->cached_err = disk_file_cached(&s->file, &s->cached);
	if (p->cache == DISK_WARM && (s->cached_err || s->cached < 1))
		ret = disk_file_fill_cache(&s->file, w->job->stop);
	else if (p->cache == DISK_COLD)
		ret = disk_file_drop_cache(&s->file);
	if (ret)
		return bench_worker_fail(w, ret, "%s the page cache of the file: %s",
					 p->cache == DISK_WARM ? "fill" : "drop", strerror(-ret));
	s->cached_err = disk_file_cached(&s->file, &s->cached);
	return 0;
}

/* An operation (a "read", say) that did not transfer bs bytes. res: bytes or negative errno. */
static inline int disk_failed(struct bench_worker *w, const char *what, uint64_t bs,
			      uint64_t offset, int64_t res)
{
	if (res < 0)
		return bench_worker_fail(
			w, (int)res, "%s of %" PRIu64 " bytes at offset %" PRIu64 ": %s (errno %d)",
			what, bs, offset, strerror((int)-res), (int)-res);
	return bench_worker_fail(
		w, -EIO, "%s of %" PRIu64 " bytes at offset %" PRIu64 ": short, %" PRId64 " bytes",
		what, bs, offset, res);
}

/* Whether the device has a cache that a flush must empty: what sync= costs depends on it most. */
static inline void disk_report_write_cache(struct bench_job *job)
{
	const struct disk_shared *s = job->shared;
	char mode[24] = "";
	struct bench_metric_id id = {
		.name = "disk.write_cache",
		.unit = "count",
		.source = BENCH_SOURCE_MODULE,
		.labels = { { "mode", mode } },
	};

	if (disk_place_text(s->place.dev, "queue/write_cache", mode, sizeof(mode)))
		bench_metric_put(job->metrics, &id, strcmp(mode, "write back") == 0);
}

/* Why this share of the file in the page cache is not what was asked for; NULL = it is. With direct=1
 * a file that has moved into the cache means that the file system did buffered I/O instead (some do,
 * silently). */
static inline const char *disk_cache_wrong(const struct disk_params *p, const struct disk_file *f,
					   bool at_end, double cached)
{
	if (f->memory)
		return NULL; /* it is the cache */
	if (p->direct)
		return at_end && f->own && cached > DISK_CACHE_NONE ?
			       "direct I/O left the file in the page cache: the filesystem did "
			       "buffered I/O instead" :
			       NULL;
	if (p->cache == DISK_WARM)
		return cached >= DISK_CACHE_ALL ? NULL :
		       at_end ? "cache=warm: part of the file was no longer in the page cache at the "
				"end; use a smaller size=" :
				"cache=warm: the page cache did not keep the file; use a smaller size=";
	if (!at_end)
		return cached <= DISK_CACHE_NONE ? NULL :
						   "cache=cold: the page cache could not be emptied of "
						   "the file; does something else use it?";
	return disk_writes(p) || cached <= DISK_CACHE_HALF ?
		       NULL :
		       "cache=cold: more than half of the file was in the page cache at the end, so many "
		       "reads went to no disk; use a larger size= or a shorter --duration";
}

/* disk.cached at one end of the window. err: negative errno, it is not known. */
static inline void disk_report_cached(struct bench_job *job, bool at_end, int err, double cached)
{
	const struct disk_params *p = job->params;
	const struct disk_shared *s = job->shared;
	const struct bench_metric_id id = {
		.name = "disk.cached",
		.unit = "ratio",
		.source = BENCH_SOURCE_MODULE,
		.labels = { { "at", at_end ? "end" : "start" } },
	};
	const char *wrong = err ? NULL : disk_cache_wrong(p, &s->file, at_end, cached);

	if (err == -EPERM || err == -EACCES)
		bench_metric_put_status(job->metrics, &id, BENCH_NOT_PERMITTED, 0,
					"cachestat: this user may not look at the file's cache");
	else if (err)
		bench_metric_put_status(job->metrics, &id, BENCH_NOT_SUPPORTED, 0,
					err == -ENOSYS ? "cachestat needs Linux 6.5"
						       : strerror(-err));
	else if (wrong)
		bench_metric_put_status(job->metrics, &id, BENCH_INVALID, cached, wrong);
	else
		bench_metric_put_status(job->metrics, &id, BENCH_OK, cached,
					s->file.memory ? "in memory (tmpfs): no disk is measured"
						       : NULL);
	if (wrong && !job->invalid[0])
		snprintf(job->invalid, sizeof(job->invalid), "%s", wrong);
}

static inline void disk_report(struct bench_job *job, uint64_t trial_ns)
{
	const struct disk_params *p = job->params;
	const struct disk_shared *s = job->shared;
	double cached = 0;
	int err = disk_file_cached(&s->file, &cached);

	(void)trial_ns;
	if (p->sync != DISK_SYNC_NONE)
		disk_report_write_cache(job);
	if (!p->direct)
		disk_report_cached(job, false, s->cached_err, s->cached);
	disk_report_cached(job, true, err, cached);
}

#endif
