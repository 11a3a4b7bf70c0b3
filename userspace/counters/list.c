// SPDX-License-Identifier: BSD-2-Clause
/* Every event that has a name here, and whether it opens. */
#include "counters/topdown.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct listing {
	const struct pmu_set *pmus;
	FILE *out;
	unsigned char *buf; /* of the liveness loop */
};

static void print_event(const struct listing *list, const struct counter_event *event)
{
	const char *pmu = event->pmu[0] ? event->pmu : "cpu";

	fprintf(list->out, "%-32s %-16s %-14s %s\n", event->name, pmu,
		counter_status_name(event->status), event->note);
}

/* False when the name alone is not enough. */
static bool list_name(const struct listing *list, const char *name)
{
	struct counter_event events[8];
	int nr = event_resolve(events, 8, name, "", list->pmus, NULL);

	for (int i = 0; i < nr; i++) {
		probe_open_event(&events[i], list->pmus);
		probe_live_event(&events[i], list->pmus, list->buf);
		print_event(list, &events[i]);
	}
	return nr > 0;
}

static void list_pmu_event(const struct pmu *pmu, const char *name, void *ctx)
{
	const struct listing *list = ctx;
	char full[512];
	struct bench_err err = { 0 };
	struct counter_event event;

	snprintf(full, sizeof(full), "%s/%s/", pmu->name, name);
	if (event_resolve(&event, 1, full, "", list->pmus, &err) == 1) {
		probe_open_event(&event, list->pmus);
		probe_live_event(&event, list->pmus, list->buf);
		print_event(list, &event);
	} else {
		fprintf(list->out, "%-32s %-16s %-14s %s\n", full, pmu->name, "not_supported",
			err.msg);
	}
}

static void list_vendor_event(const char *name, const char *pmu, void *ctx)
{
	const struct listing *list = ctx;
	char full[512];

	snprintf(full, sizeof(full), "%s::%s", pmu, name);
	if (!list_name(list, full))
		fprintf(list->out, "%-32s %-16s %-14s %s\n", full, "libpfm4", "-",
			"needs a unit mask, NAME:UMASK");
}

static void list_topdown(const struct listing *list)
{
	const struct topdown_model *model;
	const char *why = "no table for this CPU";
	struct cpu_id id;

	topdown_cpu(&id, list->pmus);
	model = topdown_find(&id, list->pmus);
	if (!list->pmus->nr_core)
		why = "no CPU PMU on this host (a virtual machine without one?)";
	else if (list->pmus->nr_core > 1)
		why = "no table for hosts with several kinds of core";
	fprintf(list->out, "%-32s %-16s %-14s %s\n", "topdown", "cpu",
		model ? "ok" : "not_supported", model ? model->cpu : why);
}

void counter_list(FILE *out)
{
	struct pmu_set pmus;
	struct listing list = { .pmus = &pmus, .out = out };
	struct event_name known;
	char buf[EVENT_NAME_MAX];

	list.buf = calloc(1, LIVENESS_BYTES);
	if (!list.buf || pmu_set_load(&pmus, NULL)) {
		free(list.buf);
		return;
	}
	list_topdown(&list);
	for (unsigned i = 0; names_at(i, &known, buf, sizeof(buf)); i++)
		list_name(&list, known.name);
	for (unsigned i = 0; i < pmus.nr; i++)
		pmu_each_event(&pmus, &pmus.pmus[i], list_pmu_event, &list);
	pfm_each(list_vendor_event, &list);
	pmu_set_done(&pmus);
	free(list.buf);
}
