/* SPDX-License-Identifier: BSD-2-Clause */
/* What a trial on a disk reports beside its operations: the disk's write cache, and whether the page
 * cache held what it was to hold. */
#ifndef MODULES_DISK_CACHE_H
#define MODULES_DISK_CACHE_H

#include "disk_common.h"

/* Shares of the file in the page cache: none of it, all of it, and what a cold file may gain before
 * most reads are no longer cold. */
#define DISK_CACHE_NONE 0.01
#define DISK_CACHE_ALL 0.99
#define DISK_CACHE_HALF 0.5

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

	if (disk_device_text(disk_place_disk(&s->set.places[0]), "queue/write_cache", mode,
			     sizeof(mode)))
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
	const char *wrong = err ? NULL : disk_cache_wrong(p, &s->set.files[0], at_end, cached);

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
					s->set.files[0].memory ? "in memory (tmpfs): no disk is measured"
						       : NULL);
	if (wrong && !job->invalid[0])
		snprintf(job->invalid, sizeof(job->invalid), "%s", wrong);
}

static inline void disk_report(struct bench_job *job, uint64_t trial_ns)
{
	const struct disk_params *p = job->params;
	const struct disk_shared *s = job->shared;
	double cached = 0;
	int err = disk_set_cached(&s->set, &cached);

	(void)trial_ns;
	if (p->sync != DISK_SYNC_NONE)
		disk_report_write_cache(job);
	if (!p->direct)
		disk_report_cached(job, false, s->cached_err, s->cached);
	disk_report_cached(job, true, err, cached);
}

#endif
