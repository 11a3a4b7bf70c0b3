// SPDX-License-Identifier: BSD-2-Clause
// The measured loops. Between the start and the end of the window nothing here allocates, locks or
// does I/O of its own.
#include "core/worker.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/calls.h"
#include "core/events.h"
#include "core/open_loop.h"
#include "core/slow.h"

/* An op this long is timed alone: two clock reads (26 ns each) are then below 3 % of it. */
#define ALONE_NS 1000u
/* Otherwise a batch is made this long, so that the clock read costs less than 0.2 % of it and the
 * end of the window is met within it. */
#define BATCH_NS 20000u
/* Calibration gives up growing the batch here. */
#define BATCH_MAX (1ull << 30)
#define CALIBRATE_TRIES 3
/* An op this long is one, whoever else had the CPU. */
#define CALIBRATE_NS (200 * BENCH_NS_PER_MS)

/* Sleep until this close to the start of the window, then spin. */
#define SPIN_NS (100 * BENCH_NS_PER_US)
/* A worker with nothing to reap looks at the window this often. */
#define LOOK_NS (50 * BENCH_NS_PER_MS)
/* How often a worker asks on which CPU it is: that costs as much as a short operation's account. */
#define WHERE_NS (BENCH_NS_PER_MS / 10)
/* A passive worker looks this often whether its peers are done, once the window is over. */
#define PASSIVE_LOOK_NS BENCH_NS_PER_MS
/* Limits of the three-phase stop, since the last completion: operations due may finish, then
 * everything is cancelled. A slow disk with a deep queue may take long, but goes on completing. */
#define DRAIN_NS (10 * BENCH_NS_PER_SEC)
#define CANCEL_NS (20 * BENCH_NS_PER_SEC)

int bench_worker_fail(struct bench_worker *w, int code, const char *fmt, ...)
{
	char text[sizeof(w->err.msg)];
	va_list ap;

	w->errors++;
	if (w->err.code)
		return code;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return bench_fail(&w->err, code, "worker %u: %s", w->index, text);
}

/* wr->usage holds the state at the start of the window; make it the difference. */
static void end_usage(struct worker_run *wr)
{
	struct usage now;

	usage_thread(&now);
	wr->usage = usage_between(&wr->usage, &now);
}

static void wait_for_start(volatile const struct bench_window *window)
{
	uint64_t wake = window->start_ns - SPIN_NS;
	struct timespec ts = { .tv_sec = (time_t)(wake / BENCH_NS_PER_SEC),
			       .tv_nsec = (long)(wake % BENCH_NS_PER_SEC) };

	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	while (bench_now_ns() < window->start_ns)
		worker_relax();
}

/* How long a batch takes: the least of several times, once it is long. A worker that was pushed aside
 * meanwhile would take a short op for a long one, or a batch of few for enough. */
static int time_batch(struct worker_run *wr, uint64_t batch, uint64_t *ret_ns)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < CALIBRATE_TRIES && (!i || least >= BATCH_NS); i++) {
		uint64_t begin = bench_now_ns(), took;
		int rc = wr->run->module->run(&wr->w, batch);

		if (rc)
			return rc;
		took = bench_now_ns() - begin;
		least = took < least ? took : least;
		if (took >= CALIBRATE_NS)
			break;
	}
	*ret_ns = least;
	return 0;
}

/* How many ops make one timed call: run doubling batches until one is long enough. */
static int calibrate(struct worker_run *wr)
{
	for (uint64_t batch = 1;; batch *= 2) {
		uint64_t took;
		int rc = time_batch(wr, batch, &took);

		if (rc)
			return rc;
		if (took < BATCH_NS && batch < BATCH_MAX)
			continue;
		wr->batch = took / batch >= ALONE_NS ? 1 : batch;
		return 0;
	}
}

/* A CPU that went offline takes its threads elsewhere without a word, and when it comes back so may
 * they. */
static inline void look_where(struct worker_run *wr)
{
	int cpu = sched_getcpu();

	if (__builtin_expect(cpu != wr->w.cpu, 0) && wr->w.cpu >= 0)
		wr->elsewhere = cpu;
}

/* For the series: plain stores, read by the control loop some times a second. */
static inline void publish(struct worker_run *wr, uint64_t now_ns)
{
	if (now_ns - wr->looked_ns >= WHERE_NS) {
		wr->looked_ns = now_ns;
		look_where(wr);
	}
	atomic_store_explicit(&wr->live.ops, wr->w.ops, memory_order_relaxed);
	atomic_store_explicit(&wr->live.bytes, wr->w.bytes, memory_order_relaxed);
}

static void publish_ring(struct worker_run *wr, uint64_t now_ns)
{
	struct worker_live *live = &wr->live;
	struct async_now now;
	uint64_t seq = atomic_load_explicit(&live->seq, memory_order_relaxed);

	publish(wr, now_ns);
	async_inflight_now(wr->w.async, &now);
	atomic_store_explicit(&live->seq, seq + 1, memory_order_relaxed);
	atomic_store_explicit(&live->at_ns, now.at_ns, memory_order_release);
	atomic_store_explicit(&live->inflight_ns, now.inflight_ns, memory_order_release);
	atomic_store_explicit(&live->inflight_next, now.next, memory_order_release);
	atomic_store_explicit(&live->seq, seq + 2, memory_order_release);
}

void bench_gauge(struct bench_worker *w, unsigned gauge, double value)
{
	struct worker_run *wr = (struct worker_run *)w; /* its first member */

	if (gauge < BENCH_GAUGES)
		atomic_store_explicit(&wr->live.gauges[gauge], value, memory_order_relaxed);
}

static void publish_nothing(struct worker_run *wr)
{
	for (unsigned i = 0; i < BENCH_GAUGES; i++)
		bench_gauge(&wr->w, i, NAN);
	atomic_store_explicit(&wr->live.ops, 0, memory_order_relaxed);
	atomic_store_explicit(&wr->live.bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&wr->live.at_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&wr->live.inflight_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&wr->live.inflight_next, 0, memory_order_relaxed);
}

bool worker_op(struct worker_run *wr, uint64_t due_ns, uint64_t begin_ns, uint64_t done_ns)
{
	struct bench_worker *w = &wr->w;

	w->ops++;
	publish(wr, done_ns);
	if (w->no_latency)
		return false;
	bench_hist_record(w->latency, done_ns - due_ns);
	if (__builtin_expect(done_ns - due_ns < w->slow_ns, 1))
		return false;
	bench_slow(w, due_ns, begin_ns, done_ns, w->key);
	return true;
}

static int run_alone(struct worker_run *wr)
{
	struct bench_worker *w = &wr->w;
	const struct bench_module *m = wr->run->module;
	uint64_t now = bench_now_ns();

	wr->start_ns = now;
	while (bench_running(w, now)) {
		uint64_t next;
		int rc = m->run(w, 1);

		next = bench_now_ns();
		if (rc)
			return rc;
		now = worker_op(wr, now, now, next) ? bench_now_ns() : next;
	}
	wr->stop_ns = now;
	return 0;
}

static int run_batches(struct worker_run *wr)
{
	struct bench_worker *w = &wr->w;
	const struct bench_module *m = wr->run->module;
	uint64_t now = bench_now_ns();

	wr->start_ns = now;
	while (bench_running(w, now)) {
		int rc = m->run(w, wr->batch);

		if (rc)
			return rc;
		w->ops += wr->batch;
		now = bench_now_ns();
		publish(wr, now);
	}
	wr->stop_ns = now;
	return 0;
}

static int run_passive(struct worker_run *wr)
{
	wr->start_ns = bench_now_ns();
	int rc = wr->run->module->run(&wr->w, UINT64_MAX);

	wr->stop_ns = bench_now_ns();
	return rc;
}

static int run_blocking(struct worker_run *wr)
{
	if (wr->w.passive)
		return run_passive(wr);
	if (wr->open)
		return open_loop_run(wr);
	return wr->batch == 1 ? run_alone(wr) : run_batches(wr);
}

/* Passive peers end with the active ones, however these ended. */
static void finish(struct worker_run *wr)
{
	const struct bench_module *m = wr->run->module;

	if (m->finish && !wr->w.passive)
		m->finish(&wr->w);
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Repeat a phase of the stop as long as completions arrive within its limit. */
static int while_completing(struct bench_async *a, struct bench_worker *w,
			    int (*stop)(struct bench_async *, struct bench_worker *, uint64_t),
			    uint64_t limit_ns)
{
	unsigned before;
	int rc;

	do {
		before = async_inflight(a, true);
		rc = stop(a, w, bench_now_ns() + limit_ns);
	} while (rc == -ETIME && async_inflight(a, true) < before);
	return rc;
}

/* Stop in three phases: the module starts no more, what is due drains, the rest is cancelled. */
static int stop_async(struct worker_run *wr)
{
	struct bench_worker *w = &wr->w;
	struct bench_async *a = w->async;
	int rc = while_completing(a, w, async_drain, DRAIN_NS);

	if (rc && rc != -ETIME)
		return rc;
	if (w->passive) {
		uint64_t give_up = bench_now_ns() + DRAIN_NS + CANCEL_NS;

		while (atomic_load(&wr->run->active_left) && bench_now_ns() < give_up) {
			rc = async_turn(a, w, bench_now_ns() + PASSIVE_LOOK_NS);
			if (rc)
				return rc;
		}
	}
	rc = while_completing(a, w, async_cancel, CANCEL_NS);
	if (rc)
		return bench_worker_fail(w, rc,
					 "%u operations did not end: none completed within %llu s",
					 async_inflight(a, true), CANCEL_NS / BENCH_NS_PER_SEC);
	return 0;
}

static int run_async(struct worker_run *wr)
{
	struct bench_worker *w = &wr->w;
	struct bench_async *a = w->async;
	struct async_stats total;
	uint64_t now;
	int rc;

	async_window_begin(a);
	now = wr->start_ns = bench_now_ns();
	rc = wr->run->module->start(w);
	if (wr->open)
		open_loop_start(wr);
	while (!rc && bench_running(w, now)) {
		uint64_t until = min_u64(w->window->end_ns, now + LOOK_NS);

		if (wr->open)
			until = min_u64(until, open_loop_issue(wr, bench_async_now(a)));
		rc = async_turn(a, w, until);
		now = bench_async_now(a);
		publish_ring(wr, now);
		if (w->err.code)
			break;
	}
	wr->stop_ns = bench_running(w, now) ? now : w->window->end_ns;
	if (wr->open)
		open_loop_stop(wr);
	end_usage(wr);
	async_window_stats(a, &wr->async);
	if (rc && !w->err.code)
		(void)bench_worker_fail(w, rc, "io_uring: %s%s", strerror(-rc),
					rc == -EBADR ? " (completions were lost)" : "");
	/* After lost or unknown completions there is nothing to wait for. */
	if (rc != -EBADR && rc != -EPROTO)
		rc = stop_async(wr) ? : rc;
	/* Depths are those of the window; that each operation completes shows only now. */
	async_window_stats(a, &total);
	wr->async.submitted = total.submitted;
	wr->async.completed = total.completed;
	wr->async.cq_overflow = total.cq_overflow;
	wr->async.sq_dropped = total.sq_dropped;
	return rc;
}

static void check_cpu(struct worker_run *wr)
{
	look_where(wr);
	if (wr->elsewhere >= 0)
		(void)bench_worker_fail(&wr->w, -EXDEV,
					"was moved from cpu %d to cpu %d: the CPU went offline or its "
					"affinity was changed",
					wr->w.cpu, wr->elsewhere);
}

void worker_window(struct runtime_thread *thread, void *arg)
{
	struct worker_run *wr = arg;
	struct bench_worker *w = &wr->w;
	bool async = wr->run->module->exec == BENCH_EXEC_ASYNC;

	(void)thread;
	w->ops = w->bytes = w->errors = 0;
	slow_begin(w, wr->run->trial);
	bench_hist_reset(w->latency);
	publish_nothing(wr);
	wr->elsewhere = -1;
	wr->looked_ns = 0;
	wr->rc = 0;
	if (wr->open)
		open_loop_begin(wr->open, wr->run->rate, w->index, wr->run->nr_active,
				wr->run->trial);
	else if (!async && !w->passive && !wr->batch)
		wr->rc = calibrate(wr);
	w->ops = w->bytes = w->other_cpu_ns = 0;
	wait_for_start(w->window);
	events_start(wr);
	calls_start(wr->calls);
	usage_thread(&wr->usage);
	wr->start_ns = wr->stop_ns = bench_now_ns();
	if (wr->rc == 0)
		wr->rc = async ? run_async(wr) : run_blocking(wr);
	if (!async)
		end_usage(wr);
	calls_stop(wr->calls);
	events_stop(wr);
	finish(wr);
	if (!w->passive)
		atomic_fetch_sub(&wr->run->active_left, 1);
	check_cpu(wr);
	if (w->err.code && !wr->rc)
		wr->rc = w->err.code;
}

void worker_setup(struct runtime_thread *thread, void *arg)
{
	struct worker_run *wr = arg;
	const struct bench_module *m = wr->run->module;

	(void)thread;
	wr->rc = m->setup ? m->setup(&wr->run->job, &wr->w.err) : 0;
}

void worker_teardown(struct runtime_thread *thread, void *arg)
{
	struct worker_run *wr = arg;

	(void)thread;
	wr->rc = 0;
	if (wr->run->module->teardown)
		wr->run->module->teardown(&wr->run->job);
}

/* Passive workers have no ops of their own. */
static int enter_slow(struct worker_run *wr, pid_t tid)
{
	struct slow_source source = { .set = wr->run->probes, .tid = tid };

	if (!wr->run->nr_slow || wr->w.passive)
		return 0;
	if (source.set) {
		source.history = probe_history;
		source.block = probe_block_find;
		source.answer = probe_answer;
	}
	wr->w.slow = slow_new(wr->run->nr_slow, wr->run->module, &source);
	return wr->w.slow ? 0 : bench_worker_fail(&wr->w, -ENOMEM, "out of memory");
}

/* The thread's ring, or one of the kind that the module wants. */
static int enter_ring(struct worker_run *wr, const struct runtime_thread *thread)
{
	const struct bench_module *m = wr->run->module;
	unsigned want = m->ring ? m->ring(wr->run->job.params) : 0;
	struct bench_err why = { 0 };
	int rc;

	wr->w.async = thread->async;
	if (!want)
		return 0;
	rc = async_open_like(&wr->ring, thread->async, want, &why);
	if (rc)
		return bench_worker_fail(&wr->w, rc, "a ring with%s%s: %s",
					 want & BENCH_RING_SQPOLL ? " SQPOLL" : "",
					 want & BENCH_RING_IOPOLL ? " IOPOLL" : "", why.msg);
	wr->w.async = wr->ring;
	return 0;
}

void worker_enter(struct runtime_thread *thread, void *arg)
{
	struct worker_run *wr = arg;
	const struct bench_module *m = wr->run->module;

	wr->rc = enter_ring(wr, thread);
	if (wr->rc)
		return;
	wr->w.latency = bench_hist_new(BENCH_HIST_BITS_WORKER);
	/* Allocated and touched here, on the worker: local to its NUMA node. */
	if (m->state_size)
		wr->w.state = aligned_alloc(64, (m->state_size + 63) / 64 * 64);
	if (!wr->w.latency || (m->state_size && !wr->w.state)) {
		wr->rc = bench_worker_fail(&wr->w, -ENOMEM, "out of memory");
		return;
	}
	if (m->state_size)
		memset(wr->w.state, 0, m->state_size);
	wr->rc = events_open(wr);
	if (wr->rc)
		return;
	if (m->enter)
		wr->rc = m->enter(&wr->w);
	if (!wr->rc && wr->run->rate > 0 && !wr->w.passive) {
		wr->w.paced = m->exec == BENCH_EXEC_ASYNC;
		wr->open = open_loop_new(wr->run->common->arrival,
					 wr->w.paced ? bench_async_depth(wr->w.async) : 0);
		if (!wr->open)
			wr->rc = bench_worker_fail(&wr->w, -ENOMEM, "out of memory");
	}
	if (!wr->rc)
		wr->rc = enter_slow(wr, thread->tid);
}

void worker_begin(struct runtime_thread *thread, void *arg)
{
	struct worker_run *wr = arg;

	(void)thread;
	wr->rc = events_turn(wr);
	if (wr->rc)
		return;
	wr->rc = wr->run->module->begin ? wr->run->module->begin(&wr->w) : 0;
}

void worker_end(struct runtime_thread *thread, void *arg)
{
	struct worker_run *wr = arg;

	(void)thread;
	wr->rc = 0;
	if (wr->run->module->end)
		wr->run->module->end(&wr->w);
	/* end() may find that the trial was wrong. */
	if (wr->w.err.code)
		wr->rc = wr->w.err.code;
}

void worker_leave(struct runtime_thread *thread, void *arg)
{
	struct worker_run *wr = arg;

	wr->rc = 0;
	if (wr->run->module->leave)
		wr->run->module->leave(&wr->w);
	if (wr->ring)
		async_close(wr->ring);
	else if (thread->async)
		async_unregister(thread->async);
	wr->ring = NULL;
	events_close(wr);
	bench_hist_free(wr->w.latency);
	wr->w.latency = NULL;
	open_loop_free(wr->open);
	wr->open = NULL;
	slow_free(wr->w.slow);
	wr->w.slow = NULL;
	free(wr->w.state);
	wr->w.state = NULL;
}
