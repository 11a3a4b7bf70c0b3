// SPDX-License-Identifier: BSD-2-Clause
/* The CPUs that we may use: hwloc's picture of the host, cut down to our affinity mask. The order
 * of use is: first PUs of all cores, then second PUs, ...; among equals NUMA node by node. */
#include "host/topology.h"

#include <errno.h>
#include <hwloc.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "host/cgroup.h"
#include "host/topology_internal.h"

/* hwloc loads its plugins (OpenCL, OpenGL, PCI) when a topology is made: over ten ms, and none
 * tells about CPUs. The variable is taken back, so that children do not inherit it; no other
 * thread exists this early. */
static int init_without_plugins(hwloc_topology_t *ret_hw)
{
	bool ours = !getenv("HWLOC_PLUGINS_PATH");
	int ret;

	if (ours)
		setenv("HWLOC_PLUGINS_PATH", "/nonexistent", 0);
	ret = hwloc_topology_init(ret_hw);
	if (ours)
		unsetenv("HWLOC_PLUGINS_PATH");
	return ret ? -ENOMEM : 0;
}

static int load(struct topology *t, struct bench_err *err)
{
	/* CPUs outside our cpuset stay in the picture: indexes of cores are then the same whatever
	 * the cpuset, and a message can tell "not yours" from "does not exist". */
	unsigned long flags = HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED |
			      HWLOC_TOPOLOGY_FLAG_NO_DISTANCES | HWLOC_TOPOLOGY_FLAG_NO_MEMATTRS |
			      HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING;
	int ret = init_without_plugins(&t->hw);

	if (ret)
		return bench_fail(err, ret, "hwloc: cannot make a topology");
	/* The x86 backend runs CPUID on each CPU in turn: slow on large hosts, and it disturbs
	 * isolated CPUs. The kernel's sysfs says the same. Failure means an old hwloc: slower. */
	(void)hwloc_topology_set_components(t->hw, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
	if (hwloc_topology_set_flags(t->hw, flags) || hwloc_topology_load(t->hw)) {
		ret = errno ? -errno : -EIO;
		return bench_fail(err, ret, "hwloc: cannot load the topology: %s", strerror(-ret));
	}
	t->live = hwloc_topology_is_thissystem(t->hw);
	return 0;
}

/* The kernel's mask is already cut to the cpuset and to online CPUs. */
static int find_allowed(struct topology *t, struct bench_err *err)
{
	t->allowed = hwloc_bitmap_alloc();
	if (!t->allowed)
		return bench_fail(err, -ENOMEM, "topology: out of memory");
	if (!t->live || hwloc_get_cpubind(t->hw, t->allowed, HWLOC_CPUBIND_THREAD))
		hwloc_bitmap_copy(t->allowed, hwloc_topology_get_allowed_cpuset(t->hw));
	hwloc_bitmap_and(t->allowed, t->allowed, hwloc_topology_get_topology_cpuset(t->hw));
	if (hwloc_bitmap_iszero(t->allowed))
		return bench_fail(err, -ENODEV, "topology: no CPU is both online and allowed");
	return 0;
}

struct ranked {
	struct topology_cpu cpu;
	int rank;      /* 0 for the first allowed PU of its core */
	int node_rank; /* logical index of the NUMA node */
	unsigned pu;   /* logical index */
};

static int by_use(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	if (x->node_rank != y->node_rank)
		return x->node_rank < y->node_rank ? -1 : 1;
	return x->pu < y->pu ? -1 : x->pu > y->pu;
}

/* The outermost cache above a PU that is there to be shared: L1 and L2 that each core has of its own
 * make no group. */
static int last_level_cache(const struct topology *t, hwloc_obj_t pu)
{
	int found = -1;

	for (hwloc_obj_t up = pu->parent; up; up = up->parent)
		if (up->type == HWLOC_OBJ_L3CACHE || up->type == HWLOC_OBJ_L4CACHE)
			found = (int)up->logical_index;
	if (found >= 0 || hwloc_get_nbobjs_by_type(t->hw, HWLOC_OBJ_L3CACHE) > 0)
		return found;
	for (hwloc_obj_t up = pu->parent; up; up = up->parent)
		if (up->type == HWLOC_OBJ_L2CACHE)
			found = (int)up->logical_index;
	return found;
}

static void describe(const struct topology *t, hwloc_obj_t pu, hwloc_obj_t core, int rank,
		     struct ranked *ret_cpu)
{
	hwloc_obj_t package = hwloc_get_ancestor_obj_by_type(t->hw, HWLOC_OBJ_PACKAGE, pu);
	/* High-bandwidth memory is a second node of the same CPUs, with a higher number. */
	int numa = pu->nodeset ? hwloc_bitmap_first(pu->nodeset) : -1;
	hwloc_obj_t node =
		numa < 0 ? NULL : hwloc_get_numanode_obj_by_os_index(t->hw, (unsigned)numa);

	*ret_cpu = (struct ranked){
		.cpu = {
			.os_index = (int)pu->os_index,
			.core = core ? (int)core->logical_index : -1,
			.package = package ? (int)package->logical_index : -1,
			.numa = node ? numa : -1,
			.llc = last_level_cache(t, pu),
			.smt_sibling = rank > 0,
		},
		.rank = rank,
		.node_rank = node ? (int)node->logical_index : INT_MAX,
		.pu = pu->logical_index,
	};
}

static int order_cpus(struct topology *t, struct bench_err *err)
{
	unsigned max = (unsigned)hwloc_bitmap_weight(t->allowed);
	struct ranked *list = calloc(max, sizeof(*list));
	hwloc_obj_t pu = NULL, last_core = NULL;
	int rank = 0, ret = 0;

	t->cpus = calloc(max, sizeof(*t->cpus));
	if (!list || !t->cpus) {
		ret = bench_fail(err, -ENOMEM, "topology: out of memory for %u CPUs", max);
		goto out;
	}
	/* PUs come in logical order, so those of one core stand together. */
	while ((pu = hwloc_get_next_obj_by_type(t->hw, HWLOC_OBJ_PU, pu)) && t->nr < max) {
		hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(t->hw, HWLOC_OBJ_CORE, pu);

		if (!hwloc_bitmap_isset(t->allowed, pu->os_index))
			continue;
		rank = core && core == last_core ? rank + 1 : 0;
		last_core = core;
		t->nr_cores += rank == 0;
		describe(t, pu, core, rank, &list[t->nr++]);
	}
	qsort(list, t->nr, sizeof(*list), by_use);
	for (unsigned i = 0; i < t->nr; i++)
		t->cpus[i] = list[i].cpu;
out:
	free(list);
	return ret;
}

int topology_open(struct topology **ret_topology, struct bench_err *err)
{
	struct topology *t = calloc(1, sizeof(*t));
	struct cgroup_limits limits;
	int ret;

	if (!t)
		return bench_fail(err, -ENOMEM, "topology: out of memory");
	ret = load(t, err);
	if (!ret)
		ret = find_allowed(t, err);
	if (!ret)
		ret = order_cpus(t, err);
	if (ret) {
		topology_close(t);
		return ret;
	}
	/* No cgroup file system means no quota. */
	(void)cgroup_read(&limits);
	t->quota = limits.quota_cpus;
	memcpy(t->quota_path, limits.quota_path, sizeof(t->quota_path));
	*ret_topology = t;
	return 0;
}

void topology_close(struct topology *t)
{
	if (!t)
		return;
	hwloc_bitmap_free(t->allowed);
	if (t->hw)
		hwloc_topology_destroy(t->hw);
	free(t->cpus);
	free(t);
}

enum topology_relation topology_relation(const struct topology_cpu *a, const struct topology_cpu *b)
{
	if (a->os_index == b->os_index)
		return TOPOLOGY_SAME_CPU;
	if (a->core >= 0 && a->core == b->core)
		return TOPOLOGY_SMT;
	if (a->llc >= 0 && a->llc == b->llc)
		return TOPOLOGY_LLC;
	return a->package == b->package ? TOPOLOGY_PACKAGE : TOPOLOGY_CROSS;
}

unsigned topology_nr_cpus(const struct topology *t)
{
	return t->nr;
}

const struct topology_cpu *topology_cpu(const struct topology *t, unsigned i)
{
	return i < t->nr ? &t->cpus[i] : NULL;
}

unsigned topology_nr_cores(const struct topology *t)
{
	return t->nr_cores;
}

const struct topology_cpu *topology_find(const struct topology *t, int os_index)
{
	for (unsigned i = 0; i < t->nr; i++)
		if (t->cpus[i].os_index == os_index)
			return &t->cpus[i];
	return NULL;
}

double topology_quota(const struct topology *t, const char **ret_source)
{
	if (ret_source)
		*ret_source = t->quota_path;
	return t->quota;
}

/* One CPU of the list, or why it cannot be used. */
static int check_cpu(const struct topology *t, unsigned long cpu, struct bench_err *err)
{
	char allowed[128];

	if (cpu <= INT_MAX && topology_find(t, (int)cpu))
		return 0;
	hwloc_bitmap_list_snprintf(allowed, sizeof(allowed), t->allowed);
	if (cpu > INT_MAX ||
	    !hwloc_bitmap_isset(hwloc_topology_get_complete_cpuset(t->hw), (unsigned)cpu))
		return bench_fail(err, -EINVAL, "CPU %lu: this host has no such CPU (usable: %s)",
				  cpu, allowed);
	if (!hwloc_bitmap_isset(hwloc_topology_get_topology_cpuset(t->hw), (unsigned)cpu))
		return bench_fail(err, -EINVAL, "CPU %lu is offline (usable: %s)", cpu, allowed);
	return bench_fail(err, -EINVAL, "CPU %lu is outside of our cpuset (usable: %s)", cpu,
			  allowed);
}

/* Digits only: no sign, no blanks. */
static bool parse_number(const char **text, unsigned long *ret_value)
{
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	*ret_value = strtoul(*text, &end, 10); /* too large: ULONG_MAX, refused as a CPU */
	*text = end;
	return true;
}

/* Append the CPUs of one part ("3" or "0-3") to cpus, which has room for all allowed CPUs. */
static int parse_part(const struct topology *t, const char *part, size_t len, int *cpus,
		      unsigned *nr, struct bench_err *err)
{
	const char *p = part;
	unsigned long first, last;
	bool ok = parse_number(&p, &first);

	last = first;
	if (ok && *p == '-') {
		p++;
		ok = parse_number(&p, &last);
	}
	if (!ok || p != part + len)
		return bench_fail(err, -EINVAL,
				  "CPU list: '%.*s' is not a CPU number or a range such as 0-3",
				  (int)(len < 64 ? len : 64), part);
	if (last < first)
		return bench_fail(err, -EINVAL, "CPU list: range '%.*s' runs backwards", (int)len,
				  part);
	for (unsigned long cpu = first;; cpu++) {
		int ret = check_cpu(t, cpu, err);

		if (ret)
			return ret;
		for (unsigned i = 0; i < *nr; i++)
			if (cpus[i] == (int)cpu)
				return bench_fail(err, -EINVAL, "CPU list: CPU %lu stands twice",
						  cpu);
		cpus[(*nr)++] = (int)cpu;
		if (cpu == last)
			return 0;
	}
}

int topology_parse(const struct topology *t, const char *list, int **ret_cpus, unsigned *ret_nr,
		   struct bench_err *err)
{
	int *cpus = calloc(t->nr, sizeof(*cpus));
	unsigned nr = 0;
	int ret = 0;

	if (!cpus)
		return bench_fail(err, -ENOMEM, "CPU list: out of memory");
	if (!strcmp(list, "all")) {
		for (; nr < t->nr; nr++)
			cpus[nr] = t->cpus[nr].os_index;
	} else {
		for (const char *part = list;; part++) {
			size_t len = strcspn(part, ",");

			ret = parse_part(t, part, len, cpus, &nr, err);
			part += len;
			if (ret || !*part)
				break;
		}
	}
	if (ret) {
		free(cpus);
		return ret;
	}
	*ret_cpus = cpus;
	*ret_nr = nr;
	return 0;
}

/* All allowed CPUs but those of avoid; all of them when nothing would be left. */
static int bind_set(const struct topology *t, const int *avoid, unsigned nr, hwloc_bitmap_t set)
{
	if (hwloc_bitmap_copy(set, t->allowed))
		return -ENOMEM;
	for (unsigned i = 0; i < nr; i++)
		if (avoid[i] >= 0)
			hwloc_bitmap_clr(set, (unsigned)avoid[i]);
	return hwloc_bitmap_iszero(set) && hwloc_bitmap_copy(set, t->allowed) ? -ENOMEM : 0;
}

/* Memory from the node next to the CPU. A refusal (seccomp, a kernel without NUMA) is not an error:
 * the kernel's default takes the node of the running CPU as well, only less firmly. hwloc without
 * its STRICT flag prefers the node and never kills a worker because the node is full. */
static void bind_memory(const struct topology *t, const struct topology_cpu *cpu)
{
	hwloc_bitmap_t nodes;

	if (hwloc_get_nbobjs_by_type(t->hw, HWLOC_OBJ_NUMANODE) < 2)
		return;
	nodes = hwloc_bitmap_alloc();
	if (!nodes)
		return;
	if (cpu && cpu->numa >= 0) {
		hwloc_bitmap_only(nodes, (unsigned)cpu->numa);
		(void)hwloc_set_membind(t->hw, nodes, HWLOC_MEMBIND_BIND,
					HWLOC_MEMBIND_THREAD | HWLOC_MEMBIND_BYNODESET);
	} else {
		hwloc_bitmap_copy(nodes, hwloc_topology_get_topology_nodeset(t->hw));
		(void)hwloc_set_membind(t->hw, nodes, HWLOC_MEMBIND_DEFAULT,
					HWLOC_MEMBIND_THREAD | HWLOC_MEMBIND_BYNODESET);
	}
	hwloc_bitmap_free(nodes);
}

int topology_bind(const struct topology *t, int cpu, const int *avoid, unsigned nr)
{
	const struct topology_cpu *one = cpu < 0 ? NULL : topology_find(t, cpu);
	hwloc_bitmap_t set;
	int ret = 0;

	if (cpu >= 0 && !one)
		return -EINVAL;
	/* hwloc pretends success on a topology that is not of this host. */
	if (!t->live)
		return -EOPNOTSUPP;
	set = hwloc_bitmap_alloc();
	if (!set)
		return -ENOMEM;
	if (one)
		hwloc_bitmap_only(set, (unsigned)cpu);
	else
		ret = bind_set(t, avoid, nr, set);
	if (!ret && hwloc_set_cpubind(t->hw, set, HWLOC_CPUBIND_THREAD))
		ret = errno ? -errno : -EINVAL;
	hwloc_bitmap_free(set);
	if (!ret)
		bind_memory(t, one);
	return ret;
}
