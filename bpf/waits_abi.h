/* SPDX-License-Identifier: BSD-2-Clause */
/* What waits.bpf.c tells userspace of followed threads, by a ring buffer. */
#ifndef WAITS_ABI_H
#define WAITS_ABI_H

#include "probe_abi.h"

#define WAITS_KERNEL_FRAMES 48u
#define WAITS_USER_FRAMES 80u

/* A walk of both stacks costs some microseconds: not more often than this on each CPU, which keeps it
 * near 1 % of the time. But threads that seldom leave their CPU are seldom met, and wait long: one
 * that has had no stack for so long takes one unless the CPU has just taken another. */
#define WAITS_STACK_EVERY_NS 250000u
#define WAITS_STACK_SELDOM_NS 10000000u
#define WAITS_STACK_LEAST_NS 25000u
/* Without a stack a thread tells its sums this often at most. */
#define WAITS_TELL_EVERY_NS 10000000u

/* Where the thread's time went since the window began: the sums of its ledger. */
enum { WAITS_CPU, WAITS_TAKEN, WAITS_RUNQ, WAITS_BLOCK_IO, WAITS_OFFCPU, WAITS_SUMS };

#define WAITS_DEAD 1u /* it has left its CPU for the last time */

struct waits_record {
	__u64 at_ns;
	__u32 tid, tgid;
	__u32 cpu;
	__u32 slot; /* of map "threads" */
	__u64 serial; /* of the window */
	__u64 sum_ns[WAITS_SUMS];
	/* The wait that has just ended, which is part of the sums and has the stack: */
	__u64 off_ns;	  /* from when ... */
	__u64 runq_ns;	  /* ... and how much of it was for the CPU */
	__u32 blocked;	  /* enum probe_blocked; of no account when all was for the CPU */
	__u32 flags;	  /* WAITS_* */
	__s32 kernel_bytes, user_bytes; /* of the stacks, innermost first; <= 0 = none */
	__u64 kernel[WAITS_KERNEL_FRAMES];
	__u64 user[WAITS_USER_FRAMES];
};

/* Slots of its values. */
enum {
	WAITS_STACK_NS, /* last time that a stack was taken here */
	WAITS_STACKS,	/* taken */
	WAITS_FULL,	/* records that found no room */
	WAITS_SLOTS,
};

#endif
