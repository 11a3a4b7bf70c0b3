// SPDX-License-Identifier: BSD-2-Clause
/* When a server's end held its answers back: found in a history that is made up, told to another
 * host, and charged to the slow operations there. */
#include "slow_rig.h"

#include "core/stalls.h"

#define GRAIN STALL_GRAIN_NS

/* On the run queue for 3 grains, on a CPU for 2, then asleep. */
static void look(struct stalls *s, unsigned asleep_for, uint64_t until_ns)
{
	struct slow_source source = made_up;

	memset(&kernel, 0, sizeof(kernel));
	kernel.runnable_ns = 3 * GRAIN;
	kernel.blocked_ns = 5 * GRAIN;
	kernel.blocked_on = asleep_for;
	source.tid = 7;
	stalls_look(s, &source, until_ns);
}

static void stretches_are_found(void **state)
{
	struct stalls s;

	(void)state;
	stalls_begin(&s, 0);
	look(&s, PROBE_CAUSE_NET, GRAIN + GRAIN / 2);
	look(&s, PROBE_CAUSE_NET, 20 * GRAIN); /* goes on where it was */
	assert_int_equal(s.nr, 2);
	assert_int_equal(s.list[0].from_ns, 0);
	assert_int_equal(s.list[0].to_ns, 3 * GRAIN);
	assert_int_equal(s.list[0].cause, SLOW_PEER_RUNQUEUE);
	assert_int_equal(s.list[1].from_ns, 3 * GRAIN);
	assert_int_equal(s.list[1].to_ns, 5 * GRAIN);
	assert_int_equal(s.list[1].cause, SLOW_PEER_ONCPU);

	/* What it sleeps for decides. */
	stalls_begin(&s, 0);
	look(&s, PROBE_CAUSE_OTHER, 20 * GRAIN);
	assert_int_equal(s.nr, 3);
	assert_int_equal(s.list[2].to_ns, 20 * GRAIN);
	assert_int_equal(s.list[2].cause, SLOW_PEER);
}

static void nothing_is_found_without_a_history(void **state)
{
	const struct slow_source nothing = { 0 };
	struct stalls s;

	(void)state;
	stalls_begin(&s, 0);
	stalls_look(&s, &nothing, 20 * GRAIN);
	assert_int_equal(s.nr, 0);
}

/* One grain each, but for the longest, which comes in the middle. */
static void the_longest_are_kept(void **state)
{
	struct slow_source source = made_up;
	struct stalls s;
	bool kept = false;

	(void)state;
	source.tid = 7;
	stalls_begin(&s, 0);
	for (unsigned i = 0; i < 3 * STALLS_MAX; i++) {
		memset(&kernel, 0, sizeof(kernel));
		kernel.runnable_ns = s.looked_ns + (i == STALLS_MAX ? 9 : 1) * GRAIN;
		kernel.blocked_ns = kernel.runnable_ns;
		kernel.blocked_on = PROBE_CAUSE_NET;
		stalls_look(&s, &source, kernel.runnable_ns + GRAIN);
	}
	assert_int_equal(s.nr, STALLS_MAX);
	for (unsigned i = 0; i < s.nr; i++)
		kept |= s.list[i].to_ns - s.list[i].from_ns == 9 * GRAIN;
	assert_true(kept);
}

static void they_arrive_in_the_time_of_the_other_host(void **state)
{
	struct stalls s, there;
	json_t *json, *bad = json_pack("[[I, I, s], [I, I, s], s, [I]]", (json_int_t)5,
				       (json_int_t)4, "peer", (json_int_t)4, (json_int_t)5,
				       "nonsense", "x", (json_int_t)1);

	(void)state;
	stalls_begin(&s, 0);
	look(&s, PROBE_CAUSE_OTHER, 20 * GRAIN);
	json = stalls_json(&s);
	stalls_read(&there, json, -100);
	assert_int_equal(there.nr, 3);
	for (unsigned i = 0; i < there.nr; i++) {
		assert_int_equal(there.list[i].from_ns, s.list[i].from_ns + 100);
		assert_int_equal(there.list[i].to_ns, s.list[i].to_ns + 100);
		assert_int_equal(there.list[i].cause, s.list[i].cause);
	}
	stalls_read(&there, bad, 0);
	assert_int_equal(there.nr, 0);
	stalls_read(&there, NULL, 0);
	assert_int_equal(there.nr, 0);
	json_decref(json);
	json_decref(bad);
}

/* The part that was blocked on the network, no more, and of the window at hand only. */
static void slow_operations_are_charged(void **state)
{
	struct slow_op ops[3] = {
		{ .trial = 2, .intended_ns = 10 * GRAIN, .latency_ns = 10 * GRAIN },
		{ .trial = 1, .intended_ns = 10 * GRAIN, .latency_ns = 10 * GRAIN },
		{ .trial = 2, .intended_ns = 14 * GRAIN, .latency_ns = GRAIN }
	};
	struct bench_slow slow = { .trial = 2, .nr = 3, .worst = ops };
	struct stalls s = { .nr = 2,
			    .list = { { 0, 12 * GRAIN, SLOW_PEER_RUNQUEUE },
				      { 13 * GRAIN, 30 * GRAIN, SLOW_PEER } } };

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		ops[i].ns[PROBE_CAUSE_NET] = i < 2 ? 8 * GRAIN : GRAIN;
	stalls_charge(&s, &slow);
	assert_int_equal(ops[0].ns[SLOW_PEER_RUNQUEUE], 2 * GRAIN);
	assert_int_equal(ops[0].ns[SLOW_PEER], 6 * GRAIN);
	assert_int_equal(ops[0].ns[PROBE_CAUSE_NET], 0);
	assert_int_equal(ops[1].ns[PROBE_CAUSE_NET], 8 * GRAIN);
	assert_int_equal(ops[2].ns[PROBE_CAUSE_NET], GRAIN); /* shorter than can be told */
	stalls_charge(&s, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stretches_are_found),
		cmocka_unit_test(nothing_is_found_without_a_history),
		cmocka_unit_test(the_longest_are_kept),
		cmocka_unit_test(they_arrive_in_the_time_of_the_other_host),
		cmocka_unit_test(slow_operations_are_charged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
