/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupt time, blame and work conservation: what their programs share with userspace/probe/. */
#ifndef BLAME_ABI_H
#define BLAME_ABI_H

#include "probe_abi.h"

/* --- interrupts: map "irq_time", element bank * nr_cpus + cpu --- */

/* What interrupts a CPU has a number: interrupt lines, then (x86) vectors without a line, such as
 * the timer tick, then (arm64) all inter-processor interrupts together, then softirqs. */
#define PROBE_IRQ_LINES 1024 /* the last one stands for itself and all above */
#define PROBE_IRQ_VECTORS 256
#define PROBE_SOFTIRQS 16

enum {
	PROBE_SOURCE_LINE = 0,
	PROBE_SOURCE_VECTOR = PROBE_SOURCE_LINE + PROBE_IRQ_LINES,
	PROBE_SOURCE_IPI = PROBE_SOURCE_VECTOR + PROBE_IRQ_VECTORS,
	PROBE_SOURCE_SOFT = PROBE_SOURCE_IPI + 1,
	PROBE_SOURCES = PROBE_SOURCE_SOFT + PROBE_SOFTIRQS,
};

/* Kinds of metrics, beside enum probe_kind. */
enum { PROBE_IRQ = 32, PROBE_BLAME, PROBE_BALANCE };
enum probe_irq_of { PROBE_IRQ_TIME, PROBE_IRQ_COUNT, PROBE_SOFTIRQ_TIME, PROBE_SOFTIRQ_COUNT };

#define PROBE_IRQ_NEST 4 /* hard interrupts in each other: a handler that demultiplexes */

struct probe_irq_open {
	__u64 start_ns;
	__u64 hard_ns;	 /* the CPU's hardirq_ns at the start, to take out what was nested */
	__u64 wait_ns;	 /* the CPU's waiting integral at the start ... */
	__s64 hard_wait; /* ... and what of it was charged to hard interrupts until then */
	__u32 source;
	__u32 open;
} __attribute__((aligned(8)));

/* Written by programs of that CPU only. */
struct probe_irq {
	__u32 depth; /* hard interrupts being served */
	__u32 pad;
	__u64 dropped; /* ends without a beginning, and nesting too deep */
	struct probe_irq_open hard[PROBE_IRQ_NEST], soft;
	__u64 ns[PROBE_SOURCES]; /* without what interrupted it */
	__u64 nr[PROBE_SOURCES];
	__s64 blame_ns[PROBE_SOURCES]; /* what tracked threads waited meanwhile */
} __attribute__((aligned(64)));

/* --- interrupts one by one: map "irq_rings", element cpu --- */

#define PROBE_IRQ_RING 4096 /* interrupts that a CPU remembers */

struct probe_irq_span {
	__u64 from_ns;
	__u32 ns; /* until its end, whatever interrupted it included */
	__u32 source;
};

/* Written by its CPU only, oldest overwritten. A hard interrupt that comes while the end of a soft
 * one is written may be lost to it: both take the same place. */
struct probe_irq_ring {
	__u64 head; /* written so far */
	__u64 pad[7];
	struct probe_irq_span ring[PROBE_IRQ_RING];
};

/* --- blame: map "blame", element bank * nr_cpus + cpu --- */

/* How many tracked threads wait for a CPU, and since when, in one word, so that any CPU can change
 * it by one atomic addition, and everybody who reads it knows the time that was waited until t:
 * number * t - sum of the times of arrival + sum of the times of departure, modulo 2^51. Times
 * count from the start of the window. */
#define PROBE_WAIT_BITS 13 /* of the number, at most PROBE_THREADS */
#define PROBE_WAIT_ONE(t) (((__u64)(t) << PROBE_WAIT_BITS) + 1)
#define PROBE_WAIT_NR(word) ((word) & ((1ull << PROBE_WAIT_BITS) - 1))
#define PROBE_WAIT_NS(word, t) (PROBE_WAIT_NR(word) * (t) - ((word) >> PROBE_WAIT_BITS))
/* Difference of two such integrals; negative when an arrival came to light late. */
#define PROBE_WAIT_DIFF(b, a) ((__s64)(((b) - (a)) << PROBE_WAIT_BITS) >> PROBE_WAIT_BITS)

#define PROBE_THIEVES 256 /* tasks per CPU; a power of 2 */
#define PROBE_THIEF_AT(pid) (((pid)*0x9e3779b1u) >> 24) /* where the search for one begins ... */
#define PROBE_THIEF_TRIES 8				/* ... and how far it goes */

struct probe_thief {
	__u32 pid; /* 0 = free */
	__u32 pad;
	__s64 ns;
	__u64 cgroup; /* id, 0 = not known */
	char comm[16];
};

/* The first line is written by any CPU, the rest by programs of that CPU only. */
struct probe_blame {
	__u64 word; /* waiting tracked threads, see above */
	__u64 pad[7];
	/* The slice of CPU time that is running: */
	__u64 since_ns; /* 0 = no switch was seen in this window */
	__u64 wait_ns;	/* the integral at its start */
	__s64 irq_ns;	/* and what was charged to interrupts until then */
	__u64 steal_ns; /* the host's share of this CPU until then */
	__u64 task;	/* who runs it: its address, ... */
	__u64 exec_ns;	/* ... and how long the kernel says it has run, ever */
	__u32 owner;	/* pid, 0 = idle */
	__u32 pad1;
	/* Charged so far: */
	__s64 hard_ns, soft_ns; /* in sum; by source in struct probe_irq */
	__s64 idle_ns, host_ns;
	__s64 other_ns;	  /* tasks that found no room in the table ... */
	__u64 nr_other;	  /* ... and how often */
	__u64 unknown_ns; /* waits whose beginning was not seen, and behind tasks that were not */
	__u64 unseen_ns;  /* the latter alone */
	__u64 pad2;
	struct probe_thief thieves[PROBE_THIEVES];
} __attribute__((aligned(64)));

/* --- who had the CPU, slice by slice: map "slices", element cpu --- */

#define PROBE_SLICES 2048 /* that a CPU remembers */

/* One in which a tracked thread waited for the CPU. */
struct probe_slice {
	__u64 from_ns, to_ns;
	__u32 pid; /* 0 = idle */
	__u32 pad;
};

/* Written by that CPU only. */
struct probe_slices {
	__u64 head; /* slices written so far; the newest is (head - 1) % PROBE_SLICES */
	__u64 pad[7];
	struct probe_slice ring[PROBE_SLICES];
};

/* --- work conservation --- */

/* The loss: a CPU has more than one runnable task while another has none. A task that was woken on
 * an idle CPU and has not got it yet is a wake-up, not a loss. */
enum probe_busy { PROBE_BUSY_UNKNOWN, PROBE_BUSY_IDLE, PROBE_BUSY_ONE, PROBE_BUSY_MORE };

/* Map "busy", element bank * nr_cpus + cpu. */
struct probe_busy_cpu {
	__u64 busy; /* enum probe_busy; unknown = this CPU does not count; atomic */
	__u64 pad[7];
} __attribute__((aligned(64)));

/* Map "balance", element bank. */
struct probe_balance {
	__u64 counts; /* CPUs that idle, and << 32 those with more than one task; atomic */
	__u64 more_ns; /* when the first of the latter came */
	__u64 pad[6];
	__u64 lost_ns; /* ends - beginnings of the times with both; from the window's start */
	__u64 pad2[7];
} __attribute__((aligned(64)));

#define PROBE_BALANCE_LOSS(counts) ((__u32)(counts) && (counts) >> 32)

#endif
