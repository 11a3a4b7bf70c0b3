/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's own view of a job's connections (TCP_INFO, man 7 tcp): smoothed round-trip time,
 * congestion window, segments sent again; and how evenly the flows were served. */
#ifndef MODULES_NET_INFO_H
#define MODULES_NET_INFO_H

#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "bench/clock.h"
#include "bench/module.h"

/* Connections are asked this often, and at most so many of them each time: one takes 1 us. */
#define NET_INFO_NS (100 * BENCH_NS_PER_MS)
#define NET_INFO_FLOWS 16u

/* What the client learnt in a window. */
struct net_info {
	struct bench_hist *rtt, *cwnd; /* ns; segments */
	uint64_t retransmits;	       /* segments sent again in the window */
	uint64_t lost;	   /* udp: datagrams without an answer in time, or not received */
	unsigned next;	   /* connection to ask next */
	bool tcp;	   /* there was one to ask */
	uint64_t asked_ns; /* last, and what they had sent again by then */
	double resent;
	double fairness; /* Jain's index; 0 = one flow, or nothing moved */
	uint64_t napi;	 /* connections whose packets come from a card with NAPI */
	unsigned mtu;
	char path[96];
};

static inline int net_info_new(struct net_info *info)
{
	info->rtt = bench_hist_new(BENCH_HIST_BITS_WORKER);
	info->cwnd = bench_hist_new(BENCH_HIST_BITS_WORKER);
	return info->rtt && info->cwnd ? 0 : -ENOMEM;
}

static inline void net_info_free(struct net_info *info)
{
	bench_hist_free(info->rtt);
	bench_hist_free(info->cwnd);
	info->rtt = info->cwnd = NULL;
}

static inline void net_info_begin(struct net_info *info)
{
	bench_hist_reset(info->rtt);
	bench_hist_reset(info->cwnd);
	info->retransmits = info->lost = info->napi = 0;
	info->tcp = false;
	info->next = 0;
	info->asked_ns = 0;
	info->resent = 0;
	info->fairness = 0;
}

/* False when it is no TCP socket. */
static inline bool net_info_get(int fd, struct tcp_info *ret_info)
{
	socklen_t len = sizeof(*ret_info);

	memset(ret_info, 0, sizeof(*ret_info)); /* an older kernel fills less */
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, ret_info, &len) == 0;
}

/* Of several connections. */
struct net_info_sum {
	unsigned nr;
	double rtt_ns, cwnd, resent;
};

/* sum may be NULL. */
static inline void net_info_ask(struct net_info *info, int fd, struct net_info_sum *sum)
{
	struct tcp_info t;

	if (fd < 0 || !net_info_get(fd, &t))
		return;
	info->tcp = true;
	if (t.tcpi_rtt)
		bench_hist_record(info->rtt, (uint64_t)t.tcpi_rtt * BENCH_NS_PER_US);
	bench_hist_record(info->cwnd, t.tcpi_snd_cwnd);
	if (!sum)
		return;
	sum->nr++;
	sum->rtt_ns += (double)t.tcpi_rtt * BENCH_NS_PER_US;
	sum->cwnd += t.tcpi_snd_cwnd;
	sum->resent += t.tcpi_total_retrans;
}

/* At the end of a window, before the connection is closed. Connections are made for each window. */
static inline void net_info_end(struct net_info *info, int fd)
{
	struct tcp_info t;
	unsigned napi = 0;
	socklen_t len = sizeof(napi);

	if (fd < 0)
		return;
	if (net_info_get(fd, &t)) {
		info->tcp = true;
		info->retransmits += t.tcpi_total_retrans;
	}
	/* Fails before Linux 4.12, as does busy polling by this number. */
	if (getsockopt(fd, SOL_SOCKET, SO_INCOMING_NAPI_ID, &napi, &len) == 0 && napi)
		info->napi++;
}

/* R. Jain, D. Chiu, W. Hawe, DEC-TR-301, 1984: (sum x)^2 / (n sum x^2). 1 = all alike, 1/n = one
 * has it all. */
static inline double net_jain(double sum, double squares, unsigned nr)
{
	return nr > 1 && squares > 0 ? sum * sum / ((double)nr * squares) : 0;
}

#endif
