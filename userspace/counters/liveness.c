// SPDX-License-Identifier: BSD-2-Clause
/* A loop of known content, and what an event has to count over it. Opening proves nothing: an
 * emulated or virtual PMU may accept any event and read 0, or nonsense. */
#include "counters/plan.h"

#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Make the next load of this line a cache miss at every level, where user space may. */
static inline void flush_line(const void *line)
{
#if defined(__x86_64__)
	__asm__ volatile("clflush (%0)" ::"r"(line) : "memory");
#elif defined(__aarch64__)
	__asm__ volatile("dc civac, %0" ::"r"(line) : "memory");
#else
	(void)line;
#endif
}

/* A dependent multiplication (so at least one cycle each), a branch on its top bit (which nobody
 * can predict), loads, cache misses, and a few system calls for events of the kernel. */
__attribute__((noinline)) void liveness_loop(const unsigned char *buf, unsigned iterations)
{
	uint64_t x = 1;
	unsigned sum = 0;

	for (unsigned i = 0; i < iterations; i++) {
		const unsigned char *at;

		/* Knuth, MMIX: a full-period linear congruential generator. */
		x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		at = buf + (x >> 32) % LIVENESS_BYTES;
		if (x >> 63)
			sum += *(const volatile unsigned char *)at;
		else
			sum ^= i;
		if (i % 32 == 0)
			flush_line(at);
		__asm__ volatile("" : "+r"(x), "+r"(sum) : : "memory");
	}
	for (unsigned i = 0; i < 8; i++)
		(void)syscall(SYS_getppid);
}

/* The least that the loop makes this event count; 0 = unknown, so that a zero proves nothing. */
static uint64_t liveness_minimum(const struct counter_event *event, unsigned iterations)
{
	if (event->attr.exclude_user)
		return 0;
	/* Above bit 31 is the PMU's number on hybrid hosts. */
	if (event->attr.type == PERF_TYPE_HARDWARE) {
		switch ((uint32_t)event->attr.config) {
		case PERF_COUNT_HW_CPU_CYCLES:
			return iterations / 2;
		case PERF_COUNT_HW_INSTRUCTIONS:
			return 2 * (uint64_t)iterations;
		case PERF_COUNT_HW_BRANCH_INSTRUCTIONS:
			return iterations;
		case PERF_COUNT_HW_BRANCH_MISSES:
		case PERF_COUNT_HW_CACHE_REFERENCES:
		case PERF_COUNT_HW_CACHE_MISSES:
		case PERF_COUNT_HW_REF_CPU_CYCLES:
			return 1;
		}
	} else if (event->attr.type == PERF_TYPE_HW_CACHE) {
		switch ((uint32_t)event->attr.config) {
		case PERF_COUNT_HW_CACHE_L1D:
		case PERF_COUNT_HW_CACHE_L1D | PERF_COUNT_HW_CACHE_RESULT_MISS << 16:
		case PERF_COUNT_HW_CACHE_LL:
		case PERF_COUNT_HW_CACHE_DTLB:
		case PERF_COUNT_HW_CACHE_BPU:
			return 1;
		}
	}
	return 0;
}

static void set_status(struct counter_event *event, enum bench_status status, const char *note)
{
	event->status = status;
	snprintf(event->note, sizeof(event->note), "%s", note);
}

void liveness_judge(struct counter_event *event, const struct counter_reading *reading,
		    unsigned iterations)
{
	uint64_t least = liveness_minimum(event, iterations), value = reading->value;

	if (reading->running_ns == 0) {
		/* A thread on one kind of core says nothing about the other kind. */
		if (!event->hybrid)
			set_status(event, BENCH_NOT_COUNTED,
				   "never scheduled: the NMI watchdog or a profiler may hold the "
				   "counters");
		return;
	}
	if (reading->running_ns < reading->enabled_ns)
		value = (double)value * reading->enabled_ns / reading->running_ns;
	if (least && value == 0) {
		set_status(event, BENCH_NOT_SUPPORTED, "opens but does not count");
	} else if (value < least) {
		event->status = BENCH_NOT_SUPPORTED;
		snprintf(event->note, sizeof(event->note),
			 "counts nonsense: %llu in a loop with at least %llu",
			 (unsigned long long)value, (unsigned long long)least);
	} else {
		event->proved = value > 0;
		if (!value && !event->note[0])
			set_status(event, BENCH_OK, "dead in the test loop: opens, and read 0");
	}
}
