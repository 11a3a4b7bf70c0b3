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

/* After a test. */
static inline int untrack(void **state)
{
	(void)state;
	if (set)
		probe_untrack_all(set);
	return 0;
}

#endif
