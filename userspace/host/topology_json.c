// SPDX-License-Identifier: BSD-2-Clause
/* The topology as a part of the saved result. */
#include <hwloc.h>
#include <stdlib.h>
#include <string.h>

#include "host/topology_internal.h"

static json_t *cpu_list(hwloc_const_bitmap_t set)
{
	char *text = NULL;
	json_t *list;

	if (!set || hwloc_bitmap_list_asprintf(&text, set) < 0)
		return json_null();
	list = json_string(text);
	free(text);
	return list;
}

static const char *cache_type(hwloc_obj_cache_type_t type)
{
	switch (type) {
	case HWLOC_OBJ_CACHE_DATA:
		return "data";
	case HWLOC_OBJ_CACHE_INSTRUCTION:
		return "instruction";
	default:
		return "unified";
	}
}

/* One row per kind of cache; size, line and sharing are those of its first instance. */
static json_t *caches(const struct topology *t)
{
	json_t *rows = json_array();

	for (int type = HWLOC_OBJ_L1CACHE; type <= HWLOC_OBJ_L3ICACHE; type++) {
		int nr = hwloc_get_nbobjs_by_type(t->hw, (hwloc_obj_type_t)type);
		hwloc_obj_t first = hwloc_get_obj_by_type(t->hw, (hwloc_obj_type_t)type, 0);

		if (nr <= 0 || !first)
			continue;
		json_array_append_new(
			rows, json_pack("{s:i, s:s, s:i, s:I, s:i, s:i}", "level",
					(int)first->attr->cache.depth, "type",
					cache_type(first->attr->cache.type), "count", nr,
					"size_bytes", (json_int_t)first->attr->cache.size,
					"line_bytes", (int)first->attr->cache.linesize,
					"shared_by_pus", hwloc_bitmap_weight(first->cpuset)));
	}
	return rows;
}

static json_t *nodes(const struct topology *t)
{
	json_t *rows = json_array();
	hwloc_obj_t node = NULL;

	while ((node = hwloc_get_next_obj_by_type(t->hw, HWLOC_OBJ_NUMANODE, node)))
		json_array_append_new(rows, json_pack("{s:i, s:I, s:o}", "node",
						      (int)node->os_index, "memory_bytes",
						      (json_int_t)node->attr->numanode.local_memory,
						      "cpus", cpu_list(node->cpuset)));
	return rows;
}

/* Hybrid processors: which CPUs are of which kind, the slowest kind first. Empty otherwise. */
static json_t *kinds(const struct topology *t)
{
	int nr = hwloc_cpukinds_get_nr(t->hw, 0);
	json_t *rows = json_array();

	for (int i = 0; nr > 1 && i < nr; i++) {
		hwloc_bitmap_t set = hwloc_bitmap_alloc();
		struct hwloc_info_s *infos = NULL;
		const char *type = NULL;
		unsigned nr_infos = 0;
		int efficiency = -1;
		json_t *row;

		if (set && !hwloc_cpukinds_get_info(t->hw, (unsigned)i, set, &efficiency, &nr_infos,
						    &infos, 0)) {
			for (unsigned k = 0; k < nr_infos; k++)
				if (!strcmp(infos[k].name, "CoreType"))
					type = infos[k].value;
			row = json_pack("{s:o, s:i, s:s?}", "cpus", cpu_list(set), "efficiency",
					efficiency, "type", type);
			json_array_append_new(rows, row);
		}
		hwloc_bitmap_free(set);
	}
	return rows;
}

static json_t *known(int index)
{
	return index < 0 ? json_null() : json_integer(index);
}

/* The allowed CPUs, in order of use. */
static json_t *cpus(const struct topology *t)
{
	json_t *rows = json_array();

	for (unsigned i = 0; i < t->nr; i++) {
		const struct topology_cpu *cpu = &t->cpus[i];

		json_array_append_new(
			rows, json_pack("{s:i, s:o, s:o, s:o, s:b}", "cpu", cpu->os_index, "core",
					known(cpu->core), "package", known(cpu->package), "numa",
					known(cpu->numa), "smt_sibling", cpu->smt_sibling));
	}
	return rows;
}

/* How many there are, null where hwloc does not know. */
static json_t *count(const struct topology *t, hwloc_obj_type_t type)
{
	int nr = hwloc_get_nbobjs_by_type(t->hw, type);

	return nr > 0 ? json_integer(nr) : json_null();
}

json_t *topology_json(const struct topology *t)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "packages",
			 count(t, HWLOC_OBJ_PACKAGE), "numa_nodes", count(t, HWLOC_OBJ_NUMANODE),
			 "cores", count(t, HWLOC_OBJ_CORE), "pus", count(t, HWLOC_OBJ_PU),
			 "allowed", cpu_list(t->allowed), "caches", caches(t), "nodes", nodes(t),
			 "kinds", kinds(t), "cpus", cpus(t));
}
