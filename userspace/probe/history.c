// SPDX-License-Identifier: BSD-2-Clause
/* What one thread did between two moments, from the ring of its transitions: loads only, because
 * the thread itself may ask, in the middle of its work. */
#include "probe/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "probe/blame.h"
#include "probe/set.h"

/* Entries that the kernel may write while we read; older ones are left alone. */
#define MARGIN 64
#define MAX_WHO 32
#define IDLE 0u		    /* pids of nobody */
#define UNKNOWN UINT32_MAX

struct walk {
	const struct probe_set *set;
	const struct probe_thread *thread;
	const struct probe_history *history;
	uint64_t from_ns, to_ns;
	struct probe_interval *interval;
	struct who {
		uint32_t pid, cpu; /* of a task: a CPU that it was met on */
		uint64_t ns;
	} who[MAX_WHO];
	unsigned nr_who;
	uint64_t others_ns; /* who has no place in who */
	uint32_t slice_cpu; /* where the search for slices stopped, ... */
	uint64_t slice_at;  /* ... before this one */
};

static void blame(struct walk *w, uint32_t cpu, uint32_t pid, uint64_t ns)
{
	if (!ns)
		return;
	for (unsigned i = 0; i < w->nr_who; i++)
		if (w->who[i].pid == pid) {
			w->who[i].ns += ns;
			return;
		}
	if (w->nr_who == MAX_WHO)
		w->others_ns += ns;
	else
		w->who[w->nr_who++] = (struct who){ pid, cpu, ns };
}

static uint64_t overlap(uint64_t a_from, uint64_t a_to, uint64_t b_from, uint64_t b_to)
{
	uint64_t from = a_from > b_from ? a_from : b_from, to = a_to < b_to ? a_to : b_to;

	return to > from ? to - from : 0;
}

/* It waited for this CPU: who had it. Waits come in the order from the newest back, so the search
 * goes on where it stopped. A slice of which nobody knows leaves a gap. */
static void waited(struct walk *w, uint32_t cpu, uint64_t from, uint64_t to)
{
	const struct probe_slices *s = cpu < w->set->nr_cpus ? &w->set->slices[cpu] : NULL;
	const struct probe_blame *now = s ? blame_here(w->set, cpu) : NULL;
	uint64_t left = to - from, head, oldest, ns;

	if (now && now->since_ns) { /* the slice that is not over yet */
		ns = overlap(now->since_ns, UINT64_MAX, from, to);
		blame(w, cpu, now->owner, ns);
		left -= ns;
	}
	head = s ? __atomic_load_n(&s->head, __ATOMIC_ACQUIRE) : 0;
	oldest = head > PROBE_SLICES - MARGIN ? head - (PROBE_SLICES - MARGIN) : 0;
	if (w->slice_cpu != cpu || w->slice_at > head || !w->slice_at) {
		w->slice_cpu = cpu;
		w->slice_at = head;
	}
	for (; w->slice_at > oldest; w->slice_at--) {
		const struct probe_slice *e = &s->ring[(w->slice_at - 1) % PROBE_SLICES];

		if (e->to_ns <= from)
			break;
		ns = overlap(e->from_ns, e->to_ns, from, to);
		if (ns > left)
			ns = left;
		blame(w, cpu, e->pid, ns);
		left -= ns;
		if (e->from_ns < from)
			break;
	}
	blame(w, cpu, UNKNOWN, left);
}

/* Part of what interrupts and the host took of a slice that only partly belongs to the interval. */
static uint64_t part(uint64_t taken, uint64_t ns, uint64_t slice_ns, uint64_t left)
{
	double p = slice_ns ? (double)taken * (double)ns / (double)slice_ns : 0;

	return p < (double)left ? (uint64_t)p : left;
}

static void running(struct walk *w, uint64_t ns, uint64_t slice_ns, const uint64_t *taken)
{
	uint64_t left = ns;

	for (int i = 0; i < PROBE_TAKEN; i++) {
		uint64_t t = part(taken[i], ns, slice_ns, left);

		w->interval->ns[PROBE_CAUSE_HARDIRQ + i] += t;
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
		waited(w, e->cpu, from, to);
		break;
	case PROBE_BLOCKED:
		cause = PROBE_CAUSE_DISK + e->blocked % PROBE_BLOCKED_CAUSES;
		break;
	default:
		cause = PROBE_CAUSE_UNACCOUNTED;
	}
	w->interval->ns[cause] += ns;
}

static void walk_start(struct walk *w)
{
	memset(w->interval, 0, sizeof(*w->interval));
	w->nr_who = 0;
	w->others_ns = 0;
	w->slice_at = 0;
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

static int by_ns_down(const void *a, const void *b)
{
	uint64_t x = ((const struct who *)a)->ns, y = ((const struct who *)b)->ns;

	return x < y ? 1 : x > y ? -1 : 0;
}

static void culprit_name(const struct walk *w, const struct who *who, char *ret_name, size_t size)
{
	const struct probe_thief *thief = blame_thief(w->set, who->cpu, who->pid);

	if (who->pid == IDLE || who->pid == UNKNOWN)
		snprintf(ret_name, size, "%s", who->pid == IDLE ? "idle" : "unknown");
	else
		snprintf(ret_name, size, "%.15s (%u)", thief && thief->comm[0] ? thief->comm : "task",
			 who->pid);
}

static void culprits(struct walk *w)
{
	struct probe_culprit *c = w->interval->culprits, *others = &c[PROBE_MAX_CULPRITS - 1];

	qsort(w->who, w->nr_who, sizeof(*w->who), by_ns_down);
	for (unsigned i = 0; i < w->nr_who; i++) {
		if (i < PROBE_MAX_CULPRITS - 1) {
			culprit_name(w, &w->who[i], c[i].who, sizeof(c[i].who));
			c[i].ns = w->who[i].ns;
		} else {
			w->others_ns += w->who[i].ns;
		}
	}
	if (!w->others_ns)
		return;
	strcpy(others->who, PROBE_OTHERS);
	others->ns = w->others_ns;
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
		walk_start(&w);
		head = __atomic_load_n(&w.history->head, __ATOMIC_ACQUIRE);
		ok = walk(&w, head);
	}
	/* It ran all the time since the window opened: nothing was written down. */
	if (t->serial != set->serial && tid == gettid()) {
		walk_start(&w);
		ret_interval->ns[PROBE_CAUSE_ONCPU] = w.to_ns - w.from_ns;
	}
	ret_interval->ns[PROBE_CAUSE_UNACCOUNTED] += before;
	culprits(&w);
	return 0;
}
