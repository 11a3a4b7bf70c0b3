/* SPDX-License-Identifier: BSD-2-Clause */
/* The two ends in different processes: what makes a job one of them, and what they tell each other of
 * struct net_link. */
#ifndef MODULES_NET_SPLIT_H
#define MODULES_NET_SPLIT_H

#include "net_server.h"

static inline int net_split(void *params, enum bench_end end, const char *address,
			    const char *other, struct bench_err *err)
{
	struct net_params *p = params;
	union bench_inet ip;

	/* A plan that is made again has split it before. */
	if (p->netns || (p->address && p->ends == BENCH_END_BOTH))
		return bench_fail(err, -EINVAL, "%s= is for a server's end on this host, not with peer=",
				  p->netns ? "netns" : "address");
	if (bench_inet_parse(&ip, address))
		return bench_fail(err, -EINVAL, "%s is no address; the ends need one", address);
	p->ends = end;
	p->address = address;
	p->client = other;
	return 0;
}

/* From the server the port, and after a window what arrived; from the client what it sent. */
enum { NET_SAY_PORT, NET_SAY_RX, NET_SAY_RX_WINDOW, NET_SAYS_SERVER };
enum { NET_SAY_TX, NET_SAY_DONE, NET_SAYS_CLIENT };

static inline unsigned net_tell(const struct bench_job *job, uint64_t *values)
{
	const struct net_params *p = job->params;
	const struct net_link *link = &((const struct net_shared *)job->shared)->link;

	if (p->ends == BENCH_END_CLIENT) {
		values[NET_SAY_TX] = atomic_load(&link->tx);
		values[NET_SAY_DONE] = atomic_load(&link->done);
		return NET_SAYS_CLIENT;
	}
	values[NET_SAY_PORT] = bench_inet_port(&link->addr);
	values[NET_SAY_RX] = atomic_load(&link->rx);
	values[NET_SAY_RX_WINDOW] = atomic_load(&link->rx_window);
	return NET_SAYS_SERVER;
}

static inline void net_hear(struct bench_job *job, const uint64_t *values, unsigned nr)
{
	const struct net_params *p = job->params;
	struct net_link *link = &((struct net_shared *)job->shared)->link;

	if (p->ends == BENCH_END_CLIENT && nr == NET_SAYS_SERVER) {
		(void)bench_inet_parse(&link->addr, p->address); /* split() looked */
		bench_inet_set_port(&link->addr, (uint16_t)values[NET_SAY_PORT]);
		atomic_store(&link->rx, values[NET_SAY_RX]);
		atomic_store(&link->rx_window, values[NET_SAY_RX_WINDOW]);
	} else if (p->ends == BENCH_END_SERVER && nr == NET_SAYS_CLIENT) {
		atomic_store(&link->tx, values[NET_SAY_TX]);
		atomic_store(&link->done, values[NET_SAY_DONE] != 0);
		if (link->done && !net_server_agrees(p, link->rx, link->tx))
			atomic_store(&link->mismatch, true);
	}
}

#endif
