// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "../../modules/syscall.c"
#include "module/rig.h"

static const char *const kinds[] = { "floor", "getppid", "read",  "write", "stat",
				     "open",  "epoll",	 "futex", "clock", "clock-syscall" };

static int run_kind(const char *kind, uint64_t ops, char *ret_msg)
{
	struct rig r;
	struct bench_worker w;
	char text[64];
	int rc;

	snprintf(text, sizeof(text), "kind=%s", kind);
	rig_init(&r, &bench_module_syscall, 1);
	if (rig_params(&r, text))
		return -EINVAL;
	rig_worker(&r, &w, 0);
	rc = bench_module_syscall.enter(&w);
	if (!rc)
		rc = bench_module_syscall.run(&w, ops);
	bench_module_syscall.leave(&w);
	if (ret_msg)
		strcpy(ret_msg, w.err.msg);
	rig_worker_done(&w);
	rig_done(&r);
	return rc;
}

static void every_kind_runs(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		assert_int_equal(run_kind(kinds[i], 1000, NULL), 0);
}

static void loop_descriptors_are_closed(void **state)
{
	int before = dup(0), after;

	(void)state;
	close(before);
	every_kind_runs(state);
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
}

/* In a child with a filter that answers the system call nr with this errno, 0 = as if it had
 * succeeded with 0: what does the loop of this kind say? */
static int with_filter(const char *kind, unsigned nr, unsigned error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof(code) / sizeof(code[0]), .filter = code };
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
			_exit(99);
		_exit(run_kind(kind, 100, NULL) ? 1 : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static void answers_that_cannot_be_are_errors(void **state)
{
	(void)state;
	if (with_filter("read", SYS_read, 0) == 99) {
		print_message("no seccomp filter can be set here\n");
		skip();
	}
	assert_int_equal(with_filter("floor", (unsigned)SYSCALL_NONE, 0), 1);
	assert_int_equal(with_filter("floor", (unsigned)SYSCALL_NONE, EPERM), 0);
	assert_int_equal(with_filter("read", SYS_read, 0), 1);
	assert_int_equal(with_filter("write", SYS_write, 0), 1);
	assert_int_equal(with_filter("epoll", SYS_epoll_pwait, EBADF), 1);
	assert_int_equal(with_filter("futex", SYS_futex, EINVAL), 1);
	assert_int_equal(with_filter("open", SYS_close, EIO), 1);
	assert_int_equal(with_filter("clock-syscall", SYS_clock_gettime, 0), 1);
}

/* The number of system calls that a child makes for so many ops, counted by ptrace. */
static long count_calls(const char *kind, uint64_t ops)
{
	pid_t pid = fork();
	long stops = 0;
	int status;

	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0))
			_exit(99);
		raise(SIGSTOP);
		_exit(run_kind(kind, ops, NULL) ? 1 : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return -1;
	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, 0, 0) || waitpid(pid, &status, 0) != pid)
			return -1;
		if (WIFEXITED(status))
			return WEXITSTATUS(status) ? -1 : stops / 2;
		stops++;
	}
}

static bool vdso_has_clock(void)
{
	FILE *file =
		fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");
	char name[64] = "";

	if (file && !fgets(name, sizeof(name), file))
		name[0] = '\0';
	if (file)
		fclose(file);
	return !strcmp(name, "tsc\n") || !strcmp(name, "kvm-clock\n") ||
	       !strcmp(name, "arch_sys_counter\n");
}

/* Each op is one entry into the kernel, two with kind=open, none with the vDSO's clock. */
static void number_of_system_calls_is_that_of_the_ops(void **state)
{
	(void)state;
	if (count_calls("getppid", 1) < 0) {
		print_message("no tracing here\n");
		skip();
	}
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		long calls = count_calls(kinds[i], 2000) - count_calls(kinds[i], 1000);

		if (!strcmp(kinds[i], "open"))
			assert_int_equal(calls, 2000);
		else if (strcmp(kinds[i], "clock") != 0)
			assert_int_equal(calls, 1000);
		else if (vdso_has_clock())
			assert_int_equal(calls, 0);
		else
			print_message("this host's vDSO cannot read the clock: %ld calls\n", calls);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_runs),
		cmocka_unit_test(loop_descriptors_are_closed),
		cmocka_unit_test(answers_that_cannot_be_are_errors),
		cmocka_unit_test(number_of_system_calls_is_that_of_the_ops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
