// SPDX-License-Identifier: BSD-2-Clause
/* The ring of a worker, on the running kernel with all that it has and with features masked away,
 * so that the code for older kernels runs too. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/async.h"
#include "bench/clock.h"
#include "runtime/async.h"
#include "runtime/uring.h"

#define LIMIT_NS (5 * BENCH_NS_PER_SEC)

static const char *const masks[] = { "",	"defer_taskrun",      "single_issuer,coop_taskrun",
				     "ext_arg", "ring_fd,cancel_any", "all" };
static const char *mask;
static char denied[sizeof(((struct bench_err *)NULL)->msg)]; /* why there is no ring here */

static struct async_caps caps;
static struct bench_async *a;

static int open_ring(void **state)
{
	struct bench_err err = { 0 };

	(void)state;
	setenv("BENCH_URING_MASK", mask, 1);
	denied[0] = '\0';
	a = NULL;
	if (async_probe(&caps, &err) == 0 && async_open(&a, &caps, &err) == 0)
		return 0;
	snprintf(denied, sizeof(denied), "%s", err.msg);
	return 0;
}

static int close_ring(void **state)
{
	(void)state;
	async_close(a);
	a = NULL;
	return 0;
}

static void need_ring(void)
{
	if (a)
		return;
	print_message("skipped: %s\n", denied);
	skip();
}

/* What callbacks leave behind. */
static struct seen {
	unsigned nr;
	int res[2048];
	void *user[2048];
	uint64_t waited; /* sum of done - submit */
} seen;

static void note(struct bench_worker *w, struct bench_op *op)
{
	(void)w;
	seen.res[seen.nr] = op->res;
	seen.user[seen.nr++] = op->user;
	seen.waited += op->done_ns - op->submit_ns;
}

static struct bench_op *take(void *user)
{
	struct bench_op *op = bench_op_get(a);

	assert_non_null(op);
	op->done = note;
	op->user = user;
	return op;
}

static void drain(void)
{
	assert_int_equal(async_drain(a, NULL, bench_now_ns() + LIMIT_NS), 0);
}

static struct async_stats window(void)
{
	struct async_stats s;

	async_window_stats(a, &s);
	return s;
}

/* One op by itself; returns its result. */
static int finish(void)
{
	seen.nr = 0;
	drain();
	assert_int_equal(seen.nr, 1);
	return seen.res[0];
}

static void begin(void)
{
	need_ring();
	memset(&seen, 0, sizeof(seen));
	async_window_begin(a);
}

static void masked_features_are_absent(void **state)
{
	const char *words[32];
	unsigned nr;

	(void)state;
	begin();
	nr = async_caps_words(&caps, words, 32);
	assert_true(nr >= 2);
	for (unsigned i = 0; i < nr; i++) {
		if (strstr(mask, "defer") || strstr(mask, "single") || strstr(mask, "all"))
			assert_string_not_equal(words[i], "DEFER_TASKRUN");
		if (strstr(mask, "single") || strstr(mask, "all"))
			assert_string_not_equal(words[i], "SINGLE_ISSUER");
		if (strstr(mask, "coop") || strstr(mask, "all"))
			assert_string_not_equal(words[i], "COOP_TASKRUN");
		if (strstr(mask, "ext_arg") || strstr(mask, "all"))
			assert_string_not_equal(words[i], "EXT_ARG");
		if (strstr(mask, "ring_fd") || strstr(mask, "all"))
			assert_string_not_equal(words[i], "RING_FD");
		if (strstr(mask, "cancel_any") || strstr(mask, "all"))
			assert_string_not_equal(words[i], "CANCEL_ANY");
	}
	assert_int_equal(async_caps_words(&caps, words, 2), 2);
	assert_int_equal(a->ring.flags & IORING_SETUP_DEFER_TASKRUN,
			 caps.setup_flags & IORING_SETUP_DEFER_TASKRUN);
}

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
	assert_true(fabs(s.inflight_integral - (double)seen.waited) < 1);
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

static int temp_file(void)
{
	char path[] = "/tmp/bench-async-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
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
	assert_int_equal(a->inflight, 0);
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

/* liburing 2.3 does not know this flag and maps the ring wrongly: endless phantom completions. */
static void no_sqarray_is_never_passed(void **state)
{
	struct bench_err err = { 0 };
	struct async_caps forged;

	begin();
	assert_int_equal(caps.setup_flags & URING_SETUP_NO_SQARRAY, 0);
	assert_int_equal(caps.setup_flags & ~0x3fffu, 0);
	close_ring(state);
	forged = caps;
	forged.setup_flags |= URING_SETUP_NO_SQARRAY;
	assert_int_equal(async_open(&a, &forged, &err), 0);
	assert_int_equal(a->ring.flags & URING_SETUP_NO_SQARRAY, 0);
	for (unsigned i = 0; i < 100; i++)
		bench_op_nop(a, take(NULL));
	drain();
	assert_int_equal(async_turn(a, NULL, 0), 0);
	assert_int_equal(seen.nr, 100);
	assert_int_equal(window().completed, 100);
}

static void selftest_counts_what_it_submitted(void **state)
{
	struct async_selftest t = { 0 };
	struct bench_err err = { 0 };

	(void)state;
	begin();
	assert_int_equal(async_selftest(&caps, &t, &err), 0);
	assert_int_equal(t.nr_nops, 64);
	assert_int_equal(t.submitted, 66); /* and a poll with its cancel */
	assert_int_equal(t.completed, t.submitted);
	assert_true(t.nop_ns > 0);
	assert_true(t.timer_late_ns < BENCH_NS_PER_SEC);
}

struct bound {
	unsigned workers, elsewhere, max[2];
	int rc, res;
};

static void count_workers(struct bound *b, const cpu_set_t *where)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		char path[300], comm[32] = "", want[32];
		cpu_set_t set;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
		snprintf(want, sizeof(want), "iou-wrk-%d\n", gettid());
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(comm, sizeof(comm), f) && !strcmp(comm, want) &&
		    sched_getaffinity(atoi(e->d_name), sizeof(set), &set) == 0) {
			b->workers++;
			b->elsewhere += !CPU_EQUAL(&set, where);
		}
		fclose(f);
	}
	if (dir)
		closedir(dir);
}

static void count_done(struct bench_worker *w, struct bench_op *op)
{
	(void)w;
	*(int *)op->user = op->res;
}

/* To the first or the last of the CPUs that the process has. */
static int bind_to(bool first, cpu_set_t *ret_one)
{
	cpu_set_t all;
	int cpu = -1;

	if (sched_getaffinity(getpid(), sizeof(all), &all) < 0)
		return -errno;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &all) && (cpu < 0 || !first))
			cpu = i;
	CPU_ZERO(ret_one);
	CPU_SET(cpu, ret_one);
	return sched_setaffinity(0, sizeof(*ret_one), ret_one) < 0 ? -errno : 0;
}

/* A thread of its own, because the kernel's workers belong to the thread, not to the ring. */
static void *run_bound(void *arg)
{
	struct bound *b = arg;
	struct bench_async *ring = NULL;
	struct bench_op *op;
	cpu_set_t one;
	int fd;

	/* The ring is made on one CPU and the thread then moves, as the orchestrator does: the
	 * ring has to be told. */
	for (int first = 1; first >= 0 && b->rc == 0; first--) {
		b->rc = bind_to(first, &one);
		if (first && b->rc == 0)
			b->rc = async_open(&ring, &caps, NULL);
	}
	if (b->rc)
		return NULL;
	uring_bind_iowq(ring);
	if (io_uring_register_iowq_max_workers(&ring->ring, b->max) < 0)
		b->max[0] = b->max[1] = 1; /* before 5.15 */
	fd = temp_file();
	op = bench_op_get(ring);
	op->done = count_done;
	op->user = &b->res;
	bench_op_fsync(ring, op, fd, 0); /* always goes to a worker */
	b->rc = async_drain(ring, NULL, bench_now_ns() + LIMIT_NS);
	count_workers(b, &one);
	close(fd);
	async_close(ring);
	return NULL;
}

static void kernel_workers_stay_on_the_threads_cpu(void **state)
{
	struct bound b = { .res = 1 };
	pthread_t thread;

	(void)state;
	begin();
	assert_int_equal(pthread_create(&thread, NULL, run_bound, &b), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(b.rc, 0);
	assert_int_equal(b.res, 0);
	assert_true(b.max[0] <= 8 && b.max[1] <= 16); /* few, whatever the kernel's own bounds */
	if (!b.workers) {
		print_message("skipped: fsync needed no kernel worker\n");
		skip();
	}
	assert_int_equal(b.elsewhere, 0);
}

static void unknown_mask_word_is_refused(void **state)
{
	struct bench_err err = { 0 };
	struct async_caps c;

	(void)state;
	setenv("BENCH_URING_MASK", "ext_arg,no_such", 1);
	assert_int_equal(async_probe(&c, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "no_such"));
	setenv("BENCH_URING_MASK", "", 1);
}

static void refusals_name_cause_and_remedy(void **state)
{
	static const struct {
		struct uring_denial seen;
		int rc;
		const char *cause, *remedy;
	} cases[] = {
		{ { -ENOSYS, -1, 0, 0 }, -ENOSYS, "has no io_uring", "CONFIG_IO_URING" },
		{ { -ENOSYS, 0, 2, 0 }, -ENOSYS, "seccomp filter", "seccomp profile" },
		{ { -EPERM, 2, 0, 0 },
		  -EPERM,
		  "io_uring_disabled = 2",
		  "sysctl kernel.io_uring_disabled=0" },
		{ { -EPERM, 1, 0, 0 }, -EPERM, "io_uring_disabled = 1", "io_uring_group" },
		{ { -EPERM, 2, 2, 0 },
		  -EPERM,
		  "seccomp filter is in force too",
		  "sysctl kernel.io_uring_disabled=0" },
		{ { -EPERM, 0, 2, 0 }, -EPERM, "seccomp filter denies", "seccomp=unconfined" },
		{ { -EPERM, -1, 0, 0 }, -EPERM, "security module", "audit log" },
		{ { -EACCES, 0, 0, 0 }, -EPERM, "security module", "audit log" },
		{ { -ENOMEM, 0, 0, 65536 },
		  -ENOMEM,
		  "RLIMIT_MEMLOCK = 64 KiB: this kernel counts",
		  "ulimit -l" },
		{ { -ENOMEM, 0, 0, RLIM_INFINITY }, -ENOMEM, "out of memory", "" },
		{ { -EMFILE, 0, 0, 0 }, -EMFILE, "Too many open files", "" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bench_err err = { 0 };

		assert_int_equal(uring_explain(&cases[i].seen, &err), cases[i].rc);
		assert_int_equal(err.code, cases[i].rc);
		if (!strstr(err.msg, cases[i].cause) || !strstr(err.msg, cases[i].remedy))
			fail_msg("case %u: \"%s\"", i, err.msg);
	}
}

#define WITH_RING(f) cmocka_unit_test_setup_teardown(f, open_ring, close_ring)

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

static void flags_that_liburing_does_not_know_are_refused(void **state)
{
	struct bench_err err = { 0 };

	(void)state;
	assert_true(bench_async_known(0));
	assert_true(bench_async_known(IORING_SETUP_SINGLE_ISSUER));
	assert_false(bench_async_known(URING_SETUP_NO_SQARRAY));
	assert_int_equal(bench_async_check(URING_SETUP_NO_SQARRAY, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "liburing"));
	need_ring();
	assert_int_equal(bench_async_check(0, &err), 0);
}

int main(void)
{
	const struct CMUnitTest with_ring[] = {
		WITH_RING(masked_features_are_absent),
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
		WITH_RING(cancel_ends_what_would_never_end),
		WITH_RING(cancel_of_a_timer),
		WITH_RING(drain_waits_for_active_but_not_for_passive),
		WITH_RING(cancel_of_a_read_without_an_offset),
		WITH_RING(cancel_leaves_nothing_in_flight),
		WITH_RING(stale_completion_is_an_error_not_a_crash),
		WITH_RING(unknown_slot_is_an_error_not_a_crash),
		WITH_RING(no_sqarray_is_never_passed),
		WITH_RING(selftest_counts_what_it_submitted),
		WITH_RING(kernel_workers_stay_on_the_threads_cpu),
		WITH_RING(messages_go_from_ring_to_ring),
		WITH_RING(flags_that_liburing_does_not_know_are_refused),
	};
	const struct CMUnitTest without_ring[] = {
		cmocka_unit_test(unknown_mask_word_is_refused),
		cmocka_unit_test(refusals_name_cause_and_remedy),
	};
	int failed = cmocka_run_group_tests_name("probe", without_ring, NULL, NULL);

	for (unsigned i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		char name[64];

		mask = masks[i];
		snprintf(name, sizeof(name), "ring without %s", *mask ? mask : "nothing");
		failed += cmocka_run_group_tests_name(name, with_ring, NULL, NULL);
	}
	return failed;
}
