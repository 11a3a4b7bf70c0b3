// SPDX-License-Identifier: BSD-2-Clause
/* TCP and UDP by io_uring: both ends on a ring of their own. How the messages go is an engine's
 * (net_flow.h); here is what all of them have in common, and the choice. */
#include "net_accepting.h"
#include "net_datagram.h"
#include "net_limits.h"
#include "net_pipe.h"
#include "net_plain.h"
#include "net_probing.h"

static const struct net_engine *net_engine(const struct net_params *p)
{
	if (p->mode == NET_CONNECT)
		return &net_conn;
	if (p->proto == NET_UDP)
		return &net_dgram;
	return net_is_plain(p) ? &net_plain : &net_pipe;
}

/* Bytes of a flow's buffer. */
static uint64_t net_flow_buffer(const struct bench_worker *w)
{
	const struct net_params *p = w->job->params;
	const struct net_state *n = w->state;

	if (p->mode == NET_CONNECT)
		return 1;
	if (p->proto == NET_UDP)
		return net_dgram_buffer(n);
	return p->mode == NET_RR ? (uint64_t)n->depth * n->size : net_buffer(w);
}

static int net_alloc(struct bench_worker *w)
{
	struct net_state *n = w->state;
	uint64_t each = net_flow_buffer(w);
	size_t chunks = (size_t)n->nr_chunks * n->chunk_size;

	n->buf_size = (uint32_t)each;
	n->flows = calloc(n->nr, sizeof(*n->flows));
	n->bufs = malloc(n->nr * each + 1);
	n->tokens = calloc((size_t)n->nr * n->depth, sizeof(*n->tokens));
	n->dgrams = calloc((size_t)n->nr * n->depth, sizeof(*n->dgrams));
	n->chunks = chunks ? aligned_alloc(4096, (chunks + 4095) / 4096 * 4096) : NULL;
	if (!n->flows || !n->bufs || !n->tokens || !n->dgrams || (chunks && !n->chunks))
		return bench_worker_fail(w, -ENOMEM, "no memory for %u flows of %" PRIu64 " bytes",
					 n->nr, each);
	memset(n->bufs, 0x5a, n->nr * each + 1);
	n->probe.byte = n->bufs + n->nr * each;
	if (chunks)
		memset(n->chunks, 0, chunks);
	for (unsigned i = 0; i < n->nr; i++) {
		struct net_flow *f = &n->flows[i];

		f->fd = f->ctl = f->file = -1;
		f->buf = n->bufs + i * each;
		f->tokens = n->tokens + (size_t)i * n->depth;
		f->dgrams = n->dgrams + (size_t)i * n->depth;
	}
	return 0;
}

static int net_enter(struct bench_worker *w)
{
	const struct net_params *p = w->job->params;
	struct net_state *n = w->state;
	unsigned ops;
	int rc;

	w->passive = net_is_server(w);
	/* A message that was accepted by the socket buffer has no latency worth the name. */
	w->no_latency = p->mode == NET_STREAM;
	n->probe.fd = n->probe.ctl = -1;
	n->nr = net_places(p, w->passive);
	n->depth = net_depth(p);
	n->size = (uint32_t)net_size(p);
	n->engine = net_engine(p);
	n->zerocopy = p->zerocopy && !w->passive;
	n->multishot = p->mode == NET_CONNECT ? p->accept : p->recv == NET_RECV_MULTISHOT;
	n->provided = p->recv != NET_RECV_PLAIN && (w->passive || p->mode == NET_RR);
	ops = net_ops(p, w->passive);
	if (ops > bench_async_depth(w->async))
		return bench_worker_fail(w, -EINVAL,
					 "flows=%" PRIu64 ",depth=%u need %u operations, more than "
					 "the %u that a ring holds here",
					 p->flows, n->depth, ops, bench_async_depth(w->async));
	n->soon = p->mode == NET_RR && (uint64_t)n->depth * n->size <= NET_SHORT;
	if (w->passive) /* its operations have no latency that anybody looks at */
		bench_async_set_stamps(w->async, false);
	net_divide(n, p, bench_async_depth(w->async) - ops);
	rc = net_alloc(w);
	if (!rc && n->nr_chunks)
		rc = bench_async_add_buf_ring(w->async, n->chunks, n->chunk_size, n->nr_chunks);
	if (!rc && p->busy_poll_ns)
		rc = bench_async_busy_poll(w->async, (unsigned)(p->busy_poll_ns / 1000));
	if (rc && !w->err.code)
		return bench_worker_fail(w, rc, "set up the ring: %s", strerror(-rc));
	return rc;
}

static int net_begin_flows(struct bench_worker *w)
{
	const struct net_params *p = w->job->params;
	struct net_state *n = w->state;
	struct net_shared *s = w->job->shared;
	struct net_flow *f = n->flows;
	unsigned made = p->mode == NET_CONNECT ? 0 : n->nr;
	int rc;

	n->total = n->within = 0;
	rc = net_begin(w, (struct net_ends_fds *)&f->fd, sizeof(*f), made);
	if (!rc && p->probe) {
		rc = net_begin_one(w, &n->probe.fd, &n->probe.ctl);
		if (!rc)
			rc = net_probe_idle(w, n->probe.fd);
	}
	if (rc && !w->passive)
		atomic_store(&s->link.client_failed, true);
	if (!rc && !w->passive)
		net_client_window(w, made ? f->fd : -1);
	return rc;
}

static const char *const net_gauges[] = { "net.rtt_ns", "net.cwnd", "net.resent_per_s", NULL };

/* The next few connections, in turn: their mean is what the time series has. */
static void net_ask_flows(struct bench_worker *w)
{
	struct net_state *n = w->state;
	struct net_shared *s = w->job->shared;
	unsigned nr = n->nr < NET_INFO_FLOWS ? n->nr : NET_INFO_FLOWS;
	struct net_info_sum sum = { 0 };
	uint64_t now_ns = bench_async_now(w->async);

	for (unsigned i = 0; i < nr; i++)
		net_info_ask(&s->info, n->flows[s->info.next++ % n->nr].fd, &sum);
	if (!sum.nr)
		return;
	bench_gauge(w, 0, sum.rtt_ns / sum.nr);
	bench_gauge(w, 1, sum.cwnd / sum.nr);
	/* Of all connections, or the difference would be one of others. */
	if (nr == n->nr && now_ns > s->info.asked_ns)
		bench_gauge(w, 2,
			    (sum.resent - s->info.resent) * 1e9 /
				    (double)(now_ns - s->info.asked_ns));
	s->info.asked_ns = now_ns;
	s->info.resent = sum.resent;
}

/* TCP_INFO of some connections, now and then. */
static void net_ask_info(struct bench_worker *w, struct bench_op *op)
{
	if (op->res == -ECANCELED || !bench_running(w, op->done_ns))
		return;
	net_ask_flows(w);
	bench_op_timeout(w->async, op, op->done_ns + NET_INFO_NS);
}

static int net_start_info(struct bench_worker *w)
{
	struct net_shared *s = w->job->shared;
	struct bench_op *op = bench_op_get(w->async);

	if (!op)
		return 0; /* the messages need them all: asked at the end then */
	op->passive = true;
	op->done = net_ask_info;
	s->info.asked_ns = bench_now_ns();
	bench_op_timeout(w->async, op, s->info.asked_ns + NET_INFO_NS);
	return 0;
}

static int net_start(struct bench_worker *w)
{
	const struct net_params *p = w->job->params;
	struct net_state *n = w->state;
	int rc = 0;

	n->idle = NULL;
	n->idle_tail = &n->idle;
	for (unsigned i = 0; i < n->nr; i++) {
		n->flows[i].idle = false;
		n->flows[i].done = 0;
	}
	memset(n->tokens, 0, (size_t)n->nr * n->depth * sizeof(*n->tokens));
	memset(n->dgrams, 0, (size_t)n->nr * n->depth * sizeof(*n->dgrams));
	for (unsigned i = 0; i < n->nr && !rc; i++)
		rc = n->engine->start(w, &n->flows[i]);
	if (!rc && p->probe)
		rc = net_probe_start(w);
	if (!rc && !w->passive && p->proto == NET_TCP && p->mode != NET_CONNECT)
		rc = net_start_info(w);
	return rc;
}

static int net_issue(struct bench_worker *w, struct bench_op *op)
{
	struct net_state *n = w->state;
	struct net_flow *f = net_take_idle(n);

	if (!f)
		return -EAGAIN;
	n->engine->request(w, f, op);
	return 0;
}

static void net_interrupt(struct bench_worker *w)
{
	const struct net_state *n = w->state;

	for (unsigned i = 0; n->flows && i < n->nr; i++) {
		const int fds[] = { n->flows[i].fd, n->flows[i].ctl };

		for (unsigned e = 0; e < 2; e++)
			if (fds[e] >= 0)
				shutdown(fds[e], SHUT_RDWR);
	}
	if (n->probe.fd >= 0)
		shutdown(n->probe.fd, SHUT_RDWR);
}

/* What the connections can tell only while they are there. */
static void net_end_client(struct bench_worker *w)
{
	struct net_state *n = w->state;
	struct net_shared *s = w->job->shared;
	double sum = 0, squares = 0;

	net_client_ended(w);
	for (unsigned i = 0; i < n->nr; i++) {
		double done = (double)n->flows[i].done;

		if (!s->info.rtt->count && i < NET_INFO_FLOWS)
			net_info_ask(&s->info, n->flows[i].fd, NULL);
		net_info_end(&s->info, n->flows[i].fd);
		sum += done;
		squares += done * done;
	}
	s->info.fairness = net_jain(sum, squares, n->nr);
	/* A ping that is not back counts with the time it has waited. */
	if (n->probe.busy && n->probe.due_ns < w->window->end_ns)
		bench_hist_record(s->probe[1], w->window->end_ns - n->probe.due_ns);
	net_client_done(w, n->total);
}

/* Server: read to the end of a connection. False when it does not come. */
static bool net_end_flow(struct bench_worker *w, struct net_flow *f)
{
	struct net_state *n = w->state;
	bool udp = f->ctl >= 0;
	int64_t rest = net_read_rest(udp ? f->ctl : f->fd, f->buf, n->buf_size);

	if (rest < 0) {
		if (!w->err.code)
			bench_worker_fail(w, (int)rest, "server: end of the stream: %s",
					  strerror((int)-rest));
		return false;
	}
	n->total += (uint64_t)(udp ? net_read_datagrams(f->fd, f->buf, n->buf_size) : rest);
	return true;
}

/* Nothing is in flight any more. The client closes; the server, on its own thread at the same time,
 * reads to the end of each connection and compares. */
static void net_end(struct bench_worker *w)
{
	const struct net_params *p = w->job->params;
	struct net_state *n = w->state;
	struct net_shared *s = w->job->shared;
	bool complete = true;

	if (!n->flows)
		return;
	if (!w->passive)
		net_end_client(w);
	else
		atomic_store(&s->link.rx_window, n->within);
	for (unsigned i = 0; i < n->nr; i++) {
		struct net_flow *f = &n->flows[i];

		if (w->passive && f->fd >= 0 && complete && p->mode != NET_CONNECT)
			complete = net_end_flow(w, f);
		if (p->mode == NET_CONNECT)
			net_conn_reset(f);
		bench_async_remove_file(w->async, f->file);
		f->file = -1;
		net_close(&f->fd);
		net_close(&f->ctl);
	}
	net_close(&n->probe.fd);
	net_close(&n->probe.ctl);
	if (w->passive && complete)
		(void)net_server_check(w, n->total);
}

static void net_leave(struct bench_worker *w)
{
	struct net_state *n = w->state;

	/* What the kernel may still write to cannot be given back. */
	for (unsigned i = 0; n->flows && i < n->nr; i++)
		if (n->flows[i].busy || n->flows[i].under_way || n->probe.busy)
			return;
	bench_async_drop_buf_ring(w->async);
	free(n->flows);
	free(n->bufs);
	free(n->tokens);
	free(n->dgrams);
	free(n->chunks);
	n->flows = NULL;
	n->bufs = NULL;
}

static const char *const net_recvs[] = { "plain", "provided", "multishot", NULL };
static const char *const net_accepts[] = { "plain", "multishot", NULL };

static const struct bench_option net_options[] = {
	NET_OPTIONS,
	{ .name = "flows",
	  .type = BENCH_OPT_U64,
	  .offset = offsetof(struct net_params, flows),
	  .min = 1,
	  .max = 1024,
	  .def = "1",
	  .help = "connections; mode=connect: that are made at the same time" },
	{ .name = "depth",
	  .type = BENCH_OPT_U64,
	  .offset = offsetof(struct net_params, depth),
	  .min = 1,
	  .max = 512,
	  .def = "1",
	  .help = "rr, and stream by udp: messages that each flow keeps under way; with rate= at "
		  "most" },
	{ .name = "probe",
	  .type = BENCH_OPT_BOOL,
	  .offset = offsetof(struct net_params, probe),
	  .def = "0",
	  .help = "latency under load: a connection more, on which a byte goes there and back "
		  "every ms" },
	{ .name = "recv",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct net_params, recv),
	  .def = "plain",
	  .values = net_recvs,
	  .help = "how a ring receives; provided (tcp): into buffers that the kernel chooses; "
		  "multishot: so, again and again" },
	{ .name = "accept",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct net_params, accept),
	  .def = "plain",
	  .values = net_accepts,
	  .help = "mode=connect: an operation for each connection, or one for all" },
	{ .name = "zerocopy",
	  .type = BENCH_OPT_BOOL,
	  .offset = offsetof(struct net_params, zerocopy),
	  .def = "0",
	  .help = "stream by tcp: send without a copy (IORING_OP_SEND_ZC); the kernel says whether "
		  "it did" },
	{ .name = NULL },
};

/* One number of a request and its response is meaningless: where its ends are decides. */
static const char *const net_suite[] = { "mode=rr,placement={same-cpu,smt,llc,package,cross}",
					 "mode=stream", NULL };
static const char *const net_full[] = { "mode=rr,flows={8,64}",
					"mode=rr,depth=16",
					"mode=stream,size={4k,1m}",
					"mode=stream,flows=4,probe=1",
					"mode=connect,flows={1,16}",
					"proto=udp",
					NULL };

const struct bench_module bench_module_net = {
	.abi = BENCH_MODULE_ABI,
	.exec = BENCH_EXEC_ASYNC,
	.name = "net",
	.summary = "TCP and UDP by io_uring, one or many connections, over loopback or a namespace",
	.op = "rr: a request and its response of size bytes each; stream: size bytes sent; "
	      "connect: a connection made and accepted",
	.sibling = "net_sync",
	.single = "flows=1,depth=1",
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
	.check = net_check,
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
	.split = net_split,
	.tell = net_tell,
	.hear = net_hear,
	.report = net_report,
	.gauges = net_gauges,
};
