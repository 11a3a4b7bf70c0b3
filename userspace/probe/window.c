// SPDX-License-Identifier: BSD-2-Clause
/* The window: published to the programs by one store, closed and settled before values are read.
 * There are two banks of values; the one that is not current is kept clear, so that opening a
 * window takes no longer than that store. */
#include "probe/blame.h"
#include "probe/set.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <bpf/bpf.h>
#include "bench/clock.h"

unsigned window_bank(const struct probe_set *set)
{
	return set->serial & 1;
}

static void bank_clear(const struct probe_set *set, unsigned bank)
{
	for (unsigned i = 0; i < set->nr_objects; i++)
		if (set->objects[i].values)
			memset(object_values(&set->objects[i], bank * set->nr_cpus), 0,
			       set->objects[i].value_size * set->nr_cpus);
	if (set->depth)
		memset(&set->depth[bank * set->nr_cpus], 0, set->nr_cpus * sizeof(*set->depth));
	blame_clear(set, bank);
}

/* The programs subtract times as signed numbers. */
static uint64_t end_of(const struct bench_window *window)
{
	return window->end_ns < INT64_MAX ? window->end_ns : INT64_MAX;
}

void probe_window(struct probe_set *set, const struct bench_window *window)
{
	struct probe_span *span;

	if (!set->windows)
		return;
	if (set->window_set && window->start_ns == set->start_ns) {
		span = &set->windows->span[window_bank(set)];
		set->open_end_ns = span->end_ns;
		span->end_ns = end_of(window);
		return;
	}
	/* A window that nobody read is forgotten: its bank is cleared when it is needed next. */
	if (set->window_set)
		bank_clear(set, window_bank(set) ^ 1);
	ledger_begin(set);
	set->serial++;
	set->start_ns = window->start_ns;
	set->window_set = true;
	set->open_end_ns = 0;
	span = &set->windows->span[window_bank(set)];
	span->start_ns = window->start_ns;
	span->end_ns = end_of(window);
	span->serial = set->serial;
	__atomic_store_n(&set->windows->current, window_bank(set), __ATOMIC_RELEASE);
	blame_window(set);
	fault_begin(set);
}

int window_run_on(int prog_fd, unsigned cpu)
{
	__u64 args[1] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = sizeof(args),
		    .flags = BPF_F_TEST_RUN_ON_CPU, .cpu = cpu);

	return bpf_prog_test_run_opts(prog_fd, &opts);
}

/* Once a program ran on each CPU, those that ran there before have finished: interrupts are off in
 * them. Where programs cannot be run like that (before 5.10), wait far longer than one takes. */
void window_sync(const struct probe_set *set)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	int fd = object_prog_fd(set->track, "settle");
	int ret = 0;

	for (unsigned cpu = 0; cpu < set->nr_cpus && fd >= 0; cpu++) {
		ret = window_run_on(fd, cpu);
		if (ret && ret != -ENXIO) /* offline */
			break;
	}
	if (fd < 0 || (ret && ret != -ENXIO))
		nanosleep(&pause, NULL);
}

/* What had no event since the window was set did the same thing all the time: ask what. A CPU that
 * seems busy may idle, when that was hidden. This is done with the gate open, so that an event in
 * between is seen, and then counts. */
static void ask_silent(struct probe_set *set)
{
	struct probe_depth *d = set->depth ? &set->depth[window_bank(set) * set->nr_cpus] : NULL;
	int fd = object_prog_fd(set->sched, "peek");
	bool silent = false;

	for (unsigned cpu = 0; d && fd >= 0 && cpu < set->nr_cpus; cpu++)
		if (!d[cpu].touched || d[cpu].depth)
			(void)window_run_on(fd, cpu); /* an offline CPU stays unknown */
	for (unsigned i = 0; i < PROBE_THREADS && !silent; i++)
		silent = set->threads[i].generation == set->windows->generation &&
			 set->threads[i].serial != set->serial;
	if (!silent)
		return;
	set->request->op = PROBE_OP_PEEK;
	(void)track_visit(set, set->track, "visit", 0, 0); /* else those threads stay unknown */
}

/* A window that is closed early: its end is published before it comes, or what programs account
 * between a reading of the clock and the store of it would lie beyond the end. */
#define CLOSE_LEAD_NS (2 * BENCH_NS_PER_MS)

static void end_soon(struct probe_span *span)
{
	uint64_t end;

	if (span->end_ns <= bench_now_ns() + CLOSE_LEAD_NS)
		return;
	do {
		end = bench_now_ns() + CLOSE_LEAD_NS;
		span->end_ns = end;
	} while (bench_now_ns() >= end); /* held up in between */
}

static void wait_for_end(const struct probe_span *span)
{
	const struct timespec end = { .tv_sec = (time_t)(span->end_ns / BENCH_NS_PER_SEC),
				      .tv_nsec = (long)(span->end_ns % BENCH_NS_PER_SEC) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
		;
}

void window_close(struct probe_set *set)
{
	struct probe_span *span = &set->windows->span[window_bank(set)];

	end_soon(span);
	ask_silent(set);
	ledger_end(set);
	fault_end(set);
	wait_for_end(span);
	set->end_ns = span->end_ns > set->start_ns ? span->end_ns : set->start_ns;
	__atomic_store_n(&set->windows->current, PROBE_NO_WINDOW, __ATOMIC_SEQ_CST);
	window_sync(set);
	bank_clear(set, window_bank(set) ^ 1);
	set->window_set = false;
}
