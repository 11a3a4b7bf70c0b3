// SPDX-License-Identifier: BSD-2-Clause
/* Vendor event names through libpfm4. Its set-up costs a fraction of a millisecond and the tables
 * are large, so it is used only for names that neither perf's own list nor sysfs has. */
#include "counters/event.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <perfmon/pfmlib_perf_event.h>

/* Does the name ask for guest or host counting itself (":mg", ":mh")? */
static bool names_guest(const char *name)
{
	const char *at = name;

	while ((at = strstr(at, ":m"))) {
		if (at[2] == 'g' || at[2] == 'h')
			return true;
		at += 2;
	}
	return false;
}

/* Take over what counting needs and nothing else: libpfm4 also sets sampling periods, and
 * exclude_guest always, which PMUs outside the core refuse. */
static void copy_encoding(struct counter_event *event, const struct perf_event_attr *attr,
			  const char *name, const char *modifiers)
{
	event->attr.type = attr->type;
	event->attr.config = attr->config;
	event->attr.config1 = attr->config1;
	event->attr.config2 = attr->config2;
	event->attr.exclude_user = attr->exclude_user;
	event->attr.exclude_kernel = attr->exclude_kernel;
	event->attr.exclude_hv = !strchr(modifiers, 'h');
	if (names_guest(name)) {
		event->attr.exclude_guest = attr->exclude_guest;
		event->attr.exclude_host = attr->exclude_host;
	}
}

int pfm_resolve(struct counter_event *ret_event, const char *base, const char *modifiers,
		struct bench_err *err)
{
	struct perf_event_attr attr = { .size = sizeof(attr) };
	char name[EVENT_NAME_MAX + 8], *fstr = NULL;
	pfm_perf_encode_arg_t arg = { .attr = &attr, .fstr = &fstr, .size = sizeof(arg) };
	size_t len;
	int ret = pfm_initialize();

	if (ret != PFM_SUCCESS)
		return bench_fail(err, -ENOENT, "libpfm4: %s", pfm_strerror(ret));
	len = snprintf(name, sizeof(name), "%s", base);
	for (const char *m = modifiers; *m && len + 3 < sizeof(name); m++)
		len += snprintf(name + len, sizeof(name) - len, ":%c", *m);
	ret = pfm_get_os_event_encoding(name, PFM_PLM0 | PFM_PLM3, PFM_OS_PERF_EVENT_EXT, &arg);
	if (ret != PFM_SUCCESS) {
		free(fstr);
		return bench_fail(err, ret == PFM_ERR_NOTFOUND ? -ENOENT : -EINVAL,
				  "event '%s': %s", name, pfm_strerror(ret));
	}
	copy_encoding(ret_event, &attr, name, modifiers);
	snprintf(ret_event->encoding, sizeof(ret_event->encoding), "%s", fstr ? fstr : "");
	ret_event->source = "libpfm4";
	free(fstr);
	return 0;
}

static void each_event(const pfm_pmu_info_t *pmu,
		       void (*fn)(const char *name, const char *pmu, void *ctx), void *ctx)
{
	for (int i = pmu->first_event; i != -1; i = pfm_get_event_next(i)) {
		pfm_event_info_t info = { .size = sizeof(info) };

		if (pfm_get_event_info(i, PFM_OS_PERF_EVENT_EXT, &info) == PFM_SUCCESS)
			fn(info.name, pmu->name, ctx);
	}
}

void pfm_each(void (*fn)(const char *name, const char *pmu, void *ctx), void *ctx)
{
	if (pfm_initialize() != PFM_SUCCESS)
		return;
	for (int i = 0; i < PFM_PMU_MAX; i++) {
		pfm_pmu_info_t info = { .size = sizeof(info) };

		if (pfm_get_pmu_info(i, &info) != PFM_SUCCESS || !info.is_present)
			continue;
		/* Its "perf" tables repeat the names that we have ourselves. */
		if (i != PFM_PMU_PERF_EVENT && i != PFM_PMU_PERF_EVENT_RAW)
			each_event(&info, fn, ctx);
	}
}
