/* SPDX-License-Identifier: BSD-2-Clause */
/* What the running kernel has: tracepoints, types and their fields. */
#ifndef PROBE_KERNEL_H
#define PROBE_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

struct btf;
struct btf_type;
struct kernel;

/* NULL = it has no type information, or there is no memory. */
struct kernel *kernel_open(void);
/* Of these types, which belong to it from here on, even if it fails. */
struct kernel *kernel_from(struct btf *btf);
void kernel_close(struct kernel *kernel);
/* All of it, in the format of BTF. */
const char *kernel_raw(const struct kernel *kernel, uint32_t *ret_bytes);
/* Types are numbered from 1 on; 0 is void, and counted. */
uint32_t kernel_nr_types(const struct kernel *kernel);
/* NULL = there is no such type. It and names live as long as kernel does. */
const struct btf_type *kernel_type_at(const struct kernel *kernel, uint32_t id);
/* By btf_type.name_off and the like; "" = it has none. */
const char *kernel_name(const struct kernel *kernel, uint32_t offset);
/* The first type of that name and kind (BTF_KIND_*), or, with the answer of the call before, the
 * next one; 0 = there is none. Functions are found if they are iterators (bpf_iter_*) or
 * bpf_rdonly_cast. */
uint32_t kernel_type(const struct kernel *kernel, const char *name, uint32_t kind, uint32_t after);

/* The type that a program of the tracepoint names to attach to it; 0 = not there. */
uint32_t kernel_tracepoint(const struct kernel *kernel, const char *name);
bool kernel_has_tracepoint(const struct kernel *kernel, const char *name);
unsigned kernel_tracepoint_args(const struct kernel *kernel, const char *name);
bool kernel_has_field(const struct kernel *kernel, const char *type, const char *field);
/* In bytes; -1 = this kernel does not have it. */
int kernel_field_offset(const struct kernel *kernel, const char *type, const char *field);
int kernel_enum_value(const struct kernel *kernel, const char *type, const char *name);
/* NULL = there is no such value. */
const char *kernel_enum_name(const struct kernel *kernel, const char *type, unsigned value);

/* types.c: writes to fd, for libbpf to relocate with, those of the kernel's types that the given
 * objects' own types are named like. 0 or negative errno. */
int types_write(const struct kernel *kernel, const struct btf *const *objects, unsigned nr, int fd);

#endif
