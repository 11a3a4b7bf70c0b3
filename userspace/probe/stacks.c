// SPDX-License-Identifier: BSD-2-Clause
/* What threads slept for that no cause names: kernel stacks of a sample of those sleeps, added up
 * by equal stack over all windows of a job. */
#include "probe/set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/kallsyms.h"

#define TOP_STACKS 8
#define MAX_STACKS 256
#define MAX_FRAMES 12

struct stack_sum {
	uint64_t ip[PROBE_STACK_DEPTH];
	unsigned nr, group;
	uint64_t ns, samples;
};

struct probe_stack_sums {
	struct stack_sum sum[MAX_STACKS];
	unsigned nr;
	struct kallsyms *symbols; /* read when first needed */
};

static void sum_add(struct probe_stack_sums *sums, unsigned group, const struct probe_stack *s)
{
	unsigned nr = s->bytes > 0 ? (unsigned)((uint64_t)s->bytes / sizeof(s->ip[0])) : 0;
	struct stack_sum *sum;

	if (!nr || nr > PROBE_STACK_DEPTH)
		return;
	for (unsigned i = 0; i < sums->nr; i++) {
		sum = &sums->sum[i];
		if (sum->group == group && sum->nr == nr && !memcmp(sum->ip, s->ip, nr * sizeof(s->ip[0]))) {
			sum->ns += s->ns;
			sum->samples++;
			return;
		}
	}
	if (sums->nr == MAX_STACKS)
		return;
	sum = &sums->sum[sums->nr++];
	memset(sum, 0, sizeof(*sum));
	memcpy(sum->ip, s->ip, nr * sizeof(s->ip[0]));
	sum->nr = nr;
	sum->group = group;
	sum->ns = s->ns;
	sum->samples = 1;
}

void stacks_add(struct probe_set *set)
{
	if (!set->stacks)
		return;
	if (!set->stack_sums)
		set->stack_sums = calloc(1, sizeof(*set->stack_sums));
	if (!set->stack_sums)
		return;
	/* Sleeps that go on count until the window's end. */
	for (unsigned i = 0; i < PROBE_THREADS; i++) {
		const struct probe_thread *t = &set->threads[i];
		struct probe_stack *s = t->stack ? &set->stacks[(t->stack - 1) % PROBE_STACKS] : NULL;

		if (s && t->generation == set->windows->generation && t->serial == set->serial &&
		    t->state == PROBE_BLOCKED && s->serial == set->serial && !s->ns &&
		    t->since_ns < set->end_ns)
			s->ns = set->end_ns - t->since_ns;
	}
	for (unsigned i = 0; i < PROBE_STACKS; i++)
		if (set->stacks[i].serial == set->serial)
			sum_add(set->stack_sums, set->stack_group, &set->stacks[i]);
}

/* --- names --- */

/* NULL = none (no privileges to see addresses). */
static const char *symbol_at(const struct probe_stack_sums *sums, uint64_t address)
{
	return sums->symbols ? kallsyms_find(sums->symbols, address, NULL, NULL) : NULL;
}

/* From the caller of the scheduler on; what is nearer is the same in all of them. */
static json_t *frames_json(const struct probe_stack_sums *sums, const struct stack_sum *sum)
{
	json_t *frames = json_array();
	unsigned first = 0;

	for (unsigned i = 0; i < sum->nr; i++) {
		const char *name = symbol_at(sums, sum->ip[i]);

		if (name && (!strcmp(name, "__schedule") || !strcmp(name, "schedule")))
			first = i + 1;
	}
	for (unsigned i = first; i < sum->nr && i < first + MAX_FRAMES; i++) {
		const char *name = symbol_at(sums, sum->ip[i]);
		char hex[24];

		snprintf(hex, sizeof(hex), "0x%llx", (unsigned long long)sum->ip[i]);
		json_array_append_new(frames, json_string(name ? name : hex));
	}
	return frames;
}

static int by_ns_down(const void *a, const void *b)
{
	uint64_t x = ((const struct stack_sum *)a)->ns, y = ((const struct stack_sum *)b)->ns;

	return x < y ? 1 : x > y ? -1 : 0;
}

void probe_stacks_group(struct probe_set *set, unsigned group)
{
	if (set)
		set->stack_group = group;
}

/* Forget those of the group. */
static void sums_drop(struct probe_stack_sums *sums, unsigned group)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < sums->nr; i++)
		if (sums->sum[i].group != group)
			sums->sum[nr++] = sums->sum[i];
	sums->nr = nr;
}

void probe_stacks(struct probe_set *set, unsigned group, json_t *job)
{
	struct probe_stack_sums *sums = set ? set->stack_sums : NULL;
	unsigned nr = 0;
	json_t *list;

	if (!sums || !sums->nr)
		return;
	list = json_array();
	if (!sums->symbols)
		sums->symbols = kallsyms_open();
	qsort(sums->sum, sums->nr, sizeof(*sums->sum), by_ns_down);
	for (unsigned i = 0; i < sums->nr && nr < TOP_STACKS; i++) {
		const struct stack_sum *sum = &sums->sum[i];

		if (sum->group != group)
			continue;
		nr++;
		json_array_append_new(list, json_pack("{s:s, s:o, s:I, s:I}", "cause",
						      "blocked.other", "frames",
						      frames_json(sums, sum), "ns",
						      (json_int_t)sum->ns, "samples",
						      (json_int_t)sum->samples));
	}
	sums_drop(sums, group);
	if (nr)
		json_object_set(job, "stacks", list);
	json_decref(list);
}

void stacks_free(struct probe_set *set)
{
	if (set->stack_sums)
		kallsyms_close(set->stack_sums->symbols);
	free(set->stack_sums);
	set->stack_sums = NULL;
}
