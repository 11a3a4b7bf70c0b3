// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "bench/async.h"
#include "bench/clock.h"
#include "core/result.h"
#include "core/open_loop.h"
#include "core/run.h"
#include "core/worker.h"

#define STALL_NS (50 * BENCH_NS_PER_MS)

static uint64_t stall_at; /* the op that takes STALL_NS; others take next to nothing */

static int run_op(struct bench_worker *w, uint64_t ops)
{
	uint64_t until = bench_now_ns() + STALL_NS;

	assert_int_equal(ops, 1);
	while (w->ops == stall_at && bench_now_ns() < until)
		;
	return 0;
}

static const struct bench_module module = { .name = "fake", .run = run_op };

struct rig {
	struct job_settings common;
	struct job_run jr;
	struct worker_run *wr;
};

static void rig_init(struct rig *r, uint64_t rate, uint64_t duration_ns)
{
	memset(r, 0, sizeof(*r));
	r->common = (struct job_settings){ .rate = rate, .arrival = ARRIVAL_CONSTANT };
	r->wr = aligned_alloc(64, sizeof(*r->wr));
	memset(r->wr, 0, sizeof(*r->wr));
	r->jr = (struct job_run){ .module = &module, .workers = r->wr, .nr = 1,
				  .common = &r->common, .rate = (double)rate };
	r->wr->run = &r->jr;
	r->wr->open = open_loop_new(ARRIVAL_CONSTANT, 0);
	r->wr->w = (struct bench_worker){ .window = &r->jr.window,
					  .latency = bench_hist_new(BENCH_HIST_BITS_WORKER),
					  .slow_ns = UINT64_MAX };
	open_loop_begin(r->wr->open, (double)rate, 0, 1, 1);
	r->jr.window.start_ns = bench_now_ns();
	r->jr.window.end_ns = r->jr.window.start_ns + duration_ns;
}

static void rig_done(struct rig *r)
{
	open_loop_free(r->wr->open);
	bench_hist_free(r->wr->w.latency);
	free(r->wr);
}

static uint64_t above(const struct bench_hist *hist, uint64_t ns)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < hist->nr_buckets; i++)
		if (bench_hist_low(hist, i) >= ns)
			sum += hist->n[i];
	return sum;
}

static void constant_arrivals_take_turns(void **state)
{
	struct open_loop *a = open_loop_new(ARRIVAL_CONSTANT, 0),
			 *b = open_loop_new(ARRIVAL_CONSTANT, 0);

	(void)state;
	open_loop_begin(a, 1000, 0, 2, 1);
	open_loop_begin(b, 1000, 1, 2, 1);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(open_loop_next(a), i * 2000000);
		assert_int_equal(open_loop_next(b), i * 2000000 + 1000000);
	}
	open_loop_free(a);
	open_loop_free(b);
}

/* Exponential: mean and standard deviation are the period. */
static void poisson_arrivals_are_poissons_and_the_same_each_time(void **state)
{
	enum { NR = 100000 };
	struct open_loop *a = open_loop_new(ARRIVAL_POISSON, 0),
			 *b = open_loop_new(ARRIVAL_POISSON, 0);
	double sum = 0, squares = 0, mean;
	uint64_t last = 0;

	(void)state;
	open_loop_begin(a, 1e5, 0, 1, 3);
	open_loop_begin(b, 1e5, 0, 1, 3);
	for (unsigned i = 0; i < NR; i++) {
		uint64_t at = open_loop_next(a);

		assert_int_equal(at, open_loop_next(b));
		sum += (double)(at - last);
		squares += (double)(at - last) * (double)(at - last);
		last = at;
	}
	mean = sum / NR;
	assert_true(fabs(mean / 10000 - 1) < 0.02);
	assert_true(fabs(sqrt(squares / NR - mean * mean) / mean - 1) < 0.02);
	open_loop_begin(b, 1e5, 1, 1, 3);
	assert_int_not_equal(open_loop_next(a), open_loop_next(b));
	open_loop_free(a);
	open_loop_free(b);
}

/* A closed loop has one slow operation here. Those that were due during the stall waited, too: half
 * of them longer than half of it. */
static void a_stall_is_seen_by_all_that_were_due(void **state)
{
	struct rig r;
	uint64_t half;

	(void)state;
	rig_init(&r, 1000, 200 * BENCH_NS_PER_MS);
	stall_at = 20;
	assert_int_equal(open_loop_run(r.wr), 0);
	half = above(r.wr->w.latency, STALL_NS / 2);
	assert_true(half >= 24); /* more when the host has stalls of its own */
	assert_int_equal(r.wr->open->arrivals, 200);
	assert_int_equal(r.wr->w.ops + r.wr->open->unserved, 200);
	assert_int_equal(r.wr->open->service->count, r.wr->w.ops);
	assert_true(r.wr->open->service->max >= STALL_NS);
	assert_true(above(r.wr->open->service, STALL_NS / 2) < half / 2);
	rig_done(&r);
}

static void what_cannot_be_served_is_counted(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, 1000, 60 * BENCH_NS_PER_MS);
	stall_at = 0;
	assert_int_equal(open_loop_run(r.wr), 0);
	assert_int_equal(r.wr->open->arrivals, 60);
	assert_int_equal(r.wr->w.ops + r.wr->open->unserved, 60);
	rig_done(&r);
	rig_init(&r, 1000, 40 * BENCH_NS_PER_MS);
	assert_int_equal(open_loop_run(r.wr), 0);
	assert_int_equal(r.wr->w.ops, 1);
	assert_int_equal(r.wr->open->unserved, 39);
	rig_done(&r);
}

static void a_slow_generator_is_told_from_a_slow_system(void **state)
{
	struct bench_metric_set *set = metric_set_new();
	char note[240] = "";
	struct rig r;

	(void)state;
	rig_init(&r, 1000, BENCH_NS_PER_SEC);
	metric_set_next_trial(set);
	for (unsigned i = 0; i < 1000; i++) {
		bench_hist_record(r.wr->w.latency, 100000);
		bench_hist_record(r.wr->open->lateness, 5000);
	}
	assert_true(open_loop_put(&r.jr, r.wr->w.latency, set, note, sizeof(note)));
	for (unsigned i = 0; i < 20; i++)
		bench_hist_record(r.wr->open->lateness, 20000);
	assert_false(open_loop_put(&r.jr, r.wr->w.latency, set, note, sizeof(note)));
	assert_non_null(strstr(note, "generator-limited"));
	assert_non_null(strstr(note, "20.0 us late at p99,"));
	/* It is as late as before, but where the system takes far longer. */
	for (unsigned i = 0; i < 20; i++)
		bench_hist_record(r.wr->w.latency, 1000000);
	assert_true(open_loop_put(&r.jr, r.wr->w.latency, set, note, sizeof(note)));
	for (unsigned i = 0; i < 1020; i++)
		bench_hist_record(r.wr->open->lateness, 20000);
	assert_false(open_loop_put(&r.jr, r.wr->w.latency, set, note, sizeof(note)));
	assert_non_null(strstr(note, "20.0 us late at p50,"));
	metric_set_free(set);
	rig_done(&r);
}

/* An ASYNC module whose ops are timers: up to `room` at once, of OP_NS each but one. */
#define OP_NS (100 * BENCH_NS_PER_US)
static unsigned room, under_way, issued, overtook;

static void timer_done(struct bench_worker *w, struct bench_op *op)
{
	assert_int_equal(op->res, 0);
	if (op->user)
		overtook = issued - (unsigned)stall_at - 1;
	under_way--;
	bench_op_done(w, op, op->submit_ns, 10, 0);
}

static int timer_issue(struct bench_worker *w, struct bench_op *op)
{
	uint64_t took = issued == stall_at ? STALL_NS : OP_NS;

	if (under_way == room)
		return -EAGAIN;
	under_way++;
	issued++;
	op->done = timer_done;
	op->user = took == STALL_NS ? &stall_at : NULL;
	bench_op_timeout(w->async, op, bench_async_now(w->async) + took);
	return 0;
}

static int timer_start(struct bench_worker *w)
{
	assert_true(w->paced);
	under_way = issued = overtook = 0;
	return 0;
}

static const struct bench_module timers = { .exec = BENCH_EXEC_ASYNC,
					    .name = "fake",
					    .start = timer_start,
					    .issue = timer_issue };

/* A window of the core's own, on a ring. */
static void run_timers(struct rig *r, uint64_t rate, uint64_t duration_ns)
{
	struct bench_err err = { 0 };
	struct async_caps caps;

	rig_init(r, rate, duration_ns);
	if (async_probe(&caps, &err) || async_open(&r->wr->w.async, &caps, &err)) {
		rig_done(r);
		print_message("skipped: %s\n", err.msg);
		skip();
	}
	open_loop_free(r->wr->open);
	r->wr->open = open_loop_new(ARRIVAL_CONSTANT, bench_async_depth(r->wr->w.async));
	r->jr.module = &timers;
	r->jr.trial = r->jr.nr_active = 1;
	r->jr.active_left = 1;
	r->wr->w.paced = true;
	r->wr->w.cpu = -1;
	r->jr.window.start_ns = bench_now_ns() + BENCH_NS_PER_MS;
	r->jr.window.end_ns = r->jr.window.start_ns + duration_ns;
	worker_window(NULL, r->wr);
	assert_int_equal(r->wr->rc, 0);
	async_close(r->wr->w.async);
}

/* One op at a time: all that are due during the stall wait in line. */
static void async_ops_wait_in_line_behind_a_stall(void **state)
{
	const struct bench_worker *w;
	const struct open_loop *open;
	struct rig r;
	uint64_t half;

	(void)state;
	room = 1;
	stall_at = 20;
	run_timers(&r, 1000, 200 * BENCH_NS_PER_MS);
	w = &r.wr->w;
	open = r.wr->open;
	half = above(w->latency, STALL_NS / 2);
	assert_true(half >= 24);
	assert_int_equal(overtook, 0);
	assert_int_equal(open->arrivals, 200);
	assert_int_equal(w->ops + open->drained + open->unserved, 200);
	assert_int_equal(w->latency->count, w->ops + open->drained);
	assert_int_equal(open->service->count, w->latency->count);
	assert_int_equal(open->lateness->count, w->latency->count);
	assert_int_equal(w->bytes, 10 * w->ops);
	/* What the line holds beyond an op's own time is the same, counted another way. */
	assert_true(fabs(open->line_integral + (double)open->service->sum -
			 (double)w->latency->sum) < 0.02 * (double)w->latency->sum);
	rig_done(&r);
}

/* Room for all: only the one stalls. */
static void async_ops_overtake_where_there_is_room(void **state)
{
	struct rig r;

	(void)state;
	room = 1000;
	stall_at = 20;
	run_timers(&r, 1000, 200 * BENCH_NS_PER_MS);
	assert_int_equal(r.wr->open->arrivals, 200);
	assert_int_equal(r.wr->w.latency->count + r.wr->open->unserved, 200);
	assert_true(r.wr->w.latency->max >= STALL_NS);
	assert_true(overtook >= 48 && overtook < 200);
	rig_done(&r);
}

/* The last op outlives the window: no throughput, but a latency. */
static void async_ops_that_end_late_have_a_latency(void **state)
{
	struct rig r;

	(void)state;
	room = 1000;
	stall_at = 18;
	run_timers(&r, 1000, 20 * BENCH_NS_PER_MS);
	assert_int_equal(r.wr->open->arrivals, 20);
	assert_int_equal(r.wr->w.latency->count + r.wr->open->unserved, 20);
	assert_true(r.wr->open->drained >= 1);
	assert_true(r.wr->w.ops < 20);
	assert_true(r.wr->w.latency->max >= STALL_NS);
	assert_true(r.wr->open->drained_ns >= STALL_NS);
	rig_done(&r);
	room = 1;
	stall_at = 5;
	run_timers(&r, 1000, 20 * BENCH_NS_PER_MS);
	assert_int_equal(r.wr->open->arrivals, 20);
	assert_true(r.wr->open->unserved >= 14);
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(constant_arrivals_take_turns),
		cmocka_unit_test(poisson_arrivals_are_poissons_and_the_same_each_time),
		cmocka_unit_test(a_stall_is_seen_by_all_that_were_due),
		cmocka_unit_test(what_cannot_be_served_is_counted),
		cmocka_unit_test(async_ops_wait_in_line_behind_a_stall),
		cmocka_unit_test(async_ops_overtake_where_there_is_room),
		cmocka_unit_test(async_ops_that_end_late_have_a_latency),
		cmocka_unit_test(a_slow_generator_is_told_from_a_slow_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
