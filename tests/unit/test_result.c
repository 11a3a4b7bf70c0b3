// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/result.h"

static char dir[64];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/bench-test-XXXXXX");
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	umask(022);
	return mkdtemp(dir) && !chmod(dir, 0755) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	(void)umount2(dir, MNT_DETACH); /* left by the test of the full disk when it failed */
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *in_dir(const char *name)
{
	static char path[2][192];
	static unsigned turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
	return path[turn];
}

static unsigned nr_files(const char *where)
{
	char command[256];
	unsigned nr = 0;
	FILE *out;

	snprintf(command, sizeof(command), "ls -A '%s' | wc -l", where);
	out = popen(command, "r");
	assert_non_null(out);
	assert_int_equal(fscanf(out, "%u", &nr), 1);
	pclose(out);
	return nr;
}

static void put_file(const char *path, const char *text)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
}

static void assert_file(const char *path, const char *text)
{
	char got[64] = "";
	FILE *in = fopen(path, "r");

	assert_non_null(in);
	assert_non_null(fgets(got, sizeof(got), in));
	fclose(in);
	assert_string_equal(got, text);
}

static char *const args[] = { "bench", "--cpus", "0\xff-1", NULL };

/* A document with every kind of number that occurs. */
static json_t *sample(void)
{
	struct bench_metric_id id = { .name = "ops", .unit = "1/s" };
	struct bench_metric_id lat = { .name = "latency", .unit = "ns" };
	struct bench_metric_set *set = metric_set_new();
	struct bench_hist *hist = bench_hist_new(BENCH_HIST_BITS_WORKER);
	json_t *result = result_new(3, args), *metrics;

	assert_true(set && hist && result);
	for (int i = 1; i < 20; i++) {
		metric_set_next_trial(set);
		bench_metric_put(set, &id, 1e9 / (7.0 * i) * (i % 5 ? 1 : 1e-12));
		for (uint64_t v = 1; v < 1ull << 62; v = v * 3 + (uint64_t)i)
			bench_hist_record(hist, v);
		bench_metric_put_hist(set, &lat, hist);
	}
	metrics = metric_set_json(set);
	assert_int_equal(json_array_size(metrics), 2);
	json_object_set_new(result, "jobs",
			    json_pack("[{s:s,s:o}]", "name", "a", "metrics", metrics));
	bench_hist_free(hist);
	metric_set_free(set);
	return result;
}

static void new_document_names_tool_time_and_command(void **state)
{
	json_t *result = result_new(3, args);

	(void)state;
	assert_string_equal(bench_result_str(result, "schema"), BENCH_RESULT_SCHEMA);
	assert_string_equal(bench_result_str(result, "tool.name"), "bench");
	assert_true(*bench_result_str(result, "tool.version"));
	assert_int_equal(strlen(bench_result_str(result, "id")), 36);
	assert_int_equal(strlen(bench_result_str(result, "started")),
			 strlen("2026-11-22T10:30:00Z"));
	assert_int_equal(json_array_size(bench_result_get(result, "command")), 3);
	assert_string_equal(
		json_string_value(json_array_get(bench_result_get(result, "command"), 2)),
		"0\\xff-1");
	json_decref(result);
}

static void text_keeps_utf8_and_replaces_the_rest(void **state)
{
	static const char *const rows[][2] = {
		{ "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa7",
		  "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa7" },
		{ "\xc0\xaf", "\\xc0\\xaf" }, /* longer than needed */
		{ "\xe0\x80\xaf", "\\xe0\\x80\\xaf" },
		{ "\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },		/* surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" }, /* beyond Unicode */
		{ "a\xe2\x82", "a\\xe2\\x82" },			/* cut short */
		{ "\x80", "\\x80" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *text = result_text(rows[i][0]);

		assert_non_null(text);
		assert_string_equal(json_string_value(text), rows[i][1]);
		json_decref(text);
	}
	assert_true(json_is_null(result_text(NULL)));
}

static void warning_is_kept_once(void **state)
{
	json_t *result = result_new(0, NULL);

	(void)state;
	result_warn(result, "%d events lost\xff", 3);
	result_warn(result, "%d events lost\xff", 3);
	result_warn(result, "other");
	assert_int_equal(json_array_size(bench_result_get(result, "warnings")), 2);
	json_decref(result);
}

static void saved_result_loads_as_the_same_document(void **state)
{
	struct result_target target = { 0 };
	struct bench_err err = { 0 };
	json_t *result = sample(), *again = NULL;

	(void)state;
	assert_int_equal(result_target_init(&target, in_dir("a.json"), false, &err), 0);
	assert_int_equal(nr_files(dir), 0);
	assert_int_equal(result_save(result, &target, &err), 0);
	assert_int_equal(bench_result_load(&again, target.path, &err), 0);
	assert_true(json_equal(result, again));
	assert_int_equal(nr_files(dir), 1);
	json_decref(again);
	json_decref(result);
	result_target_done(&target);
}

static void existing_file_is_kept_without_force(void **state)
{
	struct result_target target = { 0 };
	struct bench_err err = { 0 };
	json_t *result = sample();

	(void)state;
	put_file(in_dir("a.json"), "mine");
	assert_int_equal(result_target_init(&target, in_dir("a.json"), false, &err), -EEXIST);
	assert_null(target.path);
	assert_non_null(strstr(err.msg, "a.json"));
	/* It appears only while the benchmark runs. */
	assert_int_equal(result_target_init(&target, in_dir("b.json"), false, &err), 0);
	put_file(in_dir("b.json"), "theirs");
	assert_int_equal(result_save(result, &target, &err), -EEXIST);
	assert_file(in_dir("a.json"), "mine");
	assert_file(in_dir("b.json"), "theirs");
	assert_int_equal(nr_files(dir), 2);
	result_target_done(&target);
	/* A dangling link is a name in use, too. */
	assert_int_equal(symlink("nowhere", in_dir("link.json")), 0);
	assert_int_equal(result_target_init(&target, in_dir("link.json"), false, &err), -EEXIST);
	json_decref(result);
}

static void force_replaces_the_file_at_once(void **state)
{
	struct result_target target = { 0 };
	struct bench_err err = { 0 };
	json_t *result = sample(), *again = NULL;

	(void)state;
	put_file(in_dir("a.json"), "old");
	assert_int_equal(result_target_init(&target, in_dir("a.json"), true, &err), 0);
	assert_file(in_dir("a.json"), "old");
	assert_int_equal(result_save(result, &target, &err), 0);
	assert_int_equal(bench_result_load(&again, in_dir("a.json"), &err), 0);
	assert_int_equal(nr_files(dir), 1);
	json_decref(again);
	json_decref(result);
	result_target_done(&target);
}

static void directory_gets_a_name_by_time_and_a_suffix_when_taken(void **state)
{
	struct result_target first = { 0 }, second = { 0 };
	struct bench_err err = { 0 };
	json_t *result = sample();

	(void)state;
	assert_int_equal(result_target_init(&first, dir, false, &err), 0);
	assert_int_equal(strlen(strrchr(first.path, '/')), strlen("/bench-20261122T103000Z.json"));
	/* Two runs started in the same second have the same name in mind. */
	second = first;
	second.path = strdup(first.path);
	assert_int_equal(result_save(result, &first, &err), 0);
	assert_int_equal(result_save(result, &second, &err), 0);
	assert_string_not_equal(first.path, second.path);
	assert_int_equal(nr_files(dir), 2);
	result_target_done(&first);
	result_target_done(&second);
	assert_int_equal(result_target_init(&first, "none", false, &err), 0);
	assert_null(first.path);
	assert_int_equal(result_save(result, &first, &err), 0);
	json_decref(result);
}

static void missing_directory_and_device_are_refused_before_the_run(void **state)
{
	struct result_target target = { 0 };
	struct bench_err err = { 0 };

	(void)state;
	assert_int_equal(result_target_init(&target, in_dir("no/a.json"), false, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "mkdir"));
	assert_int_equal(result_target_init(&target, in_dir("no/"), false, &err), -ENOENT);
	assert_int_equal(result_target_init(&target, "/dev/null", true, &err), -EINVAL);
	assert_int_equal(result_target_init(&target, "", false, &err), -ENOENT);
	assert_null(target.path);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void mode_is_0644_less_the_umask(void **state)
{
	struct bench_err err = { 0 };

	(void)state;
	assert_int_equal(result_write(in_dir("a"), false, "x", 1, &err), 0);
	assert_int_equal(mode_of(in_dir("a")), 0644);
	umask(077);
	assert_int_equal(result_write(in_dir("b"), false, "x", 1, &err), 0);
	assert_int_equal(mode_of(in_dir("b")), 0600);
	umask(022);
}

static void under_sudo_the_file_belongs_to_the_invoker(void **state)
{
	struct bench_err err = { 0 };
	struct stat st;

	(void)state;
	if (geteuid() != 0) {
		print_message("not root: owners cannot be given away\n");
		skip();
	}
	setenv("SUDO_UID", "1234", 1);
	setenv("SUDO_GID", "2345", 1);
	assert_int_equal(result_write(in_dir("a"), false, "x", 1, &err), 0);
	assert_int_equal(stat(in_dir("a"), &st), 0);
	assert_true(st.st_uid == 1234 && st.st_gid == 2345);
	setenv("SUDO_UID", "-1", 1); /* nonsense is ignored */
	assert_int_equal(result_write(in_dir("b"), false, "x", 1, &err), 0);
	assert_int_equal(stat(in_dir("b"), &st), 0);
	assert_true(st.st_uid == 0);
}

/* Root may write anywhere: ask as somebody else. */
static void foreign_directory_is_refused_with_the_reason(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0) {
		print_message("not root: cannot become somebody else\n");
		skip();
	}
	put_file(in_dir("old.json"), "old");
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct result_target target = { 0 };
		struct bench_err err = { 0 };
		int r;

		if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
			_exit(2);
		r = result_target_init(&target, in_dir("a.json"), false, &err);
		if (r != -EACCES || !strstr(err.msg, "a.json") || !strstr(err.msg, "choose"))
			_exit(3);
		_exit(result_write(in_dir("old.json"), true, "new", 3, &err) != -EACCES);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_file(in_dir("old.json"), "old");
}

static void full_disk_leaves_nothing_behind(void **state)
{
	struct result_target target = { 0 };
	struct bench_err err = { 0 };
	static char big[256 * 1024];
	char old[256];

	(void)state;
	/* Room for the check before the run, not for the result. */
	if (mount("bench-test", dir, "tmpfs", 0, "size=128k,mode=0755")) {
		print_message("cannot mount a tmpfs: %s\n", strerror(errno));
		skip();
	}
	snprintf(old, sizeof(old), "%s", in_dir("old.json"));
	put_file(old, "old");
	assert_int_equal(result_target_init(&target, old, true, &err), 0);
	memset(big, 'x', sizeof(big));
	assert_int_equal(result_write(target.path, true, big, sizeof(big), &err), -ENOSPC);
	assert_non_null(strstr(err.msg, "free space"));
	assert_file(old, "old");
	assert_int_equal(nr_files(dir), 1);
	result_target_done(&target);
	/* Now full from the beginning. */
	assert_int_equal(result_write(in_dir("fill"), false, big, 120 * 1024, &err), 0);
	assert_int_equal(result_target_init(&target, in_dir("a.json"), false, &err), -ENOSPC);
	assert_int_equal(nr_files(dir), 2);
	assert_int_equal(umount(dir), 0);
}

static void load_says_what_is_wrong_with_a_file(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "", "empty" },
		{ "{\n  \"schema\": ", "line 2" },
		{ "hello", "not JSON" },
		{ "[1]", "no \"schema\"" },
		{ "{}", "no \"schema\"" },
		{ "{\"schema\": 1}", "no \"schema\"" },
		{ "{\"schema\": \"bench.result/2\"}", "bench.result/2" },
		{ "{\"schema\": \"bench.result/10\"}", "bench.result/10" },
		{ "{\"schema\": \"other/1\"}", "other/1" },
	};
	struct bench_err err = { 0 };
	json_t *result = NULL;

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put_file(in_dir("a"), rows[i].text);
		assert_int_equal(bench_result_load(&result, in_dir("a"), &err), -EINVAL);
		assert_null(result);
		assert_non_null(strstr(err.msg, rows[i].says));
	}
	assert_int_equal(bench_result_load(&result, in_dir("none"), &err), -ENOENT);
	assert_int_equal(bench_result_load(&result, dir, &err), -EISDIR);
	put_file(in_dir("a"), "{\"schema\": \"bench.result/1.4\", \"new\": {}}");
	assert_int_equal(bench_result_load(&result, in_dir("a"), &err), 0);
	json_decref(result);
}

static void look_ups_survive_any_type(void **state)
{
	static const char *const documents[] = {
		"{}",
		"{\"a\": null}",
		"{\"a\": []}",
		"{\"a\": \"text\"}",
		"{\"a\": 1}",
		"{\"a\": {\"b\": []}}",
		"{\"metrics\": {}}",
		"{\"metrics\": [1, null, \"x\", []]}",
		"{\"metrics\": [{\"name\": 1}, {\"name\": \"ops\", \"labels\": []}]}",
		"{\"metrics\": [{\"name\": \"ops\", \"labels\": {\"cpu\": 1}, \"value\": \"x\"}]}",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		json_t *object = json_loads(documents[i], 0, NULL);

		assert_non_null(object);
		assert_string_equal(bench_result_str(object, "a.b"), "");
		assert_true(isnan(bench_result_num(object, "a.b.c")));
		assert_null(bench_result_metric(object, "ops", "cpu", "1"));
		assert_false(
			bench_result_has_value(bench_result_metric(object, "ops", NULL, NULL)));
		json_decref(object);
	}
	assert_null(bench_result_get(NULL, "a"));
	assert_null(bench_result_metric(NULL, "ops", NULL, NULL));
}

static void path_finds_members_with_dots_in_their_names(void **state)
{
	json_t *object = json_pack("{s:{s:i,s:i}}", "causes", "blocked.disk", 7, "user", 3);

	(void)state;
	assert_true(bench_result_num(object, "causes.blocked.disk") == 7);
	assert_true(bench_result_num(object, "causes.user") == 3);
	assert_null(bench_result_get(object, "causes.blocked"));
	json_decref(object);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(new_document_names_tool_time_and_command),
		TEST(text_keeps_utf8_and_replaces_the_rest),
		TEST(warning_is_kept_once),
		TEST(saved_result_loads_as_the_same_document),
		TEST(existing_file_is_kept_without_force),
		TEST(force_replaces_the_file_at_once),
		TEST(directory_gets_a_name_by_time_and_a_suffix_when_taken),
		TEST(missing_directory_and_device_are_refused_before_the_run),
		TEST(mode_is_0644_less_the_umask),
		TEST(under_sudo_the_file_belongs_to_the_invoker),
		TEST(foreign_directory_is_refused_with_the_reason),
		TEST(full_disk_leaves_nothing_behind),
		TEST(load_says_what_is_wrong_with_a_file),
		TEST(look_ups_survive_any_type),
		TEST(path_finds_members_with_dots_in_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
