// SPDX-License-Identifier: BSD-2-Clause
/* The kernel's types cut down to what an object looks at: a member's type may have another name there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/btf.h>

#include "probe/kernel.h"

/* struct outer { long before; struct INNER in; } with struct INNER { int other; void *file; } */
static struct btf *types(const char *inner)
{
	struct btf *btf = btf__new_empty();
	int number = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	int pointer = btf__add_ptr(btf, 0), in;

	in = btf__add_struct(btf, inner, 16);
	assert_int_equal(btf__add_field(btf, "other", number, 0, 0), 0);
	assert_int_equal(btf__add_field(btf, "file", pointer, 64, 0), 0);
	assert_true(btf__add_struct(btf, "outer", 24) > 0);
	assert_int_equal(btf__add_field(btf, "before", number, 0, 0), 0);
	assert_int_equal(btf__add_field(btf, "in", in, 64, 0), 0);
	assert_true(btf__add_struct(btf, "unrelated", 4) > 0);
	assert_int_equal(btf__add_field(btf, "file", number, 0, 0), 0);
	return btf;
}

/* As an object has it: only what it reads. */
static struct btf *object_types(void)
{
	struct btf *btf = btf__new_empty();
	int pointer = btf__add_ptr(btf, 0), in;

	in = btf__add_struct(btf, "inner", 8);
	assert_int_equal(btf__add_field(btf, "file", pointer, 0, 0), 0);
	assert_true(btf__add_struct(btf, "outer", 8) > 0);
	assert_int_equal(btf__add_field(btf, "in", in, 0, 0), 0);
	return btf;
}

static const struct btf_member *member(const struct btf *btf, int type, const char *name)
{
	const struct btf_type *t = btf__type_by_id(btf, (__u32)type);
	const struct btf_member *m = btf_members(t);

	for (unsigned i = 0; i < btf_vlen(t); i++)
		if (!strcmp(btf__name_by_offset(btf, m[i].name_off), name))
			return &m[i];
	return NULL;
}

static struct btf *cut(const char *inner)
{
	struct kernel *kernel = kernel_from(types(inner));
	struct btf *object = object_types(), *ret;
	const struct btf *objects[] = { object };
	int fd = memfd_create("types", MFD_CLOEXEC);
	char path[32];

	assert_non_null(kernel);
	assert_true(fd >= 0);
	assert_int_equal(types_write(kernel, objects, 1, fd), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ret = btf__parse_raw(path);
	assert_non_null(ret);
	close(fd);
	btf__free(object);
	kernel_close(kernel);
	return ret;
}

static void check(const char *inner)
{
	struct btf *btf = cut(inner);
	int outer = btf__find_by_name_kind(btf, "outer", BTF_KIND_STRUCT);
	const struct btf_member *in = outer > 0 ? member(btf, outer, "in") : NULL, *file;

	assert_non_null(in);
	assert_int_equal(in->offset, 64);
	assert_null(member(btf, outer, "before"));
	file = member(btf, (int)in->type, "file");
	assert_non_null(file);
	assert_int_equal(file->offset, 64);
	assert_null(member(btf, (int)in->type, "other"));
	assert_true(btf__find_by_name_kind(btf, "unrelated", BTF_KIND_STRUCT) < 0);
	btf__free(btf);
}

static void members_that_are_looked_at_are_there(void **state)
{
	(void)state;
	check("inner");
}

static void also_when_their_type_has_another_name(void **state)
{
	(void)state;
	check("renamed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_that_are_looked_at_are_there),
		cmocka_unit_test(also_when_their_type_has_another_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
