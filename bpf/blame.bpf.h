/* SPDX-License-Identifier: BSD-2-Clause */
/* Blame: while a tracked thread is runnable and does not run, each nanosecond is charged to what
 * its CPU does meanwhile.
 *
 * The number of waiting threads of a CPU and their times are one word (blame_abi.h), from which the
 * waited time until any moment follows. Threads come and go from any CPU by adding to the word.
 * What the CPU does changes on that CPU only: there the integral is taken at the beginning and at
 * the end, and the difference is charged. Interrupts are taken out of the task that they interrupt
 * in the same way. So nothing is locked, and the charges add up to the wait exactly. */
#ifndef BLAME_BPF_H
#define BLAME_BPF_H

#include "bench.bpf.h"
#include "blame_abi.h"
#include "depth.bpf.h"

struct kernfs_node {
	__u64 id;
} __pai;

struct cgroup {
	struct kernfs_node *kn;
} __pai;

struct css_set {
	struct cgroup *dfl_cgrp;
} __pai;

struct task_struct___cgroups {
	struct css_set *cgroups;
} __pai;

/* Belongs to track.bpf.c. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct probe_blame);
} blame SEC(".maps");

static __always_inline struct probe_blame *blame_of(__u32 bank, __u32 cpu)
{
	__u32 key = bank * config.nr_cpus + cpu;

	return cpu < config.nr_cpus ? bpf_map_lookup_elem(&blame, &key) : NULL;
}

/* m counted from the window's start, which is what the word counts in. */
static __always_inline __u64 blame_clock(const volatile struct probe_span *w,
					 const struct moment *m)
{
	return m->till - w->start_ns;
}

/* What tracked threads have waited for this CPU in the window until at (of blame_clock()). */
static __always_inline __u64 blame_integral(const struct probe_blame *b, __u64 at)
{
	__u64 word = READ_ONCE(b->word);

	return PROBE_WAIT_NS(word, at);
}

/* A tracked thread begins to wait for a CPU. Returns what its wait_cpu shall be. */
static __always_inline __u32 blame_arrive(const volatile struct probe_span *w, __u32 bank,
					  __u32 cpu, const struct moment *m)
{
	struct probe_blame *b = blame_of(bank, cpu);

	if (!b)
		return 0;
	__sync_fetch_and_add(&b->word, PROBE_WAIT_ONE(blame_clock(w, m)));
	return cpu + 1;
}

/* It waits there no longer. wait_cpu 0: nobody saw it begin, at from. */
static __always_inline void blame_depart(const volatile struct probe_span *w, __u32 bank,
					 __u32 wait_cpu, __u64 from, const struct moment *m)
{
	struct probe_blame *b;

	if (likely(wait_cpu)) {
		b = blame_of(bank, wait_cpu - 1);
		if (b)
			__sync_fetch_and_add(&b->word, -PROBE_WAIT_ONE(blame_clock(w, m)));
		return;
	}
	b = blame_of(bank, bpf_get_smp_processor_id());
	if (b)
		__sync_fetch_and_add(&b->unknown_ns, positive(m->till - from));
}

/* A tracked thread changes its state. queue: the CPU that it will wait for, where it will. */
static __always_inline void blame_wait(struct probe_thread *t, const volatile struct probe_span *w,
				       __u32 bank, __u32 from, __u32 to, __u32 queue,
				       const struct moment *m)
{
	if (from == PROBE_WAITING)
		blame_depart(w, bank, t->wait_cpu, t->since_ns, m);
	t->wait_cpu = to == PROBE_WAITING ? blame_arrive(w, bank, queue, m) : 0;
}

/* It waits for another CPU from now on. Where a wake-up placed it, it does not wait yet. */
static __always_inline void blame_migrate(struct probe_thread *t,
					  const volatile struct probe_span *w, __u32 bank,
					  __u32 queue, __u64 now)
{
	struct moment m = window_moment(w, now);

	if (t->serial != w->serial || t->state != PROBE_WAITING || !t->wait_cpu ||
	    t->wait_cpu == queue + 1)
		return;
	blame_depart(w, bank, t->wait_cpu, 0, &m);
	t->wait_cpu = blame_arrive(w, bank, queue, &m);
}

/* --- who it is charged to --- */

struct sched_entity___exec {
	__u64 sum_exec_runtime, prev_sum_exec_runtime;
} __pai;

struct task_struct___exec {
	struct sched_entity___exec se;
} __pai;

static __always_inline void thief_name(struct probe_thief *thief, struct task_struct *task)
{
	struct task_struct___cgroups *grouped = (void *)task;

	bpf_probe_read_kernel(thief->comm, sizeof(thief->comm), &task->comm);
	if (!thief->cgroup && bpf_core_field_exists(grouped->cgroups))
		thief->cgroup = BPF_CORE_READ(grouped, cgroups, dfl_cgrp, kn, id);
}

/* A table with open addressing; only this CPU writes it. task NULL: only its pid is known. */
static __always_inline void blame_pid(struct probe_blame *b, struct task_struct *task, __u32 pid,
				      __s64 ns)
{
	struct probe_thief *thief;
	__u32 at = PROBE_THIEF_AT(pid);

	if (!pid) {
		b->idle_ns += ns;
		return;
	}
	for (int i = 0; i < PROBE_THIEF_TRIES; i++, at++) {
		thief = &b->thieves[at & (PROBE_THIEVES - 1)];
		if (unlikely(thief->pid != pid) && thief->pid)
			continue;
		/* Exec changes the name: it is read again while what comes is not little. */
		if (task && unlikely(!thief->comm[0] || ns > thief->ns >> 4))
			thief_name(thief, task);
		thief->ns += ns;
		thief->pid = pid;
		return;
	}
	b->other_ns += ns;
	b->nr_other++;
}

/* ns * part / whole, for a part that is at most the whole; to 1/65536. */
static __always_inline __s64 blame_share(__s64 ns, __u64 part, __u64 whole)
{
	__u64 f = ((part >> 8) << 16) / ((whole >> 8) + 1);

	return ((__u64)ns >> 16) * f + (((__u64)ns & 0xffff) * f >> 16);
}

/* How long a task has run, ever, as the kernel has it; exact at sched_switch. 0: not known. */
static __always_inline __u64 blame_exec(struct task_struct *task, bool raw)
{
	struct task_struct___exec *exec = (void *)task;

	if (!bpf_core_field_exists(exec->se.prev_sum_exec_runtime))
		return 0;
	return GET(raw, exec, se.sum_exec_runtime);
}

/* The same as of when its slice began. */
static __always_inline __u64 blame_exec_before(struct task_struct *task, bool raw)
{
	struct task_struct___exec *exec = (void *)task;

	if (!bpf_core_field_exists(exec->se.prev_sum_exec_runtime))
		return 0;
	return GET(raw, exec, se.prev_sum_exec_runtime);
}

/* A switch, as switch_account() is told of it. */
struct event {
	struct moment at;
	__u64 steal;	   /* the host's share of this CPU until now */
	__u64 prev, next;  /* addresses */
	__u64 ran, before; /* prev, of blame_exec() */
	__u64 next_ran;
	__u64 from; /* answer: when the slice began if a tracked thread waited in it, else 0 */
	struct depth_event depth;
	__u32 bank, pid, next_pid;
	__u32 blocked, dead; /* prev: 1 or 0 */
	__u32 pad; /* before 6.3 nothing that is not initialised may be handed on */
};
_Static_assert(sizeof(struct event) == 112 && __builtin_offsetof(struct event, pad) == 108,
	       "no holes");

/* Switches may be missed (thread.bpf.h), and then prev did not run all of the slice. What it ran
 * for, what the task ran for that was seen to begin the slice, and the rest, which somebody unseen
 * did. Small differences are those of the kernel's clock. */
static __always_inline __s64 blame_unseen(struct probe_blame *b, const struct event *e, __s64 ns,
					  __u64 slice)
{
	struct task_struct *task = (void *)b->task;
	struct task_struct___exec *first = (void *)task;
	__u64 ran = e->ran, other = 0, rest;
	__s64 part;

	if (unlikely(ns <= 0 || !b->since_ns || (b->owner && !b->exec_ns)))
		return ns;
	if (likely(e->pid == b->owner)) {
		ran -= b->exec_ns;
	} else {
		ran -= e->before;
		if (!b->owner)
			other = slice;
		else if ((__u32)BPF_CORE_READ(task, pid) == b->owner)
			other = BPF_CORE_READ(first, se.sum_exec_runtime) - b->exec_ns;
	}
	if (unlikely(ran > slice))
		return ns;
	if (other > slice - ran)
		other = slice - ran;
	rest = slice - ran - other;
	if (rest < 100000 || rest < slice / 8)
		rest = 0;
	if (unlikely(e->pid != b->owner)) {
		part = blame_share(ns, slice - ran - rest, slice);
		blame_pid(b, NULL, b->owner, part);
		ns -= part;
	}
	if (unlikely(rest)) {
		part = blame_share(ns, rest, slice);
		__sync_fetch_and_add(&b->unknown_ns, part);
		b->unseen_ns += part;
		ns -= part;
	}
	return ns;
}

/* At sched_switch, before prev and next change their states: prev's slice ends. */
static __always_inline void blame_slice(struct event *e)
{
	struct probe_blame *b = blame_of(e->bank, bpf_get_smp_processor_id());
	__u64 wait, slice, stolen;
	__s64 ns, host, irq;

	if (!b)
		return;
	wait = blame_integral(b, blame_clock(window_span(e->bank), &e->at));
	e->from = wait == b->wait_ns ? 0 : b->since_ns ?: window_span(e->bank)->start_ns;
	irq = b->hard_ns + b->soft_ns;
	ns = PROBE_WAIT_DIFF(wait, b->wait_ns) - (irq - b->irq_ns);
	if (ns) {
		slice = e->at.ns - b->since_ns;
		stolen = e->steal - b->steal_ns;
		if (!b->since_ns || stolen > 1ull << 40)
			stolen = 0;
		if (stolen > slice)
			stolen = slice;
		host = ns > 0 && unlikely(stolen) ? blame_share(ns, stolen, slice) : 0;
		b->host_ns += host;
		ns -= host;
		if (e->pid)
			ns = blame_unseen(b, e, ns, slice - stolen);
		blame_pid(b, (void *)e->prev, e->pid, ns);
	}
	b->wait_ns = wait;
	b->irq_ns = irq;
	b->since_ns = e->at.ns;
	b->steal_ns = e->steal;
	b->owner = e->next_pid;
	b->task = e->next;
	b->exec_ns = e->next_ran;
}

#endif
