// SPDX-License-Identifier: BSD-2-Clause
/* Rings of other kinds than the runtime's own keep the same books. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>
#include <cmocka.h>

#include "bench/clock.h"
#include "runtime/uring.h"

#define LIMIT_NS (5 * BENCH_NS_PER_SEC)

static struct bench_async *model, *a;
static unsigned nr_done, rounds_left, stamped;

/* The ring of this kind, or a skip where the kernel refuses it. */
static void open_kind(unsigned want)
{
	struct bench_err err = { 0 };
	int rc;

	if (!model)
		skip();
	rc = async_open_like(&a, model, want, &err);
	if (rc == -EPERM || rc == -ENOMEM) {
		print_message("skipped: %s\n", err.msg);
		skip();
	}
	assert_int_equal(rc, 0);
	async_window_begin(a);
	nr_done = stamped = 0;
}

static void again(struct bench_worker *w, struct bench_op *op)
{
	(void)w;
	assert_int_equal(op->res, 0);
	nr_done++;
	stamped += op->submit_ns != 0;
	if (!rounds_left)
		return;
	rounds_left--;
	bench_op_nop(a, op);
}

/* nr at once and then total - nr one after the other. */
static struct async_stats run(unsigned nr, unsigned total)
{
	struct async_stats s;

	rounds_left = total - nr;
	for (unsigned i = 0; i < nr; i++) {
		struct bench_op *op = bench_op_get(a);

		assert_non_null(op);
		op->done = again;
		op->submit_ns = 0;
		bench_op_nop(a, op);
	}
	assert_int_equal(async_drain(a, NULL, bench_now_ns() + LIMIT_NS), 0);
	async_window_stats(a, &s);
	assert_int_equal(nr_done, total);
	assert_int_equal(s.submitted, total);
	assert_int_equal(s.completed, total);
	assert_int_equal(s.cq_overflow + s.sq_dropped, 0);
	return s;
}

/* More than the SQ of an ordinary ring holds: none may be written over before the thread took it. */
static void a_thread_of_the_kernel_submits(void **state)
{
	struct async_stats s;

	(void)state;
	open_kind(BENCH_RING_SQPOLL);
	assert_true(a->sqpoll);
	assert_true(a->sq_entries > bench_async_depth(a));
	s = run(bench_async_depth(a), 50000);
	assert_int_equal(s.inflight_max, bench_async_depth(a));
}

/* It falls asleep after a second without work and must be woken. */
static void a_thread_that_sleeps_is_woken(void **state)
{
	(void)state;
	open_kind(BENCH_RING_SQPOLL);
	run(1, 10);
	for (unsigned i = 0; i < 300; i++) {
		if (__atomic_load_n(a->sq_kflags, __ATOMIC_ACQUIRE) & IORING_SQ_NEED_WAKEUP)
			break;
		usleep(10000);
	}
	assert_true(__atomic_load_n(a->sq_kflags, __ATOMIC_ACQUIRE) & IORING_SQ_NEED_WAKEUP);
	nr_done = 0;
	async_window_begin(a);
	run(1, 10);
}

/* NOPs are allowed on a ring that polls. */
static void a_ring_that_polls_keeps_its_counts(void **state)
{
	(void)state;
	open_kind(BENCH_RING_IOPOLL);
	assert_true(a->iopoll && a->reap_in_enter);
	run(64, 5000);
}

static void a_turn_of_it_ends_at_its_limit(void **state)
{
	uint64_t began_ns = bench_now_ns();

	(void)state;
	open_kind(BENCH_RING_IOPOLL);
	assert_int_equal(async_turn(a, NULL, began_ns + BENCH_NS_PER_MS), 0);
	assert_true(bench_now_ns() - began_ns < LIMIT_NS);
}

static void both_go_together(void **state)
{
	(void)state;
	open_kind(BENCH_RING_IOPOLL | BENCH_RING_SQPOLL);
	assert_false(a->reap_in_enter);
	run(64, 5000);
}

/* Counts stay right, stamps go. */
static void without_stamps_the_counts_stay(void **state)
{
	struct async_stats s;

	(void)state;
	open_kind(0);
	bench_async_set_stamps(a, false);
	s = run(32, 3200);
	assert_int_equal(stamped, 0);
	assert_int_equal(s.submit_batch->max, 32);
	bench_async_set_stamps(a, true);
	nr_done = 0;
	async_window_begin(a);
	run(32, 3200);
	assert_int_equal(stamped, 3200);
}

/* Turns of a ring without stamps up to end_ns; how many of them did not look at the clock. */
static unsigned turns_without_clock(uint64_t end_ns)
{
	unsigned nr = 0;

	rounds_left = UINT32_MAX;
	while (bench_async_now(a) < end_ns) {
		uint64_t before_ns = bench_now_ns();

		assert_int_equal(async_turn(a, NULL, end_ns), 0);
		nr += bench_async_now(a) < before_ns;
		assert_true(before_ns < end_ns + LIMIT_NS);
	}
	rounds_left = 0;
	assert_int_equal(async_drain(a, NULL, bench_now_ns() + LIMIT_NS), 0);
	return nr;
}

static void nop(void)
{
	struct bench_op *op = bench_op_get(a);

	assert_non_null(op);
	op->done = again;
	bench_op_nop(a, op);
}

/* Only as long as nothing is in flight that may make a turn long. */
static void without_stamps_the_clock_is_looked_at_less(void **state)
{
	struct bench_op *op;
	uint64_t end_ns;

	(void)state;
	open_kind(0);
	bench_async_set_stamps(a, false);
	nop();
	assert_true(turns_without_clock(bench_now_ns() + 20 * BENCH_NS_PER_MS) > 0);
	/* With nothing in flight it waits until its limit, and knows then that it is over. */
	a->clock_skip = URING_CLOCK_TURNS;
	end_ns = bench_now_ns() + 3 * BENCH_NS_PER_MS;
	/* A timeout from before may end a wait early. */
	for (unsigned i = 0; bench_async_now(a) < end_ns; i++) {
		assert_true(i < 4);
		assert_int_equal(async_turn(a, NULL, end_ns), 0);
	}
	nop();
	op = bench_op_get(a);
	assert_non_null(op);
	op->done = again;
	bench_op_timeout(a, op, bench_now_ns() + 20 * BENCH_NS_PER_MS);
	assert_int_equal(turns_without_clock(bench_now_ns() + 10 * BENCH_NS_PER_MS), 0);
}

static void an_empty_ring_waits_for_a_time(void **state)
{
	uint32_t mix = 0;

	(void)state;
	open_kind(0);
	async_set_mix(a, &mix);
	assert_int_equal(async_turn(a, NULL, bench_now_ns() + BENCH_NS_PER_MS), 0);
	assert_int_equal(mix, ASYNC_MIX_TIMER);
}

static int close_ring(void **state)
{
	(void)state;
	async_close(a);
	a = NULL;
	return 0;
}

static int open_model(void **state)
{
	struct async_caps caps;
	struct bench_err err = { 0 };

	(void)state;
	if (async_probe(&caps, &err) || async_open(&model, &caps, &err))
		print_message("skipped: %s\n", err.msg);
	return 0;
}

static int close_model(void **state)
{
	(void)state;
	async_close(model);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_thread_of_the_kernel_submits, close_ring),
		cmocka_unit_test_teardown(a_thread_that_sleeps_is_woken, close_ring),
		cmocka_unit_test_teardown(a_ring_that_polls_keeps_its_counts, close_ring),
		cmocka_unit_test_teardown(a_turn_of_it_ends_at_its_limit, close_ring),
		cmocka_unit_test_teardown(both_go_together, close_ring),
		cmocka_unit_test_teardown(without_stamps_the_counts_stay, close_ring),
		cmocka_unit_test_teardown(without_stamps_the_clock_is_looked_at_less, close_ring),
		cmocka_unit_test_teardown(an_empty_ring_waits_for_a_time, close_ring),
	};

	return cmocka_run_group_tests(tests, open_model, close_model);
}
