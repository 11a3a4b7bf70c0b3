/* SPDX-License-Identifier: BSD-2-Clause */
/* net_sync: datagrams, and connections of their own for each operation. */
#ifndef MODULES_NET_SYNC_UDP_H
#define MODULES_NET_SYNC_UDP_H

#include <sys/time.h>

#include "net_common.h"

/* A server that has nothing to do looks this often whether its client is done. */
#define NET_SYNC_LOOK_MS 20

struct net_sync {
	int fd, ctl;	      /* struct net_ends_fds; valid once buf is there */
	uint64_t size, moved; /* bytes of a message; client: sent, server: received */
	uint64_t buf_size;    /* a stream's server takes what is there, up to this */
	unsigned char seq;    /* client: first byte of a request, which the response repeats */
	uint32_t number;      /* the same, of a datagram */
	unsigned char *buf;
};

static inline void net_sync_limit(int fd, unsigned ms)
{
	const struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	/* Cannot fail on a socket with a valid time. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
}

/* Has the client closed its end of this connection? */
static inline bool net_sync_closed(int fd)
{
	char c;
	ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static int net_sync_send_datagram(struct bench_worker *w, struct net_sync *n, uint64_t bytes)
{
	ssize_t ret;

	do
		ret = send(n->fd, n->buf, bytes, MSG_NOSIGNAL);
	while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return bench_worker_fail(w, -errno, "send of a datagram: %s", strerror(errno));
	if (!w->passive)
		n->moved += (uint64_t)ret;
	return 0;
}

/* A request and its answer; without one within a second it is sent again, and the op goes on. */
static int net_sync_ask(struct bench_worker *w, struct net_sync *n)
{
	struct net_shared *s = w->job->shared;
	uint32_t got;
	int rc;

	n->number++;
	for (;;) {
		ssize_t ret;

		memcpy(n->buf, &n->number, sizeof(n->number));
		rc = net_sync_send_datagram(w, n, n->size);
		if (rc)
			return rc;
		do {
			ret = recv(n->fd, n->buf, n->buf_size, 0);
			memcpy(&got, n->buf, sizeof(got));
			/* The answer to one before, which was sent again, may come late. */
		} while ((ret < 0 && errno == EINTR) || (ret >= 0 && got != n->number));
		if (ret == (ssize_t)n->size)
			break;
		if (ret >= 0)
			return bench_worker_fail(w, -EBADMSG, "a datagram of %zd bytes in answer",
						 ret);
		if (errno != EAGAIN)
			return bench_worker_fail(w, -errno, "receive of a datagram: %s",
						 strerror(errno));
		s->info.lost++;
	}
	w->bytes += 2 * n->size;
	return 0;
}

static int net_sync_udp(struct bench_worker *w, struct net_sync *n, uint64_t ops)
{
	const struct net_params *p = w->job->params;
	int rc = 0;

	for (uint64_t i = 0; i < ops && !rc; i++) {
		if (p->mode == NET_RR) {
			rc = net_sync_ask(w, n);
			continue;
		}
		rc = net_sync_send_datagram(w, n, n->size);
		w->bytes += rc ? 0 : n->size;
	}
	return rc;
}

static int net_sync_udp_server(struct bench_worker *w, struct net_sync *n)
{
	const struct net_params *p = w->job->params;
	struct net_shared *s = w->job->shared;
	uint64_t within = 0;

	for (;;) {
		ssize_t ret = recv(n->fd, n->buf, n->buf_size, 0);

		/* 0: an empty datagram, or interrupt() has shut the socket down, at once and for ever. */
		if ((ret == 0 || (ret < 0 && errno == EAGAIN)) && net_sync_closed(n->ctl))
			break;
		if (ret < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED)
			return bench_worker_fail(w, -errno, "server: receive: %s", strerror(errno));
		if (ret <= 0)
			continue;
		n->moved += (uint64_t)ret;
		if (bench_running(w, bench_now_ns()))
			within = n->moved;
		if (p->mode == NET_RR && net_sync_send_datagram(w, n, (uint64_t)ret))
			return w->err.code;
	}
	atomic_store(&s->link.rx_window, within);
	return net_server_check(w, n->moved);
}

/* --- mode=connect; the connection made before the window says when the client is done --- */

static int net_sync_connect(struct bench_worker *w, struct net_sync *n, uint64_t ops)
{
	/* An orderly close would leave the port in TIME_WAIT for a minute. */
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	char c;

	for (uint64_t i = 0; i < ops; i++) {
		int fd = net_connect(w);
		ssize_t got;

		if (fd < 0)
			return fd;
		do
			got = recv(fd, &c, 1, 0);
		while (got < 0 && errno == EINTR);
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(fd);
		if (got != 1)
			return bench_worker_fail(w, -ECONNRESET, "the server did not greet");
		n->moved++;
	}
	return 0;
}

static int net_sync_accept(struct bench_worker *w, struct net_sync *n)
{
	const struct net_shared *s = w->job->shared;

	net_sync_limit(s->listen_fd, NET_SYNC_LOOK_MS);
	for (;;) {
		int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0 && errno == EAGAIN && net_sync_closed(n->fd))
			return net_server_check(w, n->moved);
		if (fd < 0 && errno != EAGAIN && errno != EINTR)
			return bench_worker_fail(w, -errno, "accept: %s", strerror(errno));
		if (fd < 0)
			continue;
		n->moved++;
		/* A client that has gone learns so by itself. */
		(void)send(fd, "x", 1, MSG_NOSIGNAL);
		close(fd);
	}
}

#endif
