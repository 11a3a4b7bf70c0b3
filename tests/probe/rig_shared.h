/* SPDX-License-Identifier: BSD-2-Clause */
/* One set of probes for all tests of a file, which says by SHARED_PROBES what it has. */
#ifndef PROBE_RIG_SHARED_H
#define PROBE_RIG_SHARED_H

#include "probe/rig.h"

static struct probe_set *set; /* NULL = not root: need_root() skips */

static inline int open_set(void **state)
{
	(void)state;
	if (!geteuid())
		set = set_open(SHARED_PROBES, NULL);
	return 0;
}

static inline int close_set(void **state)
{
	(void)state;
	probe_close(set);
	return 0;
}

/* Two threads that spin on one CPU, followed for so long. The metrics. */
static inline json_t *measure_two_spinners(uint64_t window_ns)
{
	struct loader a = { 0 }, b = { 0 };
	json_t *metrics;

	loader_start(&a, LOAD_SPIN, last_cpu());
	loader_start(&b, LOAD_SPIN, last_cpu());
	set_track(set, a.tid, false);
	set_track(set, b.tid, false);
	metrics = set_measure(set, window_ns, NULL, 0);
	loader_stop(&a);
	loader_stop(&b);
	return metrics;
}

/* After a test. */
static inline int untrack(void **state)
{
	(void)state;
	if (set)
		probe_untrack_all(set);
	return 0;
}

#endif
