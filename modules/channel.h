/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages between two workers of one job, one under way at a time: the client (worker 0) sends one
 * and waits for the same back. A message begins and ends with its number, 1 to 255; 0 tells the
 * server that the window is over. */
#ifndef MODULES_CHANNEL_H
#define MODULES_CHANNEL_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/module.h"
#include "switches.h"

enum channel_kind { CHANNEL_PIPE, CHANNEL_EVENTFD, CHANNEL_UNIX, CHANNEL_FUTEX, CHANNEL_TCP };
enum { CHANNEL_CLIENT, CHANNEL_SERVER, CHANNEL_SIDES };

static inline long channel_futex(_Atomic uint32_t *word, int op, uint32_t value)
{
	return syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

/* What one side receives. With CHANNEL_FUTEX the message lies in shared memory. */
struct channel_inbox {
	_Atomic uint32_t arrived __attribute__((aligned(64))); /* the futex: messages so far */
	uint32_t taken;					       /* the receiver's own */
	unsigned char *memory;
	int rd, wr; /* descriptors to receive from and, at the other side, to send by; -1 = none */
};

/* Shared by both workers: made by setup(), in job->shared. */
struct channel {
	enum channel_kind kind;
	uint64_t size; /* bytes of a message; CHANNEL_EVENTFD: 8 */
	struct channel_inbox inbox[CHANNEL_SIDES];
	/* Of the window, told at its end. */
	_Atomic uint64_t requests __attribute__((aligned(64)));
	_Atomic uint64_t switches; /* of both sides */
};

/* Each worker's own. */
struct channel_end {
	unsigned char *buf;
	uint64_t round_trips; /* of the window: client made, server answered */
	unsigned char number; /* of the last request */
	struct switches begin;
};

static inline int channel_tcp(int fd[2])
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int one = 1, ret = 0, l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fd[1] = -1;
	if (l < 0 || fd[0] < 0 || bind(l, (struct sockaddr *)&addr, sizeof(addr)) || listen(l, 1) ||
	    getsockname(l, (struct sockaddr *)&addr, &len) ||
	    connect(fd[0], (struct sockaddr *)&addr, sizeof(addr)) ||
	    (fd[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC)) < 0 ||
	    setsockopt(fd[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ||
	    setsockopt(fd[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		ret = -errno;
	if (l >= 0)
		close(l);
	return ret;
}

/* Descriptors of both sides; what was opened is closed by channel_free(). */
static inline int channel_open(struct channel *ch)
{
	struct channel_inbox *client = &ch->inbox[CHANNEL_CLIENT];
	struct channel_inbox *server = &ch->inbox[CHANNEL_SERVER];
	int fd[2] = { -1, -1 }, ret = 0;

	switch (ch->kind) {
	case CHANNEL_PIPE:
		for (unsigned i = 0; i < CHANNEL_SIDES; i++) {
			if (pipe2(fd, O_CLOEXEC))
				return -errno;
			ch->inbox[i].rd = fd[0];
			ch->inbox[i].wr = fd[1];
		}
		return 0;
	case CHANNEL_EVENTFD:
		for (unsigned i = 0; i < CHANNEL_SIDES; i++) {
			ch->inbox[i].rd = ch->inbox[i].wr = eventfd(0, EFD_CLOEXEC);
			if (ch->inbox[i].rd < 0)
				return -errno;
		}
		return 0;
	case CHANNEL_UNIX:
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
			ret = -errno;
		break;
	case CHANNEL_TCP:
		ret = channel_tcp(fd);
		break;
	case CHANNEL_FUTEX:
		for (unsigned i = 0; i < CHANNEL_SIDES; i++) {
			ch->inbox[i].memory = calloc(1, ch->size);
			if (!ch->inbox[i].memory)
				return -ENOMEM;
		}
		return 0;
	}
	client->rd = server->wr = fd[0];
	server->rd = client->wr = fd[1];
	return ret;
}

static inline void channel_free(struct channel *ch)
{
	int fd[4];

	if (!ch)
		return;
	for (unsigned i = 0; i < CHANNEL_SIDES; i++) {
		free(ch->inbox[i].memory);
		fd[2 * i] = ch->inbox[i].rd;
		fd[2 * i + 1] = ch->inbox[i].wr;
	}
	/* A descriptor that serves both ways is there twice. */
	for (unsigned i = 0; i < 4; i++) {
		bool closed = fd[i] < 0;

		for (unsigned j = 0; j < i; j++)
			closed |= fd[j] == fd[i];
		if (!closed)
			close(fd[i]);
	}
	free(ch);
}

static inline int channel_new(enum channel_kind kind, uint64_t size, struct channel **ret_ch,
			      struct bench_err *err)
{
	struct channel *ch = aligned_alloc(64, sizeof(*ch));
	int rc;

	if (!ch)
		return bench_fail(err, -ENOMEM, "out of memory");
	memset(ch, 0, sizeof(*ch));
	ch->kind = kind;
	ch->size = size;
	for (unsigned i = 0; i < CHANNEL_SIDES; i++)
		ch->inbox[i].rd = ch->inbox[i].wr = -1;
	*ret_ch = ch;
	rc = channel_open(ch);
	return rc ? bench_fail(err, rc, "open a channel: %s", strerror(-rc)) : 0;
}

/* A whole message, for as long as that takes. 0 or negative errno. */
static inline int channel_write_all(int fd, bool is_socket, const unsigned char *buf, uint64_t size)
{
	for (uint64_t at = 0; at < size;) {
		ssize_t n = is_socket ? send(fd, buf + at, size - at, MSG_NOSIGNAL)
				      : write(fd, buf + at, size - at);

		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? (uint64_t)n : 0;
	}
	return 0;
}

/* The same; -EPIPE when the other side is gone. */
static inline int channel_read_all(int fd, unsigned char *buf, uint64_t size)
{
	for (uint64_t at = 0; at < size;) {
		ssize_t n = read(fd, buf + at, size - at);

		if (n == 0)
			return -EPIPE;
		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? (uint64_t)n : 0;
	}
	return 0;
}

/* What one side needs to send and receive, kept on its stack: where the kernel has page tables of its own
 * (PTI), each page that is touched after a system call costs a walk through them. */
struct channel_port {
	enum channel_kind kind;
	int rd, wr;
	uint64_t size;
	struct channel_inbox *mine, *theirs;
};

static inline struct channel_port channel_port(struct channel *ch, unsigned side)
{
	struct channel_inbox *mine = &ch->inbox[side], *theirs = &ch->inbox[1 - side];

	return (struct channel_port){ .kind = ch->kind,
				      .rd = mine->rd,
				      .wr = theirs->wr,
				      .size = ch->size,
				      .mine = mine,
				      .theirs = theirs };
}

/* To the other side. 0 or negative errno. */
static inline int channel_send(const struct channel_port *p, const unsigned char *buf)
{
	uint64_t value;

	switch (p->kind) {
	case CHANNEL_FUTEX:
		memcpy(p->theirs->memory, buf, p->size);
		atomic_fetch_add_explicit(&p->theirs->arrived, 1, memory_order_release);
		return channel_futex(&p->theirs->arrived, FUTEX_WAKE_PRIVATE, 1) < 0 ? -errno : 0;
	case CHANNEL_EVENTFD:
		/* An eventfd passes no 0. */
		value = 1 + (uint64_t)buf[0];
		return write(p->wr, &value, sizeof(value)) == sizeof(value) ? 0 : -errno;
	default:
		return channel_write_all(p->wr, p->kind != CHANNEL_PIPE, buf, p->size);
	}
}

/* What the other side sends next. 0 or negative errno; -EPIPE when it is gone. */
static inline int channel_recv(const struct channel_port *p, unsigned char *buf)
{
	struct channel_inbox *in = p->mine;
	uint64_t value;

	switch (p->kind) {
	case CHANNEL_FUTEX:
		while (atomic_load_explicit(&in->arrived, memory_order_acquire) == in->taken)
			(void)channel_futex(&in->arrived, FUTEX_WAIT_PRIVATE, in->taken);
		in->taken++;
		memcpy(buf, in->memory, p->size);
		return 0;
	case CHANNEL_EVENTFD:
		if (read(p->rd, &value, sizeof(value)) != sizeof(value))
			return -errno;
		buf[0] = buf[p->size - 1] = (unsigned char)(value - 1);
		return 0;
	default:
		return channel_read_all(p->rd, buf, p->size);
	}
}

/* On the worker: its buffer, local to it. */
static inline int channel_enter(struct bench_worker *w, struct channel_end *e)
{
	const struct channel *ch = w->job->shared;

	w->passive = w->index == CHANNEL_SERVER;
	e->buf = malloc(ch->size);
	if (!e->buf)
		return bench_worker_fail(w, -ENOMEM, "no memory for a message of %" PRIu64 " bytes",
					 ch->size);
	memset(e->buf, 0x5a, ch->size);
	return 0;
}

static inline void channel_leave(struct channel_end *e)
{
	free(e->buf);
	e->buf = NULL;
}

static inline int channel_begin(struct bench_worker *w, struct channel_end *e)
{
	struct channel *ch = w->job->shared;

	e->round_trips = 0;
	e->begin = switches_now();
	if (!w->passive)
		atomic_store(&ch->switches, 0);
	return 0;
}

/* On one CPU nobody gets an answer without leaving it: fewer switches than round trips cannot be.
 */
static inline int channel_check_switches(struct bench_worker *w, const struct channel_end *e)
{
	struct channel *ch = w->job->shared;
	const int *cpus = w->job->cpus;
	struct switches s = switches_since(e->begin);
	bool one_cpu = cpus && cpus[0] >= 0 && cpus[0] == cpus[1];

	atomic_fetch_add(&ch->switches, s.all);
	if (!one_cpu || s.all >= e->round_trips)
		return 0;
	return bench_worker_fail(w, -EBADMSG,
				 "%" PRIu64 " round trips on one CPU, but only %" PRIu64
				 " context switches of this side",
				 e->round_trips, s.all);
}

/* A message so small lies on the stack, beside the port. */
#define CHANNEL_SMALL 64u

/* Client: ops round trips. */
static inline int channel_ask(struct bench_worker *w, struct channel_end *e, uint64_t ops)
{
	struct channel_port p = channel_port(w->job->shared, CHANNEL_CLIENT);
	unsigned char small[CHANNEL_SMALL], number = e->number;
	unsigned char *buf = p.size <= sizeof(small) ? memcpy(small, e->buf, p.size) : e->buf;

	for (uint64_t i = 0; i < ops; i++) {
		int rc;

		e->number = number = number == 255 ? 1 : number + 1;
		buf[0] = buf[p.size - 1] = number;
		rc = channel_send(&p, buf);
		buf[0] = buf[p.size - 1] = 0;
		rc = rc ? rc : channel_recv(&p, buf);
		if (rc)
			return bench_worker_fail(w, rc, "message to the other worker and back: %s",
						 strerror(-rc));
		if (buf[0] != number || buf[p.size - 1] != number)
			return bench_worker_fail(w, -EBADMSG, "answer %u to message %u", buf[0],
						 number);
		e->round_trips++;
	}
	return 0;
}

/* Server: send back what comes, until told that the window is over. Then what was answered must be
 * what was asked. */
static inline int channel_serve(struct bench_worker *w, struct channel_end *e)
{
	struct channel *ch = w->job->shared;
	struct channel_port p = channel_port(ch, CHANNEL_SERVER);
	unsigned char small[CHANNEL_SMALL];
	unsigned char *buf = p.size <= sizeof(small) ? small : e->buf;
	uint64_t requests, answered = 0;

	for (;;) {
		int rc = channel_recv(&p, buf);

		if (!rc && !buf[0])
			break;
		answered++;
		rc = rc ? rc : channel_send(&p, buf);
		if (rc)
			return bench_worker_fail(w, rc, "server: %s", strerror(-rc));
	}
	e->round_trips += answered;
	requests = atomic_load(&ch->requests);
	if (requests == e->round_trips)
		return channel_check_switches(w, e);
	return bench_worker_fail(
		w, -EBADMSG, "the server answered %" PRIu64 " messages, the client sent %" PRIu64,
		e->round_trips, requests);
}

/* Client, after its last op: the server must not wait any longer. */
static inline void channel_finish(struct bench_worker *w, struct channel_end *e)
{
	struct channel *ch = w->job->shared;
	struct channel_port p = channel_port(ch, CHANNEL_CLIENT);
	int rc;

	atomic_store(&ch->requests, e->round_trips);
	e->buf[0] = e->buf[ch->size - 1] = 0;
	rc = channel_send(&p, e->buf);
	if (rc)
		(void)bench_worker_fail(w, rc, "end of the window: %s", strerror(-rc));
	(void)channel_check_switches(w, e);
}

/* What the round trips took: 2 switches when both sides sleep each time, fewer when an answer is
 * there before the wait for it begins. */
static inline void channel_report(struct bench_job *job)
{
	static const struct bench_metric_id id = { "switches.per_round_trip",
						   "count",
						   BENCH_SOURCE_MODULE,
						   BENCH_BETTER_NONE,
						   { { NULL, NULL } } };
	struct channel *ch = job->shared;
	uint64_t requests = atomic_load(&ch->requests);

	if (requests)
		bench_metric_put(job->metrics, &id,
				 (double)atomic_load(&ch->switches) / (double)requests);
}

/* From another thread: both sides get a message that says the end, without waiting for room. */
static inline void channel_interrupt(struct channel *ch)
{
	static const unsigned char end[4096];

	for (unsigned i = 0; i < CHANNEL_SIDES; i++) {
		struct channel_inbox *in = &ch->inbox[i];
		struct pollfd pfd = { .fd = in->wr, .events = POLLOUT };
		uint64_t one = 1;

		if (ch->kind == CHANNEL_FUTEX) {
			in->memory[0] = 0;
			atomic_fetch_add(&in->arrived, 1);
			(void)channel_futex(&in->arrived, FUTEX_WAKE_PRIVATE, 1);
		} else if (ch->kind == CHANNEL_UNIX || ch->kind == CHANNEL_TCP) {
			shutdown(in->wr, SHUT_RDWR);
		} else if (poll(&pfd, 1, 0) == 1) {
			/* A pipe with room has at least 4096 bytes of it. What is not written, the
			 * core gives up on. */
			if (ch->kind == CHANNEL_EVENTFD)
				(void)!write(in->wr, &one, sizeof(one));
			else
				(void)!write(in->wr, end,
					     ch->size < sizeof(end) ? ch->size : sizeof(end));
		}
	}
}

#endif
