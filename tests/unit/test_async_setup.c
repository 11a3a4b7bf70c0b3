// SPDX-License-Identifier: BSD-2-Clause
/* What a ring is made with, what the kernel refuses, and where its workers run. */
#include "unit/async_rig.h"

static void masked_features_are_absent(void **state)
{
	const char *words[32];
	unsigned nr;

	(void)state;
	begin();
	nr = async_caps_words(&caps, words, 32);
	assert_true(nr >= 2);
	for (unsigned i = 0; i < nr; i++) {
		if (strstr(mask, "defer") || strstr(mask, "single") || strstr(mask, "all"))
			assert_string_not_equal(words[i], "DEFER_TASKRUN");
		if (strstr(mask, "single") || strstr(mask, "all"))
			assert_string_not_equal(words[i], "SINGLE_ISSUER");
		if (strstr(mask, "coop") || strstr(mask, "all"))
			assert_string_not_equal(words[i], "COOP_TASKRUN");
		if (strstr(mask, "ext_arg") || strstr(mask, "all"))
			assert_string_not_equal(words[i], "EXT_ARG");
		if (strstr(mask, "ring_fd") || strstr(mask, "all"))
			assert_string_not_equal(words[i], "RING_FD");
		if (strstr(mask, "cancel_any") || strstr(mask, "all"))
			assert_string_not_equal(words[i], "CANCEL_ANY");
	}
	assert_int_equal(async_caps_words(&caps, words, 2), 2);
	assert_int_equal(a->ring.flags & IORING_SETUP_DEFER_TASKRUN,
			 caps.setup_flags & IORING_SETUP_DEFER_TASKRUN);
}

/* liburing 2.3 does not know this flag and maps the ring wrongly: endless phantom completions. */
static void no_sqarray_is_never_passed(void **state)
{
	struct bench_err err = { 0 };
	struct async_caps forged;

	begin();
	assert_int_equal(caps.setup_flags & URING_SETUP_NO_SQARRAY, 0);
	assert_int_equal(caps.setup_flags & ~0x3fffu, 0);
	close_ring(state);
	forged = caps;
	forged.setup_flags |= URING_SETUP_NO_SQARRAY;
	assert_int_equal(async_open(&a, &forged, &err), 0);
	assert_int_equal(a->ring.flags & URING_SETUP_NO_SQARRAY, 0);
	for (unsigned i = 0; i < 100; i++)
		bench_op_nop(a, take(NULL));
	drain();
	assert_int_equal(async_turn(a, NULL, 0), 0);
	assert_int_equal(seen.nr, 100);
	assert_int_equal(window().completed, 100);
}

static void selftest_counts_what_it_submitted(void **state)
{
	struct async_selftest t = { 0 };
	struct bench_err err = { 0 };

	(void)state;
	begin();
	assert_int_equal(async_selftest(&caps, &t, &err), 0);
	assert_int_equal(t.nr_nops, 64);
	assert_int_equal(t.submitted, 66); /* and a poll with its cancel */
	assert_int_equal(t.completed, t.submitted);
	assert_true(t.nop_ns > 0);
	assert_true(t.timer_late_ns < BENCH_NS_PER_SEC);
}

struct bound {
	unsigned workers, elsewhere, max[2];
	int rc, res;
};

static void count_workers(struct bound *b, const cpu_set_t *where)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		char path[300], comm[32] = "", want[32];
		cpu_set_t set;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
		snprintf(want, sizeof(want), "iou-wrk-%d\n", gettid());
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(comm, sizeof(comm), f) && !strcmp(comm, want) &&
		    sched_getaffinity(atoi(e->d_name), sizeof(set), &set) == 0) {
			b->workers++;
			b->elsewhere += !CPU_EQUAL(&set, where);
		}
		fclose(f);
	}
	if (dir)
		closedir(dir);
}

static void count_done(struct bench_worker *w, struct bench_op *op)
{
	(void)w;
	*(int *)op->user = op->res;
}

/* To the first or the last of the CPUs that the process has. */
static int bind_to(bool first, cpu_set_t *ret_one)
{
	cpu_set_t all;
	int cpu = -1;

	if (sched_getaffinity(getpid(), sizeof(all), &all) < 0)
		return -errno;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &all) && (cpu < 0 || !first))
			cpu = i;
	CPU_ZERO(ret_one);
	CPU_SET(cpu, ret_one);
	return sched_setaffinity(0, sizeof(*ret_one), ret_one) < 0 ? -errno : 0;
}

/* A thread of its own, because the kernel's workers belong to the thread, not to the ring. */
static void *run_bound(void *arg)
{
	struct bound *b = arg;
	struct bench_async *ring = NULL;
	struct bench_op *op;
	cpu_set_t one;
	int fd;

	/* The ring is made on one CPU and the thread then moves, as the orchestrator does: the
	 * ring has to be told. */
	for (int first = 1; first >= 0 && b->rc == 0; first--) {
		b->rc = bind_to(first, &one);
		if (first && b->rc == 0)
			b->rc = async_open(&ring, &caps, NULL);
	}
	if (b->rc)
		return NULL;
	uring_bind_iowq(ring);
	if (io_uring_register_iowq_max_workers(&ring->ring, b->max) < 0)
		b->max[0] = b->max[1] = 1; /* before 5.15 */
	fd = temp_file();
	op = bench_op_get(ring);
	op->done = count_done;
	op->user = &b->res;
	bench_op_fsync(ring, op, fd, 0); /* always goes to a worker */
	b->rc = async_drain(ring, NULL, bench_now_ns() + LIMIT_NS);
	count_workers(b, &one);
	close(fd);
	async_close(ring);
	return NULL;
}

static void kernel_workers_stay_on_the_threads_cpu(void **state)
{
	struct bound b = { .res = 1 };
	pthread_t thread;

	(void)state;
	begin();
	assert_int_equal(pthread_create(&thread, NULL, run_bound, &b), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(b.rc, 0);
	assert_int_equal(b.res, 0);
	assert_true(b.max[0] <= 8 && b.max[1] <= 16); /* few, whatever the kernel's own bounds */
	if (!b.workers) {
		print_message("skipped: fsync needed no kernel worker\n");
		skip();
	}
	assert_int_equal(b.elsewhere, 0);
}

static void unknown_mask_word_is_refused(void **state)
{
	struct bench_err err = { 0 };
	struct async_caps c;

	(void)state;
	setenv("BENCH_URING_MASK", "ext_arg,no_such", 1);
	assert_int_equal(async_probe(&c, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "no_such"));
	setenv("BENCH_URING_MASK", "", 1);
}

static void refusals_name_cause_and_remedy(void **state)
{
	static const struct {
		struct uring_denial seen;
		int rc;
		const char *cause, *remedy;
	} cases[] = {
		{ { -ENOSYS, -1, 0, 0 }, -ENOSYS, "has no io_uring", "CONFIG_IO_URING" },
		{ { -ENOSYS, 0, 2, 0 }, -ENOSYS, "seccomp filter", "seccomp profile" },
		{ { -EPERM, 2, 0, 0 },
		  -EPERM,
		  "io_uring_disabled = 2",
		  "sysctl kernel.io_uring_disabled=0" },
		{ { -EPERM, 1, 0, 0 }, -EPERM, "io_uring_disabled = 1", "io_uring_group" },
		{ { -EPERM, 2, 2, 0 },
		  -EPERM,
		  "seccomp filter is in force too",
		  "sysctl kernel.io_uring_disabled=0" },
		{ { -EPERM, 0, 2, 0 }, -EPERM, "seccomp filter denies", "seccomp=unconfined" },
		{ { -EPERM, -1, 0, 0 }, -EPERM, "security module", "audit log" },
		{ { -EACCES, 0, 0, 0 }, -EPERM, "security module", "audit log" },
		{ { -ENOMEM, 0, 0, 65536 },
		  -ENOMEM,
		  "RLIMIT_MEMLOCK = 64 KiB: this kernel counts",
		  "ulimit -l" },
		{ { -ENOMEM, 0, 0, RLIM_INFINITY }, -ENOMEM, "out of memory", "" },
		{ { -EMFILE, 0, 0, 0 }, -EMFILE, "Too many open files", "" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bench_err err = { 0 };

		assert_int_equal(uring_explain(&cases[i].seen, &err), cases[i].rc);
		assert_int_equal(err.code, cases[i].rc);
		if (!strstr(err.msg, cases[i].cause) || !strstr(err.msg, cases[i].remedy))
			fail_msg("case %u: \"%s\"", i, err.msg);
	}
}

static void flags_that_liburing_does_not_know_are_refused(void **state)
{
	struct bench_err err = { 0 };

	(void)state;
	assert_true(bench_async_known(0));
	assert_true(bench_async_known(IORING_SETUP_SINGLE_ISSUER));
	assert_false(bench_async_known(URING_SETUP_NO_SQARRAY));
	assert_int_equal(bench_async_check(URING_SETUP_NO_SQARRAY, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "liburing"));
	need_ring();
	assert_int_equal(bench_async_check(0, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RING(masked_features_are_absent),
		WITH_RING(no_sqarray_is_never_passed),
		WITH_RING(selftest_counts_what_it_submitted),
		WITH_RING(kernel_workers_stay_on_the_threads_cpu),
		WITH_RING(flags_that_liburing_does_not_know_are_refused),
	};
	const struct CMUnitTest without_ring[] = {
		cmocka_unit_test(unknown_mask_word_is_refused),
		cmocka_unit_test(refusals_name_cause_and_remedy),
	};

	return cmocka_run_group_tests_name("probe", without_ring, NULL, NULL) +
	       run_with_masks(tests);
}
