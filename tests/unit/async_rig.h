/* SPDX-License-Identifier: BSD-2-Clause */
/* The ring of a worker, on the running kernel with all that it has and with features masked away,
 * so that the code for older kernels runs too. */
#ifndef UNIT_ASYNC_RIG_H
#define UNIT_ASYNC_RIG_H

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/async.h"
#include "bench/clock.h"
#include "runtime/async.h"
#include "runtime/uring.h"

#define LIMIT_NS (5 * BENCH_NS_PER_SEC)

static const char *const masks[] = { "",	"defer_taskrun",      "single_issuer,coop_taskrun",
				     "ext_arg", "ring_fd,cancel_any", "all" };
static const char *mask;
static char denied[sizeof(((struct bench_err *)NULL)->msg)]; /* why there is no ring here */

static struct async_caps caps;
static struct bench_async *a;

static inline int open_ring(void **state)
{
	struct bench_err err = { 0 };

	(void)state;
	setenv("BENCH_URING_MASK", mask, 1);
	denied[0] = '\0';
	a = NULL;
	if (async_probe(&caps, &err) == 0 && async_open(&a, &caps, &err) == 0)
		return 0;
	snprintf(denied, sizeof(denied), "%s", err.msg);
	return 0;
}

static inline int close_ring(void **state)
{
	(void)state;
	async_close(a);
	a = NULL;
	return 0;
}

static inline void need_ring(void)
{
	if (a)
		return;
	print_message("skipped: %s\n", denied);
	skip();
}

/* What callbacks leave behind. */
static struct seen {
	unsigned nr;
	int res[2048];
	void *user[2048];
	uint64_t waited; /* sum of done - submit */
} seen;

static inline void note(struct bench_worker *w, struct bench_op *op)
{
	(void)w;
	seen.res[seen.nr] = op->res;
	seen.user[seen.nr++] = op->user;
	seen.waited += op->done_ns - op->submit_ns;
}

static inline struct bench_op *take(void *user)
{
	struct bench_op *op = bench_op_get(a);

	assert_non_null(op);
	op->done = note;
	op->user = user;
	return op;
}

static inline void drain(void)
{
	assert_int_equal(async_drain(a, NULL, bench_now_ns() + LIMIT_NS), 0);
}

static inline struct async_stats window(void)
{
	struct async_stats s;

	async_window_stats(a, &s);
	return s;
}

/* One op by itself; returns its result. */
static inline int finish(void)
{
	seen.nr = 0;
	drain();
	assert_int_equal(seen.nr, 1);
	return seen.res[0];
}

static inline void begin(void)
{
	need_ring();
	memset(&seen, 0, sizeof(seen));
	async_window_begin(a);
}

static inline int temp_file(void)
{
	char path[] = "/tmp/bench-async-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

#define WITH_RING(f) cmocka_unit_test_setup_teardown(f, open_ring, close_ring)

/* Run them with everything, and with each set of features masked away. Failed tests. */
#define run_with_masks(tests) run_all_masks(tests, sizeof(tests) / sizeof((tests)[0]))
static inline int run_all_masks(const struct CMUnitTest *tests, size_t nr)
{
	int failed = 0;

	for (unsigned i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		char name[64];

		mask = masks[i];
		snprintf(name, sizeof(name), "ring without %s", *mask ? mask : "nothing");
		failed += _cmocka_run_group_tests(name, tests, nr, NULL, NULL);
	}
	return failed;
}

#endif
