// SPDX-License-Identifier: BSD-2-Clause
/* The kernel's types cut down for libbpf lead to the same programs as all of them. */
#include "probe/rig.h"
#include "probe/set.h"

#include <bpf/bpf.h>

/* The kernel's hash of a program as it was relocated and loaded. */
static bool tag_of(const struct bpf_program *prog, unsigned char *ret_tag)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = bpf_program__fd(prog);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
		return false;
	memcpy(ret_tag, info.tag, sizeof(info.tag));
	return true;
}

static unsigned object_compare(const struct probe_object *a, const struct probe_object *b)
{
	unsigned char tag_a[BPF_TAG_SIZE], tag_b[BPF_TAG_SIZE];
	struct bpf_program *prog, *other;
	unsigned nr = 0;

	if (!a->bpf && !b->bpf && !a->why.text[0] && !b->why.text[0])
		return 0; /* loaded when it is asked for */
	if (!a->bpf || !b->bpf)
		fail_msg("%s: not loaded: %s", a->image->name, a->bpf ? b->why.text : a->why.text);
	bpf_object__for_each_program(prog, a->bpf)
	{
		other = bpf_object__find_program_by_name(b->bpf, bpf_program__name(prog));
		assert_non_null(other);
		if (tag_of(prog, tag_a) != tag_of(other, tag_b))
			fail_msg("%s is loaded in one only", bpf_program__name(prog));
		if (!tag_of(prog, tag_a))
			continue;
		nr++;
		if (memcmp(tag_a, tag_b, sizeof(tag_a)))
			fail_msg("%s differs", bpf_program__name(prog));
	}
	return nr;
}

/* forms: further fallbacks for both. */
static void compare(const char *forms, const char *forms_and_types)
{
	struct probe_set *cut = set_open("all", forms), *all = set_open("all", forms_and_types);
	unsigned nr = 0;

	assert_non_null(cut->windows);
	assert_non_null(all->windows);
	for (unsigned i = 0; i < cut->nr_objects; i++)
		nr += object_compare(&cut->objects[i], &all->objects[i]);
	printf("%u programs are the same\n", nr);
	assert_true(nr >= 20);
	probe_close(cut);
	probe_close(all);
}

static void cut_types_give_the_same_programs(void **state)
{
	(void)state;
	need_root();
	compare(NULL, "types");
}

static void also_those_of_raw_tracepoints(void **state)
{
	(void)state;
	need_root();
	compare("raw,depth", "raw,depth,types");
}

/* Or nothing is compared above. */
static void there_are_fewer_of_them(void **state)
{
	struct probe_set *cut, *all;

	(void)state;
	need_root();
	cut = set_open("all", NULL);
	all = set_open("all", "types");
	printf("%ld and %ld bytes\n", (long)lseek(cut->types_fd, 0, SEEK_END),
	       (long)lseek(all->types_fd, 0, SEEK_END));
	assert_true(lseek(cut->types_fd, 0, SEEK_END) > 0);
	assert_true(lseek(cut->types_fd, 0, SEEK_END) * 20 < lseek(all->types_fd, 0, SEEK_END));
	probe_close(cut);
	probe_close(all);
}

/* Atomic operations that return a value: kernels before 5.12 reject a program that has one. */
static unsigned atomics_count(const struct bpf_program *prog)
{
	const struct bpf_insn *insns = bpf_program__insns(prog); /* with those of what it calls */
	unsigned nr = 0;

	for (size_t i = 0; i < bpf_program__insn_cnt(prog); i++)
		if (insns[i].code == (BPF_LD | BPF_IMM | BPF_DW))
			i++; /* the second half is a number */
		else if (insns[i].code == (BPF_STX | BPF_XADD | BPF_DW) && insns[i].imm & 1)
			nr++;
	return nr;
}

static unsigned set_atomics(const char *fallback)
{
	struct probe_set *set = set_open("all", fallback);
	struct bpf_program *prog;
	unsigned nr = 0;

	assert_non_null(set->sched->bpf);
	bpf_object__for_each_program(prog, set->sched->bpf)
		if (bpf_program__fd(prog) >= 0)
			nr += atomics_count(prog);
	probe_close(set);
	return nr;
}

/* Those that are part of a function of its own too. */
static void atomic_operations_can_be_left_out(void **state)
{
	(void)state;
	need_root();
	assert_true(set_atomics(NULL) > 0);
	assert_int_equal(set_atomics("atomics"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_types_give_the_same_programs),
		cmocka_unit_test(also_those_of_raw_tracepoints),
		cmocka_unit_test(there_are_fewer_of_them),
		cmocka_unit_test(atomic_operations_can_be_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
