// SPDX-License-Identifier: BSD-2-Clause
/* io_uring itself: what an operation costs that does nothing, by how many go at once and by the flags
 * that the ring was set up with; how long it takes until a ring that waits in the kernel is woken, and
 * until a message comes back from another ring. */
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench/async.h"
#include "bench/module.h"
#include "ring_message.h"

enum ring_mode { RING_NOP, RING_WAKE, RING_MESSAGE };
enum { RING_SLEEPER, RING_WAKER, RING_WORKERS };

struct ring_params {
	uint64_t mode, batch, interval, setup;
	bool stamps;
};

/* IORING_SETUP_* of <linux/io_uring.h>, by number: a header that does not have them all must not keep
 * this from saying so. */
#define RING_COOP_TASKRUN (1u << 8)
#define RING_TASKRUN_FLAG (1u << 9)
#define RING_SINGLE_ISSUER (1u << 12)
#define RING_DEFER_TASKRUN (1u << 13)
#define RING_NO_SQARRAY (1u << 16)

static const char *const ring_setups[] = { "auto",  "plain",	  "coop", "single",
					   "defer", "no-sqarray", NULL };
enum { RING_SETUP_AUTO };
static const unsigned ring_setup_flags[] = {
	0,
	0,
	RING_COOP_TASKRUN | RING_TASKRUN_FLAG,
	RING_SINGLE_ISSUER,
	RING_SINGLE_ISSUER | RING_DEFER_TASKRUN | RING_TASKRUN_FLAG,
	RING_NO_SQARRAY,
};

/* Writes that may wait for the sleeper and still have their stamp. */
#define RING_STAMPS 1024u

/* mode=wake: one write to an eventfd wakes the ring that reads it. */
struct ring_shared {
	int fd;
	/* Taken right before each write: a stall of the sleeper must not hide behind later ones. */
	_Atomic uint64_t stamp_ns[RING_STAMPS];
	struct bench_hist *latency;
	uint64_t missed; /* writes that found the sleeper awake */
	_Atomic uint64_t written, read;
	struct ring_messages messages; /* mode=message */
};

struct ring_state {
	uint64_t value;	 /* sleeper: the kernel's while a read is under way */
	uint64_t due_ns; /* waker: of the next write */
	struct bench_async *before; /* the worker's ring, while it has one of its own; NULL = it has not */
};

static unsigned ring_workers(const void *params)
{
	const struct ring_params *p = params;

	return p->mode == RING_NOP ? 0 : RING_WORKERS;
}

static unsigned ring_runnable(const void *params)
{
	return ring_workers(params) ? 1 : 0;
}

static int ring_validate(const void *params, struct bench_err *err)
{
	const struct ring_params *p = params;

	if (p->setup != RING_SETUP_AUTO && p->mode != RING_NOP)
		return bench_fail(err, -EINVAL, "setup= is for mode=nop");
	if (!p->stamps && p->mode != RING_NOP)
		return bench_fail(err, -EINVAL, "stamps= is for mode=nop");
	if (!bench_async_known(ring_setup_flags[p->setup]))
		return bench_fail(err, -EINVAL,
				  "setup=%s: the linked liburing does not know this flag and would misread "
				  "the ring; take another setup=",
				  ring_setups[p->setup]);
	return 0;
}

static int ring_check(const void *params, struct bench_err *err)
{
	const struct ring_params *p = params;

	if (p->mode == RING_MESSAGE && !bench_async_offers_messages())
		return bench_fail(err, -EOPNOTSUPP,
				  "the kernel's io_uring has no messages between rings "
				  "(IORING_OP_MSG_RING, Linux 5.18)");
	return p->setup == RING_SETUP_AUTO ? 0 : bench_async_check(ring_setup_flags[p->setup], err);
}

static int ring_setup(struct bench_job *job, struct bench_err *err)
{
	struct ring_shared *s = calloc(1, sizeof(*s));

	if (!s)
		return bench_fail(err, -ENOMEM, "out of memory");
	job->shared = s;
	s->latency = bench_hist_new(BENCH_HIST_BITS_WORKER);
	s->messages.latency = s->latency;
	s->fd = eventfd(0, EFD_CLOEXEC);
	if (s->fd < 0)
		return bench_fail(err, -errno, "eventfd: %s", strerror(errno));
	return s->latency ? 0 : bench_fail(err, -ENOMEM, "out of memory");
}

static void ring_teardown(struct bench_job *job)
{
	struct ring_shared *s = job->shared;

	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	bench_hist_free(s->latency);
	free(s);
	job->shared = NULL;
}

static int ring_enter(struct bench_worker *w)
{
	const struct ring_params *p = w->job->params;
	struct ring_shared *s = w->job->shared;
	struct ring_state *st = w->state;

	w->passive = p->mode != RING_NOP && w->index == RING_WAKER;
	if (p->mode == RING_MESSAGE)
		return ring_message_enter(w, &s->messages);
	if (p->mode == RING_NOP && p->setup != RING_SETUP_AUTO) {
		struct bench_async *own = bench_async_open(w, ring_setup_flags[p->setup]);

		if (!own)
			return w->err.code;
		st->before = w->async;
		w->async = own;
	}
	/* Without the time of each there is no latency: what is left is what io_uring costs. */
	w->no_latency |= !p->stamps;
	bench_async_set_stamps(w->async, p->stamps);
	if (p->mode == RING_NOP && p->batch > bench_async_depth(w->async))
		return bench_worker_fail(w, -EINVAL,
					 "batch=%" PRIu64
					 " is more than the %u operations that a ring "
					 "holds here",
					 p->batch, bench_async_depth(w->async));
	return 0;
}

static void ring_leave(struct bench_worker *w)
{
	struct ring_state *st = w->state;

	if (!st || !st->before)
		return;
	bench_async_close(w->async);
	w->async = st->before;
	st->before = NULL;
}

static int ring_begin(struct bench_worker *w)
{
	struct ring_shared *s = w->job->shared;

	if (w->passive)
		return 0;
	bench_hist_reset(s->latency);
	s->missed = 0;
	atomic_store(&s->written, 0);
	atomic_store(&s->read, 0);
	s->messages.received[RING_SLEEPER] = s->messages.received[RING_WAKER] = 0;
	return 0;
}

/* Out of the way of those that do not. */
static __attribute__((noinline, cold)) void ring_nop_failed(struct bench_worker *w,
							    const struct bench_op *op)
{
	bench_worker_fail(w, op->res, "NOP: %s", strerror(-op->res));
}

static void ring_nop_done(struct bench_worker *w, struct bench_op *op)
{
	if (op->res) {
		ring_nop_failed(w, op);
		return;
	}
	if (!bench_running(w, op->done_ns))
		return;
	bench_op_done(w, op, op->submit_ns, 0, 0);
	op->intended_ns = op->done_ns;
	bench_op_nop(w->async, op);
}

static void ring_nop_counted(struct bench_worker *w, struct bench_op *op)
{
	if (op->res) {
		ring_nop_failed(w, op);
		return;
	}
	if (!bench_running(w, op->done_ns))
		return;
	bench_op_count(w, 0);
	bench_op_nop(w->async, op);
}

static void ring_read(struct bench_worker *w, struct bench_op *op)
{
	const struct ring_shared *s = w->job->shared;
	struct ring_state *st = w->state;

	/* The waker may not write again: the end of the window does not wait for it. */
	op->passive = true;
	bench_op_read(w->async, op, s->fd, &st->value, sizeof(st->value), (uint64_t)-1, -1, 0);
}

static void ring_read_done(struct bench_worker *w, struct bench_op *op)
{
	struct ring_shared *s = w->job->shared;
	const struct ring_state *st = w->state;
	uint64_t first;

	/* A cancelled read is the end of the window. */
	if (op->res == -ECANCELED)
		return;
	if (op->res != sizeof(st->value)) {
		bench_worker_fail(w, op->res < 0 ? op->res : -EIO, "read of an eventfd: %s",
				  op->res < 0 ? strerror(-op->res) : "short");
		return;
	}
	/* The number of writes since the last read; the first of them is the wake-up. */
	first = atomic_fetch_add(&s->read, st->value);
	s->missed += st->value - 1;
	if (bench_running(w, op->done_ns) && st->value < RING_STAMPS) {
		w->ops++;
		bench_hist_record(s->latency,
				  op->done_ns - atomic_load(&s->stamp_ns[first % RING_STAMPS]));
	}
	ring_read(w, op);
}

static void ring_wake(struct bench_worker *w, struct bench_op *op)
{
	const struct ring_params *p = w->job->params;
	struct ring_shared *s = w->job->shared;
	struct ring_state *st = w->state;
	uint64_t now = bench_now_ns(), one = 1;

	if (op->res == -ECANCELED || !bench_running(w, now))
		return;
	atomic_store(&s->stamp_ns[atomic_load(&s->written) % RING_STAMPS], now);
	if (write(s->fd, &one, sizeof(one)) != sizeof(one)) {
		bench_worker_fail(w, -errno, "write to an eventfd: %s", strerror(errno));
		return;
	}
	atomic_fetch_add(&s->written, 1);
	st->due_ns += p->interval;
	bench_op_timeout(w->async, op, st->due_ns);
}

static int ring_start_wake(struct bench_worker *w)
{
	const struct ring_params *p = w->job->params;
	struct bench_op *op = bench_op_get(w->async);
	struct ring_state *st = w->state;

	if (!op)
		return bench_worker_fail(w, -EBUSY, "no free operation");
	if (w->passive) {
		op->done = ring_wake;
		st->due_ns = bench_now_ns() + p->interval;
		bench_op_timeout(w->async, op, st->due_ns);
	} else {
		op->done = ring_read_done;
		ring_read(w, op);
	}
	return 0;
}

static int ring_start(struct bench_worker *w)
{
	const struct ring_params *p = w->job->params;

	struct ring_shared *s = w->job->shared;

	if (p->mode == RING_WAKE)
		return ring_start_wake(w);
	if (p->mode == RING_MESSAGE)
		return ring_message_start(w, &s->messages);
	for (uint64_t i = 0; i < p->batch; i++) {
		struct bench_op *op = bench_op_get(w->async);

		if (!op)
			return bench_worker_fail(w, -EBUSY, "no free operation for batch=%" PRIu64,
						 p->batch);
		op->done = p->stamps ? ring_nop_done : ring_nop_counted;
		bench_op_nop(w->async, op);
	}
	return 0;
}

/* What was written has been read, but for what was under way at the end. */
static void ring_end(struct bench_worker *w)
{
	const struct ring_params *p = w->job->params;
	struct ring_shared *s = w->job->shared;
	uint64_t written = atomic_load(&s->written), got = atomic_load(&s->read), rest = 0;
	struct ring_state *st = w->state;

	if (p->mode == RING_MESSAGE)
		ring_message_end(w, &s->messages);
	if (p->mode != RING_WAKE || w->passive)
		return;
	/* Its descriptor blocks: only read what is there. */
	if (written > got && read(s->fd, &st->value, sizeof(st->value)) == sizeof(st->value))
		rest = st->value;
	if (got + rest != written)
		(void)bench_worker_fail(
			w, -EBADMSG, "%" PRIu64 " writes to the eventfd, %" PRIu64 " of them read",
			written, got + rest);
}

static void ring_report(struct bench_job *job, uint64_t trial_ns)
{
	static const struct bench_metric_id latency = {
		"ring.wakeup", "ns", BENCH_SOURCE_MODULE, BENCH_BETTER_LOWER, { { NULL, NULL } }
	};
	static const struct bench_metric_id missed = {
		"ring.missed", "count", BENCH_SOURCE_MODULE, BENCH_BETTER_LOWER, { { NULL, NULL } }
	};
	const struct ring_params *p = job->params;
	const struct ring_shared *s = job->shared;

	(void)trial_ns;
	if (p->mode == RING_MESSAGE)
		ring_message_report(job, s->latency);
	if (p->mode != RING_WAKE)
		return;
	bench_metric_put_hist(job->metrics, &latency, s->latency);
	bench_metric_put(job->metrics, &missed, (double)s->missed);
}

static const char *const ring_modes[] = { "nop", "wake", "message", NULL };

static const struct bench_option ring_options[] = {
	{ .name = "mode",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct ring_params, mode),
	  .def = "nop",
	  .values = ring_modes,
	  .help = "nop: operations that do nothing; wake: one ring wakes another one; message: from "
		  "ring to ring and back (both 2 workers)" },
	{ .name = "batch",
	  .type = BENCH_OPT_U64,
	  .offset = offsetof(struct ring_params, batch),
	  .min = 1,
	  .max = 1024,
	  .def = "1",
	  .help = "nop: operations that go to the kernel by one system call" },
	{ .name = "setup",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct ring_params, setup),
	  .def = "auto",
	  .values = ring_setups,
	  .help = "nop: flags of the ring: auto: the runtime's; plain: none; coop: COOP_TASKRUN; "
		  "single: SINGLE_ISSUER; defer: that and DEFER_TASKRUN; no-sqarray: NO_SQARRAY" },
	{ .name = "stamps",
	  .type = BENCH_OPT_BOOL,
	  .offset = offsetof(struct ring_params, stamps),
	  .def = "1",
	  .help = "nop: read the clock for each batch and tell latencies; 0: only count" },
	{ .name = "interval",
	  .type = BENCH_OPT_DURATION,
	  .offset = offsetof(struct ring_params, interval),
	  .min = 50 * BENCH_NS_PER_US,
	  .max = BENCH_NS_PER_SEC,
	  .def = "1ms",
	  .help = "wake: time from one wake-up to the next" },
	{ .name = NULL },
};

static const char *const ring_full[] = { "batch={1,8,32}", "batch=8,setup={plain,coop,single,defer}",
					  "mode={wake,message}", NULL };

const struct bench_module bench_module_ring = {
	.abi = BENCH_MODULE_ABI,
	.exec = BENCH_EXEC_ASYNC,
	.name = "ring",
	.summary = "io_uring itself: empty operations, the wake-up of a ring, messages between rings",
	.op = "nop: one IORING_OP_NOP; wake: one wake-up of a ring by an eventfd; message: one from ring to "
	      "ring and one back",
	.options = ring_options,
	.full = ring_full,
	.params_size = sizeof(struct ring_params),
	.state_size = sizeof(struct ring_state),
	.workers = ring_workers,
	.runnable = ring_runnable,
	.validate = ring_validate,
	.check = ring_check,
	.setup = ring_setup,
	.enter = ring_enter,
	.leave = ring_leave,
	.begin = ring_begin,
	.start = ring_start,
	.end = ring_end,
	.teardown = ring_teardown,
	.report = ring_report,
};
