/* SPDX-License-Identifier: BSD-2-Clause */
/* ring,mode=message: a number goes from worker 0's ring to worker 1's and back (IORING_OP_MSG_RING).
 * Each worker waits in the kernel for the other one's. */
#ifndef MODULES_RING_MESSAGE_H
#define MODULES_RING_MESSAGE_H

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "bench/async.h"
#include "bench/module.h"

enum { RING_ASKS, RING_ANSWERS, RING_SIDES };

/* Shared by both. */
struct ring_messages {
	int fd[RING_SIDES];
	_Atomic uint64_t address[RING_SIDES]; /* where the next message to it goes; 0 = not there yet */
	uint64_t received[RING_SIDES];	      /* in this window, each side's own */
	uint64_t sent_ns;		      /* the asking side's own */
	struct bench_hist *latency;	      /* of the window */
};

/* Waits for the answering side, which starts a moment later, so often. */
#define RING_MESSAGE_WAIT_NS (20 * BENCH_NS_PER_US)

static inline int ring_message_enter(struct bench_worker *w, struct ring_messages *m)
{
	m->fd[w->index] = bench_async_fd(w->async);
	return 0;
}

static inline void ring_message_sent(struct bench_worker *w, struct bench_op *op)
{
	if (op->res && op->res != -ECANCELED)
		bench_worker_fail(w, op->res, "message to the other ring: %s", strerror(-op->res));
}

/* The number of messages received so far goes with each: an answer has that of its question. */
static inline void ring_message_send(struct bench_worker *w, struct ring_messages *m, unsigned to)
{
	struct bench_op *op = bench_op_get(w->async);

	if (!op) {
		bench_worker_fail(w, -EBUSY, "no free operation");
		return;
	}
	op->done = ring_message_sent;
	op->passive = true; /* its time is a part of the round trip's */
	bench_op_message(w->async, op, m->fd[to], atomic_load(&m->address[to]),
			 (uint32_t)(m->received[w->index] & INT32_MAX));
}

/* The address must be known before the message that is answered. */
static inline void ring_message_await(struct bench_worker *w, struct ring_messages *m,
				      struct bench_op *op)
{
	bench_op_receive(w->async, op);
	atomic_store(&m->address[w->index], bench_op_address(op));
}

static inline void ring_message_asked(struct bench_worker *w, struct bench_op *op)
{
	struct ring_messages *m = op->user;

	if (op->res == -ECANCELED)
		return;
	m->received[RING_ANSWERS]++;
	if (op->res != (int32_t)((m->received[RING_ANSWERS] - 1) & INT32_MAX)) {
		bench_worker_fail(w, -EBADMSG, "message %d came as number %" PRIu64, op->res,
				  m->received[RING_ANSWERS] - 1);
		return;
	}
	ring_message_await(w, m, op);
	ring_message_send(w, m, RING_ASKS);
}

static inline void ring_message_ask(struct bench_worker *w, struct ring_messages *m,
				    struct bench_op *op)
{
	ring_message_await(w, m, op);
	m->sent_ns = bench_now_ns();
	ring_message_send(w, m, RING_ANSWERS);
}

static inline void ring_message_answered(struct bench_worker *w, struct bench_op *op)
{
	struct ring_messages *m = op->user;

	if (op->res == -ECANCELED)
		return;
	m->received[RING_ASKS]++;
	if (op->res != (int32_t)(m->received[RING_ASKS] & INT32_MAX)) {
		bench_worker_fail(w, -EBADMSG, "answer %d to message %" PRIu64, op->res,
				  m->received[RING_ASKS]);
		return;
	}
	if (!bench_running(w, op->done_ns))
		return;
	w->ops++;
	bench_hist_record(m->latency, op->done_ns - m->sent_ns);
	ring_message_ask(w, m, op);
}

/* The first message needs the other side's address. */
static inline void ring_message_first(struct bench_worker *w, struct bench_op *op)
{
	struct ring_messages *m = op->user;

	if (op->res == -ECANCELED)
		return;
	if (!atomic_load(&m->address[RING_ANSWERS])) {
		bench_op_timeout(w->async, op, bench_async_now(w->async) + RING_MESSAGE_WAIT_NS);
		return;
	}
	op->done = ring_message_answered;
	ring_message_ask(w, m, op);
}

static inline int ring_message_start(struct bench_worker *w, struct ring_messages *m)
{
	struct bench_op *op = bench_op_get(w->async);

	if (!op)
		return bench_worker_fail(w, -EBUSY, "no free operation");
	op->user = m;
	op->passive = true;
	if (w->passive) {
		op->done = ring_message_asked;
		ring_message_await(w, m, op);
	} else {
		op->done = ring_message_first;
		bench_op_timeout(w->async, op, bench_now_ns());
	}
	return 0;
}

/* After the window, on both sides: what was sent has come, but for an answer that was under way. */
static inline void ring_message_end(struct bench_worker *w, struct ring_messages *m)
{
	atomic_store(&m->address[w->index], 0);
	if (w->passive || w->err.code)
		return;
	if (m->received[RING_ANSWERS] < m->received[RING_ASKS] ||
	    m->received[RING_ANSWERS] > m->received[RING_ASKS] + 1)
		bench_worker_fail(w, -EBADMSG,
				  "%" PRIu64 " answers came to %" PRIu64 " messages received",
				  m->received[RING_ASKS], m->received[RING_ANSWERS]);
}

static inline void ring_message_report(struct bench_job *job, const struct bench_hist *latency)
{
	static const struct bench_metric_id id = {
		"ring.round_trip", "ns", BENCH_SOURCE_MODULE, BENCH_BETTER_LOWER, { { NULL, NULL } }
	};

	bench_metric_put_hist(job->metrics, &id, latency);
}

#endif
