// SPDX-License-Identifier: BSD-2-Clause
/* TCP over loopback by blocking send(2) and recv(2), one connection, no io_uring. */
#include "net_common.h"

struct net_sync {
	int fd;		      /* -1 = not connected; valid once buf is there */
	uint64_t size, moved; /* bytes of a message; client: sent, server: received */
	uint64_t buf_size;    /* a stream's server takes what is there, up to this */
	unsigned char seq;    /* client: first byte of a request, which the response repeats */
	unsigned char *buf;
};

static int net_sync_enter(struct bench_worker *w)
{
	const struct net_params *p = w->job->params;
	struct net_sync *n = w->state;

	n->fd = -1;
	w->passive = net_is_server(w);
	/* A message that was accepted by the socket buffer has no latency worth the name. */
	w->no_latency = p->mode == NET_STREAM;
	n->size = net_size(p);
	n->buf_size = net_buffer(w);
	n->buf = malloc(n->buf_size);
	if (!n->buf)
		return bench_worker_fail(w, -ENOMEM, "no memory for messages of %" PRIu64 " bytes",
					 n->size);
	memset(n->buf, 0x5a, n->buf_size);
	return 0;
}

static int net_sync_begin(struct bench_worker *w)
{
	struct net_sync *n = w->state;

	n->moved = 0;
	return net_begin(w, &n->fd, 0, 1);
}

/* 0, or negative errno. */
static inline int net_sync_send(int fd, const unsigned char *buf, uint64_t size)
{
	for (uint64_t at = 0; at < size;) {
		ssize_t n = send(fd, buf + at, size - at, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += (uint64_t)n;
	}
	return 0;
}

/* Bytes received: size, or less at the end of the stream. Or negative errno. */
static inline int64_t net_sync_recv(int fd, unsigned char *buf, uint64_t size)
{
	uint64_t at = 0;

	while (at < size) {
		ssize_t n = recv(fd, buf + at, size - at, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		at += (uint64_t)n;
	}
	return (int64_t)at;
}

static int net_sync_rr(struct bench_worker *w, struct net_sync *n, uint64_t ops)
{
	for (uint64_t i = 0; i < ops; i++) {
		int64_t ret;

		n->buf[0] = ++n->seq;
		ret = net_sync_send(n->fd, n->buf, n->size);
		if (ret)
			return bench_worker_fail(w, (int)ret, "send of a request: %s",
						 strerror((int)-ret));
		n->moved += n->size;
		ret = net_sync_recv(n->fd, n->buf, n->size);
		if (ret < 0)
			return bench_worker_fail(w, (int)ret, "receive of a response: %s",
						 strerror((int)-ret));
		if ((uint64_t)ret < n->size)
			return bench_worker_fail(w, -ECONNRESET,
						 "the server closed the connection");
		if (n->buf[0] != n->seq)
			return bench_worker_fail(w, -EBADMSG, "response %u to request %u",
						 n->buf[0], n->seq);
		w->bytes += 2 * n->size;
	}
	return 0;
}

static int net_sync_stream(struct bench_worker *w, struct net_sync *n, uint64_t ops)
{
	for (uint64_t i = 0; i < ops; i++) {
		int ret = net_sync_send(n->fd, n->buf, n->size);

		if (ret)
			return bench_worker_fail(w, ret, "send: %s", strerror(-ret));
		n->moved += n->size;
		w->bytes += n->size;
	}
	return 0;
}

/* Until the client closes: answer each request with its own bytes. */
static int net_sync_answer(struct bench_worker *w, struct net_sync *n)
{
	for (;;) {
		int64_t ret = net_sync_recv(n->fd, n->buf, n->size);

		if (ret < 0)
			return bench_worker_fail(w, (int)ret, "server: receive: %s",
						 strerror((int)-ret));
		n->moved += (uint64_t)ret;
		if ((uint64_t)ret < n->size)
			return net_server_check(w, n->moved);
		ret = net_sync_send(n->fd, n->buf, n->size);
		if (ret)
			return bench_worker_fail(w, (int)ret, "server: send: %s",
						 strerror((int)-ret));
	}
}

/* Until the client closes: receive, and note how much of it the window saw. */
static int net_sync_receive(struct bench_worker *w, struct net_sync *n)
{
	struct net_shared *s = w->job->shared;
	uint64_t within = 0;

	for (;;) {
		ssize_t ret = recv(n->fd, n->buf, n->buf_size, 0);

		if (ret < 0 && errno == EINTR)
			continue;
		if (ret < 0)
			return bench_worker_fail(w, -errno, "server: receive: %s", strerror(errno));
		if (ret == 0)
			break;
		n->moved += (uint64_t)ret;
		if (bench_running(w, bench_now_ns()))
			within = n->moved;
	}
	atomic_store(&s->link.rx_window, within);
	return net_server_check(w, n->moved);
}

static int net_sync_run(struct bench_worker *w, uint64_t ops)
{
	const struct net_params *p = w->job->params;
	struct net_sync *n = w->state;

	if (w->passive)
		return p->mode == NET_RR ? net_sync_answer(w, n) : net_sync_receive(w, n);
	return p->mode == NET_RR ? net_sync_rr(w, n, ops) : net_sync_stream(w, n, ops);
}

/* The server sits in recv(2) and ends with the connection. */
static void net_sync_finish(struct bench_worker *w)
{
	struct net_sync *n = w->state;

	net_client_done(w, n->moved);
	shutdown(n->fd, SHUT_WR);
}

static void net_sync_interrupt(struct bench_worker *w)
{
	const struct net_sync *n = w->state;

	if (n->buf && n->fd >= 0)
		shutdown(n->fd, SHUT_RDWR);
}

static void net_sync_end(struct bench_worker *w)
{
	struct net_sync *n = w->state;

	net_close(&n->fd);
}

static void net_sync_leave(struct bench_worker *w)
{
	struct net_sync *n = w->state;

	free(n->buf);
	n->buf = NULL;
}

static const struct bench_option net_sync_options[] = {
	NET_OPTIONS,
	{ .name = NULL },
};

static const char *const net_sync_suite[] = { "mode=rr", NULL };
static const char *const net_sync_full[] = { "mode=rr,size={1k,64k}", "mode=stream", NULL };

const struct bench_module bench_module_net_sync = {
	.abi = BENCH_MODULE_ABI,
	.exec = BENCH_EXEC_BLOCKING,
	.name = "net_sync",
	.summary = "TCP over loopback by blocking sockets",
	.op = "rr: a request and its response of size bytes each; stream: size bytes sent",
	.options = net_sync_options,
	.suite = net_sync_suite,
	.full = net_sync_full,
	.params_size = sizeof(struct net_params),
	.state_size = sizeof(struct net_sync),
	.min_workers = NET_WORKERS,
	.max_workers = NET_WORKERS,
	.workers = net_workers,
	.runnable = net_runnable,
	.resolve = net_resolve,
	.setup = net_setup,
	.enter = net_sync_enter,
	.begin = net_sync_begin,
	.run = net_sync_run,
	.finish = net_sync_finish,
	.interrupt = net_sync_interrupt,
	.end = net_sync_end,
	.leave = net_sync_leave,
	.locate = net_locate,
	.teardown = net_teardown,
	.report = net_report,
};
