// SPDX-License-Identifier: BSD-2-Clause
#include "probe/series.h"

#include <errno.h>
#include <string.h>

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

/* Changes with every event of a tracked thread. Processes may have more threads than are followed
 * by name; then it is the sum over all. */
static uint64_t events_seen(const struct probe_set *set)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < set->nr_follows; i++)
		if (set->follows[i].slot < PROBE_THREADS)
			sum += __atomic_load_n(&set->threads[set->follows[i].slot].seq,
					       __ATOMIC_ACQUIRE);
	return sum;
}

/* As ledger_sum(), in the middle of a window and without looking at slots that are not in use. */
static void sum_now(const struct probe_set *set, struct ledger_sum *sum)
{
	if (set->trees) {
		ledger_sum(set, false, sum);
		return;
	}
	memset(sum, 0, sizeof(*sum));
	for (unsigned cpu = 0; cpu < set->nr_cpus; cpu++) {
		const struct probe_values *v =
			object_values(set->sched, window_bank(set) * set->nr_cpus + cpu);
		const uint64_t *from = (const uint64_t *)&v->slot[SCHED_LEDGER];
		uint64_t *to = (uint64_t *)&sum->ledger;

		for (unsigned i = 0; i < sizeof(sum->ledger) / sizeof(*to); i++)
			to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	}
	for (unsigned i = 0; i < set->nr_follows; i++)
		if (set->follows[i].slot < PROBE_THREADS)
			ledger_open_interval(set, &set->threads[set->follows[i].slot], sum);
}

int probe_series_causes(const struct probe_set *set, uint64_t at_ns,
			double ret_ns[PROBE_NR_INTERVAL_CAUSES])
{
	struct ledger_sum sum;
	struct probe_set now;
	uint64_t events;
	double rest;

	if (!set || !set->sched || !set->threads || !set->window_set || !set->mode.causes)
		return -ENOENT;
	now = *set;
	now.end_ns = at_ns;
	/* An interval that ends between the two looks is in neither. A long one is worth another
	 * try; where events come so fast that no try succeeds, all are short. */
	for (unsigned tries = 0; tries < 3; tries++) {
		events = events_seen(set);
		sum_now(&now, &sum);
		if (events == events_seen(set))
			break;
	}
	for (unsigned i = 0; i < PROBE_NR_INTERVAL_CAUSES; i++)
		ret_ns[i] = 0;
	rest = (double)sum.ledger.time_ns[PROBE_RUNNING];
	for (unsigned i = 0; i < PROBE_TAKEN; i++) {
		ret_ns[PROBE_CAUSE_HARDIRQ + i] = (double)sum.ledger.taken_ns[i];
		rest -= (double)sum.ledger.taken_ns[i];
	}
	ret_ns[PROBE_CAUSE_ONCPU] = rest;
	ret_ns[PROBE_CAUSE_RUNQUEUE] = (double)sum.ledger.time_ns[PROBE_WAITING];
	for (unsigned i = 0; i < PROBE_BLOCKED_CAUSES; i++)
		ret_ns[PROBE_CAUSE_DISK + i] = (double)sum.ledger.blocked_ns[i];
	return 0;
}

static bool threads_silent(const struct probe_set *set)
{
	for (unsigned i = 0; i < set->nr_follows; i++)
		if (set->follows[i].slot < PROBE_THREADS &&
		    set->threads[set->follows[i].slot].serial != set->serial)
			return true;
	return false;
}

void probe_series_ask(struct probe_set *set, const int *cpus, unsigned nr)
{
	double depth_ns, waiting_ns;
	int fd;

	if (!set || !set->sched || !set->window_set || !set->request)
		return;
	fd = object_prog_fd(set->sched, "peek");
	for (unsigned i = 0; i < nr && fd >= 0; i++)
		if (probe_series_depth(set, (unsigned)cpus[i], 0, &depth_ns, &waiting_ns))
			(void)window_run_on(fd, (unsigned)cpus[i]); /* else it stays unknown */
	if (set->threads && threads_silent(set)) {
		set->request->op = PROBE_OP_PEEK;
		(void)track_visit(set, set->track, "visit", 0, 0);
	}
}
