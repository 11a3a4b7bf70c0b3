/* SPDX-License-Identifier: BSD-2-Clause */
/* The file that the disk modules work on: an existing one, opened for reading only, or a temporary
 * one without a name, which is gone when the program is, however that ends. */
#ifndef MODULES_DISK_FILE_H
#define MODULES_DISK_FILE_H

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "bench/clock.h"
#include "bench/error.h"
#include "bench/module.h"
#include "disk_device.h"
#include "prng.h"

#define DISK_ALIGN 4096u
#define DISK_CHUNK (1u << 20)
#define DISK_WIPE (64u << 10)
#if !defined(__NR_cachestat)
#define __NR_cachestat 451 /* x86, arm64 and what else uses the common table */
#endif

struct disk_file {
	int fd; /* -1 = none */
	uint64_t size;
	uint32_t align; /* of offset, length and memory; 1 when not direct */
	bool direct;
	bool own;    /* made by us: may be written */
	bool memory; /* of a filesystem in memory: there is no disk below */
	bool wipe;   /* a device: leave nothing at its start that could pass for a partition table */
};

/* What O_DIRECT asks of offset, length and memory; 0 = it is not supported. */
static inline uint32_t disk_file_dio_align(int fd, const struct stat *st)
{
	uint32_t align = DISK_ALIGN;
#if defined(STATX_DIOALIGN)
	struct statx sx;

	if (!statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &sx) && (sx.stx_mask & STATX_DIOALIGN))
		return sx.stx_dio_offset_align > sx.stx_dio_mem_align ? sx.stx_dio_offset_align
								      : sx.stx_dio_mem_align;
#endif
	if (S_ISBLK(st->st_mode)) {
		int sector;

		if (!ioctl(fd, BLKSSZGET, &sector) && sector > 0)
			align = (uint32_t)sector;
	}
	return align;
}

static inline bool disk_file_in_memory(const struct statfs *fs)
{
	return fs->f_type == TMPFS_MAGIC || fs->f_type == RAMFS_MAGIC;
}

/* Kind and size of what was opened, and whether its blocks are all there. */
static inline int disk_file_examine(struct disk_file *f, const char *path, struct bench_err *err)
{
	struct statfs fs;
	struct stat st;

	if (fstat(f->fd, &st))
		return bench_fail(err, -errno, "stat '%s': %s", path, strerror(errno));
	f->size = (uint64_t)st.st_size;
	f->memory = S_ISREG(st.st_mode) && !fstatfs(f->fd, &fs) && disk_file_in_memory(&fs);
	if (f->memory && f->direct)
		return bench_fail(err, -EOPNOTSUPP,
				  "'%s' is in memory (tmpfs): direct I/O goes to no disk there; give "
				  "a file on a disk, or direct=0 to measure memory",
				  path);
	if (S_ISBLK(st.st_mode)) {
		if (ioctl(f->fd, BLKGETSIZE64, &f->size))
			return bench_fail(err, -errno, "size of '%s': %s", path, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		return bench_fail(err, -EINVAL, "'%s' is neither a file nor a block device", path);
	} else if (!f->own) {
		off_t hole = lseek(f->fd, 0, SEEK_HOLE);

		/* Reads of a hole, or of blocks never written, do no I/O: absurdly fast. */
		if (hole >= 0 && hole < st.st_size)
			return bench_fail(err, -EINVAL,
					  "'%s' has a hole at offset %lld: reading it does no I/O; "
					  "write the file fully first",
					  path, (long long)hole);
	}
	f->align = f->direct ? disk_file_dio_align(f->fd, &st) : 1;
	if (!f->align)
		return bench_fail(err, -EOPNOTSUPP,
				  "'%s' does not support direct I/O; use direct=0", path);
	return 0;
}

/* Open an existing file or device for reading. */
static inline int disk_file_open(struct disk_file *f, const char *path, bool direct,
				 struct bench_err *err)
{
	struct stat st;

	*f = (struct disk_file){ .fd = -1, .direct = direct };
	/* Opening a pipe would wait for a writer, and opening some devices has effects. */
	if (!stat(path, &st) && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return bench_fail(err, -EINVAL, "'%s' is neither a file nor a block device", path);
	f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (direct ? O_DIRECT : 0));
	if (f->fd >= 0)
		return disk_file_examine(f, path, err);

	if (errno == EINVAL && direct)
		return bench_fail(err, -EOPNOTSUPP,
				  "'%s' does not support direct I/O; use direct=0", path);
	return disk_open_failed(path, "reading", errno, err);
}

/* A nameless file in dir, or a named one that is unlinked at once where the filesystem lacks
 * O_TMPFILE (NFS, FUSE, overlays of old kernels). Descriptor or negative errno. */
static inline int disk_file_tmp(const char *dir)
{
	char path[PATH_MAX];
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	/* EISDIR: the kernel does not know the flag. */
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return -errno;
	if (snprintf(path, sizeof(path), "%s/bench-XXXXXX", dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (unlink(path)) {
		int e = errno;

		close(fd);
		return -e; /* a file that outlives the program is not a temporary one */
	}
	return fd;
}

/* Room for size bytes with a margin that keeps the filesystem usable for others. */
static inline int disk_file_room(const char *dir, uint64_t size, struct bench_err *err)
{
	uint64_t need = size + size / 8 + (64u << 20);
	struct rlimit limit;
	struct statvfs vfs;

	if (statvfs(dir, &vfs))
		return bench_fail(err, -errno, "free space of '%s': %s", dir, strerror(errno));

	uint64_t room = (uint64_t)vfs.f_bavail * vfs.f_frsize;

	if (room < need)
		return bench_fail(err, -ENOSPC,
				  "'%s' has %" PRIu64 " MiB free, size=%" PRIu64
				  " MiB needs %" PRIu64
				  " MiB (with a margin); use a smaller size= or another directory=",
				  dir, room >> 20, size >> 20, need >> 20);
	/* Writing beyond it would kill the process with SIGXFSZ. */
	if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur < size)
		return bench_fail(err, -EFBIG,
				  "the file size limit (ulimit -f) is %llu bytes, "
				  "size= asks for %" PRIu64,
				  (unsigned long long)limit.rlim_cur, size);
	return 0;
}

/* Write every block once, with data that does not compress, and make it durable. *job->stop ends it
 * early. */
static inline int disk_file_lay_out(struct disk_file *f, uint64_t size, const struct bench_job *job,
				    struct bench_err *err)
{
	struct prng rng;
	void *buf;
	int ret = 0;

	if (posix_memalign(&buf, DISK_ALIGN, DISK_CHUNK))
		return bench_fail(err, -ENOMEM, "out of memory for the lay-out of the file");
	prng_seed(&rng, 0x6c61796f7574ull ^ bench_now_ns());
	for (uint64_t at = 0; at < size && !ret;) {
		size_t len = size - at < DISK_CHUNK ? (size_t)(size - at) : DISK_CHUNK;
		ssize_t n;

		prng_fill(&rng, buf, len);
		n = pwrite(f->fd, buf, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			ret = bench_fail(err, n ? -errno : -EIO,
					 "lay-out: write of %zu bytes at offset %" PRIu64
					 ": %s (errno %d)",
					 len, at, n ? strerror(errno) : "nothing written",
					 n ? errno : 0);
		else if (job->stop && *job->stop)
			ret = bench_fail(err, -EINTR, "interrupted during the lay-out of the file");
		else
			at += (uint64_t)n - (uint64_t)n % f->align;
		if (job->progress)
			job->progress(job, "lay-out", at, size);
	}
	if (!ret && fsync(f->fd))
		ret = bench_fail(err, -errno, "lay-out: fsync: %s", strerror(errno));
	free(buf);
	return ret;
}

/* Open our file once more, with further flags. It has no name but this one. */
static inline int disk_file_reopen(struct disk_file *f, int flags, struct bench_err *err)
{
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd);
	fd = open(path, O_RDWR | O_CLOEXEC | (f->direct ? O_DIRECT : 0) | flags);
	if (fd < 0)
		return bench_fail(err, -errno, "open the temporary file again, by %s: %s", path,
				  strerror(errno));
	close(f->fd);
	f->fd = fd;
	return 0;
}

/* Direct I/O goes by whole units of the device: checked before anything is written. */
static inline int disk_file_fits(const struct disk_file *f, uint64_t bs, const char *where,
				 struct bench_err *err)
{
	if (bs % f->align)
		return bench_fail(err, -EINVAL,
				  "bs=%" PRIu64
				  " is not a multiple of %u, which direct I/O needs in '%s'",
				  bs, f->align, where);
	return 0;
}

/* Make a temporary file of size bytes and fill it unless it is to stay empty. bs: the block size.
 */
static inline int disk_file_make(struct disk_file *f, const char *dir, uint64_t size, uint64_t bs,
				 bool direct, bool empty, const struct bench_job *job,
				 struct bench_err *err)
{
	struct statfs fs;
	int ret;

	*f = (struct disk_file){ .fd = -1, .direct = direct, .own = true };
	if (!statfs(dir, &fs) && disk_file_in_memory(&fs))
		return bench_fail(err, -EOPNOTSUPP,
				  "'%s' is in memory (tmpfs): there is no disk to "
				  "measure; give a directory= on a disk",
				  dir);
	ret = disk_file_room(dir, size, err);
	if (ret)
		return ret;
	ret = disk_file_tmp(dir);
	if (ret < 0)
		return bench_fail(err, ret, "make a temporary file in '%s': %s", dir,
				  strerror(-ret));
	f->fd = ret;
	/* Not at open(2): old kernels make the file and then fail. */
	if (direct && fcntl(f->fd, F_SETFL, O_DIRECT))
		return bench_fail(err, -EOPNOTSUPP,
				  "the filesystem of '%s' does not support direct "
				  "I/O; use direct=0 or another directory=",
				  dir);
	ret = disk_file_examine(f, dir, err);
	ret = ret ? ret : disk_file_fits(f, bs, dir, err);
	if (ret)
		return ret;
	ret = empty ? 0 : disk_file_lay_out(f, size, job, err);
	f->size = size;
	return ret;
}

/* Take a block device to write on: its first size bytes (or all of it) are filled. It is claimed first:
 * nobody can mount it or build on it until it is closed. Then what was opened is looked at, not what the
 * path leads to by now: time has gone by since the request was checked, and names of devices move.
 * flags: of open(2). */
static inline int disk_file_take(struct disk_file *f, const char *path, const char *destroy,
				 uint64_t size, uint64_t bs, bool direct, int flags,
				 const struct bench_job *job, struct bench_err *err)
{
	char node[40];
	int ret;

	*f = (struct disk_file){ .fd = -1, .direct = direct, .own = true };
	f->fd = open(path, O_RDWR | O_EXCL | O_CLOEXEC | O_NOCTTY | (direct ? O_DIRECT : 0) | flags);
	if (f->fd < 0)
		return disk_open_failed(path, "writing", errno, err);
	snprintf(node, sizeof(node), "/proc/self/fd/%d", f->fd);
	ret = disk_device_check(path, node, 0, destroy, err);
	ret = ret ? ret : disk_file_examine(f, path, err);
	ret = ret ? ret : disk_file_fits(f, bs, path, err);
	if (ret)
		return ret;
	if (f->size > size)
		f->size = size;
	f->size -= f->size % DISK_ALIGN;
	if (f->size < bs)
		return bench_fail(err, -EINVAL,
				  "bs=%" PRIu64 " is larger than '%s', which has %" PRIu64 " bytes",
				  bs, path, f->size);
	f->wipe = true;
	return disk_file_lay_out(f, f->size, job, err);
}

/* Random data may look like a table of partitions to a kernel that searches for one when a writer
 * closes the device. Best effort: the device may be what failed. */
static inline void disk_file_wipe(const struct disk_file *f)
{
	size_t bytes = f->size < DISK_WIPE ? (size_t)f->size : DISK_WIPE;
	void *zeros;

	if (posix_memalign(&zeros, DISK_ALIGN, DISK_WIPE))
		return;
	memset(zeros, 0, DISK_WIPE);
	if (pwrite(f->fd, zeros, bytes, 0) == (ssize_t)bytes)
		(void)fdatasync(f->fd);
	free(zeros);
}

static inline void disk_file_close(struct disk_file *f)
{
	if (f->fd >= 0 && f->wipe)
		disk_file_wipe(f);
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

/* Write back and forget what the page cache holds of the file. */
static inline int disk_file_drop_cache(const struct disk_file *f)
{
	/* Dirty pages stay: they must reach the disk first. */
	if (f->own && fdatasync(f->fd))
		return -errno;
	return -posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* Read all of it, so that the page cache holds it if there is room. *stop ends it early. */
static inline int disk_file_fill_cache(const struct disk_file *f, volatile const bool *stop)
{
	char *buf = malloc(DISK_CHUNK);
	int ret = buf ? 0 : -ENOMEM;

	for (uint64_t at = 0; at < f->size && !ret;) {
		ssize_t n = pread(f->fd, buf, DISK_CHUNK, (off_t)at);

		if (stop && *stop)
			ret = -EINTR;
		else if (n <= 0 && !(n < 0 && errno == EINTR))
			ret = n ? -errno : -EIO;
		at += n > 0 ? (uint64_t)n : 0;
	}
	free(buf);
	return ret;
}

/* Share of the file that the page cache holds, by mincore(2), or negative errno. Since Linux 5.2 it
 * says "all" of files that the caller could not write. */
static inline int disk_file_resident(const struct disk_file *f, double *ret_share)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), nr = (f->size + page - 1) / page, found = 0;
	unsigned char *map = nr ? malloc(nr) : NULL;
	int ret = 0;
	void *at;

	if (!map)
		return nr ? -ENOMEM : -EINVAL;
	at = mmap(NULL, f->size, PROT_READ, MAP_SHARED, f->fd, 0);
	if (at == MAP_FAILED || mincore(at, f->size, map))
		ret = -errno;
	for (size_t i = 0; i < nr && !ret; i++)
		found += map[i] & 1;
	if (!ret)
		*ret_share = (double)found / (double)nr;
	if (at != MAP_FAILED)
		munmap(at, f->size);
	free(map);
	return ret;
}

/* Share of the file that the page cache holds, by cachestat(2) (Linux 6.5), or negative errno. */
static inline int disk_file_cachestat(const struct disk_file *f, double *ret_share)
{
	struct {
		uint64_t off, len;
	} range = { 0, f->size };
	struct {
		uint64_t cache, dirty, writeback, evicted, recently_evicted;
	} stat = { 0 };

	if (syscall(__NR_cachestat, f->fd, &range, &stat, 0))
		return -errno;

	double pages = (double)f->size / (double)sysconf(_SC_PAGESIZE);

	*ret_share = pages > 0 ? (double)stat.cache / pages : 0;
	return 0;
}

/* By whichever there is. */
static inline int disk_file_cached(const struct disk_file *f, double *ret_share)
{
	int ret = disk_file_cachestat(f, ret_share);

	return ret == -ENOSYS && f->own ? disk_file_resident(f, ret_share) : ret;
}

#endif
