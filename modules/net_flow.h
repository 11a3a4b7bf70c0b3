/* SPDX-License-Identifier: BSD-2-Clause */
/* net: the flows of a worker, and what its engines share. An engine is how the messages of a mode
 * go over a ring: net_plain.h (one message of a flow under way, the cheapest), net_pipe.h (several,
 * and other ways to send and receive), net_datagram.h, net_accepting.h. */
#ifndef MODULES_NET_FLOW_H
#define MODULES_NET_FLOW_H

#include "bench/async.h"
#include "net_common.h"

/* A message up to this size fits a socket buffer, whose smallest default is 16 KiB, at once. */
#define NET_SHORT 4096u

struct net_flow {
	int fd, ctl;		 /* struct net_ends_fds; -1 = not connected */
	int file;		 /* plain: index of fd with the ring; negative = has none */
	uint32_t sent, received; /* plain: of the messages being transferred */
	unsigned char seq;	 /* client: first byte of a request, which the response repeats */
	bool busy;		 /* plain: an operation is under way */
	bool sending, receiving; /* others: an operation of this kind is under way */
	unsigned char *buf;
	uint64_t submit_ns;    /* plain client: when the request was handed over; 0 = not yet */
	struct net_flow *next; /* paced: in the list of those that can take a message */
	uint64_t done;	       /* messages of this window */
	/* Not plain. Positions are bytes since the flow began; a message's place in buf is its
	 * position modulo the ring of depth messages. */
	uint64_t queued, tx, rx;
	struct bench_op **tokens; /* client: by message modulo depth; NULL = free */
	uint64_t first, nr_asked; /* client: oldest message under way, and the next one */
	struct net_dgram *dgrams; /* udp client: by slot */
	unsigned notices;	  /* zero-copy sends that the kernel still has pages of */
	unsigned under_way;	  /* operations of the kernel's that use buf */
	bool idle;		  /* paced: in the list */
};

/* A request of proto=udp. */
struct net_dgram {
	struct bench_op *token; /* NULL = free */
	uint32_t number;
	uint64_t sent_ns; /* last */
};

/* The connection of probe=1. */
struct net_probing {
	int fd, ctl;	     /* struct net_ends_fds */
	uint64_t due_ns;     /* client: of the ping under way */
	unsigned char *byte; /* behind the flows' buffers */
	bool busy;	     /* under way */
};

struct net_state;
struct net_engine {
	/* Begin on a flow, when a window starts; on both ends. */
	int (*start)(struct bench_worker *w, struct net_flow *f);
	/* Client, paced: begin the op that op stands for. */
	void (*request)(struct bench_worker *w, struct net_flow *f, struct bench_op *op);
};

struct net_state {
	struct net_flow *flows;
	struct net_flow *idle,
		**idle_tail; /* paced: those that can take a message, longest first */
	unsigned nr, depth;
	uint32_t size, buf_size;
	bool soon; /* pipe: a message is short enough to be sent while it is handed over */
	bool multishot, provided, zerocopy;
	uint64_t total;	 /* bytes of this window; client: sent, server: received */
	uint64_t within; /* server: received before the window's end */
	const struct net_engine *engine;
	unsigned char *bufs;
	struct bench_op **tokens;
	struct net_dgram *dgrams;
	struct net_probing probe;
	unsigned chunk_size, nr_chunks; /* provided buffers */
	unsigned char *chunks;
	unsigned notices_max; /* zero-copy sends of a flow that may wait for their notification */
};

static inline uint64_t net_key(const struct net_state *n, const struct net_flow *f)
{
	return (uint64_t)(f - n->flows);
}

static inline void net_idle(struct net_state *n, struct net_flow *f)
{
	if (f->idle)
		return;
	f->idle = true;
	f->next = NULL;
	*n->idle_tail = f;
	n->idle_tail = &f->next;
}

static inline struct net_flow *net_take_idle(struct net_state *n)
{
	struct net_flow *f = n->idle;

	if (!f)
		return NULL;
	n->idle = f->next;
	if (!n->idle)
		n->idle_tail = &n->idle;
	f->idle = false;
	return f;
}

static inline void net_failed(struct bench_worker *w, const char *what, int res)
{
	/* A cancelled operation is the end of a window, not a fault. */
	if (res == -ECANCELED)
		return;
	bench_worker_fail(w, res ? res : -ECONNRESET, "%s%s: %s", w->passive ? "server: " : "",
			  what, res ? strerror(-res) : "the other end closed the connection");
}

static inline struct bench_op *net_op(struct bench_worker *w)
{
	struct bench_op *op = bench_op_get(w->async);

	if (!op)
		bench_worker_fail(w, -EBUSY, "no free operation for %u flows",
				  ((struct net_state *)w->state)->nr);
	return op;
}

/* The client's message that op stands for is done. True when the flow may go on with the next. */
static inline bool net_account(struct bench_worker *w, struct net_flow *f, struct bench_op *op,
			       uint64_t submit_ns, uint64_t bytes)
{
	struct net_state *n = w->state;

	f->done++;
	if (w->paced) {
		bench_op_done(w, op, submit_ns, bytes, net_key(n, f));
		net_idle(n, f);
		return false;
	}
	if (!bench_running(w, op->done_ns))
		return false;
	if (w->no_latency) {
		w->ops++;
		w->bytes += bytes;
	} else {
		bench_op_done(w, op, submit_ns, bytes, net_key(n, f));
	}
	op->intended_ns = op->done_ns;
	return true;
}

#endif
