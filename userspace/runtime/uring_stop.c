// SPDX-License-Identifier: BSD-2-Clause
/* The end of a window: drain what will end by itself, cancel the rest, wait for every completion.
 */
#include "runtime/uring.h"

#include <errno.h>

#include "runtime/async.h"

/* A request can be between two states when the cancel looks for it (-EALREADY), so the cancel is
 * repeated until everything has come back. */
#define CANCEL_AGAIN_NS (10 * BENCH_NS_PER_MS)

unsigned async_inflight(const struct bench_async *a, bool with_passive)
{
	return with_passive ? a->live : a->live - a->live_passive;
}

int async_drain(struct bench_async *a, struct bench_worker *w, uint64_t deadline_ns)
{
	int rc = 0;

	while (!rc && async_inflight(a, false)) {
		rc = async_turn(a, w, deadline_ns);
		if (!rc && a->now_ns >= deadline_ns && async_inflight(a, false))
			rc = -ETIME;
	}
	return rc;
}

static void cancel_timers(struct bench_async *a)
{
	uint64_t due_ns;
	int slot;

	while ((slot = timers_pop(&a->timers, UINT64_MAX, &due_ns)) >= 0)
		uring_ready(a, &a->ops[slot], -ECANCELED);
}

static void cancel_requests(struct bench_async *a)
{
	struct io_uring_sqe *sqe;

	if (a->caps.cancel_any) {
		sqe = uring_sqe_internal(a);
		if (!sqe)
			return;
		io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
		sqe->user_data = URING_SLOT_CANCEL;
		return;
	}
	for (unsigned i = 0; i < a->depth; i++) {
		if ((a->ops[i].state & URING_OP_STATES) != URING_OP_KERNEL)
			continue;
		sqe = uring_sqe_internal(a);
		if (!sqe)
			return; /* tried again soon */
		io_uring_prep_cancel64(sqe, uring_op_data(&a->ops[i]), 0);
		sqe->user_data = URING_SLOT_CANCEL;
	}
}

int async_cancel(struct bench_async *a, struct bench_worker *w, uint64_t deadline_ns)
{
	uint64_t again_ns = 0;
	int rc = a->failed;

	/* Callbacks that describe operations anew would make this endless. */
	if (!rc)
		a->refuse = -ECANCELED;
	cancel_timers(a);
	uring_cancel_held(a);
	while (!rc && a->live) {
		uint64_t now_ns = bench_now_ns();

		if (now_ns >= deadline_ns) {
			rc = -ETIME;
			break;
		}
		if (now_ns >= again_ns) {
			cancel_requests(a);
			again_ns = now_ns + CANCEL_AGAIN_NS;
		}
		rc = async_turn(a, w, again_ns < deadline_ns ? again_ns : deadline_ns);
	}
	a->refuse = a->failed;
	return rc;
}
