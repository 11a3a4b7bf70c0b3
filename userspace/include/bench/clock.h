/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdint.h>
#include <time.h>

#define BENCH_NS_PER_US 1000ull
#define BENCH_NS_PER_MS 1000000ull
#define BENCH_NS_PER_SEC 1000000000ull

/* The one clock of the project: CLOCK_MONOTONIC in ns, the clock of bpf_ktime_get_ns() and of perf
 * events opened with use_clockid. Cannot fail on Linux. */
static inline uint64_t bench_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * BENCH_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

#endif
