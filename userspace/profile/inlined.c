// SPDX-License-Identifier: BSD-2-Clause
#include "profile/inlined.h"

#include <dwarf.h>
#include <stdbool.h>
#include <stdlib.h>

struct range {
	Dwarf_Addr start, end;
	Dwarf_Die *unit;
	Dwarf_Addr bias;
};

struct inlined_units {
	struct range *ranges; /* by start */
	size_t nr, room;
};

static int by_start(const void *a, const void *b)
{
	Dwarf_Addr x = ((const struct range *)a)->start, y = ((const struct range *)b)->start;

	return x < y ? -1 : x > y;
}

static bool range_add(struct inlined_units *u, struct range range)
{
	if (u->nr == u->room) {
		size_t room = u->room ? 2 * u->room : 64;
		struct range *grown = reallocarray(u->ranges, room, sizeof(*grown));

		if (!grown)
			return false;
		u->ranges = grown;
		u->room = room;
	}
	u->ranges[u->nr++] = range;
	return true;
}

static struct inlined_units *units_read(Dwfl_Module *module)
{
	struct inlined_units *u = calloc(1, sizeof(*u));
	Dwarf_Die *unit = NULL;
	Dwarf_Addr bias;

	while (u && (unit = dwfl_module_nextcu(module, unit, &bias))) {
		Dwarf_Addr base, start, end;
		ptrdiff_t at = 0;

		while ((at = dwarf_ranges(unit, at, &base, &start, &end)) > 0)
			if (end > start &&
			    !range_add(u, (struct range){ start + bias, end + bias, unit, bias }))
				break;
	}
	if (u && u->nr)
		qsort(u->ranges, u->nr, sizeof(*u->ranges), by_start);
	return u;
}

/* The unit that holds an address, NULL = none does. */
static Dwarf_Die *units_find(struct inlined_units **units, Dwfl_Module *module, Dwarf_Addr address,
			     Dwarf_Addr *ret_bias)
{
	Dwarf_Die *unit = dwfl_module_addrdie(module, address, ret_bias);
	size_t low = 0, high;

	if (unit)
		return unit;
	if (!*units)
		*units = units_read(module);
	if (!*units)
		return NULL;
	/* The last that begins at the address or before it. */
	for (high = (*units)->nr; low < high;) {
		size_t middle = (low + high) / 2;

		if ((*units)->ranges[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || address >= (*units)->ranges[low - 1].end)
		return NULL;
	*ret_bias = (*units)->ranges[low - 1].bias;
	return (*units)->ranges[low - 1].unit;
}

/* The mangled name, which tells class and parameters; else the plain one. */
static const char *die_name(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	const char *name = NULL;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute))
		name = dwarf_formstring(&attribute);
	return name ? name : dwarf_diename(die);
}

/* Functions are below these, too: clang writes them where they are declared. dwarf_getscopes() does
 * not look there, because these have no addresses. */
static bool holds_functions(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_class_type ||
	       tag == DW_TAG_structure_type || tag == DW_TAG_module;
}

/* The function below `die` that holds the address. */
static bool find_function(Dwarf_Die *die, Dwarf_Addr address, Dwarf_Die *ret_function)
{
	Dwarf_Die child;

	if (dwarf_child(die, &child))
		return false;
	do {
		int tag = dwarf_tag(&child);

		if (tag == DW_TAG_subprogram && dwarf_haspc(&child, address) > 0) {
			*ret_function = child;
			return true;
		}
		if (holds_functions(tag) && find_function(&child, address, ret_function))
			return true;
	} while (!dwarf_siblingof(&child, &child));
	return false;
}

/* What of the function's scopes holds the address; what is innermost is told first. */
static unsigned names_within(Dwarf_Die *die, Dwarf_Addr address, const char **ret_names,
			     unsigned max)
{
	const char *name;
	Dwarf_Die child;
	unsigned nr;

	if (dwarf_child(die, &child))
		return 0;
	do {
		int tag = dwarf_tag(&child);

		if ((tag != DW_TAG_inlined_subroutine && tag != DW_TAG_lexical_block) ||
		    dwarf_haspc(&child, address) <= 0)
			continue;
		nr = names_within(&child, address, ret_names, max);
		name = tag == DW_TAG_inlined_subroutine ? die_name(&child) : NULL;
		if (name && nr < max)
			ret_names[nr++] = name;
		return nr;
	} while (!dwarf_siblingof(&child, &child));
	return 0;
}

unsigned inlined_names(struct inlined_units **units, Dwfl_Module *module, Dwarf_Addr address,
		       const char **ret_names, unsigned max)
{
	Dwarf_Addr bias;
	Dwarf_Die *unit = units_find(units, module, address, &bias), function;

	if (!unit || !find_function(unit, address - bias, &function))
		return 0;
	return names_within(&function, address - bias, ret_names, max);
}

void inlined_free(struct inlined_units *units)
{
	if (!units)
		return;
	free(units->ranges);
	free(units);
}
