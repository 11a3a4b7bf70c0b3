// SPDX-License-Identifier: BSD-2-Clause
/* The control loop of the uring runtime: every watch and every read is an operation of the control
 * ring, and the nearest timer is the limit of its wait. A watch is a one-shot poll that is
 * described anew after its callback, so readiness that was not consumed is reported again, as
 * poll(2) does. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "bench/async.h"
#include "bench/clock.h"

#include "runtime/loop_backend.h"
#include "runtime/uring.h"

#define CLOSE_LIMIT_NS BENCH_NS_PER_SEC
/* After so many times it is no passing shortage, and asking again would be a busy loop. */
#define REFUSED_MAX 1000u

struct watch {
	struct loop_uring *loop;
	struct watch *next;
	void (*cb)(void *arg, short revents); /* NULL = unwatched, the poll still in flight */
	void *arg;
	struct bench_op *op;
	int fd;
	short events;
	unsigned refused; /* times in a row that the kernel had no room for the poll */
};

struct pending_read {
	struct loop_uring *loop;
	struct loop_read read;
};

struct loop_uring {
	struct loop base;
	struct bench_async *async;
	struct watch *watches;
	bool closing;
};

static struct loop_uring *uring_of(struct loop *loop)
{
	return (struct loop_uring *)loop;
}

static void forget(struct watch *w)
{
	for (struct watch **p = &w->loop->watches; *p; p = &(*p)->next) {
		if (*p != w)
			continue;
		*p = w->next;
		break;
	}
	free(w);
}

static void poll_done(struct bench_worker *worker, struct bench_op *op)
{
	struct watch *w = op->user;
	bool over = op->res < 0;

	(void)worker;
	/* Nothing is wrong with the descriptor. */
	if (op->res == -EAGAIN && w->cb && !w->loop->closing && w->refused++ < REFUSED_MAX) {
		bench_op_poll(w->loop->async, op, w->fd, (unsigned short)w->events);
		return;
	}
	w->refused = 0;
	/* A poll that failed will fail again: the watcher is told once. */
	if (w->cb && !w->loop->closing)
		w->cb(w->arg, op->res == -EBADF ? POLLNVAL : over ? POLLERR : (short)op->res);
	if (!w->cb || over || w->loop->closing)
		forget(w);
	else
		bench_op_poll(w->loop->async, op, w->fd, (unsigned short)w->events);
}

static int uring_watch(struct loop *loop, int fd, short events,
		       void (*cb)(void *arg, short revents), void *arg)
{
	struct loop_uring *u = uring_of(loop);
	struct watch *w;

	if (fd < 0)
		return -EBADF;
	for (w = u->watches; w; w = w->next)
		if (w->cb && w->fd == fd)
			return -EEXIST;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	*w = (struct watch){
		.loop = u, .next = u->watches, .cb = cb, .arg = arg, .fd = fd, .events = events
	};
	w->op = bench_op_get(u->async);
	if (!w->op) {
		free(w);
		return -ENOSPC;
	}
	w->op->done = poll_done;
	w->op->user = w;
	bench_op_poll(u->async, w->op, fd, (unsigned short)events);
	u->watches = w;
	return 0;
}

static void ignore(struct bench_worker *worker, struct bench_op *op)
{
	(void)worker;
	(void)op;
}

static void uring_unwatch(struct loop *loop, int fd)
{
	struct loop_uring *u = uring_of(loop);
	struct bench_op *cancel;
	struct watch *w;

	for (w = u->watches; w; w = w->next)
		if (w->cb && w->fd == fd)
			break;
	if (!w)
		return;
	w->cb = NULL;
	if ((w->op->state & URING_OP_STATES) != URING_OP_KERNEL)
		return; /* in its callback, or about to be: it ends there */
	cancel = bench_op_get(u->async);
	if (!cancel)
		return; /* the poll ends unheard at the next event, or with the loop */
	cancel->done = ignore;
	bench_op_cancel(u->async, cancel, w->op);
	/* At once: until then the ring holds the file open, even when the caller closes fd. */
	(void)uring_submit(u->async);
}

static void read_done(struct bench_worker *worker, struct bench_op *op)
{
	struct pending_read *r = op->user;
	struct loop_read read = r->read;
	bool closing = r->loop->closing;

	(void)worker;
	free(r);
	if (!closing)
		read.cb(read.arg, op->res);
}

static int uring_read(struct loop *loop, const struct loop_read *read)
{
	struct loop_uring *u = uring_of(loop);
	struct pending_read *r = malloc(sizeof(*r));
	struct bench_op *op;

	if (!r)
		return -ENOMEM;
	op = bench_op_get(u->async);
	if (!op) {
		free(r);
		return -ENOSPC;
	}
	*r = (struct pending_read){ .loop = u, .read = *read };
	op->done = read_done;
	op->user = r;
	bench_op_read(u->async, op, read->fd, read->buf,
		      read->len > INT32_MAX ? INT32_MAX : (uint32_t)read->len, 0, -1, 0);
	return 0;
}

/* The orchestrator may have moved to a CPU of its own since the ring was made; the kernel's workers
 * that read /proc for it must not stay behind on the CPUs that are measured. */
static void uring_begin(struct loop *loop)
{
	uring_bind_iowq(uring_of(loop)->async);
}

static int uring_turn(struct loop *loop, uint64_t wait_until_ns)
{
	return async_turn(uring_of(loop)->async, NULL, wait_until_ns);
}

static void uring_close(struct loop *loop)
{
	struct loop_uring *u = uring_of(loop);

	u->closing = true;
	if (u->async && async_cancel(u->async, NULL, bench_now_ns() + CLOSE_LIMIT_NS) == 0)
		async_close(u->async);
	/* Otherwise the kernel still owns a buffer: the ring is leaked, not freed. */
	while (u->watches)
		forget(u->watches);
	free(u);
}

static const struct loop_backend backend = {
	.close = uring_close,
	.watch = uring_watch,
	.unwatch = uring_unwatch,
	.read = uring_read,
	.begin = uring_begin,
	.turn = uring_turn,
};

int loop_uring_open(struct loop **ret_loop, const struct async_caps *caps, struct bench_err *err)
{
	struct loop_uring *u = calloc(1, sizeof(*u));
	int rc;

	if (!u)
		return bench_fail(err, -ENOMEM, "make the control loop: out of memory");
	u->base.backend = &backend;
	rc = async_open(&u->async, caps, err);
	if (rc < 0) {
		free(u);
		return rc;
	}
	*ret_loop = &u->base;
	return 0;
}
