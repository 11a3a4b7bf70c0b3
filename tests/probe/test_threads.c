// SPDX-License-Identifier: BSD-2-Clause
/* What is told of tracked threads, against what the threads and /proc know themselves; and the
 * clipping of all that to the window. */
#define SHARED_PROBES "sched"
#include "probe/rig_shared.h"

#include <semaphore.h>

/* A thread that does its work once, when told, and waits before and after. */
struct worker {
	pthread_t thread;
	pid_t tid;
	sem_t ready, go, done, quit;
	void (*work)(struct worker *w);
	double asked_ns, took_ns; /* by sleeps */
};

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	w->tid = gettid();
	sem_post(&w->ready);
	sem_wait(&w->go);
	w->work(w);
	sem_post(&w->done);
	sem_wait(&w->quit);
	return NULL;
}

static void worker_start(struct worker *w, void (*work)(struct worker *w))
{
	w->work = work;
	sem_init(&w->ready, 0, 0);
	sem_init(&w->go, 0, 0);
	sem_init(&w->done, 0, 0);
	sem_init(&w->quit, 0, 0);
	assert_int_equal(pthread_create(&w->thread, NULL, worker_main, w), 0);
	sem_wait(&w->ready);
	sleep_for(5 * MS); /* until it waits */
	set_track(set, w->tid, false);
}

static void worker_stop(struct worker *w)
{
	sem_post(&w->quit);
	pthread_join(w->thread, NULL);
}

static double proc_status(pid_t tid, const char *key)
{
	char path[64], line[256];
	double ret = NAN;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
			ret = atof(line + strlen(key) + 1);
	if (f)
		fclose(f);
	return ret;
}

/* Time that the kernel says it waited for a CPU. */
static double proc_run_delay(pid_t tid)
{
	double run, delay = NAN;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)tid);
	f = fopen(path, "re");
	if (f && fscanf(f, "%lf %lf", &run, &delay) != 2)
		delay = NAN;
	if (f)
		fclose(f);
	return delay;
}

static void sleep_work(struct worker *w)
{
	for (unsigned i = 0; i < 20; i++) {
		uint64_t begin = bench_now_ns();

		sleep_for(5 * MS);
		w->asked_ns += 5.0 * MS;
		w->took_ns += (double)(bench_now_ns() - begin);
	}
}

/* Each sleep, as the thread sees it, is its off-CPU time plus the system call around it. */
static void known_sleeps_are_off_cpu_time(void **state)
{
	static struct worker w;
	struct bench_window window;
	double count, sum;
	json_t *m;

	(void)state;
	need_root();
	worker_start(&w, sleep_work);
	window = set_window(set, 0, 1000 * MS);
	sem_post(&w.go);
	sem_wait(&w.done);
	/* The waits before and after are off-CPU time too: cut them off. */
	sleep_for(MS);
	window.end_ns = bench_now_ns();
	probe_window(set, &window);
	m = set_read(set, NULL, 0);
	count = hist(m, "sched.offcpu", "count");
	sum = hist(m, "sched.offcpu", "sum");
	printf("20 sleeps of 5 ms: %.0f times off CPU for %.3f ms; asked %.3f, took %.3f\n", count,
	       sum / 1e6, w.asked_ns / 1e6, w.took_ns / 1e6);
	assert_true(count >= 20);
	assert_true(sum >= w.asked_ns * 0.999);
	/* Beginning, end and preemption outside sleeps: whatever was not sleeping or running. */
	assert_true(sum <= (double)(window.end_ns - window.start_ns));
	assert_true(hist(m, "sched.offcpu", "max") >= 5.0 * MS * 0.99);
	json_decref(m);
	worker_stop(&w);
}

static void switch_work(struct worker *w)
{
	(void)w;
	for (unsigned i = 0; i < 300; i++) {
		sleep_for(20000);
		if (i % 50 == 0)
			burn(5 * MS);
		sched_yield();
	}
}

/* The thread is blocked when the window opens and when it closes, so all its switches are in it,
 * but for the one that it is in. */
static void switches_are_those_of_proc_status(void **state)
{
	static struct worker w;
	static struct loader rival;
	double voluntary, involuntary, lost;
	json_t *m;

	(void)state;
	need_root();
	loader_start(&rival, LOAD_SPIN, -1);
	worker_start(&w, switch_work);
	lost = -lost_events(set);
	voluntary = -proc_status(w.tid, "voluntary_ctxt_switches");
	involuntary = -proc_status(w.tid, "nonvoluntary_ctxt_switches");
	set_window(set, 0, 10000 * MS);
	sem_post(&w.go);
	sem_wait(&w.done);
	sleep_for(5 * MS);
	m = set_read(set, NULL, 0);
	lost += lost_events(set);
	voluntary += proc_status(w.tid, "voluntary_ctxt_switches");
	involuntary += proc_status(w.tid, "nonvoluntary_ctxt_switches");
	printf("voluntary %.0f of %.0f, involuntary %.0f of %.0f (%.0f events lost on the host)\n",
	       value(m, "sched.switches", "kind", "voluntary"), voluntary,
	       value(m, "sched.switches", "kind", "involuntary"), involuntary, lost);
	assert_true(voluntary >= 200); /* a nap that ended before it began does not switch */
	assert_true(fabs(value(m, "sched.switches", "kind", "voluntary") - voluntary) <= lost);
	assert_true(fabs(value(m, "sched.switches", "kind", "involuntary") - involuntary) <= lost);
	json_decref(m);
	worker_stop(&w);
	loader_stop(&rival);
}

/* Two spinners on one CPU: each waits while the other runs. The kernel's own run_delay
 * begins when the rival is woken, not when it gets the CPU: at each turn it is some us longer (14
 * us where leaving an interrupt costs that much). */
static void run_queue_latency_is_the_run_delay(void **state)
{
	static struct loader l[2];
	double delay = 0, sum, used = 0, length, turns;
	int cpu = last_cpu();
	uint64_t begin;
	json_t *m;

	(void)state;
	need_root();
	for (unsigned i = 0; i < 2; i++) {
		loader_start(&l[i], LOAD_SPIN, cpu);
		set_track(set, l[i].tid, false);
	}
	set_window(set, 0, 10000 * MS);
	begin = bench_now_ns();
	for (unsigned i = 0; i < 2; i++) {
		delay -= proc_run_delay(l[i].tid);
		used -= (double)thread_cpu_ns(l[i].clock);
	}
	sleep_for(500 * MS);
	for (unsigned i = 0; i < 2; i++) {
		delay += proc_run_delay(l[i].tid);
		used += (double)thread_cpu_ns(l[i].clock);
	}
	length = (double)(bench_now_ns() - begin);
	m = set_read(set, &cpu, 1);
	sum = hist(m, "sched.runq_latency", "sum");
	turns = hist(m, "sched.runq_latency", "count");
	printf("waited %.3f ms in %.0f turns; run_delay %.3f ms; 2 x wall - CPU time %.3f ms\n",
	       sum / 1e6, turns, delay / 1e6, (2 * length - used) / 1e6);
	for (unsigned i = 0; i < 2; i++)
		loader_stop(&l[i]);
	assert_true(fabs(sum - delay) <= 0.02 * sum + 30000 * turns);
	assert_true(sum <= (2 * length - used) * 1.01);
	/* Who waits is in the depth, too; others of the host may add to it. */
	assert_true(on_cpu(m, "sched.runq_waiting", cpu) * length >= 0.98 * sum);
	json_decref(m);
}

static void hop_work(struct worker *w)
{
	int last = last_cpu();

	(void)w;
	for (unsigned i = 0; i < 40; i++)
		bind_to(i % 2 ? last : 0);
}

static void moves_between_cpus_are_migrations(void **state)
{
	static struct worker w;
	json_t *m;

	(void)state;
	need_root();
	if (!last_cpu()) {
		printf("skip: needs two CPUs\n");
		skip();
	}
	worker_start(&w, hop_work);
	set_window(set, 0, 10000 * MS);
	sem_post(&w.go);
	sem_wait(&w.done);
	m = set_read(set, NULL, 0);
	printf("40 moves: %.0f migrations\n", value(m, "sched.migrations", NULL, NULL));
	assert_true(value(m, "sched.migrations", NULL, NULL) >= 39); /* it may start on CPU 0 */
	assert_true(value(m, "sched.migrations", NULL, NULL) <= 45); /* and be woken elsewhere */
	json_decref(m);
	worker_stop(&w);
}

/* --- the window --- */

static void doze_work(struct worker *w)
{
	(void)w;
	sleep_for(300 * MS);
}

/* Asleep from before the window until after it: one interval, exactly as long as the window. */
static void interval_open_at_both_ends_is_the_window(void **state)
{
	static struct worker w;
	json_t *m;

	(void)state;
	need_root();
	worker_start(&w, doze_work);
	sem_post(&w.go);
	sleep_for(20 * MS);
	m = set_measure(set, 50 * MS, NULL, 0);
	assert_true(hist(m, "sched.offcpu", "count") == 1);
	assert_true(hist(m, "sched.offcpu", "sum") == 50.0 * MS);
	assert_true(value(m, "sched.switches", "kind", "voluntary") == 0);
	json_decref(m);
	sem_wait(&w.done);
	worker_stop(&w);
}

static void end_work(struct worker *w)
{
	(void)w;
	sleep_for(60 * MS);
	burn(60 * MS);
}

/* Asleep when the window opens and awake when it closes: clipped at its start. */
static void interval_open_at_the_start_is_clipped(void **state)
{
	static struct worker w;
	struct bench_window window;
	uint64_t slept;
	json_t *m;

	(void)state;
	need_root();
	worker_start(&w, end_work);
	slept = bench_now_ns();
	sem_post(&w.go);
	window = set_window(set, 30 * MS, 60 * MS);
	sleep_until(window.end_ns);
	m = set_read(set, NULL, 0);
	/* It sleeps until slept + 60 ms, of which the window has all but the first 30 ms. */
	printf("off CPU for %.3f ms\n", hist(m, "sched.offcpu", "max") / 1e6);
	assert_true(hist(m, "sched.offcpu", "max") >= (double)(slept + 60 * MS - window.start_ns));
	assert_true(hist(m, "sched.offcpu", "max") <= 40.0 * MS);
	json_decref(m);
	sem_wait(&w.done);
	worker_stop(&w);
}

static void nothing_is_counted_outside_the_window(void **state)
{
	static struct loader l = { .nap_ns = 50000 };
	struct bench_window window;
	uint64_t naps;
	json_t *m;

	(void)state;
	need_root();
	loader_start(&l, LOAD_NAP, -1);
	set_track(set, l.tid, false);
	window = set_window(set, 100 * MS, 100 * MS);
	sleep_until(window.start_ns);
	naps = -atomic_load(&l.naps);
	sleep_until(window.end_ns);
	naps += atomic_load(&l.naps);
	sleep_for(100 * MS);
	m = set_read(set, NULL, 0);
	printf("%.0f switches in the window, where it took %.0f naps of %.0f\n",
	       value(m, "sched.switches", "kind", "voluntary"), (double)naps,
	       (double)atomic_load(&l.naps));
	assert_true(fabs(value(m, "sched.switches", "kind", "voluntary") - (double)naps) <=
		    2 + 0.1 * (double)naps); /* this thread may read late */
	assert_true(hist(m, "sched.offcpu", "sum") <= 100.0 * MS);
	json_decref(m);
	loader_stop(&l);
}

/* The end is not known at first, and is pulled in. */
static void end_may_come_later(void **state)
{
	struct bench_window window;
	static struct worker w;
	int cpu = last_cpu();
	double depths = 0;
	json_t *m;

	(void)state;
	need_root();
	worker_start(&w, doze_work);
	sem_post(&w.go);
	sleep_for(20 * MS);
	window = set_window(set, MS, 0);
	window.end_ns = UINT64_MAX;
	probe_window(set, &window);
	sleep_for(60 * MS);
	window.end_ns = bench_now_ns();
	probe_window(set, &window);
	m = set_read(set, &cpu, 1);
	assert_true(hist(m, "sched.offcpu", "count") == 1);
	assert_true(hist(m, "sched.offcpu", "sum") == (double)(window.end_ns - window.start_ns));
	for (unsigned d = 0; d < 64; d++)
		depths += at_depth(m, cpu, d);
	assert_true(fabs(depths - 1) < 1e-9);
	json_decref(m);
	sem_wait(&w.done);
	worker_stop(&w);
}

static void values_start_from_zero_in_each_window(void **state)
{
	static struct worker w;
	json_t *m;

	(void)state;
	need_root();
	worker_start(&w, switch_work);
	set_window(set, 0, 10000 * MS);
	sem_post(&w.go);
	sem_wait(&w.done);
	sleep_for(5 * MS);
	m = set_measure(set, 20 * MS, NULL, 0); /* a window that nobody read came before */
	assert_true(value(m, "sched.switches", "kind", "voluntary") == 0);
	assert_true(hist(m, "sched.offcpu", "sum") == 20.0 * MS);
	json_decref(m);
	m = set_measure(set, 20 * MS, NULL, 0);
	assert_true(hist(m, "sched.offcpu", "sum") == 20.0 * MS);
	json_decref(m);
	worker_stop(&w);
}

static void no_window_is_not_counted(void **state)
{
	json_t *m;

	(void)state;
	need_root();
	m = set_read(set, NULL, 0);
	assert_string_equal(
		bench_result_str(row(m, "sched.offcpu", NULL, NULL, NULL, NULL), "status"),
		"not_counted");
	json_decref(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(known_sleeps_are_off_cpu_time, untrack),
		cmocka_unit_test_teardown(switches_are_those_of_proc_status, untrack),
		cmocka_unit_test_teardown(run_queue_latency_is_the_run_delay, untrack),
		cmocka_unit_test_teardown(moves_between_cpus_are_migrations, untrack),
		cmocka_unit_test_teardown(interval_open_at_both_ends_is_the_window, untrack),
		cmocka_unit_test_teardown(interval_open_at_the_start_is_clipped, untrack),
		cmocka_unit_test_teardown(nothing_is_counted_outside_the_window, untrack),
		cmocka_unit_test_teardown(end_may_come_later, untrack),
		cmocka_unit_test_teardown(values_start_from_zero_in_each_window, untrack),
		cmocka_unit_test(no_window_is_not_counted),
	};

	return cmocka_run_group_tests(tests, open_set, close_set);
}
