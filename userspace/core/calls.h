/* SPDX-License-Identifier: BSD-2-Clause */
/* How many system calls a worker makes. The tracepoint at their entry makes those of the whole host
 * slower while anybody counts, so this is done in a window that enters no other metric. */
#ifndef CORE_CALLS_H
#define CORE_CALLS_H

#include <stdint.h>
#include <sys/types.h>
#include "bench/metric.h"

/* Of one worker. */
struct calls {
	int fd; /* of the perf event, -1 = none */
	uint64_t counted;
};

/* Count the calls of this thread. 0, or the status that the metric has without it, and why. */
enum bench_status calls_open(struct calls *calls, pid_t tid, char *why, size_t size);
/* On the worker; calls NULL is fine. */
void calls_start(const struct calls *calls);
void calls_stop(const struct calls *calls);
/* Read and close. */
void calls_close(struct calls *calls);

#endif
