// SPDX-License-Identifier: BSD-2-Clause
/* Software events on the running kernel against what is known from elsewhere, and what this host
 * lacks against the reasons given. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/result.h"
#include "core/result.h"
#include "counters/plan.h"

/* The kernel also takes faults of its own account (stacks, page tables of the C library). */
#define FEW 16

static struct counter_plan *plan;
static struct counter_session *session;
static struct bench_metric_set *set;
static json_t *job;
static struct bench_err err;
static cpu_set_t all_cpus;

static int setup(void **state)
{
	(void)state;
	err = (struct bench_err){ 0 };
	set = metric_set_new();
	metric_set_next_trial(set);
	return sched_getaffinity(0, sizeof(all_cpus), &all_cpus);
}

static int teardown(void **state)
{
	(void)state;
	counter_close(session);
	session = NULL;
	counter_plan_free(plan);
	plan = NULL;
	metric_set_free(set);
	json_decref(job);
	job = NULL;
	return sched_setaffinity(0, sizeof(all_cpus), &all_cpus);
}

static void open_on(const char *list, const struct counter_target *target)
{
	if (counter_plan_new(&plan, list, &err) || counter_open(&session, plan, target, 0, &err))
		fail_msg("%s", err.msg);
	for (unsigned i = 0; i < plan->nr_events; i++) {
		if (plan->events[i].status != BENCH_NOT_PERMITTED)
			continue;
		print_message("skipped: %s: %s\n", plan->events[i].name, plan->events[i].note);
		skip();
	}
}

static void open_self(const char *list, bool inherit)
{
	const struct counter_target target = { .tid = 0, .cpu = -1, .inherit = inherit };

	open_on(list, &target);
}

static void put(void)
{
	counter_put(plan, &session, 1, "worker", 0, set);
	json_decref(job);
	job = json_pack("{s:o}", "metrics", metric_set_json(set));
}

static double value(const char *name)
{
	const json_t *m = bench_result_metric(job, name, "scope", "worker");

	if (!m || strcmp(bench_result_str(m, "status"), "ok") != 0)
		fail_msg("%s: %s: %s", name, bench_result_str(m, "status"),
			 bench_result_str(m, "note"));
	return bench_result_num(m, "value");
}

static void assert_between(const char *name, double low, double high)
{
	double v = value(name);

	print_message("%s: %.0f (%.0f to %.0f)\n", name, v, low, high);
	if (v < low || v > high)
		fail_msg("%s is %.0f, outside %.0f to %.0f", name, v, low, high);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

static void spin_ns(uint64_t ns)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + ns;

	while (clock_ns(CLOCK_MONOTONIC) < end)
		;
}

/* Touch nr pages never touched before, and not the shadow of a sanitizer either. */
__attribute__((no_sanitize("address"))) static void touch_pages(unsigned nr)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *at =
		mmap(NULL, nr * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		_exit(99);
	/* A huge page would be one fault for 512. */
	madvise(at, nr * page, MADV_NOHUGEPAGE);
	for (unsigned i = 0; i < nr; i++)
		((volatile char *)at)[i * page] = 1;
	munmap(at, nr * page);
}

/* Ticks in which a hypervisor ran something else, or interrupts were served. */
static unsigned long stolen_ticks(void)
{
	unsigned long t[8] = { 0 };
	FILE *file = fopen("/proc/stat", "re");

	/* proc(5): user nice system idle iowait irq softirq steal */
	if (file && fscanf(file, "cpu %lu %lu %lu %lu %lu %lu %lu %lu", &t[0], &t[1], &t[2], &t[3],
			   &t[4], &t[5], &t[6], &t[7]) != 8)
		t[5] = t[6] = t[7] = 0;
	if (file)
		fclose(file);
	return t[5] + t[6] + t[7];
}

/* The thread's clock is read on both sides of the calls that switch counting on and off, so the
 * truth lies between the two differences. It leaves out time in interrupts and time stolen by a
 * hypervisor, which task-clock has in it (kernel/sched/core.c, update_rq_clock_task()): so
 * task-clock may be larger on a busy host, but never smaller, and in the quietest of some windows
 * the two agree. */
static void task_clock_agrees_with_thread_cpu_time(void **state)
{
	unsigned long stolen = stolen_ticks();
	double best = INFINITY;

	(void)state;
	open_self("task-clock,context-switches", false);
	for (unsigned i = 0; i < 50 && (i < 10 || best >= 0.01); i++) {
		uint64_t clock[4];
		double counted;

		metric_set_free(set);
		set = metric_set_new();
		metric_set_next_trial(set);
		clock[0] = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		assert_int_equal(counter_enable(session), 0);
		clock[1] = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		spin_ns(10000000);
		clock[2] = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		assert_int_equal(counter_disable(session), 0);
		clock[3] = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		put();
		counted = value("task-clock");
		assert_true(counted > 0.99 * (clock[2] - clock[1]));
		best = fmin(best, counted / (clock[3] - clock[0]) - 1);
	}
	print_message("task-clock is at most %.3f %% above the thread's clock\n", 100 * best);
	stolen = stolen_ticks() - stolen;
	if (best >= 0.01 && stolen) {
		print_message("skipped: %lu ticks went to interrupts and the hypervisor\n", stolen);
		skip();
	}
	assert_true(best < 0.01);
}

static void page_faults_equal_first_touches(void **state)
{
	(void)state;
	open_self("page-faults,minor-faults,major-faults", false);
	touch_pages(1); /* load what the functions themselves need */
	assert_int_equal(counter_enable(session), 0);
	touch_pages(2000);
	assert_int_equal(counter_disable(session), 0);
	put();
	assert_between("page-faults", 2000, 2000 + FEW);
	assert_between("minor-faults", 2000, 2000 + FEW);
	assert_between("major-faults", 0, FEW);
}

static void nothing_is_counted_between_windows(void **state)
{
	(void)state;
	open_self("page-faults", false);
	touch_pages(1000);
	for (unsigned trial = 0; trial < 3; trial++) {
		metric_set_next_trial(set);
		counter_enable(session);
		touch_pages(100);
		counter_disable(session);
		put();
		touch_pages(1000);
	}
	for (unsigned trial = 1; trial < 4; trial++) {
		const json_t *trials = bench_result_get(
			bench_result_metric(job, "page-faults", NULL, NULL), "trials");
		double v =
			json_number_value(json_array_get(trials, json_array_size(trials) - trial));

		assert_true(v >= 100 && v <= 100 + FEW);
	}
}

static void context_switches_equal_sleeps(void **state)
{
	const struct timespec nap = { .tv_nsec = 1000000 };
	struct rusage before, after;
	long switches;

	(void)state;
	open_self("context-switches", false);
	getrusage(RUSAGE_THREAD, &before);
	counter_enable(session);
	for (unsigned i = 0; i < 50; i++)
		nanosleep(&nap, NULL);
	counter_disable(session);
	getrusage(RUSAGE_THREAD, &after);
	put();
	switches = after.ru_nvcsw + after.ru_nivcsw - before.ru_nvcsw - before.ru_nivcsw;
	/* A timer may run out before the thread is off the CPU, on a busy host. */
	assert_true(switches >= 40);
	/* The kernel's own count of this thread, which has the preemptions too. */
	assert_between("context-switches", switches - 1, switches);
}

static void migrations_equal_moves(void **state)
{
	int cpus[2], nr = 0;
	cpu_set_t set_of;

	(void)state;
	for (int cpu = 0; cpu < CPU_SETSIZE && nr < 2; cpu++) {
		if (CPU_ISSET(cpu, &all_cpus))
			cpus[nr++] = cpu;
	}
	if (nr < 2) {
		print_message("skipped: one CPU, nowhere to move to\n");
		skip();
	}
	CPU_ZERO(&set_of);
	CPU_SET(cpus[0], &set_of);
	sched_setaffinity(0, sizeof(set_of), &set_of);
	open_self("cpu-migrations", false);
	counter_enable(session);
	for (unsigned i = 1; i <= 40; i++) {
		CPU_ZERO(&set_of);
		CPU_SET(cpus[i % 2], &set_of);
		sched_setaffinity(0, sizeof(set_of), &set_of);
	}
	counter_disable(session);
	put();
	assert_between("cpu-migrations", 40, 40);
}

/* A child, and a grandchild whose parent does not wait for it. */
static void fork_twice(unsigned pages)
{
	int alive[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(alive), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		fork();
		touch_pages(pages);
		_exit(0);
	}
	close(alive[1]);
	waitpid(pid, NULL, 0);
	/* End of file when the grandchild, too, has gone. */
	assert_int_equal(read(alive[0], &byte, 1), 0);
	close(alive[0]);
}

static void inherited_counts_include_children_and_orphans(void **state)
{
	double alone;

	(void)state;
	/* What forking alone costs in faults, to be taken off. */
	open_self("page-faults,task-clock", true);
	counter_enable(session);
	fork_twice(0);
	counter_disable(session);
	put();
	alone = value("page-faults");
	metric_set_free(set);
	set = metric_set_new();
	metric_set_next_trial(set);
	counter_enable(session);
	for (unsigned i = 0; i < 5; i++)
		fork_twice(1000);
	counter_disable(session);
	put();
	print_message("forks alone: %.0f\n", alone);
	assert_between("page-faults", 5 * 2000, 5 * (2000 + 3 * alone) + FEW);
}

static void without_inherit_children_are_not_counted(void **state)
{
	double alone;

	(void)state;
	open_self("page-faults", false);
	counter_enable(session);
	fork_twice(0);
	counter_disable(session);
	put();
	alone = value("page-faults");
	metric_set_free(set);
	set = metric_set_new();
	metric_set_next_trial(set);
	counter_enable(session);
	fork_twice(5000);
	counter_disable(session);
	put();
	assert_between("page-faults", 0, alone + 1000);
}

static void *thread_of_child(void *arg)
{
	touch_pages(*(unsigned *)arg);
	return NULL;
}

static void inherited_counts_include_threads(void **state)
{
	unsigned pages = 1500;
	pthread_t thread;

	(void)state;
	open_self("page-faults,context-switches", true);
	counter_enable(session);
	assert_int_equal(pthread_create(&thread, NULL, thread_of_child, &pages), 0);
	pthread_join(thread, NULL);
	counter_disable(session);
	put();
	/* A sanitizer's thread set-up touches pages of its own. */
	assert_between("page-faults", 1500, 1500 + 600);
}

/* Start a command whose counting begins at its exec; before that it touches pages that must not be
 * counted. Leaves the counts in job. */
static void count_command(const char *list, char *const argv[], bool by_hand)
{
	struct counter_target target = { .cpu = -1, .inherit = true, .enable_on_exec = true };
	int go[2], status;
	char byte = 0;

	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	target.tid = fork();
	assert_true(target.tid >= 0);
	if (target.tid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 1);
		dup2(null, 2);
		if (read(go[0], &byte, 1) == 1) {
			touch_pages(20000);
			execvp(argv[0], argv);
		}
		_exit(127);
	}
	open_on(list, &target);
	if (by_hand)
		assert_int_equal(counter_enable(session), 0);
	assert_int_equal(write(go[1], &byte, 1), 1);
	assert_int_equal(waitpid(target.tid, &status, 0), target.tid);
	close(go[0]);
	close(go[1]);
	assert_int_equal(status, 0);
	if (by_hand)
		assert_int_equal(counter_disable(session), 0);
	put();
}

/* dd touches its 32 MiB buffer once: 8192 pages. */
static char *const dd[] = { "dd", "if=/dev/zero", "of=/dev/null", "bs=32M", "count=1", NULL };

static void wrapped_command_is_counted_from_its_exec_to_its_end(void **state)
{
	(void)state;
	if (sysconf(_SC_PAGESIZE) != 4096) {
		print_message("skipped: the figure is for pages of 4 KiB\n");
		skip();
	}
	unsetenv("LD_PRELOAD");
	count_command("page-faults,task-clock", dd, false);
	/* A huge page may stand for up to 512 of them. */
	assert_between("page-faults", 50, 8192 + 400);
	assert_true(value("task-clock") > 100000);
}

/* Page faults of a command as perf stat has them; negative with the reason printed if it cannot. */
static double perf_stat_faults(void)
{
	FILE *pipe_in = popen("perf stat -x, -e page-faults -- dd if=/dev/zero of=/dev/null bs=32M "
			      "count=1 2>&1 >/dev/null",
			      "re");
	char line[256];
	double faults = -1;

	while (pipe_in && fgets(line, sizeof(line), pipe_in)) {
		if (strstr(line, ",page-faults,"))
			sscanf(line, "%lf,", &faults);
	}
	if (pipe_in)
		pclose(pipe_in);
	return faults;
}

static void wrapped_command_agrees_with_perf_stat(void **state)
{
	double theirs = perf_stat_faults();

	(void)state;
	if (theirs < 0) {
		print_message("skipped: perf stat is not installed or does not count here\n");
		skip();
	}
	count_command("page-faults", dd, true);
	print_message("perf stat: %.0f\n", theirs);
	/* Where the loader and libraries land differs from run to run. */
	assert_between("page-faults", theirs - 10, theirs + 10);
}

static void exited_thread_is_an_error_with_its_number(void **state)
{
	struct counter_target target = { .cpu = -1 };

	(void)state;
	target.tid = fork();
	assert_true(target.tid >= 0);
	if (target.tid == 0)
		_exit(0);
	waitpid(target.tid, NULL, 0);
	assert_int_equal(counter_plan_new(&plan, "task-clock", &err), 0);
	assert_int_equal(counter_open(&session, plan, &target, 0, &err), -ESRCH);
	assert_non_null(strstr(err.msg, "thread"));
	assert_null(session);
}

static void counting_on_a_cpu_sees_its_time(void **state)
{
	const struct counter_target target = { .tid = -1, .cpu = sched_getcpu() };
	uint64_t before, after;

	(void)state;
	open_on("cpu-clock,context-switches", &target);
	before = clock_ns(CLOCK_MONOTONIC);
	counter_enable(session);
	usleep(20000);
	counter_disable(session);
	after = clock_ns(CLOCK_MONOTONIC);
	put();
	assert_between("cpu-clock", 19e6, after - before);
}

static void hardware_events_count_or_say_why_not(void **state)
{
	unsigned nr = 0;

	(void)state;
	open_self(NULL, false);
	counter_enable(session);
	spin_ns(2000000);
	counter_disable(session);
	put();
	for (unsigned i = 0; i < plan->nr_events; i++) {
		const struct counter_event *e = &plan->events[i];
		const json_t *m = bench_result_metric(job, e->name, NULL, NULL);

		/* What nobody asked for has no row where it is not there. */
		if (e->extra && e->status != BENCH_OK)
			continue;
		assert_non_null(m);
		if (e->kind != EVENT_CORE)
			continue;
		nr++;
		if (e->status == BENCH_OK) {
			assert_true(e->proved);
		} else {
			assert_true(e->note[0]);
			assert_true(json_is_null(bench_result_get(m, "value")));
			assert_string_not_equal(bench_result_str(m, "note"), "");
		}
		if (plan->pmus.nr_core == 0)
			assert_int_equal(e->status, BENCH_NOT_SUPPORTED);
	}
	assert_int_equal(nr, 6);
}

/* In a child, as nobody: what may be counted then depends on kernel.perf_event_paranoid. */
static void without_rights_user_only_or_not_permitted(void **state)
{
	int level = -1, status;
	FILE *file = fopen("/proc/sys/kernel/perf_event_paranoid", "re");
	pid_t pid;

	(void)state;
	if (!file || fscanf(file, "%d", &level) != 1 || level < 2 || level > 3 || geteuid() != 0) {
		if (file)
			fclose(file);
		print_message("skipped: needs root and kernel.perf_event_paranoid of 2 or 3 "
			      "(is %d)\n",
			      level);
		skip();
	}
	fclose(file);
	pid = fork();
	if (pid == 0) {
		if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534) ||
		    counter_plan_new(&plan, "context-switches,page-faults,task-clock", &err))
			_exit(2);
		counter_plan_print(plan, stdout);
		puts("");
		fflush(stdout);
		if (plan->events[0].status != BENCH_NOT_PERMITTED || !plan->events[0].note[0])
			_exit(3);
		if (level == 3)
			_exit(plan->events[1].status == BENCH_NOT_PERMITTED ? 0 : 4);
		_exit(strcmp(plan->events[1].name, "page-faults:u") == 0 &&
				      plan->events[2].status == BENCH_OK
			      ? 0
			      : 5);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void plan_and_list_are_quick(void **state)
{
	uint64_t best_plan = UINT64_MAX, best_list = UINT64_MAX;
	char *text = NULL;
	size_t size;

	(void)state;
	/* The best of some: others may want the CPU, too. */
	for (unsigned i = 0; i < 5; i++) {
		uint64_t start = clock_ns(CLOCK_MONOTONIC), took;
		FILE *out;

		assert_int_equal(counter_plan_new(&plan, NULL, &err), 0);
		took = clock_ns(CLOCK_MONOTONIC) - start;
		best_plan = took < best_plan ? took : best_plan;
		counter_plan_free(plan);
		plan = NULL;
		free(text);
		out = open_memstream(&text, &size);
		start = clock_ns(CLOCK_MONOTONIC);
		counter_list(out);
		took = clock_ns(CLOCK_MONOTONIC) - start;
		best_list = took < best_list ? took : best_list;
		fclose(out);
	}
	print_message("plan %.2f ms, list %.2f ms\n", best_plan / 1e6, best_list / 1e6);
	assert_non_null(strstr(text, "task-clock "));
	assert_non_null(strstr(text, "L1-dcache-load-misses "));
	free(text);
	assert_true(best_plan < 5000000);
	assert_true(best_list < 20000000);
}

static void plan_json_has_the_exact_encoding(void **state)
{
	const json_t *e;
	json_t *json;

	(void)state;
	assert_int_equal(counter_plan_new(&plan, "context-switches,r1c2", &err), 0);
	json = counter_plan_json(plan);
	assert_int_equal(json_array_size(json), 2);
	e = json_array_get(json, 0);
	assert_string_equal(bench_result_str(e, "event"), "context-switches");
	assert_int_equal(bench_result_num(e, "type"), 1);
	assert_string_equal(bench_result_str(e, "config"), "0x3");
	assert_string_equal(bench_result_str(e, "source"), "software");
	assert_string_equal(bench_result_str(json_array_get(json, 1), "config"), "0x1c2");
	json_decref(json);
}

static void empty_plan_opens_and_puts_nothing(void **state)
{
	(void)state;
	open_self("none", false);
	assert_int_equal(counter_enable(session), 0);
	assert_int_equal(counter_disable(session), 0);
	put();
	assert_int_equal(json_array_size(json_object_get(job, "metrics")), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(task_clock_agrees_with_thread_cpu_time),
		TEST(page_faults_equal_first_touches),
		TEST(nothing_is_counted_between_windows),
		TEST(context_switches_equal_sleeps),
		TEST(migrations_equal_moves),
		TEST(inherited_counts_include_children_and_orphans),
		TEST(without_inherit_children_are_not_counted),
		TEST(inherited_counts_include_threads),
		TEST(wrapped_command_is_counted_from_its_exec_to_its_end),
		TEST(wrapped_command_agrees_with_perf_stat),
		TEST(exited_thread_is_an_error_with_its_number),
		TEST(counting_on_a_cpu_sees_its_time),
		TEST(hardware_events_count_or_say_why_not),
		TEST(without_rights_user_only_or_not_permitted),
		TEST(plan_and_list_are_quick),
		TEST(plan_json_has_the_exact_encoding),
		TEST(empty_plan_opens_and_puts_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
