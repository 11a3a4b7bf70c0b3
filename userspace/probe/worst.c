// SPDX-License-Identifier: BSD-2-Clause
/* The metric wall.worst: the longest single wait of each cause, and whose it was. Those that ended
 * in the window were noted by the programs, because the thread may be gone; those that did not are
 * read off the threads. */
#include "probe/ledger.h"

#include <stdio.h>
#include <string.h>
#include "probe/set.h"

struct worst {
	uint64_t ns;
	char task[16];
	bool open; /* it went on when the window ended */
};

static void worst_take(struct worst *worst, uint64_t ns, const char *comm, bool open)
{
	if (ns <= worst->ns)
		return;
	*worst = (struct worst){ .ns = ns, .open = open };
	snprintf(worst->task, sizeof(worst->task), "%.15s", comm);
}

static void worst_ended(const struct probe_set *set, struct worst *worst)
{
	for (unsigned cpu = 0; cpu < set->nr_cpus; cpu++) {
		const struct probe_values *v =
			object_values(set->sched, window_bank(set) * set->nr_cpus + cpu);
		const struct probe_worst *noted = (const struct probe_worst *)&v->slot[SCHED_WORST];

		for (unsigned i = 0; i < PROBE_WORSTS; i++)
			worst_take(&worst[i], noted[i].ns, noted[i].comm, false);
	}
}

static void worst_open(const struct probe_set *set, struct worst *worst)
{
	for (unsigned i = 0; i < PROBE_THREADS; i++) {
		const struct probe_thread *t = &set->threads[i];
		struct ledger_sum one = { 0 };

		if (t->generation != set->windows->generation || t->flags & PROBE_FLAG_IO_WORKER)
			continue;
		ledger_open_interval(set, t, &one);
		for (unsigned k = 0; k < PROBE_BLOCKED_CAUSES; k++)
			worst_take(&worst[k], one.ledger.blocked_ns[k], t->comm, true);
		worst_take(&worst[PROBE_WORST_RUNQUEUE], one.ledger.time_ns[PROBE_WAITING], t->comm,
			   true);
	}
}

/* A cause that nobody waited for has no row. */
void worst_put(const struct probe_set *set, struct bench_metric_set *metrics)
{
	struct worst worst[PROBE_WORSTS] = { 0 };

	worst_ended(set, worst);
	worst_open(set, worst);
	for (unsigned i = 0; i < PROBE_WORSTS; i++) {
		enum probe_cause cause = i == PROBE_WORST_RUNQUEUE ? PROBE_CAUSE_RUNQUEUE :
								     PROBE_CAUSE_DISK + i;
		const struct bench_metric_id id = {
			.name = "wall.worst",
			.unit = "ns",
			.source = BENCH_SOURCE_PROBE,
			.better = BENCH_BETTER_LOWER,
			.labels = { { "cause", probe_cause_name(cause) }, { "task", worst[i].task } },
		};

		if (worst[i].ns)
			bench_metric_put_status(metrics, &id, BENCH_OK, (double)worst[i].ns,
						worst[i].open ? "had not ended with the window" : NULL);
	}
}
