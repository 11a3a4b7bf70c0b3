// SPDX-License-Identifier: BSD-2-Clause
/* The ledger of wall time and the history of a thread, against loads whose causes are known. */
#define SHARED_PROBES "all"
#include "probe/rig_shared.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "probe/ledger.h"

#define WINDOW (200 * MS)

static double wall(const json_t *metrics, const char *cause)
{
	double v = value(metrics, "wall.time", "cause", cause);

	return isnan(v) ? 0 : v;
}

static double wall_sum(const json_t *metrics)
{
	double sum = 0;
	size_t i;
	json_t *m;

	json_array_foreach (metrics, i, m)
		if (!strcmp(bench_result_str(m, "name"), "wall.time") && bench_result_has_value(m))
			sum += bench_result_num(m, "value");
	return sum;
}

/* Others share the CPUs with the test. */
static bool busy_host(void)
{
	double load[1] = { 0 };

	if (getloadavg(load, 1) != 1 || load[0] < 2)
		return false;
	printf("  the host is busy (load %.1f)\n", load[0]);
	return true;
}

static double on_cpu_share(const json_t *m)
{
	return wall(m, "user") + wall(m, "kernel") + wall(m, "hardirq") + wall(m, "softirq") +
	       wall(m, "steal") + wall(m, "observer");
}

static void sums_to_one(const json_t *m)
{
	double unaccounted = wall(m, "unaccounted");

	printf("  sum %.9f, unaccounted %.6f %%\n", wall_sum(m), 100 * unaccounted);
	assert_true(fabs(wall_sum(m) - 1) < 1e-6);
	assert_true(fabs(unaccounted) <= 0.001);
}

static void spinner_is_on_cpu_and_user(void **state)
{
	struct loader l = { 0 };
	uint64_t before, after;
	double on_cpu;
	json_t *m;

	(void)state;
	need_root();
	loader_start(&l, LOAD_SPIN, last_cpu());
	set_track(set, l.tid, false);
	before = thread_cpu_ns(l.clock);
	m = set_measure(set, WINDOW, NULL, 0);
	after = thread_cpu_ns(l.clock);
	loader_stop(&l);
	sums_to_one(m);
	on_cpu = on_cpu_share(m);
	printf("  on CPU %.4f, its own clock %.4f, user %.4f, runqueue %.4f\n", on_cpu,
	       (double)(after - before) / WINDOW, wall(m, "user"), wall(m, "runqueue"));
	assert_true(fabs(on_cpu + wall(m, "runqueue") - 1) < 0.01);
	/* A sample that is late, because the host or interrupts held it up, is taken in the kernel. */
	assert_true(wall(m, "user") >
		    (busy_host() ? 0.6 : 0.9) * (wall(m, "user") + wall(m, "kernel")));
	/* The clock covers a few milliseconds more than the window. */
	assert_true((double)(after - before) >= on_cpu * WINDOW * 0.93);
	json_decref(m);
}

static void sleeper_is_blocked_on_a_timer(void **state)
{
	struct loader l = { .nap_ns = 2 * MS };
	double blocked = 0;
	json_t *m;

	(void)state;
	need_root();
	loader_start(&l, LOAD_NAP, last_cpu());
	set_track(set, l.tid, false);
	m = set_measure(set, WINDOW, NULL, 0);
	loader_stop(&l);
	sums_to_one(m);
	for (enum probe_cause c = PROBE_CAUSE_DISK; c <= PROBE_CAUSE_OTHER; c++)
		blocked += wall(m, probe_cause_name(c));
	printf("  blocked %.4f, on a timer %.4f\n", blocked, wall(m, "blocked.timer"));
	assert_true(wall(m, "blocked.timer") > 0.5);
	assert_true(wall(m, "blocked.timer") >= 0.98 * blocked);
	json_decref(m);
}

/* Without any event in the window: what it does is asked for at the end. */
static void long_sleep_has_its_cause(void **state)
{
	struct loader l = { .nap_ns = 600 * MS };
	json_t *m;

	(void)state;
	need_root();
	loader_start(&l, LOAD_NAP, last_cpu());
	sleep_for(5 * MS);
	set_track(set, l.tid, false);
	m = set_measure(set, WINDOW, NULL, 0);
	sums_to_one(m);
	printf("  on a timer %.6f\n", wall(m, "blocked.timer"));
	assert_true(wall(m, "blocked.timer") > 0.9999);
	loader_stop(&l);
	json_decref(m);
}

static void two_on_one_cpu_wait_for_each_other(void **state)
{
	json_t *m;

	(void)state;
	need_root();
	m = measure_two_spinners(WINDOW);
	sums_to_one(m);
	printf("  runqueue %.4f\n", wall(m, "runqueue"));
	assert_true(wall(m, "runqueue") > 0.45);
	json_decref(m);
}

/* --- history --- */

struct asker {
	struct probe_interval interval;
	uint64_t from, to, slept, burned;
	pid_t tid;
	int ret;
	atomic_bool ready, go, done;
};

static void *ask(void *arg)
{
	struct asker *a = arg;

	a->tid = gettid();
	bind_to(last_cpu());
	atomic_store(&a->ready, true);
	while (!atomic_load(&a->go))
		sleep_for(MS);
	a->from = bench_now_ns();
	sleep_for(20 * MS);
	burn(10 * MS);
	a->to = bench_now_ns();
	a->ret = probe_history(set, a->tid, a->from, a->to, &a->interval);
	atomic_store(&a->done, true);
	return NULL;
}

static uint64_t interval_sum(const struct probe_interval *i)
{
	uint64_t sum = 0;

	for (int c = 0; c < PROBE_NR_INTERVAL_CAUSES; c++)
		sum += i->ns[c];
	return sum;
}

static void history_takes_an_interval_apart(void **state)
{
	struct asker a = { 0 };
	const uint64_t *ns = a.interval.ns;
	pthread_t thread;
	uint64_t length;

	(void)state;
	need_root();
	assert_int_equal(pthread_create(&thread, NULL, ask, &a), 0);
	while (!atomic_load(&a.ready))
		sleep_for(MS);
	set_track(set, a.tid, false);
	(void)set_window(set, 0, 10000 * MS);
	atomic_store(&a.go, true);
	pthread_join(thread, NULL);
	json_decref(set_read(set, NULL, 0));
	assert_int_equal(a.ret, 0);
	length = a.to - a.from;
	printf("  %.3f ms: timer %.3f, on CPU %.3f, run queue %.3f, unknown %.3f; %s %.3f\n",
	       (double)length / MS, (double)ns[PROBE_CAUSE_TIMER] / MS,
	       (double)ns[PROBE_CAUSE_ONCPU] / MS, (double)ns[PROBE_CAUSE_RUNQUEUE] / MS,
	       (double)ns[PROBE_CAUSE_UNACCOUNTED] / MS, a.interval.culprits[0].who,
	       (double)a.interval.culprits[0].ns / MS);
	assert_int_equal(interval_sum(&a.interval), length);
	assert_int_equal(ns[PROBE_CAUSE_UNACCOUNTED], 0);
	assert_in_range(ns[PROBE_CAUSE_TIMER], 19 * MS, 60 * MS);
	assert_true(ns[PROBE_CAUSE_ONCPU] > 9 * MS);
}

static void history_names_who_had_the_cpu(void **state)
{
	struct loader hog = { 0 };
	struct asker a = { 0 };
	char who[40];
	bool found = false;
	pthread_t thread;

	(void)state;
	need_root();
	loader_start(&hog, LOAD_SPIN, last_cpu());
	assert_int_equal(pthread_create(&thread, NULL, ask, &a), 0);
	while (!atomic_load(&a.ready))
		sleep_for(MS);
	set_track(set, a.tid, false);
	(void)set_window(set, 0, 10000 * MS);
	atomic_store(&a.go, true);
	pthread_join(thread, NULL);
	loader_stop(&hog);
	json_decref(set_read(set, NULL, 0));
	assert_int_equal(a.ret, 0);
	snprintf(who, sizeof(who), "(%d)", (int)hog.tid);
	printf("  run queue %.3f ms behind %s\n",
	       (double)a.interval.ns[PROBE_CAUSE_RUNQUEUE] / MS, a.interval.culprits[0].who);
	assert_int_equal(interval_sum(&a.interval), a.to - a.from);
	assert_true(a.interval.ns[PROBE_CAUSE_RUNQUEUE] > 3 * MS);
	/* Others may run on this CPU too. */
	for (int i = 0; i < PROBE_MAX_CULPRITS; i++)
		found |= strstr(a.interval.culprits[i].who, who) != NULL;
	assert_true(found);
}

/* --- slice by slice --- */

struct beside {
	struct loader hog[2];
	struct probe_interval interval;
	uint64_t from, to, ran[2];
	int ret;
	pid_t tid;
	atomic_bool ready, go;
};

static void *compete(void *arg)
{
	struct beside *b = arg;

	bind_to(last_cpu());
	b->tid = gettid();
	atomic_store(&b->ready, true);
	while (!atomic_load(&b->go))
		sleep_for(MS);
	b->from = bench_now_ns();
	for (int i = 0; i < 2; i++)
		b->ran[i] = thread_cpu_ns(b->hog[i].clock);
	burn(60 * MS);
	for (int i = 0; i < 2; i++)
		b->ran[i] = thread_cpu_ns(b->hog[i].clock) - b->ran[i];
	b->to = bench_now_ns();
	b->ret = probe_history(set, b->tid, b->from, b->to, &b->interval);
	return NULL;
}

static uint64_t culprit_ns(const struct probe_interval *interval, pid_t tid)
{
	char who[16];

	snprintf(who, sizeof(who), "(%d)", (int)tid);
	for (int i = 0; i < PROBE_MAX_CULPRITS; i++)
		if (strstr(interval->culprits[i].who, who))
			return interval->culprits[i].ns;
	return 0;
}

/* Many slices of two hogs make up one wait; whoever has the CPU at its beginning is one of them. */
static void wait_is_split_by_slice(void **state)
{
	struct beside b = { 0 };
	uint64_t sum = 0, blamed[2];
	double share, truth;
	pthread_t thread;

	(void)state;
	need_root();
	for (int i = 0; i < 2; i++)
		loader_start(&b.hog[i], LOAD_SPIN, last_cpu());
	assert_int_equal(setpriority(PRIO_PROCESS, (id_t)b.hog[1].tid, 4), 0);
	assert_int_equal(pthread_create(&thread, NULL, compete, &b), 0);
	while (!atomic_load(&b.ready))
		sleep_for(MS);
	set_track(set, b.tid, false);
	(void)set_window(set, 0, 10000 * MS);
	atomic_store(&b.go, true);
	pthread_join(thread, NULL);
	for (int i = 0; i < 2; i++)
		loader_stop(&b.hog[i]);
	json_decref(set_read(set, NULL, 0));
	assert_int_equal(b.ret, 0);
	for (int i = 0; i < PROBE_MAX_CULPRITS; i++)
		sum += b.interval.culprits[i].ns;
	for (int i = 0; i < 2; i++)
		blamed[i] = culprit_ns(&b.interval, b.hog[i].tid);
	share = (double)blamed[0] / (double)(blamed[0] + blamed[1]);
	truth = (double)b.ran[0] / (double)(b.ran[0] + b.ran[1]);
	printf("  waited %.3f ms: hogs %.3f and %.3f ms, which ran %.3f and %.3f ms; shares %.4f "
	       "and "
	       "%.4f\n",
	       (double)b.interval.ns[PROBE_CAUSE_RUNQUEUE] / MS, (double)blamed[0] / MS,
	       (double)blamed[1] / MS, (double)b.ran[0] / MS, (double)b.ran[1] / MS, share, truth);
	assert_int_equal(interval_sum(&b.interval), b.to - b.from);
	assert_int_equal(sum, b.interval.ns[PROBE_CAUSE_RUNQUEUE]);
	/* How much they get is the scheduler's affair. */
	assert_true(blamed[0] && blamed[1] && blamed[0] + blamed[1] > 5 * MS);
	assert_true(fabs(share - truth) < 0.02);
}

static void history_before_the_window_is_unknown(void **state)
{
	struct loader l = { .nap_ns = MS };
	struct probe_interval i;
	struct bench_window w;

	(void)state;
	need_root();
	loader_start(&l, LOAD_NAP, last_cpu());
	set_track(set, l.tid, false);
	json_decref(set_measure(set, 20 * MS, NULL, 0));
	sleep_for(30 * MS);
	w = set_window(set, 0, 10000 * MS);
	sleep_for(30 * MS);
	assert_int_equal(probe_history(set, l.tid, w.start_ns - 20 * MS, w.start_ns + 20 * MS, &i),
			 0);
	loader_stop(&l);
	json_decref(set_read(set, NULL, 0));
	printf("  unknown %.3f ms, timer %.3f ms\n", (double)i.ns[PROBE_CAUSE_UNACCOUNTED] / MS,
	       (double)i.ns[PROBE_CAUSE_TIMER] / MS);
	assert_int_equal(interval_sum(&i), 40 * MS);
	assert_in_range(i.ns[PROBE_CAUSE_UNACCOUNTED], 20 * MS - MS / 100, 20 * MS + MS / 100);
	assert_true(i.ns[PROBE_CAUSE_TIMER] > 10 * MS);
}

static void nobody_followed_has_no_history(void **state)
{
	struct probe_interval i;

	(void)state;
	need_root();
	assert_int_equal(probe_history(set, gettid(), 0, 1, &i), -ENOENT);
}

/* --- faults are seen --- */

static bool warned(struct probe_set *s, const char *words)
{
	json_t *warnings = json_array(), *w;
	bool found = false;
	size_t i;

	probe_warnings(s, warnings);
	json_array_foreach (warnings, i, w) {
		if (strstr(json_string_value(w), words)) {
			printf("  %s\n", json_string_value(w));
			found = true;
		}
	}
	json_decref(warnings);
	return found;
}

/* One window over a napping thread, with a fault in it. */
static struct probe_set *faulty(const char *at_open, const char *in_window)
{
	struct loader l = { .nap_ns = MS, .burn_ns = MS };
	struct probe_set *s;

	if (at_open)
		setenv("BENCH_PROBE_FAULT", at_open, 1);
	s = set_open("sched", NULL);
	unsetenv("BENCH_PROBE_FAULT");
	loader_start(&l, LOAD_NAP, last_cpu());
	set_track(s, l.tid, false);
	if (in_window)
		setenv("BENCH_PROBE_FAULT", in_window, 1);
	json_decref(set_measure(s, WINDOW, NULL, 0));
	unsetenv("BENCH_PROBE_FAULT");
	loader_stop(&l);
	return s;
}

static void without_a_fault_no_law_is_broken(void **state)
{
	struct probe_set *s;

	(void)state;
	need_root();
	s = faulty(NULL, NULL);
	assert_false(warned(s, "contradict"));
	probe_close(s);
}

static void fault_is_told(const char *at_open, const char *later, const char *text)
{
	struct probe_set *s;

	need_root();
	s = faulty(at_open, later);
	assert_true(warned(s, text));
	probe_close(s);
}

static void missing_time_is_seen(void **state)
{
	(void)state;
	fault_is_told(NULL, "clock", "causes of wall time add up");
}

static void missing_switches_are_seen(void **state)
{
	(void)state;
	fault_is_told(NULL, "lost", "left one");
}

static void waits_beyond_the_run_queues_are_seen(void **state)
{
	(void)state;
	fault_is_told(NULL, "wait", "their waits add up");
}

static void wrong_cause_fails_the_self_check(void **state)
{
	struct probe_set *s;

	(void)state;
	need_root();
	s = faulty("cause", NULL);
	assert_true(warned(s, "blocked.timer"));
	probe_close(s);
	s = faulty("clock", NULL);
	assert_true(warned(s, "self-check: the causes add up"));
	probe_close(s);
}

/* Every check of the start, and every law, fires when its input is wrong. */
static void each_check_fires(void **state)
{
	static const struct {
		const char *at_open, *in_window, *words;
	} cases[] = {
		{ "sleep", NULL, "self-check: a sleep of" },
		{ "switches", NULL, "voluntary switches were recorded where" },
		{ "spin", NULL, "self-check: a thread ran for" },
		{ "depth", NULL, "and counted as busy for" },
		{ "depth", NULL, "the run-queue depth amounts to" },
		{ "gap", NULL, "were accounted on CPU" },
		{ NULL, "twice", "the causes of blocked time add up" },
	};

	(void)state;
	need_root();
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct probe_set *s = faulty(cases[i].at_open, cases[i].in_window);

		if (!warned(s, cases[i].words))
			fail_msg("%s%s: nobody says \"%s\"", cases[i].at_open ?: "",
				 cases[i].in_window ?: "", cases[i].words);
		probe_close(s);
	}
}

/* Followed threads cannot wait longer than the run queues have somebody waiting. */
static void waits_in_no_run_queue_are_seen(void **state)
{
	struct loader l[2] = { 0 };
	struct probe_set *s;

	(void)state;
	need_root();
	s = set_open("sched", NULL);
	for (int i = 0; i < 2; i++) {
		loader_start(&l[i], LOAD_SPIN, last_cpu());
		set_track(s, l[i].tid, false);
	}
	setenv("BENCH_PROBE_FAULT", "depth", 1);
	json_decref(set_measure(s, WINDOW, NULL, 0));
	unsetenv("BENCH_PROBE_FAULT");
	for (int i = 0; i < 2; i++)
		loader_stop(&l[i]);
	assert_true(warned(s, "while the run queues held waiting tasks"));
	probe_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(spinner_is_on_cpu_and_user, untrack),
		cmocka_unit_test_teardown(sleeper_is_blocked_on_a_timer, untrack),
		cmocka_unit_test_teardown(long_sleep_has_its_cause, untrack),
		cmocka_unit_test_teardown(two_on_one_cpu_wait_for_each_other, untrack),
		cmocka_unit_test_teardown(history_takes_an_interval_apart, untrack),
		cmocka_unit_test_teardown(history_names_who_had_the_cpu, untrack),
		cmocka_unit_test_teardown(wait_is_split_by_slice, untrack),
		cmocka_unit_test_teardown(history_before_the_window_is_unknown, untrack),
		cmocka_unit_test(nobody_followed_has_no_history),
		cmocka_unit_test(without_a_fault_no_law_is_broken),
		cmocka_unit_test(missing_time_is_seen),
		cmocka_unit_test(missing_switches_are_seen),
		cmocka_unit_test(waits_beyond_the_run_queues_are_seen),
		cmocka_unit_test(wrong_cause_fails_the_self_check),
		cmocka_unit_test(each_check_fires),
		cmocka_unit_test(waits_in_no_run_queue_are_seen),
	};

	return cmocka_run_group_tests(tests, open_set, close_set);
}
