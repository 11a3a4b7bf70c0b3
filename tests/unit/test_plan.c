// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/option.h"
#include "core/plan.h"
#include "core/settings.h"

struct fixture {
	struct topology *topology;
	struct settings settings;
	struct job_list jobs;
	struct plan plan;
	struct bench_err err;
	unsigned nr_cpus, nr_cores;
};

static int open_fixture(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct bench_err err = { 0 };

	if (topology_open(&f->topology, &err))
		return -1;
	option_defaults(run_options, &f->settings);
	f->nr_cpus = topology_nr_cpus(f->topology);
	f->nr_cores = topology_nr_cores(f->topology);
	*state = f;
	return 0;
}

static int close_fixture(void **state)
{
	struct fixture *f = *state;

	plan_free(&f->plan);
	job_list_free(&f->jobs);
	topology_close(f->topology);
	free(f);
	return 0;
}

static void add(struct fixture *f, const char *text)
{
	if (job_list_add(&f->jobs, text, false, &f->err))
		fail_msg("%s: %s", text, f->err.msg);
}

static int build(struct fixture *f, enum runtime_kind runtime)
{
	plan_free(&f->plan);
	return plan_build(&f->plan, &f->jobs, &f->settings, f->topology, runtime, &f->err);
}

static void one_worker_per_core_by_default(void **state)
{
	struct fixture *f = *state;
	const char *source;
	double quota = topology_quota(f->topology, &source);
	unsigned expected = f->nr_cores;

	if (quota > 0 && quota < expected)
		expected = quota < 1 ? 1 : (unsigned)quota;
	add(f, "cpu");
	assert_int_equal(build(f, RUNTIME_BLOCKING), 0);
	assert_int_equal(f->plan.jobs[0].nr_workers, expected);
	for (unsigned i = 0; i < expected; i++)
		assert_int_equal(f->plan.jobs[0].cpus[i], topology_cpu(f->topology, i)->os_index);
}

/* The jobs' CPUs on a made-up host of two packages with two caches of two cores of two PUs each. */
static void placement_is_what_workers_share(void **state)
{
	static const struct {
		const char *job;
		unsigned nr;
		int first, second;
	} cases[] = {
		{ "net_sync,placement=smt", 2, 0, 1 },	    { "net_sync,placement=llc", 2, 0, 2 },
		{ "net_sync,placement=package", 2, 0, 4 },  { "net_sync,placement=cross", 2, 0, 8 },
		{ "net_sync,placement=same-cpu", 2, 0, 0 }, { "cpu,placement=smt", 2, 0, 1 },
		{ "cpu,placement=llc", 3, 0, 2 },	    { "cpu,placement=same-cpu", 1, 0, 0 },
	};
	struct fixture *f = *state;

	topology_close(f->topology);
	setenv("HWLOC_SYNTHETIC", "package:2 l3:2 core:2 pu:2", 1);
	setenv("HWLOC_THISSYSTEM", "0", 1);
	assert_int_equal(topology_open(&f->topology, &f->err), 0);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		job_list_drop_jobs(&f->jobs);
		add(f, cases[i].job);
		if (build(f, RUNTIME_BLOCKING))
			fail_msg("%s: %s", cases[i].job, f->err.msg);
		assert_int_equal(f->plan.jobs[0].nr_workers, cases[i].nr);
		assert_int_equal(f->plan.jobs[0].cpus[0], cases[i].first);
		if (cases[i].nr > 1)
			assert_int_equal(f->plan.jobs[0].cpus[1], cases[i].second);
	}
	topology_close(f->topology);
	setenv("HWLOC_SYNTHETIC", "package:1 core:2 pu:1", 1);
	assert_int_equal(topology_open(&f->topology, &f->err), 0);
	unsetenv("HWLOC_SYNTHETIC");
	unsetenv("HWLOC_THISSYSTEM");
	job_list_drop_jobs(&f->jobs);
	add(f, "net_sync,placement=smt");
	assert_int_equal(build(f, RUNTIME_BLOCKING), 0);
	assert_non_null(strstr(f->plan.jobs[0].skip, "threads of one core"));
}

static void a_rate_needs_a_module_that_can_be_paced(void **state)
{
	struct fixture *f = *state;
	struct bench_module module;

	add(f, "disk,rate=100");
	assert_int_equal(build(f, RUNTIME_URING), 0);
	plan_free(&f->plan);
	module = *f->jobs.specs[0].module;
	module.issue = NULL;
	f->jobs.specs[0].module = &module;
	assert_int_equal(build(f, RUNTIME_URING), -EINVAL);
	assert_non_null(strstr(f->err.msg, "disk_sync"));
}

static void cpus_given_are_taken_in_their_order(void **state)
{
	struct fixture *f = *state;
	int last = topology_cpu(f->topology, f->nr_cpus - 1)->os_index;
	char text[32];

	snprintf(text, sizeof(text), "%d", last);
	f->settings.cpus = text;
	add(f, "cpu");
	assert_int_equal(build(f, RUNTIME_BLOCKING), 0);
	assert_int_equal(f->plan.jobs[0].nr_workers, 1);
	assert_int_equal(f->plan.jobs[0].cpus[0], last);
}

static void oversubscription_is_refused_unless_asked_for(void **state)
{
	struct fixture *f = *state;

	f->settings.workers = f->nr_cpus + 1;
	add(f, "cpu");
	assert_int_equal(build(f, RUNTIME_BLOCKING), -EINVAL);
	assert_non_null(strstr(f->err.msg, "--oversubscribe"));
	f->settings.oversubscribe = 1;
	assert_int_equal(build(f, RUNTIME_BLOCKING), 0);
	assert_int_equal(f->plan.jobs[0].nr_workers, f->nr_cpus + 1);
	assert_non_null(f->plan.jobs[0].warning);
}

static void workers_that_talk_may_share_a_cpu_with_a_warning(void **state)
{
	struct fixture *f = *state;
	char text[32];

	snprintf(text, sizeof(text), "net_sync,cpus=%d", topology_cpu(f->topology, 0)->os_index);
	add(f, text);
	assert_int_equal(build(f, RUNTIME_BLOCKING), 0);
	assert_int_equal(f->plan.jobs[0].nr_workers, 2);
	assert_int_equal(f->plan.jobs[0].cpus[0], f->plan.jobs[0].cpus[1]);
	assert_non_null(f->plan.jobs[0].warning);
}

static void workers_that_run_at_the_same_time_may_not(void **state)
{
	struct fixture *f = *state;
	char text[64];

	snprintf(text, sizeof(text), "net_sync,mode=stream,cpus=%d",
		 topology_cpu(f->topology, 0)->os_index);
	add(f, text);
	assert_int_equal(build(f, RUNTIME_BLOCKING), -EINVAL);
	assert_non_null(strstr(f->err.msg, "--oversubscribe"));
	f->settings.oversubscribe = 1;
	assert_int_equal(build(f, RUNTIME_BLOCKING), 0);
}

static void an_async_module_named_on_blocking_is_an_error_with_the_sibling(void **state)
{
	struct fixture *f = *state;

	add(f, "disk");
	assert_int_equal(build(f, RUNTIME_BLOCKING), -EINVAL);
	assert_non_null(strstr(f->err.msg, "'disk'"));
	assert_non_null(strstr(f->err.msg, "'disk_sync'"));
	assert_int_equal(build(f, RUNTIME_URING), 0);
	assert_null(f->plan.jobs[0].skip);
}

static void an_async_module_of_the_suite_is_skipped_on_blocking(void **state)
{
	struct fixture *f = *state;
	unsigned async = 0;

	assert_int_equal(job_list_add_suite(&f->jobs, false, &f->err), 0);
	assert_int_equal(job_list_expand(&f->jobs, &f->err), 0);
	assert_int_equal(build(f, RUNTIME_BLOCKING), 0);
	for (unsigned i = 0; i < f->plan.nr_jobs; i++) {
		bool is_async = f->plan.jobs[i].spec->module->exec == BENCH_EXEC_ASYNC;

		async += is_async;
		assert_int_equal(f->plan.jobs[i].skip != NULL, is_async);
	}
	assert_true(async > 0 && async < f->plan.nr_jobs);
}

static void the_default_suite_fits_a_minute(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(job_list_add_suite(&f->jobs, false, &f->err), 0);
	assert_int_equal(job_list_expand(&f->jobs, &f->err), 0);
	assert_int_equal(build(f, RUNTIME_URING), 0);
	/* Ten seconds are left for laying out files. */
	assert_true(plan_duration_ns(&f->plan) <= 50 * BENCH_NS_PER_SEC);
}

static void the_full_suite_fits_a_quarter_of_an_hour(void **state)
{
	struct fixture *f = *state;
	unsigned quick;

	assert_int_equal(job_list_add_suite(&f->jobs, false, &f->err), 0);
	assert_int_equal(job_list_expand(&f->jobs, &f->err), 0);
	quick = f->jobs.nr;
	job_list_drop_jobs(&f->jobs);
	assert_int_equal(job_list_add_suite(&f->jobs, true, &f->err), 0);
	assert_int_equal(job_list_expand(&f->jobs, &f->err), 0);
	assert_true(f->jobs.nr > quick);
	if (build(f, RUNTIME_URING))
		fail_msg("%s", f->err.msg);
	/* Two minutes are left for laying out files. */
	assert_true(plan_duration_ns(&f->plan) <= 13 * 60 * BENCH_NS_PER_SEC);
}

static void parameters_decide_on_the_number_of_workers(void **state)
{
	struct fixture *f = *state;
	char text[64];

	f->settings.oversubscribe = 1;
	add(f, "sched,mode=wakeup");
	add(f, "sched,mode=yield");
	add(f, "sched,mode=yield,workers=1");
	assert_int_equal(build(f, RUNTIME_BLOCKING), 0);
	assert_int_equal(f->plan.jobs[0].nr_workers, 2);
	assert_int_equal(f->plan.jobs[1].nr_workers, f->nr_cores);
	assert_int_equal(f->plan.jobs[2].nr_workers, 1);
	job_list_drop_jobs(&f->jobs);
	add(f, "sched,mode=wakeup,workers=3");
	assert_int_equal(build(f, RUNTIME_BLOCKING), -EINVAL);
	job_list_drop_jobs(&f->jobs);
	/* All of them run at the same time, or one after the other: the parameters decide. */
	f->settings.oversubscribe = 0;
	snprintf(text, sizeof(text), "sched,cpus=%d", topology_cpu(f->topology, 0)->os_index);
	add(f, text);
	assert_int_equal(build(f, RUNTIME_BLOCKING), 0);
	job_list_drop_jobs(&f->jobs);
	snprintf(text, sizeof(text), "sched,mode=yield,workers=%u", f->nr_cpus + 1);
	add(f, text);
	assert_int_equal(build(f, RUNTIME_BLOCKING), -EINVAL);
}

static void impossible_parameters_are_refused(void **state)
{
	struct fixture *f = *state;

	add(f, "net_sync,workers=3");
	assert_int_equal(build(f, RUNTIME_BLOCKING), -EINVAL);
	job_list_drop_jobs(&f->jobs);
	add(f, "cpu,cpus=4095");
	assert_int_equal(build(f, RUNTIME_BLOCKING), -EINVAL);
	assert_non_null(strstr(f->err.msg, "4095"));
	job_list_drop_jobs(&f->jobs);
	add(f, "disk_sync,rw=randwrite,filename=/etc/hostname");
	assert_int_equal(build(f, RUNTIME_BLOCKING), -EINVAL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_fixture, close_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_worker_per_core_by_default),
		TEST(cpus_given_are_taken_in_their_order),
		TEST(placement_is_what_workers_share),
		TEST(a_rate_needs_a_module_that_can_be_paced),
		TEST(oversubscription_is_refused_unless_asked_for),
		TEST(workers_that_talk_may_share_a_cpu_with_a_warning),
		TEST(workers_that_run_at_the_same_time_may_not),
		TEST(an_async_module_named_on_blocking_is_an_error_with_the_sibling),
		TEST(an_async_module_of_the_suite_is_skipped_on_blocking),
		TEST(the_default_suite_fits_a_minute),
		TEST(the_full_suite_fits_a_quarter_of_an_hour),
		TEST(parameters_decide_on_the_number_of_workers),
		TEST(impossible_parameters_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
