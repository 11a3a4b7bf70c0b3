/* SPDX-License-Identifier: BSD-2-Clause */
/* net: which parameters go together, what a ring must hold for them, and what the kernel must have.
 */
#ifndef MODULES_NET_LIMITS_H
#define MODULES_NET_LIMITS_H

#include "net_datagram.h"
#include "net_flow.h"

/* Operations that a ring holds at most (async_depth); some hold fewer. */
#define NET_OPS_MAX 1024u
/* Provided buffers: large ones for a stream, at most so many (op->tag numbers them), and no more
 * than a cache holds, where that leaves one for each flow. */
#define NET_CHUNK_STREAM (64u << 10)
#define NET_CHUNK_RR 4096u
#define NET_CHUNKS_MAX 256u
#define NET_CHUNKS_BYTES (1u << 20)
/* Zero-copy sends of a flow that wait for their notification, at most. */
#define NET_NOTICES_MAX 64u

/* One message of a flow at a time, by the plainest operations? */
static inline bool net_is_plain(const struct net_params *p)
{
	return net_depth(p) == 1 && p->recv == NET_RECV_PLAIN && !p->zerocopy;
}

/* Connections that a worker has room for. A server sees its client reset one connection and make
 * the next before it has handled the reset. */
static inline unsigned net_places(const struct net_params *p, bool server)
{
	return p->mode == NET_CONNECT && server ? 2 * net_flows(p) + 8 : net_flows(p);
}

/* Operations that a worker needs at once. */
static inline unsigned net_ops(const struct net_params *p, bool server)
{
	unsigned nr = net_places(p, server), depth = net_depth(p), more = 1 + !!p->probe;

	if (p->mode == NET_CONNECT)
		return nr + 1;
	if (p->proto == NET_UDP)
		/* A request that is sent again may have both sends under way. */
		return server ? nr * NET_DGRAM_RECEIVES
			      : nr * (3 * depth + NET_DGRAM_RECEIVES) + more;
	if (net_is_plain(p))
		return nr + (server ? !!p->probe : nr < NET_OPS_MAX ? more : 0);
	return (server ? 2 * nr : nr * (depth + 2)) + more;
}

/* Share what operations are left: each filled buffer and each notification takes one. */
static inline void net_divide(struct net_state *n, const struct net_params *p, unsigned left)
{
	n->notices_max = n->zerocopy ? left / n->nr : UINT32_MAX;
	if (n->zerocopy && n->notices_max > NET_NOTICES_MAX)
		n->notices_max = NET_NOTICES_MAX;
	if (!n->provided)
		return;
	n->chunk_size =
		p->mode == NET_STREAM && p->proto == NET_TCP ? NET_CHUNK_STREAM : NET_CHUNK_RR;
	if (p->proto == NET_UDP && n->size > n->chunk_size)
		n->chunk_size = n->size;
	for (n->nr_chunks = 1;
	     2 * n->nr_chunks <= left && n->nr_chunks < NET_CHUNKS_MAX &&
	     (n->nr_chunks < n->nr || 2 * n->nr_chunks * n->chunk_size <= NET_CHUNKS_BYTES);)
		n->nr_chunks *= 2;
}

static inline int net_validate_ways(const struct net_params *p, struct bench_err *err)
{
	bool tcp_messages = p->proto == NET_TCP && p->mode != NET_CONNECT;
	bool provided = p->recv != NET_RECV_PLAIN;

	if (p->depth > 1 &&
	    (p->mode == NET_CONNECT || (p->mode == NET_STREAM && p->proto == NET_TCP)))
		return bench_fail(err, -EINVAL,
				  "depth= is for mode=rr, and for mode=stream with proto=udp");
	if (p->depth > NET_DGRAM_DEPTH && p->proto == NET_UDP)
		return bench_fail(err, -EINVAL, "proto=udp takes depth=%u at most",
				  NET_DGRAM_DEPTH);
	if (provided && p->mode == NET_CONNECT)
		return bench_fail(err, -EINVAL, "recv= is for mode=rr and mode=stream");
	if (p->recv == NET_RECV_PROVIDED && p->proto == NET_UDP)
		return bench_fail(err, -EINVAL, "proto=udp takes recv=plain or recv=multishot");
	if (p->accept && p->mode != NET_CONNECT)
		return bench_fail(err, -EINVAL, "accept= is for mode=connect");
	if (p->zerocopy && (p->proto != NET_TCP || p->mode != NET_STREAM))
		return bench_fail(err, -EINVAL, "zerocopy=1 is for mode=stream with proto=tcp");
	if (p->probe && !tcp_messages)
		return bench_fail(err, -EINVAL,
				  "probe=1 is for proto=tcp with mode=rr or mode=stream");
	return 0;
}

static inline int net_validate(const void *params, struct bench_err *err)
{
	const struct net_params *p = params;
	uint64_t size = net_size(p), each = size * (net_depth(p) + 0ull);
	unsigned ops = net_ops(p, false) > net_ops(p, true) ? net_ops(p, false) : net_ops(p, true);
	int rc = net_validate_common(p, err);

	if (!rc)
		rc = net_validate_ways(p, err);
	if (rc)
		return rc;
	if (p->proto == NET_UDP)
		each += size * NET_DGRAM_RECEIVES;
	if (each * p->flows > NET_BUFFERS_MAX)
		return bench_fail(err, -EINVAL,
				  "size=%" PRIu64 " times flows=%" PRIu64
				  " and depth=%u needs more "
				  "than 1 GiB of buffers at each end",
				  size, p->flows, net_depth(p));
	/* At least as many left as a ring of provided buffers, or of notifications, needs. */
	if (p->recv != NET_RECV_PLAIN || p->zerocopy)
		ops += (unsigned)p->flows;
	if (ops > NET_OPS_MAX)
		return bench_fail(err, -EINVAL,
				  "flows=%" PRIu64
				  " and depth=%u need %u operations at once; a ring "
				  "holds %u",
				  p->flows, net_depth(p), ops, NET_OPS_MAX);
	return 0;
}

/* The kernel must have what was asked for by name: nothing else is measured in its place. */
static inline int net_check(const void *params, struct bench_err *err)
{
	const struct net_params *p = params;
	int rc = 0;

	if (p->recv == NET_RECV_PROVIDED)
		rc = bench_async_try(BENCH_ASYNC_PROVIDED_BUFFERS, err);
	if (p->recv == NET_RECV_MULTISHOT)
		rc = bench_async_try(BENCH_ASYNC_MULTISHOT_RECV, err);
	if (!rc && p->accept)
		rc = bench_async_try(BENCH_ASYNC_MULTISHOT_ACCEPT, err);
	if (!rc && p->zerocopy)
		rc = bench_async_try(BENCH_ASYNC_SEND_ZC, err);
	if (!rc && p->busy_poll_ns)
		rc = bench_async_try(BENCH_ASYNC_BUSY_POLL, err);
	return rc;
}

#endif
