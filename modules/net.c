// SPDX-License-Identifier: BSD-2-Clause
/* TCP over loopback by io_uring: both ends on a ring of their own, one connection a flow. rr keeps
 * one request outstanding in each flow; stream keeps one message of each flow being sent.
 *
 * A short rr message is handed over together with the receive of what follows it, in one
 * io_uring_enter: that half of the system calls is a tenth of the time of a transaction. They may
 * share a buffer, because the other end answers only when it has the whole message. */
#include "bench/async.h"
#include "net_common.h"

#define NET_BUFFERS_MAX (1ull << 30)
/* A message up to this size fits a socket buffer, whose smallest default is 16 KiB, at once. */
#define NET_SHORT 4096u

struct net_flow {
	int fd;			 /* -1 = not connected */
	uint32_t sent, received; /* of the messages being transferred */
	unsigned char seq;	 /* client: first byte of a request, which the response repeats */
	unsigned char busy;	 /* operations whose completion is to come: buf is the kernel's */
	unsigned char *buf;
	uint64_t submit_ns; /* client: when the request was handed over; 0 = not yet */
	struct net_flow *next; /* paced: in the list of idle ones */
};

struct net_state {
	struct net_flow *flows;
	struct net_flow *idle, **idle_tail; /* paced: without a message, longest first */
	unsigned nr;
	uint32_t size, buf_size;
	bool pairs;	 /* rr: send and receive are handed over together */
	uint64_t total;	 /* bytes of this window; client: sent, server: received */
	uint64_t within; /* server: received before the window's end */
	unsigned char *bufs;
};

static void net_sent(struct bench_worker *w, struct bench_op *op);
static void net_received(struct bench_worker *w, struct bench_op *op);

static void net_send(struct bench_worker *w, struct bench_op *op)
{
	const struct net_state *n = w->state;
	struct net_flow *f = op->user;

	op->done = net_sent;
	op->passive = n->pairs; /* the receive beside it stands for both */
	f->busy++;
	/* MSG_WAITALL: the kernel goes on by itself after a part of a large message. */
	bench_op_send(w->async, op, f->fd, f->buf + f->sent, n->size - f->sent,
		      MSG_NOSIGNAL | MSG_WAITALL, n->pairs ? BENCH_IO_SOON : 0);
}

static void net_recv(struct bench_worker *w, struct bench_op *op)
{
	const struct net_params *p = w->job->params;
	const struct net_state *n = w->state;
	struct net_flow *f = op->user;
	uint32_t len = p->mode == NET_STREAM ? n->buf_size : n->size - f->received;

	op->done = net_received;
	op->passive = w->passive; /* a server waits for its client without end */
	f->busy++;
	bench_op_recv(w->async, op, f->fd, f->buf + f->received, len, 0, 0);
}

/* Send the message of a flow, and receive what follows it: at once, or when it is sent. op is for
 * the latter. */
static void net_exchange(struct bench_worker *w, struct bench_op *op)
{
	const struct net_state *n = w->state;
	struct net_flow *f = op->user;
	struct bench_op *first = n->pairs ? bench_op_get(w->async) : op;

	f->sent = f->received = 0;
	if (!first) {
		bench_worker_fail(w, -EBUSY, "no free operation for %u flows", n->nr);
		return;
	}
	first->user = f;
	net_send(w, first);
	if (n->pairs)
		net_recv(w, op);
}

/* The next message of a client's flow. */
static void net_next(struct bench_worker *w, struct bench_op *op)
{
	struct net_flow *f = op->user;

	f->submit_ns = 0;
	f->buf[0] = ++f->seq;
	net_exchange(w, op);
}

static void net_idle(struct net_state *n, struct net_flow *f)
{
	f->next = NULL;
	*n->idle_tail = f;
	n->idle_tail = &f->next;
}

static int net_issue(struct bench_worker *w, struct bench_op *op)
{
	struct net_state *n = w->state;
	struct net_flow *f = n->idle;

	if (!f)
		return -EAGAIN;
	n->idle = f->next;
	if (!n->idle)
		n->idle_tail = &n->idle;
	op->user = f;
	net_next(w, op);
	return 0;
}

/* The client's message of this flow is done: account it and go on with the next one. */
static void net_end_op(struct bench_worker *w, struct bench_op *op, uint64_t bytes)
{
	struct net_state *n = w->state;
	struct net_flow *f = op->user;

	if (w->paced) {
		bench_op_done(w, op, f->submit_ns ? : op->submit_ns, bytes,
			      (uint64_t)(f - n->flows));
		net_idle(n, f);
		return;
	}
	if (!bench_running(w, op->done_ns))
		return;
	if (w->no_latency) {
		w->ops++;
		w->bytes += bytes;
	} else {
		bench_op_done(w, op, f->submit_ns ? : op->submit_ns, bytes,
			      (uint64_t)(f - n->flows));
	}
	op->intended_ns = op->done_ns;
	net_next(w, op);
}

static void net_failed(struct bench_worker *w, const char *what, int res)
{
	/* A cancelled operation is the end of a window, not a fault. */
	if (res == -ECANCELED)
		return;
	bench_worker_fail(w, res ? res : -ECONNRESET, "%s%s: %s", w->passive ? "server: " : "",
			  what, res ? strerror(-res) : "the other end closed the connection");
}

static void net_sent(struct bench_worker *w, struct bench_op *op)
{
	const struct net_params *p = w->job->params;
	struct net_state *n = w->state;
	struct net_flow *f = op->user;

	f->busy--;
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
	if (n->pairs)
		return;
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

	f->busy--;
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

static int net_validate(const void *params, struct bench_err *err)
{
	const struct net_params *p = params;
	uint64_t size = net_size(p);

	if (size * p->flows > NET_BUFFERS_MAX)
		return bench_fail(err, -EINVAL,
				  "size=%" PRIu64 " times flows=%" PRIu64 " needs more "
				  "than 1 GiB of buffers at each end",
				  size, p->flows);
	return 0;
}

static int net_enter(struct bench_worker *w)
{
	const struct net_params *p = w->job->params;
	struct net_state *n = w->state;

	w->passive = net_is_server(w);
	/* A message that was accepted by the socket buffer has no latency worth the name. */
	w->no_latency = p->mode == NET_STREAM;
	n->nr = net_flows(p);
	n->size = (uint32_t)net_size(p);
	n->buf_size = (uint32_t)net_buffer(w);
	if (n->nr > bench_async_depth(w->async))
		return bench_worker_fail(w, -EINVAL,
					 "flows=%u is more than the %u operations that "
					 "a ring holds here",
					 n->nr, bench_async_depth(w->async));
	n->pairs = p->mode == NET_RR && n->size <= NET_SHORT &&
		   2 * n->nr <= bench_async_depth(w->async);
	n->flows = calloc(n->nr, sizeof(*n->flows));
	n->bufs = malloc((size_t)n->nr * n->buf_size);
	if (!n->flows || !n->bufs)
		return bench_worker_fail(w, -ENOMEM, "no memory for %u messages of %u bytes", n->nr,
					 n->buf_size);
	memset(n->bufs, 0x5a, (size_t)n->nr * n->buf_size);
	for (unsigned i = 0; i < n->nr; i++) {
		n->flows[i].fd = -1;
		n->flows[i].buf = n->bufs + (size_t)i * n->buf_size;
	}
	return 0;
}

static int net_begin_flows(struct bench_worker *w)
{
	struct net_state *n = w->state;

	n->total = n->within = 0;
	return net_begin(w, &n->flows[0].fd, sizeof(n->flows[0]), n->nr);
}

static int net_start(struct bench_worker *w)
{
	struct net_state *n = w->state;

	n->idle = NULL;
	n->idle_tail = &n->idle;
	for (unsigned i = 0; i < n->nr; i++) {
		struct bench_op *op;

		n->flows[i].sent = n->flows[i].received = 0;
		if (w->paced) {
			net_idle(n, &n->flows[i]);
			continue;
		}
		op = bench_op_get(w->async);
		if (!op)
			return bench_worker_fail(w, -EBUSY, "no free operation for %u flows",
						 n->nr);
		op->user = &n->flows[i];
		if (w->passive)
			net_recv(w, op);
		else
			net_next(w, op);
	}
	return 0;
}

static void net_interrupt(struct bench_worker *w)
{
	const struct net_state *n = w->state;

	for (unsigned i = 0; n->flows && i < n->nr; i++)
		if (n->flows[i].fd >= 0)
			shutdown(n->flows[i].fd, SHUT_RDWR);
}

/* Nothing is in flight any more. The client closes; the server, on its own thread at the same time,
 * reads to the end of each connection and compares. */
static void net_end(struct bench_worker *w)
{
	struct net_state *n = w->state;
	struct net_shared *s = w->job->shared;
	bool complete = true;

	if (!n->flows)
		return;
	if (!w->passive)
		net_client_done(w, n->total);
	else
		atomic_store(&s->link.rx_window, n->within);
	for (unsigned i = 0; i < n->nr; i++) {
		struct net_flow *f = &n->flows[i];

		if (w->passive && f->fd >= 0 && complete) {
			int64_t rest = net_read_rest(f->fd, f->buf, n->buf_size);

			if (rest < 0 && !w->err.code)
				bench_worker_fail(w, (int)rest, "server: end of the stream: %s",
						  strerror((int)-rest));
			complete = rest >= 0;
			n->total += rest > 0 ? (uint64_t)rest : 0;
		}
		net_close(&f->fd);
	}
	if (w->passive && complete)
		(void)net_server_check(w, n->total);
}

static void net_leave(struct bench_worker *w)
{
	struct net_state *n = w->state;

	/* What the kernel may still write to cannot be given back. */
	for (unsigned i = 0; n->flows && i < n->nr; i++)
		if (n->flows[i].busy)
			return;
	free(n->flows);
	free(n->bufs);
	n->flows = NULL;
	n->bufs = NULL;
}

static const struct bench_option net_options[] = {
	NET_OPTIONS,
	{ .name = "flows",
	  .type = BENCH_OPT_U64,
	  .offset = offsetof(struct net_params, flows),
	  .min = 1,
	  .max = 1024,
	  .def = "1",
	  .help = "connections, each with one message under way" },
	{ .name = NULL },
};

static const char *const net_suite[] = { "mode=rr", "mode=stream", NULL };
static const char *const net_full[] = { "mode=rr,flows={8,64}", "mode=stream,size={4k,1m}", NULL };

const struct bench_module bench_module_net = {
	.abi = BENCH_MODULE_ABI,
	.exec = BENCH_EXEC_ASYNC,
	.name = "net",
	.summary = "TCP over loopback by io_uring, one or many connections",
	.op = "rr: a request and its response of size bytes each; stream: size bytes sent",
	.sibling = "net_sync",
	.single = "flows=1",
	.options = net_options,
	.suite = net_suite,
	.full = net_full,
	.params_size = sizeof(struct net_params),
	.state_size = sizeof(struct net_state),
	.min_workers = NET_WORKERS,
	.max_workers = NET_WORKERS,
	.workers = net_workers,
	.runnable = net_runnable,
	.validate = net_validate,
	.resolve = net_resolve,
	.setup = net_setup,
	.enter = net_enter,
	.begin = net_begin_flows,
	.start = net_start,
	.issue = net_issue,
	.interrupt = net_interrupt,
	.end = net_end,
	.leave = net_leave,
	.locate = net_locate,
	.teardown = net_teardown,
	.report = net_report,
};
