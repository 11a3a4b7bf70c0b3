// SPDX-License-Identifier: BSD-2-Clause
/* The known event names nearest to a mistyped one, by edit distance. */
#include "counters/event.h"

#include <stdio.h>
#include <string.h>

#include "core/nearest.h"

#define NR_BEST 3

struct search {
	const char *name;
	unsigned limit; /* farther than this is no likeness */
	struct {
		char name[EVENT_NAME_MAX];
		unsigned distance;
	} best[NR_BEST];
	unsigned nr;
};

static void consider(struct search *s, const char *name)
{
	unsigned d = nearest_distance(s->name, name), at;

	if (d > s->limit || strlen(name) >= EVENT_NAME_MAX)
		return;
	for (unsigned i = 0; i < s->nr; i++) {
		if (strcmp(s->best[i].name, name) == 0)
			return;
	}
	if (s->nr == NR_BEST && d >= s->best[NR_BEST - 1].distance)
		return;
	at = s->nr < NR_BEST ? s->nr++ : NR_BEST - 1;
	for (; at > 0 && s->best[at - 1].distance > d; at--)
		s->best[at] = s->best[at - 1];
	snprintf(s->best[at].name, sizeof(s->best[at].name), "%s", name);
	s->best[at].distance = d;
}

static void consider_pmu_event(const struct pmu *pmu, const char *name, void *ctx)
{
	char full[512];

	snprintf(full, sizeof(full), "%s/%s/", pmu->name, name);
	consider(ctx, full);
	if (pmu->core)
		consider(ctx, name);
}

static void consider_pfm_event(const char *name, const char *pmu, void *ctx)
{
	(void)pmu;
	consider(ctx, name);
}

void suggest_event(const char *name, const struct pmu_set *pmus, char *buf, size_t size)
{
	struct search s = { .name = name, .limit = strlen(name) / 3 };
	struct event_name known;
	char text[EVENT_NAME_MAX];
	size_t len = 0;

	if (s.limit < 2)
		s.limit = 2;
	for (unsigned i = 0; names_at(i, &known, text, sizeof(text)); i++)
		consider(&s, known.name);
	for (unsigned i = 0; i < pmus->nr; i++)
		pmu_each_event(pmus, &pmus->pmus[i], consider_pmu_event, &s);
	pfm_each(consider_pfm_event, &s);
	buf[0] = '\0';
	for (unsigned i = 0; i < s.nr && len < size; i++)
		len += snprintf(buf + len, size - len, "%s'%s'", i ? ", " : "", s.best[i].name);
}
