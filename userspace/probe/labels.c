// SPDX-License-Identifier: BSD-2-Clause
/* Labels of a metric's values: fixed ones, and ones that are met while running (a device, a reason,
 * an operation), which are named by an enum of the kernel or by the programs themselves. */
#include "probe/set.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static unsigned fixed_labels(const struct probe_desc *desc)
{
	unsigned nr = 0;

	if (!desc->key[0])
		return 1;
	while (nr < PROBE_MAX_LABELS && desc->label[nr][0])
		nr++;
	return nr;
}

static unsigned row_size(const struct probe_desc *desc)
{
	return desc->kind == PROBE_HIST ? PROBE_HIST_SLOTS : 1;
}

size_t value_slots(const struct probe_desc *desc)
{
	size_t found = desc->found_key[0] ? desc->found_max : 1;

	return found * fixed_labels(desc) * row_size(desc);
}

bool value_row(const struct probe_desc *desc, unsigned index, struct value_row *ret_row)
{
	unsigned nr = fixed_labels(desc);

	memset(ret_row, 0, sizeof(*ret_row));
	if (!nr || index >= nr * (desc->found_key[0] ? desc->found_max : 1))
		return false;
	ret_row->found = index / nr;
	ret_row->slot = desc->slot + index * row_size(desc);
	if (desc->key[0])
		ret_row->labels[0] = (struct bench_label){ desc->key, desc->label[index % nr] };
	return true;
}

void value_row_name(const struct probe_set *set, const struct probe_object *object,
		    const struct probe_desc *desc, struct value_row *row)
{
	size_t len = strlen(desc->found_prefix);
	const char *name = NULL;

	if (!desc->found_key[0])
		return;
	if (desc->found_enum[0])
		name = kernel_enum_name(set->kernel, desc->found_enum, row->found);
	else if (object->keys)
		name = object->keys[row->found].name;
	if (name && len && !strncmp(name, desc->found_prefix, len))
		name += len;
	if (name && *name)
		snprintf(row->name, sizeof(row->name), "%.31s", name);
	else
		snprintf(row->name, sizeof(row->name), "%u", row->found);
	for (char *c = row->name; *c && desc->found_enum[0]; c++)
		*c = (char)tolower((unsigned char)*c);
	row->labels[desc->key[0] ? 1 : 0] = (struct bench_label){ desc->found_key, row->name };
}
