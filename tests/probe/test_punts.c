// SPDX-License-Identifier: BSD-2-Clause
/* io_uring requests that went to kernel workers, by operation, and only the job's. */
#include "probe/rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <liburing.h>
#include "probe/set.h"

#define SYNCS 40u
#define READS 25u

static int file_new(void)
{
	char path[] = "./test_punts.XXXXXX", buf[4096] = "";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(write(fd, buf, sizeof(buf)), sizeof(buf));
	return fd;
}

static void one(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;

	assert_int_equal(io_uring_submit(ring), 1);
	assert_int_equal(io_uring_wait_cqe(ring, &cqe), 0);
	assert_true(cqe->res >= 0);
	io_uring_cqe_seen(ring, cqe);
}

/* fsync always blocks, so it always goes to a worker; a read that asks for it does, too; one from
 * the page cache does not. */
static void *punts(void *arg)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int fd = file_new();
	char buf[512];

	if (io_uring_queue_init(8, &ring, 0)) {
		close(fd);
		return NULL;
	}
	for (unsigned i = 0; i < SYNCS; i++) {
		io_uring_prep_fsync(io_uring_get_sqe(&ring), fd, 0);
		one(&ring);
	}
	for (unsigned i = 0; i < 2 * READS; i++) {
		sqe = io_uring_get_sqe(&ring);
		io_uring_prep_read(sqe, fd, buf, sizeof(buf), 0);
		sqe->flags |= i % 2 ? IOSQE_ASYNC : 0;
		one(&ring);
	}
	io_uring_queue_exit(&ring);
	close(fd);
	return arg;
}

static void punts_are_told_by_operation(void **state)
{
	struct probe_set *set;
	void *worked;
	json_t *m;

	(void)state;
	need_root();
	set = set_open("uring", getenv("TEST_FALLBACK"));
	set_track(set, gettid(), false);
	set_window(set, 0, 60000 * MS);
	worked = punts(set);
	m = set_read(set, NULL, 0);
	probe_close(set);
	if (!worked) {
		printf("skip: io_uring cannot be used here\n");
		json_decref(m);
		skip();
	}
	assert_true(value(m, "uring.punts", "op", "fsync") == SYNCS);
	assert_true(value(m, "uring.punts", "op", "read") == READS);
	assert_true(value(m, "uring.punts", NULL, NULL) == SYNCS + READS);
	assert_null(row(m, "uring.punts", "op", "write", NULL, NULL));
	json_decref(m);
}

static void punts_of_other_threads_do_not_count(void **state)
{
	struct probe_set *set;
	pthread_t thread;
	json_t *m;

	(void)state;
	need_root();
	set = set_open("uring", getenv("TEST_FALLBACK"));
	set_track(set, gettid(), false);
	set_window(set, 0, 60000 * MS);
	assert_int_equal(pthread_create(&thread, NULL, punts, set), 0);
	pthread_join(thread, NULL);
	m = set_read(set, NULL, 0);
	assert_true(value(m, "uring.punts", NULL, NULL) == 0);
	assert_null(row(m, "uring.punts", "op", "fsync", NULL, NULL));
	json_decref(m);
	probe_close(set);
}

/* --- the kernel workers themselves --- */

#define MIB (1u << 20)
#define LARGE (8 * MIB) /* a read takes a worker about a millisecond */

struct worked {
	struct io_uring ring;
	int fd;
	char *buf;
	bool usable;
};

static void large_read(struct worked *w)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&w->ring);

	io_uring_prep_read(sqe, w->fd, w->buf, LARGE, 0);
	sqe->flags |= IOSQE_ASYNC;
	one(&w->ring);
}

/* A ring with one kernel worker, which exists and is idle. */
static void ring_new(struct worked *w, unsigned flags)
{
	unsigned workers[2] = { 1, 1 };

	w->usable = !io_uring_queue_init(8, &w->ring, flags);
	if (!w->usable)
		return;
	assert_int_equal(io_uring_register_iowq_max_workers(&w->ring, workers), 0);
	w->fd = file_new();
	w->buf = calloc(1, LARGE);
	assert_non_null(w->buf);
	memset(w->buf, 1, LARGE);
	assert_int_equal(pwrite(w->fd, w->buf, LARGE, 0), LARGE);
	large_read(w);
}

static void ring_free(struct worked *w)
{
	io_uring_queue_exit(&w->ring);
	close(w->fd);
	free(w->buf);
}

/* The clock of the CPU time of a thread of this process (CPUCLOCK_SCHED | CPUCLOCK_PERTHREAD of
 * include/linux/posix-timers.h). Unlike schedstat, which knows of a running thread only what was
 * true at its last tick, it is up to date when read. */
static clockid_t thread_clock(pid_t tid)
{
	return (clockid_t)(~(unsigned)tid << 3 | 6);
}

/* What the kernel says of the kernel worker of this thread: ns on a CPU. */
static double worker_ran_ns(const char *kind)
{
	char path[64], want[32], comm[32] = "";
	struct timespec ran = { 0 };
	struct dirent *entry;
	DIR *dir = opendir("/proc/self/task");
	unsigned found = 0;

	snprintf(want, sizeof(want), "%s-%d\n", kind, (int)gettid());
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%.16s/comm", entry->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (!fgets(comm, sizeof(comm), f))
			comm[0] = '\0';
		fclose(f);
		if (strcmp(comm, want))
			continue;
		assert_int_equal(clock_gettime(thread_clock(atoi(entry->d_name)), &ran), 0);
		found++;
	}
	closedir(dir);
	assert_int_equal(found, 1);
	return (double)ran.tv_sec * 1e9 + (double)ran.tv_nsec;
}

/* Share of its life that the row has spent on a CPU; the kernel, too, takes out what the host took.
 */
static double row_on_cpu(const json_t *metrics, const char *task)
{
	static const char *const causes[] = { "user", "kernel", "hardirq", "softirq", "observer" };
	double sum = 0;

	for (unsigned i = 0; i < sizeof(causes) / sizeof(*causes); i++) {
		const json_t *m = row(metrics, "wall.time_of", "cause", causes[i], "task", task);

		sum += m && bench_result_has_value(m) ? value_of(m) : 0;
	}
	return sum;
}

static double row_sum(const json_t *metrics, const char *name, const char *task)
{
	double sum = 0;
	size_t i;
	json_t *m;

	json_array_foreach (metrics, i, m)
		if (!strcmp(bench_result_str(m, "name"), name) && bench_result_has_value(m) &&
		    (!task ||
		     !strcmp(bench_result_str(json_object_get(m, "labels"), "task"), task)))
			sum += value_of(m);
	return sum;
}

/* before: the thread is followed before it has a ring, so the worker is seen to begin; else the
 * worker is there already, as it is in the second job of a run. */
static void workers_have_a_row(bool before, unsigned flags, const char *kind, const char *task)
{
	struct worked w = { 0 };
	struct bench_window window;
	struct probe_set *set;
	double least, most, life, seen, waited, slack;
	json_t *m;

	need_root();
	set = set_open("sched,irq", getenv("TEST_FALLBACK"));
	if (before)
		set_track(set, gettid(), false);
	ring_new(&w, flags);
	if (!w.usable) {
		probe_close(set);
		printf("skip: io_uring cannot be used here\n");
		skip();
	}
	if (!before)
		set_track(set, gettid(), false);
	sleep_for(5 * MS);
	/* A thread that polls runs while the window is opened and read, too. */
	most = -worker_ran_ns(kind);
	window = set_window(set, 0, 60000 * MS);
	least = -worker_ran_ns(kind);
	for (unsigned i = 0; i < 100; i++)
		large_read(&w);
	sleep_for(5 * MS);
	least += worker_ran_ns(kind);
	m = set_read(set, NULL, 0);
	most += worker_ran_ns(kind);
	life = (double)(set->end_ns - window.start_ns);
	seen = row_on_cpu(m, task) * life;
	waited = value_of(row(m, "wall.time_of", "cause", "runqueue", "task", task));
	printf("%s, followed %s: on CPU %.2f ms, its clock %.2f to %.2f ms, %.3f waiting\n", task,
	       before ? "from its birth" : "later", seen / 1e6, least / 1e6, most / 1e6, waited);
	assert_true(fabs(row_sum(m, "wall.time_of", task) - 1) < 1e-6);
	/* And nothing of it is in the time of the job's own threads. */
	assert_true(fabs(row_sum(m, "wall.time", NULL) - 1) < 1e-6);
	/* The kernel does not read its clock at each event: where others compete for the CPU, its
	 * account was measured to be off by up to 13 per cent. */
	slack = (waited < 0.1 ? 0.05 : 0.13) * least + 1e6 + (double)set->last.ambiguous_ns;
	ring_free(&w);
	json_decref(m);
	probe_close(set);
	assert_true(seen >= least - slack);
	assert_true(seen <= most + slack);
}

static void kernel_workers_have_a_row(void **state)
{
	(void)state;
	workers_have_a_row(true, 0, "iou-wrk", "io_uring workers");
}

static void kernel_workers_that_exist_have_a_row(void **state)
{
	(void)state;
	workers_have_a_row(false, 0, "iou-wrk", "io_uring workers");
}

/* The thread that polls for submissions works for the ring, too. */
static void polling_thread_has_a_row(void **state)
{
	(void)state;
	workers_have_a_row(true, IORING_SETUP_SQPOLL, "iou-sqp", "io_uring SQPOLL");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_workers_have_a_row),
		cmocka_unit_test(kernel_workers_that_exist_have_a_row),
		cmocka_unit_test(polling_thread_has_a_row),
		cmocka_unit_test(punts_are_told_by_operation),
		cmocka_unit_test(punts_of_other_threads_do_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
