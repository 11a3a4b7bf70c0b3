// SPDX-License-Identifier: BSD-2-Clause
/* Counters on a PMU whose truth is known: qemu's armv8_pmuv3 under -icount shift=N, where an
 * instruction takes 2^N ns and a cycle 1 ns, so that each program has 1 / 2^N instructions per
 * cycle. Runs in a guest of the lab, as root, with BENCH the program under test:
 *
 *   tool_pmu SHIFT            the tests
 *   tool_pmu spin MILLIONS    exactly so many instructions in user mode, beside starting and ending
 *   tool_pmu fork N MILLIONS  the same in each of N children at once
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "counters/plan.h"
#include "counters/ring.h"

/* What qemu gives: 6 counters and one for cycles. */
#define PMU_COUNTERS 7
/* More than that, all of them cycles or instructions under one name or another: raw 0x8 and 0x11
 * are INST_RETIRED and CPU_CYCLES (Arm Architecture Reference Manual, D13.12). 0x1234 and 0x13
 * (memory accesses) open here and count nothing. */
#define TEN_EVENTS                                                                                 \
	"cycles,instructions,cycles:u,instructions:u,cycles:k,instructions:k,r8,r11,r1234,r13"

static double ipc; /* the truth */
static char self[4096];
static json_t *doc; /* the result of the last run() */

#define RESULT "/tmp/tool_pmu.json"

/* Two instructions a turn. */
static void spin(unsigned long millions)
{
	unsigned long turns = millions * 500000;

	if (!turns)
		return;
#if defined(__aarch64__)
	__asm__ volatile("1:\tsubs %0, %0, #1\n\tb.ne 1b\n" : "+r"(turns) : : "cc");
#elif defined(__x86_64__)
	__asm__ volatile("1:\tdec %0\n\tjnz 1b\n" : "+r"(turns) : : "cc");
#endif
}

/* Read the result of bench with these arguments. */
__attribute__((format(printf, 1, 2))) static void run(const char *fmt, ...)
{
	char command[8192] = "$BENCH ";
	size_t len = strlen(command);
	json_error_t error;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command + len, sizeof(command) - len, fmt, ap);
	va_end(ap);
	json_decref(doc);
	doc = NULL;
	print_message("%s\n", command);
	if (system(command))
		fail_msg("it failed");
	doc = json_load_file(RESULT, 0, &error);
	if (!doc)
		fail_msg("%s", error.text);
}

/* One job of the cpu module. */
#define RUN_CPU(arguments) run(arguments " --no-probes --force -o " RESULT " cpu >/dev/null")
/* A command. Its output and the report are not of interest. */
#define RUN_EXEC(arguments, ...) run("exec " arguments " >/dev/null 2>&1", ##__VA_ARGS__)
#define EXEC_OPTIONS " --no-probes --force -o " RESULT " -- "

static int teardown(void **state)
{
	(void)state;
	json_decref(doc);
	doc = NULL;
	return 0;
}

static const char *text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

static const json_t *metric(const char *name)
{
	const json_t *job = json_array_get(json_object_get(doc, "jobs"), 0), *m;
	size_t i;

	json_array_foreach (json_object_get(job, "metrics"), i, m)
		if (strcmp(text(m, "name"), name) == 0)
			return m;
	fail_msg("there is no %s in the result", name);
	return NULL;
}

static double number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_number(value) ? json_number_value(value) : NAN;
}

/* The value of a metric, which must have this status. */
static double value(const char *name, const char *status)
{
	const json_t *m = metric(name);
	double v = number(m, "value");

	if (strcmp(text(m, "status"), status) != 0 || isnan(v))
		fail_msg("%s is %s (%s), not %s", name, text(m, "status"), text(m, "note"), status);
	return v;
}

/* A metric with a reason in place of a value. */
static void assert_absent(const char *name, const char *status, const char *note)
{
	const json_t *m = metric(name);

	if (strcmp(text(m, "status"), status) != 0 || !strstr(text(m, "note"), note) ||
	    !json_is_null(json_object_get(m, "value")))
		fail_msg("%s is %s (%s), not %s (%s)", name, text(m, "status"), text(m, "note"),
			 status, note);
}

static const json_t *event(const char *name)
{
	const json_t *e;
	size_t i;

	json_array_foreach (json_object_get(doc, "events"), i, e)
		if (strcmp(text(e, "event"), name) == 0)
			return e;
	fail_msg("there is no event %s in the result", name);
	return NULL;
}

static long event_number(const char *name, const char *key)
{
	return (long)json_integer_value(json_object_get(event(name), key));
}

#define assert_near(what, got, wanted, tolerance)                                                  \
	do {                                                                                       \
		double g = (got), w = (wanted);                                                    \
		print_message("%s: %.6g, expected %.6g, off by %.4f %%\n", what, g, w,             \
			      100 * fabs(g / w - 1));                                              \
		if (!(fabs(g / w - 1) <= (tolerance)))                                             \
			fail_msg("%s: %.9g instead of %.9g", what, g, w);                          \
	} while (0)

static void instructions_per_cycle_are_the_clocks(void **state)
{
	(void)state;
	RUN_CPU("--counters=cycles,instructions,task-clock --trials=3 --duration=200ms");
	assert_near("ipc", value("ipc", "ok"), ipc, 0.001);
	assert_near("instructions / cycles", value("instructions", "ok") / value("cycles", "ok"),
		    ipc, 0.001);
	/* The task's clock is read a little before and after the cycles. */
	assert_near("ghz", value("ghz", "ok"), 1, 0.005);
	assert_near("enabled", number(metric("cycles"), "running_ns"),
		    number(metric("cycles"), "enabled_ns"), 0);
}

static void default_set_counts_what_is_there(void **state)
{
	(void)state;
	RUN_CPU("--counters --trials=4 --duration=100ms");
	assert_near("ipc", value("ipc", "ok"), ipc, 0.001);
	assert_near("cycles:u / cycles", value("cycles:u", "ok") / value("cycles", "ok"), 1, 0.05);
	assert_absent("branches", "not_supported", "the CPU's PMU has no such event");
	assert_absent("cache-misses", "not_supported", "the CPU's PMU has no such event");
}

/* What is counted in one group is counted over the same moments, to the instruction. */
static void events_of_a_group_are_of_the_same_moments(void **state)
{
	(void)state;
	RUN_CPU("'--counters={instructions,r8,cycles},{r11,cycles:u}' --trials=4 --duration=100ms");
	assert_true(value("instructions", "ok") == value("r8", "ok"));
	assert_int_equal(event_number("instructions", "group"), event_number("r8", "group"));
	assert_int_not_equal(event_number("instructions", "group"), event_number("r11", "group"));
	assert_int_equal(event_number("r11", "passes"), 2);
	assert_near("r11", value("r11", "ok"), value("cycles", "ok"), 0.02);
}

/* Ten events on seven counters: two passes, each event counted all of the time. */
static void more_events_than_counters_are_counted_in_passes(void **state)
{
	static const char *const names[] = { "cycles",	       "instructions", "cycles:u",
					     "instructions:u", "r8",	       "r11" };

	(void)state;
	RUN_CPU("--counters=" TEN_EVENTS " --trials=6 --duration=100ms");
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const json_t *m = metric(names[i]);

		(void)value(names[i], "ok");
		assert_true(number(m, "running_ns") > 0);
		assert_true(number(m, "running_ns") == number(m, "enabled_ns"));
		assert_int_equal(event_number(names[i], "passes"), 2);
		assert_true(json_is_true(json_object_get(event(names[i]), "split")));
	}
	assert_near("r8", value("r8", "ok"), value("instructions", "ok"), 0.01);
	assert_near("r8 / r11", value("r8", "ok") / value("r11", "ok"), ipc, 0.01);
	assert_near("ipc", value("ipc", "ok"), ipc, 0.001);
}

/* The same at once: extrapolated, with what the sentinel's two values say about it. */
static void multiplexed_events_show_the_spread_of_the_sentinel(void **state)
{
	const json_t *ci;
	double truth, spread;

	(void)state;
	RUN_CPU("--counters=" TEN_EVENTS " --multiplex --trials=3 --duration=600ms");
	truth = 600e6;
	ci = json_object_get(metric("r8"), "ci");
	assert_int_equal(json_array_size(ci), 2);
	spread = (json_number_value(json_array_get(ci, 1)) -
		  json_number_value(json_array_get(ci, 0))) /
		 2 / value("r8", "scaled");
	print_message("%s\n", text(metric("r8"), "note"));
	assert_non_null(strstr(text(metric("r8"), "note"), "groups differ by +-"));
	assert_true(spread > 0 && spread < 0.1);
	assert_true(number(metric("r8"), "running_ns") < 0.7 * number(metric("r8"), "enabled_ns"));
	assert_near("cycles", value("cycles", "scaled"), truth, 0.02);
	assert_near("r8", value("r8", "scaled"), truth * ipc, fmax(spread, 0.02));
	assert_near("r11", value("r11", "scaled"), truth, fmax(spread, 0.02));
	RUN_CPU("--counters=" TEN_EVENTS " --multiplex --trials=1 --duration=100ms");
	assert_absent("r8", "not_counted", "too short to scale");
}

static void dead_raw_events_are_tagged(void **state)
{
	(void)state;
	RUN_CPU("--counters=cycles,r1234,r13 --trials=2 --duration=50ms");
	assert_absent("r1234", "not_counted", "dead");
	assert_absent("r13", "not_counted", "dead");
	assert_non_null(strstr(text(event("r1234"), "note"), "dead"));
	assert_non_null(strstr(text(event("r13"), "note"), "dead"));
	(void)value("cycles", "ok");
}

/* One more pinned event than there are counters opens, and reads as nothing at all. */
static void pinned_event_that_does_not_fit_has_no_value(void **state)
{
	const struct counter_target target = { .tid = 0, .cpu = -1 };
	enum { NR = PMU_COUNTERS + 2 };
	struct counter_event e[NR];
	struct counter_reading reading;
	struct pmu_set pmus;
	unsigned counted = 0;
	int fds[NR];

	(void)state;
	assert_int_equal(pmu_set_load(&pmus, NULL), 0);
	for (unsigned i = 0; i < NR; i++) {
		assert_int_equal(event_resolve(&e[i], 1, i ? "r8" : "cycles", "", &pmus, NULL), 1);
		e[i].attr.pinned = 1;
		fds[i] = event_open(&e[i], &target, -1, false);
		assert_true(fds[i] >= 0);
	}
	spin(1);
	for (unsigned i = 0; i < NR; i++) {
		int ret = single_read(fds[i], &reading);

		if (!ret && reading.value > 0)
			counted++;
		else
			assert_int_equal(ret, -EIO);
	}
	print_message("%u of %u pinned events are counted\n", counted, NR);
	assert_int_equal(counted, PMU_COUNTERS);
	for (unsigned i = 0; i < NR; i++)
		sys_perf_close(fds[i]);
	pmu_set_done(&pmus);
}

/* Somebody has pinned every counter of the CPU: no event of ours is ever scheduled. */
static void counters_that_somebody_else_holds_are_not_counted(void **state)
{
	const struct counter_target target = { .tid = -1, .cpu = 0 };
	struct counter_event e;
	struct pmu_set pmus;
	int fds[PMU_COUNTERS];

	(void)state;
	assert_int_equal(pmu_set_load(&pmus, NULL), 0);
	for (unsigned i = 0; i < PMU_COUNTERS; i++) {
		assert_int_equal(event_resolve(&e, 1, i ? "r8" : "cycles", "", &pmus, NULL), 1);
		e.attr.pinned = 1;
		fds[i] = event_open(&e, &target, -1, false);
		assert_true(fds[i] >= 0);
	}
	RUN_CPU("--counters=cycles,instructions,task-clock --trials=2 --duration=50ms");
	assert_absent("cycles", "not_counted", "never scheduled");
	assert_absent("instructions", "not_counted", "never scheduled");
	(void)value("task-clock", "ok");
	for (unsigned i = 0; i < PMU_COUNTERS; i++)
		sys_perf_close(fds[i]);
	pmu_set_done(&pmus);
}

/* What children and grandchildren of the shell do is in the tree's count. */
static void forked_children_are_in_the_trees_count(void **state)
{
	(void)state;
	RUN_EXEC("--counters=cycles:u,instructions:u --warmup=0 --trials=2" EXEC_OPTIONS
		 "/bin/sh -c '%s fork 8 10; %s spin 20'",
		 self, self);
	assert_string_equal(text(json_object_get(metric("instructions:u"), "labels"), "scope"),
			    "tree");
	/* Starting ten programs is in it, too. */
	assert_near("instructions:u", value("instructions:u", "ok"), 100e6, 0.05);
	assert_true(value("instructions:u", "ok") >= 100e6);
	assert_near("ipc:u", value("instructions:u", "ok") / value("cycles:u", "ok"), ipc, 0.001);
}

/* The field of perf stat -x, for an event. */
static double perf_value(const char *output, const char *name)
{
	char pattern[64];
	const char *at;

	snprintf(pattern, sizeof(pattern), ",,%s,", name);
	at = strstr(output, pattern);
	if (!at)
		fail_msg("perf stat has no %s: %s", name, output);
	while (at > output && at[-1] != '\n')
		at--;
	return strtod(at, NULL);
}

static void counts_are_those_of_perf_stat(void **state)
{
	char command[8192], output[1024];
	size_t len;
	FILE *out;

	(void)state;
	snprintf(command, sizeof(command),
		 "perf stat -x, -e cycles,instructions -- %s spin 50 2>&1 >/dev/null", self);
	out = popen(command, "re");
	assert_non_null(out);
	len = fread(output, 1, sizeof(output) - 1, out);
	output[len] = '\0';
	if (pclose(out))
		fail_msg("%s", output);
	RUN_EXEC("--counters=cycles,instructions --warmup=1 --trials=3" EXEC_OPTIONS "%s spin 50",
		 self);
	assert_near("instructions", value("instructions", "ok"), perf_value(output, "instructions"),
		    0.005);
	assert_near("cycles", value("cycles", "ok"), perf_value(output, "cycles"), 0.005);
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Sample this thread while it runs for 2 s: how many there are by its cycles, and are. */
static double sample(unsigned frequency, unsigned pages, unsigned portions,
		     struct ring_stats *ret_stats)
{
	struct counter_ring *ring;
	struct bench_err err = { 0 };
	struct pmu_set pmus;
	uint64_t start, ran;

	assert_int_equal(pmu_set_load(&pmus, NULL), 0);
	if (ring_open(&ring,
		      &(struct ring_config){
			      .cpu = -1, .frequency = frequency, .pages = pages, .pmus = &pmus },
		      &err))
		fail_msg("%s", err.msg);
	assert_string_equal(ring_event(ring), "cycles");
	start = cpu_ns();
	assert_int_equal(ring_start(ring), 0);
	for (unsigned i = 0; i < portions; i++) {
		spin((unsigned long)(2000 * ipc) / portions);
		ring_read(ring, NULL, NULL);
	}
	assert_int_equal(ring_stop(ring), 0);
	ran = cpu_ns() - start;
	ring_read(ring, NULL, NULL);
	ring_stats(ring, ret_stats);
	ring_close(ring);
	pmu_set_done(&pmus);
	assert_int_equal(ret_stats->malformed, 0);
	assert_int_equal(ret_stats->throttled, 0);
	assert_true(ret_stats->lost_exact);
	return (double)ran / 1e9 * frequency;
}

static void samples_of_cycles_are_as_many_as_the_rate_says(void **state)
{
	struct ring_stats stats;
	double wanted;

	(void)state;
	wanted = sample(1000, 64, 10, &stats);
	assert_near("samples", (double)stats.samples, wanted, 0.02);
	assert_int_equal(stats.lost, 0);
}

/* A buffer of one page that nobody empties: what it drops is counted to the last sample. */
static void samples_that_are_lost_are_accounted_for(void **state)
{
	struct ring_stats stats;
	double wanted;

	(void)state;
	wanted = sample(1000, 1, 1, &stats);
	print_message("%lu samples, %lu lost\n", (unsigned long)stats.samples,
		      (unsigned long)stats.lost);
	assert_true(stats.lost > stats.samples);
	assert_near("samples and lost", (double)(stats.samples + stats.lost), wanted, 0.02);
}

static int spin_in_children(unsigned long nr, unsigned long millions)
{
	int status, failed = 0;

	for (unsigned long i = 0; i < nr; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		if (pid == 0) {
			spin(millions);
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		failed |= status;
	return failed != 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(instructions_per_cycle_are_the_clocks),
		TEST(default_set_counts_what_is_there),
		TEST(events_of_a_group_are_of_the_same_moments),
		TEST(more_events_than_counters_are_counted_in_passes),
		TEST(multiplexed_events_show_the_spread_of_the_sentinel),
		TEST(dead_raw_events_are_tagged),
		TEST(pinned_event_that_does_not_fit_has_no_value),
		TEST(counters_that_somebody_else_holds_are_not_counted),
		TEST(forked_children_are_in_the_trees_count),
		TEST(counts_are_those_of_perf_stat),
		TEST(samples_of_cycles_are_as_many_as_the_rate_says),
		TEST(samples_that_are_lost_are_accounted_for),
	};
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (argc == 3 && strcmp(argv[1], "spin") == 0) {
		spin(strtoul(argv[2], NULL, 10));
		return 0;
	}
	if (argc == 4 && strcmp(argv[1], "fork") == 0)
		return spin_in_children(strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
	if (argc != 2 || len < 0) {
		fprintf(stderr, "usage: %s SHIFT | spin MILLIONS | fork N MILLIONS\n", argv[0]);
		return 2;
	}
	ipc = 1.0 / (1 << atoi(argv[1]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
