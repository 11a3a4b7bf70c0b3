// SPDX-License-Identifier: BSD-2-Clause
/* io_uring requests that went to kernel workers, by operation, and only the job's. */
#include "probe/rig.h"

#include <fcntl.h>
#include <liburing.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(punts_are_told_by_operation),
		cmocka_unit_test(punts_of_other_threads_do_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
