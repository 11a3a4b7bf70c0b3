// SPDX-License-Identifier: BSD-2-Clause
/* Blame and work conservation on known loads: against the CPU time of those who are blamed, and
 * against the other metrics of the same window. */
#include "probe/rig.h"

#include <mntent.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "probe/set.h"

#define WINDOW (1000 * MS)

/* The test itself must read clocks on time, however busy the machine is; what it starts is normal.
 */
static void be_punctual(void)
{
	const struct sched_param param = { .sched_priority = 1 };

	need_root();
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param))
		printf("no real-time priority: figures may be off on a busy host\n");
}

static uint64_t cpu_ns(const struct loader *l)
{
	return thread_cpu_ns(l->clock);
}

static double blame_pid(const json_t *metrics, pid_t pid)
{
	json_t *m;
	size_t i;

	json_array_foreach (metrics, i, m)
		if (!strcmp(bench_result_str(m, "name"), "sched.blame") &&
		    atoi(bench_result_str(json_object_get(m, "labels"), "pid")) == pid)
			return value_of(m);
	return 0;
}

static double blame_sum(const json_t *metrics)
{
	double sum = 0;
	json_t *m;
	size_t i;

	json_array_foreach (metrics, i, m)
		if (!strcmp(bench_result_str(m, "name"), "sched.blame"))
			sum += value_of(m);
	return sum;
}

static double near(double a, double b)
{
	return fabs(a - b) / fmax(fabs(a), fabs(b));
}

/* Where others compete too, the kernel's own account of CPU time is off by up to 13 per cent,
 * because it does not read its clock at each event. known: how many tasks of the test are on the
 * CPU. */
static double tolerance(const json_t *metrics, int cpu, unsigned known)
{
	return on_cpu(metrics, "sched.runq_depth", cpu) < known + 0.1 ? 0.04 : 0.15;
}

static void no_breach(struct probe_set *set)
{
	json_t *warnings = json_array(), *w;
	size_t i;

	probe_warnings(set, warnings);
	json_array_foreach (warnings, i, w)
		if (strstr(json_string_value(w), "sched.blame"))
			fail_msg("%s", json_string_value(w));
	json_decref(warnings);
}

/* The charges of a window and the run-queue latency of the same one are two ways to one sum. */
static void charges_sum_to_wait(struct probe_set *set, const json_t *metrics)
{
	double wait = hist(metrics, "sched.runq_latency", "sum"), sum = blame_sum(metrics);

	printf("wait %.3f ms, charged %.3f ms, of it %.3f ms to the host\n", wait / 1e6, sum / 1e6,
	       value(metrics, "sched.blame", "comm", "host") / 1e6);
	if (near(wait, sum) > 0.005 && fabs(wait - sum) > 1e5)
		fail_msg("tracked threads waited %.0f ns, others are charged %.0f ns", wait, sum);
	printf("lost %.0f, unknown %.3f ms\n", lost_events(set),
	       value(metrics, "sched.blame", "comm", "unknown") / 1e6);
	no_breach(set);
}

static void thieves_are_blamed_for_their_cpu_time(void **state)
{
	struct loader worker = { 0 }, hog[2] = { 0 };
	uint64_t before[2], ran[2];
	struct bench_window w;
	struct probe_set *set;
	int cpu = last_cpu();
	double blamed[2];
	json_t *metrics;

	(void)state;
	be_punctual();
	set = set_open("sched,irq", NULL);
	loader_start(&worker, LOAD_SPIN, cpu);
	for (int i = 0; i < 2; i++)
		loader_start(&hog[i], LOAD_SPIN, cpu);
	assert_int_equal(setpriority(PRIO_PROCESS, (id_t)hog[1].tid, 10), 0);
	set_track(set, worker.tid, false);
	sleep_for(20 * MS);
	for (int i = 0; i < 2; i++)
		before[i] = cpu_ns(&hog[i]);
	w = set_window(set, 0, 2 * WINDOW);
	sleep_until(w.end_ns);
	for (int i = 0; i < 2; i++)
		ran[i] = cpu_ns(&hog[i]) - before[i];
	metrics = set_read(set, &cpu, 1);
	for (int i = 0; i < 2; i++) {
		blamed[i] = blame_pid(metrics, hog[i].tid);
		printf("nice %d: ran %.1f ms, blamed %.1f ms\n", i * 10, (double)ran[i] / 1e6,
		       blamed[i] / 1e6);
	}
	loader_stop(&worker);
	for (int i = 0; i < 2; i++)
		loader_stop(&hog[i]);
	charges_sum_to_wait(set, metrics);
	/* The share of each, and for the larger one also the time itself; interrupts and the host
	 * are charged apart, and are in the kernel's own account of CPU time. */
	for (int i = 0; i < 2; i++) {
		double share = blamed[i] / (blamed[0] + blamed[1]);
		double truth = (double)ran[i] / (double)(ran[0] + ran[1]);

		if (fabs(share - truth) > 0.02)
			fail_msg("hog %d: %.3f of the blame, %.3f of the time", i, share, truth);
	}
	assert_true(near(blamed[0], (double)ran[0]) < tolerance(metrics, cpu, 3));
	json_decref(metrics);
	probe_close(set);
}

static void fallback_blames_the_same(void **state)
{
	struct loader worker = { 0 }, hog = { 0 };
	struct probe_set *set;
	int cpu = last_cpu();
	struct bench_window w;
	json_t *metrics;
	uint64_t ran;

	(void)state;
	be_punctual();
	set = set_open("sched,irq", "raw,storage,depth,atomics");
	loader_start(&worker, LOAD_SPIN, cpu);
	loader_start(&hog, LOAD_SPIN, cpu);
	set_track(set, worker.tid, false);
	sleep_for(20 * MS);
	ran = cpu_ns(&hog);
	w = set_window(set, 0, WINDOW);
	sleep_until(w.end_ns);
	ran = cpu_ns(&hog) - ran;
	metrics = set_read(set, &cpu, 1);
	loader_stop(&worker);
	loader_stop(&hog);
	charges_sum_to_wait(set, metrics);
	printf("ran %.1f ms, blamed %.1f ms\n", (double)ran / 1e6,
	       blame_pid(metrics, hog.tid) / 1e6);
	assert_true(near((double)ran, blame_pid(metrics, hog.tid)) < tolerance(metrics, cpu, 2));
	assert_string_equal(
		bench_result_str(row(metrics, "sched.work_conservation", NULL, NULL, NULL, NULL),
				 "status"),
		"not_supported");
	json_decref(metrics);
	probe_close(set);
}

static void wait_of_several_is_split_by_slice(void **state)
{
	struct loader worker[3] = { 0 }, hog = { 0 };
	uint64_t before[4], after[4];
	struct bench_window w;
	struct probe_set *set;
	int cpu = last_cpu();
	double blamed, sum[2] = { 0 };
	json_t *metrics;

	(void)state;
	be_punctual();
	set = set_open("sched,irq", NULL);
	loader_start(&hog, LOAD_SPIN, cpu);
	for (int i = 0; i < 3; i++) {
		loader_start(&worker[i], LOAD_SPIN, cpu);
		set_track(set, worker[i].tid, false);
	}
	sleep_for(20 * MS);
	for (int i = 0; i < 4; i++)
		before[i] = cpu_ns(i < 3 ? &worker[i] : &hog);
	w = set_window(set, 0, 2 * WINDOW);
	sleep_until(w.end_ns);
	for (int i = 0; i < 4; i++)
		after[i] = cpu_ns(i < 3 ? &worker[i] : &hog);
	metrics = set_read(set, &cpu, 1);
	for (int i = 0; i < 4; i++)
		loader_stop(i < 3 ? &worker[i] : &hog);
	charges_sum_to_wait(set, metrics);
	/* Behind the hog all three wait; behind each other the two that do not run. */
	for (int i = 0; i < 4; i++) {
		double ran = (double)(after[i] - before[i]) * (i < 3 ? 2 : 3);

		blamed = blame_pid(metrics, i < 3 ? worker[i].tid : hog.tid);
		printf("%s: waited for %.1f ms, blamed %.1f ms\n", i < 3 ? "worker" : "hog",
		       ran / 1e6, blamed / 1e6);
		sum[0] += ran;
		sum[1] += blamed;
		assert_true(near(blamed, ran) < tolerance(metrics, cpu, 4));
	}
	/* The shares are right whatever the kernel's clock does. */
	for (int i = 0; i < 4; i++) {
		double ran = (double)(after[i] - before[i]) * (i < 3 ? 2 : 3);

		blamed = blame_pid(metrics, i < 3 ? worker[i].tid : hog.tid);
		assert_true(fabs(ran / sum[0] - blamed / sum[1]) < 0.02);
	}
	json_decref(metrics);
	probe_close(set);
}

static void waiter_that_moves_blames_its_new_cpu(void **state)
{
	struct loader worker = { 0 }, hog[2] = { 0 };
	uint64_t at[4][2]; /* CPU time at the start, before and after the move, at the end */
	struct probe_set *set;
	struct bench_window w;
	int cpus[2] = { 0, last_cpu() };
	cpu_set_t there;
	json_t *metrics;

	(void)state;
	need_root();
	if (cpus[0] == cpus[1]) {
		printf("skip: needs two CPUs\n");
		skip();
	}
	set = set_open("sched,irq", NULL);
	loader_start(&worker, LOAD_SPIN, cpus[0]);
	for (int i = 0; i < 2; i++)
		loader_start(&hog[i], LOAD_SPIN, cpus[i]);
	set_track(set, worker.tid, false);
	w = set_window(set, MS, WINDOW);
	sleep_until(w.start_ns);
	for (int i = 0; i < 2; i++)
		at[0][i] = cpu_ns(&hog[i]);
	sleep_until(w.start_ns + WINDOW / 2);
	CPU_ZERO(&there);
	CPU_SET(cpus[1], &there);
	for (int i = 0; i < 2; i++)
		at[1][i] = cpu_ns(&hog[i]);
	assert_int_equal(sched_setaffinity(worker.tid, sizeof(there), &there), 0);
	for (int i = 0; i < 2; i++)
		at[2][i] = cpu_ns(&hog[i]);
	sleep_until(w.end_ns);
	for (int i = 0; i < 2; i++)
		at[3][i] = cpu_ns(&hog[i]);
	metrics = set_read(set, cpus, 2);
	loader_stop(&worker);
	for (int i = 0; i < 2; i++)
		loader_stop(&hog[i]);
	for (int i = 0; i < 2; i++) {
		double ran = (double)(at[1 + 2 * i][i] - at[2 * i][i]);
		double blamed = blame_pid(metrics, hog[i].tid);

		printf("half %d: hog ran %.1f ms, blamed %.1f ms\n", i, ran / 1e6, blamed / 1e6);
		/* It has one task besides for one half of the window. */
		assert_true(near(ran, blamed) < tolerance(metrics, cpus[i], 1) + 0.02 ||
			    fabs(ran - blamed) < 10e6);
	}
	charges_sum_to_wait(set, metrics);
	json_decref(metrics);
	probe_close(set);
}

static void waking_an_idle_cpu_is_blamed_on_idle(void **state)
{
	struct loader worker = { .nap_ns = 2 * MS };
	int cpu = last_cpu();
	struct probe_set *set;
	json_t *metrics;
	double idle;

	(void)state;
	be_punctual();
	set = set_open("sched,irq", NULL);
	loader_start(&worker, LOAD_NAP, cpu);
	set_track(set, worker.tid, false);
	metrics = set_measure(set, WINDOW / 2, &cpu, 1);
	loader_stop(&worker);
	charges_sum_to_wait(set, metrics);
	idle = value(metrics, "sched.blame", "comm", "idle");
	printf("idle %.1f us of %.1f us\n", idle / 1e3, blame_sum(metrics) / 1e3);
	/* Some of its 250 wake-ups at least found the CPU idle. */
	assert_true(idle > 1000 || at_depth(metrics, cpu, 0) < 0.2);
	json_decref(metrics);
	probe_close(set);
}

/* A new cgroup of version 2 with pid in it. */
static bool cgroup_new(char *ret_dir, size_t size, pid_t pid)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re"), *procs;
	struct mntent *entry;
	char path[512];
	bool ok;

	ret_dir[0] = '\0';
	while (mounts && !ret_dir[0] && (entry = getmntent(mounts)))
		if (!strcmp(entry->mnt_type, "cgroup2"))
			snprintf(ret_dir, size, "%s/bench-test-%d", entry->mnt_dir, getpid());
	if (mounts)
		endmntent(mounts);
	if (!ret_dir[0] || mkdir(ret_dir, 0700))
		return false;
	snprintf(path, sizeof(path), "%s/cgroup.procs", ret_dir);
	procs = fopen(path, "we");
	ok = procs && fprintf(procs, "%d\n", (int)pid) > 0;
	if (procs)
		ok = !fclose(procs) && ok;
	if (!ok)
		rmdir(ret_dir);
	return ok;
}

static void charges_that_do_not_add_up_are_told(void **state)
{
	struct loader worker = { 0 }, hog = { 0 };
	json_t *warnings = json_array(), *w;
	struct probe_set *set;
	int cpu = last_cpu();
	unsigned told = 0;
	size_t i;

	(void)state;
	be_punctual();
	set = set_open("sched.blame", NULL);
	loader_start(&worker, LOAD_SPIN, cpu);
	loader_start(&hog, LOAD_SPIN, cpu);
	set_track(set, worker.tid, false);
	setenv("BENCH_PROBE_FAULT", "blame", 1);
	json_decref(set_measure(set, 100 * MS, &cpu, 1));
	unsetenv("BENCH_PROBE_FAULT");
	/* A good window afterwards does not make it forgotten. */
	json_decref(set_measure(set, 100 * MS, &cpu, 1));
	loader_stop(&worker);
	loader_stop(&hog);
	probe_warnings(set, warnings);
	json_array_foreach (warnings, i, w)
		told += !!strstr(json_string_value(w), "in 1 windows): sched.blame");
	assert_int_equal(told, 1);
	json_decref(warnings);
	probe_close(set);
}

static void thief_of_a_cgroup_is_named_with_it(void **state)
{
	struct loader worker = { 0 };
	const char *found = NULL;
	struct probe_set *set;
	int cpu = last_cpu();
	char dir[256], name[64];
	json_t *metrics, *m;
	pid_t hog;
	size_t i;

	(void)state;
	be_punctual();
	hog = fork();
	if (!hog) {
		bind_to(cpu);
		for (;;)
			;
	}
	if (!cgroup_new(dir, sizeof(dir), hog)) {
		kill(hog, SIGKILL);
		waitpid(hog, NULL, 0);
		printf("skip: no cgroup of version 2 can be made\n");
		skip();
	}
	set = set_open("sched.blame", NULL);
	loader_start(&worker, LOAD_SPIN, cpu);
	set_track(set, worker.tid, false);
	metrics = set_measure(set, WINDOW / 4, &cpu, 1);
	loader_stop(&worker);
	kill(hog, SIGKILL);
	waitpid(hog, NULL, 0);
	for (int k = 0; k < 100 && rmdir(dir); k++)
		sleep_for(10 * MS);
	assert_true(blame_pid(metrics, hog) > 0);
	json_array_foreach (metrics, i, m)
		if (atoi(bench_result_str(json_object_get(m, "labels"), "pid")) == hog)
			found = bench_result_str(json_object_get(m, "labels"), "cgroup");
	snprintf(name, sizeof(name), "/bench-test-%d", getpid());
	assert_string_equal(found, name);
	json_decref(metrics);
	probe_close(set);
}

static void nobody_is_blamed_where_nobody_waits(void **state)
{
	struct probe_set *set;
	struct loader worker = { .nap_ns = 10000 * MS };
	int cpu = last_cpu();
	json_t *metrics;

	(void)state;
	be_punctual();
	set = set_open("sched,irq", NULL);
	loader_start(&worker, LOAD_SPIN, cpu);
	sleep_for(MS);
	metrics = set_measure(set, 20 * MS, &cpu, 1); /* tracks nobody */
	loader_stop(&worker);
	assert_true(blame_sum(metrics) == 0);
	assert_non_null(row(metrics, "sched.blame", "comm", "idle", NULL, NULL));
	json_decref(metrics);
	probe_close(set);
}

/* --- work conservation --- */

static void loss_is_idle_time_beside_a_queue(const char *fallback)
{
	int cpus[2] = { 0, last_cpu() };
	struct loader spin[2] = { 0 };
	struct probe_set *set;
	double loss, idle;
	json_t *metrics;

	need_root();
	if (cpus[0] == cpus[1]) {
		printf("skip: needs two CPUs\n");
		skip();
	}
	set = set_open("sched", fallback);
	for (int i = 0; i < 2; i++)
		loader_start(&spin[i], LOAD_SPIN, cpus[0]);
	sleep_for(20 * MS);
	metrics = set_measure(set, WINDOW, cpus, 2);
	for (int i = 0; i < 2; i++)
		loader_stop(&spin[i]);
	loss = value(metrics, "sched.work_conservation", NULL, NULL);
	/* On more CPUs than two some other one may idle too. */
	idle = at_depth(metrics, cpus[1], 0);
	printf("loss %.4f, the other CPU idled %.4f\n", loss, idle);
	assert_true(sysconf(_SC_NPROCESSORS_ONLN) > 2 ? loss > idle - 0.01
						      : fabs(loss - idle) < 0.01);
	assert_true(loss <= 1);
	json_decref(metrics);
	probe_close(set);
	if (idle < 0.05) {
		printf("skip: the other CPU had no idle time to speak of\n");
		skip();
	}
}

static void queue_beside_an_idle_cpu_is_a_loss(void **state)
{
	(void)state;
	loss_is_idle_time_beside_a_queue(NULL);
}

static void queue_beside_an_idle_cpu_is_a_loss_also_from_events(void **state)
{
	(void)state;
	loss_is_idle_time_beside_a_queue("depth");
}

/* Two sets over one window: one reads the run queues, one counts events. */
static void both_ways_to_the_loss_agree(void **state)
{
	static const char *const ways[] = { NULL, "depth" };
	struct loader nap[4] = { 0 };
	struct probe_set *set[2];
	struct bench_window w;
	double loss[2];
	json_t *metrics;

	(void)state;
	be_punctual();
	for (int i = 0; i < 2; i++)
		set[i] = set_open("sched.work_conservation", ways[i]);
	/* Often three on one CPU while the other naps. */
	for (int i = 0; i < 4; i++) {
		nap[i] = (struct loader){ .nap_ns = 3 * MS, .burn_ns = (i ? 2 : 1) * MS };
		loader_start(&nap[i], LOAD_NAP, i ? 0 : last_cpu());
	}
	w = set_window(set[0], 5 * MS, WINDOW);
	probe_window(set[1], &w);
	sleep_until(w.end_ns);
	for (int i = 0; i < 2; i++) {
		metrics = set_read(set[i], NULL, 0);
		loss[i] = value(metrics, "sched.work_conservation", NULL, NULL);
		json_decref(metrics);
		probe_close(set[i]);
	}
	for (int i = 0; i < 4; i++)
		loader_stop(&nap[i]);
	printf("loss %.4f from the run queues, %.4f from events\n", loss[0], loss[1]);
	assert_true(fabs(loss[0] - loss[1]) < 0.01);
}

static void cpu_that_is_not_allowed_is_no_loss(void **state)
{
	struct loader spin[2] = { 0 };
	struct probe_set *set;
	cpu_set_t all, one;
	json_t *metrics;
	int cpu = 0;

	(void)state;
	need_root();
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one)) {
		printf("skip: CPU 0 is not allowed\n");
		skip();
	}
	set = set_open("sched", NULL);
	for (int i = 0; i < 2; i++)
		loader_start(&spin[i], LOAD_SPIN, cpu);
	metrics = set_measure(set, WINDOW / 4, &cpu, 1);
	for (int i = 0; i < 2; i++)
		loader_stop(&spin[i]);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	assert_true(value(metrics, "sched.work_conservation", NULL, NULL) == 0);
	assert_true(at_depth(metrics, cpu, 0) + at_depth(metrics, cpu, 1) < 0.05);
	json_decref(metrics);
	probe_close(set);
}

static void one_task_per_cpu_is_no_loss(void **state)
{
	int cpus[2] = { 0, last_cpu() };
	struct loader spin = { 0 };
	struct probe_set *set;
	double loss, queue;
	json_t *metrics;

	(void)state;
	need_root();
	set = set_open("sched", NULL);
	loader_start(&spin, LOAD_SPIN, cpus[0]);
	metrics = set_measure(set, WINDOW / 2, cpus, 2);
	loader_stop(&spin);
	loss = value(metrics, "sched.work_conservation", NULL, NULL);
	queue = 2 - at_depth(metrics, cpus[0], 0) - at_depth(metrics, cpus[0], 1) -
		at_depth(metrics, cpus[1], 0) - at_depth(metrics, cpus[1], 1);
	printf("loss %.4f, some queue for %.4f\n", loss, queue);
	assert_true(loss <= queue + 0.001);
	json_decref(metrics);
	probe_close(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thieves_are_blamed_for_their_cpu_time),
		cmocka_unit_test(fallback_blames_the_same),
		cmocka_unit_test(wait_of_several_is_split_by_slice),
		cmocka_unit_test(waiter_that_moves_blames_its_new_cpu),
		cmocka_unit_test(waking_an_idle_cpu_is_blamed_on_idle),
		cmocka_unit_test(charges_that_do_not_add_up_are_told),
		cmocka_unit_test(thief_of_a_cgroup_is_named_with_it),
		cmocka_unit_test(nobody_is_blamed_where_nobody_waits),
		cmocka_unit_test(queue_beside_an_idle_cpu_is_a_loss),
		cmocka_unit_test(queue_beside_an_idle_cpu_is_a_loss_also_from_events),
		cmocka_unit_test(both_ways_to_the_loss_agree),
		cmocka_unit_test(cpu_that_is_not_allowed_is_no_loss),
		cmocka_unit_test(one_task_per_cpu_is_no_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
