// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bench/async.h"
#include "core/collect.h"
#include "core/slow.h"

/* A kernel that is made up: the worker waits on the run queue behind "hog" up to runnable_ns, is
 * then on a CPU until it blocks on a disk at blocked_ns, for good. */
static struct {
	uint64_t runnable_ns, blocked_ns;
	uint64_t extra_ns; /* told too much */
	unsigned crowd; /* so many hogs take turns; 0 = the one */
	unsigned asked;
	struct probe_block requests[2];
	unsigned nr_requests;
} kernel;

static uint64_t overlap(uint64_t from, uint64_t to, uint64_t low, uint64_t high)
{
	from = from > low ? from : low;
	to = to < high ? to : high;
	return to > from ? to - from : 0;
}

static int made_up_history(const struct probe_set *set, pid_t tid, uint64_t from_ns, uint64_t to_ns,
			   struct probe_interval *ret)
{
	(void)set;
	if (tid != 7)
		return -ENOENT;
	kernel.asked++;
	memset(ret, 0, sizeof(*ret));
	ret->ns[PROBE_CAUSE_RUNQUEUE] = overlap(from_ns, to_ns, 0, kernel.runnable_ns);
	ret->ns[PROBE_CAUSE_ONCPU] =
		overlap(from_ns, to_ns, kernel.runnable_ns, kernel.blocked_ns) + kernel.extra_ns;
	ret->ns[PROBE_CAUSE_DISK] = overlap(from_ns, to_ns, kernel.blocked_ns, UINT64_MAX);
	for (unsigned i = 0; i < kernel.crowd; i++) {
		/* Others than last time, and the last one is whoever is left. */
		snprintf(ret->culprits[i].who, sizeof(ret->culprits[i].who), "hog (%u)",
			 kernel.asked * 100 + i);
		ret->culprits[i].ns = ret->ns[PROBE_CAUSE_RUNQUEUE] / kernel.crowd;
		if (i == PROBE_MAX_CULPRITS - 1)
			strcpy(ret->culprits[i].who, PROBE_OTHERS);
	}
	if (ret->ns[PROBE_CAUSE_RUNQUEUE] && !kernel.crowd) {
		strcpy(ret->culprits[0].who, "hog (1)");
		ret->culprits[0].ns = ret->ns[PROBE_CAUSE_RUNQUEUE];
	}
	return 0;
}

static int made_up_block(const struct probe_set *set, uint32_t dev, uint64_t sector,
			 uint64_t from_ns, uint64_t to_ns, struct probe_block *ret)
{
	(void)set;
	for (unsigned i = 0; i < kernel.nr_requests; i++) {
		const struct probe_block *b = &kernel.requests[i];

		if (b->dev == dev && sector >= b->sector && sector < b->sector + b->bytes / 512 &&
		    b->complete_ns >= from_ns && b->complete_ns <= to_ns) {
			*ret = *b;
			return 0;
		}
	}
	return -ENOENT;
}

static const struct slow_source made_up = { .tid = 7,
					    .history = made_up_history,
					    .block = made_up_block };

static uint64_t sum_of(const struct slow_op *op)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < SLOW_NR_CAUSES; i++)
		sum += op->ns[i];
	return sum;
}

/* --- taking apart --- */

static void single_op_is_its_workers_history(void **state)
{
	struct slow_stamps t = { .intended_ns = 100, .submit_ns = 100, .done_ns = 1100, .single = true };
	struct slow_op op;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.runnable_ns = 700;
	kernel.blocked_ns = 1000;
	slow_take_apart(&made_up, &t, &op);
	assert_int_equal(op.ns[PROBE_CAUSE_RUNQUEUE], 600);
	assert_int_equal(op.ns[PROBE_CAUSE_ONCPU], 300);
	assert_int_equal(op.ns[PROBE_CAUSE_DISK], 100);
	assert_int_equal(sum_of(&op), 1000);
	assert_string_equal(op.culprits[0].who, "hog (1)");
	assert_int_equal(op.culprits[0].ns, 600);
	assert_int_equal(op.culprits[1].ns, 0);
}

/* More of them than there are places: nobody's time is lost. */
static void culprits_sum_to_the_wait(void **state)
{
	struct slow_stamps t = { .intended_ns = 100,
				 .submit_ns = 200,
				 .done_ns = 4900,
				 .placed = true,
				 .place = { .dev = 5, .sector = 64, .bytes = 4096 } };
	struct slow_op op;
	uint64_t sum = 0;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.runnable_ns = UINT64_MAX;
	kernel.blocked_ns = UINT64_MAX;
	kernel.crowd = PROBE_MAX_CULPRITS;
	kernel.nr_requests = 1;
	kernel.requests[0] = (struct probe_block){ 5, 64, 4096, 900, 1000, 4100 };
	slow_take_apart(&made_up, &t, &op);
	assert_int_equal(op.ns[PROBE_CAUSE_RUNQUEUE], 1600);
	for (unsigned i = 0; i < PROBE_MAX_CULPRITS; i++) {
		sum += op.culprits[i].ns;
		assert_true(!i || i == PROBE_MAX_CULPRITS - 1 ||
			    op.culprits[i].ns <= op.culprits[i - 1].ns);
	}
	assert_int_equal(sum, 1600);
	assert_string_equal(op.culprits[PROBE_MAX_CULPRITS - 1].who, PROBE_OTHERS);
	assert_int_equal(op.culprits[PROBE_MAX_CULPRITS - 1].ns, 900);
}

/* It waits while its worker sleeps for completions; what the worker does otherwise says nothing. */
static void one_of_many_is_known_while_its_worker_sleeps(void **state)
{
	struct slow_stamps t = { .intended_ns = 100, .submit_ns = 300, .done_ns = 1100 };
	struct slow_op op;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.runnable_ns = 200;
	kernel.blocked_ns = 1000;
	slow_take_apart(&made_up, &t, &op);
	assert_int_equal(op.ns[PROBE_CAUSE_RUNQUEUE], 100);
	assert_int_equal(op.ns[PROBE_CAUSE_ONCPU], 100);
	assert_int_equal(op.ns[SLOW_UNKNOWN], 700);
	assert_int_equal(op.ns[PROBE_CAUSE_DISK], 100);
	assert_int_equal(sum_of(&op), 1000);
}

static void block_request_fills_the_time_under_way(void **state)
{
	struct slow_stamps t = { .intended_ns = 100,
				 .submit_ns = 200,
				 .done_ns = 1100,
				 .placed = true,
				 .place = { .dev = 5, .sector = 64, .bytes = 4096 } };
	struct slow_op op;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.runnable_ns = 150;
	kernel.blocked_ns = 2000; /* on the CPU all the time, for others */
	kernel.nr_requests = 1;
	kernel.requests[0] = (struct probe_block){ .dev = 5,
						   .sector = 56,
						   .bytes = 8192,
						   .insert_ns = 250,
						   .issue_ns = 400,
						   .complete_ns = 1000 };
	slow_take_apart(&made_up, &t, &op);
	assert_int_equal(op.ns[PROBE_CAUSE_RUNQUEUE], 50);
	assert_int_equal(op.ns[PROBE_CAUSE_ONCPU], 50 + 50 + 100);
	assert_int_equal(op.ns[SLOW_QUEUE], 150);
	assert_int_equal(op.ns[SLOW_DEVICE], 600);
	assert_int_equal(op.ns[SLOW_UNKNOWN], 0);
	assert_int_equal(sum_of(&op), 1000);
}

/* A single op sleeps only for its request; but time in which its thread could not run is not the
 * device's. */
static void blocked_part_of_a_single_op_is_the_requests(void **state)
{
	struct slow_stamps t = { .intended_ns = 0,
				 .submit_ns = 0,
				 .done_ns = 1000,
				 .single = true,
				 .placed = true,
				 .place = { .dev = 5, .sector = 64, .bytes = 512 } };
	struct slow_op op;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.runnable_ns = 300;
	kernel.blocked_ns = 400;
	kernel.nr_requests = 1;
	kernel.requests[0] = (struct probe_block){ .dev = 5,
						   .sector = 64,
						   .bytes = 512,
						   .insert_ns = 200,
						   .issue_ns = 500,
						   .complete_ns = 900 };
	slow_take_apart(&made_up, &t, &op);
	assert_int_equal(op.ns[PROBE_CAUSE_RUNQUEUE], 300);
	assert_int_equal(op.ns[PROBE_CAUSE_ONCPU], 100);
	assert_int_equal(op.ns[SLOW_QUEUE], 100);
	assert_int_equal(op.ns[SLOW_DEVICE], 400);
	assert_int_equal(op.ns[PROBE_CAUSE_DISK], 100);
	assert_int_equal(sum_of(&op), 1000);
}

static void op_in_two_requests_waits_for_the_later_one(void **state)
{
	struct slow_stamps t = { .done_ns = 1000,
				 .placed = true,
				 .place = { .dev = 5, .sector = 0, .bytes = 8192 } };
	struct slow_op op;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.blocked_ns = 5000;
	kernel.nr_requests = 2;
	kernel.requests[0] = (struct probe_block){ 5, 0, 4096, 10, 10, 200 };
	kernel.requests[1] = (struct probe_block){ 5, 8, 4096, 10, 20, 900 };
	slow_take_apart(&made_up, &t, &op);
	assert_int_equal(op.ns[SLOW_DEVICE], 880);
	assert_int_equal(op.ns[SLOW_QUEUE], 10);
	/* One of them is not remembered: which one the op waited for cannot be told. */
	kernel.nr_requests = 1;
	slow_take_apart(&made_up, &t, &op);
	assert_int_equal(op.ns[SLOW_DEVICE], 0);
	assert_int_equal(op.ns[SLOW_UNKNOWN], 1000);
}

static void what_no_source_knows_is_unknown(void **state)
{
	struct slow_source nothing = { 0 }, stranger = made_up;
	struct slow_stamps t = { .done_ns = 1000, .single = true };
	struct slow_op op;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.runnable_ns = 2000;
	slow_take_apart(&nothing, &t, &op);
	assert_int_equal(op.ns[SLOW_UNKNOWN], 1000);
	stranger.tid = 8;
	slow_take_apart(&stranger, &t, &op);
	assert_int_equal(op.ns[SLOW_UNKNOWN], 1000);
	/* A history that tells more than there was is not believed. */
	kernel.extra_ns = 1;
	slow_take_apart(&made_up, &t, &op);
	assert_int_equal(op.ns[SLOW_UNKNOWN], 1000);
	assert_int_equal(sum_of(&op), 1000);
}

/* --- choosing --- */

static const struct bench_module module = { .exec = BENCH_EXEC_BLOCKING };

struct rig {
	struct bench_window window;
	struct bench_worker w;
};

static void rig_init(struct rig *r, unsigned nr)
{
	memset(&kernel, 0, sizeof(kernel));
	*r = (struct rig){ .window = { 1000, UINT64_MAX } };
	r->w.window = &r->window;
	r->w.latency = bench_hist_new(BENCH_HIST_BITS_WORKER);
	r->w.slow = slow_new(nr, &module, &made_up);
	assert_non_null(r->w.slow);
}

static void rig_done(struct rig *r)
{
	bench_hist_free(r->w.latency);
	slow_free(r->w.slow);
}

/* As the core does for an op of this length. */
static void op(struct rig *r, uint64_t at_ns, uint64_t ns)
{
	bench_hist_record(r->w.latency, ns);
	if (ns >= r->w.slow_ns)
		bench_slow(&r->w, at_ns, at_ns, at_ns + ns, 0);
}

static json_t *json_of(struct rig *r, unsigned nr_workers, unsigned nr, unsigned nr_trials)
{
	struct bench_slow *slows[4];

	for (unsigned i = 0; i < nr_workers; i++)
		slows[i] = r[i].w.slow;
	return slow_json(slows, nr_workers, nr, r[0].w.latency, nr_trials);
}

static int64_t number(const json_t *array, size_t i, const char *member)
{
	return json_integer_value(json_object_get(json_array_get(array, i), member));
}

static void slowest_are_kept_in_order(void **state)
{
	struct rig r;
	json_t *slow;

	(void)state;
	rig_init(&r, 8);
	slow_begin(&r.w, 1);
	/* 1009 is prime: each of 1 .. 1008 once, in no order. */
	for (uint64_t i = 1, ns = 1; i < 1009; i++, ns = ns * 11 % 1009)
		op(&r, 1000 + i, ns);
	assert_int_equal(r.w.slow_ns, 1002);
	slow = json_of(&r, 1, 8, 1);
	assert_int_equal(json_array_size(slow), 8);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(number(slow, i, "latency_ns"), 1008 - i);
		assert_int_equal(number(slow, i, "trial"), 1);
		assert_true(number(slow, i, "at_ns") >= 1);
	}
	json_decref(slow);
	rig_done(&r);
}

static void fast_ops_are_not_looked_at(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, 4);
	slow_begin(&r.w, 1);
	for (unsigned i = 0; i < 4; i++)
		op(&r, 2000, 1000);
	assert_int_equal(kernel.asked, 4);
	for (unsigned i = 0; i < 1000; i++)
		op(&r, 2000, 999);
	assert_int_equal(kernel.asked, 4);
	/* Nothing in a window that is not timed, nor without a place to keep it. */
	slow_begin(&r.w, 0);
	op(&r, 2000, 5000);
	r.w.slow_ns = 0;
	op(&r, 2000, 5000);
	assert_int_equal(kernel.asked, 4);
	assert_int_equal(r.w.slow_ns, UINT64_MAX);
	rig_done(&r);
}

/* Ops that get slower and slower, each a record: looking up stops costing more than its share. */
static void looking_up_has_a_budget(void **state)
{
	struct rig r;
	json_t *slow;
	unsigned i;

	(void)state;
	rig_init(&r, 4);
	r.window.start_ns = bench_now_ns();
	slow_begin(&r.w, 1);
	op(&r, 2000, 1);
	assert_true(r.w.slow->cost_ns > 0 && r.w.slow->cost_ns < BENCH_NS_PER_MS);
	r.w.slow->cost_ns = BENCH_NS_PER_SEC; /* as if the look-up had taken so long */
	kernel.asked = 0;
	for (i = 2; i < 100; i++)
		op(&r, 2000, i);
	assert_int_equal(kernel.asked, 0);
	slow = json_of(&r, 1, 4, 1);
	assert_int_equal(number(slow, 0, "latency_ns"), 99);
	assert_int_equal(json_integer_value(json_object_get(
				 json_object_get(json_array_get(slow, 0), "causes"), "unknown")),
			 99);
	assert_non_null(json_object_get(json_array_get(slow, 0), "note"));
	json_decref(slow);
	/* The next window has a budget of its own. */
	slow_begin(&r.w, 2);
	op(&r, 2000, 100);
	assert_int_equal(kernel.asked, 1);
	rig_done(&r);
}

static void ops_of_a_trial_cut_short_are_dropped(void **state)
{
	struct rig r;
	json_t *slow;

	(void)state;
	rig_init(&r, 4);
	slow_begin(&r.w, 1);
	op(&r, 2000, 100);
	slow_begin(&r.w, 2);
	op(&r, 2000, 500);
	slow = json_of(&r, 1, 4, 1);
	assert_int_equal(json_array_size(slow), 1);
	assert_int_equal(number(slow, 0, "latency_ns"), 100);
	json_decref(slow);
	assert_null(json_of(&r, 1, 4, 0));
	rig_done(&r);
}

static void workers_are_put_together(void **state)
{
	struct rig r[2];
	json_t *slow;

	(void)state;
	rig_init(&r[0], 4);
	rig_init(&r[1], 4);
	for (unsigned w = 0; w < 2; w++) {
		slow_begin(&r[w].w, 1);
		for (unsigned i = 0; i < 4; i++)
			op(&r[w], 2000, 100 + 10 * i + w);
	}
	slow = json_of(r, 2, 4, 1);
	assert_int_equal(json_array_size(slow), 4);
	assert_int_equal(number(slow, 0, "latency_ns"), 131);
	assert_int_equal(number(slow, 0, "worker"), 1);
	assert_int_equal(number(slow, 1, "latency_ns"), 130);
	assert_int_equal(number(slow, 1, "worker"), 0);
	json_decref(slow);
	rig_done(&r[0]);
	rig_done(&r[1]);
}

/* Ops of 1 .. 100,000 ns: the bands are then known by their numbers, and each part of one must be
 * met about equally often. */
static void samples_lie_around_their_percentile(void **state)
{
	unsigned low_half = 0, nr_p99 = 0, nr_p999 = 0;
	struct rig r;
	json_t *slow;
	size_t i;
	json_t *one;

	(void)state;
	rig_init(&r, 1);
	for (unsigned trial = 0; trial < 2; trial++) {
		/* The first window tells where the bands are. */
		slow_begin(&r.w, trial);
		for (uint64_t n = 1, ns = 1; n < 100003; n++, ns = ns * 2 % 100003)
			op(&r, 2000, ns);
	}
	/* Give or take a bucket, 1024 ns here. */
	assert_in_range(r.w.slow_ns, 98500 - 1024, 98500);
	slow = json_of(&r, 1, 1, 1);
	json_array_foreach (slow, i, one) {
		const char *class = json_string_value(json_object_get(one, "class"));
		int64_t ns = number(slow, i, "latency_ns");

		if (strcmp(class, "p99") == 0) {
			nr_p99++;
			low_half += ns < 99000;
			assert_in_range(ns, 98500 - 1024, 99500 + 1024);
		} else if (strcmp(class, "p99.9") == 0) {
			nr_p999++;
			assert_in_range(ns, 99850 - 1024, 100003);
		}
	}
	assert_true(nr_p99 >= 20 && nr_p99 <= SLOW_BAND_OPS);
	assert_true(nr_p999 >= 1 && nr_p999 <= SLOW_BAND_OPS);
	/* All in one half by chance: 2^-20 at best. */
	assert_true(low_half > 0 && low_half < nr_p99);
	json_decref(slow);
	rig_done(&r);
}

/* And those are from all of the window: by chance, few or none of 32 from its second half would come
 * once in a million times. */
static void ops_of_one_length_have_samples(void **state)
{
	unsigned late = 0;
	struct rig r;

	(void)state;
	rig_init(&r, 1);
	for (unsigned trial = 0; trial < 2; trial++) {
		slow_begin(&r.w, trial);
		for (unsigned i = 0; i < 20000; i++)
			op(&r, 2000 + i, 1000003);
	}
	for (unsigned i = 0; i < SLOW_BAND_OPS; i++)
		late += r.w.slow->bands[0].ops[i].at_ns > 10000;
	assert_in_range(late, 4, SLOW_BAND_OPS - 4);
	assert_int_equal(r.w.slow->bands[0].nr, SLOW_BAND_OPS);
	assert_int_equal(r.w.slow->bands[1].nr, SLOW_BAND_OPS);
	rig_done(&r);
}

static void too_few_ops_have_no_percentile(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, 1);
	for (unsigned trial = 0; trial < 2; trial++) {
		slow_begin(&r.w, trial);
		for (unsigned i = 0; i < 300; i++)
			op(&r, 2000, i);
	}
	assert_int_equal(r.w.slow->bands[0].seen, 0);
	assert_int_equal(r.w.slow->bands[1].seen, 0);
	rig_done(&r);
}

static void op_of_a_ring_gives_its_stamps(void **state)
{
	struct bench_op o = { .intended_ns = 2000, .submit_ns = 2100, .done_ns = 2600 };
	struct rig r;

	(void)state;
	rig_init(&r, 2);
	slow_begin(&r.w, 1);
	kernel.blocked_ns = 2300;
	bench_op_done(&r.w, &o, o.submit_ns, 4096, 0);
	assert_int_equal(r.w.ops, 1);
	assert_int_equal(r.w.bytes, 4096);
	assert_int_equal(r.w.latency->sum, 600);
	assert_int_equal(r.w.slow->nr, 1);
	assert_int_equal(r.w.slow->worst[0].ns[PROBE_CAUSE_DISK], 300);
	assert_int_equal(r.w.slow->worst[0].at_ns, 1000);
	rig_done(&r);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOWED_DOWN 1
#elif defined(__has_feature)
#define SLOWED_DOWN (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SLOWED_DOWN 0
#endif

static __attribute__((noinline)) void account(struct bench_worker *w, struct bench_op *o,
					      bool may_be_slow, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		__asm__ volatile("" ::"r"(o) : "memory");
		if (may_be_slow)
			bench_op_done(w, o, o->submit_ns, 4096, 0);
		else
			bench_done(w, 4096, o->done_ns - o->intended_ns);
	}
}

static void fast_op_costs_less_than_10_ns_more(void **state)
{
	struct bench_op o = { .intended_ns = 2000, .submit_ns = 2100, .done_ns = 2500 };
	uint64_t best[2] = { UINT64_MAX, UINT64_MAX };
	const unsigned nr = 100000;
	struct rig r;

	(void)state;
	if (SLOWED_DOWN) {
		print_message("skipped: a sanitizer slows it down\n");
		skip();
	}
	rig_init(&r, 4);
	slow_begin(&r.w, 1);
	for (unsigned i = 0; i < 4; i++)
		op(&r, 2000, 1000);
	for (unsigned round = 0; round < 60; round++) {
		uint64_t start = bench_now_ns(), took;

		account(&r.w, &o, round % 2, nr);
		took = bench_now_ns() - start;
		if (took < best[round % 2])
			best[round % 2] = took;
	}
	assert_true(best[1] <= best[0] + 10 * nr);
	rig_done(&r);
}

/* --- Little's law --- */

static void little_notices_what_does_not_fit(void **state)
{
	(void)state;
	assert_true(little_holds(32e9, 32e9));
	assert_true(little_holds(32e9, 31.5e9));
	assert_true(little_holds(32e9, 32.5e9));
	assert_false(little_holds(32e9, 31e9));
	assert_false(little_holds(32e9, 33e9));
}

static void little_needs_all_ops(void **state)
{
	static const struct bench_module async = { .exec = BENCH_EXEC_ASYNC };
	struct worker_run *wr = aligned_alloc(64, sizeof(*wr));
	struct job_run jr = { .module = &async, .nr = 1 };
	char text[200];

	(void)state;
	assert_non_null(wr);
	memset(wr, 0, sizeof(*wr));
	jr.workers = wr;
	wr->w.latency = bench_hist_new(BENCH_HIST_BITS_WORKER);
	wr->async = (struct async_stats){ .inflight_integral = 8000,
					  .inflight_ns = 1000,
					  .inflight_max = 8 };
	bench_hist_record(wr->w.latency, 100);
	wr->w.ops = 1;
	assert_false(collect_little(&jr, text, sizeof(text)));
	assert_non_null(strstr(text, "8 operations"));
	/* The others are still under way. */
	wr->async.rest_integral = 7900;
	assert_true(collect_little(&jr, text, sizeof(text)));
	wr->async.rest_integral = 0;
	wr->w.ops = 2; /* one without a latency */
	assert_true(collect_little(&jr, text, sizeof(text)));
	wr->w.ops = 1;
	wr->w.errors = 1;
	assert_true(collect_little(&jr, text, sizeof(text)));
	bench_hist_free(wr->w.latency);
	free(wr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_op_is_its_workers_history),
		cmocka_unit_test(culprits_sum_to_the_wait),
		cmocka_unit_test(one_of_many_is_known_while_its_worker_sleeps),
		cmocka_unit_test(block_request_fills_the_time_under_way),
		cmocka_unit_test(blocked_part_of_a_single_op_is_the_requests),
		cmocka_unit_test(op_in_two_requests_waits_for_the_later_one),
		cmocka_unit_test(what_no_source_knows_is_unknown),
		cmocka_unit_test(slowest_are_kept_in_order),
		cmocka_unit_test(fast_ops_are_not_looked_at),
		cmocka_unit_test(looking_up_has_a_budget),
		cmocka_unit_test(ops_of_a_trial_cut_short_are_dropped),
		cmocka_unit_test(workers_are_put_together),
		cmocka_unit_test(samples_lie_around_their_percentile),
		cmocka_unit_test(ops_of_one_length_have_samples),
		cmocka_unit_test(too_few_ops_have_no_percentile),
		cmocka_unit_test(op_of_a_ring_gives_its_stamps),
		cmocka_unit_test(fast_op_costs_less_than_10_ns_more),
		cmocka_unit_test(little_notices_what_does_not_fit),
		cmocka_unit_test(little_needs_all_ops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
