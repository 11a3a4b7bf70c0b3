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
			assert_int_equal(s->pairs.pair[0].samples->count + s->pairs.pair[0].discarded, 4);
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
	assert_int_equal(s->pairs.pair[0].discarded, 1);
	assert_int_equal(s->pairs.pair[0].samples->count, 0);
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

/* The second worker's answer can overwrite a stop that came after its look at the line. */
static void a_stop_that_is_overwritten_ends_the_wait(void **state)
{
	struct c2c_shared *s;
	struct pair p;

	(void)state;
	pair_init(&p, "home=first");
	pair_begin(&p);
	s = p.r.job.shared;
	/* As it is then: no stop in the line. */
	atomic_store(&s->stop, true);
	pthread_join(p.thread, NULL);
	assert_int_equal(p.rc, 0);
	pair_done(&p);
}

struct crowd {
	struct rig r;
	struct bench_worker w[3];
	pthread_t thread[3];
	int rc[3];
};

struct member {
	struct crowd *crowd;
	unsigned index;
};

static void *take_turns(void *arg)
{
	struct member *who = arg;

	who->crowd->rc[who->index] = m->run(&who->crowd->w[who->index], UINT64_MAX);
	return NULL;
}

static void every_pair_gets_its_turn(void **state)
{
	int cpus[3] = { -1, -1, -1 };
	struct member members[3];
	struct c2c_shared *s;
	struct crowd c = { 0 };

	(void)state;
	rig_init(&c.r, m, 3);
	assert_int_equal(rig_params(&c.r, "pairs=all"), 0);
	assert_int_equal(m->workers(c.r.params), BENCH_WORKERS_ALL);
	c.r.job.cpus = cpus;
	assert_int_equal(m->setup(&c.r.job, &c.r.err), 0);
	s = c.r.job.shared;
	assert_int_equal(s->pairs.nr, 3);
	for (unsigned i = 0; i < 3; i++) {
		rig_worker(&c.r, &c.w[i], i);
		assert_int_equal(m->enter(&c.w[i]), 0);
	}
	for (unsigned window = 0; window < 2; window++) {
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(m->begin(&c.w[i]), 0);
		for (unsigned i = 1; i < 3; i++) {
			members[i] = (struct member){ &c, i };
			pthread_create(&c.thread[i], NULL, take_turns, &members[i]);
		}
		assert_int_equal(m->run(&c.w[0], 4), 0);
		m->finish(&c.w[0]);
		for (unsigned i = 1; i < 3; i++) {
			pthread_join(c.thread[i], NULL);
			assert_int_equal(c.rc[i], 0);
		}
		/* The first pair had two visits. */
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(s->pairs.pair[i].samples->count + s->pairs.pair[i].discarded,
					 i ? C2C_VISIT : 2 * C2C_VISIT);
	}
	c.r.job.metrics = metric_set_new();
	metric_set_next_trial(c.r.job.metrics);
	m->report(&c.r.job, 1);
	for (unsigned i = 0; i < 3; i++)
		rig_worker_done(&c.w[i]);
	rig_done(&c.r);
}

/* core-to-core-latency never finishes with 576 CPUs. */
static void of_many_cpus_there_are_some_pairs_of_each_kind(void **state)
{
	struct c2c_place places[64];
	struct c2c_pairs pairs = { 0 };
	unsigned of_class[C2C_CLASSES] = { 0 };

	(void)state;
	/* Two packages with two last-level caches of eight cores of two threads each. */
	for (int i = 0; i < 64; i++)
		places[i] = (struct c2c_place){ .core = i / 2, .llc = i / 16, .package = i / 32 };
	assert_int_equal(c2c_pairs_choose(&pairs, places, 64), 0);
	assert_int_equal(pairs.possible, 2016);
	assert_true(pairs.nr <= C2C_PAIRS_MAX);
	for (unsigned i = 0; i < pairs.nr; i++)
		of_class[pairs.pair[i].class]++;
	for (unsigned class = C2C_SMT; class <= C2C_CROSS; class++) {
		assert_true(of_class[class] > C2C_PAIRS_OF_CLASS / 2);
		assert_true(of_class[class] <= C2C_PAIRS_OF_CLASS);
	}
	assert_int_equal(of_class[C2C_UNKNOWN], 0);
	c2c_pairs_free(&pairs);
	/* Of sixteen all. */
	assert_int_equal(c2c_pairs_choose(&pairs, places, 16), 0);
	assert_int_equal(pairs.nr, 120);
	c2c_pairs_free(&pairs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_goes_there_and_back_a_fresh_one_each_window),
		cmocka_unit_test(counts_that_differ_are_an_error),
		cmocka_unit_test(samples_with_switches_are_discarded),
		cmocka_unit_test(one_cpu_is_refused),
		cmocka_unit_test(interrupt_ends_both),
		cmocka_unit_test(a_stop_that_is_overwritten_ends_the_wait),
		cmocka_unit_test(every_pair_gets_its_turn),
		cmocka_unit_test(of_many_cpus_there_are_some_pairs_of_each_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
