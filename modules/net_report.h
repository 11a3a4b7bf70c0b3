/* SPDX-License-Identifier: BSD-2-Clause */
/* The metrics of a window, put after it by whoever has the client or the server here. */
#ifndef MODULES_NET_REPORT_H
#define MODULES_NET_REPORT_H

#include <inttypes.h>
#include <stdio.h>

#include "net_link.h"
#include "net_path.h"

static inline void net_put(struct bench_job *job, const char *name, const char *unit,
			   enum bench_better better, double value)
{
	const struct bench_metric_id id = {
		.name = name, .unit = unit, .source = BENCH_SOURCE_MODULE, .better = better
	};

	bench_metric_put(job->metrics, &id, value);
}

static inline void net_put_hist(struct bench_job *job, const char *name, const char *unit,
				enum bench_better better, const char *load,
				const struct bench_hist *hist)
{
	const struct bench_metric_id id = { .name = name,
					    .unit = unit,
					    .source = BENCH_SOURCE_MODULE,
					    .better = better,
					    .labels = { { load ? "load" : NULL, load } } };

	if (hist && hist->count)
		bench_metric_put_hist(job->metrics, &id, hist);
}

static inline void net_put_status(struct bench_job *job, const char *name, const char *unit,
				  enum bench_better better, enum bench_status status, double value,
				  const char *note)
{
	const struct bench_metric_id id = {
		.name = name, .unit = unit, .source = BENCH_SOURCE_MODULE, .better = better
	};

	bench_metric_put_status(job->metrics, &id, status, value, note);
}

static inline void net_report_server(struct bench_job *job, uint64_t trial_ns)
{
	const struct net_params *p = job->params;
	struct net_shared *s = job->shared;
	struct net_link *link = &s->link;
	double rx = (double)atomic_load(&link->rx), tx = (double)atomic_load(&link->tx);

	if (p->mode == NET_STREAM && trial_ns)
		net_put(job, "net.rx", "B/s", BENCH_BETTER_HIGHER,
			(double)atomic_load(&link->rx_window) * 1e9 / (double)trial_ns);
	if (atomic_load(&link->mismatch) && p->ends == BENCH_END_SERVER)
		snprintf(job->invalid, sizeof(job->invalid),
			 p->mode == NET_CONNECT
				 ? "the server accepted %.0f connections, the client made %.0f"
				 : "the server received %.0f bytes, the client sent %.0f",
			 rx, tx);
	if (p->mode == NET_CONNECT)
		net_put(job, "net.accepted", "count", BENCH_BETTER_NONE, rx);
	else if (atomic_load(&link->mismatch))
		net_put_status(job, "net.rx_bytes", "B", BENCH_BETTER_NONE, BENCH_INVALID, rx,
			       "not what the client sent");
	else
		net_put(job, "net.rx_bytes", "B", BENCH_BETTER_NONE, rx);
	if (p->proto == NET_UDP && atomic_load(&link->done) && tx > 0)
		net_put(job, "net.lost", "ratio", BENCH_BETTER_LOWER, rx < tx ? 1 - rx / tx : 0);
}

/* The path, said with its MTU. */
static inline void net_report_path(struct bench_job *job)
{
	const struct net_shared *s = job->shared;
	const struct bench_metric_id id = { .name = "net.path_mtu",
					    .unit = "B",
					    .source = BENCH_SOURCE_MODULE,
					    .labels = { { "path", s->info.path } } };

	if (s->info.mtu)
		bench_metric_put(job->metrics, &id, s->info.mtu);
}

static inline void net_report_tcp(struct bench_job *job)
{
	const struct net_shared *s = job->shared;

	if (!s->info.tcp)
		return;
	net_put(job, "net.resent", "count", BENCH_BETTER_LOWER, (double)s->info.retransmits);
	net_put_hist(job, "net.rtt", "ns", BENCH_BETTER_LOWER, NULL, s->info.rtt);
	net_put_hist(job, "net.cwnd", "count", BENCH_BETTER_NONE, NULL, s->info.cwnd);
}

static inline void net_report_ways(struct bench_job *job)
{
	const struct net_params *p = job->params;
	const struct net_shared *s = job->shared;

	if (p->zerocopy && s->zc_sent) {
		double without = 1 - (double)s->zc_copied / (double)s->zc_sent;

		if (without > 0)
			net_put(job, "net.zerocopy", "ratio", BENCH_BETTER_HIGHER, without);
		else
			net_put_status(job, "net.zerocopy", "ratio", BENCH_BETTER_HIGHER,
				       BENCH_INVALID, 0,
				       "the kernel copied every send (over loopback it always "
				       "does): this is no measurement of zero copy");
	}
	if (p->busy_poll_ns && s->info.napi)
		net_put(job, "net.busy_polled", "count", BENCH_BETTER_NONE, (double)s->info.napi);
	else if (p->busy_poll_ns)
		net_put_status(job, "net.busy_polled", "count", BENCH_BETTER_NONE,
			       BENCH_NOT_SUPPORTED, 0,
			       "no connection has a NAPI queue to poll (loopback has none): "
			       "busy_poll does nothing here");
}

/* Of the CPUs as a whole: what any thread of the host did on them is in it. */
static inline void net_report_cpu(struct bench_job *job)
{
	const struct net_shared *s = job->shared;
	unsigned cpus = 0;
	double busy;

	if (!s->cpu[0].at_ns || s->cpu[1].at_ns <= s->cpu[0].at_ns || !s->ops)
		return;
	busy = net_cpu_busy(job, &s->cpu[0], &s->cpu[1], &cpus);
	if (!cpus)
		return;
	net_put(job, "net.cpu_per_op", "ns", BENCH_BETTER_LOWER, busy / (double)s->ops);
	if (s->bytes)
		net_put(job, "net.cpu_per_byte", "ns", BENCH_BETTER_LOWER, busy / (double)s->bytes);
	net_put(job, "net.cpus", "count", BENCH_BETTER_NONE, cpus);
}

static inline void net_report(struct bench_job *job, uint64_t trial_ns)
{
	const struct net_params *p = job->params;
	const struct net_shared *s = job->shared;

	if (p->ends != BENCH_END_CLIENT)
		net_report_server(job, trial_ns);
	if (p->ends == BENCH_END_SERVER)
		return;
	net_report_path(job);
	net_report_tcp(job);
	net_report_ways(job);
	net_report_cpu(job);
	if (p->proto == NET_UDP && p->mode == NET_RR)
		net_put(job, "net.sent_again", "count", BENCH_BETTER_LOWER, (double)s->info.lost);
	if (s->info.fairness > 0)
		net_put(job, "net.fairness", "ratio", BENCH_BETTER_HIGHER, s->info.fairness);
	net_put_hist(job, "net.probe", "ns", BENCH_BETTER_LOWER, "idle", s->probe[0]);
	net_put_hist(job, "net.probe", "ns", BENCH_BETTER_LOWER, "loaded", s->probe[1]);
}

#endif
