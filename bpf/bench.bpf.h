/* SPDX-License-Identifier: BSD-2-Clause */
/* What every program of bpf/ uses: the few kernel types with the fields that are read (relocated at
 * load, so their order and size here mean nothing), the shared maps, and the helpers to count. */
#ifndef BENCH_BPF_H
#define BENCH_BPF_H

#include "probe_abi.h"

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_STACK = 23,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_F_NO_PREALLOC = 1u << 0,
	BPF_F_MMAPABLE = 1u << 10,
	BPF_LOCAL_STORAGE_GET_F_CREATE = 1u << 0,
};

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define __pai __attribute__((preserve_access_index))

typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)
#define barrier() asm volatile("" ::: "memory")
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define READ_ONCE(x) (*(volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))

struct rq;
struct task_struct;

struct cfs_rq {
	struct rq *rq;		    /* CONFIG_FAIR_GROUP_SCHED */
	unsigned int h_nr_queued;   /* 6.14 */
	unsigned int h_nr_runnable; /* 6.14 */
	unsigned int h_nr_delayed;  /* 6.12, 6.13 */
} __pai;

struct rq {
	unsigned int nr_running;
	__u64 nr_switches;
	__u64 clock;
	__u64 idle_stamp; /* value of clock as the CPU became idle */
	struct cfs_rq cfs;
	struct task_struct *curr;
	struct task_struct *idle;
	int cpu;
	__u64 prev_steal_time_rq; /* CONFIG_PARAVIRT_TIME_ACCOUNTING */
} __pai;

struct sched_entity {
	struct cfs_rq *cfs_rq;
	unsigned char sched_delayed; /* 6.12 */
} __pai;

struct thread_info {
	__u32 cpu;
} __pai;

struct task_struct {
	struct thread_info thread_info;
	unsigned int __state; /* 5.14 */
	unsigned int flags;
	unsigned int on_cpu; /* a byte in 7.2: unsigned, so that the load's width is relocated, too */
	unsigned int on_rq;
	struct sched_entity se;
	int exit_state;
	int pid;
	int tgid;
	char comm[16];
} __pai;

struct task_struct___old {
	volatile long state; /* before 5.14 */
	unsigned int cpu;    /* before thread_info.cpu of 5.16 */
} __pai;

struct bpf_iter__task {
	struct task_struct *task;
} __pai;

struct file;

struct bpf_iter__task_file {
	struct task_struct *task;
	unsigned int fd;
	struct file *file;
} __pai;

/* A field of a kernel object: a plain load where the verifier knows the type (tp_btf), a checked
 * copy where it does not (raw_tp). raw is a constant, so one of them is compiled. */
#define GET(raw, ptr, field) ((raw) ? BPF_CORE_READ(ptr, field) : (ptr)->field)

/* One body, two programs: tp_btf where the kernel takes it, raw_tp elsewhere. */
#define PROBE_TRACEPOINT(tp, fn)                                                                   \
	SEC("tp_btf/" #tp) int fn##_btf(__u64 *ctx)                                                \
	{                                                                                          \
		return fn(ctx, false);                                                             \
	}                                                                                          \
	SEC("raw_tp/" #tp) int fn##_raw(__u64 *ctx)                                                \
	{                                                                                          \
		return fn(ctx, true);                                                              \
	}

/* For a body that looks at no kernel object: raw_tp everywhere, which is as fast, and such an
 * object loads without the kernel's type information, which takes 10 ms to read. */
#define PROBE_TRACEPOINT_PLAIN(tp, fn)                                                             \
	SEC("raw_tp/" #tp) int fn##_raw(__u64 *ctx)                                                \
	{                                                                                          \
		return fn(ctx);                                                                    \
	}

/* A row of the object's table of metrics (section .rodata.probe); further fields as .field = value
 */
#define PROBE_METRIC(kind_, slot_, name_, unit_, events_, help_, ...)                              \
	{                                                                                          \
		.abi = PROBE_ABI, .kind = kind_, .slot = slot_, .name = name_, .unit = unit_,      \
		.events = events_, .help = help_, ##__VA_ARGS__                                    \
	}

/* --- configuration and window --- */

const volatile struct probe_config config SEC(".rodata.config") = {};
struct probe_windows windows SEC(".data.window") = { .current = PROBE_NO_WINDOW };

/* The bank of the window that is set, or PROBE_NO_WINDOW. Read once per event. */
static __always_inline __u32 window_bank(void)
{
	return READ_ONCE(windows.current);
}

static __always_inline const volatile struct probe_span *window_span(__u32 bank)
{
	return &windows.span[bank & 1];
}

static __always_inline bool window_has(const volatile struct probe_span *w, __u64 now)
{
	return now >= w->start_ns && now < w->end_ns;
}

/* difference, or 0 when it is negative. Without a branch, because the verifier walks every
 * combination of branches; hidden from the compiler, which would make one of it. */
static __always_inline __u64 positive(__s64 difference)
{
	__s64 negative = difference >> 63;

	asm volatile("" : "+r"(negative));
	return difference & ~negative;
}

/* Length of [from, to] inside the window. All times are below 2^63. */
static __always_inline __u64 window_clip(const volatile struct probe_span *w, __u64 from, __u64 to)
{
	__u64 start = w->start_ns, end = w->end_ns;

	from = start + positive(from - start);
	to = end - positive(end - to);
	return positive(to - from);
}

/* A time as the window has it. What began in the window, at an ns of these, took
 * positive(till - began) of it so far. */
struct moment {
	__u64 ns;   /* not before the window's start */
	__u64 till; /* nor after its end */
};

static __always_inline struct moment window_moment(const volatile struct probe_span *w, __u64 now)
{
	struct moment m;
	__u64 start = w->start_ns, end = w->end_ns;

	m.ns = start + positive(now - start);
	m.till = end - positive(end - m.ns);
	return m;
}

/* What came before the window has its start. */
static __always_inline bool window_inside(const volatile struct probe_span *w,
					  const struct moment *m)
{
	return m->ns > w->start_ns && m->ns < w->end_ns;
}

/* --- values --- */

/* Atomic, for events that another event of the same CPU can interrupt. */
static __always_inline void value_add(__u64 *slot, __u64 n)
{
	__sync_fetch_and_add(slot, n);
}

/* The object's slots: PROBE_VALUES(nr) once per object. */
#define PROBE_VALUES(nr)                                                                           \
	struct probe_values_element {                                                              \
		__u64 runs[PROBE_MAX_PROGRAMS];                                                    \
		__u64 slot[((nr) + 7) / 8 * 8];                                                    \
	};                                                                                         \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                  \
		__uint(map_flags, BPF_F_MMAPABLE);                                                 \
		__uint(max_entries, 2);                                                            \
		__type(key, __u32);                                                                \
		__type(value, struct probe_values_element);                                        \
	} values SEC(".maps");                                                                     \
	static __always_inline struct probe_values_element *values_here(__u32 bank)                \
	{                                                                                          \
		__u32 key = bank * config.nr_cpus + bpf_get_smp_processor_id();                    \
                                                                                                   \
		return bpf_map_lookup_elem(&values, &key);                                         \
	}                                                                                          \
	/* For simple probes: this CPU's slots while inside a window, else NULL; counts the run.   \
	 */                                                                                        \
	static __always_inline __u64 __attribute__((unused)) * values_event(__u32 program)         \
	{                                                                                          \
		struct probe_values_element *v;                                                    \
		__u32 bank = window_bank();                                                        \
                                                                                                   \
		v = bank == PROBE_NO_WINDOW ? NULL : values_here(bank);                            \
		if (!v || program >= PROBE_MAX_PROGRAMS)                                           \
			return NULL;                                                               \
		value_add(&v->runs[program], 1);                                                   \
		return window_has(window_span(bank), bpf_ktime_get_ns()) ? v->slot : NULL;         \
	}

/* By the upper six bits of a number that has all bits below its highest one set, times this
 * constant, a de Bruijn sequence: where that one is (Leiserson, Prokop, Randall, Using de Bruijn
 * Sequences to Index a 1 in a Computer Word, 1998). */
#define BIT_SEQUENCE 0x03f79d71b4cb0a89ull
static const __u8 bit_positions[64] SEC(".rodata.bits") = {
	0,  47, 1,  56, 48, 27, 2,  60, 57, 49, 41, 37, 28, 16, 3,  61, 54, 58, 35, 52, 50, 42,
	21, 44, 38, 32, 29, 23, 17, 11, 4,  62, 46, 55, 26, 59, 40, 36, 15, 53, 34, 51, 20, 43,
	31, 22, 10, 45, 25, 39, 14, 33, 19, 30, 9,  24, 13, 18, 8,  12, 7,  6,	5,  63,
};

/* Position of the highest set bit of value, which is not 0. Without a branch, because the verifier
 * walks every combination of branches; __builtin_clzll() makes clang 14 crash. */
static __always_inline __u32 bit_highest(__u64 value)
{
	value |= value >> 1;
	value |= value >> 2;
	value |= value >> 4;
	value |= value >> 8;
	value |= value >> 16;
	value |= value >> 32;
	return bit_positions[value * BIT_SEQUENCE >> 58];
}

static __always_inline __u32 hist_index(__u64 value)
{
	__u32 exp;

	if (value < (1u << PROBE_HIST_BITS))
		return value;
	exp = bit_highest(value);
	return ((exp - PROBE_HIST_BITS) << PROBE_HIST_BITS) +
	       (__u32)(value >> (exp - PROBE_HIST_BITS));
}

#define TOP_BIT (1ull << 63)

/* Record a value in the histogram at slot. For events that no other event of the same CPU can
 * interrupt (interrupts are off in all scheduler tracepoints). */
static __always_inline void hist_record(__u64 *slot, __u64 value)
{
	struct probe_hist *hist = (struct probe_hist *)slot;
	__u32 i = hist_index(value);
	__u64 not_min;

	hist->count++;
	hist->sum += value;
	hist->max += positive(value - hist->max);
	/* Values are below 2^63, so the top bit of ~value is set, and the rest compares as signed
	 * numbers; it is not set in an empty histogram. */
	not_min = ~value & ~TOP_BIT;
	not_min += positive((hist->not_min & ~TOP_BIT) - not_min);
	hist->not_min = not_min | TOP_BIT;
	/* Through memory the verifier forgets where i came from; else it would tell apart all ways
	 * that led to value, in the whole program. */
	hist->index = i;
	i = READ_ONCE(hist->index);
	if (i < PROBE_HIST_BUCKETS)
		hist->n[i]++;
}

/* --- tracked threads; the maps belong to track.bpf.c, other objects share them --- */

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct probe_tag);
} tags SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PROBE_THREADS);
	__type(key, __u32);
	__type(value, struct probe_tag);
} tags_hash SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PROBE_THREADS);
	__type(key, __u32);
	__type(value, struct probe_thread);
} threads SEC(".maps");

/* Interrupt time per CPU; belongs to track.bpf.c too. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct probe_cpu_clock);
} cpu_clock SEC(".maps");

/* Of the CPU that this runs on. */
static __always_inline struct probe_cpu_clock *cpu_clock_here(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&cpu_clock, &cpu);
}

static __always_inline struct probe_tag *tag_of(struct task_struct *task, bool raw)
{
	struct probe_tag *tag = NULL;

	if (!raw && config.storage)
		tag = bpf_task_storage_get(&tags, task, NULL, 0);
	if (!tag && READ_ONCE(windows.hash_used)) {
		__u32 tid = GET(raw, task, pid);

		tag = bpf_map_lookup_elem(&tags_hash, &tid);
		if (tag && tag->task != (__u64)task)
			tag = NULL;
	}
	if (tag && tag->generation != READ_ONCE(windows.generation))
		tag = NULL;
	return tag;
}

static __always_inline struct task_struct *task_current(bool raw)
{
	return raw ? (void *)bpf_get_current_task() : bpf_get_current_task_btf();
}

static __always_inline struct probe_thread *thread_of(struct task_struct *task, bool raw)
{
	struct probe_tag *tag = tag_of(task, raw);
	__u32 slot;

	if (!tag)
		return NULL;
	slot = tag->slot;
	return bpf_map_lookup_elem(&threads, &slot);
}

/* --- tasks --- */

/* Is it off the run queues although it may still be counted there (delayed dequeue, 6.12)? */
static __always_inline bool task_delayed(struct task_struct *task, bool raw)
{
	if (!bpf_core_field_exists(task->se.sched_delayed))
		return false;
	return GET(raw, task, se.sched_delayed);
}

static __always_inline __u32 task_on_cpu(struct task_struct *task, bool raw)
{
	return raw ? BPF_CORE_READ_BITFIELD_PROBED(task, on_cpu) : task->on_cpu;
}

static __always_inline __u32 task_on_rq(struct task_struct *task, bool raw)
{
	return raw ? BPF_CORE_READ_BITFIELD_PROBED(task, on_rq) : task->on_rq;
}

static __always_inline __u64 task_state(struct task_struct *task, bool raw)
{
	struct task_struct___old *old = (void *)task;

	if (bpf_core_field_exists(task->__state))
		return GET(raw, task, __state);
	return BPF_CORE_READ(old, state);
}

static __always_inline __u32 task_cpu(struct task_struct *task, bool raw)
{
	struct task_struct___old *old = (void *)task;

	if (bpf_core_field_exists(task->thread_info.cpu))
		return GET(raw, task, thread_info.cpu);
	return BPF_CORE_READ(old, cpu);
}

#endif
