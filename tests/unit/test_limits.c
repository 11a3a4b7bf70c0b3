// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/limits.h"

static rlim_t soft_limit(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) ? 0 : limit.rlim_cur;
}

/* In a process of its own: the limit is the process's. */
static int raise_and_restore(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 1;
	limit.rlim_cur = limit.rlim_max / 2;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		return 2;
	nofile_restore();
	if (soft_limit() != limit.rlim_cur)
		return 3;
	nofile_raise();
	if (soft_limit() != limit.rlim_max)
		return 4;
	nofile_raise(); /* the second call must not forget what was found */
	nofile_restore();
	return soft_limit() == limit.rlim_cur ? 0 : 5;
}

static void open_files_are_raised_to_the_hard_limit_and_put_back(void **state)
{
	int status = -1;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(raise_and_restore());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open_files_are_raised_to_the_hard_limit_and_put_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
