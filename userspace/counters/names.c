// SPDX-License-Identifier: BSD-2-Clause
/* perf's own event names: generic hardware, hardware cache and software events. The spellings and
 * the first of each set of aliases are those of `perf list`. */
#include "counters/event.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const struct generic {
	const char *name, *alias;
	uint32_t type;
	uint64_t config;
} generics[] = {
	{ "cycles", "cpu-cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES },
	{ "instructions", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS },
	{ "branches", "branch-instructions", PERF_TYPE_HARDWARE,
	  PERF_COUNT_HW_BRANCH_INSTRUCTIONS },
	{ "branch-misses", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES },
	{ "cache-references", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_REFERENCES },
	{ "cache-misses", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES },
	{ "bus-cycles", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_BUS_CYCLES },
	{ "ref-cycles", NULL, PERF_TYPE_HARDWARE, PERF_COUNT_HW_REF_CPU_CYCLES },
	{ "stalled-cycles-frontend", "idle-cycles-frontend", PERF_TYPE_HARDWARE,
	  PERF_COUNT_HW_STALLED_CYCLES_FRONTEND },
	{ "stalled-cycles-backend", "idle-cycles-backend", PERF_TYPE_HARDWARE,
	  PERF_COUNT_HW_STALLED_CYCLES_BACKEND },
	{ "task-clock", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK },
	{ "cpu-clock", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK },
	{ "context-switches", "cs", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES },
	{ "cpu-migrations", "migrations", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_MIGRATIONS },
	{ "page-faults", "faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS },
	{ "minor-faults", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MIN },
	{ "major-faults", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MAJ },
	{ "alignment-faults", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_ALIGNMENT_FAULTS },
	{ "emulation-faults", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_EMULATION_FAULTS },
	{ "cgroup-switches", NULL, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CGROUP_SWITCHES },
};

/* Indexed by PERF_COUNT_HW_CACHE_*, _OP_* and _RESULT_*: the first alias is the one to print for
 * caches; for operations the second ("loads"), or the first before "-misses" ("load"). */
#define NR_ALIASES 5
static const char *const cache_names[][NR_ALIASES] = {
	{ "L1-dcache", "l1-d", "l1d", "L1-data" },
	{ "L1-icache", "l1-i", "l1i", "L1-instruction" },
	{ "LLC", "L2" },
	{ "dTLB", "d-tlb", "Data-TLB" },
	{ "iTLB", "i-tlb", "Instruction-TLB" },
	{ "branch", "branches", "bpu", "btb", "bpc" },
	{ "node" },
};
static const char *const op_names[][NR_ALIASES] = {
	{ "load", "loads", "read" },
	{ "store", "stores", "write" },
	{ "prefetch", "prefetches", "speculative-read", "speculative-load" },
};
static const char *const result_names[][NR_ALIASES] = {
	{ "refs", "Reference", "ops", "access" },
	{ "misses", "miss" },
};

/* Which operations a cache has, one bit each: the others make no sense (an instruction cache is
 * not stored to) and the kernel refuses them on every CPU. */
static const unsigned char cache_ops[] = { 7, 5, 7, 7, 1, 1, 7 };

/* Length of the longest alias that text starts with and that ends there or at '-'; 0 if none. */
static size_t alias_prefix(const char *text, const char *const names[][NR_ALIASES], size_t nr,
			   unsigned *ret_index)
{
	size_t best = 0;

	for (size_t i = 0; i < nr; i++) {
		for (unsigned a = 0; a < NR_ALIASES && names[i][a]; a++) {
			size_t len = strlen(names[i][a]);

			if (len <= best || strncasecmp(text, names[i][a], len) != 0)
				continue;
			if (text[len] != '\0' && text[len] != '-')
				continue;
			best = len;
			*ret_index = i;
		}
	}
	return best;
}

static void cache_name(unsigned cache, unsigned op, unsigned result, struct event_name *ret,
		       char *buf, size_t size)
{
	if (result == PERF_COUNT_HW_CACHE_RESULT_MISS)
		snprintf(buf, size, "%s-%s-misses", cache_names[cache][0], op_names[op][0]);
	else
		snprintf(buf, size, "%s-%s", cache_names[cache][0], op_names[op][1]);
	ret->name = buf;
	ret->source = "cache";
	ret->type = PERF_TYPE_HW_CACHE;
	ret->config = cache | op << 8 | result << 16;
}

/* CACHE[-OPERATION][-RESULT]; a load and an access where nothing is said, as perf has it. */
static bool cache_find(const char *name, struct event_name *ret, char *buf, size_t size)
{
	unsigned cache = 0, op = PERF_COUNT_HW_CACHE_OP_READ;
	unsigned result = PERF_COUNT_HW_CACHE_RESULT_ACCESS;
	bool have_op = false, have_result = false;
	size_t len = alias_prefix(name, cache_names, ARRAY_SIZE(cache_names), &cache);

	if (!len)
		return false;
	for (name += len; *name; name += len) {
		name++;
		if (!have_op && (len = alias_prefix(name, op_names, ARRAY_SIZE(op_names), &op)))
			have_op = true;
		else if (!have_result && (len = alias_prefix(name, result_names,
							     ARRAY_SIZE(result_names), &result)))
			have_result = true;
		else
			return false;
	}
	if (!(cache_ops[cache] & 1U << op))
		return false;
	cache_name(cache, op, result, ret, buf, size);
	return true;
}

static void generic_name(const struct generic *g, struct event_name *ret)
{
	ret->name = g->name;
	ret->source = g->type == PERF_TYPE_SOFTWARE ? "software" : "generic";
	ret->type = g->type;
	ret->config = g->config;
}

bool names_find(const char *name, struct event_name *ret_name, char *buf, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(generics); i++) {
		const struct generic *g = &generics[i];

		if (strcasecmp(name, g->name) && (!g->alias || strcasecmp(name, g->alias)))
			continue;
		generic_name(g, ret_name);
		return true;
	}
	return cache_find(name, ret_name, buf, size);
}

bool names_at(unsigned i, struct event_name *ret_name, char *buf, size_t size)
{
	if (i < ARRAY_SIZE(generics)) {
		generic_name(&generics[i], ret_name);
		return true;
	}
	i -= ARRAY_SIZE(generics);
	for (unsigned cache = 0; cache < ARRAY_SIZE(cache_names); cache++) {
		for (unsigned op = 0; op < ARRAY_SIZE(op_names); op++) {
			if (!(cache_ops[cache] & 1U << op))
				continue;
			if (i < ARRAY_SIZE(result_names)) {
				cache_name(cache, op, i, ret_name, buf, size);
				return true;
			}
			i -= ARRAY_SIZE(result_names);
		}
	}
	return false;
}
