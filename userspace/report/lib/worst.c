// SPDX-License-Identifier: BSD-2-Clause
/* The longest single wait of each cause in a program's process tree, over all trials. Of the workers of
 * a module they are in the JSON: their slow operations are told one by one. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/lib/sections.h"

struct wait {
	const char *cause, *task;
	double ns;
};

static double most_of_trials(const json_t *metric)
{
	const json_t *trials = bench_result_get(metric, "trials"), *trial;
	double most = NAN;
	size_t i;

	json_array_foreach (trials, i, trial)
		most = json_is_number(trial) ? fmax(most, json_number_value(trial)) : most;
	return most;
}

static struct wait *wait_of(struct wait *list, unsigned *nr, const char *cause)
{
	for (unsigned i = 0; i < *nr; i++)
		if (!strcmp(list[i].cause, cause))
			return &list[i];
	list[*nr] = (struct wait){ .cause = cause };
	return &list[(*nr)++];
}

static int by_length_down(const void *a, const void *b)
{
	double x = ((const struct wait *)a)->ns, y = ((const struct wait *)b)->ns;

	return x < y ? 1 : x > y ? -1 : 0;
}

static bool is_program(const struct text *t)
{
	const char *module = bench_result_str(t->job, "module");

	return !strcmp(module, "exec") || !strcmp(module, "watch");
}

void section_worst(struct text *t)
{
	struct wait *list = calloc(json_array_size(t->metrics) + 1, sizeof(*list));
	struct metric_walk w = { 0 };
	unsigned nr = 0;

	while (list && metric_next(t, &w)) {
		double ns = most_of_trials(w.metric);
		struct wait *wait;

		if (strcmp(w.name, "wall.worst") || !bench_result_has_value(w.metric))
			continue;
		t->shown[w.index] = true;
		wait = wait_of(list, &nr, metric_label(w.metric, "cause"));
		if (!(ns > wait->ns))
			continue;
		wait->ns = ns;
		wait->task = metric_label(w.metric, "task");
	}
	if (nr && is_program(t)) {
		qsort(list, nr, sizeof(*list), by_length_down);
		text_row(t, "worst waits");
		for (unsigned i = 0; i < nr; i++) {
			char text[UNITS_MAX];

			text_item(t, TEXT_PLAIN, "%s %s (%s)", list[i].cause,
				  units_value(text, list[i].ns, "ns", t->style->utf8),
				  list[i].task ? list[i].task : "?");
		}
		text_end(t);
	}
	free(list);
}
