// SPDX-License-Identifier: BSD-2-Clause
/* The list of events as perf writes it: a,b,{c,d}:u,pmu/x=1,y=2/ */
#include "counters/topdown.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is counted when nothing is said. The hardware ones are kept where they are missing, with
 * the reason: a report without cycles has to say why. */
#define DEFAULT_EVENTS                                                                             \
	"cycles,instructions,branches,branch-misses,cache-references,cache-misses,"                \
	"task-clock,context-switches,cpu-migrations,page-faults,major-faults"

/* What of them happened in user mode, in a pass of its own; the rest was the kernel. */
#define SPLIT_EVENTS "{cycles,instructions,cycles:u,instructions:u}"

/* Length of the name at text: up to a comma, brace or the end, but the commas between the slashes
 * of pmu/a=1,b=2/ are part of it. */
static size_t name_length(const char *text)
{
	bool slashes = false;
	size_t len = 0;

	for (; text[len]; len++) {
		if (text[len] == '/')
			slashes = !slashes;
		if (!slashes && strchr(",{}", text[len]))
			break;
	}
	return len;
}

static int check_slashes(const char *name, struct bench_err *err)
{
	unsigned nr = 0;

	for (const char *at = name; (at = strchr(at, '/')); at++)
		nr++;
	if (nr != 0 && nr != 2)
		return bench_fail(err, -EINVAL, "event '%s': expected pmu/event/", name);
	return 0;
}

/* The same event written twice is counted once; in braces of its own it may come again. */
static bool is_repeated(const struct counter_plan *plan, const struct counter_event *event)
{
	for (unsigned i = 0; i < plan->nr_events; i++) {
		const struct counter_event *other = &plan->events[i];

		if (other->brace == event->brace && strcmp(other->name, event->name) == 0 &&
		    strcmp(other->pmu, event->pmu) == 0)
			return true;
	}
	return false;
}

static int add_name(struct counter_plan *plan, const char *text, size_t len, int brace,
		    const char *modifiers, struct bench_err *err)
{
	/* More kinds of core than this do not exist in one host (cpu_core, cpu_atom, cpu_lowpower).
	 */
	struct counter_event events[8];
	char name[2 * EVENT_NAME_MAX];
	int nr;

	if (len == 0)
		return bench_fail(err, -EINVAL, "empty event name at '%.20s'", text);
	snprintf(name, sizeof(name), "%.*s", (int)len, text);
	nr = check_slashes(name, err);
	if (!nr)
		nr = event_resolve(events, 8, name, modifiers, &plan->pmus, err);
	if (nr < 0)
		return nr;
	for (int i = 0; i < nr; i++) {
		events[i].brace = brace;
		if (is_repeated(plan, &events[i]))
			continue;
		if (plan->nr_events == COUNTER_MAX_EVENTS)
			return bench_fail(err, -EINVAL, "more than %d events", COUNTER_MAX_EVENTS);
		plan->events[plan->nr_events++] = events[i];
	}
	return 0;
}

/* The modifiers after the closing brace, "}:u"; *ret_end is what follows them. */
static int brace_modifiers(const char *close, char *buf, size_t size, const char **ret_end,
			   struct bench_err *err)
{
	size_t len;

	buf[0] = '\0';
	*ret_end = close + 1;
	if (close[1] != ':')
		return 0;
	len = strcspn(close + 2, ",{}");
	*ret_end = close + 2 + len;
	if (len == 0 || len >= size || strspn(close + 2, "ukh") < len)
		return bench_fail(err, -EINVAL,
				  "unknown modifier '%.*s' after } (u, k and h are known)",
				  (int)len, close + 2);
	snprintf(buf, size, "%.*s", (int)len, close + 2);
	return 0;
}

/* {a,b}:u from its opening brace on. */
static int parse_braces(struct counter_plan *plan, const char **text, struct bench_err *err)
{
	const char *at = *text + 1, *close = at, *end;
	char modifiers[8];
	int brace = plan->nr_braces++, ret;

	/* The modifiers stand behind the names that they apply to. */
	while (*close && *close != '}') {
		close += name_length(close);
		if (*close == '{')
			return bench_fail(err, -EINVAL, "braces within braces at '%.20s'", close);
		if (*close == ',')
			close++;
	}
	if (!*close)
		return bench_fail(err, -EINVAL, "'{' without '}' at '%.20s'", *text);
	ret = brace_modifiers(close, modifiers, sizeof(modifiers), &end, err);
	while (!ret) {
		size_t len = name_length(at);

		ret = add_name(plan, at, len, brace, modifiers, err);
		at += len;
		if (*at != ',')
			break;
		at++;
	}
	*text = end;
	return ret;
}

static int parse_list(struct counter_plan *plan, const char *at, struct bench_err *err);

/* Add events that nobody asked for by name. */
static int parse_extra(struct counter_plan *plan, const char *list)
{
	unsigned before = plan->nr_events;
	int ret = parse_list(plan, list, NULL);

	for (unsigned i = before; i < plan->nr_events; i++)
		plan->events[i].extra = true;
	return ret;
}

static int parse_default(struct counter_plan *plan, struct bench_err *err)
{
	const struct pmu *power = pmu_find(&plan->pmus, "power");
	int ret = parse_list(plan, DEFAULT_EVENTS, err);

	if (!ret)
		ret = parse_extra(plan, SPLIT_EVENTS);
	if (!ret && power && pmu_has_event(&plan->pmus, power, "energy-pkg"))
		ret = parse_extra(plan, "power/energy-pkg/");
	return ret;
}

/* A group of braces for each of the table's. What the events count is evidence, so they are shown. */
static int parse_topdown(struct counter_plan *plan, struct bench_err *err)
{
	struct cpu_id id;
	int ret = 0;

	if (plan->topdown_asked)
		return 0;
	plan->topdown_asked = true;
	topdown_cpu(&id, &plan->pmus);
	plan->topdown = topdown_find(&id, &plan->pmus);
	plan->topdown_brace = (int)plan->nr_braces;
	for (unsigned g = 0; plan->topdown && plan->topdown->groups[g] && !ret; g++) {
		const struct topdown_event *event = plan->topdown->groups[g]->events;
		int brace = (int)plan->nr_braces++;

		for (; event->key && !ret; event++) {
			unsigned before = plan->nr_events;

			ret = add_name(plan, event->name, strlen(event->name), brace, "", err);
			if (plan->nr_events > before)
				plan->events[before].key = event->key;
		}
	}
	return ret;
}

/* Every energy domain that the host has; where it has none, the package's says why. */
static int parse_energy(struct counter_plan *plan, struct bench_err *err)
{
	static const char *const domains[] = { "cores", "pkg", "ram", "gpu", "psys" };
	const struct pmu *pmu = pmu_find(&plan->pmus, "power");
	unsigned before = plan->nr_events;
	int ret = 0;

	for (unsigned i = 0; i < sizeof(domains) / sizeof(domains[0]) && !ret; i++) {
		char name[64];

		snprintf(name, sizeof(name), "energy-%s", domains[i]);
		if (!pmu || !pmu_has_event(&plan->pmus, pmu, name))
			continue;
		snprintf(name, sizeof(name), "power/energy-%s/", domains[i]);
		ret = add_name(plan, name, strlen(name), -1, "", err);
	}
	if (!ret && plan->nr_events == before && before < COUNTER_MAX_EVENTS)
		plan->events[plan->nr_events++] = (struct counter_event){
			.name = "power/energy-pkg/",
			.base = "power/energy-pkg/",
			.pmu = "power",
			.source = "sysfs",
			.unit = "J",
			.scale = 1,
			.brace = -1,
			.kind = EVENT_OTHER,
			.unencoded = true,
			.status = BENCH_NOT_SUPPORTED,
			.note = "no energy counter (RAPL) on this host, or a hypervisor hides it",
		};
	return ret;
}

/* Words that stand for several events; false when it is none. */
static bool parse_word(struct counter_plan *plan, const char *word, size_t len,
		       struct bench_err *err, int *ret)
{
	if (len == 7 && strncmp(word, "default", len) == 0)
		*ret = parse_default(plan, err);
	else if (len == 7 && strncmp(word, "topdown", len) == 0)
		*ret = parse_topdown(plan, err);
	else if (len == 6 && strncmp(word, "energy", len) == 0)
		*ret = parse_energy(plan, err);
	else
		return false;
	return true;
}

static int parse_list(struct counter_plan *plan, const char *at, struct bench_err *err)
{
	while (true) {
		int ret;

		if (*at == '{') {
			ret = parse_braces(plan, &at, err);
		} else {
			size_t len = name_length(at);

			if (!parse_word(plan, at, len, err, &ret))
				ret = add_name(plan, at, len, -1, "", err);
			at += len;
		}
		if (ret)
			return ret;
		if (!*at)
			return 0;
		if (*at++ != ',')
			return bench_fail(err, -EINVAL, "expected ',' before '%.20s'", at - 1);
	}
}

int counter_plan_parse(struct counter_plan *plan, const char *list, struct bench_err *err)
{
	char *copy = strdup(list ? list : "");
	size_t len = 0;
	int ret;

	if (!copy)
		return -ENOMEM;
	/* No event name has a space, so a list from a configuration file may be spaced out. */
	for (const char *at = copy; *at; at++) {
		if (!isspace((unsigned char)*at))
			copy[len++] = *at;
	}
	copy[len] = '\0';
	if (strcmp(copy, "none") == 0)
		ret = 0;
	else
		ret = len ? parse_list(plan, copy, err) : parse_default(plan, err);
	free(copy);
	return ret;
}
