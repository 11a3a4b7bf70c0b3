// SPDX-License-Identifier: BSD-2-Clause
/* The start-up self-test. Nothing is run on a ring that did not first show that it completes what
 * it was given: a batch of NOPs, a timer, and the cancel of a wait that would not end by itself. */
#include "runtime/uring.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runtime/async.h"

#define SELFTEST_NOPS 64u
#define SELFTEST_LIMIT_NS BENCH_NS_PER_SEC

struct selftest {
	unsigned nops, wrong;
	int poll_res, cancel_res;
	uint64_t fired_ns;
};

static void nop_done(struct bench_worker *w, struct bench_op *op)
{
	struct selftest *t = op->user;

	(void)w;
	t->nops++;
	t->wrong += op->res != 0;
}

static void timer_done(struct bench_worker *w, struct bench_op *op)
{
	struct selftest *t = op->user;

	(void)w;
	t->wrong += op->res != 0;
	t->fired_ns = op->done_ns;
}

static void poll_done(struct bench_worker *w, struct bench_op *op)
{
	(void)w;
	((struct selftest *)op->user)->poll_res = op->res;
}

static void cancel_done(struct bench_worker *w, struct bench_op *op)
{
	(void)w;
	((struct selftest *)op->user)->cancel_res = op->res;
}

static struct bench_op *take(struct bench_async *a, struct selftest *t,
			     void (*done)(struct bench_worker *w, struct bench_op *op))
{
	struct bench_op *op = bench_op_get(a); /* the ring is idle and deep enough: never NULL */

	op->done = done;
	op->user = t;
	return op;
}

static int step(struct bench_async *a, const char *what, struct bench_err *err)
{
	int rc = async_drain(a, NULL, bench_now_ns() + SELFTEST_LIMIT_NS);

	if (rc == -ETIME)
		return bench_fail(err, rc, "io_uring self-test: no completion of the %s within 1 s",
				  what);
	if (rc < 0)
		return bench_fail(err, rc, "io_uring self-test: %s: %s", what, strerror(-rc));
	return 0;
}

static int run_steps(struct bench_async *a, int event_fd, struct selftest *t,
		     struct async_selftest *ret_test, struct bench_err *err)
{
	struct bench_op *op, *target;
	uint64_t start_ns, due_ns;
	int rc;

	start_ns = bench_now_ns();
	for (unsigned i = 0; i < SELFTEST_NOPS; i++)
		bench_op_nop(a, take(a, t, nop_done));
	rc = step(a, "NOPs", err);
	if (rc < 0)
		return rc;
	ret_test->nop_ns = (bench_async_now(a) - start_ns) / SELFTEST_NOPS;

	due_ns = bench_now_ns() + BENCH_NS_PER_MS;
	bench_op_timeout(a, take(a, t, timer_done), due_ns);
	rc = step(a, "timer", err);
	if (rc < 0)
		return rc;
	if (t->fired_ns < due_ns)
		return bench_fail(err, -EIO, "io_uring self-test: a timer fired too early");
	ret_test->timer_late_ns = t->fired_ns - due_ns;

	target = take(a, t, poll_done);
	bench_op_poll(a, target, event_fd, POLLIN);
	op = take(a, t, cancel_done);
	bench_op_cancel(a, op, target);
	return step(a, "cancel", err);
}

static int check(const struct selftest *t, const struct async_stats *s, struct bench_err *err)
{
	/* The timer never goes to the kernel; the poll and its cancel do. */
	if (s->submitted != SELFTEST_NOPS + 2 || s->completed != s->submitted || t->wrong ||
	    t->nops != SELFTEST_NOPS)
		return bench_fail(err, -EIO,
				  "io_uring self-test: %" PRIu64 " operations submitted, %" PRIu64
				  " completed, %u wrong; remedy: --runtime=blocking",
				  s->submitted, s->completed, t->wrong);
	if (t->poll_res != -ECANCELED || t->cancel_res != 0)
		return bench_fail(err, -EIO,
				  "io_uring self-test: a cancel gave %d and its target %d; remedy: "
				  "--runtime=blocking",
				  t->cancel_res, t->poll_res);
	if (s->cq_overflow || s->sq_dropped)
		return bench_fail(err, -EIO,
				  "io_uring self-test: the rings lost entries; remedy: "
				  "--runtime=blocking");
	return 0;
}

int async_selftest(const struct async_caps *caps, struct async_selftest *ret_test,
		   struct bench_err *err)
{
	struct async_selftest result = { .nr_nops = SELFTEST_NOPS };
	struct selftest t = { .poll_res = 1, .cancel_res = 1 };
	struct bench_async *a = NULL;
	struct async_stats stats;
	int rc, event_fd;

	event_fd = eventfd(0, EFD_CLOEXEC);
	if (event_fd < 0)
		return bench_fail(err, -errno, "io_uring self-test: eventfd: %s", strerror(errno));
	rc = async_open(&a, caps, err);
	if (rc < 0)
		goto out;
	rc = run_steps(a, event_fd, &t, &result, err);
	if (rc < 0)
		goto out;
	async_window_stats(a, &stats);
	rc = check(&t, &stats, err);
	result.submitted = (unsigned)stats.submitted;
	result.completed = (unsigned)stats.completed;
	if (rc == 0)
		*ret_test = result;
out:
	async_close(a);
	close(event_fd);
	return rc;
}
