// SPDX-License-Identifier: BSD-2-Clause
/* Where this kernel has a field. For the few programs that look at so little that having libbpf
 * relocate them, which takes it 20 ms, would not pay. */
#include "probe/set.h"

#include <string.h>

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

int kernel_field_offset(const struct btf *btf, const char *type, const char *field)
{
	int id = btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT);

	return id > 0 ? member_offset(btf, btf__type_by_id(btf, (__u32)id), field, 0) : -1;
}

int kernel_enum_value(const struct btf *btf, const char *type, const char *name)
{
	int id = btf__find_by_name_kind(btf, type, BTF_KIND_ENUM);
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, (__u32)id) : NULL;

	for (unsigned i = 0; t && i < btf_vlen(t); i++)
		if (!strcmp(btf__name_by_offset(btf, btf_enum(t)[i].name_off), name))
			return btf_enum(t)[i].val;
	return -1;
}
