/* SPDX-License-Identifier: BSD-2-Clause */
/* What the modes of sched share. */
#ifndef MODULES_SCHED_COMMON_H
#define MODULES_SCHED_COMMON_H

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/module.h"
#include "switches.h"

enum sched_mode {
	SCHED_MODE_PINGPONG,
	SCHED_MODE_TIMER,
	SCHED_MODE_WAKEUP,
	SCHED_MODE_MESSAGING,
	SCHED_MODE_CREATE,
	SCHED_MODE_FORK,
	SCHED_MODE_EXEC,
	SCHED_MODE_YIELD,
};

enum sched_by { SCHED_BY_AUTO, SCHED_BY_FUTEX, SCHED_BY_PIPE, SCHED_BY_EVENTFD, SCHED_BY_SOCKET };
enum sched_policy { SCHED_POLICY_NORMAL, SCHED_POLICY_FIFO };
enum sched_idle { SCHED_IDLE_ANY, SCHED_IDLE_SHALLOW };

struct sched_params {
	uint64_t mode, by, interval, policy, idle, groups, tasks, loops, size, load;
	const char *program;
};

/* The callbacks of one mode: as those of struct bench_module, NULL where there is nothing to do. */
struct sched_calls {
	int (*setup)(struct bench_job *job, struct bench_err *err);
	int (*enter)(struct bench_worker *w);
	int (*begin)(struct bench_worker *w);
	int (*run)(struct bench_worker *w, uint64_t ops);
	void (*finish)(struct bench_worker *w);
	void (*interrupt)(struct bench_worker *w);
	void (*leave)(struct bench_worker *w);
	void (*teardown)(struct bench_job *job);
	void (*report)(struct bench_job *job, uint64_t trial_ns);
};

static inline void sched_sleep_until(uint64_t ns)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / BENCH_NS_PER_SEC),
			       .tv_nsec = (long)(ns % BENCH_NS_PER_SEC) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

/* A latency that the module measured: the time from intended to now. */
static inline void sched_latency(struct bench_worker *w, uint64_t intended_ns, uint64_t now_ns)
{
	bench_hist_record(w->latency, now_ns - intended_ns);
	if (now_ns - intended_ns >= w->slow_ns)
		bench_slow(w, intended_ns, intended_ns, now_ns, 0);
}

#endif
