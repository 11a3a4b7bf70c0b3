/* SPDX-License-Identifier: BSD-2-Clause */
/* What net (io_uring) and net_sync (blocking sockets) share: the life of a job between a client
 * (measured) and a server (passive). Connections are made before each window and closed after it,
 * and what the server received must be what the client sent. */
#ifndef MODULES_NET_COMMON_H
#define MODULES_NET_COMMON_H

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net_client.h"
#include "net_report.h"
#include "net_server.h"
#include "net_split.h"
#include "net_udp_pair.h"

/* Connections made before a window; mode=connect makes its own in it. */
static inline unsigned net_conns(const struct net_params *p)
{
	return p->mode == NET_CONNECT ? 0 : net_flows(p) + (p->probe ? 1 : 0);
}

static inline int net_setup_client(struct bench_job *job, struct bench_err *err)
{
	struct net_shared *s = job->shared;

	s->probe[0] = bench_hist_new(BENCH_HIST_BITS_WORKER);
	s->probe[1] = bench_hist_new(BENCH_HIST_BITS_WORKER);
	if (net_info_new(&s->info) || net_cpu_new(&s->cpu[0]) || net_cpu_new(&s->cpu[1]) ||
	    !s->probe[0] || !s->probe[1])
		return bench_fail(err, -ENOMEM, "out of memory");
	return 0;
}

static inline int net_setup(struct bench_job *job, struct bench_err *err)
{
	const struct net_params *p = job->params;
	struct net_shared *s = aligned_alloc(64, sizeof(*s));
	int rc = 0;

	if (!s)
		return bench_fail(err, -ENOMEM, "out of memory");
	memset(s, 0, sizeof(*s));
	job->shared = s;
	s->listen_fd = -1;
	for (unsigned e = 0; e < NET_WORKERS; e++) {
		if (p->ends == (e == NET_CLIENT ? BENCH_END_SERVER : BENCH_END_CLIENT))
			continue;
		s->fds[e] = calloc(net_conns(p) + 1, sizeof(int));
		if (!s->fds[e])
			return bench_fail(err, -ENOMEM, "out of memory");
	}
	if (s->fds[NET_CLIENT])
		rc = net_setup_client(job, err);
	if (!rc && s->fds[NET_SERVER])
		rc = net_server_setup(job, err);
	return rc;
}

static inline void net_teardown(struct bench_job *job)
{
	struct net_shared *s = job->shared;

	if (!s)
		return;
	if (s->listen_fd >= 0)
		close(s->listen_fd);
	for (unsigned e = 0; e < NET_WORKERS; e++) {
		free(s->fds[e]);
		net_cpu_free(&s->cpu[e]);
		bench_hist_free(s->probe[e]);
	}
	net_info_free(&s->info);
	free(s);
	job->shared = NULL;
}

/* One connection of this worker; with proto=udp it is ret_ctl, and the UDP socket beside it
 * *ret_fd. */
static inline int net_begin_one(struct bench_worker *w, int *ret_fd, int *ret_ctl)
{
	const struct net_params *p = w->job->params;
	/* Whole us; the kernel takes an int. */
	int us = (int)(p->busy_poll_ns / 1000);
	int fd = w->passive ? net_accept(w) : net_connect(w);

	if (fd < 0)
		return fd;
	*ret_fd = fd;
	if (p->proto == NET_UDP) {
		*ret_ctl = fd;
		*ret_fd = -1;
		fd = net_udp_pair(w, *ret_ctl);
		if (fd < 0)
			return fd;
		*ret_fd = fd;
	}
	if (us && setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &us, sizeof(us)))
		return bench_worker_fail(w, -errno, "busy_poll=%dus: %s", us, strerror(errno));
	return 0;
}

/* Where a connection's descriptors are kept: fd first, and ctl behind it when there is UDP. */
struct net_ends_fds {
	int fd, ctl; /* -1 = none */
};

/* Make this side's end of nr connections; ret_fds are -1 on entry. Both ends do so at the same
 * time. */
static inline int net_begin(struct bench_worker *w, struct net_ends_fds *ret_fds, size_t stride,
			    unsigned nr)
{
	struct net_shared *s = w->job->shared;

	if (w->passive) {
		net_server_reset(w);
	} else {
		net_client_reset(&s->link);
		net_info_begin(&s->info);
		bench_hist_reset(s->probe[0]);
		bench_hist_reset(s->probe[1]);
		s->zc_sent = s->zc_copied = 0;
	}
	for (unsigned i = 0; i < nr; i++) {
		struct net_ends_fds *one = (void *)((char *)ret_fds + i * stride);
		int rc = net_begin_one(w, &one->fd, &one->ctl);

		if (rc < 0) {
			if (!w->passive)
				atomic_store(&s->link.client_failed, true);
			return rc;
		}
		/* The client connects one after the other: connection i is the same at both ends.
		 */
		net_fds(w)[i] = one->fd;
	}
	return 0;
}

/* The client's last act before a window ... */
static inline void net_client_window(struct bench_worker *w, int fd)
{
	const struct net_params *p = w->job->params;
	struct net_shared *s = w->job->shared;

	if (fd >= 0)
		s->info.mtu = net_path_mtu(&s->link, fd);
	net_path_name(p, &s->link, s->info.path, sizeof(s->info.path));
	net_cpu_take(&s->cpu[0]);
}

/* ... and its first after it, before it closes anything. */
static inline void net_client_ended(struct bench_worker *w)
{
	struct net_shared *s = w->job->shared;

	net_cpu_take(&s->cpu[1]);
	s->ops = w->ops;
	s->bytes = w->bytes;
}

/* The request of flow key and its response. A message that is only sent ends at the own socket, and
 * of several under way the socket knows the last one only. */
static inline int net_locate(const struct bench_job *job, uint64_t key,
			     struct bench_place *ret_place)
{
	const struct net_params *p = job->params;
	const struct net_shared *s = job->shared;

	if (p->mode != NET_RR || p->ends != BENCH_END_BOTH || p->proto != NET_TCP || net_depth(p) > 1)
		return -ENOENT;
	*ret_place = (struct bench_place){
		.socket = (uint32_t)s->fds[NET_CLIENT][key] + 1,
		.peer_socket = (uint32_t)s->fds[NET_SERVER][key] + 1,
	};
	return 0;
}

static inline void net_close(int *fd)
{
	int old = *fd;

	*fd = -1; /* first: interrupt() must not reach a descriptor that is someone else's by then
		   */
	if (old >= 0)
		close(old);
}

#endif
