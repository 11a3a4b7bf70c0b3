// SPDX-License-Identifier: BSD-2-Clause
/* What each program costs per event, for `bench list probes`: as the kernel measures it in the
 * self-check that every set runs when it is opened. */
#include "probe/set.h"

#include <string.h>

struct probe_set *cost_open(void)
{
	struct probe_set *set = NULL;
	struct bench_err err = { 0 };

	/* Without privileges there is a set, too: one in which nothing was measured. */
	return probe_open(&set, "all", &err) ? NULL : set;
}

void cost_print(const struct probe_set *set, const char *name, FILE *out)
{
	unsigned nr = 0, silent = 0;

	for (unsigned i = 0; set && i < set->nr_objects; i++) {
		const struct probe_object *object = &set->objects[i];

		if (strcmp(object->image->name, name))
			continue;
		for (unsigned k = 0; k < object->nr_runs; k++) {
			const struct probe_run *run = &object->runs[k];

			if (run->prog_fd < 0)
				continue;
			if (!(run->ns > 0)) {
				silent++;
				continue;
			}
			/* A few to a line. */
			if (nr % 3 == 0)
				fprintf(out, "%s  %-22s cost: ", nr ? "\n" : "", "");
			fprintf(out, "%s%s %.0f ns", nr++ % 3 ? ", " : "", run->event, run->ns);
		}
	}
	if (nr)
		fputc('\n', out);
	if (silent)
		fprintf(out, "  %-22s cost: not measured, %u program%s had no event meanwhile\n", "",
			silent, silent == 1 ? "" : "s");
}
