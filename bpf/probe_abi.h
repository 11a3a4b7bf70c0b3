/* SPDX-License-Identifier: BSD-2-Clause */
/* What the programs of bpf/ share with userspace/probe/: fixed-size types only. Every value lives
 * in a memory-mapped array, so that reading costs loads and no system call. */
#ifndef PROBE_ABI_H
#define PROBE_ABI_H

#ifdef __bpf__
typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;
#else
#include <linux/types.h>
#endif

#define PROBE_ABI 2

/* --- descriptors: section .rodata.probe of an object, read before load, without privileges --- */

enum probe_kind {
	PROBE_COUNT, /* one slot per label */
	PROBE_HIST,  /* PROBE_HIST_SLOTS slots: struct probe_hist */
	PROBE_DEPTH, /* run-queue depth: map "depth", read by userspace/probe/depth.c */
	PROBE_WALL,  /* the ledger: slot is enum probe_wall_of, read by userspace/probe/wall.c */
};

enum probe_better { PROBE_BETTER_NONE, PROBE_BETTER_LOWER, PROBE_BETTER_HIGHER };

enum probe_depth_of { PROBE_DEPTH_MEAN, PROBE_DEPTH_WAITING, PROBE_DEPTH_MAX, PROBE_DEPTH_TIME };

enum probe_wall_of { PROBE_WALL_JOB, PROBE_WALL_TASK, PROBE_WALL_WORST };

#define PROBE_MAX_LABELS 12

struct probe_desc {
	__u32 abi;    /* PROBE_ABI */
	__u32 kind;   /* enum probe_kind */
	__u32 better; /* enum probe_better */
	__u32 slot;   /* COUNT, HIST: the first slot. DEPTH: enum probe_depth_of */
	char name[32];
	char unit[12];
	char help[100];
	char events[120]; /* kernel tracepoints it rests on, space separated */
	__u32 min_args;	  /* that each of them must have; 0 = any number */
	char key[16];	  /* COUNT, HIST: label key, "" = without that label */
	char label[PROBE_MAX_LABELS][20];
	/* A further label, with values that are met while running: value k of found_max. Its slots
	 * follow each other: slot + (k * number of labels above + index of that label) * size. */
	char found_key[12]; /* "" = without */
	__u32 found_max;
	char found_enum[20];   /* the kernel's enum that names the values; "" = map "keys" does */
	char found_prefix[20]; /* of those names, cut off */
};

/* A value of such a label, element k of map "keys". The same id may be there twice. */
struct probe_key {
	__u64 id; /* 0 = free */
	char name[32];
};

/* Programs of the object that count their runs: section .rodata.programs, in the order of
 * probe_values.runs. The program is called as its row, with _btf or _raw appended. */
#define PROBE_MAX_PROGRAMS 8
struct probe_program {
	char name[16];
};

/* --- configuration: section .rodata.config, set before load; the verifier drops dead arms --- */

/* For net.bpf.c: offsets of fields, and the kernel's word for no reason. */
struct probe_net_config {
	__u32 skb_head, skb_network_header, skb_protocol, skb_segments;
	__u32 no_reason;
};

struct probe_config {
	__u32 nr_cpus;	      /* possible CPUs; the arrays below hold them twice */
	__u32 prev_state_arg; /* sched_switch has a fourth argument (5.18) */
	__u32 storage;	      /* tags are in task storage, else in a hash map keyed by tid */
	__u32 storage_sure;   /* a tag that is not found there is none */
	__u32 depth_exact;    /* depth is read from the run queue */
	__u32 depth_events;   /* depth is derived from events */
	__u32 depth_hash;     /* ... with the states of all tasks in a hash map */
	__u32 block_rq_arg;   /* which argument of block_rq_issue is the request: 0 (5.11), or 1 */
	__u32 uring_punt_args; /* arguments of io_uring_queue_async_work */
	__u32 cqe_arg;	       /* the third argument of io_uring_complete is the completion */
	__u32 regs;	      /* bpf_task_pt_regs() is there (5.15) */
	__u32 stacks;	      /* take stacks of blocked.other */
	__u32 causes;	      /* of blocked time are asked for */
	__u32 raw;	      /* programs have their raw_tp form */
	__u32 blame;	      /* waits are charged to who has the CPU */
	/* For typed.bpf.h: numbers of these types; 0 = an address cannot be given a type. */
	__u32 typed_kiocb, typed_socket, typed_regs, typed_task;
	struct probe_net_config net;
	__u32 balance;	      /* work conservation is asked for, and can be had */
};

/* --- window: section .data.window, one for all objects --- */

#define PROBE_NO_WINDOW 2

struct probe_span {
	__u64 start_ns, end_ns; /* [start, end) of CLOCK_MONOTONIC */
	__u64 serial;		/* 1, 2, ...: which window this is */
	__u64 pad;
};

/* Userspace fills the span that is not current, clears that bank of values, and then makes it
 * current with one store: a program sees the old window or the new one, never a mixture. */
struct probe_windows {
	__u32 current;	  /* bank 0 or 1, PROBE_NO_WINDOW = programs return at once */
	__u32 generation; /* of the tags: those of an older generation are void */
	__u32 hash_used;  /* some tag had to go to the hash map */
	__u32 heirs;	  /* there are tags, which children may inherit */
	__u64 no_tag;	  /* tasks that should have been followed and were not */
	__u32 unread;	  /* the last window's values are still to be read */
	__u32 histories;  /* threads that have one */
	__u32 epoch; /* changes with the tags: what was remembered of them is void */
	__u32 pad32;
	__u64 pad[3];
	struct probe_span span[2];
};

/* --- values: map "values", element bank * nr_cpus + cpu --- */

#define PROBE_HIST_BITS 3
#define PROBE_HIST_BUCKETS ((64 - PROBE_HIST_BITS + 1) << PROBE_HIST_BITS)

struct probe_hist {
	__u64 count, sum, max;
	__u64 not_min; /* ~min, so that all-zero is the empty histogram */
	__u64 index;   /* of the bucket last counted in */
	__u64 n[PROBE_HIST_BUCKETS];
};
#define PROBE_HIST_SLOTS (sizeof(struct probe_hist) / 8)

/* Head of an element; the object's own slots follow. Written by its CPU only. */
struct probe_values {
	__u64 runs[PROBE_MAX_PROGRAMS];
	__u64 slot[];
};

/* --- tracked threads: map "threads" --- */

#define PROBE_THREADS 4096
#define PROBE_SLOTS_AT_ONCE 64 /* PROBE_THREADS is a multiple of it */

enum probe_state {
	PROBE_UNKNOWN,
	PROBE_RUNNING,
	PROBE_WAITING, /* runnable, on a run queue */
	PROBE_BLOCKED,
	PROBE_DEAD,
	PROBE_STATES = 8, /* of an array: a power of two, so that any index can be masked */
};

#define PROBE_FLAG_CHILDREN 1u	/* what it forks is followed too */
#define PROBE_FLAG_IO_WORKER 2u /* an io_uring kernel worker */
#define PROBE_FLAG_HISTORY 4u	/* has a ring of its transitions */

/* What a thread can be blocked on, in the order of the causes of userspace/probe/ledger.h. */
enum probe_blocked {
	PROBE_BLOCKED_DISK,
	PROBE_BLOCKED_NET,
	PROBE_BLOCKED_FUTEX,
	PROBE_BLOCKED_IPC,
	PROBE_BLOCKED_TIMER,
	PROBE_BLOCKED_FAULT,
	PROBE_BLOCKED_URING,
	PROBE_BLOCKED_OTHER,
	PROBE_BLOCKED_CAUSES,
};

enum { PROBE_TAKEN_HARDIRQ, PROBE_TAKEN_SOFTIRQ, PROBE_TAKEN_STEAL, PROBE_TAKEN };
enum { PROBE_SAMPLE_USER, PROBE_SAMPLE_KERNEL, PROBE_SAMPLES };

/* Where time went. blocked_ns sums to time_ns[PROBE_BLOCKED]; taken_ns is part of
 * time_ns[PROBE_RUNNING]. */
struct probe_ledger {
	__u64 time_ns[PROBE_STATES];
	__u64 blocked_ns[PROBE_BLOCKED_CAUSES];
	__u64 taken_ns[PROBE_TAKEN];
	__u64 samples[PROBE_SAMPLES];
	__u64 ins, outs; /* times it got a CPU, and left it */
	__u64 waits;	 /* waits for a CPU that ended */
	__u64 life_ns;	 /* of threads that died: from birth or start of window to death */
	__u64 deaths;
};
#define PROBE_LEDGER_SLOTS (sizeof(struct probe_ledger) / 8)

/* The longest wait of one kind that ended on a CPU in the window, whoever of the tracked threads had
 * it: who that is may be gone when it is read. By enum probe_blocked, then the wait for a CPU. */
struct probe_worst {
	__u64 ns; /* 0 = none */
	char comm[16];
};
#define PROBE_WORST_RUNQUEUE PROBE_BLOCKED_CAUSES
#define PROBE_WORSTS (PROBE_BLOCKED_CAUSES + 1)
#define PROBE_WORST_SLOTS (sizeof(struct probe_worst) / 8 * PROBE_WORSTS)

/* Written under the scheduler's locks of that thread, so by one CPU at a time. */
struct probe_thread {
	__u32 seq;	  /* odd while being written */
	__u32 generation; /* 0 = free */
	__u32 tid, tgid;
	__u32 flags;
	__u32 state;	/* enum probe_state, as of since_ns */
	__u64 serial;	/* window that state and times belong to; another = no event yet in this one
			 */
	__u64 born_ns;	/* 0 = older than its tag */
	__u64 since_ns; /* in state since */
	__u64 off_ns;	/* left its CPU at; 0 = on CPU, or never ran */
	__u64 switches[2]; /* voluntary, involuntary */
	__u64 peek_serial; /* userspace asked in this window (iter/task): */
	__u32 peek_state;
	__u32 peek_blocked;
	char comm[16];
	__u64 task; /* its owner, as in the tag; 0 = nobody gives it back but userspace */
	__u64 freed_ns; /* the kernel freed it in this window, and its death was not seen */
	__u32 blocked;			   /* enum probe_blocked, while it is */
	__u32 cpu;			   /* it runs on, while it does */
	__u64 taken_at[PROBE_TAKEN];	   /* the CPU's sums when it got the CPU */
	__u32 ring;			   /* its history, from 1; 0 = none */
	__u32 stack;			   /* of this block, from 1; 0 = not taken */
	__u64 file_op;			   /* of the file it last waited for ... */
	__u32 file_class;		   /* ... and what that is */
	__u32 wait_cpu;			   /* the CPU it waits for, from 1; blame.bpf.h */
	struct probe_ledger ledger;
	__u32 mix; /* PROBE_MIX_*: what its io_uring has in flight; written by the thread itself */
	__u32 owner; /* of a kernel worker: the slot of the thread whose ring it serves */
	__s64 foreign[4]; /* in flight of a program that publishes no mix: disk, net, timer, ipc */
	/* What the thread asked about both ends of a TCP connection; 0 = not known. */
	__u64 socket_sent_ns[2];
	__u32 slot; /* its own number, for functions that take no pointer */
	__u32 pad;
} __attribute__((aligned(64)));

#define PROBE_MIX_DISK 1u
#define PROBE_MIX_NET 2u
#define PROBE_MIX_TIMER 4u
#define PROBE_MIX_IPC 8u

/* Operations of files that have no type of their own: section .data.files. Userspace opens one of
 * each kind, names the descriptors and has an iterator look them up. */
struct probe_file_ops {
	__s32 timer_fd, event_fd, epoll_fd, pad;
	__u64 timer, event, epoll;
};

/* --- history: map "history", element ring --- */

#define PROBE_HISTORY 4096 /* transitions that a ring remembers */

struct probe_transition {
	__u64 at_ns;
	__u8 state, blocked; /* it is in from here on */
	__u16 cpu;	     /* that it runs on, ran on, or waits for */
	__u32 taken_ns[PROBE_TAKEN]; /* of the time on CPU that ends here */
};

struct probe_history {
	__u64 head; /* transitions written so far; the newest is (head - 1) % PROBE_HISTORY */
	__u64 pad[7];
	struct probe_transition ring[PROBE_HISTORY];
};

/* --- stacks of blocked.other: map "stacks" --- */

#define PROBE_STACKS 1024
#define PROBE_STACK_DEPTH 24
#define PROBE_STACK_EVERY_NS 10000000ull /* per CPU */

struct probe_stack {
	__u64 serial; /* window */
	__u64 ns;     /* the block that it was taken of lasted */
	__s64 bytes;
	__u64 ip[PROBE_STACK_DEPTH];
};

/* --- the dead: map "graves", keyed by name --- */

#define PROBE_GRAVES 1024

struct probe_grave {
	__u64 serial;
	struct probe_ledger ledger;
};

/* Value of the task storage, and of the hash map where there is none. */
struct probe_tag {
	__u32 slot; /* of map "threads" */
	__u32 generation;
	__u32 flags;
	__u32 pad;
	__u64 task; /* address, tells a reused tid apart */
};

/* What the iter/task program of track.bpf.c shall do: section .data.request. */
enum probe_op { PROBE_OP_TAG, PROBE_OP_PEEK };

struct probe_request {
	__u32 op;
	__u32 all; /* every task it is shown; else tid or tgid must match */
	__u32 tid, tgid;
	__u32 flags; /* of the tags it makes */
	__u32 found; /* answer: tasks tagged or seen */
	__u32 failed;
	__u32 slot;  /* answer: of the last one tagged */
	__u32 rings; /* histories given out */
	__u32 max_rings;
	__u64 born_ns; /* of tasks it tags: they count from here on; 0 = from the window's start */
};

/* --- interrupts: map "cpu_clock", element cpu --- */

/* Interrupt time of a CPU, as far as it lies inside a window; it never goes back, and nothing is
 * added while no window is set. Written with interrupts off by programs of that CPU only. At
 * sched_switch no interrupt is being served, so the sums are up to date there. */
struct probe_cpu_clock {
	__u64 hardirq_ns; /* hard interrupts; nested ones count once */
	__u64 softirq_ns; /* soft interrupts, less the hard ones that interrupted them */
	/* For whoever writes: when the outermost one began; 0 = none is being served. soft_since may
	 * be any other number. */
	__u64 hard_since, soft_since;
	__u64 hard_in_soft; /* hardirq_ns when the soft interrupt began */
	__u32 hard_depth, soft_depth;
	__u64 pad[2];
	/* By userspace before it sets a window: the sums as of then. */
	__u64 hardirq_base, softirq_base;
	__u64 steal_base, steal_end; /* the host's share, at the window's ends */
	__u64 steal_known;	     /* serial of the window that steal_base is of */
	__u64 pad2[3];
} __attribute__((aligned(64)));

/* --- sched.bpf.c --- */

#define PROBE_MEMOS 16u /* a power of 2 */

/* Which thread a task is: see memo.bpf.h. */
struct probe_memo {
	__u64 task; /* address */
	__u32 epoch;
	__u32 slot; /* of map "threads"; PROBE_THREADS = it is not followed */
};
#define PROBE_MEMO_SLOTS (sizeof(struct probe_memo) / 8 * PROBE_MEMOS)

/* Slots of its values. */
enum {
	SCHED_LATENCY = 0,
	SCHED_OFFCPU = SCHED_LATENCY + PROBE_HIST_SLOTS,
	SCHED_SWITCHES = SCHED_OFFCPU + PROBE_HIST_SLOTS, /* voluntary, involuntary */
	SCHED_MIGRATIONS = SCHED_SWITCHES + 2,
	SCHED_SEQ,	 /* rq->nr_switches at the last switch seen */
	SCHED_SEEN,	 /* switches of this CPU, seen ... */
	SCHED_LOST,	 /* ... and missed, by the gaps of that number */
	SCHED_LAST_NS,	 /* time of the last switch seen */
	SCHED_REPAIRED,	 /* transitions of tracked threads put back in */
	SCHED_AMBIGUOUS, /* ns whose state is a guess because of that */
	SCHED_BACKWARDS, /* intervals that ended before they began */
	SCHED_STACK_NS,	 /* last time a stack was taken here */
	SCHED_QUEUE,	 /* the run queue that last got a task from here: its address, */
	SCHED_QUEUE_CLOCK, /* its own clock as of then, */
	SCHED_QUEUE_NS,	 /* and ours */
	SCHED_LEDGER,	 /* struct probe_ledger of all tracked threads ... */
	SCHED_LEDGER_IO = SCHED_LEDGER + PROBE_LEDGER_SLOTS, /* ... and io_uring's kernel workers */
	SCHED_MEMO = SCHED_LEDGER_IO + PROBE_LEDGER_SLOTS,
	SCHED_WORST = SCHED_MEMO + PROBE_MEMO_SLOTS, /* struct probe_worst of each kind */
	SCHED_SLOTS = SCHED_WORST + PROBE_WORST_SLOTS,
};

#define PROBE_DEPTHS 64 /* the last one means "that many or more" */

/* Map "depth", element bank * nr_cpus + cpu: written under that CPU's run-queue lock, by any CPU.
 */
struct probe_depth {
	__u32 seq;
	__u32 touched; /* an event was seen in this window; the state below is known */
	__u32 depth;   /* runnable tasks, running and waiting */
	__u32 waiting;
	__u32 max;
	__u32 peeked; /* asked by userspace; valid while not touched */
	__u32 peek_depth, peek_waiting;
	__u64 since_ns;
	__u64 idle_ns; /* asked by userspace at the end: idle since then, though depth is not 0 */
	__u64 depth_ns, waiting_ns; /* time integrals */
	__u64 backwards;
	__u64 at_ns[PROBE_DEPTHS]; /* time at each depth */
} __attribute__((aligned(64)));

/* Map "queues", element cpu: what outlives a window. */
struct probe_queue {
	__u64 rq;      /* address of the kernel's struct rq */
	__s64 count;   /* events: runnable tasks */
	__u64 arrived; /* events: tasks that migrated here ... */
	__u64 joined;  /* ... and how many of them are in count */
	__u32 running;
	__u32 pad;
	__u64 pad2[3];
} __attribute__((aligned(64)));

/* State of any task, for the depth that is derived from events. */
enum probe_queued { PROBE_Q_UNKNOWN, PROBE_Q_OFF, PROBE_Q_QUEUED, PROBE_Q_RUNNING };

struct probe_place {
	__u32 state;
	__u32 cpu;
};

#endif
