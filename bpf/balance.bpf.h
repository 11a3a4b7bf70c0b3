/* SPDX-License-Identifier: BSD-2-Clause */
/* Work conservation: how long some CPU had more than one runnable task while another had none. Each
 * CPU is in one of three states, which follow from its depth; two numbers, in one word, say how
 * many CPUs idle and how many have too much. They change only when a CPU changes its state. */
#ifndef BALANCE_BPF_H
#define BALANCE_BPF_H

#include "bench.bpf.h"
#include "blame_abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct probe_busy_cpu);
} busy SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct probe_balance);
} balance SEC(".maps");

/* Atomic operations that return the old value (kernel 5.12). Written as bytes, because this
 * compiler has them only together with 32-bit registers. */
static __always_inline __u64 atomic_add_return_old(__u64 *p, __u64 n)
{
	asm volatile("r2 = %1\n"
		     "r3 = %0\n"
		     ".byte 0xdb, 0x23, 0, 0, 1, 0, 0, 0\n" /* r2 = atomic_fetch_add(r3, r2) */
		     "%0 = r2"
		     : "+r"(p)
		     : "r"(n)
		     : "r2", "r3", "memory");
	return (__u64)p;
}

static __always_inline __u64 atomic_exchange(__u64 *p, __u64 n)
{
	asm volatile("r2 = %1\n"
		     "r3 = %0\n"
		     ".byte 0xdb, 0x23, 0, 0, 0xe1, 0, 0, 0\n" /* r2 = xchg_64(r3, r2) */
		     "%0 = r2"
		     : "+r"(p)
		     : "r"(n)
		     : "r2", "r3", "memory");
	return (__u64)p;
}

static __always_inline __u64 balance_share(__u64 busy)
{
	return busy == PROBE_BUSY_IDLE ? 1 : busy == PROBE_BUSY_MORE ? 1ull << 32 : 0;
}

static __always_inline void balance_move(struct probe_busy_cpu *b, __u64 to, __u32 bank, __u64 *now)
{
	const volatile struct probe_span *w = window_span(bank);
	struct probe_balance *all;
	__u64 from, before, after, at;

	all = bpf_map_lookup_elem(&balance, &bank);
	if (!all)
		return;
	if (!*now)
		*now = bpf_ktime_get_ns();
	from = atomic_exchange(&b->busy, to);
	after = balance_share(to) - balance_share(from);
	if (!after)
		return;
	before = atomic_add_return_old(&all->counts, after);
	after += before;
	if (!(before >> 32) && after >> 32)
		all->more_ns = *now;
	if (PROBE_BALANCE_LOSS(before) == PROBE_BALANCE_LOSS(after))
		return;
	at = window_clip(w, 0, *now);
	__sync_fetch_and_add(&all->lost_ns, PROBE_BALANCE_LOSS(after) ? -at : at);
}

static __always_inline __u64 balance_busy(__u32 depth)
{
	return depth == 0 ? PROBE_BUSY_IDLE : depth == 1 ? PROBE_BUSY_ONE : PROBE_BUSY_MORE;
}

/* The depth of a CPU is now this. */
static __always_inline void balance_set(__u32 cpu, __u32 depth, __u32 bank, __u64 *now)
{
	__u64 is, to = balance_busy(depth);
	__u32 key = bank * config.nr_cpus + cpu;
	struct probe_busy_cpu *b;

	if (!config.balance || cpu >= config.nr_cpus)
		return;
	b = bpf_map_lookup_elem(&busy, &key);
	if (!b)
		return;
	is = READ_ONCE(b->busy);
	if (is != PROBE_BUSY_UNKNOWN && is != to)
		balance_move(b, to, bank, now);
}

/* The CPU, which counts as busy, was idle since then unseen. That is a loss, too, from when another one
 * has had too much; what was before is not known any more. */
static __always_inline void balance_was_idle(__u32 cpu, __u64 since, __u32 bank, __u64 now)
{
	__u32 key = bank * config.nr_cpus + cpu;
	struct probe_busy_cpu *b;
	struct probe_balance *all;
	__u64 counts, others;

	if (!config.balance || cpu >= config.nr_cpus)
		return;
	b = bpf_map_lookup_elem(&busy, &key);
	all = bpf_map_lookup_elem(&balance, &bank);
	if (!b || !all || b->busy == PROBE_BUSY_UNKNOWN || b->busy == PROBE_BUSY_IDLE)
		return;
	counts = READ_ONCE(all->counts);
	others = counts - balance_share(b->busy);
	/* Where somebody else idled, it is counted already. */
	if ((__u32)others || !(others >> 32))
		return;
	if (since < all->more_ns)
		since = all->more_ns;
	if (since < now)
		__sync_fetch_and_add(&all->lost_ns, window_clip(window_span(bank), since, now));
}

/* From userspace at the window's start: from now on the CPU counts. */
static __always_inline void balance_begin(__u32 cpu, __u32 depth, __u32 bank)
{
	__u32 key = bank * config.nr_cpus + cpu;
	struct probe_busy_cpu *b;
	__u64 now = 0;

	if (!config.balance || cpu >= config.nr_cpus)
		return;
	b = bpf_map_lookup_elem(&busy, &key);
	if (b && READ_ONCE(b->busy) != balance_busy(depth))
		balance_move(b, balance_busy(depth), bank, &now);
}

#endif
