// SPDX-License-Identifier: BSD-2-Clause
/* Operations of a ring, and its turns. */
#include "unit/async_rig.h"

static void completions_equal_submissions_beyond_the_sq(void **state)
{
	struct async_stats s;

	(void)state;
	begin();
	for (unsigned i = 0; i < bench_async_depth(a); i++)
		bench_op_nop(a, take(NULL));
	assert_int_equal(async_inflight(a, false), bench_async_depth(a));
	drain();
	s = window();
	assert_int_equal(seen.nr, bench_async_depth(a));
	assert_int_equal(s.submitted, bench_async_depth(a));
	assert_int_equal(s.completed, s.submitted);
	assert_int_equal(s.submit_batch->sum, s.submitted);
	assert_int_equal(s.reap_batch->sum, s.submitted);
	assert_int_equal(s.cq_overflow, 0);
	assert_int_equal(s.sq_dropped, 0);
	assert_int_equal(async_inflight(a, true), 0);
}

static void depth_is_a_limit(void **state)
{
	struct bench_op *ops[ASYNC_DEPTH_MAX + 1];
	unsigned nr = 0;

	(void)state;
	begin();
	assert_true(bench_async_depth(a) <= ASYNC_DEPTH_MAX);
	assert_true(bench_async_depth(a) * 2 <= *a->ring.cq.kring_entries);
	while (nr <= ASYNC_DEPTH_MAX && (ops[nr] = bench_op_get(a)))
		nr++;
	assert_int_equal(nr, bench_async_depth(a));
	bench_op_put(a, ops[--nr]);
	assert_ptr_equal(bench_op_get(a), ops[nr]);
	for (unsigned i = 0; i <= nr; i++)
		bench_op_put(a, ops[i]);
}

static void stats_of_a_known_batch(void **state)
{
	struct async_stats s;

	(void)state;
	begin();
	for (unsigned i = 0; i < 32; i++)
		bench_op_nop(a, take(NULL));
	assert_int_equal(async_turn(a, NULL, bench_now_ns() + LIMIT_NS), 0);
	s = window();
	assert_int_equal(seen.nr, 32);
	assert_int_equal(s.enters, 1); /* one for the whole batch, wait included */
	assert_int_equal(s.submit_batch->count, 1);
	assert_int_equal(s.submit_batch->max, 32);
	assert_int_equal(s.reap_batch->count, 1);
	assert_int_equal(s.reap_batch->min, 32);
	assert_int_equal(s.inflight_max, 32);
	assert_true(s.sq_depth_max >= 32 && s.sq_depth_max <= 33); /* 33: with a TIMEOUT */
	assert_true(s.cq_depth_max >= 32 && s.cq_depth_max <= 33);
	assert_true(s.inflight_ns > 0);
	/* Little's law, exactly: the integral is the sum of the times in flight. */
	assert_true(s.inflight_integral == seen.waited);
	async_window_begin(a);
	s = window();
	assert_int_equal(s.submitted + s.completed + s.enters + s.inflight_max, 0);
	assert_int_equal(s.submit_batch->count, 0);
	assert_true(s.inflight_integral == 0);
}

static unsigned again_left, nesting;

static void again(struct bench_worker *w, struct bench_op *op)
{
	assert_int_equal(nesting++, 0);
	assert_true(op->submit_ns >= op->intended_ns && op->done_ns >= op->submit_ns);
	assert_int_equal(op->done_ns, bench_async_now(a));
	note(w, op);
	if (again_left) {
		again_left--;
		bench_op_nop(a, op);
	}
	nesting--;
}

static void callbacks_resubmit_without_recursion(void **state)
{
	struct bench_op *op;
	uint16_t gen;

	(void)state;
	begin();
	again_left = 500;
	op = take(NULL);
	assert_int_equal(op->intended_ns, bench_async_now(a));
	op->done = again;
	bench_op_nop(a, op);
	gen = op->gen;
	drain();
	assert_int_equal((uint16_t)(op->gen - gen), 500); /* a new generation for each use */
	assert_int_equal(seen.nr, 501);
	assert_int_equal(window().completed, 501);
	assert_int_equal(op->state, URING_OP_FREE);
}

/* Of the operation that was described last. */
static const struct io_uring_sqe *last_sqe(void)
{
	return &a->sqes[(a->sq_tail - 1) & a->sq_mask];
}

static void reads_what_was_written(void **state)
{
	static char out[8192], in[8192];
	int fd;

	(void)state;
	begin();
	fd = temp_file();
	memset(out, 'x', sizeof(out));
	bench_op_write(a, take(NULL), fd, out, sizeof(out), 4096, -1, BENCH_IO_DSYNC);
	assert_int_equal(last_sqe()->rw_flags, RWF_DSYNC);
	assert_int_equal(finish(), sizeof(out));
	bench_op_fsync(a, take(NULL), fd, BENCH_IO_DSYNC);
	assert_int_equal(last_sqe()->fsync_flags, IORING_FSYNC_DATASYNC);
	assert_int_equal(finish(), 0);
	bench_op_fsync(a, take(NULL), fd, 0);
	assert_int_equal(finish(), 0);
	bench_op_read(a, take(NULL), fd, in, sizeof(in), 4096, -1, 0);
	assert_int_equal(finish(), sizeof(in));
	assert_memory_equal(in, out, sizeof(in));
	/* The file's own position, twice: it moves. */
	for (unsigned i = 0; i < 2; i++) {
		bench_op_read(a, take(NULL), fd, in, 4096, UINT64_MAX, -1, 0);
		assert_int_equal(finish(), 4096);
		assert_int_equal(in[0], i ? 'x' : '\0');
	}
	bench_op_read(a, take(NULL), -1, in, 4096, 0, -1, 0);
	assert_int_equal(finish(), -EBADF);
	close(fd);
}

/* Without SUBMIT_ALL the kernel stops behind an SQE that it cannot read; the rest goes next turn.
 */
static void what_a_partial_submission_left_goes_next(void **state)
{
	struct bench_err err = { 0 };
	struct async_caps stops;
	struct async_stats s;
	struct bench_op *op;

	begin();
	stops = caps;
	stops.setup_flags &= ~IORING_SETUP_SUBMIT_ALL;
	close_ring(state);
	assert_int_equal(async_open(&a, &stops, &err), 0);
	bench_op_nop(a, take("nop"));
	op = take("bad");
	op->passive = true;
	bench_op_nop(a, op);
	a->sqes[(a->sq_tail - 1) & a->sq_mask].opcode = 0xff;
	for (unsigned i = 0; i < 3; i++)
		bench_op_nop(a, take("nop"));
	assert_int_equal(async_turn(a, NULL, bench_now_ns() + LIMIT_NS), 0);
	assert_int_equal(seen.nr, 2);
	s = window();
	assert_int_equal(s.submitted, 1);
	assert_int_equal(s.completed, 1);
	assert_int_equal(s.submit_batch->sum, 2);
	drain();
	assert_int_equal(seen.nr, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(seen.res[i], strcmp(seen.user[i], "bad") ? 0 : -EINVAL);
	s = window();
	assert_int_equal(s.submitted, 4);
	assert_int_equal(s.completed, 4);
	assert_int_equal(uring_inflight(a), 0);
}

static void registered_files_and_buffers_work(void **state)
{
	static char buf[2][4096] __attribute__((aligned(4096)));
	struct iovec iov[2] = { { buf[0], 4096 }, { buf[1], 4096 } };
	int fd, index;

	(void)state;
	begin();
	fd = temp_file();
	if (!bench_async_has(a, BENCH_ASYNC_FIXED_FILES)) {
		print_message("skipped: no table of registered files\n");
		close(fd);
		skip();
	}
	assert_true(bench_async_has(a, BENCH_ASYNC_FIXED_BUFFERS));
	index = bench_async_add_file(a, fd);
	assert_true(index >= 0);
	assert_int_not_equal(bench_async_add_file(a, fd), index);
	assert_int_equal(bench_async_add_file(a, -5), -EBADF);
	assert_int_equal(bench_async_add_buffers(a, iov, 2), 0);
	memset(buf[0], 'a', 4096);
	bench_op_write(a, take(NULL), index, buf[0], 4096, 0, 0, BENCH_IO_FIXED_FILE);
	assert_int_equal(finish(), 4096);
	bench_op_fsync(a, take(NULL), index, BENCH_IO_FIXED_FILE);
	assert_int_equal(finish(), 0);
	bench_op_read(a, take(NULL), index, buf[1], 4096, 0, 1, BENCH_IO_FIXED_FILE);
	assert_int_equal(finish(), 4096);
	assert_memory_equal(buf[0], buf[1], 4096);
	bench_async_remove_file(a, index);
	bench_async_remove_file(a, index); /* twice, or what is none: nothing */
	bench_async_remove_file(a, -EOPNOTSUPP);
	bench_op_read(a, take(NULL), index, buf[1], 4096, 0, -1, BENCH_IO_FIXED_FILE);
	assert_int_equal(finish(), -EBADF);
	assert_int_equal(bench_async_add_file(a, fd), index);
	async_unregister(a);
	bench_op_read(a, take(NULL), index, buf[1], 4096, 0, -1, BENCH_IO_FIXED_FILE);
	assert_int_equal(finish(), -EBADF);
	bench_op_read(a, take(NULL), fd, buf[1], 4096, 0, 1, 0);
	assert_int_equal(finish(), -EFAULT);		  /* no such buffer any more */
	assert_int_equal(bench_async_add_file(a, fd), 0); /* the table can be filled again */
	assert_int_equal(bench_async_add_buffers(a, iov, 2), 0);
	async_unregister(a);
	close(fd);
}

static int listener(struct sockaddr_in *ret_addr)
{
	socklen_t len = sizeof(*ret_addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	*ret_addr = (struct sockaddr_in){ .sin_family = AF_INET,
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(bind(fd, (struct sockaddr *)ret_addr, sizeof(*ret_addr)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret_addr, &len), 0);
	return fd;
}

static void connect_from_stack(int fd, struct sockaddr_in addr)
{
	bench_op_connect(a, take("connect"), fd, (struct sockaddr *)&addr, sizeof(addr));
	memset(&addr, 0xff, sizeof(addr)); /* the description has a copy of its own */
}

static void tcp_over_loopback(void **state)
{
	char out[] = "ping", in[16] = "";
	struct sockaddr_in addr;
	struct bench_op *op;
	int srv, cli, peer = -1, index;

	(void)state;
	begin();
	srv = listener(&addr);
	cli = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	op = take("accept");
	op->passive = true;
	bench_op_accept(a, op, srv);
	connect_from_stack(cli, addr);
	while (seen.nr < 2)
		assert_int_equal(async_turn(a, NULL, bench_now_ns() + LIMIT_NS), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(seen.res[i] >= 0);
		if (!strcmp(seen.user[i], "accept"))
			peer = seen.res[i];
	}
	assert_true(peer >= 0);
	seen.nr = 0;
	bench_op_recv(a, take("recv"), peer, in, sizeof(in), 0, 0);
	bench_op_send(a, take("send"), cli, out, sizeof(out), 0, 0);
	drain();
	assert_int_equal(seen.nr, 2);
	assert_int_equal(seen.res[0], sizeof(out));
	assert_int_equal(seen.res[1], sizeof(out));
	assert_string_equal(in, "ping");
	if (bench_async_has(a, BENCH_ASYNC_FIXED_FILES)) {
		index = bench_async_add_file(a, cli);
		bench_op_send(a, take("send"), index, out, sizeof(out), 0, BENCH_IO_FIXED_FILE);
		assert_int_equal(finish(), sizeof(out));
		async_unregister(a);
	}
	/* A peer that has gone is an error code, not a signal that ends the program. */
	close(peer);
	for (unsigned i = 0; i < 20; i++) {
		bench_op_send(a, take("send"), cli, out, sizeof(out), 0, 0);
		if (finish() < 0)
			break;
		usleep(1000);
	}
	assert_true(seen.res[0] == -EPIPE || seen.res[0] == -ECONNRESET);
	close(cli);
	close(srv);
}

static void timeouts_fire_in_order_and_on_time(void **state)
{
	static const unsigned us[] = { 3000, 1000, 4000, 2000, 1000 }, order[] = { 1, 4, 3, 0, 2 };
	uint64_t start;
	struct async_stats s;

	(void)state;
	begin();
	start = bench_now_ns();
	for (uintptr_t i = 0; i < 5; i++)
		bench_op_timeout(a, take((void *)i), start + us[i] * BENCH_NS_PER_US);
	assert_int_equal(async_inflight(a, false), 5);
	drain();
	assert_int_equal(seen.nr, 5);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal((uintptr_t)seen.user[i], order[i]);
		assert_int_equal(seen.res[i], 0);
	}
	assert_true(bench_async_now(a) >= start + 4000 * BENCH_NS_PER_US);
	s = window();
	assert_int_equal(s.submitted, 0); /* no SQE of their own */
	assert_int_equal(s.loop_lag->count, 5);
	assert_true(s.loop_lag->max < BENCH_NS_PER_SEC);
}

static void a_turn_ends_at_its_limit(void **state)
{
	(void)state;
	begin();
	for (unsigned i = 0; i < 3; i++) {
		uint64_t limit = bench_now_ns() + 2 * BENCH_NS_PER_MS;
		unsigned turns = 0;

		do
			assert_int_equal(async_turn(a, NULL, limit), 0);
		while (++turns < 10 && bench_now_ns() < limit);
		assert_true(bench_now_ns() >= limit);
		assert_true(bench_now_ns() < limit + BENCH_NS_PER_SEC);
		/* Where a TIMEOUT limits the wait, that of the turn before may end it early. */
		assert_true(turns == 1 || !caps.ext_arg);
	}
	/* Without anything to wait for there is no system call, and no endless wait either. (One
	 * at most: the kernel may raise the flag for work that it has just done.) */
	async_window_begin(a);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(async_turn(a, NULL, 0), 0);
		assert_int_equal(async_turn(a, NULL, UINT64_MAX), 0);
	}
	assert_true(window().enters <= 1);
}

static void spinning_turns_see_completions(void **state)
{
	int fd;

	(void)state;
	begin();
	fd = eventfd(0, EFD_CLOEXEC);
	bench_op_poll(a, take(NULL), fd, POLLIN);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(async_turn(a, NULL, 0), 0);
	assert_int_equal(seen.nr, 0);
	assert_int_equal(eventfd_write(fd, 1), 0);
	for (uint64_t end = bench_now_ns() + LIMIT_NS; !seen.nr && bench_now_ns() < end;)
		assert_int_equal(async_turn(a, NULL, 0), 0);
	assert_int_equal(seen.nr, 1);
	assert_int_equal(seen.res[0], POLLIN);
	close(fd);
}

/* From one ring to another, and what comes too late is dropped, not taken for something else. */
static void messages_go_from_ring_to_ring(void **state)
{
	struct bench_async *b = NULL;
	struct bench_err err = { 0 };
	struct bench_op *op;
	uint64_t address;

	(void)state;
	need_ring();
	if (!bench_async_has(a, BENCH_ASYNC_MESSAGES)) {
		print_message("skipped: no IORING_OP_MSG_RING\n");
		skip();
	}
	assert_int_equal(async_open(&b, &caps, &err), 0);
	seen.nr = 0;
	op = take(&seen);
	bench_op_receive(a, op);
	address = bench_op_address(op);
	for (unsigned i = 0; i < 2; i++) {
		struct bench_op *send = bench_op_get(b);

		send->done = note;
		send->user = NULL;
		bench_op_message(b, send, bench_async_fd(a), address, 42);
		assert_int_equal(async_drain(b, NULL, bench_now_ns() + LIMIT_NS), 0);
		assert_int_equal(seen.res[seen.nr - 1], 0);
		assert_int_equal(async_turn(a, NULL, bench_now_ns() + BENCH_NS_PER_MS), 0);
	}
	/* Two sent, one received. */
	assert_int_equal(seen.nr, 3);
	assert_ptr_equal(seen.user[1], &seen);
	assert_int_equal(seen.res[1], 42);
	/* One that waits is cancelled with the rest. */
	bench_op_receive(a, take(&seen));
	assert_int_equal(async_cancel(a, NULL, bench_now_ns() + LIMIT_NS), 0);
	assert_int_equal(seen.res[3], -ECANCELED);
	async_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RING(completions_equal_submissions_beyond_the_sq),
		WITH_RING(depth_is_a_limit),
		WITH_RING(stats_of_a_known_batch),
		WITH_RING(callbacks_resubmit_without_recursion),
		WITH_RING(reads_what_was_written),
		WITH_RING(what_a_partial_submission_left_goes_next),
		WITH_RING(registered_files_and_buffers_work),
		WITH_RING(tcp_over_loopback),
		WITH_RING(timeouts_fire_in_order_and_on_time),
		WITH_RING(a_turn_ends_at_its_limit),
		WITH_RING(spinning_turns_see_completions),
		WITH_RING(messages_go_from_ring_to_ring),
	};

	return run_with_masks(tests);
}
