// SPDX-License-Identifier: BSD-2-Clause
/* What the running kernel has, by its type information (BTF). libbpf searches its 100,000 types one
 * by one; an index of the names makes the questions cheap that are asked dozens of times. */
#include "probe/kernel.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <bpf/btf.h>

#define BUCKETS 32768u

struct kernel {
	struct btf *btf;
	uint32_t bucket[BUCKETS]; /* type, 0 = none */
	uint32_t *next;		  /* by type: another of that bucket */
};

static uint32_t bucket_of(const char *name)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return (hash ^ hash >> 16) & (BUCKETS - 1);
}

/* Most types are pointers and functions, which nobody asks about. */
static bool worth_finding(const struct btf_type *t, const char *name)
{
	return btf_is_composite(t) || btf_is_enum(t) || btf_is_typedef(t) ||
	       (btf_is_func(t) &&
		(!strncmp(name, "bpf_iter_", 9) || !strcmp(name, "bpf_rdonly_cast")));
}

static int index_fill(struct kernel *kernel)
{
	uint32_t nr = btf__type_cnt(kernel->btf);

	kernel->next = calloc(nr, sizeof(*kernel->next));
	if (!kernel->next)
		return -1;
	/* Downwards: of several types with one name, the first is found. */
	for (uint32_t id = nr - 1; id; id--) {
		const struct btf_type *t = btf__type_by_id(kernel->btf, id);
		const char *name = btf__name_by_offset(kernel->btf, t->name_off);
		uint32_t bucket;

		if (!name || !*name || !worth_finding(t, name))
			continue;
		bucket = bucket_of(name);
		kernel->next[id] = kernel->bucket[bucket];
		kernel->bucket[bucket] = id;
	}
	return 0;
}

struct kernel *kernel_from(struct btf *btf)
{
	struct kernel *kernel = calloc(1, sizeof(*kernel));

	if (!kernel) {
		btf__free(btf);
		return NULL;
	}
	kernel->btf = btf;
	if (!btf || index_fill(kernel)) {
		kernel_close(kernel);
		return NULL;
	}
	return kernel;
}

/* The kernel hands its types out a page at a time, which makes more than a thousand system calls of
 * them; it can also map them (6.16). NULL = it does not. */
static struct btf *btf_mapped(void)
{
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
	struct btf *btf = NULL;
	struct stat st;
	void *data;

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && st.st_size > 0 && st.st_size <= UINT32_MAX) {
		data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (data != MAP_FAILED) {
			btf = btf__new(data, (__u32)st.st_size); /* a copy */
			munmap(data, (size_t)st.st_size);
		}
	}
	close(fd);
	return btf;
}

struct kernel *kernel_open(void)
{
	struct btf *btf = btf_mapped();

	return kernel_from(btf ? btf : btf__load_vmlinux_btf());
}

void kernel_close(struct kernel *kernel)
{
	if (!kernel)
		return;
	btf__free(kernel->btf);
	free(kernel->next);
	free(kernel);
}

const struct btf *kernel_btf(const struct kernel *kernel)
{
	return kernel->btf;
}

uint32_t kernel_type(const struct kernel *kernel, const char *name, uint32_t kind, uint32_t after)
{
	uint32_t id = after ? kernel->next[after] : kernel->bucket[bucket_of(name)];

	for (; id; id = kernel->next[id]) {
		const struct btf_type *t = btf__type_by_id(kernel->btf, id);

		if (btf_kind(t) == kind &&
		    !strcmp(btf__name_by_offset(kernel->btf, t->name_off), name))
			return id;
	}
	return 0;
}

/* --- tracepoints --- */

uint32_t kernel_tracepoint(const struct kernel *kernel, const char *name)
{
	char type[80];

	/* BTF of a tracepoint: typedef btf_trace_NAME of a pointer to its callback's prototype. */
	snprintf(type, sizeof(type), "btf_trace_%s", name);
	return kernel_type(kernel, type, BTF_KIND_TYPEDEF, 0);
}

bool kernel_has_tracepoint(const struct kernel *kernel, const char *name)
{
	return kernel_tracepoint(kernel, name) != 0;
}

unsigned kernel_tracepoint_args(const struct kernel *kernel, const char *name)
{
	const struct btf_type *t = btf__type_by_id(kernel->btf, kernel_tracepoint(kernel, name));

	for (int i = 0; i < 2 && t && (btf_is_typedef(t) || btf_is_ptr(t)); i++)
		t = btf__type_by_id(kernel->btf, t->type);
	if (!t || !btf_is_func_proto(t) || !btf_vlen(t))
		return 0;
	return btf_vlen(t) - 1; /* the first is void * */
}

/* --- fields and values --- */

static int member_offset(const struct btf *btf, const struct btf_type *t, const char *field,
			 int depth)
{
	for (unsigned i = 0; i < btf_vlen(t); i++) {
		const struct btf_member *m = &btf_members(t)[i];
		const char *name = btf__name_by_offset(btf, m->name_off);
		const struct btf_type *inner = btf__type_by_id(btf, m->type);
		int at = (int)btf_member_bit_offset(t, i) / 8, in;

		if (!strcmp(name, field))
			return at;
		if (*name || depth >= 4 || !inner || !btf_is_composite(inner))
			continue;
		in = member_offset(btf, inner, field, depth + 1);
		if (in >= 0)
			return at + in;
	}
	return -1;
}

int kernel_field_offset(const struct kernel *kernel, const char *type, const char *field)
{
	uint32_t id = kernel_type(kernel, type, BTF_KIND_STRUCT, 0);

	return id ? member_offset(kernel->btf, btf__type_by_id(kernel->btf, id), field, 0) : -1;
}

bool kernel_has_field(const struct kernel *kernel, const char *type, const char *field)
{
	return kernel_field_offset(kernel, type, field) >= 0;
}

int kernel_enum_value(const struct kernel *kernel, const char *type, const char *name)
{
	uint32_t id = kernel_type(kernel, type, BTF_KIND_ENUM, 0);
	const struct btf_type *t = id ? btf__type_by_id(kernel->btf, id) : NULL;

	for (unsigned i = 0; t && i < btf_vlen(t); i++)
		if (!strcmp(btf__name_by_offset(kernel->btf, btf_enum(t)[i].name_off), name))
			return btf_enum(t)[i].val;
	return -1;
}

const char *kernel_enum_name(const struct kernel *kernel, const char *type, unsigned value)
{
	uint32_t id = kernel_type(kernel, type, BTF_KIND_ENUM, 0);
	const struct btf_type *t = id ? btf__type_by_id(kernel->btf, id) : NULL;

	for (unsigned i = 0; t && i < btf_vlen(t); i++)
		if ((unsigned)btf_enum(t)[i].val == value)
			return btf__name_by_offset(kernel->btf, btf_enum(t)[i].name_off);
	return NULL;
}
