// SPDX-License-Identifier: BSD-2-Clause
/* Operations of a ring with several completions, buffers that the kernel chooses, and operations
 * that the module itself completes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/async.h"
#include "bench/clock.h"
#include "runtime/async.h"
#include "runtime/uring.h"

#define LIMIT_NS (5 * BENCH_NS_PER_SEC)
#define CHUNK 64u
#define CHUNKS 8u

static struct bench_async *a;
static unsigned char chunks[CHUNKS * CHUNK];
static int fds[2];

static struct seen {
	unsigned nr, last; /* completions, and those without more to come */
	int res[64];
	void *user;
	char text[256]; /* what was received */
	size_t len;
	bool give_back;
} seen;

static int open_ring(void **state)
{
	struct async_caps caps;
	struct bench_err err = { 0 };

	(void)state;
	memset(&seen, 0, sizeof(seen));
	if (async_probe(&caps, &err) || async_open(&a, &caps, &err)) {
		print_message("skipped: %s\n", err.msg);
		a = NULL;
	}
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
}

static int close_ring(void **state)
{
	(void)state;
	close(fds[0]);
	close(fds[1]);
	async_unregister(a);
	async_close(a);
	a = NULL;
	return 0;
}

static void need(enum bench_async_way way)
{
	struct bench_err err = { 0 };

	if (!a)
		skip();
	if (bench_async_try(way, &err)) {
		assert_int_equal(err.code, -EOPNOTSUPP);
		assert_non_null(strstr(err.msg, "needs Linux"));
		print_message("skipped: %s\n", err.msg);
		skip();
	}
}

static void note(struct bench_worker *w, struct bench_op *op)
{
	int buffer = bench_op_buffer(op);

	(void)w;
	assert_true(seen.nr < 64);
	seen.res[seen.nr++] = op->res;
	seen.last += !bench_op_more(op);
	seen.user = op->user;
	if (buffer < 0)
		return;
	assert_true(op->res > 0 && seen.len + (size_t)op->res < sizeof(seen.text));
	memcpy(seen.text + seen.len, chunks + (size_t)buffer * CHUNK, (size_t)op->res);
	seen.len += (size_t)op->res;
	if (seen.give_back)
		bench_async_put_buffer(a, buffer);
}

static struct bench_op *take(bool passive)
{
	struct bench_op *op = bench_op_get(a);

	assert_non_null(op);
	op->done = note;
	op->user = &seen;
	op->passive = passive;
	return op;
}

static void turns_until(unsigned nr)
{
	uint64_t limit = bench_now_ns() + LIMIT_NS;

	while (seen.nr < nr && bench_now_ns() < limit)
		assert_int_equal(async_turn(a, NULL, bench_now_ns() + 10 * BENCH_NS_PER_MS), 0);
	assert_int_equal(seen.nr, nr);
}

static void one_receive_takes_all_that_comes(void **state)
{
	(void)state;
	need(BENCH_ASYNC_MULTISHOT_RECV);
	seen.give_back = true;
	assert_int_equal(bench_async_add_buf_ring(a, chunks, CHUNK, CHUNKS), 0);
	bench_op_recv_select(a, take(true), fds[0], true);
	/* More than there are buffers: each is used again. */
	for (unsigned i = 0; i < 2 * CHUNKS; i++) {
		char c = (char)('a' + i);

		assert_int_equal(send(fds[1], &c, 1, 0), 1);
		turns_until(i + 1);
	}
	assert_string_equal(seen.text, "abcdefghijklmnop");
	assert_int_equal(seen.last, 0);
	assert_ptr_equal(seen.user, &seen);
	/* The end of the stream is the last completion. */
	assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
	turns_until(2 * CHUNKS + 1);
	assert_int_equal(seen.last, 1);
	assert_int_equal(async_inflight(a, true), 0);
}

static void without_a_free_buffer_it_ends_and_says_so(void **state)
{
	(void)state;
	need(BENCH_ASYNC_MULTISHOT_RECV);
	assert_int_equal(bench_async_add_buf_ring(a, chunks, CHUNK, 2), 0);
	bench_op_recv_select(a, take(true), fds[0], true);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(send(fds[1], "x", 1, 0), 1);
		turns_until(i + 1);
	}
	assert_int_equal(seen.res[2], -ENOBUFS);
	assert_int_equal(seen.last, 1);
	assert_int_equal(async_inflight(a, true), 0);
}

static void a_cancelled_receive_completes_once_more(void **state)
{
	(void)state;
	need(BENCH_ASYNC_MULTISHOT_RECV);
	assert_int_equal(bench_async_add_buf_ring(a, chunks, CHUNK, CHUNKS), 0);
	bench_op_recv_select(a, take(true), fds[0], true);
	assert_int_equal(send(fds[1], "x", 1, 0), 1);
	turns_until(1);
	assert_int_equal(async_cancel(a, NULL, bench_now_ns() + LIMIT_NS), 0);
	assert_int_equal(seen.nr, 2);
	assert_int_equal(seen.res[1], -ECANCELED);
	assert_int_equal(async_inflight(a, true), 0);
}

static void one_receive_into_a_chosen_buffer(void **state)
{
	(void)state;
	need(BENCH_ASYNC_PROVIDED_BUFFERS);
	assert_int_equal(bench_async_add_buf_ring(a, chunks, CHUNK, CHUNKS), 0);
	bench_op_recv_select(a, take(false), fds[0], false);
	assert_int_equal(send(fds[1], "hello", 5, 0), 5);
	turns_until(1);
	assert_string_equal(seen.text, "hello");
	assert_int_equal(seen.last, 1);
}

/* Loopback always copies; that the kernel is asked, and says so, is what counts. */
static void the_kernel_says_whether_a_send_was_copied(void **state)
{
	struct bench_err err = { 0 };

	(void)state;
	need(BENCH_ASYNC_SEND_ZC);
	assert_int_equal(bench_async_try(BENCH_ASYNC_SEND_ZC, &err), 0);
	/* A Unix socket cannot at all. Newer kernels notify of what failed, too. */
	bench_op_send_zc(a, take(true), fds[1], "x", 1, 0);
	while (!seen.last)
		assert_int_equal(async_turn(a, NULL, bench_now_ns() + LIMIT_NS), 0);
	assert_int_equal(seen.res[0], -EOPNOTSUPP);
	assert_in_range(seen.nr, 1, 2);
	assert_int_equal(seen.last, 1);
	assert_int_equal(async_cancel(a, NULL, bench_now_ns() + LIMIT_NS), 0);
	assert_int_equal(async_inflight(a, true), 0);
}

static void a_held_operation_counts_until_it_is_released(void **state)
{
	struct async_stats stats;
	struct bench_op *one, *two;
	uint64_t start;

	(void)state;
	if (!a)
		skip();
	async_window_begin(a);
	one = take(false);
	two = take(false);
	bench_op_hold(a, one);
	bench_op_hold(a, two);
	assert_int_equal(async_inflight(a, false), 2);
	start = bench_now_ns();
	assert_int_equal(async_drain(a, NULL, start + 5 * BENCH_NS_PER_MS), -ETIME);
	bench_op_release(a, one);
	assert_true(one->done_ns >= start);
	bench_op_hold(a, one); /* anew, as a callback may */
	assert_int_equal(async_inflight(a, false), 2);
	bench_op_release(a, one);
	bench_op_put(a, one);
	assert_int_equal(async_inflight(a, false), 1);
	one = take(false);
	bench_op_hold(a, one);
	assert_int_equal(async_inflight(a, false), 2);
	assert_int_equal(async_cancel(a, NULL, bench_now_ns() + LIMIT_NS), 0);
	assert_int_equal(seen.nr, 2);
	assert_int_equal(seen.res[0], -ECANCELED);
	async_window_stats(a, &stats);
	assert_int_equal(stats.submitted, 4);
	assert_int_equal(stats.completed, 4);
	assert_int_equal(stats.inflight_max, 2);
	/* Two of them for 5 ms at least. */
	assert_true(stats.inflight_integral >= 2 * 5e6 * 0.99);
}

#define WITH_RING(f) cmocka_unit_test_setup_teardown(f, open_ring, close_ring)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RING(one_receive_takes_all_that_comes),
		WITH_RING(without_a_free_buffer_it_ends_and_says_so),
		WITH_RING(a_cancelled_receive_completes_once_more),
		WITH_RING(one_receive_into_a_chosen_buffer),
		WITH_RING(the_kernel_says_whether_a_send_was_copied),
		WITH_RING(a_held_operation_counts_until_it_is_released),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
