/* SPDX-License-Identifier: BSD-2-Clause */
/* probe=1: a connection of its own beside the load, on which one byte goes there and back at due
 * times. What it takes while the path is idle is measured right before each window. */
#ifndef MODULES_NET_PROBING_H
#define MODULES_NET_PROBING_H

#include <sys/time.h>

#include "net_flow.h"

/* A ping is due so often. One that is due while the last is under way goes when that is back, and
 * its latency counts from when it was due. */
#define NET_PROBE_NS BENCH_NS_PER_MS
#define NET_PROBE_IDLE 200u
#define NET_PROBE_LAST 0xff

/* --- idle: before the window, both ends at the same time --- */

static int net_probe_idle(struct bench_worker *w, int fd)
{
	const struct timeval limit = { .tv_sec = NET_TIMEOUT_MS / 1000 };
	struct net_shared *s = w->job->shared;
	unsigned char byte = 0;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	for (unsigned i = 0; w->passive ? byte != NET_PROBE_LAST : i < NET_PROBE_IDLE; i++) {
		uint64_t start_ns = bench_now_ns();

		byte = i + 1 == NET_PROBE_IDLE ? NET_PROBE_LAST : 1;
		if (!w->passive && send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
			return bench_worker_fail(w, -errno, "probe: %s", strerror(errno));
		if (recv(fd, &byte, 1, 0) != 1)
			return bench_worker_fail(w, -ETIMEDOUT, "%sprobe: no answer",
						 w->passive ? "server: " : "");
		if (w->passive && send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
			return bench_worker_fail(w, -errno, "server: probe: %s", strerror(errno));
		if (!w->passive)
			bench_hist_record(s->probe[0], bench_now_ns() - start_ns);
	}
	return 0;
}

/* --- loaded: one operation that is sent, received and waits in turn --- */

static void net_probe_received(struct bench_worker *w, struct bench_op *op);
static void net_probe_send(struct bench_worker *w, struct bench_op *op);

static void net_probe_receive(struct bench_worker *w, struct bench_op *op)
{
	struct net_state *n = w->state;

	op->done = net_probe_received;
	bench_op_recv(w->async, op, n->probe.fd, n->probe.byte, 1, 0, 0);
}

static void net_probe_sent(struct bench_worker *w, struct bench_op *op)
{
	if (op->res != 1) {
		((struct net_state *)w->state)->probe.busy = false;
		net_failed(w, "probe", op->res);
		return;
	}
	net_probe_receive(w, op);
}

static void net_probe_due(struct bench_worker *w, struct bench_op *op)
{
	if (op->res == -ECANCELED || !bench_running(w, op->done_ns)) {
		((struct net_state *)w->state)->probe.busy = false;
		return;
	}
	net_probe_send(w, op);
}

static void net_probe_send(struct bench_worker *w, struct bench_op *op)
{
	struct net_state *n = w->state;

	op->done = net_probe_sent;
	bench_op_send(w->async, op, n->probe.fd, n->probe.byte, 1, 0, 0);
}

static void net_probe_received(struct bench_worker *w, struct bench_op *op)
{
	struct net_state *n = w->state;
	struct net_shared *s = w->job->shared;

	if (op->res != 1) {
		n->probe.busy = false;
		if (op->res || !w->passive)
			net_failed(w, "probe", op->res);
		return;
	}
	if (w->passive) {
		net_probe_send(w, op);
		return;
	}
	bench_hist_record(s->probe[1], op->done_ns - n->probe.due_ns);
	n->probe.due_ns += NET_PROBE_NS;
	op->done = net_probe_due;
	bench_op_timeout(w->async, op, n->probe.due_ns);
}

/* The load is what the window is about: the probe is passive, and what is under way at the end is
 * waited for no longer than the load. */
static int net_probe_start(struct bench_worker *w)
{
	struct net_state *n = w->state;
	struct bench_op *op = net_op(w);

	if (!op)
		return -EBUSY;
	op->passive = true;
	n->probe.busy = true;
	if (w->passive) {
		net_probe_receive(w, op);
		return 0;
	}
	*n->probe.byte = 1;
	n->probe.due_ns = bench_now_ns() + NET_PROBE_NS;
	op->done = net_probe_due;
	bench_op_timeout(w->async, op, n->probe.due_ns);
	return 0;
}

#endif
