// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>

#include "../../modules/c2c.c"
#include "module/rig.h"

static const struct bench_module *const m = &bench_module_c2c;

struct pair {
	struct rig r;
	struct bench_worker w[2];
	pthread_t thread;
	int rc;
};

static void *second(void *arg)
{
	struct pair *p = arg;

	p->rc = m->run(&p->w[1], UINT64_MAX);
	return NULL;
}

static void pair_init(struct pair *p, const char *params)
{
	rig_init(&p->r, m, 2);
	assert_int_equal(rig_params(&p->r, params), 0);
	assert_int_equal(m->setup(&p->r.job, &p->r.err), 0);
	for (unsigned i = 0; i < 2; i++) {
		rig_worker(&p->r, &p->w[i], i);
		assert_int_equal(m->enter(&p->w[i]), 0);
	}
}

static void pair_begin(struct pair *p)
{
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(m->begin(&p->w[i]), 0);
	assert_int_equal(pthread_create(&p->thread, NULL, second, p), 0);
}

static void pair_done(struct pair *p)
{
	rig_worker_done(&p->w[0]);
	rig_worker_done(&p->w[1]);
	rig_done(&p->r);
}

static void line_goes_there_and_back_a_fresh_one_each_window(void **state)
{
	static const char *const homes[] = { "home=first", "home=second" };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		void *last = NULL;
		struct pair p;

		pair_init(&p, homes[i]);
		for (unsigned window = 0; window < 3; window++) {
			struct c2c_shared *s = p.r.job.shared;

			pair_begin(&p);
			assert_int_equal(m->run(&p.w[0], 3), 0);
			assert_int_equal(m->run(&p.w[0], 1), 0);
			m->finish(&p.w[0]);
			pthread_join(p.thread, NULL);
			assert_int_equal(p.rc, 0);
			/* With the question about switches before and after each. */
			assert_int_equal(atomic_load(&s->asked), 4 * (C2C_TRIPS + 2));
			assert_int_equal(s->samples->count + s->discarded, 4);
			assert_ptr_not_equal((void *)atomic_load(&s->line), last);
			last = (void *)atomic_load(&s->line);
		}
		pair_done(&p);
	}
}

static void counts_that_differ_are_an_error(void **state)
{
	struct c2c_state *st;
	struct pair p;

	(void)state;
	pair_init(&p, "home=first");
	pair_begin(&p);
	assert_int_equal(m->run(&p.w[0], 2), 0);
	st = p.w[0].state;
	st->asked--;
	m->finish(&p.w[0]);
	pthread_join(p.thread, NULL);
	assert_int_equal(p.rc, -EBADMSG);
	pair_done(&p);
}

/* core-to-core-latency rejects no sample in which a thread was preempted: here they are found by
 * the switches of either side. On one CPU there is no round trip without them. */
static void samples_with_switches_are_discarded(void **state)
{
	struct c2c_shared *s;
	cpu_set_t all, one;
	struct pair p;
	int cpu = sched_getcpu();

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	pair_init(&p, "home=first");
	/* The second worker inherits it. */
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	pair_begin(&p);
	assert_int_equal(m->run(&p.w[0], 1), 0);
	m->finish(&p.w[0]);
	pthread_join(p.thread, NULL);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	s = p.r.job.shared;
	assert_int_equal(s->discarded, 1);
	assert_int_equal(s->samples->count, 0);
	pair_done(&p);
}

static void one_cpu_is_refused(void **state)
{
	int cpus[2] = { 3, 3 };
	struct rig r;

	(void)state;
	rig_init(&r, m, 2);
	assert_int_equal(rig_params(&r, "home=first"), 0);
	r.job.cpus = cpus;
	assert_int_equal(m->setup(&r.job, &r.err), -EINVAL);
	rig_done(&r);
}

static void interrupt_ends_both(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p, "home=first");
	pair_begin(&p);
	m->interrupt(&p.w[1]);
	assert_int_equal(m->run(&p.w[0], UINT64_MAX), -EINTR);
	m->finish(&p.w[0]);
	pthread_join(p.thread, NULL);
	pair_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_goes_there_and_back_a_fresh_one_each_window),
		cmocka_unit_test(counts_that_differ_are_an_error),
		cmocka_unit_test(samples_with_switches_are_discarded),
		cmocka_unit_test(one_cpu_is_refused),
		cmocka_unit_test(interrupt_ends_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
