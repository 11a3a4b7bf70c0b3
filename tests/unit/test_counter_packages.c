// SPDX-License-Identifier: BSD-2-Clause
/* Events of a kind of core, of a package, and energy. */
#include "unit/counter_sim.h"

static void hybrid_counts_per_kind_of_core_unscaled(void **state)
{
	const json_t *atom;

	(void)state;
	sim.absent_type = 10; /* this thread never runs on cpu_atom */
	make_plan("hybrid", "cycles,instructions,task-clock");
	count(&thread, 1, 1e9);
	atom = bench_result_metric(job, "cycles", "pmu", "cpu_atom");
	assert_string_equal(bench_result_str(atom, "status"), "not_counted");
	assert_true(bench_result_num(bench_result_metric(job, "cycles", "pmu", "cpu_core"),
				     "value") == 3e9);
	assert_true(bench_result_num(bench_result_metric(job, "ipc", "pmu", "cpu_core"), "value") ==
		    2);
	assert_null(bench_result_metric(job, "ghz", NULL, NULL));
}

static void package_events_count_on_their_cpus_only(void **state)
{
	const struct counter_target cpus[] = { { .tid = -1, .cpu = 0 },
					       { .tid = -1, .cpu = 1 },
					       { .tid = -1, .cpu = 16 } };

	(void)state;
	make_plan("intel", "uncore_imc_0/cas_count_read/");
	count(cpus, 3, 1e9);
	/* Two packages, and the time that the reads of the sessions take in between. */
	assert_true(bench_result_num(metric("uncore_imc_0/cas_count_read/"), "value") >=
		    2 * 64 * 5e8);
	assert_string_equal(bench_result_str(metric("uncore_imc_0/cas_count_read/"), "unit"), "B");
	assert_true(bench_result_num(metric("uncore_imc_0/cas_count_read/"), "value") <
		    2.1 * 64 * 5e8);
}

/* Energy counted over ns of simulated time that gives so many J. */
static const json_t *count_energy(double ns, double joules)
{
	struct counter_packages *packages;

	make_plan("intel", "energy");
	sim.energy = true;
	sim.energy_rate = joules / ns / plan->events[0].scale;
	assert_int_equal(packages_open(&packages, plan), 0);
	packages_begin(packages);
	advance(ns - READ_NS);
	packages_end(packages);
	packages_put(packages, 1000, set);
	packages_close(packages);
	job = json_pack("{s:o}", "metrics", metric_set_json(set));
	return bench_result_metric(job, "power/energy-pkg/", "package", "0");
}

static void energy_is_counted_for_the_package_and_per_op(void **state)
{
	const json_t *m;

	(void)state;
	m = count_energy(1e9, 50);
	assert_string_equal(bench_result_str(m, "unit"), "J");
	assert_float_equal(bench_result_num(m, "value"), 50, 0.01);
	assert_non_null(strstr(bench_result_str(m, "note"), "50.0 W"));
	m = bench_result_metric(job, "energy.per_op", "domain", "pkg");
	assert_float_equal(bench_result_num(m, "value"), 0.05, 1e-5);
}

static void energy_that_cannot_be_right_is_invalid(void **state)
{
	(void)state;
	assert_string_equal(bench_result_str(count_energy(1e9, 5000), "status"), "invalid");
}

static void energy_that_does_not_move_is_invalid(void **state)
{
	(void)state;
	assert_string_equal(bench_result_str(count_energy(1e9, 0), "status"), "invalid");
}

static void package_event_has_no_row_of_a_thread(void **state)
{
	(void)state;
	make_plan("intel", "power/energy-pkg/,task-clock");
	count(&thread, 1, 1e9);
	assert_null(bench_result_metric(job, "power/energy-pkg/", NULL, NULL));
	assert_value("task-clock", "ok", 1e9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hybrid_counts_per_kind_of_core_unscaled),
		TEST(package_events_count_on_their_cpus_only),
		TEST(package_event_has_no_row_of_a_thread),
		TEST(energy_is_counted_for_the_package_and_per_op),
		TEST(energy_that_cannot_be_right_is_invalid),
		TEST(energy_that_does_not_move_is_invalid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
