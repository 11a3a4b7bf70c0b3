// SPDX-License-Identifier: BSD-2-Clause
/* Which events share a group, and how groups take turns, on a simulated PMU. */
#include "unit/counter_sim.h"

static void default_events_count_in_one_group_and_derive(void **state)
{
	(void)state;
	make_plan("intel", NULL);
	assert_int_equal(plan->nr_groups, 4);
	assert_int_equal(plan->groups[2].nr, 6);
	assert_false(plan->groups[2].split);
	count(&thread, 1, 1e9);
	assert_value("cycles", "ok", 3e9);
	assert_value("instructions", "ok", 6e9);
	assert_value("instructions.per_op", "ok", 6e6);
	assert_value("branch-misses", "ok", 1e8);
	assert_value("branch-misses.mpki", "ok", 1e8 / 6e6);
	assert_value("cache-misses.mpki", "ok", 2e7 / 6e6);
	assert_value("ipc", "ok", 2);
	assert_value("ghz", "ok", 3);
	assert_value("task-clock", "ok", 1e9);
	assert_string_equal(bench_result_str(metric("task-clock"), "unit"), "ns");
	assert_true(json_is_null(bench_result_get(metric("cycles"), "note")) ||
		    !*bench_result_str(metric("cycles"), "note"));
}

static void user_and_kernel_are_told_apart_in_a_pass_of_their_own(void **state)
{
	(void)state;
	sim.kernel_share = 0.25;
	make_plan("intel", NULL);
	assert_int_equal(counter_plan_passes(plan), 2);
	count_trials(4, 1e9);
	assert_trials("cycles", "xxxx");
	assert_trials("ipc", "xxxx");
	assert_trials("branches", "x-x-");
	assert_trials("cycles:u", "-x-x");
	assert_trials("cycles:k", "-x-x");
	assert_value("cycles", "ok", 3e9);
	assert_value("cycles:u", "ok", 3e9 * 0.75);
	assert_value("cycles:k", "ok", 3e9 * 0.25);
	assert_value("instructions:k", "ok", 6e9 * 0.25);
	assert_value("ipc:u", "ok", 2);
}

static void second_window_counts_from_its_own_start(void **state)
{
	struct counter_session *s;
	const char *note;
	struct counter_reading r;
	enum session_presence presence;

	(void)state;
	make_plan("intel", "cycles");
	assert_int_equal(counter_open(&s, plan, &thread, 0, NULL), 0);
	for (unsigned window = 1; window < 4; window++) {
		advance(7e6); /* between windows: not counted */
		assert_int_equal(counter_enable(s), 0);
		advance(window * 1e9);
		assert_int_equal(counter_disable(s), 0);
		assert_int_equal(counter_session_reading(s, 0, &presence, &r, &note), BENCH_OK);
		assert_int_equal(r.value, 3e9 * window);
		assert_int_equal(r.enabled_ns, 1e9 * window);
	}
	counter_close(s);
}

#define SIX "cycles,instructions,branches,branch-misses,cache-references,cache-misses"

static void group_that_does_not_fit_is_split_and_marked(void **state)
{
	json_t *json;

	(void)state;
	sim.counters = 4;
	make_plan("intel", SIX);
	assert_int_equal(plan->nr_groups, 2);
	assert_int_equal(plan->groups[0].nr, 4);
	assert_int_equal(plan->groups[1].nr, 4); /* cycles and instructions again */
	json = counter_plan_json(plan);
	assert_true(json_is_true(json_object_get(json_array_get(json, 0), "split")));
	assert_int_equal(json_integer_value(json_object_get(json_array_get(json, 5), "group")), 1);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(json, 5), "passes")), 2);
	json_decref(json);
	assert_int_equal(counter_plan_passes(plan), 2);
}

/* Not those of user or kernel mode alone, which would take counters in every part, and say less. */
static void parts_of_a_group_share_the_whole_cycles_and_instructions(void **state)
{
	(void)state;
	sim.counters = 4;
	make_plan("intel", "cycles:k,cycles:u,cycles,instructions:k,instructions,branches");
	assert_int_equal(plan->nr_groups, 2);
	for (unsigned g = 0; g < 2; g++) {
		const unsigned short *m = &plan->members[plan->groups[g].first];

		assert_int_equal(plan->groups[g].nr, 4);
		assert_string_equal(plan->events[m[0]].name, "cycles");
		assert_string_equal(plan->events[m[1]].name, "instructions");
	}
}

static void groups_take_turns_over_trials_at_full_coverage(void **state)
{
	(void)state;
	sim.counters = 4;
	make_plan("intel", SIX ",task-clock");
	count_trials(5, 1e9);
	assert_trials("cycles", "xxxxx");
	assert_trials("ipc", "xxxxx");
	assert_trials("task-clock", "xxxxx");
	assert_trials("branch-misses", "x-x-x");
	assert_trials("cache-misses", "-x-x-");
	assert_value("cycles", "ok", 3e9);
	assert_value("branch-misses", "ok", 1e8);
	assert_value("cache-misses", "ok", 2e7);
	assert_value("ipc", "ok", 2);
	assert_true(sim.max_open <= 5); /* never more than one group and the clock */
	assert_true(bench_result_num(metric("cycles"), "enabled_ns") == 1e9);
	assert_true(bench_result_num(metric("cycles"), "running_ns") == 1e9);
}

static void event_without_a_trial_says_how_many_it_takes(void **state)
{
	(void)state;
	sim.counters = 3;
	make_plan("intel", SIX);
	assert_int_equal(counter_plan_passes(plan), 4);
	count_trials(3, 1e9);
	assert_value("cycles", "ok", 3e9);
	assert_value("cache-references", "ok", 2e8);
	assert_absent("cache-misses", "not_counted", "needs 4 trials");
}

static void session_turns_to_the_groups_of_the_next_trial(void **state)
{
	struct counter_session *s;

	(void)state;
	sim.counters = 4;
	make_plan("intel", SIX);
	assert_int_equal(counter_open(&s, plan, &thread, 0, NULL), 0);
	for (unsigned turn = 0; turn < 4; turn++) {
		unsigned before = sim.nr_opened;

		assert_int_equal(counter_turn(s, turn, NULL), 0);
		/* The first is open already. */
		assert_int_equal(sim.nr_opened - before, turn ? 4 : 0);
		assert_int_equal(sim.nr_open, 4);
		assert_true(counter_session_has(s, 5) == (turn % 2 == 1));
	}
	counter_close(s);
}

/* Braces have no cycles of their own: without, nothing would tell whether two trials were alike. */
static void group_without_a_sentinel_gets_one(void **state)
{
	(void)state;
	sim.counters = 3;
	make_plan("intel", "{branches,branch-misses},{cache-references,cache-misses}");
	assert_int_equal(plan->nr_groups, 2);
	assert_int_equal(plan->groups[0].nr, 3);
	assert_int_equal(plan->groups[1].nr, 3);
	count_trials(2, 1e9);
	assert_trials("cycles", "xx");
	assert_trials("cache-misses", "-x");
}

static void sentinel_gives_way_where_there_is_no_room(void **state)
{
	(void)state;
	sim.counters = 1;
	make_plan("intel", "branches,branch-misses");
	count_trials(3, 1e9);
	assert_value("branches", "ok", 1e9);
	assert_value("branch-misses", "ok", 1e8);
}

static void multiplexed_groups_are_scaled_with_an_error_bar(void **state)
{
	const json_t *ci;

	(void)state;
	sim.counters = 4;
	make_plan("intel", SIX);
	counter_plan_multiplex(plan);
	assert_int_equal(counter_plan_passes(plan), 1);
	sim.skew = 0.1; /* what runs later runs faster */
	count(&thread, 1, 1e9);
	assert_int_equal(sim.max_open, 8);
	assert_string_equal(bench_result_str(metric("cache-misses"), "status"), "scaled");
	assert_non_null(strstr(bench_result_str(metric("cache-misses"), "note"), "50.0 %"));
	assert_non_null(strstr(bench_result_str(metric("cache-misses"), "note"),
			       "groups differ by +-4.8 %"));
	/* Rates of 1 and 1.1: half the range by the mean. */
	ci = bench_result_get(metric("cycles"), "ci");
	assert_float_equal(json_number_value(json_array_get(ci, 1)) /
				   bench_result_num(metric("cycles"), "value"),
			   1 + 0.05 / 1.05, 1e-4);
	assert_float_equal(bench_result_num(metric("cycles"), "value"), 3e9 * 1.05, 1e6);
	assert_float_equal(bench_result_num(metric("cycles"), "running_ns") /
				   bench_result_num(metric("cycles"), "enabled_ns"),
			   1, 1e-3);
	assert_value("ipc", "scaled", 2);
}

static void window_too_short_to_multiplex_has_no_value(void **state)
{
	(void)state;
	sim.counters = 4;
	make_plan("intel", SIX);
	counter_plan_multiplex(plan);
	count(&thread, 1, 1e8);
	assert_absent("cycles", "not_counted", "too short to scale");
}

static void group_that_opens_but_never_runs_is_split(void **state)
{
	(void)state;
	sim.counters = 2;
	sim.lenient = true;
	make_plan("intel", "{cycles,instructions,branches}");
	assert_int_equal(plan->nr_groups, 3);
	assert_true(plan->groups[2].split);
	count_trials(3, 1e9);
	assert_value("branches", "ok", 1e9);
}

static void group_that_is_squeezed_out_later_is_not_counted(void **state)
{
	(void)state;
	make_plan("intel", "{cycles,instructions,branches}");
	sim.counters = 2;
	sim.lenient = true;
	count(&thread, 1, 1e9);
	assert_absent("cycles", "not_counted", "too few counters");
	assert_absent("ipc", "not_counted", "too few counters");
}

static void group_refused_at_open_falls_back_to_single_events(void **state)
{
	(void)state;
	make_plan("intel", "{cycles,instructions,branches}");
	sim.counters = 2;
	count(&thread, 1, 1e9);
	assert_value("instructions", "scaled", 6e9);
}

static void listed_event_is_tried_on_the_loop(void **state)
{
	static unsigned char buf[LIVENESS_BYTES];
	struct counter_event *e;

	(void)state;
	make_plan("intel", "branches,cache-misses,cpu/config=0xdead/,task-clock");
	sim.dead = 1 << PERF_COUNT_HW_CACHE_MISSES;
	for (unsigned i = 0; i < 4; i++) {
		e = &plan->events[i];
		e->note[0] = '\0';
		e->proved = false;
		probe_live_event(e, &plan->pmus, buf);
	}
	assert_string_equal(plan->events[0].note, "live");
	assert_int_equal(plan->events[1].status, BENCH_NOT_SUPPORTED);
	assert_string_equal(plan->events[1].note, "opens but does not count");
	assert_string_equal(plan->events[2].note, "dead in the test loop: opens, and read 0");
	assert_string_equal(plan->events[3].note, "");
}

static void sessions_add_up_and_the_worst_status_wins(void **state)
{
	struct counter_session *s[2];

	(void)state;
	make_plan("intel", "cycles,task-clock");
	assert_int_equal(counter_open(&s[0], plan, &thread, 0, NULL), 0);
	assert_int_equal(counter_open(&s[1], plan, &thread, 0, NULL), 0);
	counter_enable(s[0]);
	advance(1e9);
	counter_disable(s[0]);
	counter_enable(s[1]);
	advance(2e9);
	counter_disable(s[1]);
	counter_put(plan, s, 2, "worker", 0, set);
	/* In the next trial the second one is lost. */
	metric_set_next_trial(set);
	counter_enable(s[0]);
	advance(1e9);
	counter_disable(s[0]);
	counter_enable(s[1]);
	sim.error_state = true;
	counter_disable(s[1]);
	sim.error_state = false;
	counter_put(plan, s, 2, "worker", 0, set);
	job = json_pack("{s:o}", "metrics", metric_set_json(set));
	assert_true(json_number_value(json_array_get(bench_result_get(metric("cycles"), "trials"),
						     0)) == 9e9);
	assert_string_equal(bench_result_str(metric("cycles"), "status"), "not_counted");
	/* And is back in the one after. */
	metric_set_free(set);
	set = metric_set_new();
	metric_set_next_trial(set);
	json_decref(job);
	counter_enable(s[1]);
	advance(1e9);
	counter_disable(s[1]);
	counter_put(plan, &s[1], 1, "worker", 0, set);
	job = json_pack("{s:o}", "metrics", metric_set_json(set));
	assert_value("cycles", "ok", 3e9);
	counter_close(s[0]);
	counter_close(s[1]);
}

static void event_in_two_groups_is_reported_once(void **state)
{
	(void)state;
	make_plan("intel", "{cycles,instructions},{cycles,branches}");
	assert_int_equal(plan->nr_groups, 2);
	count_trials(2, 1e9);
	assert_trials("cycles", "xx");
	assert_trials("branches", "-x");
	assert_value("cycles", "ok", 3e9);
	assert_value("ipc", "ok", 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(default_events_count_in_one_group_and_derive),
		TEST(second_window_counts_from_its_own_start),
		TEST(group_that_does_not_fit_is_split_and_marked),
		TEST(user_and_kernel_are_told_apart_in_a_pass_of_their_own),
		TEST(parts_of_a_group_share_the_whole_cycles_and_instructions),
		TEST(groups_take_turns_over_trials_at_full_coverage),
		TEST(event_without_a_trial_says_how_many_it_takes),
		TEST(session_turns_to_the_groups_of_the_next_trial),
		TEST(group_without_a_sentinel_gets_one),
		TEST(sentinel_gives_way_where_there_is_no_room),
		TEST(multiplexed_groups_are_scaled_with_an_error_bar),
		TEST(window_too_short_to_multiplex_has_no_value),
		TEST(group_that_opens_but_never_runs_is_split),
		TEST(group_that_is_squeezed_out_later_is_not_counted),
		TEST(group_refused_at_open_falls_back_to_single_events),
		TEST(listed_event_is_tried_on_the_loop),
		TEST(sessions_add_up_and_the_worst_status_wins),
		TEST(event_in_two_groups_is_reported_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
