// SPDX-License-Identifier: BSD-2-Clause
/* What one thread did between two moments, from the ring of its transitions: loads only, because
 * the thread itself may ask, in the middle of its work. */
#include "probe/ledger.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "probe/set.h"

/* Entries that the kernel may write while we read; older ones are left alone. */
#define MARGIN 64
#define MAX_WHO 16

struct walk {
	const struct probe_set *set;
	const struct probe_thread *thread;
	const struct probe_history *history;
	uint64_t from_ns, to_ns;
	struct probe_interval *interval;
	struct probe_culprit who[MAX_WHO];
	unsigned nr_who;
};

static void blame(struct walk *w, uint64_t ns, const char *name, unsigned pid)
{
	char who[sizeof(w->who->who)];

	if (!ns)
		return;
	if (pid)
		snprintf(who, sizeof(who), "%.15s (%u)", name, pid);
	else
		snprintf(who, sizeof(who), "%.15s", name);
	for (unsigned i = 0; i < w->nr_who; i++)
		if (!strcmp(w->who[i].who, who)) {
			w->who[i].ns += ns;
			return;
		}
	if (w->nr_who == MAX_WHO)
		return;
	memcpy(w->who[w->nr_who].who, who, sizeof(who));
	w->who[w->nr_who++].ns = ns;
}

/* Part of what interrupts and the host took of a slice that only partly belongs to the interval. */
static uint64_t part(uint64_t taken, uint64_t ns, uint64_t slice_ns, uint64_t left)
{
	double p = slice_ns ? (double)taken * (double)ns / (double)slice_ns : 0;

	return p < (double)left ? (uint64_t)p : left;
}

static void running(struct walk *w, uint64_t ns, uint64_t slice_ns, const uint64_t *taken)
{
	static const char *const names[] = { "irq", "softirq", "host" };
	uint64_t left = ns;

	for (int i = 0; i < PROBE_TAKEN; i++) {
		uint64_t t = part(taken[i], ns, slice_ns, left);

		w->interval->ns[PROBE_CAUSE_HARDIRQ + i] += t;
		blame(w, t, names[i], 0);
		left -= t;
	}
	w->interval->ns[PROBE_CAUSE_ONCPU] += left;
}

/* It was in the state of e from e->at_ns to until_ns; taken is of that time when it ran. */
static void segment(struct walk *w, const struct probe_transition *e, uint64_t until_ns,
		    const uint64_t *taken)
{
	uint64_t from = e->at_ns > w->from_ns ? e->at_ns : w->from_ns;
	uint64_t to = until_ns < w->to_ns ? until_ns : w->to_ns, ns;
	unsigned cause;

	if (to <= from)
		return;
	ns = to - from;
	switch (e->state) {
	case PROBE_RUNNING:
		running(w, ns, until_ns - e->at_ns, taken);
		return;
	case PROBE_WAITING:
		cause = PROBE_CAUSE_RUNQUEUE;
		blame(w, ns, e->pid ? e->comm : "idle", e->pid);
		break;
	case PROBE_BLOCKED:
		cause = PROBE_CAUSE_DISK + e->blocked % PROBE_BLOCKED_CAUSES;
		break;
	default:
		cause = PROBE_CAUSE_UNACCOUNTED;
	}
	w->interval->ns[cause] += ns;
}

/* From the newest transition back to the beginning. False = the ring was overwritten meanwhile. */
static bool walk(struct walk *w, uint64_t head)
{
	uint64_t until = w->to_ns, oldest, taken[PROBE_TAKEN];
	const struct probe_thread *t = w->thread;
	const struct probe_cpu_clock *c = &w->set->clocks[t->cpu < w->set->nr_cpus ? t->cpu : 0];

	oldest = head > PROBE_HISTORY - MARGIN ? head - (PROBE_HISTORY - MARGIN) : 0;
	/* The last one goes on: what was taken of it so far. */
	taken[PROBE_TAKEN_HARDIRQ] = c->hardirq_ns - t->taken_at[PROBE_TAKEN_HARDIRQ];
	taken[PROBE_TAKEN_SOFTIRQ] = c->softirq_ns - t->taken_at[PROBE_TAKEN_SOFTIRQ];
	taken[PROBE_TAKEN_STEAL] = 0;
	for (uint64_t i = head; i > oldest; i--) {
		const struct probe_transition *e = &w->history->ring[(i - 1) % PROBE_HISTORY];

		if (e->at_ns < until) {
			segment(w, e, until, taken);
			until = e->at_ns;
		}
		for (int k = 0; k < PROBE_TAKEN; k++)
			taken[k] = e->taken_ns[k];
		if (e->at_ns <= w->from_ns)
			break;
	}
	if (until > w->from_ns)
		w->interval->ns[PROBE_CAUSE_UNACCOUNTED] += until - w->from_ns;
	return __atomic_load_n(&w->history->head, __ATOMIC_ACQUIRE) - head < MARGIN;
}

static void culprits(struct walk *w)
{
	for (unsigned n = 0; n < PROBE_MAX_CULPRITS; n++) {
		unsigned best = 0;

		for (unsigned i = 1; i < w->nr_who; i++)
			if (w->who[i].ns > w->who[best].ns)
				best = i;
		if (!w->nr_who || !w->who[best].ns)
			return;
		w->interval->culprits[n] = w->who[best];
		w->who[best].ns = 0;
	}
}

int probe_history(const struct probe_set *set, pid_t tid, uint64_t from_ns, uint64_t to_ns,
		  struct probe_interval *ret_interval)
{
	const struct probe_thread *t = set && set->history ? ledger_thread(set, tid) : NULL;
	struct walk w = { .set = set, .thread = t, .from_ns = from_ns, .to_ns = to_ns };
	uint64_t head, before = 0;
	bool ok = false;

	if (!t || !t->ring || t->ring > set->nr_rings)
		return -ENOENT;
	if (to_ns < from_ns)
		w.to_ns = from_ns;
	/* Nothing was written down until the window opened. */
	if (from_ns < set->start_ns) {
		w.from_ns = set->start_ns < w.to_ns ? set->start_ns : w.to_ns;
		before = w.from_ns - from_ns;
	}
	w.history = &set->history[t->ring - 1];
	w.interval = ret_interval;
	for (int i = 0; i < 3 && !ok; i++) {
		memset(ret_interval, 0, sizeof(*ret_interval));
		w.nr_who = 0;
		head = __atomic_load_n(&w.history->head, __ATOMIC_ACQUIRE);
		ok = walk(&w, head);
	}
	/* It ran all the time since the window opened: nothing was written down. */
	if (t->serial != set->serial && tid == gettid()) {
		memset(ret_interval, 0, sizeof(*ret_interval));
		w.nr_who = 0;
		ret_interval->ns[PROBE_CAUSE_ONCPU] = w.to_ns - w.from_ns;
	}
	ret_interval->ns[PROBE_CAUSE_UNACCOUNTED] += before;
	culprits(&w);
	return 0;
}
