// SPDX-License-Identifier: BSD-2-Clause
/* Choosing the runtime, and its threads. Refusals are made real: children put a seccomp filter on
 * themselves that answers as old kernels and containers do. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/async.h"
#include "bench/clock.h"
#include "runtime/runtime.h"

#define LIMIT_NS (5 * BENCH_NS_PER_SEC)

static struct runtime *rt;
static enum runtime_kind kind; /* of the group that runs */
static char denied[sizeof(((struct bench_err *)NULL)->msg)];

static int open_runtime(void **state)
{
	struct bench_err fallback = { 0 }, err = { 0 };

	(void)state;
	rt = NULL;
	if (runtime_open(&rt, kind, &fallback, &err) < 0)
		snprintf(denied, sizeof(denied), "%s", err.msg);
	return kind == RUNTIME_BLOCKING && !rt ? -1 : 0;
}

static int close_runtime(void **state)
{
	(void)state;
	runtime_close(rt);
	return 0;
}

static void need_runtime(void)
{
	if (rt)
		return;
	print_message("skipped: %s\n", denied);
	skip();
}

static int first_cpu(void)
{
	cpu_set_t set;
	int cpu = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	return cpu;
}

/* What a worker saw of itself. */
struct self {
	char name[16];
	cpu_set_t cpus;
	sigset_t blocked;
	int slack, cpu;
	pid_t tid;
	struct runtime_thread *thread;
	bool done;
};

static void look(struct runtime_thread *thread, void *arg)
{
	struct self *s = arg;

	s->thread = thread;
	s->tid = gettid();
	s->cpu = sched_getcpu();
	s->slack = prctl(PR_GET_TIMERSLACK);
	prctl(PR_GET_NAME, s->name);
	sched_getaffinity(0, sizeof(s->cpus), &s->cpus);
	pthread_sigmask(SIG_SETMASK, NULL, &s->blocked);
}

static void run(unsigned index, void (*fn)(struct runtime_thread *, void *), void *arg, bool *done)
{
	*done = false;
	runtime_post(rt, index, fn, arg, done);
	assert_int_equal(loop_run(runtime_loop(rt), done, bench_now_ns() + LIMIT_NS), 0);
}

static void active_is_what_was_asked_for(void **state)
{
	(void)state;
	need_runtime();
	assert_int_equal(runtime_active(rt), kind);
	assert_int_equal(!runtime_caps(rt), kind == RUNTIME_BLOCKING);
	assert_int_equal(!runtime_selftest(rt), kind == RUNTIME_BLOCKING);
	if (kind == RUNTIME_URING)
		assert_int_equal(runtime_selftest(rt)->completed, runtime_selftest(rt)->submitted);
	assert_string_equal(runtime_name(RUNTIME_AUTO), "auto");
	assert_string_equal(runtime_name(RUNTIME_URING), "uring");
	assert_string_equal(runtime_name(RUNTIME_BLOCKING), "blocking");
}

static void threads_are_bound_and_quiet(void **state)
{
	struct bench_err err = { 0 };
	struct self s = { 0 };
	int cpu = first_cpu();
	char name[16];
	unsigned index;

	(void)state;
	need_runtime();
	assert_int_equal(runtime_threads(rt, &cpu, 1, &index, &err), 0);
	run(index, look, &s, &s.done);
	assert_ptr_equal(s.thread, runtime_thread(rt, index));
	assert_int_equal(s.thread->index, index);
	assert_int_equal(s.thread->tid, s.tid);
	assert_int_not_equal(s.tid, gettid());
	assert_int_equal(s.thread->cpu, cpu);
	assert_int_equal(s.cpu, cpu);
	assert_int_equal(CPU_COUNT(&s.cpus), 1);
	assert_true(CPU_ISSET(cpu, &s.cpus));
	assert_int_equal(s.slack, 1);
	snprintf(name, sizeof(name), "bench-w%u", index);
	assert_string_equal(s.name, name);
	assert_true(sigismember(&s.blocked, SIGINT) && sigismember(&s.blocked, SIGTERM) &&
		    sigismember(&s.blocked, SIGUSR1));
	/* The caller's own mask, slack and CPUs are as before. */
	pthread_sigmask(SIG_SETMASK, NULL, &s.blocked);
	assert_false(sigismember(&s.blocked, SIGUSR1));
	assert_int_not_equal(prctl(PR_GET_TIMERSLACK), 1);
	assert_int_equal(!s.thread->async, kind == RUNTIME_BLOCKING);
}

static void threads_are_reused_and_one_cpu_may_have_several(void **state)
{
	int cpu = first_cpu(), cpus[3] = { cpu, -1, cpu };
	unsigned first[3], second[3], one;
	struct bench_err err = { 0 };
	struct self s = { 0 };

	(void)state;
	need_runtime();
	assert_int_equal(runtime_threads(rt, &cpu, 1, &one, &err), 0);
	assert_int_equal(runtime_threads(rt, cpus, 3, first, &err), 0);
	assert_int_equal(first[0], one);
	assert_int_not_equal(first[0], first[2]);
	assert_int_equal(runtime_threads(rt, cpus, 3, second, &err), 0);
	assert_memory_equal(first, second, sizeof(first));
	run(first[1], look, &s, &s.done);
	assert_int_equal(s.thread->cpu, -1);
}

static void unbound_threads_may_use_all_cpus(void **state)
{
	cpu_set_t all, one;
	struct bench_err err = { 0 };
	struct self s = { 0 };
	int cpu = -1;
	unsigned index;

	(void)state;
	need_runtime();
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&one);
	CPU_SET(first_cpu(), &one);
	/* Also when the orchestrator has bound itself meanwhile. */
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(runtime_threads(rt, &cpu, 1, &index, &err), 0);
	run(index, look, &s, &s.done);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	assert_true(CPU_EQUAL(&s.cpus, &all));
}

static void cpus_that_are_not_ours_are_named(void **state)
{
	int cpus[2] = { first_cpu(), 4000 };
	struct bench_err err = { 0 };
	unsigned threads[2] = { 77, 77 };

	(void)state;
	need_runtime();
	assert_int_equal(runtime_threads(rt, cpus, 2, threads, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "cpu 4000"));
	assert_int_equal(threads[0], 77); /* nothing was started */
}

static void sleep_a_bit(struct runtime_thread *thread, void *arg)
{
	(void)thread;
	usleep(3000);
	++*(unsigned *)arg;
}

static void posts_run_at_the_same_time_and_tell_when_done(void **state)
{
	int cpus[4] = { -1, -1, -1, -1 };
	unsigned threads[4], counts[4] = { 0 };
	struct bench_err err = { 0 };
	bool done[4] = { false };

	(void)state;
	need_runtime();
	assert_int_equal(runtime_threads(rt, cpus, 4, threads, &err), 0);
	for (unsigned round = 1; round <= 20; round++) {
		for (unsigned i = 0; i < 4; i++) {
			done[i] = false;
			runtime_post(rt, threads[i], sleep_a_bit, &counts[i], &done[i]);
		}
		for (unsigned i = 0; i < 4; i++) {
			assert_int_equal(
				loop_run(runtime_loop(rt), &done[i], bench_now_ns() + LIMIT_NS), 0);
			assert_int_equal(counts[i], round);
		}
	}
	/* done is written by loop_run() only: a short wait first sees it unset. */
	done[0] = false;
	runtime_post(rt, threads[0], sleep_a_bit, &counts[0], &done[0]);
	usleep(20000);
	assert_false(done[0]);
	assert_int_equal(loop_run(runtime_loop(rt), &done[0], bench_now_ns() + LIMIT_NS), 0);
}

struct ring_run {
	unsigned nr;
	int rc;
	bool done;
};

static void nop_done(struct bench_worker *w, struct bench_op *op)
{
	(void)w;
	((struct ring_run *)op->user)->nr += op->res == 0;
}

static void run_nops(struct runtime_thread *thread, void *arg)
{
	struct ring_run *r = arg;

	for (unsigned i = 0; i < 100; i++) {
		struct bench_op *op = bench_op_get(thread->async);

		op->done = nop_done;
		op->user = r;
		bench_op_nop(thread->async, op);
	}
	r->rc = async_drain(thread->async, NULL, bench_now_ns() + LIMIT_NS);
}

static void every_thread_has_a_ring_that_works(void **state)
{
	int cpus[3] = { first_cpu(), -1, -1 };
	struct bench_err err = { 0 };
	unsigned threads[3];

	(void)state;
	need_runtime();
	if (kind != RUNTIME_URING)
		return;
	assert_int_equal(runtime_threads(rt, cpus, 3, threads, &err), 0);
	for (unsigned i = 0; i < 3; i++) {
		struct ring_run r = { 0 };

		run(threads[i], run_nops, &r, &r.done);
		assert_int_equal(r.rc, 0);
		assert_int_equal(r.nr, 100);
	}
}

/* Children under a seccomp filter. They cannot use cmocka, so they report by exit status. */

static int filter_uring(uint32_t action)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_enter, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_register, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	/* For all threads: the sanitizers may have one of their own. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog) != 0)
		return -errno;
	return 0;
}

#define CHILD_SKIP 200

#define EXPECT(x)                                                                                  \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "line %d: %s\n", __LINE__, #x);                            \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static int in_child(uint32_t action, void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (filter_uring(action) < 0)
			_exit(CHILD_SKIP);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return -WTERMSIG(status);
	if (WEXITSTATUS(status) == CHILD_SKIP) {
		print_message("skipped: no seccomp filter can be set here\n");
		skip();
	}
	return WEXITSTATUS(status);
}

static bool flag_of_child;

static void set_flag(void *arg)
{
	(void)arg;
	flag_of_child = true;
}

static void set_flag_by_event(void *arg, short revents)
{
	(void)revents;
	loop_unwatch(runtime_loop(rt), *(int *)arg);
	flag_of_child = true;
}

static void use_everything(void)
{
	struct bench_err fallback = { 0 }, err = { 0 };
	int cpus[2] = { -1, -1 }, fd;
	unsigned threads[2], counts[2] = { 0 };
	bool done[2] = { false };
	struct loop *loop;
	cpu_set_t set;

	sched_getaffinity(0, sizeof(set), &set);
	for (int i = 0; i < CPU_SETSIZE && cpus[0] < 0; i++)
		cpus[0] = CPU_ISSET(i, &set) ? i : -1;
	EXPECT(runtime_open(&rt, RUNTIME_BLOCKING, &fallback, &err) == 0);
	EXPECT(runtime_active(rt) == RUNTIME_BLOCKING && !fallback.msg[0]);
	loop = runtime_loop(rt);
	EXPECT(runtime_threads(rt, cpus, 2, threads, &err) == 0);
	for (unsigned i = 0; i < 2; i++)
		runtime_post(rt, threads[i], sleep_a_bit, &counts[i], &done[i]);
	for (unsigned i = 0; i < 2; i++)
		EXPECT(loop_run(loop, &done[i], bench_now_ns() + LIMIT_NS) == 0);
	EXPECT(loop_timer(loop, bench_now_ns() + BENCH_NS_PER_MS, set_flag, NULL) >= 0);
	EXPECT(loop_run(loop, &flag_of_child, bench_now_ns() + LIMIT_NS) == 0);
	flag_of_child = false;
	fd = eventfd(1, EFD_CLOEXEC);
	EXPECT(loop_watch(loop, fd, POLLIN, set_flag_by_event, &fd) == 0);
	EXPECT(loop_run(loop, &flag_of_child, bench_now_ns() + LIMIT_NS) == 0);
	runtime_close(rt);
}

static void blocking_makes_no_io_uring_call(void **state)
{
	(void)state;
	assert_int_equal(in_child(SECCOMP_RET_KILL_PROCESS, use_everything), 0);
}

static void probe_only(void)
{
	struct async_caps caps;

	(void)async_probe(&caps, NULL);
}

/* That the filter above would have told. */
static void the_killing_filter_kills(void **state)
{
	(void)state;
	assert_int_equal(in_child(SECCOMP_RET_KILL_PROCESS, probe_only), -SIGSYS);
}

static int refusal;
static const char *cause, *remedy;

static void refused(void)
{
	struct bench_err fallback = { 0 }, err = { 0 };

	EXPECT(runtime_open(&rt, RUNTIME_URING, &fallback, &err) == refusal);
	EXPECT(err.code == refusal);
	EXPECT(strstr(err.msg, cause));
	EXPECT(strstr(err.msg, remedy));
	EXPECT(!rt);
	memset(&err, 0, sizeof(err));
	EXPECT(runtime_open(&rt, RUNTIME_AUTO, &fallback, &err) == 0);
	EXPECT(runtime_active(rt) == RUNTIME_BLOCKING);
	EXPECT(fallback.code == refusal);
	EXPECT(strstr(fallback.msg, cause));
	EXPECT(strstr(fallback.msg, remedy));
	EXPECT(!runtime_caps(rt));
	runtime_close(rt);
}

static void enosys_is_explained_and_auto_falls_back(void **state)
{
	(void)state;
	refusal = -ENOSYS;
	cause = "ENOSYS";
	remedy = "seccomp profile";
	assert_int_equal(in_child(SECCOMP_RET_ERRNO | ENOSYS, refused), 0);
}

static void eperm_is_explained_and_auto_falls_back(void **state)
{
	(void)state;
	refusal = -EPERM;
	cause = "seccomp";
	remedy = "remedy:";
	assert_int_equal(in_child(SECCOMP_RET_ERRNO | EPERM, refused), 0);
}

static void auto_takes_uring_where_it_works(void **state)
{
	struct bench_err fallback = { 0 }, err = { 0 };
	struct async_caps caps;

	(void)state;
	if (async_probe(&caps, &err) < 0) {
		print_message("skipped: %s\n", err.msg);
		skip();
	}
	fallback.msg[0] = 'x';
	assert_int_equal(runtime_open(&rt, RUNTIME_AUTO, &fallback, &err), 0);
	assert_int_equal(runtime_active(rt), RUNTIME_URING);
	assert_string_equal(fallback.msg, "");
	runtime_close(rt);
}

#define WITH_RT(f) cmocka_unit_test_setup_teardown(f, open_runtime, close_runtime)

int main(void)
{
	const struct CMUnitTest with_runtime[] = {
		WITH_RT(active_is_what_was_asked_for),
		WITH_RT(threads_are_bound_and_quiet),
		WITH_RT(threads_are_reused_and_one_cpu_may_have_several),
		WITH_RT(unbound_threads_may_use_all_cpus),
		WITH_RT(cpus_that_are_not_ours_are_named),
		WITH_RT(posts_run_at_the_same_time_and_tell_when_done),
		WITH_RT(every_thread_has_a_ring_that_works),
	};
	const struct CMUnitTest choosing[] = {
		cmocka_unit_test(blocking_makes_no_io_uring_call),
		cmocka_unit_test(the_killing_filter_kills),
		cmocka_unit_test(enosys_is_explained_and_auto_falls_back),
		cmocka_unit_test(eperm_is_explained_and_auto_falls_back),
		cmocka_unit_test(auto_takes_uring_where_it_works),
	};
	int failed;

	unsetenv("BENCH_URING_MASK");
	failed = cmocka_run_group_tests_name("choosing", choosing, NULL, NULL);
	kind = RUNTIME_BLOCKING;
	failed += cmocka_run_group_tests_name("blocking", with_runtime, NULL, NULL);
	kind = RUNTIME_URING;
	failed += cmocka_run_group_tests_name("uring", with_runtime, NULL, NULL);
	return failed;
}
