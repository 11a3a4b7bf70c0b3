// SPDX-License-Identifier: BSD-2-Clause
/* The control loop: the same behaviour is asked of both kinds. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/clock.h"
#include "runtime/async.h"
#include "runtime/loop.h"

static const char *mode; /* "poll", "uring", or "uring" with a mask after a slash */
static char denied[sizeof(((struct bench_err *)NULL)->msg)];
static struct loop *loop;

static int open_loop(void **state)
{
	struct bench_err err = { 0 };
	struct async_caps caps;
	int rc = 0;

	(void)state;
	loop = NULL;
	setenv("BENCH_URING_MASK", strchr(mode, '/') ? strchr(mode, '/') + 1 : "", 1);
	if (mode[0] == 'u')
		rc = async_probe(&caps, &err);
	if (rc == 0)
		rc = loop_open(&loop, mode[0] == 'u' ? &caps : NULL, &err);
	if (rc < 0)
		snprintf(denied, sizeof(denied), "%s", err.msg);
	return mode[0] == 'u' ? 0 : rc;
}

static int close_loop(void **state)
{
	(void)state;
	loop_close(loop);
	return 0;
}

static void need_loop(void)
{
	if (loop)
		return;
	print_message("skipped: %s\n", denied);
	skip();
}

static uint64_t in_ms(unsigned ms)
{
	return bench_now_ns() + ms * BENCH_NS_PER_MS;
}

struct event {
	int fd;
	unsigned calls, stop_after; /* unwatch in the callback then; 0 = never */
	short revents;
	bool done;
};

static void on_event(void *arg, short revents)
{
	struct event *e = arg;
	eventfd_t value;

	e->revents = revents;
	e->calls++;
	if (revents & POLLIN)
		(void)eventfd_read(e->fd, &value);
	if (e->calls == e->stop_after)
		loop_unwatch(loop, e->fd);
	e->done = true;
}

static void watch_calls_each_time_until_unwatched(void **state)
{
	struct event e = { .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };

	(void)state;
	need_loop();
	assert_int_equal(loop_watch(loop, e.fd, POLLIN, on_event, &e), 0);
	assert_int_equal(loop_watch(loop, e.fd, POLLIN, on_event, &e), -EEXIST);
	for (unsigned i = 1; i <= 3; i++) {
		e.done = false;
		assert_int_equal(eventfd_write(e.fd, 1), 0);
		assert_int_equal(loop_run(loop, &e.done, in_ms(2000)), 0);
		assert_int_equal(e.calls, i);
		assert_int_equal(e.revents, POLLIN);
	}
	loop_unwatch(loop, e.fd);
	loop_unwatch(loop, e.fd); /* twice is harmless */
	assert_int_equal(eventfd_write(e.fd, 1), 0);
	e.done = false;
	assert_int_equal(loop_run(loop, &e.done, in_ms(5)), -ETIME);
	assert_int_equal(e.calls, 3);
	/* The same descriptor again. */
	assert_int_equal(loop_watch(loop, e.fd, POLLIN, on_event, &e), 0);
	assert_int_equal(loop_run(loop, &e.done, in_ms(2000)), 0);
	assert_int_equal(e.calls, 4);
	loop_unwatch(loop, e.fd);
	close(e.fd);
}

static void a_callback_may_unwatch_itself(void **state)
{
	struct event e = { .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .stop_after = 1 };

	(void)state;
	need_loop();
	assert_int_equal(loop_watch(loop, e.fd, POLLIN, on_event, &e), 0);
	assert_int_equal(eventfd_write(e.fd, 1), 0);
	assert_int_equal(loop_run(loop, &e.done, in_ms(2000)), 0);
	assert_int_equal(eventfd_write(e.fd, 1), 0);
	e.done = false;
	assert_int_equal(loop_run(loop, &e.done, in_ms(5)), -ETIME);
	assert_int_equal(e.calls, 1);
	close(e.fd);
}

static struct event pair[2];

static void unwatch_both(void *arg, short revents)
{
	(void)revents;
	((struct event *)arg)->calls++;
	loop_unwatch(loop, pair[0].fd);
	loop_unwatch(loop, pair[1].fd);
	pair[0].done = true;
}

static void a_callback_may_unwatch_another_that_is_ready(void **state)
{
	bool never = false;

	(void)state;
	need_loop();
	memset(pair, 0, sizeof(pair));
	for (unsigned i = 0; i < 2; i++) {
		pair[i].fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
		assert_int_equal(loop_watch(loop, pair[i].fd, POLLIN, unwatch_both, &pair[i]), 0);
	}
	assert_int_equal(loop_run(loop, &pair[0].done, in_ms(2000)), 0);
	assert_int_equal(loop_run(loop, &never, in_ms(5)), -ETIME);
	assert_int_equal(pair[0].calls + pair[1].calls, 1);
	close(pair[0].fd);
	close(pair[1].fd);
}

static void unwatch_lets_go_of_the_file(void **state)
{
	struct event e = { 0 };
	bool never = false;
	int fds[2];

	(void)state;
	need_loop();
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	e.fd = fds[0];
	assert_int_equal(loop_watch(loop, fds[0], POLLIN, on_event, &e), 0);
	assert_int_equal(loop_run(loop, &never, in_ms(1)), -ETIME);
	loop_unwatch(loop, fds[0]);
	close(fds[0]);
	signal(SIGPIPE, SIG_IGN);
	/* Nobody else has the reading end open, so writing fails at once. */
	assert_int_equal(write(fds[1], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	close(fds[1]);
}

static void hang_up_and_bad_descriptor_are_told(void **state)
{
	struct event e = { 0 }, bad = { 0 };
	bool never = false;
	int fds[2];

	(void)state;
	need_loop();
	assert_int_equal(loop_watch(loop, -1, POLLIN, on_event, &e), -EBADF);
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	e.fd = fds[0];
	e.stop_after = 1;
	assert_int_equal(loop_watch(loop, fds[0], POLLIN, on_event, &e), 0);
	close(fds[1]);
	assert_int_equal(loop_run(loop, &e.done, in_ms(2000)), 0);
	assert_true(e.revents & POLLHUP);
	close(fds[0]);

	bad.fd = 987;
	close(987);
	assert_int_equal(loop_watch(loop, bad.fd, POLLIN, on_event, &bad), 0);
	assert_int_equal(loop_run(loop, &bad.done, in_ms(2000)), 0);
	assert_int_equal(bad.revents, POLLNVAL);
	assert_int_equal(loop_run(loop, &never, in_ms(5)), -ETIME);
	assert_int_equal(bad.calls, 1); /* once */
}

static unsigned fired[8], nr_fired;
static bool all_fired;

static void on_timer(void *arg)
{
	fired[nr_fired++] = (unsigned)(uintptr_t)arg;
	all_fired = nr_fired == 3;
}

static void timers_fire_in_order_and_not_early(void **state)
{
	uint64_t start;
	int id;

	(void)state;
	need_loop();
	nr_fired = 0;
	all_fired = false;
	start = bench_now_ns();
	assert_true(loop_timer(loop, start + 6 * BENCH_NS_PER_MS, on_timer, (void *)3) >= 0);
	assert_true(loop_timer(loop, start + 2 * BENCH_NS_PER_MS, on_timer, (void *)1) >= 0);
	assert_true(loop_timer(loop, start + 4 * BENCH_NS_PER_MS, on_timer, (void *)2) >= 0);
	id = loop_timer(loop, start + 3 * BENCH_NS_PER_MS, on_timer, (void *)4);
	assert_true(id >= 0);
	loop_cancel_timer(loop, id);
	assert_int_equal(loop_run(loop, &all_fired, in_ms(2000)), 0);
	assert_true(bench_now_ns() >= start + 6 * BENCH_NS_PER_MS);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(fired[i], i + 1);
}

static void a_late_cancel_hits_no_other_timer(void **state)
{
	int old, new;

	(void)state;
	need_loop();
	nr_fired = 0;
	all_fired = false;
	old = loop_timer(loop, bench_now_ns(), on_timer, (void *)1);
	assert_int_equal(loop_run(loop, &all_fired, in_ms(3)), -ETIME);
	assert_int_equal(nr_fired, 1);
	new = loop_timer(loop, in_ms(3), on_timer, (void *)2);
	assert_int_not_equal(old, new);
	loop_cancel_timer(loop, old);
	loop_cancel_timer(loop, -1);
	assert_int_equal(loop_run(loop, &all_fired, in_ms(20)), -ETIME);
	assert_int_equal(nr_fired, 2);
}

static unsigned ticks;
static bool ticked;

static void on_tick(void *arg)
{
	(void)arg;
	if (++ticks == 20)
		ticked = true;
	else
		assert_true(loop_timer(loop, bench_now_ns(), on_tick, NULL) >= 0);
}

static void a_timer_may_set_the_next_one(void **state)
{
	(void)state;
	need_loop();
	ticks = 0;
	ticked = false;
	assert_true(loop_timer(loop, bench_now_ns(), on_tick, NULL) >= 0);
	assert_int_equal(loop_run(loop, &ticked, in_ms(2000)), 0);
	assert_int_equal(ticks, 20);
}

static void timers_have_a_limit(void **state)
{
	int id = 0, last = -1;
	unsigned nr = 0;

	(void)state;
	need_loop();
	for (; nr < 100000; nr++) {
		id = loop_timer(loop, in_ms(60000), on_timer, NULL);
		if (id < 0)
			break;
		last = id;
	}
	assert_int_equal(id, -ENOSPC);
	assert_true(nr >= 256);
	loop_cancel_timer(loop, last);
	assert_true(loop_timer(loop, in_ms(60000), on_timer, NULL) >= 0);
}

struct read_result {
	ssize_t res;
	bool done;
};

static void on_read(void *arg, ssize_t res)
{
	*(struct read_result *)arg = (struct read_result){ .res = res, .done = true };
}

static void reads_proc_files_from_the_start(void **state)
{
	int fd = open("/proc/version", O_RDONLY | O_CLOEXEC);
	struct read_result r;
	char buf[64];

	(void)state;
	need_loop();
	for (unsigned i = 0; i < 3; i++) {
		uint64_t start = bench_now_ns();

		r.done = false;
		memset(buf, 0, sizeof(buf));
		assert_int_equal(loop_read(loop, fd, buf, sizeof(buf), on_read, &r), 0);
		assert_false(r.done); /* never from within the call */
		assert_int_equal(loop_run(loop, &r.done, start + 20 * BENCH_NS_PER_SEC), 0);
		assert_true(bench_now_ns() < start + 10 * BENCH_NS_PER_SEC);
		assert_true(r.res > 0);
		assert_memory_equal(buf, "Linux", 5);
	}
	close(fd);
	r.done = false;
	assert_int_equal(loop_read(loop, fd, buf, sizeof(buf), on_read, &r), 0);
	assert_int_equal(loop_run(loop, &r.done, in_ms(2000)), 0);
	assert_int_equal(r.res, -EBADF);
}

static void *write_later(void *arg)
{
	usleep(3000);
	(void)eventfd_write(*(int *)arg, 1);
	return NULL;
}

static void another_thread_wakes_the_loop(void **state)
{
	struct event e = { .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	pthread_t thread;

	(void)state;
	need_loop();
	assert_int_equal(loop_watch(loop, e.fd, POLLIN, on_event, &e), 0);
	assert_int_equal(pthread_create(&thread, NULL, write_later, &e.fd), 0);
	assert_int_equal(loop_run(loop, &e.done, UINT64_MAX), 0);
	assert_int_equal(e.calls, 1);
	pthread_join(thread, NULL);
	loop_unwatch(loop, e.fd);
	close(e.fd);
}

static void on_ready(void *arg, short revents)
{
	struct event *e = arg;

	e->revents = revents;
	e->done = true;
	loop_unwatch(loop, e->fd);
}

static void signals_and_children_wake_the_loop(void **state)
{
	struct event sig = { 0 }, child = { 0 };
	struct signalfd_siginfo info;
	sigset_t set, old;
	pid_t pid;

	(void)state;
	need_loop();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	sig.fd = signalfd(-1, &set, SFD_CLOEXEC);
	assert_int_equal(loop_watch(loop, sig.fd, POLLIN, on_ready, &sig), 0);
	pid = fork();
	if (pid == 0) {
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	child.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (child.fd < 0)
		child.done = true; /* before 5.3 */
	else
		assert_int_equal(loop_watch(loop, child.fd, POLLIN, on_ready, &child), 0);
	assert_int_equal(loop_run(loop, &sig.done, in_ms(2000)), 0);
	assert_int_equal(loop_run(loop, &child.done, in_ms(2000)), 0);
	assert_int_equal(read(sig.fd, &info, sizeof(info)), sizeof(info));
	assert_int_equal(info.ssi_signo, SIGUSR1);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(sig.fd);
	if (child.fd >= 0)
		close(child.fd);
}

static void run_ends_at_its_deadline(void **state)
{
	uint64_t start = bench_now_ns();
	bool flag = false;

	(void)state;
	need_loop();
	assert_int_equal(loop_run(loop, &flag, start + 3 * BENCH_NS_PER_MS), -ETIME);
	assert_true(bench_now_ns() >= start + 3 * BENCH_NS_PER_MS);
	assert_true(bench_now_ns() < start + BENCH_NS_PER_SEC);
	flag = true;
	assert_int_equal(loop_run(loop, &flag, 0), 0);
}

static void a_deadline_in_the_past_still_looks_once(void **state)
{
	struct event e = { .fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK) };
	int rc = -ETIME;

	(void)state;
	need_loop();
	assert_int_equal(loop_watch(loop, e.fd, POLLIN, on_event, &e), 0);
	for (unsigned i = 0; i < 3 && rc == -ETIME; i++)
		rc = loop_run(loop, &e.done, 0);
	assert_int_equal(rc, 0);
	loop_unwatch(loop, e.fd);
	close(e.fd);
}

static void close_with_work_pending(void **state)
{
	static char buf[64];
	struct event e = { .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	struct read_result r = { 0 };
	int fd = open("/proc/version", O_RDONLY | O_CLOEXEC);
	bool never = false;

	(void)state;
	need_loop();
	assert_int_equal(loop_watch(loop, e.fd, POLLIN, on_event, &e), 0);
	assert_int_equal(loop_run(loop, &never, in_ms(1)), -ETIME);
	assert_int_equal(loop_read(loop, fd, buf, sizeof(buf), on_read, &r), 0);
	assert_true(loop_timer(loop, in_ms(60000), on_timer, NULL) >= 0);
	loop_close(loop);
	loop = NULL;
	assert_int_equal(e.calls, 0); /* nothing is called any more */
	assert_false(r.done);
	close(e.fd);
	close(fd);
}

#define WITH_LOOP(f) cmocka_unit_test_setup_teardown(f, open_loop, close_loop)

int main(void)
{
	static const char *const modes[] = { "poll", "uring", "uring/all" };
	const struct CMUnitTest tests[] = {
		WITH_LOOP(watch_calls_each_time_until_unwatched),
		WITH_LOOP(a_callback_may_unwatch_itself),
		WITH_LOOP(a_callback_may_unwatch_another_that_is_ready),
		WITH_LOOP(unwatch_lets_go_of_the_file),
		WITH_LOOP(hang_up_and_bad_descriptor_are_told),
		WITH_LOOP(timers_fire_in_order_and_not_early),
		WITH_LOOP(a_late_cancel_hits_no_other_timer),
		WITH_LOOP(a_timer_may_set_the_next_one),
		WITH_LOOP(timers_have_a_limit),
		WITH_LOOP(reads_proc_files_from_the_start),
		WITH_LOOP(another_thread_wakes_the_loop),
		WITH_LOOP(signals_and_children_wake_the_loop),
		WITH_LOOP(run_ends_at_its_deadline),
		WITH_LOOP(a_deadline_in_the_past_still_looks_once),
		WITH_LOOP(close_with_work_pending),
	};
	int failed = 0;

	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		mode = modes[i];
		failed += cmocka_run_group_tests_name(mode, tests, NULL, NULL);
	}
	return failed;
}
