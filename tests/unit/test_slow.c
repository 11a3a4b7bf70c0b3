// SPDX-License-Identifier: BSD-2-Clause
/* Where the time of one slow operation went. */
#include "unit/slow_rig.h"

static void single_op_is_its_workers_history(void **state)
{
	struct slow_stamps t = { .intended_ns = 100, .submit_ns = 100, .done_ns = 1100, .single = true };
	struct slow_op op;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.runnable_ns = 700;
	kernel.blocked_ns = 1000;
	slow_take_apart(&made_up, &t, &op);
	assert_int_equal(op.ns[PROBE_CAUSE_RUNQUEUE], 600);
	assert_int_equal(op.ns[PROBE_CAUSE_ONCPU], 300);
	assert_int_equal(op.ns[PROBE_CAUSE_DISK], 100);
	assert_int_equal(sum_of(&op), 1000);
	assert_string_equal(op.culprits[0].who, "hog (1)");
	assert_int_equal(op.culprits[0].ns, 600);
	assert_int_equal(op.culprits[1].ns, 0);
}

/* More of them than there are places: nobody's time is lost. */
static void culprits_sum_to_the_wait(void **state)
{
	struct slow_stamps t = { .intended_ns = 100,
				 .submit_ns = 200,
				 .done_ns = 4900,
				 .placed = true,
				 .place = { .dev = 5, .sector = 64, .bytes = 4096 } };
	struct slow_op op;
	uint64_t sum = 0;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.runnable_ns = UINT64_MAX;
	kernel.blocked_ns = UINT64_MAX;
	kernel.crowd = PROBE_MAX_CULPRITS;
	kernel.nr_requests = 1;
	kernel.requests[0] = (struct probe_block){ 5, 64, 4096, 900, 1000, 4100 };
	slow_take_apart(&made_up, &t, &op);
	assert_int_equal(op.ns[PROBE_CAUSE_RUNQUEUE], 1600);
	for (unsigned i = 0; i < PROBE_MAX_CULPRITS; i++) {
		sum += op.culprits[i].ns;
		assert_true(!i || i == PROBE_MAX_CULPRITS - 1 ||
			    op.culprits[i].ns <= op.culprits[i - 1].ns);
	}
	assert_int_equal(sum, 1600);
	assert_string_equal(op.culprits[PROBE_MAX_CULPRITS - 1].who, PROBE_OTHERS);
	assert_int_equal(op.culprits[PROBE_MAX_CULPRITS - 1].ns, 900);
}

/* Until the answer is sent it is the other end's doing, from then on the worker's. */
static void answer_by_socket_is_split_between_both_ends(void **state)
{
	struct slow_stamps t = { .intended_ns = 100,
				 .submit_ns = 200,
				 .done_ns = 1100,
				 .placed = true,
				 .place = { .socket = 4, .peer_socket = 5 } };
	struct slow_source source = made_up;
	struct slow_op op;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.runnable_ns = 500; /* both ends, as they are one in this kernel */
	kernel.blocked_ns = 600;
	kernel.blocked_on = PROBE_CAUSE_NET;
	kernel.answer = (struct probe_answer){ .sent_ns = 300, .answered_ns = 800 };
	source.peer = 7;
	slow_take_apart(&source, &t, &op);
	assert_int_equal(op.ns[PROBE_CAUSE_RUNQUEUE], 200); /* 100 .. 300 */
	assert_int_equal(op.ns[SLOW_PEER_RUNQUEUE], 200);   /* 300 .. 500 */
	assert_int_equal(op.ns[SLOW_PEER_ONCPU], 100);	    /* .. 600 */
	assert_int_equal(op.ns[SLOW_NETWORK], 200);	    /* .. 800 */
	assert_int_equal(op.ns[PROBE_CAUSE_NET], 300);	    /* .. 1100 */
	assert_int_equal(sum_of(&op), 1000);
	assert_int_equal(op.culprits[0].ns, 200); /* of the worker's own wait only */

	/* It was not for messages that the other end slept. */
	kernel.blocked_on = PROBE_CAUSE_FAULT;
	slow_take_apart(&source, &t, &op);
	assert_int_equal(op.ns[SLOW_PEER], 200);
	assert_int_equal(op.ns[SLOW_NETWORK], 0);
	assert_int_equal(sum_of(&op), 1000);

	/* Nobody knows when it was sent, or what the other end did. */
	kernel.answer.sent_ns = 0;
	slow_take_apart(&source, &t, &op);
	assert_int_equal(op.ns[SLOW_PEER], 600);
	assert_int_equal(op.ns[PROBE_CAUSE_RUNQUEUE], 100);
	assert_int_equal(sum_of(&op), 1000);
	kernel.answer.sent_ns = 300;
	source.peer = 0;
	slow_take_apart(&source, &t, &op);
	assert_int_equal(op.ns[SLOW_PEER], 500);
	assert_int_equal(sum_of(&op), 1000);

	/* And of a connection that is another's nothing at all. */
	t.place.peer_socket = 0;
	slow_take_apart(&source, &t, &op);
	assert_int_equal(op.ns[SLOW_PEER] + op.ns[SLOW_NETWORK], 0);
	assert_int_equal(sum_of(&op), 1000);
}

/* It waits while its worker sleeps for completions; what the worker does otherwise says nothing. */
static void one_of_many_is_known_while_its_worker_sleeps(void **state)
{
	struct slow_stamps t = { .intended_ns = 100, .submit_ns = 300, .done_ns = 1100 };
	struct slow_op op;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.runnable_ns = 200;
	kernel.blocked_ns = 1000;
	slow_take_apart(&made_up, &t, &op);
	assert_int_equal(op.ns[PROBE_CAUSE_RUNQUEUE], 100);
	assert_int_equal(op.ns[PROBE_CAUSE_ONCPU], 100);
	assert_int_equal(op.ns[SLOW_UNKNOWN], 700);
	assert_int_equal(op.ns[PROBE_CAUSE_DISK], 100);
	assert_int_equal(sum_of(&op), 1000);
}

static void block_request_fills_the_time_under_way(void **state)
{
	struct slow_stamps t = { .intended_ns = 100,
				 .submit_ns = 200,
				 .done_ns = 1100,
				 .placed = true,
				 .place = { .dev = 5, .sector = 64, .bytes = 4096 } };
	struct slow_op op;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.runnable_ns = 150;
	kernel.blocked_ns = 2000; /* on the CPU all the time, for others */
	kernel.nr_requests = 1;
	kernel.requests[0] = (struct probe_block){ .dev = 5,
						   .sector = 56,
						   .bytes = 8192,
						   .insert_ns = 250,
						   .issue_ns = 400,
						   .complete_ns = 1000 };
	slow_take_apart(&made_up, &t, &op);
	assert_int_equal(op.ns[PROBE_CAUSE_RUNQUEUE], 50);
	assert_int_equal(op.ns[PROBE_CAUSE_ONCPU], 50 + 50 + 100);
	assert_int_equal(op.ns[SLOW_QUEUE], 150);
	assert_int_equal(op.ns[SLOW_DEVICE], 600);
	assert_int_equal(op.ns[SLOW_UNKNOWN], 0);
	assert_int_equal(sum_of(&op), 1000);
}

/* A single op sleeps only for its request; but time in which its thread could not run is not the
 * device's. */
static void blocked_part_of_a_single_op_is_the_requests(void **state)
{
	struct slow_stamps t = { .intended_ns = 0,
				 .submit_ns = 0,
				 .done_ns = 1000,
				 .single = true,
				 .placed = true,
				 .place = { .dev = 5, .sector = 64, .bytes = 512 } };
	struct slow_op op;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.runnable_ns = 300;
	kernel.blocked_ns = 400;
	kernel.nr_requests = 1;
	kernel.requests[0] = (struct probe_block){ .dev = 5,
						   .sector = 64,
						   .bytes = 512,
						   .insert_ns = 200,
						   .issue_ns = 500,
						   .complete_ns = 900 };
	slow_take_apart(&made_up, &t, &op);
	assert_int_equal(op.ns[PROBE_CAUSE_RUNQUEUE], 300);
	assert_int_equal(op.ns[PROBE_CAUSE_ONCPU], 100);
	assert_int_equal(op.ns[SLOW_QUEUE], 100);
	assert_int_equal(op.ns[SLOW_DEVICE], 400);
	assert_int_equal(op.ns[PROBE_CAUSE_DISK], 100);
	assert_int_equal(sum_of(&op), 1000);
}

static void op_in_two_requests_waits_for_the_later_one(void **state)
{
	struct slow_stamps t = { .done_ns = 1000,
				 .placed = true,
				 .place = { .dev = 5, .sector = 0, .bytes = 8192 } };
	struct slow_op op;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.blocked_ns = 5000;
	kernel.nr_requests = 2;
	kernel.requests[0] = (struct probe_block){ 5, 0, 4096, 10, 10, 200 };
	kernel.requests[1] = (struct probe_block){ 5, 8, 4096, 10, 20, 900 };
	slow_take_apart(&made_up, &t, &op);
	assert_int_equal(op.ns[SLOW_DEVICE], 880);
	assert_int_equal(op.ns[SLOW_QUEUE], 10);
	/* One of them is not remembered: which one the op waited for cannot be told. */
	kernel.nr_requests = 1;
	slow_take_apart(&made_up, &t, &op);
	assert_int_equal(op.ns[SLOW_DEVICE], 0);
	assert_int_equal(op.ns[SLOW_UNKNOWN], 1000);
}

static void what_no_source_knows_is_unknown(void **state)
{
	struct slow_source nothing = { 0 }, stranger = made_up;
	struct slow_stamps t = { .done_ns = 1000, .single = true };
	struct slow_op op;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.runnable_ns = 2000;
	slow_take_apart(&nothing, &t, &op);
	assert_int_equal(op.ns[SLOW_UNKNOWN], 1000);
	stranger.tid = 8;
	slow_take_apart(&stranger, &t, &op);
	assert_int_equal(op.ns[SLOW_UNKNOWN], 1000);
	/* A history that tells more than there was is not believed. */
	kernel.extra_ns = 1;
	slow_take_apart(&made_up, &t, &op);
	assert_int_equal(op.ns[SLOW_UNKNOWN], 1000);
	assert_int_equal(sum_of(&op), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_op_is_its_workers_history),
		cmocka_unit_test(culprits_sum_to_the_wait),
		cmocka_unit_test(answer_by_socket_is_split_between_both_ends),
		cmocka_unit_test(one_of_many_is_known_while_its_worker_sleeps),
		cmocka_unit_test(block_request_fills_the_time_under_way),
		cmocka_unit_test(blocked_part_of_a_single_op_is_the_requests),
		cmocka_unit_test(op_in_two_requests_waits_for_the_later_one),
		cmocka_unit_test(what_no_source_knows_is_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
