/* SPDX-License-Identifier: BSD-2-Clause */
/* One event: from the name the user wrote to the encoding the kernel takes. */
#ifndef COUNTERS_EVENT_H
#define COUNTERS_EVENT_H

#include <linux/perf_event.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bench/error.h"
#include "bench/metric.h"
#include "counters/pmu.h"

#define EVENT_NAME_MAX 128

enum event_kind {
	EVENT_SOFTWARE, /* the kernel's own counters; always there */
	EVENT_CORE,	/* the CPU's PMU: limited in number, grouped, proved live */
	EVENT_OTHER,	/* any other PMU: no exclude bits, one group each */
};

struct counter_event {
	char name[EVENT_NAME_MAX + 8]; /* as reported: perf's spelling, "cycles:u" */
	char base[EVENT_NAME_MAX];     /* the same without modifiers */
	char pmu[PMU_NAME_MAX];	       /* sysfs name; "" = whichever core PMU there is */
	const char *source; /* "generic", "cache", "software", "sysfs", "raw", "libpfm4" */
	char encoding[EVENT_NAME_MAX]; /* libpfm4's full spelling; else "" */
	struct perf_event_attr attr;
	bool unencoded; /* its PMU is not here, so attr says nothing */
	enum event_kind kind;
	bool hybrid;	    /* one of several core PMUs: running < enabled = ran elsewhere */
	bool cpu_only;	    /* the PMU counts per CPU or package, never for a thread */
	cpu_set_t cpu_mask; /* cpu_only: the CPUs to open it on, one per package */
	double scale;	    /* a count of 1 is this many units */
	char unit[16];	    /* "count", "ns", "J", ... */
	const char *key;    /* in the formulas of a top-down table; NULL = none */
	int brace;	    /* the {group} it was written in, -1 = none */
	/* Filled when the plan is proved (probe.c). */
	enum bench_status status;
	char note[192];
	bool proved; /* has been seen to count, so that a zero of it means zero */
	bool extra;  /* nobody asked for it: no row where it is not there */
};

/* Resolve one name, without braces, with modifiers from the braces around it ("" = none). Fills
 * ret_events and returns how many (more than 1 on a host with several kinds of core), at most max.
 * -ENOENT: unknown, err gives the nearest names. -EINVAL: bad syntax. */
int event_resolve(struct counter_event *ret_events, unsigned max, const char *spec,
		  const char *group_modifiers, const struct pmu_set *pmus, struct bench_err *err);
/* Derive kind, unit and scale from type and config, so that an event is treated the same whichever
 * spelling it came from. */
void event_classify(struct counter_event *event, const struct pmu_set *pmus);
/* The clocks count user and kernel time alike whatever is excluded. */
bool event_is_clock(const struct counter_event *event);
/* Happens in the kernel only: reads 0 for ever when the kernel is excluded. */
bool event_is_kernel_only(const struct counter_event *event);

/* names.c: perf's own names. */
struct event_name {
	const char *name, *source;
	uint32_t type;
	uint64_t config;
};
/* Case is ignored. ret_name's name points to buf (size bytes) or to constant text. */
bool names_find(const char *name, struct event_name *ret_name, char *buf, size_t size);
/* The i-th name, aliases left out; false after the last. */
bool names_at(unsigned i, struct event_name *ret_name, char *buf, size_t size);

/* pfm.c: libpfm4, initialised at the first call. modifiers: "" or letters. 0, -ENOENT, -EINVAL. */
int pfm_resolve(struct counter_event *ret_event, const char *base, const char *modifiers,
		struct bench_err *err);
/* Every event name of the PMUs that libpfm4 finds on this host, generic ones left out. */
void pfm_each(void (*fn)(const char *name, const char *pmu, void *ctx), void *ctx);

/* suggest.c: up to three of the known names that look like name, as "'a', 'b'"; "" if none does. */
void suggest_event(const char *name, const struct pmu_set *pmus, char *buf, size_t size);

#endif
