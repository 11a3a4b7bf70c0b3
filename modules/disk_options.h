/* SPDX-License-Identifier: BSD-2-Clause */
/* Parameters of disk (io_uring) and disk_sync (pread, pwrite), named as fio's where it has them, and
 * which of them go together. */
#ifndef MODULES_DISK_OPTIONS_H
#define MODULES_DISK_OPTIONS_H

#include "bench/module.h"
#include "disk_device.h"
#include "disk_set.h"

enum disk_rw { DISK_RANDREAD, DISK_READ, DISK_RANDWRITE, DISK_WRITE, DISK_RANDRW };

enum disk_sync_how { DISK_SYNC_NONE, DISK_FDATASYNC, DISK_FSYNC, DISK_O_DSYNC, DISK_RWF_DSYNC };
enum disk_layout { DISK_OVERWRITE, DISK_APPEND };
enum disk_cache { DISK_COLD, DISK_WARM };
enum disk_mode { DISK_QUICK, DISK_STEADY };

struct disk_params {
	uint64_t rw, rwmixread, bs, size, direct, cache, sync, layout;
	uint64_t files, mode, steady_max_ns;
	uint64_t depth, sqpoll, iopoll; /* disk only */
	const char *filename, *directory, *destroy;
};

/* Memory that a worker's buffers may take. */
#define DISK_BUFFERS_MAX (1ull << 30)

static const char *const disk_rw_words[] = { "randread", "read",   "randwrite",
					     "write",	 "randrw", NULL };

static const char *const disk_sync_words[] = { "none",	"fdatasync", "fsync",
					       "dsync", "rwf_dsync", NULL };
static const char *const disk_cache_words[] = { "cold", "warm", NULL };
static const char *const disk_layout_words[] = { "overwrite", "append", NULL };
static const char *const disk_mode_words[] = { "quick", "steady", NULL };

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
		  .help = "bytes of the temporary files together; with filename= the part used, "  \
			  "from its start" },                                                               \
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
		{ .name = "files",                                                                 \
		  .type = BENCH_OPT_U64,                                                           \
		  .offset = offsetof(struct disk_params, files),                                   \
		  .min = 1,                                                                        \
		  .max = DISK_FILES_MAX,                                                           \
		  .def = "1",                                                                      \
		  .help = "temporary files that size= is shared among" },                          \
		{ .name = "filename",                                                              \
		  .type = BENCH_OPT_STRING,                                                        \
		  .offset = offsetof(struct disk_params, filename),                                \
		  .help = "existing file or device to read; it is never written but a device "     \
			  "with destroy=" },                                                       \
		{ .name = "destroy",                                                               \
		  .type = BENCH_OPT_STRING,                                                        \
		  .offset = offsetof(struct disk_params, destroy),                                 \
		  .help = "serial number or name in /dev/disk/by-id of the device filename=, "     \
			  "whose data may be destroyed" },                                         \
		{ .name = "directory",                                                             \
		  .type = BENCH_OPT_STRING,                                                        \
		  .offset = offsetof(struct disk_params, directory),                               \
		  .help = "where temporary files are made (default: the run's directory)" },       \
		{ .name = "mode",                                                                  \
		  .type = BENCH_OPT_ENUM,                                                          \
		  .offset = offsetof(struct disk_params, mode),                                    \
		  .def = "quick",                                                                  \
		  .values = disk_mode_words,                                                       \
		  .help = "steady: trials begin when five rounds in a row (each as long as a "     \
			  "trial) were alike; quick: at once" },                                   \
	{                                                                                          \
		.name = "steady_max", .type = BENCH_OPT_DURATION,                                  \
		.offset = offsetof(struct disk_params, steady_max_ns),                             \
		.min = BENCH_NS_PER_SEC, .max = 86400 * BENCH_NS_PER_SEC, .def = "10m",            \
		.help = "mode=steady: how long to wait for that"                                   \
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

/* What filename=, directory=, files= and destroy= say together. */
static inline int disk_validate_target(const struct disk_params *p, struct bench_err *err)
{
	bool writes = disk_writes(p);

	if (p->destroy && (!p->filename || !writes))
		return bench_fail(err, -EINVAL, "destroy= goes with filename=DEVICE and a rw= that writes");
	if (p->filename && writes && !p->destroy)
		return bench_fail(err, -EINVAL,
				  "filename='%s' with rw=%s: only a file that bench made itself is "
				  "written; leave filename= out (or, for a block device, see destroy=)",
				  p->filename, disk_rw_words[p->rw]);
	if (p->filename && p->directory)
		return bench_fail(err, -EINVAL, "filename= and directory= exclude each other");
	if (p->filename && p->files > 1)
		return bench_fail(err, -EINVAL, "files=%" PRIu64 " with filename=: it is one", p->files);
	if (p->filename && p->layout == DISK_APPEND)
		return bench_fail(err, -EINVAL, "layout=append with filename=: a device has no end");
	if (p->bs * p->files > p->size)
		return bench_fail(err, -EINVAL, "bs=%" PRIu64 " is larger than size=%" PRIu64 "%s", p->bs,
				  p->size, p->files > 1 ? " shared among files=" : "");
	return 0;
}

static inline int disk_validate_sync(const struct disk_params *p, struct bench_err *err)
{
	if (p->sync != DISK_SYNC_NONE && !disk_writes(p))
		return bench_fail(err, -EINVAL, "sync=%s with rw=%s: nothing is written",
				  disk_sync_words[p->sync], disk_rw_words[p->rw]);
	if (p->layout == DISK_APPEND && p->rw != DISK_WRITE)
		return bench_fail(err, -EINVAL, "layout=append with rw=%s: it takes rw=write",
				  disk_rw_words[p->rw]);
	if (p->iopoll && !p->direct)
		return bench_fail(err, -EINVAL, "iopoll=1 goes with direct=1");
	/* A ring that polls knows no fsync: each would fail, and fast. */
	if (p->iopoll && (p->sync == DISK_FDATASYNC || p->sync == DISK_FSYNC))
		return bench_fail(err, -EINVAL,
				  "iopoll=1 with sync=%s: a ring that polls cannot sync; use "
				  "sync=rwf_dsync or dsync",
				  disk_sync_words[p->sync]);
	return 0;
}

/* It is claimed as long as the job has it. */
static inline const char *disk_alone(const void *params)
{
	const struct disk_params *p = params;

	return p->destroy ? "the device of destroy=" : NULL;
}

static inline int disk_validate(const void *params, struct bench_err *err)
{
	const struct disk_params *p = params;
	int ret = disk_validate_target(p, err);

	ret = ret ? ret : disk_validate_sync(p, err);
	if (ret)
		return ret;
	if (p->direct && p->cache == DISK_WARM)
		return bench_fail(err, -EINVAL, "cache=warm goes with direct=0");
	if (p->layout == DISK_APPEND && p->cache == DISK_WARM)
		return bench_fail(err, -EINVAL, "cache=warm with layout=append: the file is empty");
	if (p->bs % 512)
		return bench_fail(err, -EINVAL, "bs=%" PRIu64 " is not a multiple of 512", p->bs);
	if (p->depth > 1 && p->bs * p->depth > DISK_BUFFERS_MAX)
		return bench_fail(err, -EINVAL,
				  "bs=%" PRIu64 " times depth=%" PRIu64 " needs more "
				  "than 1 GiB of buffers for each worker",
				  p->bs, p->depth);
	ret = disk_validate_paths(p, err);
	return ret || !p->destroy ?
		       ret :
		       disk_device_check(p->filename, p->filename, O_EXCL, p->destroy, err);
}

#endif
