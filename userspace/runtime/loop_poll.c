// SPDX-License-Identifier: BSD-2-Clause
/* The control loop of the blocking runtime: ppoll(2) and pread(2), no io_uring call. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/clock.h"

#include "runtime/loop_backend.h"

#define WATCHES_MAX 1024u
#define READS_MAX 256u

struct watch {
	void (*cb)(void *arg, short revents); /* NULL = unwatched, removed after the turn */
	void *arg;
};

struct loop_poll {
	struct loop base;
	struct pollfd fds[WATCHES_MAX]; /* fd -1 where unwatched: ppoll() passes over it */
	struct watch watches[WATCHES_MAX];
	unsigned nr;
	struct loop_read reads[READS_MAX];
	unsigned nr_reads;
};

static struct loop_poll *poll_of(struct loop *loop)
{
	return (struct loop_poll *)loop;
}

static int poll_watch(struct loop *loop, int fd, short events, void (*cb)(void *arg, short revents),
		      void *arg)
{
	struct loop_poll *p = poll_of(loop);

	if (fd < 0)
		return -EBADF;
	for (unsigned i = 0; i < p->nr; i++)
		if (p->fds[i].fd == fd)
			return -EEXIST;
	if (p->nr == WATCHES_MAX)
		return -ENOSPC;
	p->fds[p->nr] = (struct pollfd){ .fd = fd, .events = events };
	p->watches[p->nr++] = (struct watch){ .cb = cb, .arg = arg };
	return 0;
}

static void poll_unwatch(struct loop *loop, int fd)
{
	struct loop_poll *p = poll_of(loop);

	for (unsigned i = 0; i < p->nr; i++) {
		if (p->fds[i].fd != fd)
			continue;
		p->fds[i].fd = -1;
		p->watches[i].cb = NULL;
	}
}

static void drop_unwatched(struct loop_poll *p)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < p->nr; i++) {
		if (!p->watches[i].cb)
			continue;
		p->fds[kept] = p->fds[i];
		p->watches[kept++] = p->watches[i];
	}
	p->nr = kept;
}

static int poll_read(struct loop *loop, const struct loop_read *read)
{
	struct loop_poll *p = poll_of(loop);

	if (p->nr_reads == READS_MAX)
		return -ENOSPC;
	p->reads[p->nr_reads++] = *read;
	return 0;
}

/* Callbacks may ask for further reads: those are the next turn's. */
static void do_reads(struct loop_poll *p)
{
	unsigned nr = p->nr_reads;

	for (unsigned i = 0; i < nr; i++) {
		struct loop_read r = p->reads[i];
		ssize_t res = pread(r.fd, r.buf, r.len, 0);

		r.cb(r.arg, res < 0 ? -errno : res);
	}
	p->nr_reads -= nr;
	memmove(p->reads, p->reads + nr, p->nr_reads * sizeof(p->reads[0]));
}

static int poll_turn(struct loop *loop, uint64_t wait_until_ns)
{
	struct loop_poll *p = poll_of(loop);
	uint64_t now_ns = bench_now_ns(), left_ns;
	struct timespec ts;
	unsigned nr;
	int rc;

	drop_unwatched(p);
	nr = p->nr; /* what callbacks add has no revents yet */
	left_ns = wait_until_ns > now_ns && !p->nr_reads ? wait_until_ns - now_ns : 0;
	ts.tv_sec = (time_t)(left_ns / BENCH_NS_PER_SEC);
	ts.tv_nsec = (long)(left_ns % BENCH_NS_PER_SEC);
	rc = ppoll(p->fds, nr, wait_until_ns == UINT64_MAX && !p->nr_reads ? NULL : &ts, NULL);
	if (rc < 0 && errno != EINTR)
		return -errno;
	for (unsigned i = 0; rc > 0 && i < nr; i++) {
		short revents = p->fds[i].revents;

		if (revents && p->watches[i].cb)
			p->watches[i].cb(p->watches[i].arg, revents);
		if (revents & POLLNVAL && p->watches[i].cb)
			poll_unwatch(loop, p->fds[i].fd); /* closed behind our back: told once */
	}
	do_reads(p);
	return 0;
}

static void poll_close(struct loop *loop)
{
	free(poll_of(loop));
}

static const struct loop_backend backend = {
	.close = poll_close,
	.watch = poll_watch,
	.unwatch = poll_unwatch,
	.read = poll_read,
	.turn = poll_turn,
};

int loop_poll_open(struct loop **ret_loop, struct bench_err *err)
{
	struct loop_poll *p = calloc(1, sizeof(*p));

	if (!p)
		return bench_fail(err, -ENOMEM, "make the control loop: out of memory");
	p->base.backend = &backend;
	*ret_loop = &p->base;
	return 0;
}
