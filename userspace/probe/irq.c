// SPDX-License-Identifier: BSD-2-Clause
/* Interrupt time of the job's CPUs, by name. */
#include "probe/blame.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const softirqs[PROBE_SOFTIRQS] = {
	"HI",	    "TIMER",   "NET_TX", "NET_RX",  "BLOCK",
	"IRQ_POLL", "TASKLET", "SCHED",	 "HRTIMER", "RCU", /* include/linux/interrupt.h */
};

/* Vectors that have tracepoints of their own, which carry nothing but the vector. */
static const struct {
	const char *name, *tracepoint;
	unsigned vector;
} vectors[] = {
#if defined(__x86_64__) || defined(__i386__)
	/* arch/x86/include/asm/irq_vectors.h and trace/irq_vectors.h */
	{ "local_timer", "local_timer", 0xec },
	{ "reschedule", "reschedule", 0xfd },
	{ "call_function", "call_function", 0xfc },
	{ "call_function_single", "call_function_single", 0xfb },
	{ "irq_work", "irq_work", 0xf6 },
	{ "platform_ipi", "x86_platform_ipi", 0xf7 },
	{ "thermal", "thermal_apic", 0xfa },
	{ "threshold", "threshold_apic", 0xf9 },
	{ "deferred_error", "deferred_error_apic", 0xf4 },
	{ "error", "error_apic", 0xfe },
	{ "spurious", "spurious_apic", 0xff },
#endif
	{ NULL, NULL, 0 },
};

static void line_name(unsigned irq, char *ret, size_t size)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/irq/%u/actions", irq);
	f = fopen(path, "re");
	if (!f || !fgets(ret, (int)size, f))
		ret[0] = '\0';
	if (f)
		fclose(f);
	ret[strcspn(ret, "\n")] = '\0';
	if (irq == PROBE_IRQ_LINES - 1)
		snprintf(ret, size, "other");
	else if (!ret[0])
		snprintf(ret, size, "irq%u", irq);
}

const char *irq_name(struct probe_blames *blames, unsigned source)
{
	char *name = blames->irq_name[source];
	size_t size = sizeof(blames->irq_name[source]);

	if (name[0])
		return name;
	if (source < PROBE_SOURCE_VECTOR) {
		line_name(source - PROBE_SOURCE_LINE, name, size);
	} else if (source < PROBE_SOURCE_IPI) {
		snprintf(name, size, "vector_%u", source - PROBE_SOURCE_VECTOR);
		for (unsigned i = 0; vectors[i].name; i++)
			if (vectors[i].vector == source - PROBE_SOURCE_VECTOR)
				snprintf(name, size, "%s", vectors[i].name);
	} else if (source < PROBE_SOURCE_SOFT) {
		snprintf(name, size, "ipi");
	} else if (softirqs[source - PROBE_SOURCE_SOFT]) {
		snprintf(name, size, "%s", softirqs[source - PROBE_SOURCE_SOFT]);
	} else {
		snprintf(name, size, "softirq_%u", source - PROBE_SOURCE_SOFT);
	}
	return name;
}

bool irq_threaded(void)
{
	FILE *f = fopen("/sys/kernel/realtime", "re");
	bool is = f && fgetc(f) == '1';

	if (f)
		fclose(f);
	return is;
}

/* --- attaching --- */

static bool attach_one(struct probe_object *object, const char *program, const char *tracepoint)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(object->bpf, program);
	struct bpf_link *link;

	if (!prog || bpf_program__fd(prog) < 0 || object->nr_links == PROBE_MAX_LINKS)
		return false;
	link = bpf_program__attach_raw_tracepoint(prog, tracepoint);
	if (!link)
		return false;
	object->links[object->nr_links++] = link;
	for (unsigned i = 0; i < object->nr_runs; i++) {
		struct probe_run *run = &object->runs[i];

		if (strncmp(program, run->name, strlen(run->name)) || run->prog_fd >= 0)
			continue;
		run->prog_fd = bpf_program__fd(prog);
		snprintf(run->event, sizeof(run->event), "%s", tracepoint);
	}
	return true;
}

/* One program serves all vectors: a raw tracepoint program belongs to none until it is attached.
 * The exit first, so that no beginning stays open. */
void irq_open(struct probe_set *set, struct probe_object *object)
{
	for (unsigned i = 0; vectors[i].name; i++) {
		char entry[40], exit_[40];

		snprintf(entry, sizeof(entry), "%s_entry", vectors[i].tracepoint);
		snprintf(exit_, sizeof(exit_), "%s_exit", vectors[i].tracepoint);
		if (kernel_has_tracepoint(set->kernel, entry) &&
		    kernel_has_tracepoint(set->kernel, exit_) &&
		    attach_one(object, "on_vector_exit_raw", exit_))
			(void)attach_one(object, "on_vector_entry_raw", entry); /* else no rows */
	}
}

/* --- reading --- */

struct irq_row {
	struct bench_metric_id id;
	bool soft;
	const struct probe_set *set;
	struct bench_metric_set *metrics;
};

static bool seen_before(const int *cpus, unsigned i)
{
	for (unsigned k = 0; k < i; k++)
		if (cpus[k] == cpus[i])
			return true; /* two workers on one CPU */
	return false;
}

/* Sum over the job's CPUs; over the allowed ones where it has none of its own. */
static uint64_t source_sum(const struct probe_set *set, unsigned source, bool count,
			   const int *cpus, unsigned nr)
{
	const struct probe_irq *irq = &set->blames->irq[window_bank(set) * set->nr_cpus];
	uint64_t sum = 0;

	for (unsigned i = 0; i < nr; i++)
		if (cpus[i] >= 0 && (unsigned)cpus[i] < set->nr_cpus && !seen_before(cpus, i))
			sum += count ? irq[cpus[i]].nr[source] : irq[cpus[i]].ns[source];
	for (unsigned cpu = 0; !nr && cpu < set->nr_cpus && cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set->allowed))
			sum += count ? irq[cpu].nr[source] : irq[cpu].ns[source];
	return sum;
}

static void vector_missing(struct irq_row *row, const char *name, const char *tracepoint)
{
	char why[160];

	row->id.labels[0].value = name;
	snprintf(why, sizeof(why), "this kernel has no tracepoint %s that programs can attach to",
		 tracepoint);
	bench_metric_put_status(row->metrics, &row->id, BENCH_NOT_SUPPORTED, 0, why);
}

/* What this kernel cannot tell of hard interrupts. */
static void missing_put(struct irq_row *row)
{
	char tracepoint[40];

	for (unsigned i = 0; vectors[i].name; i++) {
		snprintf(tracepoint, sizeof(tracepoint), "%s_entry", vectors[i].tracepoint);
		if (!kernel_has_tracepoint(row->set->kernel, tracepoint))
			vector_missing(row, vectors[i].name, tracepoint);
	}
	if (!vectors[0].name && !kernel_has_tracepoint(row->set->kernel, "ipi_entry"))
		vector_missing(row, "ipi", "ipi_entry");
}

void irq_put(struct probe_set *set, const struct probe_metric *metric, const int *cpus, unsigned nr,
	     struct bench_metric_set *metrics)
{
	bool soft =
		metric->desc.slot == PROBE_SOFTIRQ_TIME || metric->desc.slot == PROBE_SOFTIRQ_COUNT;
	bool count =
		metric->desc.slot == PROBE_IRQ_COUNT || metric->desc.slot == PROBE_SOFTIRQ_COUNT;
	struct irq_row row = {
		.id = { .name = metric->desc.name,
			.unit = metric->desc.unit,
			.source = BENCH_SOURCE_PROBE,
			.better = BENCH_BETTER_LOWER,
			.labels = { { soft ? "vector" : "irq", NULL } } },
		.set = set,
		.metrics = metrics,
	};
	unsigned from = soft ? PROBE_SOURCE_SOFT : 0;
	unsigned to = soft ? PROBE_SOURCES : PROBE_SOURCE_SOFT;

	for (unsigned source = from; source < to; source++) {
		uint64_t sum = source_sum(set, source, count, cpus, nr);
		bool always = source == PROBE_SOURCE_SOFT + 1; /* a row at least: TIMER */

		if (!sum && !always)
			continue;
		row.id.labels[0].value = irq_name(set->blames, source);
		bench_metric_put_sparse(metrics, &row.id, (double)sum);
	}
	if (metric->desc.slot == PROBE_IRQ_TIME)
		missing_put(&row);
}
