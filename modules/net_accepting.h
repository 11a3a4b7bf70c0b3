/* SPDX-License-Identifier: BSD-2-Clause */
/* net mode=connect: how fast connections are made and taken. The client connects and waits for the
 * one byte that the server sends when it has accepted; then it resets the connection, because an
 * orderly close would leave each port in TIME_WAIT for a minute and there are only some ten
 * thousand. */
#ifndef MODULES_NET_ACCEPTING_H
#define MODULES_NET_ACCEPTING_H

#include "net_flow.h"

static void net_conn_begin(struct bench_worker *w, struct net_flow *f, struct bench_op *op);

static void net_conn_reset(struct net_flow *f)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	if (f->fd >= 0)
		(void)setsockopt(f->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	net_close(&f->fd);
}

/* --- client --- */

static void net_conn_greeted(struct bench_worker *w, struct bench_op *op)
{
	struct net_state *n = w->state;
	struct net_flow *f = op->user;

	f->under_way--;
	net_conn_reset(f);
	if (op->res <= 0) {
		net_failed(w, "receive", op->res);
		return;
	}
	n->total++;
	if (net_account(w, f, op, f->submit_ns, 0))
		net_conn_begin(w, f, op);
}

static void net_conn_made(struct bench_worker *w, struct bench_op *op)
{
	struct net_flow *f = op->user;

	f->under_way--;
	if (op->res < 0) {
		if (op->res == -EADDRNOTAVAIL)
			bench_worker_fail(w, op->res,
					  "connect: no free local port; widen "
					  "net.ipv4.ip_local_port_range or wait a minute");
		else
			net_failed(w, "connect", op->res);
		net_conn_reset(f);
		return;
	}
	f->submit_ns = op->submit_ns;
	f->under_way++;
	op->done = net_conn_greeted;
	bench_op_recv(w->async, op, f->fd, f->buf, 1, 0, 0);
}

static void net_conn_begin(struct bench_worker *w, struct net_flow *f, struct bench_op *op)
{
	const struct net_shared *s = w->job->shared;

	f->fd = socket(s->link.addr.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (f->fd < 0) {
		bench_worker_fail(w, -errno, "socket: %s", strerror(errno));
		return;
	}
	op->user = f;
	op->done = net_conn_made;
	f->under_way++;
	bench_op_connect(w->async, op, f->fd, &s->link.addr.sa, bench_inet_len(&s->link.addr));
}

/* --- server: op goes with its connection from accept to close; op->user is a place of its own ---
 */

static void net_conn_accept(struct bench_worker *w, struct net_flow *f);

/* The flow here is a place for one connection. */
static void net_conn_closed(struct bench_worker *w, struct bench_op *op)
{
	struct net_flow *f = op->user;

	f->under_way--;
	net_close(&f->fd);
	if (op->res != -ECANCELED && !((struct net_state *)w->state)->multishot)
		net_conn_accept(w, f);
	else
		net_idle(w->state, f);
}

static void net_conn_greet_sent(struct bench_worker *w, struct bench_op *op)
{
	struct net_flow *f = op->user;

	/* A client that went away meanwhile shows in the receive as well. */
	op->done = net_conn_closed;
	bench_op_recv(w->async, op, f->fd, f->buf, 1, 0, 0);
}

static void net_conn_greet(struct bench_worker *w, struct net_flow *f, struct bench_op *op, int fd)
{
	struct net_state *n = w->state;

	n->total++;
	f->fd = fd;
	op->user = f;
	op->passive = true;
	op->done = net_conn_greet_sent;
	f->under_way++;
	bench_op_send(w->async, op, fd, f->buf, 1, 0, 0);
}

static void net_conn_accepted(struct bench_worker *w, struct bench_op *op)
{
	struct net_state *n = w->state;
	struct net_flow *f = n->multishot ? NULL : op->user;

	if (f)
		f->under_way--;
	if (op->res < 0) {
		net_failed(w, "accept", op->res);
		return;
	}
	if (n->multishot)
		f = net_take_idle(n);
	if (!f) {
		close(op->res);
		bench_worker_fail(w, -EMFILE, "server: more connections than the client may have");
		return;
	}
	if (!n->multishot || bench_op_more(op)) {
		net_conn_greet(w, f, op, op->res);
		return;
	}
	/* The kernel ended it with this one. */
	net_conn_greet(w, f, op, op->res);
	net_conn_accept(w, NULL);
}

static void net_conn_accept(struct bench_worker *w, struct net_flow *f)
{
	const struct net_state *n = w->state;
	const struct net_shared *s = w->job->shared;
	struct bench_op *op = net_op(w);

	if (!op)
		return;
	op->user = f;
	op->done = net_conn_accepted;
	op->passive = true;
	if (f)
		f->under_way++;
	if (n->multishot)
		bench_op_accept_multishot(w->async, op, s->listen_fd);
	else
		bench_op_accept(w->async, op, s->listen_fd);
}

/* --- the engine --- */

static void net_conn_request(struct bench_worker *w, struct net_flow *f, struct bench_op *op)
{
	net_conn_begin(w, f, op);
}

static int net_conn_start(struct bench_worker *w, struct net_flow *f)
{
	struct net_state *n = w->state;
	struct bench_op *op;

	if (w->passive) {
		if (n->multishot)
			net_idle(n, f);
		if (!n->multishot || f == n->flows)
			net_conn_accept(w, n->multishot ? NULL : f);
		return 0;
	}
	if (w->paced) {
		net_idle(n, f);
		return 0;
	}
	op = net_op(w);
	if (!op)
		return -EBUSY;
	net_conn_begin(w, f, op);
	return 0;
}

static const struct net_engine net_conn = { net_conn_start, net_conn_request };

#endif
