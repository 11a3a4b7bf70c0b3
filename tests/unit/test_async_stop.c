// SPDX-License-Identifier: BSD-2-Clause
/* The end of a window: operations drained and cancelled, and completions that must not be. */
#include "unit/async_rig.h"

#include <sys/stat.h>

static void cancel_ends_what_would_never_end(void **state)
{
	struct bench_op *target, *cancel;
	int pair[2];
	char byte;

	(void)state;
	begin();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	target = take("target");
	bench_op_recv(a, target, pair[0], &byte, 1, 0, 0);
	assert_int_equal(async_turn(a, NULL, bench_now_ns() + BENCH_NS_PER_MS), 0);
	assert_int_equal(seen.nr, 0);
	cancel = take("cancel");
	bench_op_cancel(a, cancel, target);
	drain();
	assert_int_equal(seen.nr, 2);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(seen.res[i], strcmp(seen.user[i], "cancel") ? -ECANCELED : 0);
	/* It is gone: a second cancel finds nothing. */
	bench_op_cancel(a, take("cancel"), target);
	assert_int_equal(finish(), -ENOENT);
	/* In the same turn as its target, before either was submitted. */
	target = take("target");
	seen.nr = 0;
	bench_op_recv(a, target, pair[0], &byte, 1, 0, 0);
	bench_op_cancel(a, take("cancel"), target);
	drain();
	assert_int_equal(seen.nr, 2);
	close(pair[0]);
	close(pair[1]);
}

static void cancel_of_a_timer(void **state)
{
	struct bench_op *target;

	(void)state;
	begin();
	target = take("target");
	bench_op_timeout(a, target, bench_now_ns() + 60 * BENCH_NS_PER_SEC);
	bench_op_cancel(a, take("cancel"), target);
	drain();
	assert_int_equal(seen.nr, 2);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(seen.res[i], strcmp(seen.user[i], "cancel") ? -ECANCELED : 0);
	assert_int_equal(window().loop_lag->count, 0);
}

static void drain_waits_for_active_but_not_for_passive(void **state)
{
	struct bench_op *op;
	struct async_stats s;
	uint64_t start;
	int fd;

	(void)state;
	begin();
	fd = eventfd(0, EFD_CLOEXEC);
	op = take("passive");
	op->passive = true;
	bench_op_poll(a, op, fd, POLLIN);
	op = take("passive timer");
	op->passive = true;
	bench_op_timeout(a, op, bench_now_ns() + 60 * BENCH_NS_PER_SEC);
	bench_op_nop(a, take("nop"));
	assert_int_equal(async_inflight(a, false), 1);
	assert_int_equal(async_inflight(a, true), 3);
	drain();
	assert_int_equal(seen.nr, 1);
	assert_int_equal(async_inflight(a, false), 0);
	assert_int_equal(async_inflight(a, true), 2);
	s = window();
	assert_int_equal(s.submitted, 1);
	assert_int_equal(s.completed, 1);
	assert_int_equal(s.inflight_max, 1);

	bench_op_poll(a, take("active"), fd, POLLIN);
	start = bench_now_ns();
	assert_int_equal(async_drain(a, NULL, start + 5 * BENCH_NS_PER_MS), -ETIME);
	assert_true(bench_now_ns() >= start + 5 * BENCH_NS_PER_MS);
	assert_int_equal(async_cancel(a, NULL, bench_now_ns() + LIMIT_NS), 0);
	assert_int_equal(async_inflight(a, true), 0);
	s = window();
	assert_int_equal(s.completed, s.submitted);
	close(fd);
}

/* A wait that is a kernel worker's is interrupted (EINTR), not taken back. No operation of ours
 * waits so but now and then an accept; the opening of a FIFO always does. */
static void cancel_of_what_a_kernel_worker_waits_in(void **state)
{
	char dir[] = "/tmp/bench-fifo-XXXXXX", path[64];
	struct io_uring_sqe *sqe;
	struct bench_op *op;
	uint64_t data;

	(void)state;
	begin();
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	op = take("open");
	op->passive = true;
	bench_op_nop(a, op);
	sqe = &a->sqes[(a->sq_tail - 1) & a->sq_mask];
	data = sqe->user_data;
	io_uring_prep_openat(sqe, AT_FDCWD, path, O_RDONLY, 0);
	sqe->user_data = data;
	sqe->flags |= IOSQE_ASYNC;
	assert_int_equal(async_turn(a, NULL, bench_now_ns() + 20 * BENCH_NS_PER_MS), 0);
	assert_int_equal(seen.nr, 0);
	assert_int_equal(async_cancel(a, NULL, bench_now_ns() + LIMIT_NS), 0);
	assert_int_equal(seen.nr, 1);
	assert_int_equal(seen.res[0], -ECANCELED);
	unlink(path);
	rmdir(dir);
}

/* Its buffer is the kernel's until it is told that the read is over. */
static void cancel_of_a_read_without_an_offset(void **state)
{
	uint64_t value = 0;
	struct bench_op *op;
	int fd;

	(void)state;
	begin();
	fd = eventfd(0, EFD_CLOEXEC);
	op = take("read");
	op->passive = true;
	bench_op_read(a, op, fd, &value, sizeof(value), (uint64_t)-1, -1, 0);
	assert_int_equal(async_turn(a, NULL, 0), 0);
	assert_int_equal(async_cancel(a, NULL, bench_now_ns() + LIMIT_NS), 0);
	assert_int_equal(seen.nr, 1);
	assert_int_equal(seen.res[0], -ECANCELED);
	assert_int_equal(eventfd_write(fd, 7), 0);
	bench_op_nop(a, take("nop"));
	drain();
	assert_int_equal(seen.nr, 2);
	assert_int_equal(value, 0);
	assert_int_equal(eventfd_read(fd, &value), 0);
	assert_int_equal(value, 7);
	close(fd);
}

static void resubmit_once(struct bench_worker *w, struct bench_op *op)
{
	note(w, op);
	op->done = note;
	bench_op_nop(a, op);
}

static void cancel_leaves_nothing_in_flight(void **state)
{
	unsigned nr, stubborn = 0;
	struct async_stats s;
	int fd;

	(void)state;
	begin();
	fd = eventfd(0, EFD_CLOEXEC);
	nr = bench_async_depth(a);
	for (unsigned i = 0; i < nr; i++) {
		struct bench_op *op = take(NULL);

		op->passive = i % 3 == 0;
		if (i % 10 == 0) {
			op->done = resubmit_once; /* does not see that it is over */
			stubborn++;
		}
		if (i % 4)
			bench_op_poll(a, op, fd, POLLIN);
		else
			bench_op_timeout(a, op, bench_now_ns() + 60 * BENCH_NS_PER_SEC);
		if (i == nr / 2) /* half are with the kernel already */
			assert_int_equal(async_turn(a, NULL, 0), 0);
	}
	assert_int_equal(async_cancel(a, NULL, bench_now_ns() + LIMIT_NS), 0);
	assert_int_equal(async_inflight(a, true), 0);
	assert_int_equal(seen.nr, nr + stubborn);
	for (unsigned i = 0; i < seen.nr; i++)
		assert_int_equal(seen.res[i], -ECANCELED);
	s = window();
	assert_int_equal(s.submitted, s.completed);
	assert_int_equal(s.cq_overflow, 0);
	/* The ring is as good as new. */
	bench_op_nop(a, take(NULL));
	assert_int_equal(finish(), 0);
	close(fd);
}

static void stale_completion_is_an_error_not_a_crash(void **state)
{
	struct bench_op *op;
	int fd;

	(void)state;
	begin();
	fd = eventfd(1, EFD_CLOEXEC);
	op = take(NULL);
	bench_op_poll(a, op, fd, POLLIN);
	op->gen++; /* as if the slot had been given out again meanwhile */
	assert_int_equal(async_turn(a, NULL, bench_now_ns() + LIMIT_NS), -EPROTO);
	assert_int_equal(seen.nr, 0);
	assert_int_equal(async_turn(a, NULL, 0), -EPROTO);
	assert_int_equal(async_drain(a, NULL, bench_now_ns() + LIMIT_NS), -EPROTO);
	assert_int_equal(async_cancel(a, NULL, bench_now_ns() + LIMIT_NS), -EPROTO);
	close(fd);
}

static void unknown_slot_is_an_error_not_a_crash(void **state)
{
	static const uint64_t bad[] = { 5000, 1ull << 40, UINT64_MAX };

	for (unsigned i = 0; i < 3; i++) {
		struct io_uring_sqe *sqe;

		begin();
		sqe = uring_sqe(a);
		io_uring_prep_nop(sqe);
		sqe->user_data = bad[i];
		a->live++; /* so that the turn waits */
		assert_int_equal(async_turn(a, NULL, bench_now_ns() + LIMIT_NS), -EPROTO);
		close_ring(state);
		open_ring(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RING(cancel_ends_what_would_never_end),
		WITH_RING(cancel_of_a_timer),
		WITH_RING(drain_waits_for_active_but_not_for_passive),
		WITH_RING(cancel_of_what_a_kernel_worker_waits_in),
		WITH_RING(cancel_of_a_read_without_an_offset),
		WITH_RING(cancel_leaves_nothing_in_flight),
		WITH_RING(stale_completion_is_an_error_not_a_crash),
		WITH_RING(unknown_slot_is_an_error_not_a_crash),
	};

	return run_with_masks(tests);
}
