/* SPDX-License-Identifier: BSD-2-Clause */
/* The files of a job as one range of bytes: file 0 first, each with the same share. */
#ifndef MODULES_DISK_SET_H
#define MODULES_DISK_SET_H

#include "disk_file.h"
#include "disk_place.h"

#define DISK_FILES_MAX 256u

struct disk_set {
	struct disk_file *files;
	struct disk_place *places;
	unsigned nr;
	uint64_t each; /* bytes used of each file, whole blocks */
};

static inline int disk_set_init(struct disk_set *set, unsigned nr, struct bench_err *err)
{
	*set = (struct disk_set){ .nr = nr };
	set->files = calloc(nr, sizeof(*set->files));
	set->places = calloc(nr, sizeof(*set->places));
	if (!set->files || !set->places)
		return bench_fail(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < nr; i++)
		set->files[i].fd = -1;
	return 0;
}

/* Also of a set that could not be made. */
static inline void disk_set_done(struct disk_set *set)
{
	for (unsigned i = 0; i < set->nr; i++) {
		if (set->files)
			disk_file_close(&set->files[i]);
		if (set->places)
			disk_place_done(&set->places[i]);
	}
	free(set->files);
	free(set->places);
	*set = (struct disk_set){ 0 };
}

/* Which file byte `at` of the range is in; *ret_offset is its place there. */
static inline unsigned disk_set_find(const struct disk_set *set, uint64_t at, uint64_t *ret_offset)
{
	unsigned file = set->nr == 1 ? 0 : (unsigned)(at / set->each);

	*ret_offset = at - file * set->each;
	return file;
}

static inline void disk_set_place(struct disk_set *set)
{
	for (unsigned i = 0; i < set->nr; i++)
		disk_place_init(&set->places[i], set->files[i].fd);
}

/* Share of all files in the page cache. 0 or negative errno. */
static inline int disk_set_cached(const struct disk_set *set, double *ret_share)
{
	double sum = 0;

	for (unsigned i = 0; i < set->nr; i++) {
		double share = 0;
		int ret = disk_file_cached(&set->files[i], &share);

		if (ret)
			return ret;
		sum += share;
	}
	*ret_share = sum / set->nr;
	return 0;
}

/* Empty or fill the page cache of all files. 0 or negative errno. */
static inline int disk_set_cache(const struct disk_set *set, bool fill, volatile const bool *stop)
{
	int ret = 0;

	for (unsigned i = 0; i < set->nr && !ret; i++)
		ret = fill ? disk_file_fill_cache(&set->files[i], stop) :
			     disk_file_drop_cache(&set->files[i]);
	return ret;
}

/* Make all files empty. 0 or negative errno. */
static inline int disk_set_empty(const struct disk_set *set)
{
	for (unsigned i = 0; i < set->nr; i++)
		if (ftruncate(set->files[i].fd, 0))
			return -errno;
	return 0;
}

#endif
