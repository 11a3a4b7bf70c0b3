/* SPDX-License-Identifier: BSD-2-Clause */
/* net, all that one message at a time cannot show: several requests outstanding on a connection,
 * receives into buffers that the kernel chooses, once or again and again, and sends without a copy.
 *
 * A connection is taken for what it is, a stream of bytes: what is queued is sent by one operation
 * at a time, however many messages it holds, and what arrives is cut into messages. The order of
 * bytes then needs no care. A message under way is a held operation, so that depth, latency and
 * Little's law are those of messages. */
#ifndef MODULES_NET_PIPE_H
#define MODULES_NET_PIPE_H

#include "net_flow.h"

static void net_pipe_push(struct bench_worker *w, struct net_flow *f);
static void net_pipe_receive(struct bench_worker *w, struct net_flow *f);

static inline uint64_t net_pipe_ring(const struct net_state *n)
{
	return (uint64_t)n->depth * n->size;
}

/* --- client: messages --- */

/* The end of a window. An answer may still come behind it. */
static void net_pipe_cancelled(struct bench_worker *w, struct bench_op *op)
{
	const struct net_state *n = w->state;
	struct net_flow *f = op->user;

	for (unsigned i = 0; i < n->depth; i++)
		if (f->tokens[i] == op)
			f->tokens[i] = NULL;
}

static void net_pipe_ask(struct bench_worker *w, struct net_flow *f, struct bench_op *token)
{
	const struct net_state *n = w->state;
	unsigned slot = (unsigned)(f->nr_asked++ % n->depth);

	/* What the kernel may still read of a stream stays as it is. */
	if (!n->zerocopy)
		f->buf[(uint64_t)slot * n->size] = (unsigned char)f->nr_asked;
	f->tokens[slot] = token;
	f->queued += n->size;
	token->user = f;
	token->done = net_pipe_cancelled;
	bench_op_hold(w->async, token);
}

/* The oldest message is done. */
static void net_pipe_answered(struct bench_worker *w, struct net_flow *f, uint64_t bytes)
{
	const struct net_state *n = w->state;
	unsigned slot = (unsigned)(f->first % n->depth);
	struct bench_op *token = f->tokens[slot];

	f->tokens[slot] = NULL;
	f->first++;
	if (!token)
		return;
	bench_op_release(w->async, token);
	if (net_account(w, f, token, token->submit_ns, bytes))
		net_pipe_ask(w, f, token);
	else
		bench_op_put(w->async, token);
}

/* Bytes up to f->tx are with the kernel; those from before on were handed over at submit_ns. */
static void net_pipe_stamp(const struct net_state *n, struct net_flow *f, uint64_t before,
			   uint64_t submit_ns)
{
	for (uint64_t m = (before + n->size - 1) / n->size; m * n->size < f->tx; m++) {
		struct bench_op *token = f->tokens[m % n->depth];

		if (token && m >= f->first)
			token->submit_ns = submit_ns;
	}
}

/* --- sending --- */

static void net_pipe_sent(struct bench_worker *w, struct bench_op *op)
{
	const struct net_params *p = w->job->params;
	struct net_state *n = w->state;
	struct net_shared *s = w->job->shared;
	struct net_flow *f = op->user;
	uint64_t before = f->tx;

	if (bench_op_notified(op)) {
		f->notices--;
		f->under_way--;
		s->zc_sent++;
		s->zc_copied += bench_op_copied(op);
		net_pipe_push(w, f);
		return;
	}
	f->sending = false;
	if (bench_op_more(op))
		f->notices++;
	else
		f->under_way--;
	if (op->res <= 0) {
		net_failed(w, "send", op->res);
		return;
	}
	f->tx += (uint32_t)op->res;
	if (!w->passive) {
		n->total += (uint32_t)op->res;
		net_pipe_stamp(n, f, before, op->submit_ns);
	}
	while (p->mode == NET_STREAM && f->first < f->tx / n->size)
		net_pipe_answered(w, f, n->size);
	net_pipe_push(w, f);
	net_pipe_receive(w, f); /* there may be room again */
}

static void net_pipe_push(struct bench_worker *w, struct net_flow *f)
{
	const struct net_state *n = w->state;
	uint64_t ring = net_pipe_ring(n), at = f->tx % ring, len = f->queued - f->tx;
	struct bench_op *op;

	if (f->sending || !len || f->notices >= n->notices_max)
		return;
	op = net_op(w);
	if (!op)
		return;
	op->user = f;
	op->done = net_pipe_sent;
	op->passive = true; /* the messages are what is under way */
	f->sending = true;
	f->under_way++;
	if (len > ring - at)
		len = ring - at;
	/* MSG_WAITALL: the kernel goes on by itself after a part of a large message. */
	if (n->zerocopy)
		bench_op_send_zc(w->async, op, f->fd, f->buf + at, (uint32_t)len, MSG_WAITALL);
	else
		bench_op_send(w->async, op, f->fd, f->buf + at, (uint32_t)len,
			      MSG_NOSIGNAL | MSG_WAITALL, n->soon ? BENCH_IO_SOON : 0);
}

/* --- receiving --- */

/* Server of rr: messages that are complete go back. */
static void net_pipe_echo(struct bench_worker *w, struct net_flow *f)
{
	const struct net_state *n = w->state;

	f->queued = f->rx / n->size * n->size;
	net_pipe_push(w, f);
}

/* Client of rr: the first byte of each response is that of its request. */
static void net_pipe_answers(struct bench_worker *w, struct net_flow *f, uint64_t before)
{
	const struct net_state *n = w->state;

	for (uint64_t m = before / n->size; m < f->rx / n->size; m++) {
		unsigned char got = f->buf[(m % n->depth) * n->size];

		if (m >= f->nr_asked || got != (unsigned char)(m + 1)) {
			bench_worker_fail(w, -EBADMSG, "response %u to request %u", got,
					  (unsigned char)(m + 1));
			return;
		}
		net_pipe_answered(w, f, 2ull * n->size);
	}
	net_pipe_push(w, f);
}

/* bytes arrived at chunk, or where they belong in buf (NULL). */
static void net_pipe_take(struct bench_worker *w, struct net_flow *f, const unsigned char *chunk,
			  uint32_t bytes, uint64_t now_ns)
{
	const struct net_params *p = w->job->params;
	struct net_state *n = w->state;
	uint64_t before = f->rx;

	f->rx += bytes;
	if (w->passive)
		n->total += bytes;
	if (p->mode == NET_STREAM) {
		if (bench_running(w, now_ns))
			n->within = n->total;
		return;
	}
	/* Only the first byte of a message says anything. */
	for (uint64_t m = (before + n->size - 1) / n->size; chunk && m * n->size < f->rx; m++)
		f->buf[(m % n->depth) * n->size] = chunk[m * n->size - before];
	if (f->rx - (w->passive ? f->tx : f->first * n->size) > net_pipe_ring(n)) {
		bench_worker_fail(w, -EBADMSG, "more arrived than was asked for");
		return;
	}
	if (w->passive)
		net_pipe_echo(w, f);
	else
		net_pipe_answers(w, f, before);
}

static void net_pipe_received(struct bench_worker *w, struct bench_op *op)
{
	const struct net_state *n = w->state;
	struct net_flow *f = op->user;
	int buffer = bench_op_buffer(op);
	bool more = bench_op_more(op);

	if (!more) {
		f->receiving = false;
		f->under_way--;
	}
	if (op->res > 0) {
		net_pipe_take(w, f, buffer < 0 ? NULL : n->chunks + (size_t)buffer * n->chunk_size,
			      (uint32_t)op->res, op->done_ns);
		if (buffer >= 0)
			bench_async_put_buffer(w->async, buffer);
	} else if (op->res != -ENOBUFS && (op->res < 0 || !w->passive)) {
		net_failed(w, "receive", op->res);
		return;
	} else if (op->res == 0) {
		return; /* the client has closed */
	}
	net_pipe_receive(w, f);
}

static void net_pipe_receive(struct bench_worker *w, struct net_flow *f)
{
	const struct net_params *p = w->job->params;
	const struct net_state *n = w->state;
	uint64_t ring = net_pipe_ring(n), at = f->rx % ring, room = ring - at;
	struct bench_op *op;

	if (f->receiving || (p->mode == NET_STREAM && !w->passive))
		return;
	/* A server must not write over what it has not sent back yet. */
	if (p->mode == NET_RR && w->passive && !n->provided && ring - (f->rx - f->tx) < room)
		room = ring - (f->rx - f->tx);
	if (p->mode == NET_STREAM) {
		at = 0;
		room = n->buf_size;
	}
	op = room ? net_op(w) : NULL;
	if (!op)
		return;
	op->user = f;
	op->done = net_pipe_received;
	op->passive = true;
	f->receiving = true;
	f->under_way++;
	if (n->provided)
		bench_op_recv_select(w->async, op, f->fd, n->multishot);
	else
		bench_op_recv(w->async, op, f->fd, f->buf + at, (uint32_t)room, 0, 0);
}

/* --- the engine --- */

static void net_pipe_request(struct bench_worker *w, struct net_flow *f, struct bench_op *op)
{
	const struct net_state *n = w->state;

	net_pipe_ask(w, f, op);
	net_pipe_push(w, f);
	if (f->nr_asked - f->first < n->depth)
		net_idle(w->state, f);
}

static int net_pipe_start(struct bench_worker *w, struct net_flow *f)
{
	const struct net_state *n = w->state;

	f->queued = f->tx = f->rx = f->first = f->nr_asked = 0;
	f->sending = f->receiving = false;
	f->notices = 0;
	net_pipe_receive(w, f);
	if (w->passive)
		return 0;
	if (w->paced) {
		net_idle(w->state, f);
		return 0;
	}
	for (unsigned i = 0; i < n->depth; i++) {
		struct bench_op *token = net_op(w);

		if (!token)
			return -EBUSY;
		net_pipe_ask(w, f, token);
	}
	net_pipe_push(w, f);
	return 0;
}

static const struct net_engine net_pipe = { net_pipe_start, net_pipe_request };

#endif
