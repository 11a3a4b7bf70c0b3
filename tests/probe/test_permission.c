// SPDX-License-Identifier: BSD-2-Clause
/* Without privileges every metric says so; nothing crashes, and listing still works. */
#include "probe/rig.h"

#include <fcntl.h>
#include <sys/wait.h>

#define NOBODY 65534

/* In the child: 0 = as it should be. */
static int check_as_nobody(void)
{
	struct bench_err err = { 0 };
	struct probe_set *set = NULL;
	char *text = NULL;
	json_t *m, *row_json, *overhead, *warnings = json_array();
	size_t i, size;
	FILE *out;
	int cpu = 0;

	if (!geteuid() && setuid(NOBODY))
		return 1;
	if (probe_open(&set, "all", &err))
		return 2;
	if (probe_track(set, getpid(), true, &err))
		return 3;
	m = set_measure(set, MS, &cpu, 1);
	if (json_array_size(m) < 9)
		return 4;
	json_array_foreach (m, i, row_json) {
		const char *status = bench_result_str(row_json, "status");

		if (strcmp(status, "not_permitted")) {
			printf("%s is %s\n", bench_result_str(row_json, "name"), status);
			return 5;
		}
		if (!strstr(bench_result_str(row_json, "note"), "run as root"))
			return 6;
	}
	json_decref(m);
	overhead = probe_overhead(set);
	probe_warnings(set, warnings);
	if (!overhead || json_array_size(warnings))
		return 7;
	out = open_memstream(&text, &size);
	probe_list(out);
	probe_print(set, out);
	fclose(out);
	if (!strstr(text, "sched.runq_depth") || !strstr(text, "run as root"))
		return 8;
	free(text);
	json_decref(overhead);
	json_decref(warnings);
	probe_untrack_all(set);
	probe_close(set);
	return 0;
}

static void without_root_every_metric_is_not_permitted(void **state)
{
	int status = 0;
	pid_t pid;

	(void)state;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		int code = check_as_nobody();

		fflush(stdout);
		_exit(code);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* What libbpf has to say goes into reasons, not to the terminal. */
static void nothing_is_printed(void **state)
{
	char path[] = "/tmp/bench-probe-XXXXXX";
	int fd = mkstemp(path), err_fd, status;
	struct probe_set *set;
	off_t size;
	pid_t pid;

	(void)state;
	assert_true(fd >= 0);
	unlink(path);
	fflush(stderr);
	err_fd = dup(2);
	dup2(fd, 2);
	set = set_open("all", NULL);
	probe_close(set);
	pid = fork();
	if (!pid)
		_exit(check_as_nobody() ? 1 : 0);
	waitpid(pid, &status, 0);
	fflush(stderr);
	dup2(err_fd, 2);
	close(err_fd);
	size = lseek(fd, 0, SEEK_END);
	close(fd);
	assert_int_equal(size, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_root_every_metric_is_not_permitted),
		cmocka_unit_test(nothing_is_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
