// SPDX-License-Identifier: BSD-2-Clause
/* Why followed threads did not run, wait by wait with the stack that led to it, for --sample. It
 * has no state machine of its own: sched.bpf.c keeps each thread's ledger, and is attached before
 * it, so that the ledger is up to date here. Stacks are taken as the budget allows; what goes by
 * without one is in the sums. */
#include "bench.bpf.h"
#include "waits_abi.h"

enum { BPF_MAP_TYPE_RINGBUF = 27, BPF_F_USER_STACK = 1u << 8, BPF_RB_NO_WAKEUP = 1u << 0 };

const struct probe_program programs[] SEC(".rodata.programs") = { { "on_wait" } };
enum { RUN_WAIT };
PROBE_VALUES(WAITS_SLOTS)

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1u << 22);
} waits SEC(".maps");

/* Of each followed thread: its record in the making, and when it told the last one. */
struct wait_slot {
	__u64 told_ns;
	__u64 stack_ns;	   /* when it had the last stack */
	__u64 runq_before; /* time for the CPU before this wait */
	struct waits_record record;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PROBE_THREADS);
	__type(key, __u32);
	__type(value, struct wait_slot);
} wait_slots SEC(".maps");

static __always_inline void sums_take(struct waits_record *r, const struct probe_thread *t)
{
	const struct probe_ledger *l = &t->ledger;
	__u64 taken = l->taken_ns[PROBE_TAKEN_HARDIRQ] + l->taken_ns[PROBE_TAKEN_SOFTIRQ] +
		      l->taken_ns[PROBE_TAKEN_STEAL];
	__u64 disk = l->blocked_ns[PROBE_BLOCKED_DISK] + l->blocked_ns[PROBE_BLOCKED_FAULT];

	r->sum_ns[WAITS_CPU] = l->time_ns[PROBE_RUNNING] - taken;
	r->sum_ns[WAITS_TAKEN] = taken;
	r->sum_ns[WAITS_RUNQ] = l->time_ns[PROBE_WAITING];
	r->sum_ns[WAITS_BLOCK_IO] = disk;
	r->sum_ns[WAITS_OFFCPU] = l->time_ns[PROBE_BLOCKED] - disk;
}

static __always_inline void tell(struct wait_slot *s, const struct probe_thread *t,
				 struct probe_values_element *v, __u64 now)
{
	struct waits_record *r = &s->record;
	__u64 size = sizeof(*r);

	sums_take(r, t);
	r->at_ns = now;
	r->tid = t->tid;
	r->tgid = t->tgid;
	r->slot = t->slot;
	r->serial = t->serial;
	r->cpu = bpf_get_smp_processor_id();
	/* Both sizes are constants: that is all a verifier before 5.19 has to know. */
	if (r->kernel_bytes <= 0 && r->user_bytes <= 0)
		size = __builtin_offsetof(struct waits_record, kernel);
	if (bpf_ringbuf_output(&waits, r, size, BPF_RB_NO_WAKEUP))
		v->slot[WAITS_FULL]++;
	else
		s->told_ns = now;
}

/* May a stack be taken? */
static __always_inline bool stack_due(const struct wait_slot *s, const struct probe_values_element *v,
				      __u64 now)
{
	__u64 least = now - s->stack_ns < WAITS_STACK_SELDOM_NS ? WAITS_STACK_EVERY_NS
								: WAITS_STACK_LEAST_NS;

	return now - v->slot[WAITS_STACK_NS] >= least;
}

/* It leaves its CPU. */
static __always_inline void leaves(__u64 *ctx, const struct probe_thread *t,
				   struct probe_values_element *v, __u64 now)
{
	__u32 slot = t->slot;
	struct wait_slot *s = bpf_map_lookup_elem(&wait_slots, &slot);
	struct waits_record *r;

	if (!s)
		return;
	r = &s->record;
	r->kernel_bytes = 0;
	r->user_bytes = 0;
	r->off_ns = now;
	r->serial = t->serial;
	s->runq_before = t->ledger.time_ns[PROBE_WAITING];
	if (t->state == PROBE_DEAD) {
		r->flags = WAITS_DEAD;
		tell(s, t, v, now);
		r->off_ns = 0;
		return;
	}
	r->flags = 0;
	if (!stack_due(s, v, now))
		return;
	s->stack_ns = now;
	v->slot[WAITS_STACK_NS] = now;
	v->slot[WAITS_STACKS]++;
	r->kernel_bytes = (__s32)bpf_get_stack(ctx, r->kernel, sizeof(r->kernel), 0);
	r->user_bytes = (__s32)bpf_get_stack(ctx, r->user, sizeof(r->user), BPF_F_USER_STACK);
}

/* It gets one. */
static __always_inline void comes(const struct probe_thread *t, struct probe_values_element *v,
				  __u64 now)
{
	__u32 slot = t->slot;
	struct wait_slot *s = bpf_map_lookup_elem(&wait_slots, &slot);
	struct waits_record *r;

	if (!s)
		return;
	r = &s->record;
	/* It left before the window, or is another thread in the same slot. */
	if (r->serial != t->serial || !r->off_ns) {
		r->kernel_bytes = 0;
		r->user_bytes = 0;
		r->flags = 0;
		r->off_ns = now;
	}
	if (r->kernel_bytes <= 0 && r->user_bytes <= 0 && now - s->told_ns < WAITS_TELL_EVERY_NS)
		return;
	r->blocked = t->blocked;
	r->runq_ns = positive(t->ledger.time_ns[PROBE_WAITING] - s->runq_before);
	tell(s, t, v, now);
	r->off_ns = 0;
}

static __always_inline int on_wait(__u64 *ctx, bool raw)
{
	struct task_struct *prev = (void *)ctx[1], *next = (void *)ctx[2];
	struct probe_values_element *v;
	struct probe_thread *t;
	__u32 bank = window_bank();
	__u64 now;

	if (bank == PROBE_NO_WINDOW)
		return 0;
	v = values_here(bank);
	if (!v)
		return 0;
	v->runs[RUN_WAIT]++;
	now = bpf_ktime_get_ns();
	if (!window_has(window_span(bank), now))
		return 0;
	t = GET(raw, prev, pid) ? thread_of(prev, raw) : NULL;
	if (t && t->serial == window_span(bank)->serial)
		leaves(ctx, t, v, now);
	t = GET(raw, next, pid) ? thread_of(next, raw) : NULL;
	if (t && t->serial == window_span(bank)->serial)
		comes(t, v, now);
	return 0;
}
PROBE_TRACEPOINT(sched_switch, on_wait)

char LICENSE[] SEC("license") = "Dual BSD/GPL";
