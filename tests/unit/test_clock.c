// SPDX-License-Identifier: BSD-2-Clause
/* The clock that everything is timed with. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench/clock.h"

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * BENCH_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* schbench and perf bench mem time with gettimeofday(2), which steps when somebody sets the clock. */
static void clock_is_not_that_of_the_wall(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t before = monotonic_ns(), now = bench_now_ns(), after = monotonic_ns();

		assert_true(before <= now && now <= after);
	}
}

/* A clock in us makes 0 of what is shorter. */
static void clock_goes_in_steps_below_a_microsecond(void **state)
{
	uint64_t least = UINT64_MAX;

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		uint64_t begin = bench_now_ns(), end;

		while ((end = bench_now_ns()) == begin)
			;
		assert_true(end > begin);
		least = end - begin < least ? end - begin : least;
	}
	print_message("least step: %llu ns\n", (unsigned long long)least);
	assert_true(least < BENCH_NS_PER_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clock_is_not_that_of_the_wall),
		cmocka_unit_test(clock_goes_in_steps_below_a_microsecond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
