// SPDX-License-Identifier: BSD-2-Clause
/* Metrics of pairs of CPUs, which have the labels cpu and peer: a matrix for each name. */
#include <stdlib.h>
#include <string.h>

#include "report/lib/sections.h"

#define CPUS_MAX 64
#define COLUMN 9

struct cpus {
	const char *name[CPUS_MAX];
	unsigned nr;
};

static bool is_pair(const json_t *metric)
{
	return *metric_label(metric, "cpu") && *metric_label(metric, "peer");
}

/* False when there is no room for one more. */
static bool add_cpu(struct cpus *cpus, const char *name)
{
	for (unsigned i = 0; i < cpus->nr; i++)
		if (!strcmp(cpus->name[i], name))
			return true;
	if (cpus->nr == CPUS_MAX)
		return false;
	cpus->name[cpus->nr++] = name;
	return true;
}

static int by_number(const void *a, const void *b)
{
	return atoi(*(const char *const *)a) - atoi(*(const char *const *)b);
}

/* The CPUs of all pairs of this name; false when that is no matrix that fits. */
static bool find_cpus(const struct text *t, const char *name, struct cpus *ret_cpus)
{
	struct metric_walk w = { 0 };
	bool fits = true;

	*ret_cpus = (struct cpus){ .nr = 0 };
	while (metric_next(t, &w))
		if (is_pair(w.metric) && !strcmp(w.name, name))
			fits = fits && add_cpu(ret_cpus, metric_label(w.metric, "cpu")) &&
			       add_cpu(ret_cpus, metric_label(w.metric, "peer"));
	qsort(ret_cpus->name, ret_cpus->nr, sizeof(ret_cpus->name[0]), by_number);
	return fits && TEXT_INDENT + COLUMN * ret_cpus->nr <= t->width;
}

/* Of a pair in either order; NULL when it was not measured. */
static const json_t *pair(const struct text *t, const char *name, const char *a, const char *b)
{
	struct metric_walk w = { 0 };

	while (metric_next(t, &w)) {
		const char *cpu = metric_label(w.metric, "cpu"), *peer = metric_label(w.metric, "peer");

		if (is_pair(w.metric) && !strcmp(w.name, name) &&
		    ((!strcmp(cpu, a) && !strcmp(peer, b)) || (!strcmp(cpu, b) && !strcmp(peer, a))))
			return w.metric;
	}
	return NULL;
}

static void matrix_row(struct text *t, const char *name, const struct cpus *cpus, unsigned row)
{
	char text[UNITS_MAX];

	snprintf(text, sizeof(text), "cpu %s", cpus->name[row]);
	text_right(t, TEXT_INDENT, TEXT_DIM, text);
	for (unsigned i = 0; i < cpus->nr; i++) {
		const json_t *metric = i == row ? NULL :
						  pair(t, name, cpus->name[row], cpus->name[i]);
		bool known = metric && bench_result_has_value(metric);

		if (metric)
			metric_shown(t, metric);
		text_right(t, TEXT_INDENT + COLUMN * (i + 1), known ? TEXT_PLAIN : TEXT_DIM,
			   known ? metric_value(t, text, metric) : "-");
	}
	text_end(t);
}

void section_matrix(struct text *t)
{
	struct metric_walk w = { 0 };
	struct cpus cpus;

	while (metric_next(t, &w)) {
		if (t->shown[w.index] || !is_pair(w.metric) || !find_cpus(t, w.name, &cpus))
			continue;
		text_row(t, w.name);
		for (unsigned i = 0; i < cpus.nr; i++) {
			char text[UNITS_MAX];

			snprintf(text, sizeof(text), "cpu %s", cpus.name[i]);
			text_right(t, TEXT_INDENT + COLUMN * (i + 1), TEXT_DIM, text);
		}
		text_end(t);
		for (unsigned i = 0; i < cpus.nr; i++)
			matrix_row(t, w.name, &cpus, i);
	}
}
