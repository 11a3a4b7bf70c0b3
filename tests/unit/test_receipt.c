// SPDX-License-Identifier: BSD-2-Clause
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/receipt.h"
#include "core/result.h"
#include "core/worker.h"

#define OPS 1000u
#define BYTES (OPS * 4096u)
#define ALL (BENCH_RECEIPT_RING | BENCH_RECEIPT_BLOCK | BENCH_RECEIPT_REQUESTS)

static const struct bench_module async = { .name = "fake", .exec = BENCH_EXEC_ASYNC };
static const struct bench_module blocking = { .name = "fake", .exec = BENCH_EXEC_BLOCKING };

/* What each place counted; 0 bytes at the block layer = no probe. */
struct counts {
	uint64_t ring_ops, ring_bytes;
	double requests, block_bytes;
	double unseen; /* requests that the probe found out about later */
};

static char text[400];

static void put_one(struct bench_metric_set *set, const char *name, double value)
{
	const struct bench_metric_id id = { .name = name,
					    .unit = "count",
					    .source = BENCH_SOURCE_PROBE };

	bench_metric_put(set, &id, value);
}

static void put_block(struct bench_metric_set *set, const char *name, double value)
{
	/* Reads and writes both are the job's. */
	for (unsigned i = 0; i < 2; i++) {
		const struct bench_metric_id id = { .name = name,
						    .unit = "count",
						    .source = BENCH_SOURCE_PROBE,
						    .labels = { { "op", i ? "write" : "read" } } };

		bench_metric_put(set, &id, value / 2);
	}
}

/* Two workers with one op in flight each. others, open: bytes that others moved, and that were not
 * seen to end. */
static bool check_with(const struct bench_module *module, unsigned receipt, struct counts c,
		       double others, double open)
{
	struct bench_metric_set *set = metric_set_new();
	struct worker_run *workers = aligned_alloc(64, 2 * sizeof(*workers));
	struct job_run jr = { .module = module, .workers = workers, .nr = 2 };
	bool ok;

	memset(workers, 0, 2 * sizeof(*workers));
	jr.job.receipt = receipt;
	workers[0].async = (struct async_stats){ .moved_ops = c.ring_ops / 4,
						 .moved_bytes = c.ring_bytes / 4,
						 .inflight_max = 1 };
	workers[1].async = (struct async_stats){ .moved_ops = c.ring_ops - c.ring_ops / 4,
						 .moved_bytes = c.ring_bytes - c.ring_bytes / 4,
						 .inflight_max = 1 };
	metric_set_next_trial(set);
	if (c.block_bytes > 0) {
		put_block(set, "block.bytes", c.block_bytes);
		put_block(set, "block.requests", c.requests);
		put_block(set, "block.other_bytes", others);
		put_one(set, "block.open_bytes", open);
	}
	if (c.unseen > 0)
		put_one(set, "block.unseen", c.unseen);
	text[0] = '\0';
	ok = receipt_check(&jr, OPS, BYTES, set, text, sizeof(text));
	assert_true(ok == !text[0]);
	metric_set_free(set);
	free(workers);
	return ok;
}

static bool check(const struct bench_module *module, unsigned receipt, struct counts c)
{
	return check_with(module, receipt, c, 0, 0);
}

static void counts_that_agree_pass(void **state)
{
	(void)state;
	assert_true(check(&async, ALL, (struct counts){ OPS, BYTES, OPS, BYTES, 0 }));
	/* No probe. */
	assert_true(check(&async, ALL, (struct counts){ OPS, BYTES, 0, 0, 0 }));
	/* A blocking module has no ring. */
	assert_true(check(&blocking, ALL, (struct counts){ 0, 0, OPS, BYTES, 0 }));
	/* 1 %, and at the block layer what was under way. */
	assert_true(check(&async, ALL, (struct counts){ OPS - 10, BYTES, OPS + 12, BYTES, 0 }));
	/* Nothing to compare with. */
	assert_true(check(&async, 0, (struct counts){ 0, 0, 1, 1, 0 }));
}

static void ops_that_the_ring_did_not_see_are_told(void **state)
{
	(void)state;
	assert_false(check(&async, ALL, (struct counts){ OPS - 11, BYTES, OPS, BYTES, 0 }));
	assert_string_equal(text, "receipt: 1000 ops by the module, but 989 at the ring");
	assert_false(check(&async, ALL, (struct counts){ OPS, BYTES * 2, OPS, BYTES, 0 }));
	assert_string_equal(text, "receipt: 4096000 bytes by the module, but 8192000 at the ring");
	/* Two ops may lie between their steps. */
	assert_true(check(&async, ALL | BENCH_RECEIPT_STEPS,
			  (struct counts){ OPS + 12, BYTES, OPS, BYTES, 0 }));
	assert_false(check(&async, ALL | BENCH_RECEIPT_STEPS,
			   (struct counts){ OPS + 13, BYTES, OPS, BYTES, 0 }));
}

static void bytes_that_no_device_moved_are_told(void **state)
{
	(void)state;
	assert_false(check(&async, ALL, (struct counts){ OPS, BYTES, OPS, BYTES * 0.98, 0 }));
	assert_non_null(strstr(text, "4096000 bytes by the module, but 4014080 at the block"));
	assert_false(check(&blocking, ALL, (struct counts){ 0, 0, OPS, BYTES * 1.02, 0 }));
	assert_false(check(&async, ALL, (struct counts){ OPS, BYTES, OPS * 2, BYTES, 0 }));
	assert_non_null(strstr(text, "1000 ops by the module, but 2000 at the block"));
	/* Where the probe was kept from seeing, less proves nothing; more does. */
	assert_true(check(&blocking, ALL, (struct counts){ 0, 0, OPS - 60, BYTES * 0.94, 5 }));
	assert_false(check(&blocking, ALL, (struct counts){ 0, 0, OPS, BYTES * 1.06, 5 }));
	assert_false(check(&async, ALL, (struct counts){ OPS, BYTES / 2, OPS, BYTES, 5 }));
	/* Neither does it where as much was sent on by others, or did not end in its sight. */
	assert_true(check_with(&blocking, ALL, (struct counts){ 0, 0, OPS - 60, BYTES * 0.94, 0 },
			       BYTES * 0.06, 0));
	assert_true(check_with(&blocking, ALL, (struct counts){ 0, 0, OPS - 60, BYTES * 0.94, 0 },
			       0, BYTES * 0.055));
	assert_false(check_with(&blocking, ALL, (struct counts){ 0, 0, OPS - 60, BYTES * 0.94, 0 },
				0, BYTES * 0.04));
	assert_false(check_with(&blocking, ALL, (struct counts){ 0, 0, OPS, BYTES * 1.06, 0 }, 0,
				BYTES * 0.06));
	/* A journal may double it, but not halve it. */
	assert_true(check(&blocking, ALL | BENCH_RECEIPT_MORE,
			  (struct counts){ 0, 0, OPS * 2, BYTES * 2., 0 }));
	assert_false(check(&blocking, ALL | BENCH_RECEIPT_MORE,
			   (struct counts){ 0, 0, OPS, BYTES / 2., 0 }));
	/* Where requests may be split that is right. */
	assert_true(check(&async, ALL & ~BENCH_RECEIPT_REQUESTS,
			  (struct counts){ OPS, BYTES, OPS * 2, BYTES, 0 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_that_agree_pass),
		cmocka_unit_test(ops_that_the_ring_did_not_see_are_told),
		cmocka_unit_test(bytes_that_no_device_moved_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
