// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/job_list.h"
#include "core/option.h"
#include "core/sweep.h"

static const char *const words[] = { "int", "float", NULL };
static const struct bench_option number = { .name = "n", .type = BENCH_OPT_U64, .max = 64 };
static const struct bench_option size = { .name = "size", .type = BENCH_OPT_SIZE };
static const struct bench_option duration = { .name = "time", .type = BENCH_OPT_DURATION };
static const struct bench_option word = { .name = "kernel", .type = BENCH_OPT_ENUM, .values = words };
static const struct bench_option path = { .name = "filename", .type = BENCH_OPT_STRING };

/* The values of a text, joined by blanks, or the error. */
static const char *values_of(const struct bench_option *opt, const char *text)
{
	static char joined[400];
	struct sweep_values values;
	struct bench_err err = { 0 };

	assert_true(sweep_is(opt, text));
	if (sweep_parse(&values, opt, text, &err)) {
		assert_int_equal(err.code, -EINVAL);
		snprintf(joined, sizeof(joined), "error: %s", err.msg);
		return joined;
	}
	joined[0] = '\0';
	for (unsigned i = 0; i < values.nr; i++)
		snprintf(joined + strlen(joined), sizeof(joined) - strlen(joined), "%s%s",
			 i ? " " : "", values.texts[i]);
	sweep_free(&values);
	return joined;
}

static void one_value_is_no_sweep(void **state)
{
	(void)state;
	assert_false(sweep_is(&number, "4"));
	assert_false(sweep_is(&number, NULL));
	assert_false(sweep_is(&number, ""));
	assert_false(sweep_is(&path, "../file"));
	assert_false(sweep_is(&word, "int..float"));
}

static void ranges(void **state)
{
	(void)state;
	assert_string_equal(values_of(&number, "1..4"), "1 2 3 4");
	assert_string_equal(values_of(&number, "0..10+5"), "0 5 10");
	assert_string_equal(values_of(&number, "1..9*2"), "1 2 4 8");
	assert_string_equal(values_of(&size, "4k..64k"), "4k 8k 16k 32k 64k");
	assert_string_equal(values_of(&size, "4k..1m*16"), "4k 64k 1m");
	assert_string_equal(values_of(&size, "4k..12k+4k"), "4k 8k 12k");
	assert_string_equal(values_of(&size, "1k..2k*1.414"), "1k 1448 2047");
	assert_string_equal(values_of(&duration, "1ms..4ms"), "1ms 2ms 4ms");
	assert_string_equal(values_of(&number, "7..7"), "7");
	/* A factor that rounds to the same number goes on by 1. */
	assert_string_equal(values_of(&number, "1..4*1.1"), "1 2 3 4");
}

static void lists(void **state)
{
	(void)state;
	assert_string_equal(values_of(&number, "{4,1,16}"), "4 1 16");
	assert_string_equal(values_of(&word, "{int,float}"), "int float");
	assert_string_equal(values_of(&path, "{/a,/b c}"), "/a /b c");
	assert_string_equal(values_of(&size, "{4k,4k,8k}"), "4k 8k");
}

static void what_cannot_be_is_refused(void **state)
{
	(void)state;
	assert_non_null(strstr(values_of(&number, "4..2"), "lower"));
	assert_non_null(strstr(values_of(&number, "1..65"), "out of range"));
	assert_non_null(strstr(values_of(&number, "0..8*2"), "step to add"));
	assert_non_null(strstr(values_of(&number, "1..8*1"), "no factor"));
	assert_non_null(strstr(values_of(&number, "1..8*x"), "no factor"));
	assert_non_null(strstr(values_of(&number, "1..8+0"), "no step"));
	assert_non_null(strstr(values_of(&number, "1..x"), "not a valid value"));
	assert_non_null(strstr(values_of(&size, "1..100000+1"), "more than"));
	assert_non_null(strstr(values_of(&word, "{int,flot}"), "not a valid value"));
	assert_non_null(strstr(values_of(&number, "{}"), "not a valid value"));
}

static void a_range_ends_at_the_largest_number(void **state)
{
	(void)state;
	assert_string_equal(values_of(&size, "9223372036854775808..18446744073709551614*2"), "8388608t");
}

static const char *names_of(struct job_list *list)
{
	static char joined[600];

	joined[0] = '\0';
	for (unsigned i = 0; i < list->nr; i++)
		snprintf(joined + strlen(joined), sizeof(joined) - strlen(joined), "%s%s",
			 i ? " " : "", list->specs[i].name);
	return joined;
}

static void a_job_for_each_combination(void **state)
{
	struct job_list list = { 0 };
	struct bench_err err = { 0 };
	json_t *value;

	(void)state;
	assert_int_equal(job_list_add(&list, "cpu", false, &err), 0);
	assert_int_equal(job_list_add(&list, "cpu,kernel={int,float},workers=1..2", false, &err), 0);
	assert_int_equal(job_list_expand(&list, &err), 0);
	assert_string_equal(names_of(&list), "cpu cpu,kernel=int,workers=1 cpu,kernel=int,workers=2 "
					     "cpu,kernel=float,workers=1 cpu,kernel=float,workers=2");
	assert_null(list.specs[0].sweep);
	assert_string_equal(list.specs[3].sweep, "cpu,kernel={int,float},workers=1..2");
	assert_int_equal(list.specs[3].nr_axes, 2);
	assert_int_equal(list.specs[3].common.workers, 1);
	assert_int_equal(list.specs[4].common.workers, 2);
	value = option_value_json(list.specs[4].axes[0].option,
				  job_spec_params(&list.specs[4], list.specs[4].axes[0].option));
	assert_string_equal(json_string_value(value), "float");
	json_decref(value);
	job_list_free(&list);
}

static void sections_sweep_too_and_the_last_value_wins(void **state)
{
	struct job_list list = { 0 };
	struct bench_err err = { 0 };

	(void)state;
	assert_int_equal(job_list_add_named(&list, "two kinds", "cpu", &err), 0);
	assert_int_equal(job_spec_set(&list.specs[0], "workers", "1..8", &err), 0);
	assert_int_equal(job_spec_set(&list.specs[0], "kernel", "{int,float}", &err), 0);
	assert_int_equal(job_spec_set(&list.specs[0], "workers", "2", &err), 0);
	assert_int_equal(job_list_expand(&list, &err), 0);
	assert_string_equal(names_of(&list), "two kinds,kernel=int two kinds,kernel=float");
	assert_int_equal(list.specs[1].common.workers, 2);
	job_list_free(&list);
}

static void a_sweep_has_a_limit(void **state)
{
	struct job_list list = { 0 };
	struct bench_err err = { 0 };

	(void)state;
	assert_int_equal(job_list_add(&list, "disk,depth=1..64,bs={4k,8k,16k,32k,64k,1m,2m,4m,"
					     "512,1k,2k,16m,32m,64m,12k,20k,24k}", false, &err), 0);
	assert_int_equal(job_list_expand(&list, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "more than 1000 jobs"));
	job_list_free(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_value_is_no_sweep),
		cmocka_unit_test(ranges),
		cmocka_unit_test(lists),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(a_range_ends_at_the_largest_number),
		cmocka_unit_test(a_job_for_each_combination),
		cmocka_unit_test(sections_sweep_too_and_the_last_value_wins),
		cmocka_unit_test(a_sweep_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
