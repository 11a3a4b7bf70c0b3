/* SPDX-License-Identifier: BSD-2-Clause */
/* Parameters that net (io_uring) and net_sync (blocking sockets) have in common, and what follows
 * from them. */
#ifndef MODULES_NET_PARAMS_H
#define MODULES_NET_PARAMS_H

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <unistd.h>

#include "bench/inet.h"
#include "bench/module.h"
#include "net_netns.h"

enum net_mode { NET_RR, NET_STREAM, NET_CONNECT };
enum net_proto { NET_TCP, NET_UDP };
enum net_recv_way { NET_RECV_PLAIN, NET_RECV_PROVIDED, NET_RECV_MULTISHOT };

/* Worker numbers where both ends are of one job. With one end it has one worker; the other end is a
 * job of another process, which hands over what struct net_link names. */
enum { NET_CLIENT, NET_SERVER, NET_WORKERS };

struct net_params {
	uint64_t mode, proto, size, port, nodelay, busy_poll_ns;
	const char *address; /* of the server; NULL = 127.0.0.1, or any to a lone server */
	const char *netns;   /* of the server's end; NULL = ours */
	uint64_t ends;	     /* enum bench_end; no option: net_split() sets it */
	const char *client;  /* lone server: address of the client, the only one to be served */
	/* net only */
	uint64_t flows, depth, probe, recv, accept, zerocopy;
};

/* A stream's server receives up to this much at once, at least; iperf3's. */
#define NET_STREAM_BUFFER (128u << 10)
/* The most that fits an IPv4 datagram (65535 less 28 bytes of headers; IPv6 takes 20 more), and
 * what fits one frame of an Ethernet without fragments (1500 less 48 of IPv6), rounded down. */
#define NET_UDP_MAX 65507u
#define NET_UDP_STREAM 1400u
/* A datagram carries its number. */
#define NET_UDP_MIN 4u
#define NET_BUFFERS_MAX (1ull << 30)

static const char *const net_modes[] = { "rr", "stream", "connect", NULL };
static const char *const net_protos[] = { "tcp", "udp", NULL };

/* Those of both modules. */
#define NET_OPTIONS                                                                                \
	{ .name = "mode",                                                                          \
	  .type = BENCH_OPT_ENUM,                                                                  \
	  .offset = offsetof(struct net_params, mode),                                             \
	  .def = "rr",                                                                             \
	  .values = net_modes,                                                                     \
	  .help = "rr: request and response; stream: the client sends all it can; connect: a "     \
		  "connection for each op" },                                                      \
		{ .name = "proto",                                                                 \
		  .type = BENCH_OPT_ENUM,                                                          \
		  .offset = offsetof(struct net_params, proto),                                    \
		  .def = "tcp",                                                                    \
		  .values = net_protos,                                                            \
		  .help = "protocol; udp: rr and stream, one datagram a message" },                \
		{ .name = "size",                                                                  \
		  .type = BENCH_OPT_SIZE,                                                          \
		  .offset = offsetof(struct net_params, size),                                     \
		  .max = 64u << 20,                                                                \
		  .def = "0",                                                                      \
		  .help = "bytes of a message (0: 1 for rr, 128k for stream; udp: 4 and 1400)" },  \
		{ .name = "address",                                                               \
		  .type = BENCH_OPT_STRING,                                                        \
		  .offset = offsetof(struct net_params, address),                                  \
		  .help = "address of this host that the server listens on, IPv4 or IPv6 "         \
			  "(default 127.0.0.1)" },                                                 \
		{ .name = "netns",                                                                 \
		  .type = BENCH_OPT_STRING,                                                        \
		  .offset = offsetof(struct net_params, netns),                                    \
		  .help = "network namespace of the server's end, by its name in ip netns; needs " \
			  "address=" },                                                            \
		{ .name = "port",                                                                  \
		  .type = BENCH_OPT_U64,                                                           \
		  .offset = offsetof(struct net_params, port),                                     \
		  .max = 65535,                                                                    \
		  .def = "0",                                                                      \
		  .help = "TCP port of the server (0: any free one)" },                            \
		{ .name = "nodelay",                                                               \
		  .type = BENCH_OPT_BOOL,                                                          \
		  .offset = offsetof(struct net_params, nodelay),                                  \
		  .def = "1",                                                                      \
		  .help = "TCP_NODELAY: send small messages at once" },                            \
	{                                                                                          \
		.name = "busy_poll", .type = BENCH_OPT_DURATION,                                   \
		.offset = offsetof(struct net_params, busy_poll_ns), .max = 1000000000u,           \
		.def = "0",                                                                        \
		.help = "SO_BUSY_POLL: a receive polls the network card for so long (whole us); "  \
			"needs one with NAPI"                                                      \
	}

static inline uint64_t net_size(const struct net_params *p)
{
	if (p->size)
		return p->size;
	if (p->proto == NET_UDP)
		return p->mode == NET_STREAM ? NET_UDP_STREAM : NET_UDP_MIN;
	return p->mode == NET_STREAM ? NET_STREAM_BUFFER : 1;
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

/* Messages of a flow that may be under way. */
static inline unsigned net_depth(const struct net_params *p)
{
	return p->depth ? (unsigned)p->depth : 1;
}

static inline unsigned net_workers(const void *params)
{
	const struct net_params *p = params;

	return p->ends == BENCH_END_BOTH ? NET_WORKERS : 1;
}

/* One request under way has one of the two ends work at a time. */
static inline unsigned net_runnable(const void *params)
{
	const struct net_params *p = params;

	return p->mode != NET_STREAM && net_flows(p) * net_depth(p) <= 1 ? 1 : net_workers(params);
}

/* Is this worker the server's end? */
static inline bool net_is_server(const struct bench_worker *w)
{
	const struct net_params *p = w->job->params;

	return p->ends == BENCH_END_BOTH ? w->index == NET_SERVER : p->ends == BENCH_END_SERVER;
}

/* Bytes that this worker's buffer of a connection needs. */
static inline uint64_t net_buffer(const struct bench_worker *w)
{
	const struct net_params *p = w->job->params;
	uint64_t size = net_size(p);

	return w->passive && p->mode == NET_STREAM && size < NET_STREAM_BUFFER ? NET_STREAM_BUFFER
									       : size;
}

/* What both modules cannot do. */
static inline int net_validate_common(const struct net_params *p, struct bench_err *err)
{
	uint64_t size = net_size(p);
	union bench_inet addr;
	int fd;

	if (p->proto == NET_UDP && p->mode == NET_CONNECT)
		return bench_fail(err, -EINVAL,
				  "mode=connect is for proto=tcp: UDP has no connections");
	if (p->proto == NET_UDP && (size < NET_UDP_MIN || size > NET_UDP_MAX))
		return bench_fail(err, -EINVAL,
				  "size=%" PRIu64
				  " with proto=udp: a datagram holds %u (its number) "
				  "to %u bytes",
				  size, NET_UDP_MIN, NET_UDP_MAX);
	if (p->netns && !p->address)
		return bench_fail(err, -EINVAL,
				  "netns=%s needs address=, the address that the server has there",
				  p->netns);
	if (p->address && bench_inet_parse(&addr, p->address))
		return bench_fail(err, -EINVAL, "address=%s is no address, or not of this host",
				  p->address);
	if (p->netns) {
		fd = net_netns_open(p->netns, err);
		if (fd < 0)
			return fd;
		close(fd);
	}
	if (p->busy_poll_ns % 1000)
		return bench_fail(err, -EINVAL, "busy_poll takes whole microseconds");
	return 0;
}

#endif
