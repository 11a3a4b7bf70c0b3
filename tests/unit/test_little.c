// SPDX-License-Identifier: BSD-2-Clause
/* Little's law: operations under way = rate x latency. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/collect.h"

static void little_notices_what_does_not_fit(void **state)
{
	(void)state;
	assert_true(little_holds(32e9, 32e9));
	assert_true(little_holds(32e9, 31.5e9));
	assert_true(little_holds(32e9, 32.5e9));
	assert_false(little_holds(32e9, 31e9));
	assert_false(little_holds(32e9, 33e9));
}

static void little_needs_all_ops(void **state)
{
	static const struct bench_module async = { .exec = BENCH_EXEC_ASYNC };
	struct worker_run *wr = aligned_alloc(64, sizeof(*wr));
	struct job_run jr = { .module = &async, .nr = 1 };
	char text[200];

	(void)state;
	assert_non_null(wr);
	memset(wr, 0, sizeof(*wr));
	jr.workers = wr;
	wr->w.latency = bench_hist_new(BENCH_HIST_BITS_WORKER);
	wr->async = (struct async_stats){ .inflight_integral = 8000,
					  .inflight_ns = 1000,
					  .inflight_max = 8 };
	bench_hist_record(wr->w.latency, 100);
	wr->w.ops = 1;
	assert_false(collect_little(&jr, text, sizeof(text)));
	assert_non_null(strstr(text, "8 operations"));
	/* The others are still under way. */
	wr->async.rest_integral = 7900;
	assert_true(collect_little(&jr, text, sizeof(text)));
	wr->async.rest_integral = 0;
	wr->w.ops = 2; /* one without a latency */
	assert_true(collect_little(&jr, text, sizeof(text)));
	wr->w.ops = 1;
	wr->w.errors = 1;
	assert_true(collect_little(&jr, text, sizeof(text)));
	bench_hist_free(wr->w.latency);
	free(wr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(little_notices_what_does_not_fit),
		cmocka_unit_test(little_needs_all_ops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
