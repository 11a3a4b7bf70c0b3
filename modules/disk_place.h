/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the bytes of a file lie on its disk, asked once (FIEMAP), so that an operation can be told
 * apart among the requests of the block layer. */
#ifndef MODULES_DISK_PLACE_H
#define MODULES_DISK_PLACE_H

#include <errno.h>
#include <inttypes.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "bench/module.h"
#include "disk_sysfs.h"

/* Extents asked for in one call, and at most: a file in more pieces is not followed beyond. */
#define DISK_EXTENTS_CALL 256u
#define DISK_EXTENTS_MAX (1u << 16)

struct disk_extent {
	uint64_t offset, bytes; /* in the file */
	uint64_t at;		/* on the device that holds the file system, bytes */
};

/* Nothing known: dev 0. */
struct disk_place {
	uint32_t dev;	      /* whole disk: major << 20 | minor */
	uint64_t first;	      /* sector of it where the partition begins */
	bool stacked;	      /* on other devices: requests are theirs, perhaps more or other ones */
	struct disk_extent *extents; /* in order */
	unsigned nr;
};

/* The whole disk that p is on. */
static inline dev_t disk_place_disk(const struct disk_place *p)
{
	return makedev(p->dev >> 20, p->dev & 0xfffff);
}

static inline bool disk_place_any(dev_t dev, const char *entry, void *arg)
{
	(void)dev;
	(void)entry;
	*(bool *)arg = true;
	return false;
}

/* From the device number of a disk or partition to the disk and the partition's start. */
static inline void disk_place_device(struct disk_place *p, dev_t dev)
{
	char text[32];
	dev_t disk;

	if (!disk_device_number(dev, "dev", &disk))
		return; /* no block device below: a network or stacked file system */
	if (disk_device_text(dev, "partition", text, sizeof(text)) &&
	    (!disk_device_text(dev, "start", text, sizeof(text)) ||
	     sscanf(text, "%" SCNu64, &p->first) != 1 ||
	     !disk_device_number(dev, "../dev", &disk)))
		return;
	p->dev = (uint32_t)(major(disk) << 20 | minor(disk));
	disk_device_entries(disk, "slaves", disk_place_any, &p->stacked);
}

/* Append the extents of one answer. False when the file's end was reached or memory was not. */
static inline bool disk_place_add(struct disk_place *p, const struct fiemap *map, uint64_t *ret_next)
{
	const uint32_t nowhere = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC |
				 FIEMAP_EXTENT_ENCODED | FIEMAP_EXTENT_NOT_ALIGNED;
	struct disk_extent *grown;

	if (!map->fm_mapped_extents)
		return false;
	grown = realloc(p->extents, (p->nr + map->fm_mapped_extents) * sizeof(*grown));
	if (!grown)
		return false;
	p->extents = grown;
	for (unsigned i = 0; i < map->fm_mapped_extents; i++) {
		const struct fiemap_extent *e = &map->fm_extents[i];

		*ret_next = e->fe_logical + e->fe_length;
		if (!(e->fe_flags & nowhere))
			p->extents[p->nr++] = (struct disk_extent){ e->fe_logical, e->fe_length,
								    e->fe_physical };
		if (e->fe_flags & FIEMAP_EXTENT_LAST)
			return false;
	}
	return p->nr < DISK_EXTENTS_MAX;
}

/* Find out where fd lies. What cannot be found out is left empty: then no operation is placed. */
static inline void disk_place_init(struct disk_place *p, int fd)
{
	size_t size = sizeof(struct fiemap) + DISK_EXTENTS_CALL * sizeof(struct fiemap_extent);
	struct fiemap *map;
	uint64_t next = 0;
	struct stat st;

	*p = (struct disk_place){ 0 };
	if (fstat(fd, &st))
		return;
	disk_place_device(p, S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev);
	map = malloc(size);
	if (!map || !p->dev)
		goto out;
	if (S_ISBLK(st.st_mode)) {
		p->extents = malloc(sizeof(*p->extents));
		if (p->extents)
			p->extents[p->nr++] = (struct disk_extent){ 0, UINT64_MAX, 0 };
		goto out;
	}
	do {
		memset(map, 0, size);
		map->fm_start = next;
		map->fm_length = FIEMAP_MAX_OFFSET - next;
		map->fm_flags = FIEMAP_FLAG_SYNC;
		map->fm_extent_count = DISK_EXTENTS_CALL;
	} while (!ioctl(fd, FS_IOC_FIEMAP, map) && disk_place_add(p, map, &next));
out:
	free(map);
}

static inline void disk_place_done(struct disk_place *p)
{
	free(p->extents);
	*p = (struct disk_place){ 0 };
}

/* The place of bytes [offset, offset + bytes), or of their part that lies in one piece. */
static inline int disk_place_find(const struct disk_place *p, uint64_t offset, uint64_t bytes,
				  struct bench_place *ret_place)
{
	unsigned low = 0, high = p->nr;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (p->extents[middle].offset <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || offset - p->extents[low - 1].offset >= p->extents[low - 1].bytes)
		return -ENOENT;

	const struct disk_extent *e = &p->extents[low - 1];
	uint64_t in = offset - e->offset, left = e->bytes - in;

	*ret_place = (struct bench_place){
		.dev = p->dev,
		.bytes = (uint32_t)(bytes < left ? bytes : left),
		.sector = p->first + (e->at + in) / 512,
	};
	return 0;
}

#endif
