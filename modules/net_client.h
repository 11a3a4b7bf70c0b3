/* SPDX-License-Identifier: BSD-2-Clause */
/* The client's end: connect, and say what was sent. */
#ifndef MODULES_NET_CLIENT_H
#define MODULES_NET_CLIENT_H

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "net_link.h"

static inline void net_set_timeout(int fd, unsigned ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	/* Cannot fail on a TCP socket with a valid time. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static inline void net_client_reset(struct net_link *link)
{
	atomic_store(&link->tx, 0);
	atomic_store(&link->done, false);
	atomic_store(&link->client_failed, false);
}

static inline int net_connect(struct bench_worker *w)
{
	const struct net_params *p = w->job->params;
	const struct net_shared *s = w->job->shared;
	const union bench_inet *addr = &s->link.addr;
	char text[BENCH_INET_TEXT];
	int one = (int)p->nodelay;
	int fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return bench_worker_fail(w, -errno,
					 "TCP socket: %s (each flow needs two "
					 "descriptors; see ulimit -n)",
					 strerror(errno));
	net_set_timeout(fd, NET_TIMEOUT_MS);
	if (connect(fd, &addr->sa, bench_inet_len(addr)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))) {
		int e = errno;

		close(fd);
		bench_inet_print(addr, text);
		return bench_worker_fail(
			w, -e, "connect to %s port %u: %s", text, bench_inet_port(addr),
			e == EINPROGRESS || e == EAGAIN ? "timed out" : strerror(e));
	}
	net_set_timeout(fd, 0);
	return fd;
}

/* The client sends no more: say what was sent. Call it before closing the connection. */
static inline void net_client_done(struct bench_worker *w, uint64_t tx)
{
	struct net_shared *s = w->job->shared;

	atomic_store(&s->link.tx, tx);
	atomic_store(&s->link.done, true);
}

#endif
