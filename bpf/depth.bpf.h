/* SPDX-License-Identifier: BSD-2-Clause */
/* Run-queue depth per CPU, integrated over time. Two ways to know the depth:
 *
 * exact: it is read from the run queue whenever the kernel changes it
 *   (sched_update_nr_running_tp), less the sleepers that are still counted there because their
 *   dequeue is delayed (6.12 and later). Those change at sched_switch and sched_wakeup.
 * events: where that tracepoint is missing, a state per task (off, queued on a CPU, running)
 *   follows wake-ups, switches and migrations, and tasks are counted.
 *
 * All of this runs under the run-queue lock of the CPU concerned, so there is one writer. */
#ifndef DEPTH_BPF_H
#define DEPTH_BPF_H

#include "balance.bpf.h"
#include "bench.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct probe_depth);
} depth SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct probe_queue);
} queues SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct probe_place);
} places SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, struct probe_place);
} places_hash SEC(".maps");

static __always_inline struct probe_depth *depth_slot(__u32 bank, __u32 cpu)
{
	__u32 key = bank * config.nr_cpus + cpu;

	return cpu < config.nr_cpus ? bpf_map_lookup_elem(&depth, &key) : NULL;
}

static __always_inline struct probe_queue *depth_queue(__u32 cpu)
{
	return bpf_map_lookup_elem(&queues, &cpu);
}

/* Add the interval from the last change until m to the slot. */
static __always_inline void depth_account(struct probe_depth *d, const struct moment *m)
{
	__u64 ns = positive(m->till - d->since_ns);
	__u32 at = d->depth < PROBE_DEPTHS ? d->depth : PROBE_DEPTHS - 1;

	if (unlikely(m->ns < d->since_ns))
		d->backwards++;
	if (!ns)
		return;
	d->at_ns[at & (PROBE_DEPTHS - 1)] += ns;
	d->depth_ns += ns * d->depth;
	d->waiting_ns += ns * d->waiting;
	if (d->depth > d->max)
		d->max = d->depth;
}

/* A change of the depth of a CPU, and what it was before if this is the first one in the window. */
struct depth_event {
	__u32 before, before_waiting;
	__u32 depth, waiting;
};

/* The state is now as e says; until now it was what the slot says, or, when this is the first event
 * in the window, what it was before e since the window began. */
static __always_inline void depth_apply(struct probe_depth *d, const struct depth_event *e,
					const volatile struct probe_span *w, const struct moment *m)
{
	d->seq++;
	barrier();
	if (unlikely(!d->touched)) {
		d->depth = e->before;
		d->waiting = e->before_waiting;
		d->since_ns = w->start_ns;
		d->touched = 1;
	}
	depth_account(d, m);
	d->depth = e->depth;
	d->waiting = e->waiting;
	d->since_ns = m->ns;
	barrier();
	d->seq++;
}

/* The same, unless it is so already. *now is 0 until somebody needed the clock. */
static __always_inline void depth_set(struct probe_depth *d, const struct depth_event *e,
				      __u32 bank, __u64 *now)
{
	struct moment m;

	if (d->touched && d->depth == e->depth && d->waiting == e->waiting)
		return;
	if (!*now)
		*now = bpf_ktime_get_ns();
	m = window_moment(window_span(bank), *now);
	depth_apply(d, e, window_span(bank), &m);
}

/* --- exact --- */

struct depth_now {
	__u32 depth, waiting, running;
};

static __always_inline __u32 rq_delayed(struct rq *rq, bool raw)
{
	if (bpf_core_field_exists(rq->cfs.h_nr_runnable) &&
	    bpf_core_field_exists(rq->cfs.h_nr_queued))
		return GET(raw, rq, cfs.h_nr_queued) - GET(raw, rq, cfs.h_nr_runnable);
	if (bpf_core_field_exists(rq->cfs.h_nr_delayed))
		return GET(raw, rq, cfs.h_nr_delayed);
	return 0;
}

static __always_inline __u32 depth_less(__u32 a, __u32 b)
{
	return a > b ? a - b : 0;
}

/* A task that has left the queue runs until the switch away from it, and counts until then: so the
 * depth falls where a trace of switches has it fall, and the clock need not be read twice. */
static __always_inline struct depth_now depth_read(struct rq *rq, bool raw)
{
	struct task_struct *curr = GET(raw, rq, curr);
	struct depth_now d;

	d.depth = depth_less(GET(raw, rq, nr_running), rq_delayed(rq, raw));
	d.running = curr != GET(raw, rq, idle);
	/* The idle task is queued. */
	d.depth += (__u32)!task_on_rq(curr, raw) | (__u32)task_delayed(curr, raw);
	d.waiting = depth_less(d.depth, d.running);
	return d;
}

/* The switch to the idle task may be hidden from every program (some hosts do that to tasks of their
 * own), and no event follows until somebody is woken. When the CPU became idle its queue knows.
 * offset: how much less its clock says than ours. 0 = not known. */
static __always_inline __u64 depth_idle_since(struct rq *rq, bool raw, __u64 offset)
{
	__u64 stamp;

	if (!bpf_core_field_exists(rq->idle_stamp))
		return 0;
	stamp = GET(raw, rq, idle_stamp);
	return stamp ? stamp + offset : 0;
}

/* Somebody is about to be queued on rq, whose clock the kernel has just read, and which is idle: so
 * it was empty until now. */
static __always_inline void depth_was_idle(struct probe_depth *slot, struct rq *rq, bool raw,
					   __u32 cpu, __u32 bank, __u64 *now)
{
	static const struct depth_event none;
	__u64 since;

	if (!*now)
		*now = bpf_ktime_get_ns();
	since = depth_idle_since(rq, raw, *now - GET(raw, rq, clock));
	if (since <= slot->since_ns || since >= *now)
		return;
	if (!slot->idle_ns)
		balance_was_idle(cpu, since, bank, *now);
	depth_set(slot, &none, bank, &since);
}

/* Is the queue of cpu, now as d has it, other than it was? gone: how many more were runnable just
 * before the event than now. was_running: a task, not idle, was on that CPU before it. */
static __always_inline bool depth_became(struct probe_depth *slot, const struct depth_now *d,
					 __u32 cpu, int gone, int was_running, __u32 bank,
					 __u64 *now, struct depth_event *ret)
{
	if (slot->touched && slot->depth == d->depth && slot->waiting == d->waiting)
		return false;
	if (!slot->touched || slot->depth != d->depth)
		balance_set(cpu, d->depth, bank, now);
	ret->depth = d->depth;
	ret->waiting = d->waiting;
	ret->before = (int)d->depth + gone > 0 ? d->depth + gone : 0;
	ret->before_waiting = depth_less(ret->before, was_running);
	return true;
}

/* Somebody was queued on rq, or taken off it, or runs no longer though still on it. */
static __always_inline void depth_refresh(struct rq *rq, bool raw, int gone, __u32 bank, __u64 *now)
{
	struct depth_now d = depth_read(rq, raw);
	__u32 cpu = GET(raw, rq, cpu);
	struct probe_depth *slot = depth_slot(bank, cpu);
	struct depth_event e;

	if (!slot)
		return;
	if (gone < 0 && !d.running && slot->touched && slot->depth)
		depth_was_idle(slot, rq, raw, cpu, bank, now);
	if (depth_became(slot, &d, cpu, gone, d.running, bank, now, &e))
		depth_set(slot, &e, bank, now);
}

/* At a switch of this CPU, whose queue is rq, from a task that has left it or has not: next is
 * current already, and on it. Returns where to depth_apply() ret, or NULL. balance_set() is not
 * part of that: userspace can take its atomic operations out of programs, but not out of what they
 * call. */
static __always_inline struct probe_depth *depth_switched(struct rq *rq, bool raw, bool left,
							  bool was_running, bool running,
							  __u32 bank, __u64 *now,
							  struct depth_event *ret)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct probe_depth *slot = depth_slot(bank, cpu);
	struct depth_now d;

	if (!slot)
		return NULL;
	d.depth = depth_less(GET(raw, rq, nr_running), rq_delayed(rq, raw));
	d.running = running;
	d.waiting = depth_less(d.depth, running);
	return depth_became(slot, &d, cpu, left, was_running, bank, now, ret) ? slot : NULL;
}

/* --- events --- */

static __always_inline struct probe_place *place_of(struct task_struct *task, bool raw)
{
	__u32 tid;

	if (!raw && config.storage)
		return bpf_task_storage_get(&places, task, NULL, 0);
	tid = GET(raw, task, pid);
	return bpf_map_lookup_elem(&places_hash, &tid);
}

static __always_inline struct probe_place *place_new(struct task_struct *task, bool raw)
{
	struct probe_place zero = {};
	__u32 tid;

	if (!raw && config.storage)
		return bpf_task_storage_get(&places, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	tid = GET(raw, task, pid);
	bpf_map_update_elem(&places_hash, &tid, &zero, BPF_NOEXIST);
	return bpf_map_lookup_elem(&places_hash, &tid);
}

/* Change the count of a CPU by delta; running: 1, 0, or -1 = as it was. */
static __always_inline void depth_move(__u32 cpu, int delta, int running, __u32 bank, __u64 *now)
{
	struct probe_queue *q = depth_queue(cpu);
	struct probe_depth *slot;
	struct depth_event e;
	__u32 depth, waiting;
	__u64 arrived;

	if (!q)
		return;
	depth = q->count > 0 ? q->count : 0;
	waiting = depth_less(depth, q->running);
	arrived = READ_ONCE(q->arrived);
	q->count += delta + (__s64)(arrived - q->joined);
	q->joined = arrived;
	if (running >= 0)
		q->running = running;
	/* An idle CPU has nobody queued: what was missed until here is forgotten. */
	if (!q->running && running == 0)
		q->count = 0;
	if (q->count < 0)
		q->count = 0;
	if (bank == PROBE_NO_WINDOW)
		return;
	slot = depth_slot(bank, cpu);
	if (!slot)
		return;
	balance_set(cpu, q->count, bank, now);
	e.before = depth;
	e.before_waiting = waiting;
	e.depth = q->count;
	e.waiting = depth_less(q->count, q->running);
	depth_set(slot, &e, bank, now);
}

/* A wake-up counts only from off the queue: waking a task that is still queued or on a CPU also
 * fires sched_wakeup. */
static __always_inline void depth_wakeup(struct task_struct *task, bool raw, __u32 bank, __u64 *now)
{
	struct probe_place *place = place_of(task, raw);

	if (!place || place->state == PROBE_Q_QUEUED || place->state == PROBE_Q_RUNNING)
		return;
	place->state = PROBE_Q_QUEUED;
	place->cpu = task_cpu(task, raw);
	depth_move(place->cpu, 1, -1, bank, now);
}

static __always_inline void depth_switch(struct task_struct *prev, struct task_struct *next,
					 bool blocked, bool raw, __u32 bank, __u64 *now)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct probe_place *place;
	int delta = 0;

	if (GET(raw, prev, pid)) {
		place = place_of(prev, raw);
		if (place) {
			/* Not counted until now: its switch-in and wake-up were missed. */
			bool counted = place->state >= PROBE_Q_QUEUED;

			delta += (blocked ? 0 : 1) - (counted ? 1 : 0);
			place->state = blocked ? PROBE_Q_OFF : PROBE_Q_QUEUED;
			place->cpu = cpu;
		}
	}
	if (GET(raw, next, pid)) {
		place = place_of(next, raw);
		if (place) {
			if (place->state < PROBE_Q_QUEUED)
				delta++;
			place->state = PROBE_Q_RUNNING;
			place->cpu = cpu;
		}
	}
	depth_move(cpu, delta, GET(raw, next, pid) != 0, bank, now);
}

/* Only a queued task takes its place along; a waking one is placed by its wake-up. The lock of the
 * new CPU's queue is not held here: that CPU takes the arrival in at its next event. */
static __always_inline void depth_migrate(struct task_struct *task, __u32 to, bool raw, __u32 bank,
					  __u64 *now)
{
	struct probe_place *place = place_of(task, raw);
	struct probe_queue *q = depth_queue(to);

	if (!place || !q || place->state != PROBE_Q_QUEUED || place->cpu == to)
		return;
	depth_move(place->cpu, -1, -1, bank, now);
	place->cpu = to;
	__sync_fetch_and_add(&q->arrived, 1);
}

#endif
