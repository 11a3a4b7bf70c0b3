// SPDX-License-Identifier: BSD-2-Clause
/* Groups, proof and statuses on a simulated PMU: this file's sys_perf_*() take the place of the
 * system calls, so that what a real PMU does now and then happens here on demand. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/result.h"
#include "core/result.h"
#include "counters/packages.h"
#include "counters/plan.h"

#define FIXTURES "tests/fixtures/pmu/"
#define MAX_FDS 64
#define FIRST_FD 1000
#define READ_NS 1000000 /* simulated time goes on by this much with every read */

struct sim_event {
	bool open, enabled;
	struct perf_event_attr attr;
	int leader; /* index; itself for a leader */
	double value, enabled_ns, running_ns;
};

static struct sim {
	struct sim_event events[MAX_FDS];
	unsigned counters;	  /* programmable counters of the core PMU */
	bool lenient;		  /* accepts groups that do not fit, and never runs them */
	bool no_pmu;		  /* every core event is ENOENT */
	bool deny_kernel;	  /* EACCES unless exclude_kernel */
	bool deny_all;		  /* EACCES whatever is asked */
	bool no_inherited_groups; /* EINVAL for inherit with PERF_FORMAT_GROUP */
	uint32_t attr_size;	  /* the kernel's; larger is E2BIG */
	unsigned emfile;	  /* so many opens fail with EMFILE */
	bool error_state;	  /* reads return 0 bytes */
	int read_error;		  /* reads fail */
	uint64_t dead;		  /* bit per generic config that never counts */
	double slow_instructions; /* instructions per ns; 0 = a sane rate */
	bool energy;		  /* everything counts at energy_rate per ns */
	double energy_rate;
	double kernel_share;  /* of what core events count */
	double skew;	      /* of two groups that take turns, the second sees more by this */
	uint32_t absent_type; /* events of this PMU are never scheduled: another kind of core */
	unsigned nr_opened, nr_open, max_open;
} sim;

static bool is_core(const struct perf_event_attr *attr)
{
	return attr->type != PERF_TYPE_SOFTWARE;
}

/* Counts per ns of running. */
static double rate(const struct perf_event_attr *attr)
{
	static const double rates[] = { 3, 6, 0.2, 0.02, 1, 0.1, 0.1, 0, 0, 2 };
	uint32_t config = attr->config;

	if (attr->type == PERF_TYPE_SOFTWARE)
		return attr->config == PERF_COUNT_SW_TASK_CLOCK ? 1 : 0.001;
	if (sim.energy)
		return sim.energy_rate;
	if (attr->type != PERF_TYPE_HARDWARE)
		return attr->config == 0xdead ? 0 : 0.5;
	if (sim.dead >> config & 1)
		return 0;
	if (config == PERF_COUNT_HW_INSTRUCTIONS && sim.slow_instructions > 0)
		return sim.slow_instructions;
	return rates[config];
}

static unsigned group_size(int leader)
{
	unsigned nr = 0;

	for (int i = 0; i < MAX_FDS; i++)
		nr += sim.events[i].open && sim.events[i].leader == leader &&
		      is_core(&sim.events[i].attr);
	return nr;
}

static bool is_absent(const struct sim_event *e)
{
	return sim.absent_type && e->attr.type == PERF_TYPE_HARDWARE &&
	       e->attr.config >> 32 == sim.absent_type;
}

/* Let time pass: groups that together need more counters than there are get equal shares. */
static void advance(double ns)
{
	unsigned needed = 0, groups = 0;

	for (int i = 0; i < MAX_FDS; i++) {
		struct sim_event *e = &sim.events[i];

		if (e->open && e->enabled && e->leader == i && group_size(i) && !is_absent(e)) {
			needed += group_size(i);
			groups++;
		}
	}
	for (int i = 0; i < MAX_FDS; i++) {
		struct sim_event *e = &sim.events[i];
		double share = needed > sim.counters ? 1.0 / groups : 1;

		if (!e->open || !sim.events[e->leader].enabled)
			continue;
		if (!group_size(e->leader))
			share = 1;
		if (group_size(e->leader) > sim.counters || is_absent(e))
			share = 0;
		e->enabled_ns += ns;
		e->running_ns += ns * share;
		e->value += ns * share * rate(&e->attr) *
			    (share < 1 && e->leader ? 1 + sim.skew : 1) *
			    (e->attr.exclude_kernel ? 1 - sim.kernel_share : 1);
	}
}

static int refusal(struct perf_event_attr *attr, int leader)
{
	if (attr->size > sim.attr_size) {
		attr->size = sim.attr_size;
		return -E2BIG;
	}
	if (sim.emfile) {
		sim.emfile--;
		return -EMFILE;
	}
	if (sim.deny_all || (sim.deny_kernel && !attr->exclude_kernel))
		return -EACCES;
	if (is_core(attr) && sim.no_pmu)
		return -ENOENT;
	if (sim.no_inherited_groups && attr->inherit && attr->read_format & PERF_FORMAT_GROUP)
		return -EINVAL;
	if (is_core(attr) && leader >= 0 && !sim.lenient && group_size(leader) >= sim.counters)
		return -EINVAL;
	return 0;
}

int sys_perf_open(struct perf_event_attr *attr, pid_t pid, int cpu, int group_fd,
		  unsigned long flags)
{
	int leader = group_fd < 0 ? -1 : group_fd - FIRST_FD;
	int ret = refusal(attr, leader);

	assert_int_equal(flags, PERF_FLAG_FD_CLOEXEC);
	assert_true((pid == -1) == (cpu >= 0));
	if (ret)
		return ret;
	for (int i = 0; i < MAX_FDS; i++) {
		if (sim.events[i].open)
			continue;
		sim.events[i] = (struct sim_event){ .open = true, .attr = *attr };
		sim.events[i].leader = leader < 0 ? i : leader;
		sim.events[i].enabled = !attr->disabled;
		sim.nr_opened++;
		if (++sim.nr_open > sim.max_open)
			sim.max_open = sim.nr_open;
		return FIRST_FD + i;
	}
	return -EMFILE;
}

int sys_perf_ioctl(int fd, unsigned long request, void *arg)
{
	struct sim_event *e = &sim.events[fd - FIRST_FD];

	assert_true(e->open);
	if (request == PERF_EVENT_IOC_ID)
		*(uint64_t *)arg = fd;
	else
		e->enabled = request == PERF_EVENT_IOC_ENABLE;
	return 0;
}

ssize_t sys_perf_read(int fd, void *buf, size_t size)
{
	struct sim_event *e = &sim.events[fd - FIRST_FD];
	uint64_t *out = buf;
	unsigned nr = 0;

	assert_true(e->open);
	advance(READ_NS);
	if (sim.error_state || sim.read_error)
		return sim.read_error;
	if (!(e->attr.read_format & PERF_FORMAT_GROUP)) {
		assert_true(size >= 32);
		memcpy(out, (uint64_t[]){ e->value, e->enabled_ns, e->running_ns, fd }, 32);
		return 32;
	}
	out[1] = e->enabled_ns;
	out[2] = e->running_ns;
	for (int i = 0; i < MAX_FDS; i++) {
		if (!sim.events[i].open || sim.events[i].leader != fd - FIRST_FD)
			continue;
		assert_true(size >= (3 + 2 * (nr + 1)) * 8);
		out[3 + 2 * nr] = sim.events[i].value;
		out[3 + 2 * nr++ + 1] = FIRST_FD + i;
	}
	out[0] = nr;
	return (3 + 2 * nr) * 8;
}

void sys_perf_close(int fd)
{
	assert_true(sim.events[fd - FIRST_FD].open);
	sim.events[fd - FIRST_FD].open = false;
	sim.nr_open--;
}

static struct counter_plan *plan;
static unsigned trial; /* of count() */
static struct bench_metric_set *set;
static json_t *job;

static int setup(void **state)
{
	(void)state;
	if (access(FIXTURES "intel", R_OK))
		fail_msg("no " FIXTURES ": run from the top folder of the source");
	sim = (struct sim){ .counters = 8, .attr_size = 4096 };
	set = metric_set_new();
	metric_set_next_trial(set);
	trial = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	counter_plan_free(plan);
	plan = NULL;
	metric_set_free(set);
	json_decref(job);
	job = NULL;
	assert_int_equal(sim.nr_open, 0);
	return 0;
}

static void make_plan(const char *host, const char *list)
{
	struct bench_err err = { 0 };
	char root[128];

	snprintf(root, sizeof(root), FIXTURES "%s", host);
	if (counter_plan_new_at(&plan, list, root, true, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(sim.nr_open, 0);
}

static const struct counter_target thread = { .tid = 0, .cpu = -1 };
static const struct counter_target tree = { .tid = 0, .cpu = -1, .inherit = true };

/* Count ns of simulated time in one session per target and put it into the set, over 1000 ops. */
static void count(const struct counter_target *targets, unsigned nr, double ns)
{
	struct counter_session *sessions[4];
	struct bench_err err = { 0 };

	for (unsigned i = 0; i < nr; i++) {
		assert_int_equal(counter_open(&sessions[i], plan, &targets[i], trial, &err), 0);
		assert_int_equal(counter_enable(sessions[i]), 0);
	}
	advance(ns);
	for (unsigned i = 0; i < nr; i++)
		assert_int_equal(counter_disable(sessions[i]), 0);
	counter_put(plan, sessions, nr, "worker", 1000, set);
	for (unsigned i = 0; i < nr; i++)
		counter_close(sessions[i]);
	json_decref(job);
	job = json_pack("{s:o}", "metrics", metric_set_json(set));
}

/* One trial after the other. */
static void count_trials(unsigned nr, double ns)
{
	for (trial = 0; trial < nr; trial++) {
		if (trial)
			metric_set_next_trial(set);
		count(&thread, 1, ns);
	}
	counter_put_missed(plan, nr, 1, 0, "worker", set);
	json_decref(job);
	job = json_pack("{s:o}", "metrics", metric_set_json(set));
}

static const json_t *metric(const char *name)
{
	const json_t *m = bench_result_metric(job, name, "scope", "worker");

	if (!m)
		fail_msg("no metric %s", name);
	return m;
}

static void assert_value(const char *name, const char *status, double value)
{
	const json_t *m = metric(name);
	double got = bench_result_num(m, "value");

	if (strcmp(bench_result_str(m, "status"), status) != 0)
		fail_msg("%s is %s: %s", name, bench_result_str(m, "status"),
			 bench_result_str(m, "note"));
	if (got < value * 0.999 || got > value * 1.001)
		fail_msg("%s is %g, not %g", name, got, value);
}

static void assert_absent(const char *name, const char *status, const char *note)
{
	const json_t *m = metric(name);

	assert_string_equal(bench_result_str(m, "status"), status);
	assert_true(json_is_null(bench_result_get(m, "value")));
	if (!strstr(bench_result_str(m, "note"), note))
		fail_msg("%s: '%s' does not say '%s'", name, bench_result_str(m, "note"), note);
}

/* The trials of a metric as text: "x-x-". */
static void assert_trials(const char *name, const char *want)
{
	const json_t *trials = bench_result_get(metric(name), "trials");
	char got[64] = "";
	size_t i;
	json_t *value;

	json_array_foreach ((json_t *)trials, i, value)
		strcat(got, json_is_null(value) ? "-" : "x");
	assert_string_equal(got, want);
}

static void default_events_count_in_one_group_and_derive(void **state)
{
	(void)state;
	make_plan("intel", NULL);
	assert_int_equal(plan->nr_groups, 4);
	assert_int_equal(plan->groups[2].nr, 6);
	assert_false(plan->groups[2].split);
	count(&thread, 1, 1e9);
	assert_value("cycles", "ok", 3e9);
	assert_value("instructions", "ok", 6e9);
	assert_value("instructions.per_op", "ok", 6e6);
	assert_value("branch-misses", "ok", 1e8);
	assert_value("branch-misses.mpki", "ok", 1e8 / 6e6);
	assert_value("cache-misses.mpki", "ok", 2e7 / 6e6);
	assert_value("ipc", "ok", 2);
	assert_value("ghz", "ok", 3);
	assert_value("task-clock", "ok", 1e9);
	assert_string_equal(bench_result_str(metric("task-clock"), "unit"), "ns");
	assert_true(json_is_null(bench_result_get(metric("cycles"), "note")) ||
		    !*bench_result_str(metric("cycles"), "note"));
}

static void user_and_kernel_are_told_apart_in_a_pass_of_their_own(void **state)
{
	(void)state;
	sim.kernel_share = 0.25;
	make_plan("intel", NULL);
	assert_int_equal(counter_plan_passes(plan), 2);
	count_trials(4, 1e9);
	assert_trials("cycles", "xxxx");
	assert_trials("ipc", "xxxx");
	assert_trials("branches", "x-x-");
	assert_trials("cycles:u", "-x-x");
	assert_trials("cycles:k", "-x-x");
	assert_value("cycles", "ok", 3e9);
	assert_value("cycles:u", "ok", 3e9 * 0.75);
	assert_value("cycles:k", "ok", 3e9 * 0.25);
	assert_value("instructions:k", "ok", 6e9 * 0.25);
	assert_value("ipc:u", "ok", 2);
}

static void second_window_counts_from_its_own_start(void **state)
{
	struct counter_session *s;
	const char *note;
	struct counter_reading r;
	enum session_presence presence;

	(void)state;
	make_plan("intel", "cycles");
	assert_int_equal(counter_open(&s, plan, &thread, 0, NULL), 0);
	for (unsigned window = 1; window < 4; window++) {
		advance(7e6); /* between windows: not counted */
		assert_int_equal(counter_enable(s), 0);
		advance(window * 1e9);
		assert_int_equal(counter_disable(s), 0);
		assert_int_equal(counter_session_reading(s, 0, &presence, &r, &note), BENCH_OK);
		assert_int_equal(r.value, 3e9 * window);
		assert_int_equal(r.enabled_ns, 1e9 * window);
	}
	counter_close(s);
}

#define SIX "cycles,instructions,branches,branch-misses,cache-references,cache-misses"

static void group_that_does_not_fit_is_split_and_marked(void **state)
{
	json_t *json;

	(void)state;
	sim.counters = 4;
	make_plan("intel", SIX);
	assert_int_equal(plan->nr_groups, 2);
	assert_int_equal(plan->groups[0].nr, 4);
	assert_int_equal(plan->groups[1].nr, 4); /* cycles and instructions again */
	json = counter_plan_json(plan);
	assert_true(json_is_true(json_object_get(json_array_get(json, 0), "split")));
	assert_int_equal(json_integer_value(json_object_get(json_array_get(json, 5), "group")), 1);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(json, 5), "passes")), 2);
	json_decref(json);
	assert_int_equal(counter_plan_passes(plan), 2);
}

/* Not those of user or kernel mode alone, which would take counters in every part, and say less. */
static void parts_of_a_group_share_the_whole_cycles_and_instructions(void **state)
{
	(void)state;
	sim.counters = 4;
	make_plan("intel", "cycles:k,cycles:u,cycles,instructions:k,instructions,branches");
	assert_int_equal(plan->nr_groups, 2);
	for (unsigned g = 0; g < 2; g++) {
		const unsigned short *m = &plan->members[plan->groups[g].first];

		assert_int_equal(plan->groups[g].nr, 4);
		assert_string_equal(plan->events[m[0]].name, "cycles");
		assert_string_equal(plan->events[m[1]].name, "instructions");
	}
}

static void groups_take_turns_over_trials_at_full_coverage(void **state)
{
	(void)state;
	sim.counters = 4;
	make_plan("intel", SIX ",task-clock");
	count_trials(5, 1e9);
	assert_trials("cycles", "xxxxx");
	assert_trials("ipc", "xxxxx");
	assert_trials("task-clock", "xxxxx");
	assert_trials("branch-misses", "x-x-x");
	assert_trials("cache-misses", "-x-x-");
	assert_value("cycles", "ok", 3e9);
	assert_value("branch-misses", "ok", 1e8);
	assert_value("cache-misses", "ok", 2e7);
	assert_value("ipc", "ok", 2);
	assert_true(sim.max_open <= 5); /* never more than one group and the clock */
	assert_true(bench_result_num(metric("cycles"), "enabled_ns") == 1e9);
	assert_true(bench_result_num(metric("cycles"), "running_ns") == 1e9);
}

static void event_without_a_trial_says_how_many_it_takes(void **state)
{
	(void)state;
	sim.counters = 3;
	make_plan("intel", SIX);
	assert_int_equal(counter_plan_passes(plan), 4);
	count_trials(3, 1e9);
	assert_value("cycles", "ok", 3e9);
	assert_value("cache-references", "ok", 2e8);
	assert_absent("cache-misses", "not_counted", "needs 4 trials");
}

static void session_turns_to_the_groups_of_the_next_trial(void **state)
{
	struct counter_session *s;

	(void)state;
	sim.counters = 4;
	make_plan("intel", SIX);
	assert_int_equal(counter_open(&s, plan, &thread, 0, NULL), 0);
	for (unsigned turn = 0; turn < 4; turn++) {
		unsigned before = sim.nr_opened;

		assert_int_equal(counter_turn(s, turn, NULL), 0);
		/* The first is open already. */
		assert_int_equal(sim.nr_opened - before, turn ? 4 : 0);
		assert_int_equal(sim.nr_open, 4);
		assert_true(counter_session_has(s, 5) == (turn % 2 == 1));
	}
	counter_close(s);
}

/* Braces have no cycles of their own: without, nothing would tell whether two trials were alike. */
static void group_without_a_sentinel_gets_one(void **state)
{
	(void)state;
	sim.counters = 3;
	make_plan("intel", "{branches,branch-misses},{cache-references,cache-misses}");
	assert_int_equal(plan->nr_groups, 2);
	assert_int_equal(plan->groups[0].nr, 3);
	assert_int_equal(plan->groups[1].nr, 3);
	count_trials(2, 1e9);
	assert_trials("cycles", "xx");
	assert_trials("cache-misses", "-x");
}

static void sentinel_gives_way_where_there_is_no_room(void **state)
{
	(void)state;
	sim.counters = 1;
	make_plan("intel", "branches,branch-misses");
	count_trials(3, 1e9);
	assert_value("branches", "ok", 1e9);
	assert_value("branch-misses", "ok", 1e8);
}

static void multiplexed_groups_are_scaled_with_an_error_bar(void **state)
{
	const json_t *ci;

	(void)state;
	sim.counters = 4;
	make_plan("intel", SIX);
	counter_plan_multiplex(plan);
	assert_int_equal(counter_plan_passes(plan), 1);
	sim.skew = 0.1; /* what runs later runs faster */
	count(&thread, 1, 1e9);
	assert_int_equal(sim.max_open, 8);
	assert_string_equal(bench_result_str(metric("cache-misses"), "status"), "scaled");
	assert_non_null(strstr(bench_result_str(metric("cache-misses"), "note"), "50.0 %"));
	assert_non_null(strstr(bench_result_str(metric("cache-misses"), "note"),
			       "groups differ by +-4.8 %"));
	/* Rates of 1 and 1.1: half the range by the mean. */
	ci = bench_result_get(metric("cycles"), "ci");
	assert_float_equal(json_number_value(json_array_get(ci, 1)) /
				   bench_result_num(metric("cycles"), "value"),
			   1 + 0.05 / 1.05, 1e-4);
	assert_float_equal(bench_result_num(metric("cycles"), "value"), 3e9 * 1.05, 1e6);
	assert_float_equal(bench_result_num(metric("cycles"), "running_ns") /
				   bench_result_num(metric("cycles"), "enabled_ns"),
			   1, 1e-3);
	assert_value("ipc", "scaled", 2);
}

static void window_too_short_to_multiplex_has_no_value(void **state)
{
	(void)state;
	sim.counters = 4;
	make_plan("intel", SIX);
	counter_plan_multiplex(plan);
	count(&thread, 1, 1e8);
	assert_absent("cycles", "not_counted", "too short to scale");
}

static void group_that_opens_but_never_runs_is_split(void **state)
{
	(void)state;
	sim.counters = 2;
	sim.lenient = true;
	make_plan("intel", "{cycles,instructions,branches}");
	assert_int_equal(plan->nr_groups, 3);
	assert_true(plan->groups[2].split);
	count_trials(3, 1e9);
	assert_value("branches", "ok", 1e9);
}

static void group_that_is_squeezed_out_later_is_not_counted(void **state)
{
	(void)state;
	make_plan("intel", "{cycles,instructions,branches}");
	sim.counters = 2;
	sim.lenient = true;
	count(&thread, 1, 1e9);
	assert_absent("cycles", "not_counted", "too few counters");
	assert_absent("ipc", "not_counted", "too few counters");
}

static void group_refused_at_open_falls_back_to_single_events(void **state)
{
	(void)state;
	make_plan("intel", "{cycles,instructions,branches}");
	sim.counters = 2;
	count(&thread, 1, 1e9);
	assert_value("instructions", "scaled", 6e9);
}

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

static void listed_event_is_tried_on_the_loop(void **state)
{
	static unsigned char buf[LIVENESS_BYTES];
	struct counter_event *e;

	(void)state;
	make_plan("intel", "branches,cache-misses,cpu/config=0xdead/,task-clock");
	sim.dead = 1 << PERF_COUNT_HW_CACHE_MISSES;
	for (unsigned i = 0; i < 4; i++) {
		e = &plan->events[i];
		e->note[0] = '\0';
		e->proved = false;
		probe_live_event(e, &plan->pmus, buf);
	}
	assert_string_equal(plan->events[0].note, "live");
	assert_int_equal(plan->events[1].status, BENCH_NOT_SUPPORTED);
	assert_string_equal(plan->events[1].note, "opens but does not count");
	assert_string_equal(plan->events[2].note, "dead in the test loop: opens, and read 0");
	assert_string_equal(plan->events[3].note, "");
}

static void sessions_add_up_and_the_worst_status_wins(void **state)
{
	struct counter_session *s[2];

	(void)state;
	make_plan("intel", "cycles,task-clock");
	assert_int_equal(counter_open(&s[0], plan, &thread, 0, NULL), 0);
	assert_int_equal(counter_open(&s[1], plan, &thread, 0, NULL), 0);
	counter_enable(s[0]);
	advance(1e9);
	counter_disable(s[0]);
	counter_enable(s[1]);
	advance(2e9);
	counter_disable(s[1]);
	counter_put(plan, s, 2, "worker", 0, set);
	/* In the next trial the second one is lost. */
	metric_set_next_trial(set);
	counter_enable(s[0]);
	advance(1e9);
	counter_disable(s[0]);
	counter_enable(s[1]);
	sim.error_state = true;
	counter_disable(s[1]);
	sim.error_state = false;
	counter_put(plan, s, 2, "worker", 0, set);
	job = json_pack("{s:o}", "metrics", metric_set_json(set));
	assert_true(json_number_value(json_array_get(bench_result_get(metric("cycles"), "trials"),
						     0)) == 9e9);
	assert_string_equal(bench_result_str(metric("cycles"), "status"), "not_counted");
	/* And is back in the one after. */
	metric_set_free(set);
	set = metric_set_new();
	metric_set_next_trial(set);
	json_decref(job);
	counter_enable(s[1]);
	advance(1e9);
	counter_disable(s[1]);
	counter_put(plan, &s[1], 1, "worker", 0, set);
	job = json_pack("{s:o}", "metrics", metric_set_json(set));
	assert_value("cycles", "ok", 3e9);
	counter_close(s[0]);
	counter_close(s[1]);
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

static void event_in_two_groups_is_reported_once(void **state)
{
	(void)state;
	make_plan("intel", "{cycles,instructions},{cycles,branches}");
	assert_int_equal(plan->nr_groups, 2);
	count_trials(2, 1e9);
	assert_trials("cycles", "xx");
	assert_trials("branches", "-x");
	assert_value("cycles", "ok", 3e9);
	assert_value("ipc", "ok", 2);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(default_events_count_in_one_group_and_derive),
		TEST(second_window_counts_from_its_own_start),
		TEST(group_that_does_not_fit_is_split_and_marked),
		TEST(user_and_kernel_are_told_apart_in_a_pass_of_their_own),
		TEST(parts_of_a_group_share_the_whole_cycles_and_instructions),
		TEST(groups_take_turns_over_trials_at_full_coverage),
		TEST(event_without_a_trial_says_how_many_it_takes),
		TEST(session_turns_to_the_groups_of_the_next_trial),
		TEST(group_without_a_sentinel_gets_one),
		TEST(sentinel_gives_way_where_there_is_no_room),
		TEST(multiplexed_groups_are_scaled_with_an_error_bar),
		TEST(window_too_short_to_multiplex_has_no_value),
		TEST(group_that_opens_but_never_runs_is_split),
		TEST(group_that_is_squeezed_out_later_is_not_counted),
		TEST(group_refused_at_open_falls_back_to_single_events),
		TEST(dead_event_is_not_supported),
		TEST(event_that_counts_nonsense_is_not_supported),
		TEST(zero_of_an_event_never_seen_to_count_is_no_zero),
		TEST(proved_event_may_read_zero),
		TEST(missing_pmu_is_explained),
		TEST(missing_event_of_a_pmu_is_explained),
		TEST(denied_kernel_is_counted_user_only_under_perfs_name),
		TEST(everything_denied_is_not_permitted),
		TEST(kernel_without_inherited_groups_gets_single_events),
		TEST(hybrid_counts_per_kind_of_core_unscaled),
		TEST(package_events_count_on_their_cpus_only),
		TEST(package_event_has_no_row_of_a_thread),
		TEST(energy_is_counted_for_the_package_and_per_op),
		TEST(energy_that_cannot_be_right_is_invalid),
		TEST(energy_that_does_not_move_is_invalid),
		TEST(listed_event_is_tried_on_the_loop),
		TEST(sessions_add_up_and_the_worst_status_wins),
		TEST(failing_read_is_not_counted),
		TEST(idle_thread_is_not_counted),
		TEST(window_that_was_never_ended_is_empty),
		TEST(event_in_two_groups_is_reported_once),
		TEST(older_kernel_gets_the_size_it_knows),
		TEST(descriptor_limit_is_raised_when_it_is_hit),
		TEST(exhausted_descriptors_are_a_status),
		TEST(printed_plan_says_a_reason_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
