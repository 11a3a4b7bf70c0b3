/* SPDX-License-Identifier: BSD-2-Clause */
/* What net (io_uring) and net_sync (blocking sockets) share: TCP between a client (measured) and a
 * server (passive). Connections are made before each window and closed after it, and what the server
 * received must be what the client sent. */
#ifndef MODULES_NET_COMMON_H
#define MODULES_NET_COMMON_H

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net_client.h"
#include "net_server.h"

static inline int net_setup(struct bench_job *job, struct bench_err *err)
{
	const struct net_params *p = job->params;
	struct net_shared *s = aligned_alloc(64, sizeof(*s));

	if (!s)
		return bench_fail(err, -ENOMEM, "out of memory");
	memset(s, 0, sizeof(*s));
	job->shared = s;
	s->listen_fd = -1;
	for (unsigned e = 0; e < NET_WORKERS; e++) {
		if (p->ends == (e == NET_CLIENT ? NET_SERVER_ONLY : NET_CLIENT_ONLY))
			continue;
		s->fds[e] = calloc(net_flows(p), sizeof(int));
		if (!s->fds[e])
			return bench_fail(err, -ENOMEM, "out of memory");
	}
	return s->fds[NET_SERVER] ? net_server_setup(job, err) : 0;
}

static inline void net_teardown(struct bench_job *job)
{
	struct net_shared *s = job->shared;

	if (s && s->listen_fd >= 0)
		close(s->listen_fd);
	for (unsigned e = 0; s && e < NET_WORKERS; e++)
		free(s->fds[e]);
	free(s);
	job->shared = NULL;
}

/* Make this side's end of nr connections; ret_fds are -1 on entry. Both ends do so at the same
 * time. */
static inline int net_begin(struct bench_worker *w, int *ret_fds, size_t stride, unsigned nr)
{
	struct net_shared *s = w->job->shared;

	if (w->passive)
		net_server_reset(&s->link);
	else
		net_client_reset(&s->link);
	for (unsigned i = 0; i < nr; i++) {
		int fd = w->passive ? net_accept(w) : net_connect(w);

		if (fd < 0) {
			if (!w->passive)
				atomic_store(&s->link.client_failed, true);
			return fd;
		}
		*(int *)((char *)ret_fds + i * stride) = fd;
		/* The client connects one after the other: connection i is the same at both ends.
		 */
		net_fds(w)[i] = fd;
	}
	return 0;
}

/* The request of flow key and its response. A message that is only sent ends at the own socket. */
static inline int net_locate(const struct bench_job *job, uint64_t key,
			     struct bench_place *ret_place)
{
	const struct net_params *p = job->params;
	const struct net_shared *s = job->shared;

	if (p->mode != NET_RR || p->ends != NET_BOTH)
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

/* Bytes that this worker's buffer of a connection needs. */
static inline uint64_t net_buffer(const struct bench_worker *w)
{
	const struct net_params *p = w->job->params;
	uint64_t size = net_size(p);

	return w->passive && p->mode == NET_STREAM && size < NET_STREAM_BUFFER ? NET_STREAM_BUFFER
									       : size;
}

static inline void net_report(struct bench_job *job, uint64_t trial_ns)
{
	static const struct bench_metric_id id = {
		"net.rx_bytes", "B", BENCH_SOURCE_MODULE, BENCH_BETTER_NONE, { { NULL, NULL } }
	};
	static const struct bench_metric_id rate = {
		"net.rx", "B/s", BENCH_SOURCE_MODULE, BENCH_BETTER_HIGHER, { { NULL, NULL } }
	};
	const struct net_params *p = job->params;
	struct net_link *link = &((struct net_shared *)job->shared)->link;
	double rx = (double)atomic_load(&link->rx);

	if (p->ends == NET_CLIENT_ONLY)
		return; /* what arrived is the other process's to tell */
	if (p->mode == NET_STREAM && trial_ns)
		bench_metric_put(job->metrics, &rate,
				 (double)atomic_load(&link->rx_window) * 1e9 / (double)trial_ns);
	if (atomic_load(&link->mismatch))
		bench_metric_put_status(job->metrics, &id, BENCH_INVALID, rx,
					"not what the client sent");
	else
		bench_metric_put(job->metrics, &id, rx);
}

#endif
