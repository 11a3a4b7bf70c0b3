/* SPDX-License-Identifier: BSD-2-Clause */
/* What net (io_uring) and net_sync (blocking sockets) share: TCP over loopback between a client
 * (worker 0, measured) and a server (worker 1, passive). Connections are made before each window
 * and closed after it, and what the server received must be what the client sent. */
#ifndef MODULES_NET_COMMON_H
#define MODULES_NET_COMMON_H

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "bench/module.h"

enum net_mode { NET_RR, NET_STREAM };
enum { NET_CLIENT, NET_SERVER, NET_WORKERS };

struct net_params {
	uint64_t mode, size, port, nodelay;
	uint64_t flows; /* net only */
};

/* Loopback answers in microseconds; only something broken or filtered takes this long. */
#define NET_TIMEOUT_MS 5000

/* A stream's server receives up to this much at once, at least; iperf3's. */
#define NET_STREAM_BUFFER (128u << 10)

static const char *const net_modes[] = { "rr", "stream", NULL };

#define NET_OPTIONS                                                                                \
	{ .name = "mode",                                                                          \
	  .type = BENCH_OPT_ENUM,                                                                  \
	  .offset = offsetof(struct net_params, mode),                                             \
	  .def = "rr",                                                                             \
	  .values = net_modes,                                                                     \
	  .help = "rr: request and response in turn; stream: the client sends all it can" },       \
		{ .name = "size",                                                                  \
		  .type = BENCH_OPT_SIZE,                                                          \
		  .offset = offsetof(struct net_params, size),                                     \
		  .max = 64u << 20,                                                                \
		  .def = "0",                                                                      \
		  .help = "bytes of a message (0: 1 for rr, 128k for stream)" },                   \
		{ .name = "port",                                                                  \
		  .type = BENCH_OPT_U64,                                                           \
		  .offset = offsetof(struct net_params, port),                                     \
		  .max = 65535,                                                                    \
		  .def = "0",                                                                      \
		  .help = "TCP port of the server (0: any free one)" },                            \
	{                                                                                          \
		.name = "nodelay", .type = BENCH_OPT_BOOL,                                         \
		.offset = offsetof(struct net_params, nodelay), .def = "1",                        \
		.help = "TCP_NODELAY: send small messages at once"                                 \
	}

static inline uint64_t net_size(const struct net_params *p)
{
	return p->size ? p->size : p->mode == NET_RR ? 1 : 128u << 10;
}

/* The plan and the result tell the size that is used. */
static inline void net_resolve(void *params)
{
	struct net_params *p = params;

	p->size = net_size(p);
}

static inline unsigned net_flows(const struct net_params *p)
{
	return p->flows ? (unsigned)p->flows : 1;
}

/* Of one job. The client writes tx and done, the server the rest; each reads the other's after the
 * connection was closed. */
struct net_shared {
	int listen_fd;
	int *fds; /* of the connections, the client's ends and then the server's, for net_locate()
		   */
	struct sockaddr_in addr;
	atomic_bool client_failed; /* the server need not wait for it */
	_Atomic uint64_t tx __attribute__((aligned(64)));
	atomic_bool done; /* tx is final */
	_Atomic uint64_t rx __attribute__((aligned(64)));
	_Atomic uint64_t rx_window; /* received within the window, stream mode */
	atomic_bool mismatch;
};

static inline int net_setup(struct bench_job *job, struct bench_err *err)
{
	const struct net_params *p = job->params;
	struct net_shared *s = aligned_alloc(64, sizeof(*s));
	socklen_t len = sizeof(s->addr);
	int one = 1;

	if (!s)
		return bench_fail(err, -ENOMEM, "out of memory");
	memset(s, 0, sizeof(*s));
	job->shared = s;
	s->fds = calloc(NET_WORKERS * net_flows(p), sizeof(*s->fds));
	s->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->listen_fd < 0)
		return bench_fail(err, -errno, "TCP socket: %s", strerror(errno));
	if (!s->fds)
		return bench_fail(err, -ENOMEM, "out of memory");
	/* Connections of an earlier job that linger in TIME_WAIT do not block the port; a listener
	 * still does. */
	(void)setsockopt(s->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	s->addr.sin_family = AF_INET;
	s->addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->addr.sin_port = htons((uint16_t)p->port);
	if (bind(s->listen_fd, (struct sockaddr *)&s->addr, sizeof(s->addr)) ||
	    listen(s->listen_fd, (int)net_flows(p))) {
		int e = errno;

		if (e == EADDRINUSE)
			return bench_fail(err, -e,
					  "port %" PRIu64 " of 127.0.0.1 is in use "
					  "(EADDRINUSE); give another port=, or 0 for any free one",
					  p->port);
		return bench_fail(err, -e, "listen on port %" PRIu64 " of 127.0.0.1: %s", p->port,
				  strerror(e));
	}
	if (getsockname(s->listen_fd, (struct sockaddr *)&s->addr, &len))
		return bench_fail(err, -errno, "getsockname: %s", strerror(errno));
	return 0;
}

static inline void net_teardown(struct bench_job *job)
{
	struct net_shared *s = job->shared;

	if (s && s->listen_fd >= 0)
		close(s->listen_fd);
	if (s)
		free(s->fds);
	free(s);
	job->shared = NULL;
}

static inline void net_set_timeout(int fd, unsigned ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	/* Cannot fail on a TCP socket with a valid time. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static inline int net_connect(struct bench_worker *w)
{
	const struct net_params *p = w->job->params;
	struct net_shared *s = w->job->shared;
	int one = (int)p->nodelay;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return bench_worker_fail(w, -errno,
					 "TCP socket: %s (each flow needs two "
					 "descriptors; see ulimit -n)",
					 strerror(errno));
	net_set_timeout(fd, NET_TIMEOUT_MS);
	if (connect(fd, (struct sockaddr *)&s->addr, sizeof(s->addr)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))) {
		int e = errno;

		close(fd);
		return bench_worker_fail(
			w, -e, "connect to 127.0.0.1 port %u: %s", ntohs(s->addr.sin_port),
			e == EINPROGRESS || e == EAGAIN ? "timed out" : strerror(e));
	}
	net_set_timeout(fd, 0);
	return fd;
}

static inline int net_accept(struct bench_worker *w)
{
	const struct net_params *p = w->job->params;
	struct net_shared *s = w->job->shared;
	struct pollfd pfd = { .fd = s->listen_fd, .events = POLLIN };
	int one = (int)p->nodelay, waited = 0, fd;

	while (poll(&pfd, 1, 50) <= 0) {
		waited += 50;
		if (atomic_load(&s->client_failed) || waited >= NET_TIMEOUT_MS)
			return bench_worker_fail(w, -ETIMEDOUT, "no connection from the client");
	}
	fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return bench_worker_fail(w, -errno,
					 "accept: %s (each flow needs two descriptors; "
					 "see ulimit -n)",
					 strerror(errno));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* Make this side's end of nr connections; ret_fds are -1 on entry. Both workers do so at the same
 * time. */
static inline int net_begin(struct bench_worker *w, int *ret_fds, size_t stride, unsigned nr)
{
	struct net_shared *s = w->job->shared;

	if (w->passive) {
		atomic_store(&s->rx, 0);
		atomic_store(&s->rx_window, 0);
		atomic_store(&s->mismatch, false);
	} else {
		atomic_store(&s->tx, 0);
		atomic_store(&s->done, false);
		atomic_store(&s->client_failed, false);
	}
	for (unsigned i = 0; i < nr; i++) {
		int fd = w->passive ? net_accept(w) : net_connect(w);

		if (fd < 0) {
			if (!w->passive)
				atomic_store(&s->client_failed, true);
			return fd;
		}
		*(int *)((char *)ret_fds + i * stride) = fd;
		/* The client connects one after the other: connection i is the same at both ends.
		 */
		s->fds[w->index * nr + i] = fd;
	}
	return 0;
}

/* The request of flow key and its response. A message that is only sent ends at the own socket. */
static inline int net_locate(const struct bench_job *job, uint64_t key,
			     struct bench_place *ret_place)
{
	const struct net_params *p = job->params;
	const struct net_shared *s = job->shared;

	if (p->mode != NET_RR)
		return -ENOENT;
	*ret_place = (struct bench_place){
		.socket = (uint32_t)s->fds[key] + 1,
		.peer_socket = (uint32_t)s->fds[net_flows(p) + key] + 1,
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

/* The client sends no more: say what was sent. Call it before closing the connection. */
static inline void net_client_done(struct bench_worker *w, uint64_t tx)
{
	struct net_shared *s = w->job->shared;

	atomic_store(&s->tx, tx);
	atomic_store(&s->done, true);
}

/* Server: read what is still on its way, up to the end of the stream. Bytes, or negative errno. */
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

/* Server, after all connections have ended: bytes received must be bytes sent. */
static inline int net_server_check(struct bench_worker *w, uint64_t rx)
{
	struct net_shared *s = w->job->shared;
	uint64_t tx;

	atomic_store(&s->rx, rx);
	if (!atomic_load(&s->done))
		return 0; /* the client failed or was interrupted, which is told by itself */
	tx = atomic_load(&s->tx);
	if (rx == tx)
		return 0;
	atomic_store(&s->mismatch, true);
	return bench_worker_fail(w, -EBADMSG,
				 "the server received %" PRIu64 " bytes, the client "
				 "sent %" PRIu64,
				 rx, tx);
}

/* One request under way has one of the two ends work at a time. */
static inline unsigned net_runnable(const void *params)
{
	const struct net_params *p = params;

	return p->mode == NET_RR && net_flows(p) <= 1 ? 1 : NET_WORKERS;
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
	struct net_shared *s = job->shared;
	double rx = (double)atomic_load(&s->rx);

	if (p->mode == NET_STREAM && trial_ns)
		bench_metric_put(job->metrics, &rate,
				 (double)atomic_load(&s->rx_window) * 1e9 / (double)trial_ns);
	if (atomic_load(&s->mismatch))
		bench_metric_put_status(job->metrics, &id, BENCH_INVALID, rx,
					"not what the client sent");
	else
		bench_metric_put(job->metrics, &id, rx);
}

#endif
