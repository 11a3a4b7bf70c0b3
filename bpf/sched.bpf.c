// SPDX-License-Identifier: BSD-2-Clause
/* Scheduler metrics, all from one set of programs, because each program at sched_switch costs:
 * run-queue depth of every CPU, and run-queue latency, off-CPU time, switches and migrations of
 * the tracked threads, which are a state machine (running, waiting, blocked) each. Nothing is
 * recorded outside the window, and the clock is read at most once per event. */
#include "bench.bpf.h"
#include "depth.bpf.h"
#include "ledger.bpf.h"

#define TASK_DEAD 0x0080 /* include/linux/sched.h, since 4.14 */

#define DEPTH_EVENTS "sched_switch sched_wakeup sched_update_nr_running_tp"
#define THREAD_EVENTS "sched_switch sched_wakeup"

const struct probe_desc metrics[] SEC(".rodata.probe") = {
	PROBE_METRIC(PROBE_DEPTH, PROBE_DEPTH_MEAN, "sched.runq_depth", "tasks", DEPTH_EVENTS,
		     "runnable tasks, running and waiting, mean over time"),
	PROBE_METRIC(PROBE_DEPTH, PROBE_DEPTH_WAITING, "sched.runq_waiting", "tasks", DEPTH_EVENTS,
		     "runnable tasks that wait for the CPU, mean over time"),
	PROBE_METRIC(PROBE_DEPTH, PROBE_DEPTH_MAX, "sched.runq_depth_max", "tasks", DEPTH_EVENTS,
		     "most runnable tasks on one CPU at one time"),
	PROBE_METRIC(PROBE_DEPTH, PROBE_DEPTH_TIME, "sched.runq_time", "ratio", DEPTH_EVENTS,
		     "share of time at each depth; depth 63 means 63 or more"),
	PROBE_METRIC(PROBE_HIST, SCHED_LATENCY, "sched.runq_latency", "ns", THREAD_EVENTS,
		     "time from runnable to on a CPU, of tracked threads",
		     .better = PROBE_BETTER_LOWER),
	PROBE_METRIC(PROBE_HIST, SCHED_OFFCPU, "sched.offcpu", "ns", THREAD_EVENTS,
		     "time from leaving a CPU to running again, blocked or preempted, of tracked "
		     "threads"),
	PROBE_METRIC(PROBE_COUNT, SCHED_SWITCHES, "sched.switches", "count", "sched_switch",
		     "times that tracked threads left a CPU", .key = "kind",
		     .label = { "voluntary", "involuntary" }),
	PROBE_METRIC(PROBE_COUNT, SCHED_MIGRATIONS, "sched.migrations", "count",
		     "sched_migrate_task", "times that tracked threads changed CPU",
		     .better = PROBE_BETTER_LOWER),
	PROBE_METRIC(PROBE_BLAME, 0, "sched.blame", "ns", THREAD_EVENTS " sched_migrate_task",
		     "who had the CPU while tracked threads waited for it; sums to their wait",
		     .better = PROBE_BETTER_LOWER),
	PROBE_METRIC(PROBE_BALANCE, 0, "sched.work_conservation", "ratio", THREAD_EVENTS,
		     "share of time when a task waited behind another while an allowed CPU idled",
		     .better = PROBE_BETTER_LOWER),
	PROBE_METRIC(PROBE_WALL, PROBE_WALL_JOB, "wall.time", "ratio", THREAD_EVENTS,
		     "where the tracked threads' wall time went; the shares sum to 1"),
	PROBE_METRIC(PROBE_WALL, PROBE_WALL_TASK, "wall.time_of", "ratio", THREAD_EVENTS,
		     "the same for each thread, program or kind of kernel worker"),
	PROBE_METRIC(PROBE_WALL, PROBE_WALL_WORST, "wall.worst", "ns", THREAD_EVENTS,
		     "longest single wait of each cause, and whose it was",
		     .better = PROBE_BETTER_LOWER),
};

const struct probe_program programs[] SEC(".rodata.programs") = {
	{ "on_switch" },     { "on_wakeup" },  { "on_wakeup_new" },
	{ "on_nr_running" }, { "on_migrate" }, { "on_place" },	    { "on_sample" },
};
enum { RUN_SWITCH, RUN_WAKEUP, RUN_WAKEUP_NEW, RUN_NR_RUNNING, RUN_MIGRATE, RUN_PLACE, RUN_SAMPLE };

PROBE_VALUES(SCHED_SLOTS)
#include "memo.bpf.h"
#include "thread.bpf.h"

#include "foreign.bpf.h"

/* --- sched_switch --- */

/* The kernel numbers the switches of a run queue; a gap in what is seen is events lost. */
static __always_inline void switch_audit(struct probe_values_element *v, struct rq *rq, bool raw)
{
	__u64 seq = GET(raw, rq, nr_switches), last = v->slot[SCHED_SEQ];

	v->slot[SCHED_SEEN]++;
	if (unlikely(seq != last + 1) && last && seq - last - 1 < 1u << 20)
		v->slot[SCHED_LOST] += seq - last - 1;
	v->slot[SCHED_SEQ] = seq;
}

/* It left the run queue, says the run queue: prev_state alone is wrong for a preempted task, and
 * for one with a signal pending on 6.12.0 to 6.12.33. */
static __always_inline bool switch_blocked(bool preempt, struct task_struct *prev, __u64 state,
					   bool raw)
{
	if (preempt || !state)
		return false;
	return !task_on_rq(prev, raw) || task_delayed(prev, raw);
}

static __always_inline __u64 switch_state(__u64 *ctx, struct task_struct *prev, bool raw)
{
	return config.prev_state_arg ? (__u32)ctx[3] : task_state(prev, raw);
}

/* Why prev is blocked, or what it leaves behind. The last thing that on_switch does: the verifier
 * walks all that follows once for each way through this. prev is current, which is the same task in
 * the type that helpers take, in either form of the program (5.11, older than config.regs). */
static __always_inline void switch_after(__u64 *ctx, struct probe_thread *t,
					 struct task_struct *prev, bool raw, __u64 state,
					 struct probe_values_element *v, const struct event *e)
{
	const volatile struct probe_span *w = window_span(e->bank);

	if (unlikely(e->dead)) {
		thread_bury(t, prev, v, window_clip(w, t->born_ns, e->at.ns));
		return;
	}
	if (!config.regs)
		t->blocked = iowait_cause(prev, t, raw);
	else if (raw)
		t->blocked = blocked_on(bpf_get_current_task_btf(), t, state, true, false, true);
	else
		blocked_now(t, e->prev, state);
	if (unlikely(t->ring))
		history_blocked(t);
	/* A kernel worker without work is no riddle. */
	if (unlikely(READ_ONCE(t->blocked) == PROBE_BLOCKED_OTHER) &&
	    !(t->flags & PROBE_FLAG_IO_WORKER))
		stack_take(ctx, t, v, w, &e->at);
}

/* Outside a window only the depth from events goes on. */
static __always_inline void switch_unseen(struct task_struct *prev, struct task_struct *next,
					  bool blocked, bool raw)
{
	__u64 now = 0;

	if (config.depth_events)
		depth_switch(prev, next, blocked, raw, PROBE_NO_WINDOW, &now);
}

/* The queue of this CPU. Returns its depth if that changed, as e->depth says, else NULL. */
static __always_inline struct probe_depth *switch_queue(struct probe_values_element *v,
							struct task_struct *prev,
							struct task_struct *next, bool raw,
							struct event *e, __u64 *now)
{
	struct cfs_rq *cfs;
	struct rq *rq;

	if (!bpf_core_field_exists(next->se.cfs_rq->rq))
		return NULL;
	cfs = GET(raw, next, se.cfs_rq);
	rq = cfs ? GET(raw, cfs, rq) : NULL;
	if (!rq)
		return NULL;
	if (window_has(window_span(e->bank), *now))
		switch_audit(v, rq, raw);
	if (bpf_core_field_exists(rq->prev_steal_time_rq))
		e->steal = GET(raw, rq, prev_steal_time_rq);
	if (!config.depth_exact)
		return NULL;
	/* Whoever blocks counts until here. */
	return depth_switched(rq, raw, e->blocked, e->pid != 0, e->next_pid != 0, e->bank, now,
			      &e->depth);
}

static __always_inline int on_switch(__u64 *ctx, bool raw)
{
	bool preempt = (bool)ctx[0];
	struct task_struct *prev = (void *)ctx[1], *next = (void *)ctx[2];
	const volatile struct probe_span *w;
	struct probe_values_element *v;
	__u32 bank = window_bank();
	struct probe_thread *in, *out;
	struct probe_depth *depth;
	struct event e = {};
	__u64 state, now;
	bool blocked;

	if (bank == PROBE_NO_WINDOW && !config.depth_events)
		return 0;
	state = switch_state(ctx, prev, raw);
	blocked = switch_blocked(preempt, prev, state, raw);
	if (bank == PROBE_NO_WINDOW) {
		switch_unseen(prev, next, blocked, raw);
		return 0;
	}
	v = values_here(bank);
	if (!v)
		return 0;
	v->runs[RUN_SWITCH]++;
	w = window_span(bank);
	now = bpf_ktime_get_ns();
	if (config.depth_events)
		depth_switch(prev, next, blocked, raw, bank, &now);
	e.prev = (__u64)prev;
	e.next = (__u64)next;
	e.bank = bank;
	e.pid = GET(raw, prev, pid);
	e.next_pid = GET(raw, next, pid);
	e.blocked = blocked;
	e.dead = !!(state & TASK_DEAD);
	if (config.blame) {
		e.ran = blame_exec(prev, raw);
		e.before = blame_exec_before(prev, raw);
		e.next_ran = blame_exec(next, raw);
	}
	depth = switch_queue(v, prev, next, raw, &e, &now);
	e.at = window_moment(w, now);

	/* The idle task is one per CPU with the same pid 0: never followed. */
	out = e.pid ? memo_thread(v, prev, raw) : NULL;
	in = e.next_pid ? memo_thread(v, next, raw) : NULL;
	if (raw) {
		account(out, in, v, depth, &e, true);
	} else {
		/* What it ran unseen in this slice was no wait in it. */
		if (out && unlikely(out->state != PROBE_RUNNING) && out->serial == w->serial)
			thread_missed(out, v, &e);
		switch_account(out, in, v, depth, &e);
	}
	if (config.causes && out && blocked)
		switch_after(ctx, out, prev, raw, state, v, &e);
	return 0;
}
PROBE_TRACEPOINT(sched_switch, on_switch)

/* --- wake-ups --- */

/* A wake-up puts the task on the queue first, which reads the clock for the depth: its time serves
 * both events. That they belong together is seen by the queue's own clock, which the kernel reads
 * anew each time that it takes the queue's lock to wake somebody. */
static __always_inline void queue_clock_set(struct probe_values_element *v, struct rq *rq, bool raw,
					    __u64 now)
{
	if (raw)
		return; /* as many copies as the clock costs */
	v->slot[SCHED_QUEUE] = (__u64)rq;
	v->slot[SCHED_QUEUE_CLOCK] = rq->clock;
	v->slot[SCHED_QUEUE_NS] = now;
}

/* 0 = this wake-up has none. */
static __always_inline __u64 queue_clock(struct probe_values_element *v, struct rq *rq, bool raw)
{
	if (raw || v->slot[SCHED_QUEUE] != (__u64)rq || v->slot[SCHED_QUEUE_CLOCK] != rq->clock)
		return 0;
	return v->slot[SCHED_QUEUE_NS];
}

/* A wake-up starts the wait of a blocked thread only: waking one that is queued or running fires
 * the same event. */
static __always_inline void wake_thread(struct task_struct *task, bool raw, bool born, __u32 bank,
					__u64 *now, struct probe_values_element *v)
{
	struct probe_thread *t = memo_thread(v, task, raw);
	struct now n;
	struct change c;
	bool first;

	if (!t)
		return;
	if (!*now)
		*now = bpf_ktime_get_ns();
	n = (struct now){ .v = v, .w = window_span(bank), .bank = bank };
	n.all = ledger_of(t, v);
	n.at = window_moment(n.w, *now);
	n.queue = task_cpu(task, raw);
	t->seq++;
	barrier();
	if (born) {
		/* Its life, as far as anyone waits for it, begins here. */
		t->born_ns = *now;
		thread_begin(t, n.w, bank, 0, PROBE_WAITING, raw);
		t->since_ns = n.at.ns;
		t->off_ns = 0;
		if (config.blame)
			t->wait_cpu = blame_arrive(n.w, bank, n.queue, &n.at);
	} else {
		first = thread_begin(t, n.w, bank, 0, PROBE_BLOCKED, raw);
		/* It went to sleep before the window: it still is where it did. */
		if (config.causes && unlikely(first) && !raw)
			t->blocked = blocked_cause(task, t, TASK_UNINTERRUPTIBLE);
		if (unlikely(first) && t->ring)
			history_begin(t, n.queue);
		if (t->state == PROBE_BLOCKED) {
			c = change_now(&n, PROBE_WAITING);
			thread_change(t, v, n.all, NULL, &c, PROBE_BLOCKED);
		}
	}
	barrier();
	t->seq++;
}

static __always_inline int wake(__u64 *ctx, bool raw, bool born)
{
	struct task_struct *task = (void *)ctx[0];
	struct probe_values_element *v;
	__u32 bank = window_bank();
	struct cfs_rq *cfs;
	struct rq *rq;
	__u64 now = 0;

	if (bank == PROBE_NO_WINDOW) {
		if (config.depth_events)
			depth_wakeup(task, raw, bank, &now);
		return 0;
	}
	v = values_here(bank);
	if (!v)
		return 0;
	v->runs[born ? RUN_WAKEUP_NEW : RUN_WAKEUP]++;
	/* Waking one that runs, mostly oneself, changes nothing, and may hold no run-queue lock. */
	if (task_on_cpu(task, raw))
		return 0;
	if (config.depth_events)
		depth_wakeup(task, raw, bank, &now);
	/* Waking a sleeper whose dequeue was delayed makes it runnable again without a change of
	 * nr_running; in all other cases the depth is up to date. */
	if (config.depth_exact && (!raw || bpf_core_field_exists(task->se.sched_delayed))) {
		cfs = GET(raw, task, se.cfs_rq);
		rq = cfs ? GET(raw, cfs, rq) : NULL;
		now = rq ? queue_clock(v, rq, raw) : 0;
		if (rq && !now && bpf_core_field_exists(task->se.sched_delayed))
			depth_refresh(rq, raw, -1, bank, &now);
	}
	wake_thread(task, raw, born, bank, &now, v);
	return 0;
}

static __always_inline int on_wakeup(__u64 *ctx, bool raw)
{
	return wake(ctx, raw, false);
}
PROBE_TRACEPOINT(sched_wakeup, on_wakeup)

static __always_inline int on_wakeup_new(__u64 *ctx, bool raw)
{
	return wake(ctx, raw, true);
}
PROBE_TRACEPOINT(sched_wakeup_new, on_wakeup_new)

/* --- depth and migrations --- */

/* Does the task that runs on rq, which is this CPU's, take itself off it? It counts until the switch,
 * which follows (depth_read()). */
static __always_inline bool queue_leaving(struct rq *rq, bool raw)
{
	struct task_struct *curr;

	if ((__u32)GET(raw, rq, cpu) != bpf_get_smp_processor_id())
		return false;
	curr = GET(raw, rq, curr);
	return curr && task_state(curr, raw);
}

/* sched_update_nr_running_tp(rq, change): after the change, under the lock of rq. */
static __always_inline int on_nr_running(__u64 *ctx, bool raw)
{
	struct rq *rq = (void *)ctx[0];
	int change = (int)ctx[1];
	struct probe_values_element *v;
	__u32 bank = window_bank();
	__u64 now = 0;

	if (bank == PROBE_NO_WINDOW)
		return 0;
	v = values_here(bank);
	if (!v)
		return 0;
	v->runs[RUN_NR_RUNNING]++;
	if (change < 0 && queue_leaving(rq, raw))
		return 0;
	depth_refresh(rq, raw, -change, bank, &now);
	if (change > 0)
		queue_clock_set(v, rq, raw, now);
	return 0;
}
PROBE_TRACEPOINT(sched_update_nr_running_tp, on_nr_running)

static __always_inline int on_migrate(__u64 *ctx, bool raw)
{
	struct task_struct *task = (void *)ctx[0];
	struct probe_values_element *v;
	__u32 bank = window_bank();
	const volatile struct probe_span *w;
	struct probe_thread *t;
	__u64 now = 0;

	if (config.depth_events)
		depth_migrate(task, (int)ctx[1], raw, bank, &now);
	if (bank == PROBE_NO_WINDOW)
		return 0;
	v = values_here(bank);
	if (!v)
		return 0;
	v->runs[RUN_MIGRATE]++;
	t = memo_thread(v, task, raw);
	if (!t)
		return 0;
	if (!now)
		now = bpf_ktime_get_ns();
	w = window_span(bank);
	if (config.blame)
		blame_migrate(t, w, bank, (__u32)ctx[1], now);
	if (t->ring && t->state == PROBE_WAITING && t->serial == w->serial) {
		t->seq++;
		barrier();
		history_again(t, (__u32)ctx[1], now);
		barrier();
		t->seq++;
	}
	if (window_has(w, now))
		v->slot[SCHED_MIGRATIONS]++;
	return 0;
}
PROBE_TRACEPOINT(sched_migrate_task, on_migrate)

/* Every new task starts off the queue; only where the depth comes from events. */
static __always_inline int on_place(__u64 *ctx, bool raw)
{
	struct task_struct *task = (void *)ctx[0];
	struct probe_values_element *v;
	struct probe_place *place;
	__u32 bank = window_bank();

	if (!config.depth_events)
		return 0;
	place = place_new(task, raw);
	if (place)
		place->state = PROBE_Q_OFF;
	v = bank == PROBE_NO_WINDOW ? NULL : values_here(bank);
	if (v)
		v->runs[RUN_PLACE]++;
	return 0;
}
PROBE_TRACEPOINT(task_newtask, on_place)

/* --- started by userspace --- */

/* Over all tasks once: the address of every run queue, and, for the depth from events, who is
 * queued where. A live event that came first wins. */
SEC("iter/task")
int seed(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct probe_place *place;
	struct probe_queue *q;
	struct cfs_rq *cfs;
	__u32 cpu;

	if (!task)
		return 0;
	if (bpf_core_field_exists(task->se.cfs_rq->rq)) {
		cfs = task->se.cfs_rq;
		if (cfs && cfs->rq) {
			q = depth_queue(cfs->rq->cpu);
			if (q)
				q->rq = (__u64)cfs->rq;
		}
	}
	if (!config.depth_events)
		return 0;
	place = place_new(task, false);
	if (!place || place->state != PROBE_Q_UNKNOWN)
		return 0;
	if (task->on_rq != 1 || task_delayed(task, false)) {
		place->state = PROBE_Q_OFF;
		return 0;
	}
	cpu = task_cpu(task, false);
	place->cpu = cpu;
	place->state = task->on_cpu ? PROBE_Q_RUNNING : PROBE_Q_QUEUED;
	q = depth_queue(cpu);
	if (q) {
		__sync_fetch_and_add(&q->arrived, 1);
		if (task->on_cpu)
			q->running = 1;
	}
	return 0;
}

/* Run by a timer of each CPU, or of each thread that is sampled, about every millisecond of a window: was
 * it user code or the kernel that it interrupted? What interrupts is neither. 1: the sample is kept. */
SEC("perf_event")
int on_sample(struct sample_regs *ctx)
{
	struct task_struct *task = task_current(config.raw);
	struct probe_cpu_clock *clock = cpu_clock_here();
	struct probe_values_element *v;
	__u32 bank = window_bank(), i;
	struct probe_thread *t;

	if (bank == PROBE_NO_WINDOW || !clock || clock->soft_since)
		return 1;
	v = values_here(bank);
	if (!v)
		return 1;
	v->runs[RUN_SAMPLE]++;
	if (!GET(config.raw, task, pid))
		return 1;
	t = thread_of(task, config.raw);
	if (!t || !window_has(window_span(bank), bpf_ktime_get_ns()))
		return 1;
	/* It runs here with interrupts off: nobody else changes it. */
	if (t->serial != window_span(bank)->serial) {
		t->seq++;
		barrier();
		thread_clear(t, bank, clock->steal_base, PROBE_RUNNING);
		if (t->ring)
			history_begin(t, 0);
		barrier();
		t->seq++;
	}
	i = sample_user(ctx) ? PROBE_SAMPLE_USER : PROBE_SAMPLE_KERNEL;
	t->ledger.samples[i]++;
	ledger_of(t, v)->samples[i]++;
	return 1;
}

/* Run on a CPU by BPF_PROG_TEST_RUN: the host's share of the CPU so far. */
SEC("raw_tp")
int steal(__u64 *ctx)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct probe_cpu_clock *clock = cpu_clock_here();
	struct probe_queue *q = depth_queue(cpu);
	struct rq *rq = q ? (struct rq *)q->rq : NULL;

	if (rq && clock && bpf_core_field_exists(rq->prev_steal_time_rq))
		clock->steal_end = BPF_CORE_READ(rq, prev_steal_time_rq);
	return 0;
}

/* Run on a CPU by BPF_PROG_TEST_RUN at the window's end: the depth of a CPU without events in this
 * window, which is then the depth of all of it, or since when one idles that seemed not to. */
SEC("raw_tp")
int peek(__u64 *ctx)
{
	__u32 cpu = bpf_get_smp_processor_id(), bank = window_bank();
	struct probe_queue *q = depth_queue(cpu);
	struct probe_values_element *v;
	struct probe_depth *slot;
	struct depth_now d;
	__u64 since;

	if (bank == PROBE_NO_WINDOW || !q || !config.depth_exact || !q->rq)
		return 0;
	slot = depth_slot(bank, cpu);
	if (!slot)
		return 0;
	d = depth_read((struct rq *)q->rq, true);
	if (!slot->touched) {
		slot->peek_depth = d.depth;
		slot->peek_waiting = d.waiting;
		slot->peeked = 1;
		return 0;
	}
	v = values_here(bank);
	if (d.depth || !slot->depth || !v || !v->slot[SCHED_QUEUE_NS])
		return 0;
	since = depth_idle_since((struct rq *)q->rq, true,
				 v->slot[SCHED_QUEUE_NS] - v->slot[SCHED_QUEUE_CLOCK]);
	if (since <= slot->since_ns)
		return 0;
	slot->idle_ns = since;
	balance_was_idle(cpu, since, bank, bpf_ktime_get_ns());
	return 0;
}

/* Run for a CPU, on any, by BPF_PROG_TEST_RUN: what it does as the window begins. */
SEC("raw_tp")
int balance_peek(__u64 *ctx)
{
	__u32 cpu = (__u32)ctx[0], bank = window_bank(), depth;
	struct probe_queue *q = depth_queue(cpu);

	if (bank == PROBE_NO_WINDOW || !q)
		return 0;
	if (config.depth_exact && q->rq)
		depth = depth_read((struct rq *)q->rq, true).depth;
	else if (config.depth_events)
		depth = q->count > 0 ? q->count : 0;
	else
		return 0;
	balance_begin(cpu, depth, bank);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
