/* SPDX-License-Identifier: BSD-2-Clause */
/* What the mapped memory of the programs says in the middle of a window: loads only. */
#ifndef PROBE_SERIES_H
#define PROBE_SERIES_H

#include <stdint.h>
#include "probe/ledger.h"

/* Run queue of one CPU: tasks x ns from the start of the window to at_ns (which is now, or the end
 * of the window), running and waiting, and waiting only. 0, or -ENOENT when it is not known (no
 * probes, offline, or nothing happened there so far). */
int probe_series_depth(const struct probe_set *set, unsigned cpu, uint64_t at_ns,
		       double *ret_depth_ns, double *ret_waiting_ns);
/* Where the time of all tracked threads went from the start of the window to at_ns (now, or the end of
 * the window): ns by cause, summed over threads, io_uring's kernel workers left out. Time on a CPU is
 * PROBE_CAUSE_ONCPU, less what interrupts and the host took. 0, or -ENOENT without the ledger. */
int probe_series_causes(const struct probe_set *set, uint64_t at_ns,
			double ret_ns[PROBE_NR_INTERVAL_CAUSES]);
/* Once a window, before its first sample: ask the CPUs and threads to which nothing has happened yet
 * what they do. */
void probe_series_ask(struct probe_set *set, const int *cpus, unsigned nr);

#endif
