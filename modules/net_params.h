/* SPDX-License-Identifier: BSD-2-Clause */
/* Parameters that net (io_uring) and net_sync (blocking sockets) have in common. */
#ifndef MODULES_NET_PARAMS_H
#define MODULES_NET_PARAMS_H

#include <stdint.h>

#include "bench/module.h"

enum net_mode { NET_RR, NET_STREAM };

/* Which ends of the connections a job has. With one of them it has one worker; the other end is a
 * job of another process, which hands over what struct net_link names. */
enum net_ends { NET_BOTH, NET_CLIENT_ONLY, NET_SERVER_ONLY };

/* Worker numbers where both ends are of one job. */
enum { NET_CLIENT, NET_SERVER, NET_WORKERS };

struct net_params {
	uint64_t mode, size, port, nodelay;
	uint64_t flows;	    /* net only */
	uint64_t ends;	    /* enum net_ends; no option: who runs only one end sets it */
	const char *address; /* IPv4 of the server; NULL = 127.0.0.1, or any to a lone server */
};

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

static inline unsigned net_workers(const void *params)
{
	const struct net_params *p = params;

	return p->ends == NET_BOTH ? NET_WORKERS : 1;
}

/* One request under way has one of the two ends work at a time. */
static inline unsigned net_runnable(const void *params)
{
	const struct net_params *p = params;

	return p->mode == NET_RR && net_flows(p) <= 1 ? 1 : net_workers(params);
}

/* Is this worker the server's end? */
static inline bool net_is_server(const struct bench_worker *w)
{
	const struct net_params *p = w->job->params;

	return p->ends == NET_BOTH ? w->index == NET_SERVER : p->ends == NET_SERVER_ONLY;
}

#endif
