// SPDX-License-Identifier: BSD-2-Clause
#include "probe/series.h"

#include <errno.h>

#include "probe/set.h"

/* A writer is busy for some 100 ns: a reader that finds it so this often was preempted. */
#define TRIES 100

int probe_series_depth(const struct probe_set *set, unsigned cpu, uint64_t at_ns,
		       double *ret_depth_ns, double *ret_waiting_ns)
{
	const struct probe_depth *d;

	if (!set || !set->depth || !set->window_set || cpu >= set->nr_cpus)
		return -ENOENT;
	d = &set->depth[window_bank(set) * set->nr_cpus + cpu];
	for (unsigned i = 0; i < TRIES; i++) {
		uint32_t seq = __atomic_load_n(&d->seq, __ATOMIC_ACQUIRE);
		uint32_t touched = __atomic_load_n(&d->touched, __ATOMIC_ACQUIRE);
		uint64_t depth = __atomic_load_n(&d->depth, __ATOMIC_ACQUIRE);
		uint64_t waiting = __atomic_load_n(&d->waiting, __ATOMIC_ACQUIRE);
		uint64_t since_ns = __atomic_load_n(&d->since_ns, __ATOMIC_ACQUIRE);
		uint64_t depth_ns = __atomic_load_n(&d->depth_ns, __ATOMIC_ACQUIRE);
		uint64_t waiting_ns = __atomic_load_n(&d->waiting_ns, __ATOMIC_ACQUIRE);
		uint64_t open_ns;

		if ((seq & 1) || seq != __atomic_load_n(&d->seq, __ATOMIC_RELAXED))
			continue;
		if (!touched) {
			if (!__atomic_load_n(&d->peeked, __ATOMIC_ACQUIRE))
				return -ENOENT;
			/* Unchanged since before the window began. */
			depth = __atomic_load_n(&d->peek_depth, __ATOMIC_RELAXED);
			waiting = __atomic_load_n(&d->peek_waiting, __ATOMIC_RELAXED);
			since_ns = 0;
		}
		if (since_ns < set->start_ns)
			since_ns = set->start_ns;
		open_ns = at_ns > since_ns ? at_ns - since_ns : 0;
		*ret_depth_ns = (double)(depth_ns + open_ns * depth);
		*ret_waiting_ns = (double)(waiting_ns + open_ns * waiting);
		return 0;
	}
	return -ENOENT;
}

void probe_series_ask(const struct probe_set *set, unsigned cpu)
{
	int fd = set && set->sched && set->window_set ? object_prog_fd(set->sched, "peek") : -1;

	if (fd >= 0)
		(void)window_run_on(fd, cpu); /* else it stays unknown */
}
