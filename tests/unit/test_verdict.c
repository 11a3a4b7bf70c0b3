// SPDX-License-Identifier: BSD-2-Clause
/* Every rule on hand-made metrics: it speaks on its evidence, falls silent just below each bound,
 * and when any one piece of evidence is missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "core/result.h"
#include "core/verdict.h"
#include "core/verdict_rules.h"

#define MAX_METRICS 6

/* A distribution when p50 > 0. */
struct fixture_metric {
	const char *name, *key, *label;
	double value, p50;
	const char *unit, *pid;
};

struct fixture {
	const char *rule, *claim;
	struct fixture_metric m[MAX_METRICS];
	unsigned nr_needed; /* of m: without any one of them the rule is silent */
};

#define WALL(cause, share)                                                                         \
	{                                                                                          \
		"wall.time", "cause", cause, share, 0, "ratio", NULL                               \
	}
#define WALL_OF(comm)                                                                              \
	{                                                                                          \
		"wall.time_of", "task", comm, 0.5, 0, "ratio", NULL                                \
	}
#define BLAME(comm, ns, number)                                                                    \
	{                                                                                          \
		"sched.blame", "comm", comm, ns, 0, "ns", number                                   \
	}
#define P50(name, key, label, ns)                                                                  \
	{                                                                                          \
		name, key, label, ns, ns, "ns", NULL                                               \
	}

static const struct fixture fixtures[] = {
	{ "device",
	  "device-bound: 91 % of wall time blocked on disk, device p50 380 us of 410 us",
	  { WALL("blocked.disk", 0.91), P50("block.latency", "stage", "device", 380e3),
	    P50("latency", NULL, NULL, 410e3) },
	  3 },
	{ "disk-queue",
	  "bound by the device's queue: 80 % of wall time blocked on disk, p50 2.0 ms in the queue "
	  "before 90 us on the device",
	  { WALL("blocked.disk", 0.8), P50("block.latency", "stage", "queue", 2e6),
	    P50("block.latency", "stage", "device", 90e3) },
	  3 },
	{ "disk",
	  "waits for the disk: 50 % of wall time blocked on disk",
	  { WALL("blocked.disk", 0.5) },
	  1 },
	{ "kernel",
	  "CPU-bound in the kernel: 93 % of wall time on CPU, 60 % in kernel code",
	  { WALL("kernel", 0.6), WALL("user", 0.33) },
	  2 },
	{ "cpu", "CPU-bound: 99 % of wall time on CPU", { WALL("user", 0.991) }, 1 },
	{ "peer",
	  "bound by the peer and by wake-up latency: 62 % of wall time waiting for the network, "
	  "3.0 % on the run queue, p50 8.0 us from runnable to running",
	  { WALL("blocked.net", 0.62), WALL("runqueue", 0.03), WALL("kernel", 0.25),
	    P50("sched.runq_latency", NULL, NULL, 8e3) },
	  4 },
	{ "net", "waits for the network: 70 % of wall time", { WALL("blocked.net", 0.7) }, 1 },
	{ "futex",
	  "lock-bound: 75 % of wall time waiting for other threads (futex)",
	  { WALL("blocked.futex", 0.75) },
	  1 },
	{ "ipc",
	  "waits for another process: 55 % of wall time blocked on pipes or sockets of this host",
	  { WALL("blocked.ipc", 0.55) },
	  1 },
	{ "timer",
	  "timer wait: 95 % of wall time asleep until a set time",
	  { WALL("blocked.timer", 0.95) },
	  1 },
	{ "fault",
	  "bound by page faults: 40 % of wall time waiting for pages, 1200 major faults",
	  { WALL("blocked.fault", 0.4),
	    { "fault.count", "kind", "major", 1200, 0, "count", NULL } },
	  2 },
	{ "uring",
	  "waits in io_uring: 66 % of wall time, for operations that cannot be told apart",
	  { WALL("blocked.uring", 0.66) },
	  1 },
	{ "other",
	  "waits in the kernel: 60 % of wall time asleep for none of the reasons that have a name",
	  { WALL("blocked.other", 0.6) },
	  1 },
	{ "interference",
	  "not this host's limit: workers waited 18 % of wall time on the run queue, 75 % of it "
	  "behind other tasks, most of all apt (812)",
	  { WALL("runqueue", 0.18), BLAME("apt", 30e6, "812"), BLAME("irq:local_timer", 10e6, NULL),
	    WALL_OF("bench-w0") },
	  2 },
	{ "crowd",
	  "more threads than CPUs: workers waited 18 % of wall time on the run queue, 90 % of it "
	  "behind each other",
	  { WALL("runqueue", 0.18), BLAME("cc1", 90e6, "900"), WALL_OF("cc1"),
	    BLAME("cron", 10e6, "80") },
	  3 },
	{ "interrupted",
	  "interrupts first: workers waited 9.0 % of wall time on the run queue, 60 % of it while "
	  "their CPU served interrupts, most of all softirq:BLOCK",
	  { WALL("runqueue", 0.09), BLAME("softirq:BLOCK", 60e6, NULL), BLAME("idle", 20e6, NULL),
	    BLAME("host", 20e6, NULL) },
	  2 },
	{ "wake-up",
	  "wake-up latency: workers waited 6.0 % of wall time on the run queue, 77 % of it for an "
	  "idle CPU to take them",
	  { WALL("runqueue", 0.06), BLAME("idle", 77e6, NULL), BLAME("host", 23e6, NULL) },
	  2 },
	{ "runqueue",
	  "interference: workers waited 6.0 % of wall time for a CPU",
	  { WALL("runqueue", 0.06) },
	  1 },
	{ "steal",
	  "steal: the hypervisor took 4.0 % of the workers' wall time for other guests",
	  { WALL("steal", 0.04) },
	  1 },
	{ "softirq",
	  "softirq: 12 % of wall time went to deferred interrupt work, most of it NET_RX",
	  { WALL("softirq", 0.12),
	    { "softirq.time", "vector", "NET_RX", 8e7, 0, "ns", NULL },
	    { "softirq.time", "vector", "TIMER", 2e6, 0, "ns", NULL } },
	  1 },
	{ "hardirq",
	  "interrupts: 7.0 % of wall time went to handlers, most of it virtio0",
	  { WALL("hardirq", 0.07), { "irq.time", "irq", "virtio0", 5e7, 0, "ns", NULL } },
	  2 },
	{ "observer",
	  "measuring costs: 6.0 % of wall time went to the probes; --no-probes for speed alone",
	  { WALL("observer", 0.06) },
	  1 },
	{ "idle-cpu",
	  "scheduling: for 8.0 % of the time a task waited while an allowed CPU was idle",
	  { { "sched.work_conservation", NULL, NULL, 0.08, 0, "ratio", NULL },
	    WALL("runqueue", 0.03) },
	  2 },
	{ "io-wq",
	  "io-wq: 1000 operations were punted to kernel threads, 50 % of all",
	  { { "ops", NULL, NULL, 4000, 0, "1/s", NULL },
	    { "uring.punts", "opcode", "READ", 900, 0, "count", NULL },
	    { "uring.punts", "opcode", "FSYNC", 100, 0, "count", NULL } },
	  1 },
};

#define NR_FIXTURES (sizeof(fixtures) / sizeof(fixtures[0]))

static json_t *metric_json(const struct fixture_metric *m, double factor)
{
	json_t *labels = m->key ? json_pack("{s:s}", m->key, m->label) : json_object();
	json_t *json = json_pack("{s:s, s:o, s:s, s:s, s:f}", "name", m->name, "labels", labels,
				 "unit", m->unit, "status", "ok", "value", m->value * factor);

	if (m->pid)
		json_object_set_new(labels, "pid", json_string(m->pid));
	if (m->p50 > 0)
		json_object_set_new(json, "hist",
				    json_pack("{s:i, s:f}", "count", 1000, "p50", m->p50 * factor));
	return json;
}

/* The job of a fixture without metric `drop` (-1: all are there), with value number `scaled` times
 * factor. */
static json_t *job_new(const struct fixture *f, int drop, int scaled, double factor)
{
	json_t *metrics = json_array();

	for (int i = 0; i < MAX_METRICS && f->m[i].name; i++)
		if (i != drop)
			json_array_append_new(metrics,
					      metric_json(&f->m[i], i == scaled ? factor : 1));
	return json_pack("{s:s, s:I, s:o}", "status", "ok", "trial_ns", (json_int_t)500000000,
			 "metrics", metrics);
}

static const json_t *verdict_of(const json_t *job, const char *rule)
{
	const json_t *list = bench_result_get(job, "verdicts"), *verdict;
	size_t i;

	json_array_foreach (list, i, verdict)
		if (!strcmp(bench_result_str(verdict, "rule"), rule))
			return verdict;
	return NULL;
}

static void every_rule_has_a_fixture(void **state)
{
	(void)state;
	for (const struct verdict_rule *r = verdict_rules; r->name; r++) {
		bool found = false;

		for (unsigned i = 0; i < NR_FIXTURES; i++)
			found = found || !strcmp(fixtures[i].rule, r->name);
		if (!found)
			fail_msg("rule %s has no fixture", r->name);
	}
}

static void a_rule_speaks_on_its_evidence(void **state)
{
	(void)state;
	for (unsigned i = 0; i < NR_FIXTURES; i++) {
		json_t *job = job_new(&fixtures[i], -1, -1, 1);
		const json_t *verdict, *evidence, *e;
		size_t k;

		verdict_add(job);
		verdict = verdict_of(job, fixtures[i].rule);
		if (!verdict)
			fail_msg("rule %s is silent", fixtures[i].rule);
		assert_string_equal(bench_result_str(verdict, "claim"), fixtures[i].claim);
		evidence = bench_result_get(verdict, "evidence");
		assert_true(json_array_size(evidence) > 0);
		json_array_foreach (evidence, k, e) {
			assert_true(json_is_number(bench_result_get(e, "value")));
			assert_true(json_is_string(bench_result_get(e, "metric")));
		}
		json_decref(job);
	}
}

static void a_rule_is_silent_without_any_one_of_its_evidence(void **state)
{
	(void)state;
	for (unsigned i = 0; i < NR_FIXTURES; i++)
		for (unsigned drop = 0; drop < fixtures[i].nr_needed; drop++) {
			json_t *job = job_new(&fixtures[i], (int)drop, -1, 1);

			verdict_add(job);
			if (verdict_of(job, fixtures[i].rule))
				fail_msg("rule %s speaks without %s", fixtures[i].rule,
					 fixtures[i].m[drop].name);
			json_decref(job);
		}
}

/* The first need of each rule, at its bound and a little below it. */
static void a_rule_is_silent_below_its_bound(void **state)
{
	(void)state;
	for (const struct verdict_rule *r = verdict_rules; r->name; r++) {
		for (unsigned i = 0; i < NR_FIXTURES; i++) {
			const struct fixture *f = &fixtures[i];
			double bound = r->needs[0].bound, now = f->m[0].value;
			json_t *at, *below;

			/* Sums and quotients have their own tests. */
			if (strcmp(f->rule, r->name) || strcmp(f->m[0].name, r->needs[0].metric) ||
			    strchr(r->needs[0].value ? r->needs[0].value : "", '+'))
				continue;
			at = job_new(f, -1, 0, bound / now * 1.000001);
			below = job_new(f, -1, 0, bound / now * 0.999);
			verdict_add(at);
			verdict_add(below);
			if (!verdict_of(at, r->name))
				fail_msg("rule %s is silent at its bound", r->name);
			if (verdict_of(below, r->name))
				fail_msg("rule %s speaks below its bound", r->name);
			json_decref(at);
			json_decref(below);
		}
	}
}

static void sums_of_causes_have_one_bound(void **state)
{
	static const struct fixture at = { .rule = "cpu",
					   .m = { WALL("user", 0.5), WALL("kernel", 0.3001) } };
	static const struct fixture below = { .rule = "cpu",
					      .m = { WALL("user", 0.5), WALL("kernel", 0.2999) } };
	json_t *a = job_new(&at, -1, -1, 1), *b = job_new(&below, -1, -1, 1);

	(void)state;
	verdict_add(a);
	verdict_add(b);
	assert_non_null(verdict_of(a, "cpu"));
	assert_null(bench_result_get(b, "verdicts"));
	json_decref(a);
	json_decref(b);
}

static void a_slow_device_is_told_from_a_full_queue(void **state)
{
	struct fixture f = fixtures[0];
	json_t *job;

	(void)state;
	f.m[3] = (struct fixture_metric)P50("block.latency", "stage", "queue", 300e3);
	job = job_new(&f, -1, 1, 0.4); /* device p50 152 us of 410 us */
	verdict_add(job);
	assert_null(verdict_of(job, "device"));
	assert_non_null(verdict_of(job, "disk-queue"));
	json_decref(job);
}

static void a_full_run_queue_is_not_the_peers_fault(void **state)
{
	json_t *job;

	(void)state;
	for (unsigned i = 0; i < NR_FIXTURES; i++) {
		if (strcmp(fixtures[i].rule, "peer"))
			continue;
		job = job_new(&fixtures[i], -1, 1, 4); /* 12 % on the run queue */
		verdict_add(job);
		assert_null(verdict_of(job, "peer"));
		assert_non_null(verdict_of(job, "runqueue"));
		json_decref(job);
	}
}

/* Many short-lived tasks of one name share a row without a pid; a task may be called "idle". */
static void a_task_needs_no_pid_to_be_in_the_way(void **state)
{
	struct fixture f = { .m = { WALL("runqueue", 0.2), BLAME("cc1", 6e6, NULL),
				    BLAME("idle", 4e6, NULL) } };
	json_t *job = job_new(&f, -1, -1, 1);

	(void)state;
	verdict_add(job);
	assert_non_null(verdict_of(job, "interference"));
	json_decref(job);
	f.m[1].pid = NULL;
	f.m[1].label = "host";
	f.m[2].pid = "77";
	job = job_new(&f, -1, -1, 1);
	verdict_add(job);
	assert_non_null(verdict_of(job, "interference"));
	json_decref(job);
}

static void at_most_two_and_a_disturbance_above_a_tenth_first(void **state)
{
	static const struct fixture f = {
		.m = { WALL("user", 0.81),
		       WALL("runqueue", 0.12),
		       WALL("steal", 0.03),
		       { "sched.work_conservation", NULL, NULL, 0.2, 0, "ratio", NULL } },
	};
	json_t *job = job_new(&f, -1, -1, 1);
	const json_t *list;

	(void)state;
	verdict_add(job);
	list = bench_result_get(job, "verdicts");
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(bench_result_str(json_array_get(list, 0), "rule"), "runqueue");
	assert_string_equal(bench_result_str(json_array_get(list, 1), "rule"), "cpu");
	json_decref(job);
	job = job_new(&f, -1, 1, 0.5); /* 6 %: noticeable, but not the first thing to say */
	verdict_add(job);
	list = bench_result_get(job, "verdicts");
	assert_string_equal(bench_result_str(json_array_get(list, 0), "rule"), "cpu");
	assert_string_equal(bench_result_str(json_array_get(list, 1), "rule"), "runqueue");
	json_decref(job);
}

static void numbers_that_do_not_count_give_no_verdict(void **state)
{
	json_t *job = job_new(&fixtures[0], -1, -1, 1), *metric;

	(void)state;
	json_object_set_new(job, "status", json_string("invalid"));
	verdict_add(job);
	assert_null(bench_result_get(job, "verdicts"));
	json_object_set_new(job, "status", json_string("ok"));
	metric = json_array_get(json_object_get(job, "metrics"), 0);
	json_object_set_new(metric, "status", json_string("not_supported"));
	verdict_add(job);
	assert_null(bench_result_get(job, "verdicts"));
	json_decref(job);
}

static void a_job_without_metrics_gives_no_verdict(void **state)
{
	json_t *job = json_pack("{s:s, s:[]}", "status", "ok", "metrics");

	(void)state;
	verdict_add(job);
	assert_null(bench_result_get(job, "verdicts"));
	json_decref(job);
	job = json_pack("{s:s, s:n}", "status", "ok", "metrics");
	verdict_add(job);
	assert_null(bench_result_get(job, "verdicts"));
	json_decref(job);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule_has_a_fixture),
		cmocka_unit_test(a_rule_speaks_on_its_evidence),
		cmocka_unit_test(a_rule_is_silent_without_any_one_of_its_evidence),
		cmocka_unit_test(a_rule_is_silent_below_its_bound),
		cmocka_unit_test(sums_of_causes_have_one_bound),
		cmocka_unit_test(a_slow_device_is_told_from_a_full_queue),
		cmocka_unit_test(a_full_run_queue_is_not_the_peers_fault),
		cmocka_unit_test(a_task_needs_no_pid_to_be_in_the_way),
		cmocka_unit_test(at_most_two_and_a_disturbance_above_a_tenth_first),
		cmocka_unit_test(numbers_that_do_not_count_give_no_verdict),
		cmocka_unit_test(a_job_without_metrics_gives_no_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
