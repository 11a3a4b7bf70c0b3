// SPDX-License-Identifier: BSD-2-Clause
/* What probes there are, and why some are not to be had: for `bench list probes` and `--dry-run`. */
#include "probe/probe.h"

#include <stdlib.h>
#include "probe/set.h"

static const char *kind_name(uint32_t kind)
{
	switch (kind) {
	case PROBE_COUNT:
		return "count";
	case PROBE_HIST:
		return "histogram";
	case PROBE_DEPTH:
		return "depth";
	default:
		return "time";
	}
}

void probe_list(FILE *out)
{
	struct probe_object *objects;
	unsigned nr = images_describe(&objects, NULL);
	bool may = mode_may_load();
	struct probe_set *set = may ? cost_open() : NULL;
	struct kernel *own = set && set->kernel ? NULL : kernel_open();
	const struct kernel *kernel = own ? own : set && set->kernel ? set->kernel : NULL;

	for (unsigned i = 0; objects && i < nr; i++) {
		if (objects[i].nr_metrics)
			fprintf(out, "%s\n", objects[i].image->name);
		for (unsigned k = 0; k < objects[i].nr_metrics; k++) {
			struct probe_metric *m = &objects[i].metrics[k];

			if (!kernel)
				why_set(&m->why, BENCH_NOT_SUPPORTED,
					"this kernel has no type information: it needs "
					"CONFIG_DEBUG_INFO_BTF");
			else
				metric_check(m, kernel);
			if (m->why.status == BENCH_OK && !may)
				why_set(&m->why, BENCH_NOT_PERMITTED,
					"needs CAP_BPF and CAP_PERFMON: run as root");
			fprintf(out, "  %-22s %-9s %-6s %s\n", m->desc.name,
				kind_name(m->desc.kind), m->desc.unit, m->desc.help);
			fprintf(out, "  %-22s from %s\n", "", m->desc.events);
			if (m->why.status != BENCH_OK)
				fprintf(out, "  %-22s not available: %s\n", "", m->why.text);
		}
		if (objects[i].nr_metrics)
			cost_print(set, objects[i].image->name, out);
	}
	for (unsigned i = 0; objects && i < nr; i++)
		object_close(&objects[i]);
	probe_close(set);
	kernel_close(own);
	free(objects);
}

void probe_print(const struct probe_set *set, FILE *out)
{
	for (unsigned i = 0; i < set->nr_objects; i++)
		for (unsigned k = 0; k < set->objects[i].nr_metrics; k++) {
			const struct probe_metric *m = &set->objects[i].metrics[k];
			const struct probe_why *why = &m->why;

			if (!m->wanted)
				continue;
			if (why->status == BENCH_OK)
				why = &set->objects[i].why;
			if (why->status == BENCH_OK)
				why = &set->why;
			fprintf(out, "  %-22s %s%s\n", m->desc.name,
				why->status == BENCH_OK ? "" : "no: ",
				why->status == BENCH_OK ? m->desc.help : why->text);
		}
}
