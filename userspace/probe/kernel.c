// SPDX-License-Identifier: BSD-2-Clause
/* What the running kernel has, by its type information (BTF). libbpf copies it, which on a guest
 * takes three times as long as to look through it (a page fault for each page of the copy), and
 * searches its 100,000 types one by one. Here it is read where the kernel maps it, and an index of
 * the names makes the questions cheap that are asked dozens of times. */
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
	void *mapped; /* the kernel's own memory, or NULL: then it is in btf */
	size_t mapped_bytes;
	struct btf *btf;
	const char *types, *names;
	uint32_t types_len, names_len, nr; /* type 0 is void */
	uint32_t *at;			   /* by type: where in types */
	const char *raw;
	uint32_t raw_bytes;
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

/* What follows struct btf_type, by the format's documentation (Documentation/bpf/btf.rst); -1 = of
 * a kind that is not known. */
static int64_t type_rest(const struct btf_type *t)
{
	switch (btf_kind(t)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return sizeof(uint32_t);
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return (int64_t)btf_vlen(t) * (int64_t)sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return (int64_t)btf_vlen(t) * (int64_t)sizeof(struct btf_enum);
	case BTF_KIND_ENUM64:
		return (int64_t)btf_vlen(t) * (int64_t)sizeof(struct btf_enum64);
	case BTF_KIND_FUNC_PROTO:
		return (int64_t)btf_vlen(t) * (int64_t)sizeof(struct btf_param);
	case BTF_KIND_DATASEC:
		return (int64_t)btf_vlen(t) * (int64_t)sizeof(struct btf_var_secinfo);
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_FLOAT:
	case BTF_KIND_TYPE_TAG:
		return 0;
	default:
		return -1;
	}
}

/* Find the two sections. */
static bool sections_find(struct kernel *kernel)
{
	struct btf_header h;
	uint64_t end;

	if (!kernel->raw || kernel->raw_bytes < sizeof(h))
		return false;
	memcpy(&h, kernel->raw, sizeof(h));
	end = (uint64_t)h.hdr_len + h.type_off + h.type_len;
	if (h.magic != BTF_MAGIC || end > kernel->raw_bytes ||
	    (uint64_t)h.hdr_len + h.str_off + h.str_len > kernel->raw_bytes || !h.str_len)
		return false;
	kernel->types = kernel->raw + h.hdr_len + h.type_off;
	kernel->types_len = h.type_len;
	kernel->names = kernel->raw + h.hdr_len + h.str_off;
	kernel->names_len = h.str_len;
	return !kernel->names[h.str_len - 1];
}

/* Note where each type is. */
static bool types_find(struct kernel *kernel)
{
	uint32_t room = kernel->types_len / sizeof(struct btf_type) + 1;

	kernel->at = malloc(room * sizeof(*kernel->at));
	if (!kernel->at)
		return false;
	kernel->nr = 1;
	for (uint64_t at = 0; at + sizeof(struct btf_type) <= kernel->types_len;) {
		const struct btf_type *t = (const void *)(kernel->types + at);
		int64_t rest = type_rest(t);

		if (rest < 0 || at + sizeof(*t) + (uint64_t)rest > kernel->types_len)
			return false;
		kernel->at[kernel->nr++] = (uint32_t)at;
		at += sizeof(*t) + (uint64_t)rest;
	}
	return true;
}

static bool index_fill(struct kernel *kernel)
{
	kernel->next = calloc(kernel->nr, sizeof(*kernel->next));
	if (!kernel->next)
		return false;
	/* Downwards: of several types with one name, the first is found. */
	for (uint32_t id = kernel->nr - 1; id; id--) {
		const struct btf_type *t = kernel_type_at(kernel, id);
		const char *name = kernel_name(kernel, t->name_off);
		uint32_t bucket;

		if (!*name || !worth_finding(t, name))
			continue;
		bucket = bucket_of(name);
		kernel->next[id] = kernel->bucket[bucket];
		kernel->bucket[bucket] = id;
	}
	return true;
}

static struct kernel *kernel_index(struct kernel *kernel)
{
	if (sections_find(kernel) && types_find(kernel) && index_fill(kernel))
		return kernel;
	kernel_close(kernel);
	return NULL;
}

struct kernel *kernel_from(struct btf *btf)
{
	struct kernel *kernel = calloc(1, sizeof(*kernel));

	if (!kernel) {
		btf__free(btf);
		return NULL;
	}
	kernel->btf = btf;
	kernel->raw = btf ? btf__raw_data(btf, &kernel->raw_bytes) : NULL;
	return kernel_index(kernel);
}

/* From Linux 6.16 on it can be mapped. NULL = it cannot. */
static struct kernel *kernel_mapped(void)
{
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
	struct kernel *kernel = calloc(1, sizeof(*kernel));
	struct stat st;

	if (kernel && fd >= 0 && !fstat(fd, &st) && st.st_size > 0 && st.st_size <= UINT32_MAX) {
		kernel->mapped_bytes = (size_t)st.st_size;
		kernel->mapped = mmap(NULL, kernel->mapped_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
		if (kernel->mapped == MAP_FAILED)
			kernel->mapped = NULL;
	}
	if (fd >= 0)
		close(fd);
	if (!kernel || !kernel->mapped) {
		free(kernel);
		return NULL;
	}
	kernel->raw = kernel->mapped;
	kernel->raw_bytes = (uint32_t)kernel->mapped_bytes;
	return kernel_index(kernel);
}

struct kernel *kernel_open(void)
{
	struct kernel *kernel = kernel_mapped();

	return kernel ? kernel : kernel_from(btf__load_vmlinux_btf());
}

void kernel_close(struct kernel *kernel)
{
	if (!kernel)
		return;
	if (kernel->mapped)
		munmap(kernel->mapped, kernel->mapped_bytes);
	btf__free(kernel->btf);
	free(kernel->at);
	free(kernel->next);
	free(kernel);
}

const char *kernel_raw(const struct kernel *kernel, uint32_t *ret_bytes)
{
	*ret_bytes = kernel->raw_bytes;
	return kernel->raw;
}

uint32_t kernel_nr_types(const struct kernel *kernel)
{
	return kernel->nr;
}

const struct btf_type *kernel_type_at(const struct kernel *kernel, uint32_t id)
{
	static const struct btf_type nothing;

	if (!id)
		return &nothing;
	return id < kernel->nr ? (const void *)(kernel->types + kernel->at[id]) : NULL;
}

const char *kernel_name(const struct kernel *kernel, uint32_t offset)
{
	return offset < kernel->names_len ? kernel->names + offset : "";
}

uint32_t kernel_type(const struct kernel *kernel, const char *name, uint32_t kind, uint32_t after)
{
	uint32_t id = after ? kernel->next[after] : kernel->bucket[bucket_of(name)];

	for (; id; id = kernel->next[id]) {
		const struct btf_type *t = kernel_type_at(kernel, id);

		if (btf_kind(t) == kind && !strcmp(kernel_name(kernel, t->name_off), name))
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
	const struct btf_type *t = kernel_type_at(kernel, kernel_tracepoint(kernel, name));

	for (int i = 0; i < 2 && t && (btf_is_typedef(t) || btf_is_ptr(t)); i++)
		t = kernel_type_at(kernel, t->type);
	if (!t || !btf_is_func_proto(t) || !btf_vlen(t))
		return 0;
	return btf_vlen(t) - 1; /* the first is void * */
}

/* --- fields and values --- */

static int member_offset(const struct kernel *kernel, const struct btf_type *t, const char *field,
			 int depth)
{
	for (unsigned i = 0; i < btf_vlen(t); i++) {
		const struct btf_member *m = &btf_members(t)[i];
		const char *name = kernel_name(kernel, m->name_off);
		const struct btf_type *inner = kernel_type_at(kernel, m->type);
		int at = (int)btf_member_bit_offset(t, i) / 8, in;

		if (!strcmp(name, field))
			return at;
		if (*name || depth >= 4 || !inner || !btf_is_composite(inner))
			continue;
		in = member_offset(kernel, inner, field, depth + 1);
		if (in >= 0)
			return at + in;
	}
	return -1;
}

int kernel_field_offset(const struct kernel *kernel, const char *type, const char *field)
{
	uint32_t id = kernel_type(kernel, type, BTF_KIND_STRUCT, 0);

	return id ? member_offset(kernel, kernel_type_at(kernel, id), field, 0) : -1;
}

bool kernel_has_field(const struct kernel *kernel, const char *type, const char *field)
{
	return kernel_field_offset(kernel, type, field) >= 0;
}

int kernel_enum_value(const struct kernel *kernel, const char *type, const char *name)
{
	uint32_t id = kernel_type(kernel, type, BTF_KIND_ENUM, 0);
	const struct btf_type *t = id ? kernel_type_at(kernel, id) : NULL;

	for (unsigned i = 0; t && i < btf_vlen(t); i++)
		if (!strcmp(kernel_name(kernel, btf_enum(t)[i].name_off), name))
			return btf_enum(t)[i].val;
	return -1;
}

const char *kernel_enum_name(const struct kernel *kernel, const char *type, unsigned value)
{
	uint32_t id = kernel_type(kernel, type, BTF_KIND_ENUM, 0);
	const struct btf_type *t = id ? kernel_type_at(kernel, id) : NULL;

	for (unsigned i = 0; t && i < btf_vlen(t); i++)
		if ((unsigned)btf_enum(t)[i].val == value)
			return kernel_name(kernel, btf_enum(t)[i].name_off);
	return NULL;
}
