// SPDX-License-Identifier: BSD-2-Clause
#include "runtime/loop.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "bench/clock.h"

#include "runtime/loop_backend.h"

int loop_open(struct loop **ret_loop, const struct async_caps *caps, struct bench_err *err)
{
	struct loop *loop;
	int rc;

	rc = caps ? loop_uring_open(&loop, caps, err) : loop_poll_open(&loop, err);
	if (rc < 0)
		return rc;
	rc = timers_init(&loop->timers, LOOP_TIMERS_MAX);
	if (rc < 0) {
		loop->backend->close(loop);
		return bench_fail(err, rc, "make the control loop: %s", strerror(-rc));
	}
	*ret_loop = loop;
	return 0;
}

void loop_close(struct loop *loop)
{
	if (!loop)
		return;
	timers_done(&loop->timers);
	loop->backend->close(loop);
}

int loop_watch(struct loop *loop, int fd, short events, void (*cb)(void *arg, short revents),
	       void *arg)
{
	return loop->backend->watch(loop, fd, events, cb, arg);
}

void loop_unwatch(struct loop *loop, int fd)
{
	loop->backend->unwatch(loop, fd);
}

int loop_timer(struct loop *loop, uint64_t at_ns, void (*cb)(void *arg), void *arg)
{
	for (unsigned i = 0; i < LOOP_TIMERS_MAX; i++) {
		struct loop_timer *t = &loop->slots[i];

		if (t->cb)
			continue;
		t->cb = cb;
		t->arg = arg;
		t->gen = (t->gen + 1) % (INT_MAX / LOOP_TIMERS_MAX);
		timers_add(&loop->timers, i, at_ns);
		return (int)(t->gen * LOOP_TIMERS_MAX + i);
	}
	return -ENOSPC;
}

void loop_cancel_timer(struct loop *loop, int id)
{
	struct loop_timer *t;

	if (id < 0)
		return;
	t = &loop->slots[(unsigned)id % LOOP_TIMERS_MAX];
	if (t->gen == (unsigned)id / LOOP_TIMERS_MAX &&
	    timers_del(&loop->timers, (unsigned)id % LOOP_TIMERS_MAX))
		t->cb = NULL;
}

int loop_read(struct loop *loop, int fd, void *buf, size_t len, void (*cb)(void *arg, ssize_t res),
	      void *arg)
{
	struct loop_read read = { .fd = fd, .buf = buf, .len = len, .cb = cb, .arg = arg };

	return loop->backend->read(loop, &read);
}

/* A callback may set timers, also ones that are due already: those wait for the next turn, so that
 * descriptors get their share. */
static void fire(struct loop *loop)
{
	uint64_t now_ns = bench_now_ns(), due_ns;
	unsigned most = loop->timers.nr;
	int i;

	while (most-- && (i = timers_pop(&loop->timers, now_ns, &due_ns)) >= 0) {
		struct loop_timer t = loop->slots[i];

		loop->slots[i].cb = NULL;
		t.cb(t.arg);
	}
}

int loop_run(struct loop *loop, const bool *flag, uint64_t deadline_ns)
{
	if (*flag)
		return 0;
	if (loop->backend->begin)
		loop->backend->begin(loop);
	for (;;) {
		uint64_t until_ns = timers_next(&loop->timers);
		int rc;

		if (deadline_ns < until_ns)
			until_ns = deadline_ns;
		rc = loop->backend->turn(loop, until_ns);
		if (rc < 0)
			return rc;
		fire(loop);
		if (*flag)
			return 0;
		if (deadline_ns != UINT64_MAX && bench_now_ns() >= deadline_ns)
			return -ETIME;
	}
}
