// SPDX-License-Identifier: BSD-2-Clause
/* wall.worst against waits of known length, of threads that live and of threads that are gone. */
#define SHARED_PROBES "all"
#include "probe/rig_shared.h"

#include <sys/prctl.h>

#define WINDOW (200 * MS)

/* The row of a cause: one at most. */
static const json_t *worst(const json_t *metrics, const char *cause)
{
	const json_t *found = NULL, *m;
	size_t i;

	json_array_foreach (metrics, i, m) {
		const json_t *labels = bench_result_get(m, "labels");

		if (strcmp(bench_result_str(m, "name"), "wall.worst") ||
		    strcmp(bench_result_str(labels, "cause"), cause))
			continue;
		assert_null(found);
		found = m;
	}
	return found;
}

static double worst_ns(const json_t *metrics, const char *cause)
{
	const json_t *m = worst(metrics, cause);

	return m ? bench_result_num(m, "value") : 0;
}

static const char *worst_task(const json_t *metrics, const char *cause)
{
	return bench_result_str(bench_result_get(worst(metrics, cause), "labels"), "task");
}

static double hist_max(const json_t *metrics, const char *name)
{
	return bench_result_num(bench_result_get(row(metrics, name, NULL, NULL, NULL, NULL), "hist"), "max");
}

/* Naps of 5 ms, and one of 40 ms among them, by a thread that is gone when the window ends. */
static void *short_life(void *arg)
{
	atomic_int *phase = arg;

	prctl(PR_SET_NAME, "short-life");
	atomic_store(phase, (int)gettid());
	while (atomic_load(phase) > 0)
		sleep_for(MS);
	for (int i = 0; i < 5; i++)
		sleep_for(i == 2 ? 40 * MS : 5 * MS);
	return NULL;
}

static void wait_of_a_dead_thread_is_told(void **state)
{
	struct loader busy = { .nap_ns = 3 * MS };
	atomic_int phase = 0;
	pthread_t thread;
	json_t *m;
	double ns;

	(void)state;
	need_root();
	assert_int_equal(pthread_create(&thread, NULL, short_life, &phase), 0);
	while (!atomic_load(&phase))
		sleep_for(MS / 10);
	loader_start(&busy, LOAD_NAP, last_cpu());
	set_track(set, atomic_load(&phase), false);
	set_track(set, busy.tid, false);
	atomic_store(&phase, -1);
	m = set_measure(set, WINDOW, NULL, 0);
	loader_stop(&busy);
	pthread_join(thread, NULL);
	ns = worst_ns(m, "blocked.timer");
	printf("  %.3f ms of %s; worst off-CPU %.3f ms\n", ns / 1e6, worst_task(m, "blocked.timer"),
	       hist_max(m, "sched.offcpu") / 1e6);
	assert_string_equal(worst_task(m, "blocked.timer"), "short-life");
	assert_true(ns >= 40 * MS);
	/* Off its CPU it was for this wait, and for the one for the CPU after it. */
	assert_true(ns <= hist_max(m, "sched.offcpu"));
	json_decref(m);
}

static void wait_for_a_cpu_is_the_longest_of_its_histogram(void **state)
{
	json_t *m;
	double ns;

	(void)state;
	need_root();
	m = measure_two_spinners(WINDOW);
	ns = worst_ns(m, "runqueue");
	printf("  %.0f ns, histogram %.0f ns\n", ns, hist_max(m, "sched.runq_latency"));
	assert_true(ns > 0);
	/* What had not ended is in neither, or in both. */
	assert_true(ns == hist_max(m, "sched.runq_latency"));
	json_decref(m);
}

static void wait_beyond_the_window_counts_up_to_its_end(void **state)
{
	struct loader l = { .nap_ns = 600 * MS };
	const json_t *noted;
	json_t *m;

	(void)state;
	need_root();
	loader_start(&l, LOAD_NAP, last_cpu());
	sleep_for(5 * MS);
	set_track(set, l.tid, false);
	m = set_measure(set, WINDOW, NULL, 0);
	noted = worst(m, "blocked.timer");
	printf("  %.3f ms: %s\n", bench_result_num(noted, "value") / 1e6, bench_result_str(noted, "note"));
	assert_true(fabs(bench_result_num(noted, "value") - WINDOW) < 0.01 * WINDOW);
	assert_non_null(strstr(bench_result_str(noted, "note"), "had not ended"));
	loader_stop(&l);
	json_decref(m);
}

static void spinner_waits_for_nothing_but_a_cpu(void **state)
{
	struct loader l = { 0 };
	size_t i;
	json_t *m, *one;

	(void)state;
	need_root();
	loader_start(&l, LOAD_SPIN, last_cpu());
	set_track(set, l.tid, false);
	m = set_measure(set, WINDOW, NULL, 0);
	loader_stop(&l);
	json_array_foreach (m, i, one)
		if (!strcmp(bench_result_str(one, "name"), "wall.worst"))
			assert_string_equal(bench_result_str(bench_result_get(one, "labels"), "cause"),
					    "runqueue");
	json_decref(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(wait_of_a_dead_thread_is_told, untrack),
		cmocka_unit_test_teardown(wait_for_a_cpu_is_the_longest_of_its_histogram, untrack),
		cmocka_unit_test_teardown(wait_beyond_the_window_counts_up_to_its_end, untrack),
		cmocka_unit_test_teardown(spinner_waits_for_nothing_but_a_cpu, untrack),
	};

	return cmocka_run_group_tests(tests, open_set, close_set);
}
