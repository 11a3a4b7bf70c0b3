// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../modules/fault.c"
#include "module/rig.h"

struct one {
	struct rig r;
	struct bench_worker w;
	struct fault_state *s;
};

static int one_init(struct one *o, const char *params)
{
	rig_init(&o->r, &bench_module_fault, 1);
	assert_int_equal(rig_params(&o->r, params), 0);
	rig_worker(&o->r, &o->w, 0);
	o->s = o->w.state;
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
		     { "kind=huge,size=8m", 19, 1 } };

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
			assert_int_equal(o.s->expected, rows[i].ops * rows[i].per_op);
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
		cmocka_unit_test(a_private_copy_leaves_the_file_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
