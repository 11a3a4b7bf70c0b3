// SPDX-License-Identifier: BSD-2-Clause
#include "counters/packages.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counters/plan.h"

/* No package takes more; the domains that read more are known to be wrong on some servers. */
#define MAX_WATTS 2000.0

struct package_event {
	const struct counter_event *event;
	int fd, package;
	enum bench_status status;
	char note[192];
	struct counter_reading begin, end;
};

struct counter_packages {
	struct package_event *events;
	unsigned nr;
};

static int package_of(int cpu)
{
	char path[128];
	FILE *file;
	int id = 0;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/physical_package_id",
		 cpu);
	file = fopen(path, "re");
	if (file && fscanf(file, "%d", &id) != 1)
		id = 0;
	if (file)
		fclose(file);
	return id;
}

static void open_on(struct counter_packages *p, const struct counter_plan *plan, unsigned i, int cpu)
{
	const struct counter_target target = { .tid = -1, .cpu = cpu };
	struct package_event *e = &p->events[p->nr++];

	*e = (struct package_event){ .event = &plan->events[i], .package = package_of(cpu) };
	e->fd = event_open(e->event, &target, -1, false);
	if (e->fd < 0)
		e->status = event_explain(e->event, &target, &plan->pmus, e->fd, e->note,
					  sizeof(e->note));
}

static bool is_package(const struct counter_event *event)
{
	return event->cpu_only && event->status == BENCH_OK;
}

int packages_open(struct counter_packages **ret_packages, const struct counter_plan *plan)
{
	struct counter_packages *p;
	unsigned nr = 0;

	*ret_packages = NULL;
	for (unsigned i = 0; i < plan->nr_events; i++)
		if (is_package(&plan->events[i]))
			nr += (unsigned)CPU_COUNT(&plan->events[i].cpu_mask);
	if (!nr)
		return 0;
	p = calloc(1, sizeof(*p));
	if (p)
		p->events = calloc(nr, sizeof(*p->events));
	if (!p || !p->events) {
		free(p);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < plan->nr_events; i++)
		for (int cpu = 0; is_package(&plan->events[i]) && cpu < CPU_SETSIZE; cpu++)
			if (CPU_ISSET(cpu, &plan->events[i].cpu_mask))
				open_on(p, plan, i, cpu);
	*ret_packages = p;
	return 0;
}

/* They count from the moment they are open: a window is the difference of two readings. */
static void read_all(struct counter_packages *p, bool end)
{
	for (unsigned i = 0; p && i < p->nr; i++) {
		struct package_event *e = &p->events[i];
		int rc;

		if (e->fd < 0)
			continue;
		rc = single_read(e->fd, end ? &e->end : &e->begin);
		/* A window begins anew, and what failed in the last one may work in this. */
		if (!end)
			e->status = BENCH_OK;
		if (!rc)
			continue;
		e->status = BENCH_NOT_COUNTED;
		snprintf(e->note, sizeof(e->note), "cannot be read: %s",
			 strerrordesc_np(-rc) ?: "unknown error");
	}
}

void packages_begin(struct counter_packages *p)
{
	read_all(p, false);
}

void packages_end(struct counter_packages *p)
{
	read_all(p, true);
}

static bool is_energy(const struct counter_event *event)
{
	return strcmp(event->unit, "J") == 0;
}

/* Value and status of the last window. */
static enum bench_status judge(const struct package_event *e, double *ret_value, char *note,
			       size_t size)
{
	double ns = (double)(e->end.enabled_ns - e->begin.enabled_ns), watts;

	*ret_value = (double)(e->end.value - e->begin.value) * e->event->scale;
	snprintf(note, size, "%s", e->note);
	if (e->status != BENCH_OK)
		return e->status;
	if (ns <= 0) {
		snprintf(note, size, "the window has no length");
		return BENCH_NOT_COUNTED;
	}
	watts = *ret_value / ns * 1e9;
	if (is_energy(e->event) && (watts <= 0 || watts > MAX_WATTS)) {
		snprintf(note, size, "%.3g W cannot be right", watts);
		return BENCH_INVALID;
	}
	if (is_energy(e->event))
		snprintf(note, size, "%.1f W, all that runs on the package", watts);
	return BENCH_OK;
}

/* "power/energy-pkg/" is the domain "pkg". */
static void domain_of(const struct counter_event *event, char *buf, size_t size)
{
	const char *at = strstr(event->base, "energy-");

	snprintf(buf, size, "%s", at ? at + strlen("energy-") : event->base);
	buf[strcspn(buf, "/")] = '\0';
}

static void put_one(const struct package_event *e, uint64_t ops, struct bench_metric_set *set)
{
	const struct bench_metric_count count = {
		.enabled_ns = e->end.enabled_ns - e->begin.enabled_ns,
		.running_ns = e->end.running_ns - e->begin.running_ns,
	};
	char package[16], domain[EVENT_NAME_MAX], note[192];
	double value;
	enum bench_status status = judge(e, &value, note, sizeof(note));
	struct bench_metric_id id = { .name = e->event->name,
				      .unit = e->event->unit,
				      .source = BENCH_SOURCE_COUNTER,
				      .labels = { { "scope", "package" }, { "package", package } } };

	snprintf(package, sizeof(package), "%d", e->package);
	bench_metric_put_count(set, &id, status, value, note[0] ? note : NULL, &count);
	if (!is_energy(e->event) || !ops)
		return;
	domain_of(e->event, domain, sizeof(domain));
	id.name = "energy.per_op";
	id.better = BENCH_BETTER_LOWER;
	id.labels[1] = (struct bench_label){ "domain", domain };
	/* A second call in a trial adds up: the packages. */
	bench_metric_put_count(set, &id, status, value / (double)ops,
			       status == BENCH_OK ? "gross: all that runs on the packages" : note,
			       &count);
}

void packages_put(const struct counter_packages *p, uint64_t ops, struct bench_metric_set *set)
{
	for (unsigned i = 0; p && i < p->nr; i++)
		put_one(&p->events[i], ops, set);
}

void packages_close(struct counter_packages *p)
{
	for (unsigned i = 0; p && i < p->nr; i++)
		if (p->events[i].fd >= 0)
			sys_perf_close(p->events[i].fd);
	if (p)
		free(p->events);
	free(p);
}
