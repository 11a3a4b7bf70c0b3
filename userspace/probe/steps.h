/* SPDX-License-Identifier: BSD-2-Clause */
/* What the probes remember one by one, copied out for a timeline: transitions of threads, who had a
 * CPU, block requests. Each source is a ring that the kernel side overwrites; a cursor says how far it
 * has been read, and counts what was overwritten before. Loads only. */
#ifndef PROBE_STEPS_H
#define PROBE_STEPS_H

#include <stdint.h>
#include <sys/types.h>
#include "probe/ledger.h"
#include "probe/probe.h"

struct probe_cursor {
	uint64_t next; /* number of the next entry to read */
	uint64_t lost; /* overwritten before they were read */
};

/* From at_ns on the thread is in this state; what it was on CPU before, the rest was taken of. */
struct probe_step {
	uint64_t at_ns;
	uint16_t cpu;
	uint8_t cause; /* PROBE_CAUSE_ONCPU, _RUNQUEUE, _DISK, ..., _UNACCOUNTED: not known */
	uint32_t hardirq_ns, softirq_ns, steal_ns; /* of the time on CPU that ends here */
};

/* Somebody had a CPU. pid 0 = idle. */
struct probe_turn {
	uint64_t from_ns, to_ns;
	uint32_t pid;
};

/* A CPU served an interrupt; others may be within it. */
struct probe_served {
	uint64_t from_ns, to_ns;
	unsigned source; /* for probe_served_name() */
};

/* Threads that have a ring of transitions, by number from 0; false at the end. */
bool probe_steps_thread(const struct probe_set *set, unsigned nr, pid_t *ret_tid, char ret_comm[16]);
/* Begin with what comes from now on. */
void probe_steps_skip(const struct probe_set *set, unsigned thread, struct probe_cursor *cursor);
void probe_turns_skip(const struct probe_set *set, unsigned cpu, struct probe_cursor *cursor);
void probe_blocks_skip(const struct probe_set *set, unsigned cpu, struct probe_cursor *cursor);
void probe_served_skip(const struct probe_set *set, unsigned cpu, struct probe_cursor *cursor);
/* Copy at most max entries, oldest first; how many. */
unsigned probe_steps(const struct probe_set *set, unsigned thread, struct probe_cursor *cursor,
		     struct probe_step *steps, unsigned max);
unsigned probe_turns(const struct probe_set *set, unsigned cpu, struct probe_cursor *cursor,
		     struct probe_turn *turns, unsigned max);
unsigned probe_blocks(const struct probe_set *set, unsigned cpu, struct probe_cursor *cursor,
		      struct probe_block *blocks, unsigned max);
unsigned probe_served(const struct probe_set *set, unsigned cpu, struct probe_cursor *cursor,
		      struct probe_served *served, unsigned max);
/* "local_timer", "eth0", "NET_RX", as irq.time and softirq.time call them; true = a softirq. */
bool probe_served_name(const struct probe_set *set, unsigned source, const char **ret_name);
/* What the owner of a turn is called; its number when it is gone. */
void probe_turn_comm(const struct probe_set *set, unsigned cpu, uint32_t pid, char ret_comm[16]);
/* CPUs that may have turns and blocks. */
unsigned probe_steps_cpus(const struct probe_set *set);

#endif
