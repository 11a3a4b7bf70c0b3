/* SPDX-License-Identifier: BSD-2-Clause */
/* The server's end: listen, accept, and check that everything sent has arrived. */
#ifndef MODULES_NET_SERVER_H
#define MODULES_NET_SERVER_H

#include <errno.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net_link.h"

/* Datagrams that come later than this after the one before are taken for lost. */
#define NET_QUIET_MS 20

/* Connections that may wait to be accepted: all that a client makes at once. The kernel takes
 * net.core.somaxconn at most. */
static inline unsigned net_backlog(const struct net_params *p)
{
	return net_flows(p) + 1 > 128 ? net_flows(p) + 1 : 128;
}

static inline int net_listen_failed(const struct net_shared *s, int code, struct bench_err *err)
{
	char text[BENCH_INET_TEXT];

	bench_inet_print(&s->link.addr, text);
	if (code == -EADDRINUSE)
		return bench_fail(err, code,
				  "port %u of %s is in use (EADDRINUSE); give another port=, or 0 "
				  "for any free one",
				  bench_inet_port(&s->link.addr), text);
	return bench_fail(err, code, "listen on port %u of %s: %s", bench_inet_port(&s->link.addr),
			  text, strerror(-code));
}

/* Where the client is on another host, others may connect, too. Packets that are not from its
 * address are dropped before a connection comes of them: no look at each connection is needed,
 * which would cost a system call when their number is what is measured. The filter (socket(7),
 * SO_ATTACH_FILTER) compares the source address, which IPv4 has at byte 12 and IPv6 at bytes 8
 * to 23. */
static inline int net_server_serve_only(int fd, const char *client)
{
	struct sock_filter code[2 * 4 + 2];
	struct sock_fprog prog = { .filter = code };
	union bench_inet from;
	uint32_t words[4];
	unsigned nr, at;

	if (bench_inet_parse(&from, client))
		return -EINVAL;
	nr = from.sa.sa_family == AF_INET6 ? 4 : 1;
	at = from.sa.sa_family == AF_INET6 ? 8 : 12;
	if (nr == 4)
		memcpy(words, &from.in6.sin6_addr, sizeof(words));
	else
		memcpy(words, &from.in4.sin_addr, sizeof(*words));
	for (unsigned i = 0; i < nr; i++) {
		code[prog.len++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
								(uint32_t)SKF_NET_OFF + at + 4 * i);
		/* Behind the last one: pass, then drop. */
		code[prog.len++] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, ntohl(words[i]), 0, (uint8_t)(2 * (nr - i) - 1));
	}
	code[prog.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	code[prog.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) ? -errno : 0;
}

/* Listen where the parameters say; link.addr then has the port. */
static inline int net_server_setup(struct bench_job *job, struct bench_err *err)
{
	const struct net_params *p = job->params;
	struct net_shared *s = job->shared;
	union bench_inet *addr = &s->link.addr;
	socklen_t len = sizeof(*addr);
	int one = 1;

	addr->in4 = (struct sockaddr_in){ .sin_family = AF_INET };
	addr->in4.sin_addr.s_addr =
		htonl(p->ends == BENCH_END_SERVER ? INADDR_ANY : INADDR_LOOPBACK);
	if (p->address)
		(void)bench_inet_parse(addr, p->address); /* validated */
	bench_inet_set_port(addr, (uint16_t)p->port);
	s->listen_fd = net_socket(p->netns, addr->sa.sa_family, SOCK_STREAM, err);
	if (s->listen_fd < 0)
		return s->listen_fd;
	/* Connections of an earlier job that linger in TIME_WAIT do not block the port; a listener
	 * still does. */
	(void)setsockopt(s->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (p->client) {
		int rc = net_server_serve_only(s->listen_fd, p->client);

		if (rc)
			return bench_fail(err, rc, "serve %s only: %s", p->client, strerror(-rc));
	}
	if (bind(s->listen_fd, &addr->sa, bench_inet_len(addr)) ||
	    listen(s->listen_fd, (int)net_backlog(p)))
		return net_listen_failed(s, -errno, err);
	if (getsockname(s->listen_fd, &addr->sa, &len))
		return bench_fail(err, -errno, "getsockname: %s", strerror(errno));
	return 0;
}

static inline void net_server_reset(const struct bench_worker *w)
{
	const struct net_params *p = w->job->params;
	struct net_link *link = &((struct net_shared *)w->job->shared)->link;

	/* What a client elsewhere said is of the window before. */
	if (p->ends == BENCH_END_SERVER)
		atomic_store(&link->done, false);
	atomic_store(&link->rx, 0);
	atomic_store(&link->rx_window, 0);
	atomic_store(&link->mismatch, false);
}

static inline int net_accept(struct bench_worker *w)
{
	const struct net_params *p = w->job->params;
	struct net_shared *s = w->job->shared;
	struct pollfd pfd = { .fd = s->listen_fd, .events = POLLIN };
	uint64_t until_ns = bench_now_ns() + NET_TIMEOUT_MS * BENCH_NS_PER_MS;
	int one = (int)p->nodelay, fd;

	while (poll(&pfd, 1, 50) <= 0)
		if (atomic_load(&s->link.client_failed) || bench_now_ns() >= until_ns)
			return bench_worker_fail(w, -ETIMEDOUT, "no connection from the client");
	fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return bench_worker_fail(w, -errno,
					 "accept: %s (each flow needs two descriptors; "
					 "see ulimit -n)",
					 strerror(errno));
	/* Inherited from the listener; its packets come from the client alone. */
	if (p->client && p->mode != NET_CONNECT)
		(void)setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &one, sizeof(one));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* Read what is still on its way, up to the end of the stream. Bytes, or negative errno. */
static inline int64_t net_read_rest(int fd, void *buf, size_t len)
{
	int64_t sum = 0;

	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&pfd, 1, NET_TIMEOUT_MS) <= 0)
			return -ETIMEDOUT;
		n = recv(fd, buf, len, MSG_DONTWAIT);
		if (n == 0)
			return sum;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n > 0)
			sum += n;
	}
}

/* Datagrams that are still on their way to a client that has said it is done: until none came for a
 * while. Bytes. */
static inline int64_t net_read_datagrams(int fd, void *buf, size_t len)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int64_t sum = 0;

	while (poll(&pfd, 1, NET_QUIET_MS) > 0) {
		ssize_t n = recv(fd, buf, len, MSG_DONTWAIT);

		/* The client's socket may be closed already: ECONNREFUSED for what was sent to it.
		 */
		if (n > 0)
			sum += n;
		else if (errno != ECONNREFUSED && errno != EAGAIN)
			break;
	}
	return sum;
}

/* UDP loses, and says so; a connection that was accepted may have been given up by its client when
 * the window ended. */
static inline bool net_server_agrees(const struct net_params *p, uint64_t rx, uint64_t tx)
{
	return p->proto == NET_UDP || (p->mode == NET_CONNECT ? rx >= tx : rx == tx);
}

/* After all connections have ended: bytes received must be bytes sent. Where the client is in
 * another process, it has not said yet; net_report() compares then. */
static inline int net_server_check(struct bench_worker *w, uint64_t rx)
{
	const struct net_params *p = w->job->params;
	struct net_shared *s = w->job->shared;
	uint64_t tx;

	atomic_store(&s->link.rx, rx);
	if (!atomic_load(&s->link.done))
		return 0; /* the client failed or was interrupted, which is told by itself */
	tx = atomic_load(&s->link.tx);
	if (net_server_agrees(p, rx, tx))
		return 0;
	atomic_store(&s->link.mismatch, true);
	return bench_worker_fail(w, -EBADMSG,
				 p->mode == NET_CONNECT ? "the server accepted %" PRIu64
							  " connections, the client made %" PRIu64
							: "the server received %" PRIu64
							  " bytes, the client sent %" PRIu64,
				 rx, tx);
}

#endif
