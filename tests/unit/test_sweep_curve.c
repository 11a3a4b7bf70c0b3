// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/result.h"
#include "core/option.h"
#include "core/plan.h"
#include "core/result.h"
#include "core/settings.h"
#include "core/sweep_curve.h"

/* A plan on a made-up host, and a result whose jobs the test makes up. */
struct fixture {
	struct topology *topology;
	struct settings settings;
	struct job_list jobs;
	struct plan plan;
	struct bench_err err;
	json_t *result;
};

static void open_plan(struct fixture *f, const char *text)
{
	*f = (struct fixture){ .result = json_pack("{s:[]}", "jobs") };
	setenv("HWLOC_SYNTHETIC", "package:1 l3:1 core:2 pu:2", 1);
	setenv("HWLOC_THISSYSTEM", "0", 1);
	assert_int_equal(topology_open(&f->topology, &f->err), 0);
	unsetenv("HWLOC_SYNTHETIC");
	unsetenv("HWLOC_THISSYSTEM");
	option_defaults(run_options, &f->settings);
	assert_int_equal(job_list_add(&f->jobs, text, false, &f->err), 0);
	assert_int_equal(job_list_expand(&f->jobs, &f->err), 0);
	if (plan_build(&f->plan, &f->jobs, &f->settings, f->topology, RUNTIME_BLOCKING, &f->err))
		fail_msg("%s: %s", text, f->err.msg);
}

static void close_plan(struct fixture *f)
{
	json_decref(f->result);
	plan_free(&f->plan);
	job_list_free(&f->jobs);
	topology_close(f->topology);
}

static json_t *metric(const char *name, const char *better, double value)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:[o,o]}", "name", name, "unit", "1/s", "better",
			 better, "status", "ok", "value", result_number(value), "ci",
			 result_number(value * 0.99), result_number(value * 1.01));
}

/* The next job of the plan, with one metric, which stands for it. */
static json_t *add_job(struct fixture *f, const char *status, const char *name, const char *better,
		       double value)
{
	json_t *jobs = json_object_get(f->result, "jobs");
	const struct job_spec *spec = f->plan.jobs[json_array_size(jobs)].spec;
	json_t *params = json_object(), *job;

	for (unsigned a = 0; a < spec->nr_axes; a++)
		json_object_set_new(params, spec->axes[a].option->name,
				    option_value_json(spec->axes[a].option,
						      job_spec_params(spec, spec->axes[a].option)));
	job = json_pack("{s:s, s:s, s:{s:s, s:o}, s:[o]}", "name", spec->name, "status", status,
			"sweep", "name", spec->sweep, "params", params, "metrics",
			metric(name, better, value));
	if (strcmp(name, "ops"))
		json_object_set_new(job, "figure", json_string(name));
	json_array_append_new(jobs, job);
	return job;
}

/* Two lines of one sweep, with the sizes of two caches. */
static void knees_are_told_with_the_caches_they_are_near(void **state)
{
	static const double ns[] = { 1, 1, 4, 4, 4, 90, 92 };
	const json_t *curves, *knees;
	struct fixture f;

	(void)state;
	open_plan(&f, "memory,workers=1,pages={4k,2m},size={16k,32k,64k,128k,256k,512k,1m}");
	assert_int_equal(f.plan.nr_jobs, 14);
	for (unsigned i = 0; i < 14; i++) {
		json_t *job = add_job(&f, "ok", "memory.load", "lower", i < 7 ? 5 : ns[i - 7]);
		json_t *cache = metric("memory.cache", "none", 48 << 10);

		json_object_set_new(cache, "labels", json_pack("{s:s}", "cache", "L1d"));
		json_array_append_new(json_object_get(job, "metrics"), cache);
		json_object_set_new(job, "figure_marks", json_string("memory.cache"));
	}
	sweep_curves_add(f.result, &f.plan);
	curves = json_object_get(json_array_get(json_object_get(f.result, "sweeps"), 0), "curves");
	assert_int_equal(json_array_size(curves), 2);
	assert_int_equal(json_array_size(bench_result_get(json_array_get(curves, 0), "knees")), 0);
	assert_string_equal(bench_result_str(json_array_get(curves, 1), "x"), "size");
	assert_string_equal(bench_result_str(json_array_get(curves, 1), "x_unit"), "B");
	assert_string_equal(bench_result_str(json_array_get(curves, 1), "y"), "memory.load");
	assert_string_equal(bench_result_str(json_array_get(curves, 1), "params.pages"), "2m");
	knees = bench_result_get(json_array_get(curves, 1), "knees");
	assert_int_equal(json_array_size(knees), 3);
	assert_true(bench_result_num(json_array_get(knees, 0), "low") == 32 << 10);
	assert_true(bench_result_num(json_array_get(knees, 0), "high") == 64 << 10);
	assert_string_equal(bench_result_str(json_array_get(knees, 0), "near.label"), "L1d");
	assert_non_null(strstr(bench_result_str(json_array_get(knees, 0), "job"), "size=32k"));
	/* The only cache is taken: the second knee has no name. */
	assert_string_equal(bench_result_str(json_array_get(knees, 1), "near.label"), "");
	assert_string_equal(bench_result_str(json_array_get(knees, 2), "kind"), "settles");
	close_plan(&f);
}

/* Over another metric, whatever the order of the parameter; a job that failed is no point. */
static void a_curve_over_traffic_doubles(void **state)
{
	static const double traffic[] = { 20e9, 15e9, 10e9, 5e9, 0 }, ns[] = { 300, 180, 110, 100, 90 };
	const json_t *curve, *knee;
	struct fixture f;

	(void)state;
	open_plan(&f, "memory,mode=loaded,workers=2,delay={0,10,100,1000,10000,100000}");
	for (unsigned i = 0; i < 6; i++) {
		json_t *job = add_job(&f, i < 5 ? "ok" : "failed", "memory.load", "lower",
				      i < 5 ? ns[i] : 5000);

		json_array_append_new(json_object_get(job, "metrics"),
				      metric("memory.traffic", "none", i < 5 ? traffic[i] : 30e9));
		json_object_set_new(job, "figure_over", json_string("memory.traffic"));
	}
	sweep_curves_add(f.result, &f.plan);
	curve = json_array_get(
		json_object_get(json_array_get(json_object_get(f.result, "sweeps"), 0), "curves"), 0);
	knee = json_array_get(bench_result_get(curve, "knees"), 0);
	assert_string_equal(bench_result_str(knee, "kind"), "doubles");
	assert_true(bench_result_num(knee, "low") == 10e9);
	assert_true(bench_result_num(knee, "high") == 15e9);
	assert_true(bench_result_num(knee, "level") == 90);
	/* 10 of 20 GB/s is a point of its own, 16 is a fifth on the way from 15 to 20. */
	assert_true(bench_result_num(json_array_get(bench_result_get(curve, "shares"), 0), "value") ==
		    110);
	assert_true(bench_result_num(json_array_get(bench_result_get(curve, "shares"), 1), "value") ==
		    204);
	close_plan(&f);
}

/* One, one per core, all threads: 1.9 of 2 cores, and a quarter more by their second threads. */
static void scaling_is_told_by_cores_and_threads(void **state)
{
	const json_t *rows;
	struct fixture f;

	(void)state;
	open_plan(&f, "cpu,spread={one,core,pu}");
	add_job(&f, "ok", "ops", "higher", 100);
	add_job(&f, "ok", "ops", "higher", 190);
	add_job(&f, "ok", "ops", "higher", 240);
	sweep_curves_add(f.result, &f.plan);
	rows = json_object_get(json_array_get(json_object_get(f.result, "sweeps"), 0), "scaling");
	assert_int_equal(json_array_size(rows), 2);
	assert_true(bench_result_num(json_array_get(rows, 0), "speedup.value") == 1.9);
	assert_true(bench_result_num(json_array_get(rows, 0), "workers") == 2);
	assert_null(bench_result_get(json_array_get(rows, 0), "smt_yield"));
	assert_true(bench_result_num(json_array_get(rows, 1), "workers") == 4);
	assert_true(bench_result_num(json_array_get(rows, 1), "cores") == 2);
	assert_true(bench_result_num(json_array_get(rows, 1), "speedup.value") == 2.4);
	assert_true(bench_result_num(json_array_get(rows, 1), "smt_yield.value") > 1.26);
	assert_true(bench_result_num(json_array_get(rows, 1), "smt_yield.value") < 1.27);
	close_plan(&f);
	/* A latency does not scale, and without a job of one worker there is nothing to compare. */
	open_plan(&f, "memory,workers=1..2,size=1m");
	add_job(&f, "ok", "memory.load", "lower", 90);
	add_job(&f, "ok", "memory.load", "lower", 95);
	sweep_curves_add(f.result, &f.plan);
	assert_null(bench_result_get(json_array_get(json_object_get(f.result, "sweeps"), 0), "scaling"));
	close_plan(&f);
	open_plan(&f, "cpu,workers=2..3");
	add_job(&f, "ok", "ops", "higher", 200);
	add_job(&f, "ok", "ops", "higher", 250);
	sweep_curves_add(f.result, &f.plan);
	assert_null(bench_result_get(json_array_get(json_object_get(f.result, "sweeps"), 0), "scaling"));
	close_plan(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knees_are_told_with_the_caches_they_are_near),
		cmocka_unit_test(a_curve_over_traffic_doubles),
		cmocka_unit_test(scaling_is_told_by_cores_and_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
