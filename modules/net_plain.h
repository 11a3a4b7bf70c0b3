/* SPDX-License-Identifier: BSD-2-Clause */
/* net, the cheapest way: rr keeps one request outstanding in each flow, stream one message of each
 * flow being sent. A receive is handed over when what it answers is sent, not together with it:
 * that would be half of the system calls, but it lets the thread sleep before the answer is there.
 * On two CPUs both fall idle, which costs up to half of the throughput (2 flows); on one CPU each
 * message has to wake its receiver (2 wake-ups a transaction for 1.2), which is worth the calls or
 * more. */
#ifndef MODULES_NET_PLAIN_H
#define MODULES_NET_PLAIN_H

#include "net_flow.h"

static void net_sent(struct bench_worker *w, struct bench_op *op);
static void net_received(struct bench_worker *w, struct bench_op *op);

/* A socket that is registered with the ring is not looked up for each operation. */
static int net_file(const struct net_flow *f)
{
	return f->file >= 0 ? f->file : f->fd;
}

static unsigned net_file_flags(const struct net_flow *f)
{
	return f->file >= 0 ? BENCH_IO_FIXED_FILE : 0;
}

static void net_send(struct bench_worker *w, struct bench_op *op)
{
	const struct net_state *n = w->state;
	struct net_flow *f = op->user;

	op->done = net_sent;
	op->passive = false;
	f->busy = true;
	/* MSG_WAITALL: the kernel goes on by itself after a part of a large message. */
	bench_op_send(w->async, op, net_file(f), f->buf + f->sent, n->size - f->sent,
		      MSG_NOSIGNAL | MSG_WAITALL, net_file_flags(f));
}

static void net_recv(struct bench_worker *w, struct bench_op *op)
{
	const struct net_params *p = w->job->params;
	const struct net_state *n = w->state;
	struct net_flow *f = op->user;
	uint32_t len = p->mode == NET_STREAM ? n->buf_size : n->size - f->received;

	op->done = net_received;
	op->passive = w->passive; /* a server waits for its client without end */
	f->busy = true;
	bench_op_recv(w->async, op, net_file(f), f->buf + f->received, len, 0, net_file_flags(f));
}

/* Send the message of a flow; op will receive the answer, too. */
static void net_exchange(struct bench_worker *w, struct bench_op *op)
{
	struct net_flow *f = op->user;

	f->sent = f->received = 0;
	net_send(w, op);
}

/* The next message of a client's flow. */
static void net_next(struct bench_worker *w, struct bench_op *op)
{
	struct net_flow *f = op->user;

	f->submit_ns = 0;
	f->buf[0] = ++f->seq;
	net_exchange(w, op);
}

/* The client's message of this flow is done: account it and go on with the next one. */
static void net_end_op(struct bench_worker *w, struct bench_op *op, uint64_t bytes)
{
	struct net_flow *f = op->user;

	if (net_account(w, f, op, f->submit_ns ?: op->submit_ns, bytes))
		net_next(w, op);
}

static void net_sent(struct bench_worker *w, struct bench_op *op)
{
	const struct net_params *p = w->job->params;
	struct net_state *n = w->state;
	struct net_flow *f = op->user;

	f->busy = false;
	if (op->res <= 0) {
		net_failed(w, "send", op->res);
		return;
	}
	f->sent += (uint32_t)op->res;
	if (!f->submit_ns)
		f->submit_ns = op->submit_ns;
	if (!w->passive)
		n->total += (uint32_t)op->res;
	if (f->sent < n->size) {
		net_send(w, op);
		return;
	}
	if (p->mode == NET_RR) {
		net_recv(w, op);
		return;
	}
	net_end_op(w, op, n->size);
}

static void net_received(struct bench_worker *w, struct bench_op *op)
{
	const struct net_params *p = w->job->params;
	struct net_state *n = w->state;
	struct net_flow *f = op->user;

	f->busy = false;
	if (op->res <= 0) {
		if (op->res < 0 || !w->passive)
			net_failed(w, "receive", op->res);
		return;
	}
	if (w->passive)
		n->total += (uint32_t)op->res;
	if (p->mode == NET_STREAM) {
		if (bench_running(w, op->done_ns))
			n->within = n->total;
		net_recv(w, op);
		return;
	}
	f->received += (uint32_t)op->res;
	if (f->received < n->size) {
		net_recv(w, op);
		return;
	}
	if (w->passive) {
		net_exchange(w, op);
		return;
	}
	if (f->buf[0] != f->seq) {
		bench_worker_fail(w, -EBADMSG, "response %u to request %u", f->buf[0], f->seq);
		return;
	}
	net_end_op(w, op, 2ull * n->size);
}

static int net_plain_start(struct bench_worker *w, struct net_flow *f)
{
	struct bench_op *op;

	f->sent = f->received = 0;
	f->file = bench_async_add_file(w->async, f->fd);
	if (w->paced) {
		net_idle(w->state, f);
		return 0;
	}
	op = net_op(w);
	if (!op)
		return -EBUSY;
	op->user = f;
	if (w->passive)
		net_recv(w, op);
	else
		net_next(w, op);
	return 0;
}

static void net_plain_request(struct bench_worker *w, struct net_flow *f, struct bench_op *op)
{
	op->user = f;
	net_next(w, op);
}

static const struct net_engine net_plain = { net_plain_start, net_plain_request };

#endif
