/* SPDX-License-Identifier: BSD-2-Clause */
/* A simulated PMU: the sys_perf_*() here take the place of the system calls, so that what a real PMU
 * does now and then happens on demand; and a plan and its metrics on it. */
#ifndef UNIT_COUNTER_SIM_H
#define UNIT_COUNTER_SIM_H

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

static inline bool is_core(const struct perf_event_attr *attr)
{
	return attr->type != PERF_TYPE_SOFTWARE;
}

/* Counts per ns of running. */
static inline double rate(const struct perf_event_attr *attr)
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

static inline unsigned group_size(int leader)
{
	unsigned nr = 0;

	for (int i = 0; i < MAX_FDS; i++)
		nr += sim.events[i].open && sim.events[i].leader == leader &&
		      is_core(&sim.events[i].attr);
	return nr;
}

static inline bool is_absent(const struct sim_event *e)
{
	return sim.absent_type && e->attr.type == PERF_TYPE_HARDWARE &&
	       e->attr.config >> 32 == sim.absent_type;
}

/* Let time pass: groups that together need more counters than there are get equal shares. */
static inline void advance(double ns)
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

static inline int refusal(struct perf_event_attr *attr, int leader)
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

static inline int setup(void **state)
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

static inline int teardown(void **state)
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

static inline void make_plan(const char *host, const char *list)
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
static inline void count(const struct counter_target *targets, unsigned nr, double ns)
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
static inline void count_trials(unsigned nr, double ns)
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

static inline const json_t *metric(const char *name)
{
	const json_t *m = bench_result_metric(job, name, "scope", "worker");

	if (!m)
		fail_msg("no metric %s", name);
	return m;
}

static inline void assert_value(const char *name, const char *status, double value)
{
	const json_t *m = metric(name);
	double got = bench_result_num(m, "value");

	if (strcmp(bench_result_str(m, "status"), status) != 0)
		fail_msg("%s is %s: %s", name, bench_result_str(m, "status"),
			 bench_result_str(m, "note"));
	if (got < value * 0.999 || got > value * 1.001)
		fail_msg("%s is %g, not %g", name, got, value);
}

static inline void assert_absent(const char *name, const char *status, const char *note)
{
	const json_t *m = metric(name);

	assert_string_equal(bench_result_str(m, "status"), status);
	assert_true(json_is_null(bench_result_get(m, "value")));
	if (!strstr(bench_result_str(m, "note"), note))
		fail_msg("%s: '%s' does not say '%s'", name, bench_result_str(m, "note"), note);
}

/* The trials of a metric as text: "x-x-". */
static inline void assert_trials(const char *name, const char *want)
{
	const json_t *trials = bench_result_get(metric(name), "trials");
	char got[64] = "";
	size_t i;
	json_t *value;

	json_array_foreach ((json_t *)trials, i, value)
		strcat(got, json_is_null(value) ? "-" : "x");
	assert_string_equal(got, want);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
