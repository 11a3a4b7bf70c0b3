// SPDX-License-Identifier: BSD-2-Clause
/* Which operations are kept: the slowest, and samples around the percentiles. */
#include "unit/slow_rig.h"

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
	/* A duration and no time of day; how long is the host's matter. */
	assert_true(r.w.slow->cost_ns > 0 && r.w.slow->cost_ns < bench_now_ns() - r.window.start_ns);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
