// SPDX-License-Identifier: BSD-2-Clause
/* Sampling of this thread while it spins: as many samples as its time says, none lost unnoticed. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "counters/ring.h"

#define MS 1000000ull

static struct counter_ring *ring;

static uint64_t now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000 * MS + (uint64_t)ts.tv_nsec;
}

/* Spin for so much CPU time; returns how much it was. */
__attribute__((noinline)) static uint64_t spin(uint64_t ns)
{
	uint64_t start = now(CLOCK_THREAD_CPUTIME_ID), at;

	/* Mostly in user mode. */
	while ((at = now(CLOCK_THREAD_CPUTIME_ID) - start) < ns)
		for (volatile unsigned i = 0; i < 20000; i++)
			;
	return at;
}

static void open_ring(unsigned frequency, unsigned pages, bool stacks)
{
	const struct ring_config config = {
		.tid = 0, .cpu = -1, .frequency = frequency, .pages = pages, .stacks = stacks
	};
	struct bench_err err = { 0 };
	int rc = ring_open(&ring, &config, &err);

	if (rc == -EACCES || rc == -EPERM || rc == -ENOSYS) {
		print_message("skipped: %s\n", err.msg);
		skip();
	}
	if (rc)
		fail_msg("%s", err.msg);
}

static int teardown(void **state)
{
	(void)state;
	ring_close(ring);
	ring = NULL;
	return 0;
}

struct seen {
	unsigned nr, user, stacks, inside;
	uint64_t first_ns, last_ns;
	bool backwards, foreign;
};

static void see(const struct ring_sample *sample, void *ctx)
{
	struct seen *seen = ctx;
	uintptr_t start = (uintptr_t)spin;

	seen->nr++;
	seen->user += !sample->kernel;
	seen->backwards |= sample->time_ns < seen->last_ns;
	seen->foreign |= sample->tid != (uint32_t)syscall(SYS_gettid) ||
			 sample->pid != (uint32_t)getpid();
	if (!seen->first_ns)
		seen->first_ns = sample->time_ns;
	seen->last_ns = sample->time_ns;
	if (sample->nr_stack > 1)
		seen->stacks++;
	for (unsigned i = 0; i < sample->nr_stack; i++) {
		if (sample->stack[i] >= start && sample->stack[i] < start + 512) {
			seen->inside++;
			break;
		}
	}
	if (!sample->stack && sample->ip >= start && sample->ip < start + 512)
		seen->inside++;
}

static void samples_are_as_many_as_rate_and_time_say(void **state)
{
	struct ring_stats stats;
	struct seen seen = { 0 };
	uint64_t start = now(CLOCK_MONOTONIC), ran;
	double wanted;

	(void)state;
	open_ring(1000, 64, false);
	assert_int_equal(ring_start(ring), 0);
	ran = spin(400 * MS);
	assert_int_equal(ring_stop(ring), 0);
	ring_read(ring, see, &seen);
	ring_stats(ring, &stats);
	wanted = (double)ran / 1e6;
	print_message("%s: %u samples, %.0f expected, %u inside, %u in user mode\n",
		      ring_event(ring), seen.nr, wanted, seen.inside, seen.user);
	assert_true(seen.nr > wanted * 0.85 && seen.nr < wanted * 1.15);
	assert_int_equal(stats.samples, seen.nr);
	assert_int_equal(stats.lost, 0);
	assert_int_equal(stats.malformed, 0);
	assert_false(seen.backwards);
	assert_false(seen.foreign);
	assert_true(seen.first_ns > start && seen.last_ns < now(CLOCK_MONOTONIC));
	/* It does little else, and the sanitizers' code is in between. */
	assert_true(seen.user > seen.nr / 2);
	assert_true(seen.inside > seen.nr / 4);
}

static void buffer_that_is_too_small_loses_and_counts_what_it_lost(void **state)
{
	struct ring_stats stats;
	struct seen seen = { 0 };
	double wanted;

	(void)state;
	open_ring(5000, 1, false);
	assert_int_equal(ring_start(ring), 0);
	wanted = (double)spin(400 * MS) / 1e9 * 5000;
	assert_int_equal(ring_stop(ring), 0);
	ring_read(ring, see, &seen);
	ring_stats(ring, &stats);
	print_message("%u samples, %lu lost, %.0f expected\n", seen.nr, (unsigned long)stats.lost,
		      wanted);
	if (!stats.lost_exact) {
		print_message("skipped: this kernel does not count lost samples\n");
		skip();
	}
	/* One page of 40 bytes each. */
	assert_true(seen.nr > 50 && seen.nr <= 4096 / 40);
	assert_true(seen.nr + stats.lost > wanted * 0.85);
	assert_true(seen.nr + stats.lost < wanted * 1.15);
}

/* Reading in time loses nothing, and records go over the end of the buffer many times. */
static void reading_in_portions_loses_nothing(void **state)
{
	struct ring_stats stats;
	struct seen seen = { 0 };
	uint64_t ran = 0;
	double wanted;

	(void)state;
	open_ring(5000, 1, true);
	assert_int_equal(ring_start(ring), 0);
	for (unsigned i = 0; i < 200; i++) {
		ran += spin(2 * MS);
		ring_read(ring, see, &seen);
	}
	assert_int_equal(ring_stop(ring), 0);
	ring_read(ring, see, &seen);
	ring_stats(ring, &stats);
	wanted = (double)ran / 1e9 * 5000;
	print_message("%u samples, %.0f expected, %u with a stack\n", seen.nr, wanted, seen.stacks);
	assert_int_equal(stats.lost, 0);
	assert_int_equal(stats.malformed, 0);
	assert_false(seen.backwards);
	assert_true(seen.nr > wanted * 0.85 && seen.nr < wanted * 1.15);
	assert_true(seen.stacks > seen.nr * 0.9);
}

static void stopped_ring_has_no_samples(void **state)
{
	struct seen seen = { 0 };

	(void)state;
	open_ring(5000, 8, false);
	spin(20 * MS);
	ring_read(ring, see, &seen);
	assert_int_equal(seen.nr, 0);
}

static void descriptor_is_readable_at_half_of_the_buffer(void **state)
{
	struct pollfd poll_fd;

	(void)state;
	open_ring(5000, 1, false);
	poll_fd = (struct pollfd){ .fd = ring_fd(ring), .events = POLLIN };
	assert_int_equal(ring_start(ring), 0);
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
	spin(50 * MS);
	assert_int_equal(poll(&poll_fd, 1, 1000), 1);
	assert_int_equal(ring_stop(ring), 0);
}

static void pages_that_are_no_power_of_two_are_refused(void **state)
{
	const struct ring_config config = { .cpu = -1, .frequency = 100, .pages = 3 };
	struct bench_err err = { 0 };

	(void)state;
	assert_int_equal(ring_open(&ring, &config, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "3 pages"));
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(samples_are_as_many_as_rate_and_time_say),
		TEST(buffer_that_is_too_small_loses_and_counts_what_it_lost),
		TEST(reading_in_portions_loses_nothing),
		TEST(stopped_ring_has_no_samples),
		TEST(descriptor_is_readable_at_half_of_the_buffer),
		TEST(pages_that_are_no_power_of_two_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
