// SPDX-License-Identifier: BSD-2-Clause
/* Run-queue depth against loads whose depth is known. Other tasks of the host only add to it, those
 * that wait for milliseconds to run for microseconds most, so that of several windows the lowest
 * depth tells. Sleepers whose dequeue the
 * scheduler delays (6.12), which are not runnable although nr_running counts them, are in replay.sh
 * and test_fallback, against a trace and against the events. */
#define SHARED_PROBES "sched"
#include "probe/rig_shared.h"
#include "probe/set.h"

#define TRIES 30

/* Depth of CPU cpu with nr spinners bound to it: the lowest of several windows, or the first in which
 * nobody else can have been there. In no window it is less than nr. NAN when there was none in which
 * the spinners had 99.9 % of the CPU. */
static double spinners_depth(unsigned nr, int cpu, json_t **ret_metrics)
{
	static struct loader l[4];
	double depth = NAN;

	for (unsigned i = 0; i < nr; i++)
		loader_start(&l[i], LOAD_SPIN, cpu);
	for (unsigned try = 0; try < TRIES && !(depth <= 1.001 * nr); try++) {
		uint64_t used = 0, begin;
		json_t *metrics;
		double now;

		begin = bench_now_ns();
		for (unsigned i = 0; i < nr; i++)
			used -= thread_cpu_ns(l[i].clock);
		metrics = set_measure(set, 100 * MS, &cpu, 1);
		for (unsigned i = 0; i < nr; i++)
			used += thread_cpu_ns(l[i].clock);
		now = on_cpu(metrics, "sched.runq_depth", cpu);
		if (now < 0.995 * nr)
			fail_msg("%u spinners: depth %.4f", nr, now);
		if ((double)used > 0.999 * (double)(bench_now_ns() - begin) && !(now >= depth)) {
			depth = now;
			json_decref(*ret_metrics);
			*ret_metrics = json_incref(metrics);
		}
		json_decref(metrics);
	}
	for (unsigned i = 0; i < nr; i++)
		loader_stop(&l[i]);
	return depth;
}

static void spinners_are_counted(unsigned nr)
{
	int cpu = last_cpu();
	json_t *m = NULL;
	double depth;

	need_root();
	depth = spinners_depth(nr, cpu, &m);
	if (!m) {
		printf("skip: CPU %d never belonged to the test alone\n", cpu);
		skip();
	}
	printf("%u spinners: depth %.4f, waiting %.4f, at %u for %.4f\n", nr, depth,
	       on_cpu(m, "sched.runq_waiting", cpu), nr, at_depth(m, cpu, nr));
	assert_true(fabs(depth - nr) <= 0.005 * nr);
	assert_true(fabs(on_cpu(m, "sched.runq_waiting", cpu) - (nr - 1)) <= 0.005 * nr);
	assert_true(at_depth(m, cpu, nr) >= 0.99);
	assert_true(value(m, "sched.runq_depth_max", NULL, NULL) >= nr);
	json_decref(m);
}

static void one_spinner_has_depth_one(void **state)
{
	(void)state;
	spinners_are_counted(1);
}

static void three_spinners_have_depth_three(void **state)
{
	(void)state;
	spinners_are_counted(3);
}

/* Whoever else runs: time at depth 0 is the time that the kernel accounts as idle. */
static void time_at_depth_zero_is_idle_time(void **state)
{
	double idle, length;
	int cpu = last_cpu();
	json_t *m;

	(void)state;
	need_root();
	length = -(double)bench_now_ns() / 1e9;
	idle = -idle_s(cpu);
	m = set_measure(set, 1000 * MS, &cpu, 1);
	idle += idle_s(cpu);
	length += (double)bench_now_ns() / 1e9;
	printf("CPU %d: %.4f of the time at depth 0, %.2f s idle of %.2f s\n", cpu,
	       at_depth(m, cpu, 0), idle, length);
	/* The kernel was asked for longer than the window, and may have idled meanwhile. */
	assert_true(at_depth(m, cpu, 0) <= idle + 0.05);
	assert_true(at_depth(m, cpu, 0) >= idle - (length - 1) - 0.05);
	json_decref(m);
}

static void times_at_all_depths_sum_to_the_window(void **state)
{
	static struct loader l[2];
	int cpus[64];
	unsigned nr = 0;
	json_t *m;

	(void)state;
	need_root();
	for (int cpu = 0; cpu <= last_cpu() && nr < 64; cpu++)
		cpus[nr++] = cpu;
	loader_start(&l[0], LOAD_SPIN, -1);
	l[1].nap_ns = MS / 10;
	l[1].burn_ns = MS / 20;
	loader_start(&l[1], LOAD_NAP, -1);
	m = set_measure(set, 200 * MS, cpus, nr);
	for (unsigned i = 0; i < nr; i++) {
		double sum = 0, mean = 0;

		for (unsigned d = 0; d < 64; d++) {
			sum += at_depth(m, cpus[i], d);
			mean += d * at_depth(m, cpus[i], d);
		}
		assert_true(fabs(sum - 1) < 1e-9);
		assert_true(fabs(mean - on_cpu(m, "sched.runq_depth", cpus[i])) < 1e-9);
	}
	json_decref(m);
	loader_stop(&l[0]);
	loader_stop(&l[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_spinner_has_depth_one),
		cmocka_unit_test(three_spinners_have_depth_three),
		cmocka_unit_test(time_at_depth_zero_is_idle_time),
		cmocka_unit_test(times_at_all_depths_sum_to_the_window),
	};

	return cmocka_run_group_tests(tests, open_set, close_set);
}
