// SPDX-License-Identifier: BSD-2-Clause
/* io_uring itself: what an operation costs that does nothing, by how many go at once, and how long
 * it takes until a ring that waits in the kernel is woken. */
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench/async.h"
#include "bench/module.h"

enum ring_mode { RING_NOP, RING_WAKE };
enum { RING_SLEEPER, RING_WAKER, RING_WORKERS };

struct ring_params {
	uint64_t mode, batch, interval;
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
};

struct ring_state {
	uint64_t value;	 /* sleeper: the kernel's while a read is under way */
	uint64_t due_ns; /* waker: of the next write */
};

static unsigned ring_workers(const void *params)
{
	const struct ring_params *p = params;

	return p->mode == RING_WAKE ? RING_WORKERS : 0;
}

static unsigned ring_runnable(const void *params)
{
	return ring_workers(params) ? 1 : 0;
}

static int ring_setup(struct bench_job *job, struct bench_err *err)
{
	struct ring_shared *s = calloc(1, sizeof(*s));

	if (!s)
		return bench_fail(err, -ENOMEM, "out of memory");
	job->shared = s;
	s->latency = bench_hist_new(BENCH_HIST_BITS_WORKER);
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

	w->passive = p->mode == RING_WAKE && w->index == RING_WAKER;
	if (p->mode == RING_NOP && p->batch > bench_async_depth(w->async))
		return bench_worker_fail(w, -EINVAL,
					 "batch=%" PRIu64
					 " is more than the %u operations that a ring "
					 "holds here",
					 p->batch, bench_async_depth(w->async));
	return 0;
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
	return 0;
}

static void ring_nop_done(struct bench_worker *w, struct bench_op *op)
{
	if (op->res) {
		bench_worker_fail(w, op->res, "NOP: %s", strerror(-op->res));
		return;
	}
	if (!bench_running(w, op->done_ns))
		return;
	bench_op_done(w, op, op->submit_ns, 0, 0);
	op->intended_ns = op->done_ns;
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

	if (p->mode == RING_WAKE)
		return ring_start_wake(w);
	for (uint64_t i = 0; i < p->batch; i++) {
		struct bench_op *op = bench_op_get(w->async);

		if (!op)
			return bench_worker_fail(w, -EBUSY, "no free operation for batch=%" PRIu64,
						 p->batch);
		op->done = ring_nop_done;
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
	if (p->mode != RING_WAKE)
		return;
	bench_metric_put_hist(job->metrics, &latency, s->latency);
	bench_metric_put(job->metrics, &missed, (double)s->missed);
}

static const char *const ring_modes[] = { "nop", "wake", NULL };

static const struct bench_option ring_options[] = {
	{ .name = "mode",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct ring_params, mode),
	  .def = "nop",
	  .values = ring_modes,
	  .help = "nop: operations that do nothing; wake: one ring wakes another one (2 workers)" },
	{ .name = "batch",
	  .type = BENCH_OPT_U64,
	  .offset = offsetof(struct ring_params, batch),
	  .min = 1,
	  .max = 1024,
	  .def = "1",
	  .help = "nop: operations that go to the kernel by one system call" },
	{ .name = "interval",
	  .type = BENCH_OPT_DURATION,
	  .offset = offsetof(struct ring_params, interval),
	  .min = 50 * BENCH_NS_PER_US,
	  .max = BENCH_NS_PER_SEC,
	  .def = "1ms",
	  .help = "wake: time from one wake-up to the next" },
	{ .name = NULL },
};

static const char *const ring_full[] = { "batch={1,8,32}", "mode=wake", NULL };

const struct bench_module bench_module_ring = {
	.abi = BENCH_MODULE_ABI,
	.exec = BENCH_EXEC_ASYNC,
	.name = "ring",
	.summary = "io_uring itself: empty operations, the wake-up of a ring",
	.op = "nop: one IORING_OP_NOP; wake: one wake-up of a ring by an eventfd",
	.options = ring_options,
	.full = ring_full,
	.params_size = sizeof(struct ring_params),
	.state_size = sizeof(struct ring_state),
	.workers = ring_workers,
	.runnable = ring_runnable,
	.setup = ring_setup,
	.enter = ring_enter,
	.begin = ring_begin,
	.start = ring_start,
	.end = ring_end,
	.teardown = ring_teardown,
	.report = ring_report,
};
