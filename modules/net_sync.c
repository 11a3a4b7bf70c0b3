// SPDX-License-Identifier: BSD-2-Clause
/* TCP and UDP by blocking calls, one connection, no io_uring. */
#include "net_sync_udp.h"

static int net_sync_enter(struct bench_worker *w)
{
	const struct net_params *p = w->job->params;
	struct net_sync *n = w->state;

	n->fd = n->ctl = -1;
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

	const struct net_params *p = w->job->params;
	int rc;

	n->moved = 0;
	rc = net_begin(w, (struct net_ends_fds *)&n->fd, 0, 1);
	if (!rc && p->proto == NET_UDP)
		net_sync_limit(n->fd, w->passive ? NET_SYNC_LOOK_MS
						 : (unsigned)(NET_UDP_AGAIN_NS / BENCH_NS_PER_MS));
	if (!rc && !w->passive)
		net_client_window(w, n->fd);
	return rc;
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

	if (p->mode == NET_CONNECT)
		return w->passive ? net_sync_accept(w, n) : net_sync_connect(w, n, ops);
	if (p->proto == NET_UDP)
		return w->passive ? net_sync_udp_server(w, n) : net_sync_udp(w, n, ops);
	if (w->passive)
		return p->mode == NET_RR ? net_sync_answer(w, n) : net_sync_receive(w, n);
	return p->mode == NET_RR ? net_sync_rr(w, n, ops) : net_sync_stream(w, n, ops);
}

/* The server sits in recv(2) and ends with the connection. */
static void net_sync_finish(struct bench_worker *w)
{
	struct net_sync *n = w->state;

	net_client_done(w, n->moved);
	shutdown(n->ctl >= 0 ? n->ctl : n->fd, SHUT_WR);
}

static void net_sync_interrupt(struct bench_worker *w)
{
	const struct net_sync *n = w->state;

	if (n->buf && n->fd >= 0)
		shutdown(n->fd, SHUT_RDWR);
	if (n->buf && n->ctl >= 0)
		shutdown(n->ctl, SHUT_RDWR);
}

static void net_sync_end(struct bench_worker *w)
{
	const struct net_params *p = w->job->params;
	struct net_sync *n = w->state;
	struct net_shared *s = w->job->shared;

	if (!w->passive && n->fd >= 0)
		net_client_ended(w);
	if (!w->passive && p->mode != NET_CONNECT) {
		net_info_ask(&s->info, n->fd, NULL);
		net_info_end(&s->info, n->fd);
	}
	net_close(&n->fd);
	net_close(&n->ctl);
}

static void net_sync_leave(struct bench_worker *w)
{
	struct net_sync *n = w->state;

	free(n->buf);
	n->buf = NULL;
}

static int net_sync_validate(const void *params, struct bench_err *err)
{
	return net_validate_common(params, err);
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
	.summary = "TCP and UDP by blocking sockets, over loopback or a namespace",
	.op = "rr: a request and its response of size bytes each; stream: size bytes sent; "
	      "connect: a connection made and accepted",
	.options = net_sync_options,
	.suite = net_sync_suite,
	.full = net_sync_full,
	.params_size = sizeof(struct net_params),
	.state_size = sizeof(struct net_sync),
	.min_workers = NET_WORKERS,
	.max_workers = NET_WORKERS,
	.workers = net_workers,
	.runnable = net_runnable,
	.validate = net_sync_validate,
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
	.split = net_split,
	.tell = net_tell,
	.hear = net_hear,
	.report = net_report,
};
