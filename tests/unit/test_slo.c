// SPDX-License-Identifier: BSD-2-Clause
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>

#include "core/slo.h"

static void targets_are_read(void **state)
{
	struct slo_target t;
	struct bench_err err = { 0 };

	(void)state;
	assert_int_equal(slo_parse("p99:2ms", &t, &err), 0);
	assert_true(fabs(t.quantile - 0.99) < 1e-12);
	assert_int_equal(t.ns, 2000000);
	assert_int_equal(slo_parse("p99.9:500us", &t, &err), 0);
	assert_true(fabs(t.quantile - 0.999) < 1e-12);
	assert_int_equal(t.ns, 500000);
}

static void what_is_no_target_is_refused(void **state)
{
	static const char *const texts[] = { "", "p99", "99:2ms", "p0:2ms", "p100:2ms", "p99:", "p99:x",
					     "p99:0", "p99=2ms", "pp:1ms", "p99.999:1s", "p99:-1ms" };

	(void)state;
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct slo_target t = { .ns = 7 };
		struct bench_err err = { 0 };

		if (slo_parse(texts[i], &t, &err) != -EINVAL || !strstr(err.msg, "slo") || t.ns != 7)
			fail_msg("'%s' was taken, or refused with '%s'", texts[i], err.msg);
	}
}

static void a_window_has_room_for_the_quantile(void **state)
{
	const struct slo_target p99 = { 0.99, 1 }, p999 = { 0.999, 1 };

	(void)state;
	assert_int_equal(slo_window_ns(&p99, 1e6, 700000000), 700000000);
	/* 1,100 operations at 100 a second. */
	assert_true(fabs((double)slo_window_ns(&p99, 100, 700000000) - 11e9) < 1e3);
	assert_true(slo_window_ns(&p999, 1, 1) == 100000000000ull);
	/* And for a line to grow. */
	assert_int_equal(slo_window_ns(&(struct slo_target){ 0.5, 200000000 }, 1e6, 700000000), 2000000000);
	assert_int_equal(slo_window_ns(&(struct slo_target){ 0.5, UINT64_MAX }, 1e6, 1), 10000000000ull);
}

/* A server with exponential service and random arrivals (M/M/1): latency at q is -ln(1-q)/(mu-lambda). */
struct server {
	double mu, quantile, disturb; /* every disturb-th window is ten times as slow; 0 = none */
	unsigned windows;
	int stop_at;
};

#define WINDOW_S 5

static int attempt(void *arg, double rate, struct slo_try *t)
{
	struct server *s = arg;

	s->windows++;
	if (s->stop_at && (int)s->windows == s->stop_at)
		return 1;
	t->done = fmin(rate, s->mu);
	t->left = rate < s->mu ? rate / (s->mu - rate) : (rate - s->mu) * WINDOW_S;
	t->mean_ns = rate < s->mu ? 1e9 / (s->mu - rate) : t->left / rate / 2 * 1e9;
	t->latency_ns = rate < s->mu ? -log(1 - s->quantile) / (s->mu - rate) * 1e9 : 1e9;
	if (s->disturb > 0 && s->windows % (unsigned)s->disturb == 0)
		t->latency_ns *= 10;
	return 0;
}

static void the_rate_of_a_known_server_is_found(void **state)
{
	static const double mus[] = { 500, 10000, 300000 }, shares[] = { 0.1, 0.5, 0.9 };

	(void)state;
	for (unsigned i = 0; i < 9; i++) {
		struct server server = { .mu = mus[i / 3], .quantile = 0.99, .disturb = i % 2 ? 5 : 0 };
		double truth = shares[i % 3] * server.mu;
		struct slo slo = { .target = { 0.99, 0 } };

		slo.target.ns = (uint64_t)(-log(0.01) / (server.mu - truth) * 1e9);
		assert_int_equal(slo_search(&slo, attempt, &server), 0);
		assert_true(fabs(slo.capacity - server.mu) < 1e-6 * server.mu);
		assert_true(slo.rate <= 1.001 * truth);
		assert_true(slo.rate >= 0.9 * truth);
		assert_true(slo.over >= 0.999 * truth && slo.over <= 1.1 * truth);
		assert_int_equal(slo.over_outcome, SLO_LATENCY);
		assert_true(slo.nr <= 24);
	}
}

static void a_target_that_none_keeps_is_said(void **state)
{
	struct server server = { .mu = 1000, .quantile = 0.99 };
	struct slo slo = { .target = { 0.99, 1000 } };

	(void)state;
	assert_int_equal(slo_search(&slo, attempt, &server), 0);
	assert_true(slo.rate == 0);
	assert_true(slo.over > 0 && slo.over < 10);
	assert_true(slo.nr < SLO_MAX_TRIES);
}

static void a_target_that_the_capacity_keeps_is_near_it(void **state)
{
	struct server server = { .mu = 1000, .quantile = 0.99 };
	struct slo slo = { .target = { 0.99, UINT64_MAX / 2 } };

	(void)state;
	assert_int_equal(slo_search(&slo, attempt, &server), 0);
	assert_true(slo.rate >= 0.95 * server.mu && slo.rate <= server.mu);
	assert_true(slo.over == 1.5 * server.mu);
	assert_int_equal(slo.over_outcome, SLO_BEHIND);
}

static void an_interruption_ends_it(void **state)
{
	(void)state;
	for (int at = 1; at < 6; at++) {
		struct server server = { .mu = 1000, .quantile = 0.99, .stop_at = at };
		struct slo slo = { .target = { 0.99, 20000000 } };

		assert_int_equal(slo_search(&slo, attempt, &server), 1);
		assert_int_equal(server.windows, at);
	}
}

static void a_line_that_grows_is_no_kept_target(void **state)
{
	const struct slo_target target = { 0.99, 1000 };
	struct slo_try t = { .rate = 1e6, .latency_ns = 900, .mean_ns = 1e6, .left = 1000 };

	(void)state;
	assert_int_equal(slo_judge(&target, &t), SLO_KEPT); /* 1e6/s x 1 ms */
	t.left = 2000;
	assert_int_equal(slo_judge(&target, &t), SLO_BEHIND);
	t.left = 1000;
	t.latency_ns = 1001;
	assert_int_equal(slo_judge(&target, &t), SLO_LATENCY);
	t.outcome = SLO_GENERATOR;
	assert_int_equal(slo_judge(&target, &t), SLO_GENERATOR);
	t.left = 2000;
	assert_int_equal(slo_judge(&target, &t), SLO_GENERATOR);
	t.left = 1000;
	t.latency_ns = 1000; /* in spite of it */
	assert_int_equal(slo_judge(&target, &t), SLO_KEPT);
	t.outcome = SLO_TOO_FEW;
	assert_int_equal(slo_judge(&target, &t), SLO_TOO_FEW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_are_read),
		cmocka_unit_test(what_is_no_target_is_refused),
		cmocka_unit_test(a_window_has_room_for_the_quantile),
		cmocka_unit_test(the_rate_of_a_known_server_is_found),
		cmocka_unit_test(a_target_that_none_keeps_is_said),
		cmocka_unit_test(a_target_that_the_capacity_keeps_is_near_it),
		cmocka_unit_test(an_interruption_ends_it),
		cmocka_unit_test(a_line_that_grows_is_no_kept_target),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
