// SPDX-License-Identifier: BSD-2-Clause
/* The slots of a metric and the labels of each: what is read is what the programs wrote. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <bpf/btf.h>

#include "probe/set.h"

static void a_count_without_labels_has_one_row(void **state)
{
	struct probe_desc desc = { .kind = PROBE_COUNT, .slot = 7 };
	struct value_row row;

	(void)state;
	assert_int_equal(value_slots(&desc), 1);
	assert_true(value_row(&desc, 0, &row));
	assert_int_equal(row.slot, 7);
	assert_null(row.labels[0].key);
	assert_false(value_row(&desc, 1, &row));
}

static void fixed_labels_follow_each_other(void **state)
{
	struct probe_desc desc = {
		.kind = PROBE_HIST, .slot = 3, .key = "stage", .label = { "queue", "device" }
	};
	struct value_row row;

	(void)state;
	assert_int_equal(value_slots(&desc), 2 * PROBE_HIST_SLOTS);
	assert_true(value_row(&desc, 1, &row));
	assert_int_equal(row.slot, 3 + PROBE_HIST_SLOTS);
	assert_string_equal(row.labels[0].key, "stage");
	assert_string_equal(row.labels[0].value, "device");
	assert_false(value_row(&desc, 2, &row));
}

static void what_is_met_comes_after_the_fixed_labels(void **state)
{
	struct probe_key keys[3] = { { 0 }, { .id = 9, .name = "vda" }, { 0 } };
	struct probe_object object = { .keys = keys };
	struct probe_desc desc = { .kind = PROBE_COUNT,
				   .key = "op",
				   .label = { "read", "write" },
				   .found_key = "dev",
				   .found_max = 3 };
	struct probe_set set = { 0 };
	struct value_row row;

	(void)state;
	assert_int_equal(value_slots(&desc), 6);
	assert_true(value_row(&desc, 3, &row));
	assert_int_equal(row.slot, 3);
	assert_int_equal(row.found, 1);
	assert_string_equal(row.labels[0].value, "write");
	assert_null(row.labels[1].key); /* not before it is asked for */
	value_row_name(&set, &object, &desc, &row);
	assert_string_equal(row.labels[1].key, "dev");
	assert_string_equal(row.labels[1].value, "vda");
	assert_false(value_row(&desc, 6, &row));
}

/* Of a kernel that does not name the value. */
static void what_has_no_name_has_its_number(void **state)
{
	struct probe_object object = { 0 };
	struct probe_desc desc = { .kind = PROBE_COUNT, .found_key = "op", .found_max = 50 };
	struct probe_set set = { 0 };
	struct value_row row;

	(void)state;
	assert_true(value_row(&desc, 42, &row));
	value_row_name(&set, &object, &desc, &row);
	assert_string_equal(row.labels[0].key, "op");
	assert_string_equal(row.labels[0].value, "42");
}

static void names_are_those_of_the_kernels_enum(void **state)
{
	struct probe_desc desc = { .kind = PROBE_COUNT,
				   .found_key = "op",
				   .found_max = 50,
				   .found_enum = "io_uring_op",
				   .found_prefix = "IORING_OP_" };
	struct probe_object object = { 0 };
	struct btf *btf = btf__new_empty();
	struct probe_set set = { 0 };
	struct value_row row;

	(void)state;
	assert_non_null(btf);
	assert_true(btf__add_enum(btf, "io_uring_op", 4) > 0);
	assert_int_equal(btf__add_enum_value(btf, "IORING_OP_NOP", 0), 0);
	assert_int_equal(btf__add_enum_value(btf, "IORING_OP_FSYNC", 3), 0);
	set.kernel = kernel_from(btf);
	assert_non_null(set.kernel);
	assert_true(value_row(&desc, 3, &row));
	value_row_name(&set, &object, &desc, &row);
	assert_string_equal(row.labels[0].value, "fsync");
	assert_int_equal(kernel_enum_value(set.kernel, "io_uring_op", "IORING_OP_FSYNC"), 3);
	assert_int_equal(kernel_enum_value(set.kernel, "io_uring_op", "IORING_OP_OTHER"), -1);
	kernel_close(set.kernel);
}

/* struct s { int a; struct { int b; int c; }; } */
static void a_field_is_found_inside_unnamed_structures(void **state)
{
	struct btf *btf = btf__new_empty();
	struct kernel *kernel;
	int number, inner;

	(void)state;
	assert_non_null(btf);
	number = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	inner = btf__add_struct(btf, NULL, 8);
	assert_int_equal(btf__add_field(btf, "b", number, 0, 0), 0);
	assert_int_equal(btf__add_field(btf, "c", number, 32, 0), 0);
	assert_true(btf__add_struct(btf, "s", 12) > 0);
	assert_int_equal(btf__add_field(btf, "a", number, 0, 0), 0);
	assert_int_equal(btf__add_field(btf, NULL, inner, 32, 0), 0);
	kernel = kernel_from(btf);
	assert_non_null(kernel);
	assert_int_equal(kernel_field_offset(kernel, "s", "a"), 0);
	assert_int_equal(kernel_field_offset(kernel, "s", "c"), 8);
	assert_int_equal(kernel_field_offset(kernel, "s", "d"), -1);
	assert_int_equal(kernel_field_offset(kernel, "t", "a"), -1);
	kernel_close(kernel);
}

static void a_label_without_values_has_no_rows(void **state)
{
	struct probe_desc desc = { .kind = PROBE_COUNT, .key = "op" };
	struct value_row row;

	(void)state;
	assert_false(value_row(&desc, 0, &row));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_count_without_labels_has_one_row),
		cmocka_unit_test(fixed_labels_follow_each_other),
		cmocka_unit_test(what_is_met_comes_after_the_fixed_labels),
		cmocka_unit_test(what_has_no_name_has_its_number),
		cmocka_unit_test(names_are_those_of_the_kernels_enum),
		cmocka_unit_test(a_field_is_found_inside_unnamed_structures),
		cmocka_unit_test(a_label_without_values_has_no_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
