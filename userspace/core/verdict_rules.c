// SPDX-License-Identifier: BSD-2-Clause
/* What may be concluded from which metrics. A rule holds when every need is there and within its
 * bound; one that lacks a metric says nothing. Of several that hold, the one whose first need is
 * largest speaks, and of equals the one that stands first: the one with more evidence. */
#include <stddef.h>

#include "core/verdict_rules.h"

#define WALL(causes, condition, bound)                                                             \
	{                                                                                          \
		"wall.time", "cause", causes, READ_VALUE, condition, bound, 0                      \
	}
#define DEVICE_P50(condition, bound, of)                                                           \
	{                                                                                          \
		"block.latency", "stage", "device", READ_P50, condition, bound, of                 \
	}
#define QUEUE_P50(condition, bound, of)                                                            \
	{                                                                                          \
		"block.latency", "stage", "queue", READ_P50, condition, bound, of                  \
	}
#define LATENCY_P50                                                                                \
	{                                                                                          \
		"latency", NULL, NULL, READ_P50, IS_THERE, 0, 0                                    \
	}

/* The kind of what ran while workers waited, and the largest of that kind. */
#define BEHIND(class)                                                                              \
	{                                                                                          \
		"sched.blame", "class", class, READ_SHARE, AT_LEAST, 0.4, 0                        \
	}
#define WHO(class)                                                                                 \
	{                                                                                          \
		"sched.blame", "class", class, READ_MOST, AT_LEAST, 1, 0                           \
	}

/* Where one cause takes half of the time, taking it away would make the job twice as fast at most:
 * below that, no single cause is the limit. */
#define HALF 0.5
/* A disturbance below this share of the wall time is within the noise of most hosts. */
#define NOTICEABLE 0.05

const struct verdict_rule verdict_rules[] = {
	/* --- what limits --- */
	{ "device",
	  VERDICT_LIMIT,
	  "device-bound: {0} of wall time blocked on disk, device p50 {1} of {2}",
	  { WALL("blocked.disk", AT_LEAST, HALF), DEVICE_P50(AT_LEAST, 0.5, 3), LATENCY_P50 } },
	{ "disk-queue",
	  VERDICT_LIMIT,
	  "bound by the device's queue: {0} of wall time blocked on disk, p50 {1} in the queue "
	  "before "
	  "{2} on the device",
	  { WALL("blocked.disk", AT_LEAST, HALF), QUEUE_P50(AT_LEAST, 1, 3),
	    DEVICE_P50(IS_THERE, 0, 0) } },
	{ "disk",
	  VERDICT_LIMIT,
	  "waits for the disk: {0} of wall time blocked on disk",
	  { WALL("blocked.disk", AT_LEAST, HALF) } },
	{ "kernel",
	  VERDICT_LIMIT,
	  "CPU-bound in the kernel: {0} of wall time on CPU, {1} in kernel code",
	  { WALL("user+kernel", AT_LEAST, 0.8), WALL("kernel", AT_LEAST, HALF) } },
	{ "cpu",
	  VERDICT_LIMIT,
	  "CPU-bound: {0} of wall time on CPU",
	  { WALL("user+kernel", AT_LEAST, 0.8) } },
	/* The answer comes late or the waker does; a full run queue would be this host's doing. */
	{ "peer",
	  VERDICT_LIMIT,
	  "bound by the peer and by wake-up latency: {0} of wall time waiting for the network, {1} "
	  "on "
	  "the run queue, p50 {2} from runnable to running",
	  { WALL("blocked.net", AT_LEAST, 0.3),
	    WALL("runqueue", AT_MOST, 0.1),
	    { "sched.runq_latency", NULL, NULL, READ_P50, IS_THERE, 0, 0 },
	    WALL("user+kernel", AT_MOST, HALF) } },
	{ "net",
	  VERDICT_LIMIT,
	  "waits for the network: {0} of wall time",
	  { WALL("blocked.net", AT_LEAST, HALF) } },
	{ "futex",
	  VERDICT_LIMIT,
	  "lock-bound: {0} of wall time waiting for other threads (futex)",
	  { WALL("blocked.futex", AT_LEAST, HALF) } },
	{ "ipc",
	  VERDICT_LIMIT,
	  "waits for another process: {0} of wall time blocked on pipes or sockets of this host",
	  { WALL("blocked.ipc", AT_LEAST, HALF) } },
	{ "timer",
	  VERDICT_LIMIT,
	  "timer wait: {0} of wall time asleep until a set time",
	  { WALL("blocked.timer", AT_LEAST, HALF) } },
	{ "fault",
	  VERDICT_LIMIT,
	  "bound by page faults: {0} of wall time waiting for pages, {1} major faults",
	  { WALL("blocked.fault", AT_LEAST, 0.3),
	    { "fault.count", "kind", "major", READ_VALUE, AT_LEAST, 1, 0 } } },
	{ "uring",
	  VERDICT_LIMIT,
	  "waits in io_uring: {0} of wall time, for operations that cannot be told apart",
	  { WALL("blocked.uring", AT_LEAST, HALF) } },
	{ "other",
	  VERDICT_LIMIT,
	  "waits in the kernel: {0} of wall time asleep for none of the reasons that have a name",
	  { WALL("blocked.other", AT_LEAST, HALF) } },

	/* --- what disturbs --- */
	{ "interference",
	  VERDICT_DISTURBANCE,
	  "not this host's limit: workers waited {0} of wall time on the run queue, {1} of it "
	  "behind other tasks, most of all {2.who}",
	  { WALL("runqueue", AT_LEAST, NOTICEABLE), BEHIND("other"), WHO("other") } },
	{ "crowd",
	  VERDICT_DISTURBANCE,
	  "more threads than CPUs: workers waited {0} of wall time on the run queue, {1} of it "
	  "behind each other",
	  { WALL("runqueue", AT_LEAST, NOTICEABLE), BEHIND("own") } },
	{ "interrupted",
	  VERDICT_DISTURBANCE,
	  "interrupts first: workers waited {0} of wall time on the run queue, {1} of it while "
	  "their CPU served interrupts, most of all {2.who}",
	  { WALL("runqueue", AT_LEAST, NOTICEABLE), BEHIND("irq"), WHO("irq") } },
	{ "wake-up",
	  VERDICT_DISTURBANCE,
	  "wake-up latency: workers waited {0} of wall time on the run queue, {1} of it for an "
	  "idle CPU to take them",
	  { WALL("runqueue", AT_LEAST, NOTICEABLE), BEHIND("idle") } },
	{ "runqueue",
	  VERDICT_DISTURBANCE,
	  "interference: workers waited {0} of wall time for a CPU",
	  { WALL("runqueue", AT_LEAST, NOTICEABLE) } },
	{ "steal",
	  VERDICT_DISTURBANCE,
	  "steal: the hypervisor took {0} of the workers' wall time for other guests",
	  { WALL("steal", AT_LEAST, 0.02) } },
	{ "observer",
	  VERDICT_DISTURBANCE,
	  "measuring costs: {0} of wall time went to the probes; --no-probes for speed alone",
	  { WALL("observer", AT_LEAST, NOTICEABLE) } },

	/* --- how it did it --- */
	{ "softirq",
	  VERDICT_NOTE,
	  "softirq: {0} of wall time went to deferred interrupt work, most of it {1.who}",
	  { WALL("softirq", AT_LEAST, NOTICEABLE),
	    { "softirq.time", "vector", NULL, READ_VALUE, AT_LEAST, 1, 0 } } },
	{ "hardirq",
	  VERDICT_NOTE,
	  "interrupts: {0} of wall time went to handlers, most of it {1.who}",
	  { WALL("hardirq", AT_LEAST, NOTICEABLE),
	    { "irq.time", "irq", NULL, READ_VALUE, AT_LEAST, 1, 0 } } },
	{ "idle-cpu",
	  VERDICT_NOTE,
	  "scheduling: for {0} of the time a task waited while an allowed CPU was idle",
	  { { "sched.work_conservation", NULL, NULL, READ_VALUE, AT_LEAST, NOTICEABLE, 0 },
	    WALL("runqueue", AT_LEAST, 0.02) } },
	{ "io-wq",
	  VERDICT_NOTE,
	  "io-wq: {1} operations were punted to kernel threads, {0} of all",
	  { { "uring.punts", NULL, "*", READ_PER_OP, AT_LEAST, 0.01, 0 },
	    { "uring.punts", NULL, "*", READ_VALUE, AT_LEAST, 1, 0 } } },
	{ NULL, VERDICT_LIMIT, NULL, { { 0 } } },
};
