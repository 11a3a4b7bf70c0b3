/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel ledger as others read it: where a thread's time went, taken apart after the fact from
 * memory that the programs write. Loads only, no system call; any thread may call. */
#ifndef PROBE_LEDGER_H
#define PROBE_LEDGER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct probe_set;

/* Causes of wall time, in the order of reports. Names are those of the metric wall.time. */
enum probe_cause {
	PROBE_CAUSE_USER,
	PROBE_CAUSE_KERNEL,
	PROBE_CAUSE_HARDIRQ,
	PROBE_CAUSE_SOFTIRQ,
	PROBE_CAUSE_STEAL,
	PROBE_CAUSE_RUNQUEUE,
	PROBE_CAUSE_DISK, /* blocked.disk, and so on */
	PROBE_CAUSE_NET,
	PROBE_CAUSE_FUTEX,
	PROBE_CAUSE_IPC,
	PROBE_CAUSE_TIMER,
	PROBE_CAUSE_FAULT,
	PROBE_CAUSE_URING,
	PROBE_CAUSE_OTHER,
	PROBE_CAUSE_OBSERVER,
	PROBE_CAUSE_UNACCOUNTED,
	PROBE_NR_CAUSES,
	/* Of intervals only, where user and kernel cannot be told apart. */
	PROBE_CAUSE_ONCPU = PROBE_NR_CAUSES,
	PROBE_NR_INTERVAL_CAUSES,
};

/* "user", "blocked.disk", ..., "oncpu". Static string. */
const char *probe_cause_name(enum probe_cause cause);

/* Who had the CPU while the thread waited for it, slice by slice. What interrupted a slice counts
 * with it. */
struct probe_culprit {
	char who[40]; /* "kworker/1:1 (38)", "idle", "unknown"; PROBE_OTHERS */
	uint64_t ns;
};

#define PROBE_MAX_CULPRITS 8 /* the last place is for the sum of all others */
#define PROBE_OTHERS "others"

/* An interval of one thread. The causes sum to its length; what the history no longer holds or
 * never knew is PROBE_CAUSE_UNACCOUNTED. The culprits sum to PROBE_CAUSE_RUNQUEUE. */
struct probe_interval {
	uint64_t ns[PROBE_NR_INTERVAL_CAUSES];
	struct probe_culprit culprits[PROBE_MAX_CULPRITS]; /* largest first; unused: ns 0 */
};

/* Take [from_ns, to_ns) of a tracked thread apart. 0, or -ENOENT when the thread has no history
 * (not tracked, no privileges, kernel without the hooks): nothing is written then. */
int probe_history(const struct probe_set *set, pid_t tid, uint64_t from_ns, uint64_t to_ns,
		  struct probe_interval *ret_interval);

/* What an io_uring worker has in flight, published by one store before it waits, so that the
 * kernel side can tell what it waits for. */
#define PROBE_MIX_DISK 1u
#define PROBE_MIX_NET 2u
#define PROBE_MIX_TIMER 4u
#define PROBE_MIX_IPC 8u
/* The word of a tracked thread, in mapped memory, or NULL when nobody reads it. Valid until
 * probe_untrack_all(). */
uint32_t *probe_mix(struct probe_set *set, pid_t tid);

/* A block request that completed. Times are CLOCK_MONOTONIC ns. */
struct probe_block {
	uint32_t dev;	 /* the whole device's, not a partition's: major << 20 | minor */
	uint64_t sector; /* of the whole device, 512 bytes each */
	uint32_t bytes;
	uint64_t insert_ns;   /* entered the queue; equal to issue_ns when it went straight through */
	uint64_t issue_ns;    /* went to the device */
	uint64_t complete_ns; /* came back */
};
/* The request that covered this sector and completed within [from_ns, to_ns], the last one if there
 * were several. 0, -ENOENT when none is remembered (each CPU keeps the last 4096 that it completed),
 * -EOPNOTSUPP when block events are not probed. */
int probe_block_find(const struct probe_set *set, uint32_t dev, uint64_t sector, uint64_t from_ns,
		     uint64_t to_ns, struct probe_block *ret_block);

/* A request and its answer by TCP. Times are CLOCK_MONOTONIC ns. */
struct probe_answer {
	uint64_t sent_ns;     /* the request went out, 0 = not known */
	uint64_t answered_ns; /* the answer went out; by loopback it is there at once */
};
/* Of the answer that the calling thread has just read from fd, before it sends anything again;
 * peer_fd is the other end, of the same process. The request was sent after since_ns. The thread is
 * tracked. One system call. 0, -ENOENT when it cannot be told, -EOPNOTSUPP when this kernel's
 * sockets cannot be read. */
int probe_answer(const struct probe_set *set, int fd, int peer_fd, uint64_t since_ns,
		 struct probe_answer *ret_answer);

#endif
