// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/option.h"
#include "core/settings.h"
#include "runtime/runtime.h"

static char dir[] = "/tmp/bench-config-XXXXXX";
static char path[64];

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/test.conf", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static int read_text(const char *text, struct settings *settings, struct job_list *jobs,
		     struct bench_err *err)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	option_defaults(run_options, settings);
	*jobs = (struct job_list){ 0 };
	*err = (struct bench_err){ 0 };
	return config_read(path, run_options, settings, jobs, NULL, err);
}

/* As read_text(), for exec. */
static int read_for_exec(const char *text, struct exec_settings *settings, struct bench_err *err)
{
	struct job_list jobs = { 0 };
	FILE *file = fopen(path, "w");
	int rc;

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	*settings = (struct exec_settings){ 0 };
	option_defaults(exec_options, settings);
	*err = (struct bench_err){ 0 };
	rc = config_read(path, exec_options, settings, &jobs, NULL, err);
	job_list_free(&jobs);
	return rc;
}

static void exec_has_a_section_of_its_own(void **state)
{
	static const char text[] = "[exec]\nwarmup = 3\ntrials = 4\n"
				   "[general]\nwarmup = 700ms\ntrials = 5\nruntime = blocking\n";
	struct exec_settings e;
	struct settings s;
	struct job_list jobs;
	struct bench_err err;

	(void)state;
	assert_int_equal(read_for_exec(text, &e, &err), 0);
	assert_int_equal(e.warmup_runs, 3);
	assert_int_equal(e.common.trials, 4);
	assert_int_equal(e.common.runtime, RUNTIME_BLOCKING);
	assert_int_equal(read_text(text, &s, &jobs, &err), 0);
	assert_int_equal(s.warmup_ns, 700000000);
	assert_int_equal(s.trials, 5);
	assert_int_equal(jobs.nr, 0);
	job_list_free(&jobs);
	/* run's warm-up is a time and none of exec's. */
	assert_int_equal(read_for_exec("[general]\nwarmup = 700ms\n", &e, &err), 0);
	assert_int_equal(e.warmup_runs, 1);
}

static void general_and_jobs_are_read(void **state)
{
	struct settings s;
	struct job_list jobs;
	struct bench_err err;

	(void)state;
	assert_int_equal(read_text("; comment\n[general]\nruntime = blocking\ntrials=3\n\n"
				   "[ints]\nmodule = cpu\nkernel = int\nworkers = 1\n"
				   "[floats]\nmodule = cpu\nkernel = float\n",
				   &s, &jobs, &err), 0);
	assert_int_equal(s.runtime, RUNTIME_BLOCKING);
	assert_int_equal(s.trials, 3);
	assert_int_equal(jobs.nr, 2);
	assert_string_equal(jobs.specs[0].name, "ints");
	assert_string_equal(jobs.specs[0].module->name, "cpu");
	assert_int_equal(jobs.specs[0].common.workers, 1);
	assert_string_equal(jobs.specs[1].name, "floats");
	job_list_free(&jobs);
}

static void errors_name_file_and_line(void **state)
{
	static const struct {
		const char *text, *line, *says;
	} bad[] = {
		{ "[general]\nruntim = uring\n", ":2:", "did you mean 'runtime'" },
		{ "[general]\n\n\ntrials = many\n", ":4:", "many" },
		{ "[exec]\nwarmup = 700ms\n", ":2:", "warmup" },
		{ "[exec]\nwarmupp = 1\n", ":2:", "did you mean 'warmup'" },
		{ "[general]\ndiscard-output = 1\n", ":2:", "[exec]" },
		{ "trials = 3\n", ":1:", "before any [section]" },
		{ "[general]\nthis is no key\n", ":2:", "key = value" },
		{ "[job]\ndepth = 3\n", ":2:", "module" },
		{ "[generl]\nruntime = uring\n", ":2:", "[general]" },
		{ "[job]\nmodule = dsik\n", ":2:", "did you mean 'disk'" },
		{ "[job]\nmodule = cpu\nkernl = int\n", ":3:", "did you mean 'kernel'" },
		{ "[job]\nmodule = cpu\nmodule = cpu\n", ":3:", "twice" },
		{ "[genral]\n[general]\ntrials = 3\n", ":1:", "[general]" },
		{ "[general]\ntrials = 3\n\n[job]\n", ":4:", "no keys" },
		{ "[job]\nmodule = disk\nfilename = /x\n  direct = 7\n", ":4:", "direct" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct settings s;
		struct job_list jobs;
		struct bench_err err;

		assert_int_not_equal(read_text(bad[i].text, &s, &jobs, &err), 0);
		if (!strstr(err.msg, path) || !strstr(err.msg, bad[i].line) || !strstr(err.msg, bad[i].says))
			fail_msg("case %zu: %s", i, err.msg);
		job_list_free(&jobs);
	}
}

static void indented_keys_are_keys(void **state)
{
	struct settings s;
	struct job_list jobs;
	struct bench_err err;

	(void)state;
	assert_int_equal(read_text("[general]\n  trials = 4\n[one]\n\tmodule = cpu\n\tkernel = float\n",
				   &s, &jobs, &err), 0);
	assert_int_equal(s.trials, 4);
	assert_int_equal(jobs.nr, 1);
	job_list_free(&jobs);
}

static void a_line_too_long_is_refused_not_cut(void **state)
{
	char text[600] = "[general]\ndirectory = ";
	struct settings s;
	struct job_list jobs;
	struct bench_err err;

	(void)state;
	memset(text + strlen(text), 'x', 400);
	assert_int_not_equal(read_text(text, &s, &jobs, &err), 0);
	assert_non_null(strstr(err.msg, "longer"));
	job_list_free(&jobs);
}

static void a_missing_or_unreadable_file_is_said(void **state)
{
	struct bench_err err = { 0 };
	struct settings s;
	struct job_list jobs = { 0 };

	(void)state;
	assert_int_equal(config_read("/nonexistent/x.conf", run_options, &s, &jobs, NULL, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "/nonexistent/x.conf"));
	assert_int_not_equal(config_read(dir, run_options, &s, &jobs, NULL, &err), 0);
	job_list_free(&jobs);
}

static void the_users_file_comes_before_the_systems(void **state)
{
	char sub[80], file[96], *used;
	struct bench_err err = { 0 };
	struct settings s;
	struct job_list jobs = { 0 };
	FILE *f;

	(void)state;
	snprintf(sub, sizeof(sub), "%s/bench", dir);
	assert_int_equal(mkdir(sub, 0755), 0);
	snprintf(file, sizeof(file), "%s/bench.conf", sub);
	f = fopen(file, "w");
	fputs("[general]\ntrials = 17\n", f);
	fclose(f);
	setenv("XDG_CONFIG_HOME", dir, 1);
	option_defaults(run_options, &s);
	assert_int_equal(config_read(NULL, run_options, &s, &jobs, &used, &err), 0);
	assert_int_equal(s.trials, 17);
	assert_string_equal(used, file);
	free(used);
	unsetenv("XDG_CONFIG_HOME");
	unlink(file);
	rmdir(sub);
	job_list_free(&jobs);
}

static void job_texts_take_quoted_commas_and_unique_names(void **state)
{
	struct job_list jobs = { 0 };
	struct bench_err err = { 0 };

	(void)state;
	assert_int_equal(job_list_add(&jobs, "cpu,cpus=0\\,1,kernel=float", false, &err), 0);
	assert_string_equal(jobs.specs[0].common.cpus, "0,1");
	assert_int_equal(job_list_add(&jobs, "cpu,cpus=0\\,1,kernel=float", false, &err), 0);
	assert_string_not_equal(jobs.specs[0].name, jobs.specs[1].name);
	assert_int_equal(job_list_add(&jobs, "cpu,kernel", false, &err), -EINVAL);
	assert_int_equal(job_list_add(&jobs, "cpu,", false, &err), -EINVAL);
	assert_int_equal(job_list_add(&jobs, "", false, &err), -EINVAL);
	job_list_free(&jobs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(general_and_jobs_are_read),
		cmocka_unit_test(exec_has_a_section_of_its_own),
		cmocka_unit_test(errors_name_file_and_line),
		cmocka_unit_test(indented_keys_are_keys),
		cmocka_unit_test(a_line_too_long_is_refused_not_cut),
		cmocka_unit_test(a_missing_or_unreadable_file_is_said),
		cmocka_unit_test(the_users_file_comes_before_the_systems),
		cmocka_unit_test(job_texts_take_quoted_commas_and_unique_names),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
