/* SPDX-License-Identifier: BSD-2-Clause */
/* What the mapped memory of the programs says in the middle of a window: loads only. */
#ifndef PROBE_SERIES_H
#define PROBE_SERIES_H

#include <stdint.h>
#include <sys/types.h>

struct probe_set;

/* Run queue of one CPU: tasks x ns from the start of the window to at_ns (which is now, or the end
 * of the window), running and waiting, and waiting only. 0, or -ENOENT when it is not known (no
 * probes, offline, or nothing happened there so far). */
int probe_series_depth(const struct probe_set *set, unsigned cpu, uint64_t at_ns,
		       double *ret_depth_ns, double *ret_waiting_ns);
/* Ask a CPU on which nothing happened so far what it does: one interrupt there, once a window. */
void probe_series_ask(const struct probe_set *set, unsigned cpu);

#endif
