// SPDX-License-Identifier: BSD-2-Clause
/* One event name to its encoding: perf's own names, pmu/terms/, rNNN, the core PMU's sysfs events,
 * and last libpfm4. */
#include "counters/event.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODIFIERS "ukh"

/* A name taken apart. */
struct spec {
	char base[EVENT_NAME_MAX];
	char modifiers[4]; /* each letter of MODIFIERS at most once, in that order */
};

static void add_modifiers(struct spec *spec, const char *letters)
{
	char both[16];
	size_t nr = 0;

	snprintf(both, sizeof(both), "%s%.8s", spec->modifiers, letters);
	for (const char *m = MODIFIERS; *m; m++) {
		if (strchr(both, *m))
			spec->modifiers[nr++] = *m;
	}
	spec->modifiers[nr] = '\0';
}

static bool all_modifiers(const char *text)
{
	return *text && strspn(text, MODIFIERS) == strlen(text);
}

/* Modifiers follow the last ':', or the second '/' of pmu/terms/. A colon is also part of vendor
 * names (EVENT:UMASK), so what is no modifier stays in the base. */
static int spec_parse(struct spec *ret_spec, const char *text, struct bench_err *err)
{
	struct spec spec = { 0 };
	char *slash, *tail;

	if (strlen(text) >= sizeof(spec.base))
		return bench_fail(err, -EINVAL, "event '%.40s...': longer than %zu characters",
				  text, sizeof(spec.base) - 1);
	strcpy(spec.base, text);
	slash = strchr(spec.base, '/');
	if (slash) {
		char *end = strrchr(spec.base, '/');

		tail = end + 1;
		if (end == slash || slash == spec.base)
			return bench_fail(err, -EINVAL, "event '%s': expected pmu/event/", text);
		if (*tail == ':')
			memmove(tail, tail + 1, strlen(tail));
		if (*tail && !all_modifiers(tail))
			return bench_fail(
				err, -EINVAL,
				"event '%s': unknown modifier '%s' (u, k and h are known)", text,
				tail);
		add_modifiers(&spec, tail);
		*tail = '\0';
	} else if ((tail = strrchr(spec.base, ':')) && all_modifiers(tail + 1)) {
		*tail = '\0';
		add_modifiers(&spec, tail + 1);
	}
	*ret_spec = spec;
	return 0;
}

bool event_is_clock(const struct counter_event *event)
{
	return event->attr.type == PERF_TYPE_SOFTWARE &&
	       (event->attr.config == PERF_COUNT_SW_TASK_CLOCK ||
		event->attr.config == PERF_COUNT_SW_CPU_CLOCK);
}

bool event_is_kernel_only(const struct counter_event *event)
{
	return event->attr.type == PERF_TYPE_SOFTWARE &&
	       (event->attr.config == PERF_COUNT_SW_CONTEXT_SWITCHES ||
		event->attr.config == PERF_COUNT_SW_CPU_MIGRATIONS ||
		event->attr.config == PERF_COUNT_SW_CGROUP_SWITCHES);
}

void event_classify(struct counter_event *event, const struct pmu_set *pmus)
{
	const struct pmu *pmu;

	if (!event->unit[0])
		strcpy(event->unit, "count");
	switch (event->attr.type) {
	case PERF_TYPE_SOFTWARE:
		event->kind = EVENT_SOFTWARE;
		strcpy(event->pmu, "software");
		if (event_is_clock(event))
			strcpy(event->unit, "ns");
		return;
	case PERF_TYPE_HARDWARE:
	case PERF_TYPE_HW_CACHE:
	case PERF_TYPE_RAW:
		event->kind = EVENT_CORE;
		return;
	}
	pmu = pmu_by_type(pmus, event->attr.type);
	event->kind = pmu && pmu->core ? EVENT_CORE : EVENT_OTHER;
	if (!pmu)
		return;
	strcpy(event->pmu, pmu->name);
	event->cpu_only = !pmu->core && pmu_cpu_mask(pmus, pmu, &event->cpu_mask);
}

/* The exclude bits. Only the core PMU and software events know modes: other PMUs refuse any bit. */
static void event_exclude(struct counter_event *event, const char *modifiers)
{
	if (*modifiers) {
		event->attr.exclude_user = !strchr(modifiers, 'u');
		event->attr.exclude_kernel = !strchr(modifiers, 'k');
		event->attr.exclude_hv = !strchr(modifiers, 'h');
	} else if (event->kind == EVENT_CORE) {
		event->attr.exclude_hv = 1;
	}
}

/* What the kernel would accept, but count something else. */
static void event_check(struct counter_event *event, const char *modifiers)
{
	if (event->kind != EVENT_SOFTWARE)
		return;
	event->attr.exclude_hv = 0;
	if (*modifiers && event_is_clock(event)) {
		event->status = BENCH_NOT_SUPPORTED;
		strcpy(event->note, "counts user and kernel time alike, whatever is asked for");
	} else if (event->attr.exclude_kernel && event_is_kernel_only(event)) {
		event->status = BENCH_NOT_SUPPORTED;
		strcpy(event->note, "happens in the kernel: without k it always reads 0");
	}
}

static void event_name(struct counter_event *event, const char *base, const char *modifiers)
{
	bool slash = strchr(base, '/');

	snprintf(event->base, sizeof(event->base), "%s", base);
	snprintf(event->name, sizeof(event->name), "%s%s%s", base, *modifiers && !slash ? ":" : "",
		 modifiers);
}

/* Fill ret_events with one event per kind of core, from the template. On a host with one kind
 * nothing has to be said about the PMU; with several, a generic type needs the PMU's number in the
 * upper half of config, or only one kind counts (perf_event_open(2), PERF_TYPE_HARDWARE). */
static int expand_hybrid(struct counter_event *ret_events, unsigned max,
			 const struct counter_event *event, const struct pmu_set *pmus)
{
	unsigned nr = 0;

	if (pmus->nr_core < 2) {
		ret_events[0] = *event;
		return 1;
	}
	for (unsigned i = 0; i < pmus->nr_core && nr < max; i++) {
		const struct pmu *pmu = pmu_core(pmus, i);
		uint32_t type;

		if (pmu_type(pmus, pmu, &type))
			continue;
		ret_events[nr] = *event;
		ret_events[nr].hybrid = true;
		strcpy(ret_events[nr].pmu, pmu->name);
		if (event->attr.type == PERF_TYPE_RAW)
			ret_events[nr].attr.type = type;
		else
			ret_events[nr].attr.config |= (uint64_t)type << 32;
		nr++;
	}
	return nr;
}

/* perf's own names and rNNN. Returns the number of events, 0 when it is neither. */
static int resolve_own(struct counter_event *ret_events, unsigned max, const struct spec *spec,
		       const struct pmu_set *pmus)
{
	struct counter_event event = { .scale = 1, .brace = -1 };
	struct event_name known;
	char buf[EVENT_NAME_MAX];
	size_t hex = strspn(spec->base + 1, "0123456789abcdefABCDEF");

	if (names_find(spec->base, &known, buf, sizeof(buf))) {
		event.attr.type = known.type;
		event.attr.config = known.config;
		event.source = known.source;
		event_name(&event, known.name, spec->modifiers);
	} else if (spec->base[0] == 'r' && hex && hex <= 16 && !spec->base[1 + hex]) {
		event.attr.type = PERF_TYPE_RAW;
		event.attr.config = strtoull(spec->base + 1, NULL, 16);
		event.source = "raw";
		event_name(&event, spec->base, spec->modifiers);
	} else {
		return 0;
	}
	event_classify(&event, pmus);
	event_exclude(&event, spec->modifiers);
	event_check(&event, spec->modifiers);
	if (event.kind == EVENT_CORE)
		return expand_hybrid(ret_events, max, &event, pmus);
	ret_events[0] = event;
	return 1;
}

static int encode_sysfs(struct counter_event *ret_event, const struct pmu *pmu, const char *terms,
			const struct spec *spec, const struct pmu_set *pmus, struct bench_err *err)
{
	struct counter_event event = { .brace = -1, .source = "sysfs" };
	struct pmu_extra extra = { 0 };
	int ret = pmu_encode(pmus, pmu, terms, &event.attr, &extra, err);

	if (ret)
		return ret;
	event.scale = extra.scale;
	strcpy(event.unit, extra.unit);
	event_name(&event, spec->base, spec->modifiers);
	event_classify(&event, pmus);
	/* Type RAW's number is also that of the PMU named cpu. */
	strcpy(event.pmu, pmu->name);
	event.hybrid = pmu->core && pmus->nr_core > 1;
	event_exclude(&event, spec->modifiers);
	*ret_event = event;
	return 1;
}

/* Add to an error about a name the names that are near it. */
static int fail_near(const char *name, const struct pmu_set *pmus, struct bench_err *err)
{
	char why[sizeof(err->msg)], near[256];

	if (!err)
		return -ENOENT;
	memcpy(why, err->msg, sizeof(why));
	suggest_event(name, pmus, near, sizeof(near));
	return bench_fail(err, -ENOENT, "%s%s%s", why, *near ? "; near it: " : "", near);
}

/* pmu/terms/ */
static int resolve_sysfs(struct counter_event *ret_event, const struct spec *spec,
			 const struct pmu_set *pmus, struct bench_err *err)
{
	char name[EVENT_NAME_MAX], *terms;
	const struct pmu *pmu;
	int ret;

	strcpy(name, spec->base);
	terms = strchr(name, '/');
	*terms++ = '\0';
	terms[strlen(terms) - 1] = '\0';
	pmu = pmu_find(pmus, name);
	if (pmu) {
		ret = encode_sysfs(ret_event, pmu, terms, spec, pmus, err);
		return ret == -ENOENT ? fail_near(spec->base, pmus, err) : ret;
	}
	if (!pmu_known_elsewhere(name)) {
		bench_fail(err, -ENOENT, "event '%s': no PMU '%s'", spec->base, name);
		return fail_near(spec->base, pmus, err);
	}
	*ret_event = (struct counter_event){ .brace = -1, .scale = 1, .source = "sysfs" };
	event_name(ret_event, spec->base, spec->modifiers);
	strcpy(ret_event->unit, "count");
	snprintf(ret_event->pmu, sizeof(ret_event->pmu), "%.*s", PMU_NAME_MAX - 1, name);
	ret_event->kind = EVENT_OTHER;
	ret_event->unencoded = true;
	ret_event->status = BENCH_NOT_SUPPORTED;
	snprintf(ret_event->note, sizeof(ret_event->note), "no PMU '%s' on this host", name);
	return 1;
}

/* An event of the core PMU by its bare name, as `perf stat -e mem-loads`. */
static int resolve_core_name(struct counter_event *ret_events, unsigned max,
			     const struct spec *spec, const struct pmu_set *pmus,
			     struct bench_err *err)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < pmus->nr_core && nr < max; i++) {
		const struct pmu *pmu = pmu_core(pmus, i);
		int ret;

		if (!pmu_has_event(pmus, pmu, spec->base))
			continue;
		ret = encode_sysfs(&ret_events[nr], pmu, spec->base, spec, pmus, err);
		if (ret < 0)
			return ret;
		nr++;
	}
	return nr;
}

static int resolve_pfm(struct counter_event *ret_event, const struct spec *spec,
		       const struct pmu_set *pmus, struct bench_err *err)
{
	struct counter_event event = { .brace = -1, .scale = 1 };
	int ret = pfm_resolve(&event, spec->base, spec->modifiers, err);

	if (ret)
		return ret;
	event_name(&event, spec->base, spec->modifiers);
	event_classify(&event, pmus);
	if (event.kind != EVENT_CORE) {
		event.attr.exclude_hv = 0;
		event.attr.exclude_guest = event.attr.exclude_host = 0;
	}
	event_check(&event, spec->modifiers);
	*ret_event = event;
	return 1;
}

/* Say what is wrong with a name that nobody could resolve; pfm_err is libpfm4's opinion. */
static int fail_unknown(const char *text, const struct pmu_set *pmus,
			const struct bench_err *pfm_err, struct bench_err *err)
{
	char front[EVENT_NAME_MAX], near[256], buf[EVENT_NAME_MAX];
	struct event_name known;
	size_t colon = strcspn(text, ":");

	snprintf(front, sizeof(front), "%.*s", (int)colon, text);
	/* After one of our own names a ':' can only have been meant as modifiers. */
	if (text[colon] && names_find(front, &known, buf, sizeof(buf)))
		return bench_fail(err, -EINVAL,
				  "event '%s': unknown modifier '%s' (u, k and h are known)", text,
				  text + colon + 1);
	if (pfm_err->code != -ENOENT)
		return bench_fail(err, pfm_err->code, "%s", pfm_err->msg);
	suggest_event(front, pmus, near, sizeof(near));
	return bench_fail(err, -ENOENT, "unknown event '%s'%s%s%s", text,
			  *near ? "; near it: " : "", near,
			  *near ? "" : " (`bench list counters` has the known ones)");
}

int event_resolve(struct counter_event *ret_events, unsigned max, const char *text,
		  const char *group_modifiers, const struct pmu_set *pmus, struct bench_err *err)
{
	struct bench_err pfm_err = { 0 };
	struct spec spec;
	int ret = spec_parse(&spec, text, err);

	if (ret)
		return ret;
	add_modifiers(&spec, group_modifiers);
	if (strchr(spec.base, '/'))
		return resolve_sysfs(ret_events, &spec, pmus, err);
	ret = resolve_own(ret_events, max, &spec, pmus);
	if (!ret)
		ret = resolve_core_name(ret_events, max, &spec, pmus, err);
	if (ret)
		return ret;
	ret = resolve_pfm(ret_events, &spec, pmus, &pfm_err);
	return ret < 0 ? fail_unknown(text, pmus, &pfm_err, err) : ret;
}
