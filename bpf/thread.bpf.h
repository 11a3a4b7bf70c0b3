/* SPDX-License-Identifier: BSD-2-Clause */
/* A tracked thread: a state machine (running, waiting, blocked) whose time is charged to causes at
 * each transition, under the scheduler's locks of that thread. Part of sched.bpf.c. */
#ifndef THREAD_BPF_H
#define THREAD_BPF_H

#include "blame.bpf.h"
#include "ledger.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct probe_history);
} history SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct probe_slices);
} slices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PROBE_STACKS);
	__type(key, __u32);
	__type(value, struct probe_stack);
} stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PROBE_GRAVES);
	__type(key, char[16]);
	__type(value, struct probe_grave);
} graves SEC(".maps");

struct probe_ledger_state {
	__u64 stacks; /* taken, ever */
	__u64 no_grave;
} ledger_state SEC(".data.ledger") = {};

/* What an event has at hand. */
struct now {
	struct probe_values_element *v;
	const volatile struct probe_span *w;
	struct probe_ledger *all;      /* that the thread belongs to */
	struct probe_cpu_clock *clock; /* of this CPU; NULL = nobody runs or ran in this event */
	struct moment at;
	__u64 steal; /* the host's share of this CPU so far */
	__u32 bank;
	__u32 queue; /* the CPU that is waited for from now on */
};

/* The job's ledger, or the one of io_uring's kernel workers, on this CPU. */
static __always_inline struct probe_ledger *ledger_of(const struct probe_thread *t,
						      struct probe_values_element *v)
{
	__u32 slot = t->flags & PROBE_FLAG_IO_WORKER ? SCHED_LEDGER_IO : SCHED_LEDGER;

	return (struct probe_ledger *)&v->slot[slot];
}

/* Its times start from zero; see thread_begin(). */
static __always_inline void thread_clear(struct probe_thread *t, __u32 bank, __u64 steal,
					 __u32 state)
{
	const volatile struct probe_span *w = window_span(bank);
	const struct probe_cpu_clock *clock = cpu_clock_here();

	__builtin_memset(&t->ledger, 0, sizeof(t->ledger));
	t->switches[0] = 0;
	t->switches[1] = 0;
	t->state = state;
	t->blocked = PROBE_BLOCKED_OTHER;
	t->wait_cpu = 0;
	t->stack = 0;
	t->since_ns = window_moment(w, t->born_ns).ns;
	t->off_ns = state == PROBE_RUNNING ? 0 : t->since_ns;
	if (clock && state == PROBE_RUNNING) {
		t->cpu = bpf_get_smp_processor_id();
		t->taken_at[PROBE_TAKEN_HARDIRQ] = clock->hardirq_base;
		t->taken_at[PROBE_TAKEN_SOFTIRQ] = clock->softirq_base;
		t->taken_at[PROBE_TAKEN_STEAL] =
			clock->steal_known == w->serial ? clock->steal_base : steal;
	}
	t->serial = w->serial;
}

/* Rare, and so a function of its own, which the verifier walks once. Not in raw_tp programs, here
 * as below: before 5.12 such a function takes no pointers. */
__noinline int thread_clear_typed(struct probe_thread *t, __u32 bank, __u64 steal, __u32 state)
{
	if (t)
		thread_clear(t, bank, steal, state);
	return 0;
}

/* In a new window the thread's times start from zero; what it did until its first event there
 * follows from that event: it cannot be switched out unless it ran, on this CPU. True = this was
 * its first event. */
static __always_inline bool thread_begin(struct probe_thread *t,
					 const volatile struct probe_span *w, __u32 bank,
					 __u64 steal, __u32 state, bool raw)
{
	if (likely(t->serial == w->serial))
		return false;
	if (raw)
		thread_clear(t, bank, steal, state);
	else
		thread_clear_typed(t, bank, steal, state);
	return true;
}

/* A part of ns, of which *left is not given away yet. */
static __always_inline __u64 take(__u64 now, __u64 then, __u64 *left)
{
	__u64 ns = *left - positive(*left - positive(now - then));

	*left -= ns;
	return ns;
}

/* A slice of CPU time ends, of which interrupts and the host took some; most have none of that. */
static __always_inline void slice_end(struct probe_thread *t, struct probe_ledger *all,
				      const struct probe_cpu_clock *clock, __u64 left, __u64 steal,
				      __u64 *ret_taken)
{
	__u64 now[PROBE_TAKEN];

	if (!clock)
		return;
	now[PROBE_TAKEN_HARDIRQ] = clock->hardirq_ns;
	now[PROBE_TAKEN_SOFTIRQ] = clock->softirq_ns;
	now[PROBE_TAKEN_STEAL] = steal;
	if (likely(now[0] == t->taken_at[0] && now[1] == t->taken_at[1] &&
		   now[2] == t->taken_at[2]))
		return;
	for (int i = 0; i < PROBE_TAKEN; i++) {
		ret_taken[i] = take(now[i], t->taken_at[i], &left);
		t->ledger.taken_ns[i] += ret_taken[i];
		all->taken_ns[i] += ret_taken[i];
	}
}

/* A block ends that a stack was taken of. */
static __always_inline void stack_close(struct probe_thread *t, const volatile struct probe_span *w,
					__u64 ns)
{
	__u32 key = t->stack - 1;
	struct probe_stack *s = bpf_map_lookup_elem(&stacks, &key);

	if (s && s->serial == w->serial)
		s->ns = ns;
	t->stack = 0;
}

static __always_inline void history_add(struct probe_thread *t, __u32 queue, const __u64 *taken)
{
	__u32 key = t->ring - 1;
	struct probe_history *h = bpf_map_lookup_elem(&history, &key);
	struct probe_transition *e;

	if (!h)
		return;
	e = &h->ring[h->head & (PROBE_HISTORY - 1)];
	e->at_ns = t->since_ns;
	e->state = t->state;
	e->blocked = t->blocked;
	e->cpu = t->state == PROBE_WAITING ? queue : t->cpu;
	for (int i = 0; i < PROBE_TAKEN; i++)
		e->taken_ns[i] = taken[i];
	barrier();
	h->head++;
}

/* What its last transition was to. */
static __always_inline void history_blocked(const struct probe_thread *t)
{
	__u32 key = t->ring - 1;
	struct probe_history *h = bpf_map_lookup_elem(&history, &key);

	if (h)
		h->ring[(h->head - 1) & (PROBE_HISTORY - 1)].blocked = t->blocked;
}

/* A transition to the state that it is in already, at at_ns. */
static __always_inline void history_again(struct probe_thread *t, __u32 queue, __u64 at_ns)
{
	static const __u64 none[PROBE_TAKEN];
	__u64 since = t->since_ns;

	t->since_ns = at_ns;
	history_add(t, queue, none);
	t->since_ns = since;
}

/* What it did when the window opened; nothing was written down before. */
static __always_inline void history_begin(struct probe_thread *t, __u32 queue)
{
	static const __u64 none[PROBE_TAKEN];

	history_add(t, queue, none);
}

/* A slice of this CPU ends in which a tracked thread waited: who had it. */
static __always_inline void slice_add(__u32 pid, __u64 from_ns, __u64 to_ns)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct probe_slices *s = bpf_map_lookup_elem(&slices, &cpu);
	struct probe_slice *slice;

	if (!s)
		return;
	slice = &s->ring[s->head & (PROBE_SLICES - 1)];
	slice->from_ns = from_ns;
	slice->to_ns = to_ns;
	slice->pid = pid;
	barrier();
	s->head++;
}

/* A wait has ended that was known from its beginning; that of a kernel worker for work is nobody's.
 * The name is copied as two words: a thread's is renamed under its own lock. */
static __always_inline void worst_note(const struct probe_thread *t, struct probe_values_element *v,
				       __u32 kind, __u64 ns)
{
	struct probe_worst *w = (struct probe_worst *)&v->slot[SCHED_WORST] + kind;

	if (!config.causes || ns <= w->ns || t->flags & PROBE_FLAG_IO_WORKER)
		return;
	w->ns = ns;
	((__u64 *)w->comm)[0] = ((const __u64 *)t->comm)[0];
	((__u64 *)w->comm)[1] = ((const __u64 *)t->comm)[1];
}

/* A thread changes its state. */
struct change {
	struct moment at;
	__u64 steal;
	__u32 bank, queue; /* as in struct now */
	__u32 state;
	__u32 pad;
};

/* It has been in its state, old, until then, and is in another from then on. */
static __always_inline void thread_change(struct probe_thread *t, struct probe_values_element *v,
					  struct probe_ledger *all,
					  const struct probe_cpu_clock *clock,
					  const struct change *c, __u32 old)
{
	const volatile struct probe_span *w = window_span(c->bank);
	__u64 ns = positive(c->at.till - t->since_ns);
	__u64 taken[PROBE_TAKEN] = {};
	__u32 cause;

	if (unlikely(c->at.ns < t->since_ns))
		v->slot[SCHED_BACKWARDS]++;
	t->ledger.time_ns[old & (PROBE_STATES - 1)] += ns;
	all->time_ns[old & (PROBE_STATES - 1)] += ns;
	if (old == PROBE_BLOCKED) {
		cause = t->blocked & (PROBE_BLOCKED_CAUSES - 1);
		t->ledger.blocked_ns[cause] += ns;
		all->blocked_ns[cause] += ns;
		if (unlikely(t->stack))
			stack_close(t, w, ns);
		/* Else its wake-up was not seen: when it was is not known. */
		if (c->state == PROBE_WAITING)
			worst_note(t, v, cause, ns);
	} else if (old == PROBE_WAITING) {
		worst_note(t, v, PROBE_WORST_RUNQUEUE, ns);
	} else if (old == PROBE_RUNNING) {
		slice_end(t, all, clock, ns, c->steal, taken);
	}
	if (config.blame)
		blame_wait(t, w, c->bank, old, c->state, c->queue, &c->at);
	t->state = c->state;
	t->since_ns = c->at.ns;
	if (unlikely(t->ring))
		history_add(t, c->queue, taken);
}

/* From any state; rare. */
__noinline int thread_change_any(struct probe_thread *t, struct probe_values_element *v,
				 const struct change *c)
{
	if (t && v && c)
		thread_change(t, v, ledger_of(t, v), cpu_clock_here(), c, t->state);
	return 0;
}

static __always_inline struct change change_now(const struct now *n, __u32 state)
{
	return (struct change){
		.at = n->at, .steal = n->steal, .bank = n->bank, .queue = n->queue, .state = state
	};
}

static __always_inline void thread_repaired(const struct now *n, __u64 from)
{
	n->v->slot[SCHED_REPAIRED]++;
	n->v->slot[SCHED_AMBIGUOUS] += positive(n->at.till - from);
}

/* It begins to run. A few scheduler events never reach any program, so the state that it comes from
 * may be wrong: a blocked one was woken unseen, a running one was switched out unseen. Nobody knows
 * when, so the time stays where it was, and is counted as ambiguous. rare: for code that must be
 * small, not fast. */
static __always_inline void thread_in(struct probe_thread *t, const struct now *n, bool rare,
				      bool raw)
{
	struct change c = change_now(n, PROBE_RUNNING);
	__u64 ns;

	if (likely(t->state == PROBE_WAITING)) {
		ns = positive(n->at.till - t->since_ns);
		if (ns) {
			hist_record(&n->v->slot[SCHED_LATENCY], ns);
			t->ledger.waits++;
			n->all->waits++;
		}
	} else {
		thread_repaired(n, t->since_ns);
	}
	if (t->off_ns) {
		ns = positive(n->at.till - t->off_ns);
		if (ns)
			hist_record(&n->v->slot[SCHED_OFFCPU], ns);
	}
	t->off_ns = 0;
	t->cpu = bpf_get_smp_processor_id();
	if (raw)
		thread_change(t, n->v, n->all, n->clock, &c, t->state);
	else if (!rare && likely(t->state == PROBE_WAITING))
		thread_change(t, n->v, n->all, n->clock, &c, PROBE_WAITING);
	else
		thread_change_any(t, n->v, &c);
	if (n->clock) {
		t->taken_at[PROBE_TAKEN_HARDIRQ] = n->clock->hardirq_ns;
		t->taken_at[PROBE_TAKEN_SOFTIRQ] = n->clock->softirq_ns;
		t->taken_at[PROBE_TAKEN_STEAL] = n->steal;
	}
	if (window_inside(n->w, &n->at)) {
		t->ledger.ins++;
		n->all->ins++;
	}
}

/* It leaves its CPU, and its switch-in was missed: no earlier than its own and this CPU's last
 * event. */
static __always_inline void missed(struct probe_thread *t, const struct now *n, bool raw)
{
	struct now then = *n;
	__u64 in = n->v->slot[SCHED_LAST_NS];

	if (in < t->since_ns)
		in = t->since_ns;
	then.at = window_moment(n->w, in);
	thread_in(t, &then, true, raw);
	thread_repaired(n, in);
}

static __always_inline struct now event_now(struct probe_thread *t, struct probe_values_element *v,
					    struct probe_cpu_clock *clock, const struct event *e)
{
	return (struct now){
		.v = v,
		.w = window_span(e->bank),
		.all = ledger_of(t, v),
		.clock = clock,
		.at = e->at,
		.steal = e->steal,
		.bank = e->bank,
		.queue = bpf_get_smp_processor_id(),
	};
}

/* Rare, hence a function of its own. */
__noinline int thread_missed(struct probe_thread *t, struct probe_values_element *v,
			     const struct event *e)
{
	struct now n;

	if (!t || !v || !e)
		return 0;
	n = event_now(t, v, cpu_clock_here(), e);
	t->seq++;
	barrier();
	missed(t, &n, false);
	barrier();
	t->seq++;
	return 0;
}

/* It runs, as far as is known; raw: if not, its switch-in was missed. */
static __always_inline void thread_out(struct probe_thread *t, const struct now *n,
				       const struct event *e, bool raw)
{
	__u32 kind = e->blocked ? 0 : 1;
	struct change c;

	if (t->state != PROBE_RUNNING && raw)
		missed(t, n, true);
	t->blocked = PROBE_BLOCKED_OTHER; /* until more is known */
	/* Waiting, blocked and dead follow each other; the verifier need not know which it is. */
	c = change_now(n, PROBE_WAITING + e->blocked + (2 - e->blocked) * e->dead);
	thread_change(t, n->v, n->all, n->clock, &c, PROBE_RUNNING);
	t->off_ns = e->dead ? 0 : n->at.ns;
	if (window_inside(n->w, &n->at)) {
		t->switches[kind]++;
		n->v->slot[SCHED_SWITCHES + kind]++;
		t->ledger.outs++;
		n->all->outs++;
	}
}

static __always_inline void leaves(struct probe_thread *t, struct probe_values_element *v,
				   struct probe_cpu_clock *clock, const struct event *e, bool raw)
{
	struct now n = event_now(t, v, clock, e);

	t->seq++;
	barrier();
	if (thread_begin(t, n.w, n.bank, n.steal, PROBE_RUNNING, raw) && t->ring)
		history_begin(t, n.queue);
	thread_out(t, &n, e, raw);
	barrier();
	t->seq++;
}

static __always_inline void comes(struct probe_thread *t, struct probe_values_element *v,
				  struct probe_cpu_clock *clock, const struct event *e, bool raw)
{
	struct now n = event_now(t, v, clock, e);

	t->seq++;
	barrier();
	if (thread_begin(t, n.w, n.bank, n.steal, PROBE_WAITING, raw) && t->ring)
		history_begin(t, n.queue);
	thread_in(t, &n, false, raw);
	barrier();
	t->seq++;
}

/* All that a switch is charged with. out, in: the threads that leave and come; NULL = not followed.
 * depth: of this CPU; NULL = it did not change. */
static __always_inline void account(struct probe_thread *out, struct probe_thread *in,
				    struct probe_values_element *v, struct probe_depth *depth,
				    struct event *e, bool raw)
{
	struct probe_cpu_clock *clock = cpu_clock_here();

	if (depth)
		depth_apply(depth, &e->depth, window_span(e->bank), &e->at);
	if (config.blame) {
		blame_slice(e);
		if (config.causes && e->from && READ_ONCE(windows.histories))
			slice_add(e->pid, e->from, e->at.ns);
	}
	if (out)
		leaves(out, v, clock, e, raw);
	if (in)
		comes(in, v, clock, e, raw);
	v->slot[SCHED_LAST_NS] = e->at.ns;
}

/* A function of its own for the verifier, which walks it once instead of once for every way that
 * leads to it. */
__noinline int switch_account(struct probe_thread *out, struct probe_thread *in,
			      struct probe_values_element *v, struct probe_depth *depth,
			      struct event *e)
{
	if (v && e)
		account(out, in, v, depth, e, false);
	return 0;
}

/* --- the dead --- */

static __always_inline void ledger_add(struct probe_ledger *to, const struct probe_ledger *from)
{
	__u64 *a = (__u64 *)to;
	const __u64 *b = (const __u64 *)from;

	for (__u32 i = 0; i < PROBE_LEDGER_SLOTS; i++)
		a[i] += b[i];
}

/* Its slot may be somebody else's before anyone reads it: what it did is kept under its name. */
static __noinline int thread_bury(struct probe_thread *t, struct task_struct *task,
				  struct probe_values_element *v, __u64 life)
{
	const volatile struct probe_span *w = window_span(window_bank());
	struct probe_ledger *all = ledger_of(t, v);
	static const struct probe_grave none;
	struct probe_grave *g;

	t->ledger.life_ns = life;
	t->ledger.deaths = 1;
	all->life_ns += life;
	all->deaths++;
	bpf_probe_read_kernel(t->comm, sizeof(t->comm), &task->comm);
	g = bpf_map_lookup_elem(&graves, t->comm);
	if (!g) {
		bpf_map_update_elem(&graves, t->comm, &none, BPF_NOEXIST);
		g = bpf_map_lookup_elem(&graves, t->comm);
	}
	if (!g) {
		__sync_fetch_and_add(&ledger_state.no_grave, 1);
		return 0;
	}
	if (g->serial != w->serial) {
		__builtin_memset(&g->ledger, 0, sizeof(g->ledger));
		g->serial = w->serial;
	}
	for (__u32 i = 0; i < PROBE_LEDGER_SLOTS; i++)
		__sync_fetch_and_add((__u64 *)&g->ledger + i, *((__u64 *)&t->ledger + i));
	return 0;
}

/* --- stacks --- */

/* What nobody can name is shown: a stack now and then, because one costs as much as all the rest
 * of this event together several times over. */
static __always_inline void stack_take(__u64 *ctx, struct probe_thread *t,
				       struct probe_values_element *v,
				       const volatile struct probe_span *w, const struct moment *at)
{
	struct probe_stack *s;
	__u32 key;

	if (!config.stacks || !window_inside(w, at) ||
	    at->ns - v->slot[SCHED_STACK_NS] < PROBE_STACK_EVERY_NS)
		return;
	v->slot[SCHED_STACK_NS] = at->ns;
	key = __sync_fetch_and_add(&ledger_state.stacks, 1) & (PROBE_STACKS - 1);
	s = bpf_map_lookup_elem(&stacks, &key);
	if (!s)
		return;
	s->serial = w->serial;
	s->ns = 0;
	s->bytes = bpf_get_stack(ctx, s->ip, sizeof(s->ip), 0);
	t->stack = key + 1;
}

#endif
