/* SPDX-License-Identifier: BSD-2-Clause */
/* net over UDP: one datagram a message. rr keeps depth requests outstanding in each flow and sends
 * one that has no answer within a second again, so a loss is in its latency; stream sends as fast
 * as the socket takes it, and what the server has received of it says what was lost. */
#ifndef MODULES_NET_DATAGRAM_H
#define MODULES_NET_DATAGRAM_H

#include "net_flow.h"

/* Receives that a flow keeps posted. One: a datagram wakes all that wait on its socket, and a ring
 * gives those that found nothing 128 times to its kernel workers. recv=multishot takes more at
 * once. */
#define NET_DGRAM_RECEIVES 1u
/* A number is the slot of its token and a count. */
#define NET_DGRAM_SLOT_SHIFT 24
#define NET_DGRAM_DEPTH 256u
#define NET_DGRAM_LOOK_NS (100 * BENCH_NS_PER_MS)

/* Bytes of buffers of one flow: the requests, then the receives. */
static inline uint64_t net_dgram_buffer(const struct net_state *n)
{
	return (uint64_t)(n->depth + NET_DGRAM_RECEIVES) * n->size;
}

static void net_dgram_receive(struct bench_worker *w, struct net_flow *f, struct bench_op *op);

static void net_dgram_cancelled(struct bench_worker *w, struct bench_op *op)
{
	const struct net_state *n = w->state;
	struct net_flow *f = op->user;

	for (unsigned i = 0; i < n->depth; i++)
		if (f->dgrams[i].token == op)
			f->dgrams[i].token = NULL;
}

static void net_dgram_sent(struct bench_worker *w, struct bench_op *op);

static void net_dgram_send(struct bench_worker *w, struct net_flow *f, unsigned slot)
{
	const struct net_state *n = w->state;
	struct bench_op *op = net_op(w);

	if (!op)
		return;
	f->dgrams[slot].sent_ns = bench_async_now(w->async);
	op->user = f;
	op->tag = (uint8_t)slot;
	op->done = net_dgram_sent;
	op->passive = true; /* the message is what is under way */
	f->under_way++;
	bench_op_send(w->async, op, f->fd, f->buf + (size_t)slot * n->size, n->size, 0, 0);
}

static void net_dgram_ask(struct bench_worker *w, struct net_flow *f, unsigned slot,
			  struct bench_op *token)
{
	const struct net_state *n = w->state;
	struct net_dgram *d = &f->dgrams[slot];

	d->token = token;
	d->number = slot << NET_DGRAM_SLOT_SHIFT |
		    (uint32_t)(f->nr_asked++ & ((1u << NET_DGRAM_SLOT_SHIFT) - 1));
	memcpy(f->buf + (size_t)slot * n->size, &d->number, sizeof(d->number));
	token->user = f;
	token->done = net_dgram_cancelled;
	bench_op_hold(w->async, token);
	net_dgram_send(w, f, slot);
}

static void net_dgram_answered(struct bench_worker *w, struct net_flow *f, unsigned slot,
			       uint64_t bytes)
{
	struct bench_op *token = f->dgrams[slot].token;

	f->dgrams[slot].token = NULL;
	bench_op_release(w->async, token);
	if (net_account(w, f, token, token->submit_ns, bytes))
		net_dgram_ask(w, f, slot, token);
	else
		bench_op_put(w->async, token);
}

static void net_dgram_sent(struct bench_worker *w, struct bench_op *op)
{
	const struct net_params *p = w->job->params;
	struct net_state *n = w->state;
	struct net_flow *f = op->user;
	struct bench_op *token = f->dgrams[op->tag].token;

	f->under_way--;
	if (op->res < 0) {
		net_failed(w, "send", op->res);
		return;
	}
	n->total += (uint32_t)op->res;
	if (!token)
		return; /* answered already */
	if (p->mode == NET_STREAM) {
		token->submit_ns = op->submit_ns;
		net_dgram_answered(w, f, op->tag, n->size);
	} else if (token->submit_ns < op->submit_ns && token->submit_ns <= token->intended_ns) {
		token->submit_ns = op->submit_ns; /* of the first try */
	}
}

/* Client: whose answer is it? One that comes after its request was sent again may come twice. */
static void net_dgram_match(struct bench_worker *w, struct net_flow *f, const unsigned char *buf,
			    uint32_t bytes)
{
	const struct net_state *n = w->state;
	uint32_t number = 0;
	unsigned slot;

	if (bytes != n->size) {
		bench_worker_fail(w, -EBADMSG, "a datagram of %u bytes in answer to %u", bytes,
				  n->size);
		return;
	}
	memcpy(&number, buf, sizeof(number));
	slot = number >> NET_DGRAM_SLOT_SHIFT;
	if (slot < n->depth && f->dgrams[slot].token && f->dgrams[slot].number == number)
		net_dgram_answered(w, f, slot, 2ull * n->size);
}

static void net_dgram_echoed(struct bench_worker *w, struct bench_op *op)
{
	const struct net_state *n = w->state;
	struct net_flow *f = op->user;

	f->under_way--;
	if (n->provided) {
		bench_async_put_buffer(w->async, op->tag);
		return;
	}
	/* A client that has gone is told by ICMP; what counts it learns by itself. */
	if (op->res == -ECANCELED)
		return;
	net_dgram_receive(w, f, op);
}

/* A datagram is at buf. True when op now carries it back. */
static bool net_dgram_take(struct bench_worker *w, struct net_flow *f, struct bench_op *op,
			   unsigned char *buf)
{
	const struct net_params *p = w->job->params;
	struct net_state *n = w->state;

	if (!w->passive) {
		net_dgram_match(w, f, buf, (uint32_t)op->res);
		return false;
	}
	n->total += (uint32_t)op->res;
	if (bench_running(w, op->done_ns))
		n->within = n->total;
	if (p->mode == NET_STREAM)
		return false;
	op->done = net_dgram_echoed;
	op->passive = true;
	f->under_way++;
	bench_op_send(w->async, op, f->fd, buf, (uint32_t)op->res, 0, 0);
	return true;
}

static void net_dgram_received(struct bench_worker *w, struct bench_op *op)
{
	struct net_state *n = w->state;
	struct net_flow *f = op->user;
	unsigned char *buf = f->buf + (size_t)(n->depth + op->tag) * n->size;

	f->under_way--;
	if (op->res <= 0) {
		/* A client that has closed is told by ICMP. */
		if (op->res < 0 && !(w->passive && op->res == -ECONNREFUSED))
			net_failed(w, "receive", op->res);
		return;
	}
	if (!net_dgram_take(w, f, op, buf))
		net_dgram_receive(w, f, op);
}

/* One of many, in a buffer of the kernel's choice. */
static void net_dgram_chosen(struct bench_worker *w, struct bench_op *op)
{
	struct net_state *n = w->state;
	struct net_flow *f = op->user;
	bool more = bench_op_more(op), carries = false;
	int buffer = bench_op_buffer(op), res = op->res;

	f->under_way -= !more;
	if (buffer >= 0 && res > 0) {
		op->tag = (uint8_t)buffer;
		carries = net_dgram_take(w, f, op, n->chunks + (size_t)buffer * n->chunk_size);
	}
	if (buffer >= 0 && !carries)
		bench_async_put_buffer(w->async, buffer);
	if (res < 0 && res != -ENOBUFS && !(w->passive && res == -ECONNREFUSED)) {
		net_failed(w, "receive", res);
		return;
	}
	if (!more && (op = net_op(w)))
		net_dgram_receive(w, f, op);
}

/* op->tag says into which buffer. */
static void net_dgram_receive(struct bench_worker *w, struct net_flow *f, struct bench_op *op)
{
	const struct net_state *n = w->state;

	op->user = f;
	op->done = n->provided ? net_dgram_chosen : net_dgram_received;
	op->passive = true;
	f->under_way++;
	if (n->provided)
		bench_op_recv_select(w->async, op, f->fd, true);
	else
		bench_op_recv(w->async, op, f->fd, f->buf + (size_t)(n->depth + op->tag) * n->size,
			      n->size, 0, 0);
}

/* Send again what has no answer. */
static void net_dgram_look(struct bench_worker *w, struct bench_op *op)
{
	struct net_state *n = w->state;
	struct net_shared *s = w->job->shared;
	uint64_t now_ns = bench_async_now(w->async);

	if (op->res == -ECANCELED)
		return;
	for (unsigned i = 0; i < n->nr * n->depth; i++) {
		const struct net_dgram *d = &n->dgrams[i];

		if (!d->token || now_ns < d->sent_ns + NET_UDP_AGAIN_NS)
			continue;
		s->info.lost++;
		net_dgram_send(w, &n->flows[i / n->depth], i % n->depth);
	}
	bench_op_timeout(w->async, op, now_ns + NET_DGRAM_LOOK_NS);
}

static int net_dgram_watch(struct bench_worker *w)
{
	struct bench_op *op = net_op(w);

	if (!op)
		return -EBUSY;
	op->passive = true;
	op->done = net_dgram_look;
	bench_op_timeout(w->async, op, bench_now_ns() + NET_DGRAM_LOOK_NS);
	return 0;
}

static void net_dgram_request(struct bench_worker *w, struct net_flow *f, struct bench_op *op)
{
	struct net_state *n = w->state;
	unsigned free_slots = 0, slot = 0;

	for (unsigned i = 0; i < n->depth; i++) {
		if (f->dgrams[i].token)
			continue;
		slot = i;
		free_slots++;
	}
	net_dgram_ask(w, f, slot, op);
	if (free_slots > 1)
		net_idle(n, f);
}

static int net_dgram_start(struct bench_worker *w, struct net_flow *f)
{
	const struct net_params *p = w->job->params;
	struct net_state *n = w->state;
	struct bench_op *op;

	f->nr_asked = 0;
	for (unsigned i = 0; i < NET_DGRAM_RECEIVES && (w->passive || p->mode == NET_RR); i++) {
		op = net_op(w);
		if (!op)
			return -EBUSY;
		op->tag = (uint8_t)i;
		net_dgram_receive(w, f, op);
	}
	if (w->passive)
		return 0;
	if (f == n->flows && p->mode == NET_RR && net_dgram_watch(w))
		return -EBUSY;
	if (w->paced) {
		net_idle(n, f);
		return 0;
	}
	for (unsigned i = 0; i < n->depth; i++) {
		op = net_op(w);
		if (!op)
			return -EBUSY;
		net_dgram_ask(w, f, i, op);
	}
	return 0;
}

static const struct net_engine net_dgram = { net_dgram_start, net_dgram_request };

#endif
