// SPDX-License-Identifier: BSD-2-Clause
/* What cannot be counted, or not be believed, has a status with its reason and never a zero. */
#include "unit/counter_sim.h"

static void dead_event_is_not_supported(void **state)
{
	(void)state;
	sim.dead = 1 << PERF_COUNT_HW_CACHE_MISSES;
	make_plan("intel", "cycles,cache-misses");
	count(&thread, 1, 1e9);
	assert_absent("cache-misses", "not_supported", "opens but does not count");
	assert_value("cycles", "ok", 3e9);
	assert_null(bench_result_metric(job, "cache-misses.per_op", NULL, NULL));
}

/* Seen on a KVM guest: 395 instructions where bare metal counts 3.5 thousand million. */
static void event_that_counts_nonsense_is_not_supported(void **state)
{
	(void)state;
	sim.slow_instructions = 395e-6;
	make_plan("intel", "cycles,instructions");
	count(&thread, 1, 1e9);
	assert_absent("instructions", "not_supported", "nonsense: 395");
	assert_null(bench_result_metric(job, "ipc", NULL, NULL));
}

static void zero_of_an_event_never_seen_to_count_is_no_zero(void **state)
{
	(void)state;
	make_plan("intel", "cpu/config=0xdead/,cpu/config=0x1c2/");
	assert_false(plan->events[0].proved);
	assert_true(plan->events[1].proved);
	count(&thread, 1, 1e9);
	assert_absent("cpu/config=0xdead/", "not_counted", "dead: read 0, as in the test loop");
	assert_non_null(strstr(plan->events[0].note, "dead in the test loop"));
	assert_string_equal(plan->events[1].note, "");
	assert_value("cpu/config=0x1c2/", "ok", 5e8);
}

static void proved_event_may_read_zero(void **state)
{
	(void)state;
	make_plan("intel", "cycles,branch-misses");
	sim.dead = 1 << PERF_COUNT_HW_BRANCH_MISSES; /* none in this window */
	count(&thread, 1, 1e9);
	assert_value("branch-misses", "ok", 0);
}

static void missing_pmu_is_explained(void **state)
{
	(void)state;
	sim.no_pmu = true;
	make_plan("odd", NULL);
	count(&thread, 1, 1e9);
	assert_absent("cycles", "not_supported", "no CPU PMU on this host");
	assert_value("task-clock", "ok", 1e9);
	assert_null(bench_result_metric(job, "ipc", NULL, NULL));
	assert_null(bench_result_metric(job, "ghz", NULL, NULL));
}

static void missing_event_of_a_pmu_is_explained(void **state)
{
	(void)state;
	sim.no_pmu = true;
	make_plan("intel", "ref-cycles");
	count(&thread, 1, 1e9);
	assert_absent("ref-cycles", "not_supported", "the CPU's PMU has no such event");
}

static void denied_kernel_is_counted_user_only_under_perfs_name(void **state)
{
	(void)state;
	sim.deny_kernel = true;
	make_plan("intel", "cycles,instructions,branches:k,cs,page-faults,task-clock");
	count(&thread, 1, 1e9);
	assert_value("cycles:u", "ok", 3e9);
	assert_value("ipc:u", "ok", 2);
	assert_value("page-faults:u", "ok", 1e6);
	assert_value("task-clock", "ok", 1e9);
	assert_absent("branches:k", "not_permitted", "perf_event_paranoid");
	assert_absent("context-switches", "not_permitted", "perf_event_paranoid");
	assert_null(bench_result_metric(job, "cycles", NULL, NULL));
	/* Cycles in user mode by time in both modes would be no frequency. */
	assert_null(bench_result_metric(job, "ghz", NULL, NULL));
	assert_non_null(strstr(plan->events[0].note, "user_only"));
}

static void everything_denied_is_not_permitted(void **state)
{
	(void)state;
	sim.deny_all = true;
	make_plan("intel", NULL);
	assert_int_equal(plan->nr_groups, 0);
	count(&thread, 1, 1e9);
	assert_absent("cycles", "not_permitted", "CAP_PERFMON");
	assert_absent("task-clock", "not_permitted", "CAP_PERFMON");
}

static void kernel_without_inherited_groups_gets_single_events(void **state)
{
	(void)state;
	sim.no_inherited_groups = true;
	make_plan("intel", "{cycles,instructions},cs,task-clock");
	count(&tree, 1, 1e9);
	assert_value("cycles", "ok", 3e9);
	assert_value("ipc", "ok", 2);
	assert_value("task-clock", "ok", 1e9);
}

static void failing_read_is_not_counted(void **state)
{
	(void)state;
	make_plan("intel", "cycles,task-clock");
	sim.read_error = -ECHILD;
	count(&thread, 1, 1e9);
	assert_absent("cycles", "not_counted", "cannot be read");
	assert_absent("task-clock", "not_counted", "cannot be read");
}

static void idle_thread_is_not_counted(void **state)
{
	struct counter_session *s;

	(void)state;
	make_plan("intel", "task-clock");
	assert_int_equal(counter_open(&s, plan, &thread, 0, NULL), 0);
	counter_put(plan, &s, 1, "worker", 0, set);
	counter_close(s);
	job = json_pack("{s:o}", "metrics", metric_set_json(set));
	assert_absent("task-clock", "not_counted", "did not run");
}

static void window_that_was_never_ended_is_empty(void **state)
{
	struct counter_session *s[2] = { NULL };

	(void)state;
	make_plan("intel", "cycles");
	assert_int_equal(counter_open(&s[1], plan, &thread, 0, NULL), 0);
	advance(1e9);
	assert_int_equal(counter_enable(s[1]), 0);
	advance(1e9);
	counter_put(plan, s, 2, "worker", 0, set);
	counter_close(s[1]);
	job = json_pack("{s:o}", "metrics", metric_set_json(set));
	assert_absent("cycles", "not_counted", "did not run");
}

/* perf_event_open(2), E2BIG: the size that the kernel knows is written back. */
static void older_kernel_gets_the_size_it_knows(void **state)
{
	(void)state;
	sim.attr_size = PERF_ATTR_SIZE_VER1;
	make_plan("intel", "cycles");
	count(&thread, 1, 1e9);
	assert_value("cycles", "ok", 3e9);
}

static void descriptor_limit_is_raised_when_it_is_hit(void **state)
{
	struct rlimit before, low, after;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	low.rlim_cur = before.rlim_max / 2;
	if (low.rlim_cur < FIRST_FD + 200) {
		print_message("skipped: the hard limit of open files is %lu\n",
			      (unsigned long)before.rlim_max);
		skip();
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	make_plan("intel", "cycles");
	getrlimit(RLIMIT_NOFILE, &after);
	assert_int_equal(after.rlim_cur, low.rlim_cur); /* far from it: left alone */
	sim.emfile = 1;
	count(&thread, 1, 1e9);
	getrlimit(RLIMIT_NOFILE, &after);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_value("cycles", "ok", 3e9);
	assert_int_equal(after.rlim_cur, before.rlim_max);
}

static void exhausted_descriptors_are_a_status(void **state)
{
	(void)state;
	make_plan("intel", "cycles");
	sim.emfile = 100;
	count(&thread, 1, 1e9);
	assert_absent("cycles", "not_counted", "file descriptor");
}

static void printed_plan_says_a_reason_once(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	sim.no_pmu = true;
	make_plan("odd", "cycles,instructions,task-clock");
	counter_plan_print(plan, out);
	fclose(out);
	assert_string_equal(text,
			    "cycles (not_supported: no CPU PMU on this host (a virtual machine "
			    "without one?)), instructions (not_supported: as cycles), "
			    "task-clock");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(dead_event_is_not_supported),
		TEST(event_that_counts_nonsense_is_not_supported),
		TEST(zero_of_an_event_never_seen_to_count_is_no_zero),
		TEST(proved_event_may_read_zero),
		TEST(missing_pmu_is_explained),
		TEST(missing_event_of_a_pmu_is_explained),
		TEST(denied_kernel_is_counted_user_only_under_perfs_name),
		TEST(everything_denied_is_not_permitted),
		TEST(kernel_without_inherited_groups_gets_single_events),
		TEST(failing_read_is_not_counted),
		TEST(idle_thread_is_not_counted),
		TEST(window_that_was_never_ended_is_empty),
		TEST(older_kernel_gets_the_size_it_knows),
		TEST(descriptor_limit_is_raised_when_it_is_hit),
		TEST(exhausted_descriptors_are_a_status),
		TEST(printed_plan_says_a_reason_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
