// SPDX-License-Identifier: BSD-2-Clause
/* The kernel's types, cut down to what the BPF objects look at. libbpf parses all types of the
 * kernel anew for each object and searches them for each type that the object names, which took
 * more time than all the rest of loading. Here the kernel's are read once, and libbpf gets, as its
 * custom type information, only those that have the name of a type of an object, and what these
 * contain, whatever it is called (a relocation goes by the names of members: what was struct
 * epoll_filefd is struct epoll_key in 7.2), with only the members whose names are in an object.
 * What a pointer points to is left out, because a relocation does not follow pointers. */
#include "probe/kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/btf.h>

#define NAMES 4096u /* a power of 2; the objects have about 700 */

struct cut {
	const struct kernel *kernel;
	struct btf *to;
	const char *names[NAMES]; /* of the objects' types and members: open addressing */
	unsigned nr_names;
	uint32_t *to_id; /* by type of the kernel; 0 = not taken */
	uint32_t *
		from_id; /* by type of the cut, in the order in which they are added; 0 = pointer */
	uint32_t nr, pointer;
};

static const char **name_slot(struct cut *c, const char *name, size_t len)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)name[i]) * 16777619u;
	for (;; hash++) {
		const char **slot = &c->names[hash & (NAMES - 1)];

		if (!*slot || (!strncmp(*slot, name, len) && !(*slot)[len]))
			return slot;
	}
}

static int name_add(struct cut *c, const char *name)
{
	const char **slot = name_slot(c, name, strlen(name));

	if (*slot)
		return 0;
	if (++c->nr_names > NAMES / 2)
		return -E2BIG;
	*slot = name;
	return 0;
}

static bool name_known(struct cut *c, const char *name)
{
	return *name_slot(c, name, strlen(name)) != NULL;
}

/* The number that a type will have in the cut. Types may be referred to before they are added. */
static int type_take(struct cut *c, uint32_t id)
{
	const struct btf_type *t = kernel_type_at(c->kernel, id);

	while (t && (btf_is_mod(t) || btf_is_typedef(t))) {
		id = t->type;
		t = kernel_type_at(c->kernel, id);
	}
	if (!id || !t)
		return 0;
	if (btf_is_ptr(t)) {
		if (!c->pointer) {
			c->pointer = ++c->nr;
			c->from_id[c->nr] = 0;
		}
		return (int)c->pointer;
	}
	if (!c->to_id[id]) {
		c->to_id[id] = ++c->nr;
		c->from_id[c->nr] = id;
	}
	return (int)c->to_id[id];
}

static int composite_add(struct cut *c, const struct btf_type *t, const char *name)
{
	const struct btf_member *m = btf_members(t);
	int ret;

	ret = btf_is_struct(t) ? btf__add_struct(c->to, name, t->size)
			       : btf__add_union(c->to, name, t->size);
	for (uint32_t i = 0; i < btf_vlen(t) && ret >= 0; i++, m++) {
		const char *member = kernel_name(c->kernel, m->name_off);

		if (!*member || name_known(c, member))
			ret = btf__add_field(c->to, member, type_take(c, m->type),
					     btf_member_bit_offset(t, i),
					     btf_member_bitfield_size(t, i));
	}
	return ret < 0 ? ret : 0;
}

static int enum_add(struct cut *c, const struct btf_type *t, const char *name)
{
	int ret = btf__add_enum(c->to, name, t->size);

	for (uint32_t i = 0; i < btf_vlen(t) && name_known(c, name) && ret >= 0; i++)
		ret = btf__add_enum_value(c->to, kernel_name(c->kernel, btf_enum(t)[i].name_off),
					  btf_enum(t)[i].val);
	return ret < 0 ? ret : 0;
}

static int enum64_add(struct cut *c, const struct btf_type *t, const char *name)
{
	int ret = btf__add_enum64(c->to, name, t->size, btf_kflag(t));

	for (uint32_t i = 0; i < btf_vlen(t) && name_known(c, name) && ret >= 0; i++)
		ret = btf__add_enum64_value(c->to,
					    kernel_name(c->kernel, btf_enum64(t)[i].name_off),
					    btf_enum64_value(&btf_enum64(t)[i]));
	return ret < 0 ? ret : 0;
}

static int type_add(struct cut *c, uint32_t id)
{
	const struct btf_type *t = kernel_type_at(c->kernel, id);
	const char *name = t ? kernel_name(c->kernel, t->name_off) : NULL;
	int ret;

	if (!id)
		return btf__add_ptr(c->to, 0);
	if (!name)
		return -EINVAL;
	switch (btf_kind(t)) {
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return composite_add(c, t, name);
	case BTF_KIND_INT:
		ret = btf__add_int(c->to, name, t->size, btf_int_encoding(t));
		break;
	case BTF_KIND_ENUM:
		return enum_add(c, t, name);
	case BTF_KIND_ENUM64:
		return enum64_add(c, t, name);
	case BTF_KIND_FLOAT:
		ret = btf__add_float(c->to, name, t->size);
		break;
	case BTF_KIND_ARRAY:
		/* The index type says nothing. */
		ret = btf__add_array(c->to, 0, type_take(c, btf_array(t)->type),
				     btf_array(t)->nelems);
		break;
	default:
		return -EINVAL;
	}
	return ret < 0 ? ret : 0;
}

/* Kernel types with the name of one of the object's, which may have a flavour: name___flavour. */
static int names_take(struct cut *c, const char *name)
{
	static const uint32_t kinds[] = { BTF_KIND_STRUCT, BTF_KIND_UNION, BTF_KIND_ENUM,
					  BTF_KIND_ENUM64 };
	char plain[128];
	const char *flavour = strstr(name, "___");
	size_t len = flavour && flavour > name ? (size_t)(flavour - name) : strlen(name);

	if (len >= sizeof(plain))
		return -E2BIG;
	memcpy(plain, name, len);
	plain[len] = '\0';
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		uint32_t id = 0;

		while ((id = kernel_type(c->kernel, plain, kinds[i], id)))
			if (!c->to_id[id]) {
				const char *known = kernel_name(
					c->kernel, kernel_type_at(c->kernel, id)->name_off);

				if (name_add(c, known))
					return -E2BIG;
				type_take(c, id);
			}
	}
	return 0;
}

static int object_names(struct cut *c, const struct btf *object, bool take)
{
	int ret = 0;

	for (uint32_t id = 1; id < btf__type_cnt(object) && !ret; id++) {
		const struct btf_type *t = btf__type_by_id(object, id);
		const struct btf_member *m = btf_members(t);

		if (!btf_is_composite(t) && !btf_is_any_enum(t))
			continue;
		if (take)
			ret = names_take(c, btf__name_by_offset(object, t->name_off));
		for (uint32_t i = 0; btf_is_composite(t) && i < btf_vlen(t) && !take && !ret;
		     i++, m++)
			ret = name_add(c, btf__name_by_offset(object, m->name_off));
	}
	return ret;
}

static int cut_make(struct cut *c, const struct btf *const *objects, unsigned nr)
{
	uint32_t types = kernel_nr_types(c->kernel);
	int ret = 0;

	c->to = btf__new_empty();
	c->to_id = calloc(types, sizeof(*c->to_id));
	c->from_id = calloc(types + 1, sizeof(*c->from_id));
	if (!c->to || !c->to_id || !c->from_id)
		return -ENOMEM;
	btf__set_pointer_size(c->to, sizeof(void *));
	for (unsigned i = 0; i < nr && !ret; i++)
		ret = object_names(c, objects[i], false);
	for (unsigned i = 0; i < nr && !ret; i++)
		ret = object_names(c, objects[i], true);
	for (uint32_t id = 1; id <= c->nr && !ret; id++) {
		ret = type_add(c, c->from_id[id]);
		if (ret >= 0)
			ret = btf__type_cnt(c->to) == id + 1 ? 0 : -EINVAL;
	}
	return ret;
}

int types_write(const struct kernel *kernel, const struct btf *const *objects, unsigned nr, int fd)
{
	struct cut *c = calloc(1, sizeof(*c));
	const char *data;
	ssize_t done;
	uint32_t size;
	int ret;

	if (!c)
		return -ENOMEM;
	c->kernel = kernel;
	ret = cut_make(c, objects, nr);
	if (ret)
		goto out;
	data = btf__raw_data(c->to, &size);
	if (!data) {
		ret = -ENOMEM;
		goto out;
	}
	for (uint32_t at = 0; at < size; at += (uint32_t)done) {
		done = pwrite(fd, data + at, size - at, at);
		if (done <= 0) {
			ret = done ? -errno : -EIO;
			break;
		}
	}
out:
	btf__free(c->to);
	free(c->to_id);
	free(c->from_id);
	free(c);
	return ret;
}
