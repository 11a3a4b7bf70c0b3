// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>

#include "../../modules/fault.c"
#include "module/rig.h"

struct one {
	struct rig r;
	struct bench_worker w;
	struct fault_state *s;
};

static int no_cpu = -1;

static int one_init(struct one *o, const char *params)
{
	rig_init(&o->r, &bench_module_fault, 1);
	o->r.job.metrics = metric_set_new();
	o->r.job.cpus = &no_cpu;
	assert_int_equal(rig_params(&o->r, params), 0);
	rig_worker(&o->r, &o->w, 0);
	o->s = o->w.state;
	assert_int_equal(bench_module_fault.setup(&o->r.job, &o->r.err), 0);
	return bench_module_fault.check(o->r.params, &o->r.err);
}

static void one_done(struct one *o)
{
	bench_module_fault.leave(&o->w);
	rig_worker_done(&o->w);
	rig_done(&o->r);
}

/* Over the end of the region, several times. */
static void every_kind_faults_as_often_as_expected(void **state)
{
	static const struct {
		const char *params;
		unsigned ops, per_op;
	} rows[] = { { "kind=anon,size=4m", 5000, 1 },
		     { "kind=file,size=4m", 5000, 1 },
		     { "kind=cow,size=4m", 5000, 1 },
		     { "kind=populate,size=4m", 19, 256 },
		     { "kind=huge,size=8m", 19, 1 },
		     { "kind=fork,size=16m", 10000, 1 },
		     { "kind=present,size=4m", 5000, 0 },
		     { "kind=unmap,size=2m", 3000, 1 },
		     { "kind=protect,size=2m", 3000, 1 },
		     { "kind=dontneed,size=2m", 3000, 1 } };

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct one o;

		if (one_init(&o, rows[i].params)) {
			print_message("%s: %s\n", rows[i].params, o.r.err.msg);
			one_done(&o);
			continue;
		}
		assert_int_equal(bench_module_fault.enter(&o.w), 0);
		for (unsigned window = 0; window < 2; window++) {
			assert_int_equal(bench_module_fault.begin(&o.w), 0);
			assert_int_equal(bench_module_fault.run(&o.w, rows[i].ops), 0);
			/* Present pages are put in place before each pass, the first before the window. */
			assert_int_equal(o.s->expected, rows[i].per_op ? rows[i].ops * rows[i].per_op :
						rows[i].ops / 1024 * 1024);
			bench_module_fault.finish(&o.w);
			assert_string_equal(o.w.err.msg, "");
		}
		one_done(&o);
	}
}

/* Huge pages where small ones are meant, pages that are still there: what a benchmark of faults
 * gets wrong without being told. */
static void other_numbers_of_faults_are_an_error(void **state)
{
	struct one o;

	(void)state;
	assert_int_equal(one_init(&o, "kind=anon,size=8m"), 0);
	assert_int_equal(bench_module_fault.enter(&o.w), 0);
	assert_int_equal(bench_module_fault.begin(&o.w), 0);
	memset(o.s->pages.at, 0, o.s->pages.bytes);
	assert_int_equal(bench_module_fault.begin(&o.w), 0);
	memset(o.s->pages.at, 0, o.s->pages.bytes);
	o.s->begin = fault_count();
	assert_int_equal(bench_module_fault.run(&o.w, 2000), 0);
	bench_module_fault.finish(&o.w);
	assert_int_equal(o.w.err.code, -EBADMSG);
	assert_non_null(strstr(o.w.err.msg, "expected 2000 within 1 %"));
	one_done(&o);
	assert_int_equal(one_init(&o, "kind=anon,size=8m"), 0);
	if (!pages_check(PAGES_HUGE, &o.r.err)) {
		assert_int_equal(bench_module_fault.enter(&o.w), 0);
		assert_int_equal(madvise(o.s->pages.at, o.s->pages.bytes, MADV_HUGEPAGE), 0);
		assert_int_equal(bench_module_fault.begin(&o.w), 0);
		assert_int_equal(bench_module_fault.run(&o.w, 2000), 0);
		bench_module_fault.finish(&o.w);
		assert_int_equal(o.w.err.code, -EBADMSG);
	}
	one_done(&o);
}

/* A copy that is not private, or of another page. */
static void wrong_bytes_are_an_error(void **state)
{
	static const char *const params[] = { "kind=file,size=2m", "kind=cow,size=2m" };
	unsigned char byte = 1;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct one o;

		assert_int_equal(one_init(&o, params[i]), 0);
		assert_int_equal(bench_module_fault.enter(&o.w), 0);
		assert_int_equal(pwrite(o.s->fd, &byte, 1, 5 * 4096 - 1), 1);
		assert_int_equal(bench_module_fault.begin(&o.w), 0);
		assert_int_equal(bench_module_fault.run(&o.w, 4), 0);
		assert_int_equal(bench_module_fault.run(&o.w, 1), -EBADMSG);
		one_done(&o);
	}
}

/* A write to memory shared with a child: were it not shared, there would be no fault. The child is
 * gone in the end. */
static void a_child_shares_the_memory_until_the_end(void **state)
{
	pid_t child;
	struct one o;

	(void)state;
	assert_int_equal(one_init(&o, "kind=fork,size=4m"), 0);
	assert_int_equal(bench_module_fault.enter(&o.w), 0);
	assert_int_equal(bench_module_fault.begin(&o.w), 0);
	child = o.s->child;
	assert_int_equal(kill(child, 0), 0);
	assert_int_equal(bench_module_fault.run(&o.w, 1000), 0);
	assert_int_equal(o.s->child, child);
	assert_int_equal(bench_module_fault.run(&o.w, 1000), 0);
	assert_int_not_equal(o.s->child, child);
	bench_module_fault.finish(&o.w);
	assert_string_equal(o.w.err.msg, "");
	/* Nobody to share with: the faults are missing, and that is seen. */
	assert_int_equal(bench_module_fault.begin(&o.w), 0);
	memset(o.s->pages.at, FAULT_BYTE, o.s->pages.bytes);
	o.s->begin = fault_count();
	assert_int_equal(bench_module_fault.run(&o.w, 1000), 0);
	bench_module_fault.finish(&o.w);
	assert_int_equal(o.w.err.code, -EBADMSG);
	child = o.s->child;
	one_done(&o);
	assert_int_equal(kill(child, 0), -1);
}

/* The pages are really taken away, and the region is whole after it. */
static void pages_are_taken_away(void **state)
{
	static const char *const params[] = { "kind=unmap,size=2m", "kind=protect,size=2m",
					      "kind=dontneed,size=2m" };
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	unsigned char vec;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct one o;
		double ns;

		assert_int_equal(one_init(&o, params[i]), 0);
		assert_int_equal(bench_module_fault.enter(&o.w), 0);
		assert_int_equal(bench_module_fault.begin(&o.w), 0);
		assert_int_equal(bench_module_fault.run(&o.w, 100), 0);
		/* Unmapped, read-only, or there but without a page. */
		if (i == 0)
			assert_int_equal(mincore(o.s->pages.at, 1, &vec), -1);
		if (i == 1)
			assert_int_equal(read(zero, o.s->pages.at, 1), -1);
		if (i == 2) {
			assert_int_equal(mincore(o.s->pages.at, 1, &vec), 0);
			assert_int_equal(vec & 1, 0);
		}
		assert_int_equal(bench_module_fault.run(&o.w, 412), 0);
		assert_int_equal(bench_module_fault.run(&o.w, 1), 0);
		bench_module_fault.finish(&o.w);
		assert_string_equal(o.w.err.msg, "");
		metric_set_next_trial(o.r.job.metrics);
		bench_module_fault.report(&o.r.job, 1);
		ns = metric_set_value(o.r.job.metrics, "fault.call");
		assert_true(ns > 0 && ns < 1e9);
		one_done(&o);
	}
	close(zero);
}

static void *beside(void *arg)
{
	(void)bench_module_fault.run(arg, UINT64_MAX);
	return NULL;
}

/* The others run until worker 0 is done, and count nothing. */
static void others_run_beside_until_the_end(void **state)
{
	int cpus[2] = { -1, -1 };
	struct bench_worker w[2];
	pthread_t thread;
	struct rig r;

	(void)state;
	rig_init(&r, &bench_module_fault, 2);
	r.job.cpus = cpus;
	assert_int_equal(rig_params(&r, "kind=dontneed,size=2m"), 0);
	assert_int_equal(bench_module_fault.setup(&r.job, &r.err), 0);
	assert_string_equal(r.job.figure, "fault.call");
	for (unsigned i = 0; i < 2; i++) {
		rig_worker(&r, &w[i], i);
		assert_int_equal(bench_module_fault.enter(&w[i]), 0);
		assert_int_equal(bench_module_fault.begin(&w[i]), 0);
		assert_int_equal(w[i].passive, i);
	}
	assert_int_equal(pthread_create(&thread, NULL, beside, &w[1]), 0);
	/* Enough for what a sanitizer faults by itself to be below 1 %. */
	assert_int_equal(bench_module_fault.run(&w[0], 8000), 0);
	bench_module_fault.finish(&w[0]);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_string_equal(w[0].err.msg, "");
	assert_int_equal(w[1].bytes, 0);
	for (unsigned i = 0; i < 2; i++) {
		bench_module_fault.leave(&w[i]);
		rig_worker_done(&w[i]);
	}
	rig_done(&r);
}

static void shootdowns_are_read_by_cpu(void **state)
{
	int cpus[1024];
	int64_t one, all;

	(void)state;
	for (int i = 0; i < 1024; i++)
		cpus[i] = i;
	one = shoot_interrupts(cpus, 1);
	all = shoot_interrupts(cpus, 1024);
	if (all < 0) {
		print_message("no function calls in /proc/interrupts\n");
		assert_int_equal(one, -1);
		skip();
	}
	assert_true(one >= 0 && one <= all);
	assert_int_equal(shoot_interrupts(cpus, 0), 0);
}

static void a_private_copy_leaves_the_file_alone(void **state)
{
	unsigned char byte = 0;
	struct one o;

	(void)state;
	assert_int_equal(one_init(&o, "kind=cow,size=2m"), 0);
	assert_int_equal(bench_module_fault.enter(&o.w), 0);
	assert_int_equal(bench_module_fault.begin(&o.w), 0);
	assert_int_equal(bench_module_fault.run(&o.w, 100), 0);
	assert_int_equal(pread(o.s->fd, &byte, 1, 0), 1);
	assert_int_equal(byte, FAULT_BYTE);
	one_done(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_faults_as_often_as_expected),
		cmocka_unit_test(other_numbers_of_faults_are_an_error),
		cmocka_unit_test(wrong_bytes_are_an_error),
		cmocka_unit_test(a_child_shares_the_memory_until_the_end),
		cmocka_unit_test(pages_are_taken_away),
		cmocka_unit_test(others_run_beside_until_the_end),
		cmocka_unit_test(shootdowns_are_read_by_cpu),
		cmocka_unit_test(a_private_copy_leaves_the_file_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
