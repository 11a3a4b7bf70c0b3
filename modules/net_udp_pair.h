/* SPDX-License-Identifier: BSD-2-Clause */
/* UDP sockets for a flow: each end tells the other its port over the flow's TCP connection, which
 * stays open beside them to say when the client is done. */
#ifndef MODULES_NET_UDP_PAIR_H
#define MODULES_NET_UDP_PAIR_H

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "net_link.h"
#include "net_netns.h"

/* A request without an answer for so long is sent again. */
#define NET_UDP_AGAIN_NS (1 * BENCH_NS_PER_SEC)
/* Asked for; the kernel gives at most net.core.rmem_max. */
#define NET_UDP_BUFFER (8 << 20)

/* A socket bound to the address that the connection has at this end, and its port in network order.
 */
static inline int net_udp_socket(struct bench_worker *w, int ctl, uint16_t *ret_port)
{
	const struct net_params *p = w->job->params;
	const struct net_shared *s = w->job->shared;
	union bench_inet addr = { 0 };
	socklen_t len = sizeof(addr);
	int bytes = NET_UDP_BUFFER, fd;
	struct bench_err err = { 0 };

	fd = net_socket(net_is_server(w) ? p->netns : NULL, s->link.addr.sa.sa_family, SOCK_DGRAM,
			&err);
	if (fd < 0)
		return bench_worker_fail(w, fd, "UDP %s", err.msg);
	/* Cannot fail: more than is allowed is cut to what is. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (getsockname(ctl, &addr.sa, &len) == 0) {
		bench_inet_set_port(&addr, 0);
		if (bind(fd, &addr.sa, bench_inet_len(&addr)) == 0 &&
		    getsockname(fd, &addr.sa, &len) == 0) {
			*ret_port = htons(bench_inet_port(&addr));
			return fd;
		}
	}
	len = (socklen_t)errno;
	close(fd);
	return bench_worker_fail(w, -(int)len, "UDP socket: %s", strerror((int)len));
}

/* The UDP socket of a flow, connected to the other end's; both ends call it at the same time. */
static inline int net_udp_pair(struct bench_worker *w, int ctl)
{
	struct timeval limit = { .tv_sec = NET_TIMEOUT_MS / 1000 };
	union bench_inet peer = { 0 };
	socklen_t len = sizeof(peer);
	uint16_t mine = 0, other = 0;
	int fd = net_udp_socket(w, ctl, &mine);

	if (fd < 0)
		return fd;
	(void)setsockopt(ctl, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (send(ctl, &mine, sizeof(mine), MSG_NOSIGNAL) == sizeof(mine) &&
	    recv(ctl, &other, sizeof(other), MSG_WAITALL) == sizeof(other) &&
	    getpeername(ctl, &peer.sa, &len) == 0) {
		bench_inet_set_port(&peer, ntohs(other));
		if (connect(fd, &peer.sa, bench_inet_len(&peer)) == 0)
			return fd;
	}
	close(fd);
	return bench_worker_fail(w, -ENOTCONN, "UDP: the other end did not tell its port: %s",
				 strerror(errno));
}

#endif
