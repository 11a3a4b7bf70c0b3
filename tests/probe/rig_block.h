/* SPDX-License-Identifier: BSD-2-Clause */
/* Files and loop devices of known content and place. */
#ifndef TESTS_PROBE_RIG_BLOCK_H
#define TESTS_PROBE_RIG_BLOCK_H

#include "probe/rig.h"

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define BLOCK 4096u

__attribute__((format(printf, 1, 2))) static inline void skip_because(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("skip: ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	skip();
}

static inline void *aligned_block(size_t size)
{
	void *mem = NULL;

	assert_int_equal(posix_memalign(&mem, 4096, size), 0);
	memset(mem, 0x5a, size);
	return mem;
}

/* An unlinked file, written and on the device. */
static inline int file_new(size_t size)
{
	char path[] = "./test_block.XXXXXX";
	size_t chunk = 1u << 20;
	void *mem = aligned_block(chunk);
	int fd = mkostemp(path, O_CLOEXEC), direct;

	assert_true(fd >= 0);
	for (size_t at = 0; at < size; at += chunk)
		assert_int_equal(pwrite(fd, mem, chunk, (off_t)at), chunk);
	assert_int_equal(fsync(fd), 0);
	direct = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	unlink(path);
	close(fd);
	free(mem);
	if (direct < 0)
		skip_because("this directory's file system has no O_DIRECT");
	return direct;
}

static inline unsigned long number_in(const char *path)
{
	FILE *f = fopen(path, "re");
	unsigned long n = 0;

	if (f) {
		if (fscanf(f, "%lu", &n) != 1)
			n = 0;
		fclose(f);
	}
	return n;
}

/* Where a byte of a file lies: the whole device, and its sector. False = cannot be known. */
static inline bool file_place(int fd, uint64_t offset, uint32_t *ret_dev, uint64_t *ret_sector)
{
	union {
		struct fiemap map; /* ends with the extents */
		char room[sizeof(struct fiemap) + sizeof(struct fiemap_extent)];
	} f = { .map = { .fm_start = offset, .fm_length = BLOCK, .fm_extent_count = 1 } };
	const struct fiemap_extent *extent = f.map.fm_extents;
	unsigned int maj, min;
	uint64_t start = 0;
	char path[96], line[32] = "";
	struct stat st;
	FILE *file;

	if (ioctl(fd, FS_IOC_FIEMAP, &f) || f.map.fm_mapped_extents != 1 || fstat(fd, &st))
		return false;
	maj = major(st.st_dev);
	min = minor(st.st_dev);
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/partition", maj, min);
	if (!access(path, F_OK)) {
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/start", maj, min);
		start = number_in(path);
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/../dev", maj, min);
		file = fopen(path, "re");
		if (!file || !fgets(line, sizeof(line), file) ||
		    sscanf(line, "%u:%u", &maj, &min) != 2)
			maj = 0;
		if (file)
			fclose(file);
	}
	*ret_dev = maj << 20 | min;
	*ret_sector = start + (extent->fe_physical + offset - extent->fe_logical) / 512;
	return maj;
}

/* The name of the device that a descriptor's data are on, of the whole device. */
static inline bool file_device(int fd, char *ret_name, size_t size)
{
	uint64_t sector;
	char path[64], target[256];
	uint32_t dev;
	ssize_t n;

	if (!file_place(fd, 0, &dev, &sector))
		return false;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", dev >> 20, dev & 0xfffff);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	snprintf(ret_name, size, "%s", strrchr(target, '/') + 1);
	return true;
}

/* A loop device over an unlinked file, which goes with its last user. */
struct loop {
	char name[16];
	int fd, backing;
};

static inline bool loop_open(struct loop *l, size_t size)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	struct loop_info64 info = { .lo_flags = LO_FLAGS_AUTOCLEAR };
	int nr = control >= 0 ? ioctl(control, LOOP_CTL_GET_FREE) : -1;
	char path[32];

	if (control >= 0)
		close(control);
	if (nr < 0)
		return false;
	snprintf(l->name, sizeof(l->name), "loop%d", nr);
	snprintf(path, sizeof(path), "/dev/%s", l->name);
	l->fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (l->fd < 0)
		return false;
	l->backing = file_new(size);
	if (ioctl(l->fd, LOOP_SET_FD, l->backing) || ioctl(l->fd, LOOP_SET_STATUS64, &info)) {
		close(l->fd);
		close(l->backing);
		return false;
	}
	return true;
}

static inline void loop_close(struct loop *l)
{
	close(l->fd);
	close(l->backing);
}

/* A figure of a histogram of block.latency; 0 where there is no such row. */
static inline double stage(const json_t *metrics, const char *stage_name, const char *dev,
			   const char *field)
{
	const json_t *m = row(metrics, "block.latency", "stage", stage_name, "dev", dev);
	const json_t *v = m ? json_object_get(json_object_get(m, "hist"), field) : NULL;

	return json_is_number(v) ? json_number_value(v) : 0;
}

#endif
