// SPDX-License-Identifier: BSD-2-Clause
/* What the kernel saw and what the runtime did, as rows of items. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/lib/sections.h"

/* Rows in the order of the report: a name of a metric, or of a family when it ends with a dot. */
static const struct flow {
	const char *row, *name, *word; /* word: before each item, "" = the name itself */
	unsigned top;		       /* of a long list, so many are shown */
	bool zeros;
} flows[] = {
	{ "scheduler", "sched.switches", "switches", TEXT_TOP, true },
	{ "scheduler", "sched.migrations", "migrations", TEXT_TOP, true },
	{ "scheduler", "sched.work_conservation", "waited while a CPU idled", TEXT_TOP, true },
	{ "scheduler", "sched.", "", TEXT_TOP, true },
	{ "interrupts", "irq.time", "irq", 3, false },
	{ "interrupts", "softirq.time", "softirq", 3, false },
	{ "block I/O", "block.bytes", NULL, TEXT_TOP, false },
	{ "block I/O", "block.", "", TEXT_TOP, false },
	{ "kernel", "fault.count", "faults", TEXT_TOP, false },
	{ "kernel", "net.retransmits", "TCP retransmits", TEXT_TOP, false },
	{ "kernel", "net.", "", TEXT_TOP, false },
	{ "kernel", "uring.punts", "io_uring punts", 5, false },
	{ "kernel", "uring.", "", TEXT_TOP, false },
	{ "runtime", "runtime.", "", TEXT_TOP, false },
	{ "host", "host.", "", TEXT_TOP, true },
	{ "host", "tool.cpu", "bench itself", TEXT_TOP, true },
};

static bool flow_has(const struct flow *f, const char *name)
{
	size_t len = strlen(f->name);

	/* A family leaves to a later row what that names in full. */
	if (f->name[len - 1] != '.')
		return !strcmp(name, f->name);
	if (strncmp(name, f->name, len))
		return false;
	for (unsigned i = 0; i < sizeof(flows) / sizeof(flows[0]); i++)
		if (!strcmp(flows[i].name, name))
			return false;
	return true;
}

/* How often is beside how long; it is in the JSON. */
static void counts_hide(struct text *t)
{
	struct metric_walk w = { 0 };

	while (metric_next(t, &w))
		if (!strcmp(w.name, "irq.count") || !strcmp(w.name, "softirq.count"))
			t->shown[w.index] = true;
}

static void flow_row(struct text *t, const struct flow *f, bool *begun)
{
	struct metric_walk w = { 0 };

	while (metric_next(t, &w)) {
		const char *word = f->word;

		if (t->shown[w.index] || !flow_has(f, w.name) || !bench_result_has_value(w.metric))
			continue;
		if (!f->zeros && metric_zeros(t, w.name))
			continue;
		if (!*begun)
			text_row(t, f->row);
		*begun = true;
		if (word && !*word)
			word = w.name + strlen(f->name);
		metric_list(t, w.name, word, f->top, f->zeros);
	}
}

void section_kernel(struct text *t)
{
	bool begun = false;

	counts_hide(t);
	for (unsigned i = 0; i < sizeof(flows) / sizeof(flows[0]); i++) {
		if (i && strcmp(flows[i].row, flows[i - 1].row))
			begun = false;
		flow_row(t, &flows[i], &begun);
	}
	text_end(t);
}
