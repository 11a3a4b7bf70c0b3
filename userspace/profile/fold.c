// SPDX-License-Identifier: BSD-2-Clause
#include "profile/fold.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "core/result.h"
#include "profile/texts.h"

/* What a wait without a stack is called, in place of a function. */
#define NO_STACK "[no stack]"

struct row {
	unsigned job;
	enum profile_event event;
	const char *comm, *dso, *name; /* equal texts are equal pointers */
	bool kernel;
	uint64_t samples, weight;
};

struct total {
	uint64_t samples, weight;
	uint64_t no_stack; /* weight of those without one */
};

struct fold {
	const struct fold_span *spans;
	unsigned nr_spans, nr_jobs;
	struct total *totals; /* job x event */
	void *rows, *texts;   /* trees */
};

/* What twalk_r() collects: the rows of a job and an event. */
struct choice {
	unsigned job;
	enum profile_event event;
	const struct row **rows;
	size_t nr, room;
};

struct fold *fold_new(const struct fold_span *spans, unsigned nr_spans, unsigned nr_jobs)
{
	struct fold *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->spans = spans;
	f->nr_spans = nr_spans;
	f->nr_jobs = nr_jobs;
	f->totals = calloc((size_t)nr_jobs * PROFILE_NR_EVENTS + 1, sizeof(*f->totals));
	if (f->totals)
		return f;
	free(f);
	return NULL;
}

void fold_free(struct fold *f)
{
	if (!f)
		return;
	tdestroy(f->rows, free);
	texts_free(f->texts);
	free(f->totals);
	free(f);
}

static int compare_u64(uint64_t x, uint64_t y)
{
	return x < y ? -1 : x > y;
}

static int by_key(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int c = compare_u64(x->job, y->job);

	c = c ? c : compare_u64(x->event, y->event);
	c = c ? c : compare_u64((uintptr_t)x->comm, (uintptr_t)y->comm);
	c = c ? c : compare_u64((uintptr_t)x->dso, (uintptr_t)y->dso);
	c = c ? c : compare_u64((uintptr_t)x->name, (uintptr_t)y->name);
	return c ? c : compare_u64(x->kernel, y->kernel);
}

static int compare_span(const void *key, const void *element)
{
	const uint64_t *time = key;
	const struct fold_span *span = element;

	return *time < span->start_ns ? -1 : *time > span->end_ns;
}

const struct fold_span *fold_span_at(const struct fold_span *spans, unsigned nr, uint64_t time_ns)
{
	return bsearch(&time_ns, spans, nr, sizeof(*spans), compare_span);
}

static void add_row(struct fold *f, const struct row *key, const struct sample *s)
{
	struct row **node = tfind(key, &f->rows, by_key), *own;

	if (!node) {
		own = malloc(sizeof(*own));
		if (!own)
			return;
		*own = *key;
		node = tsearch(own, &f->rows, by_key);
		if (!node) {
			free(own);
			return;
		}
	}
	(*node)->samples++;
	(*node)->weight += s->period;
}

void fold_add(struct fold *f, const struct sample *s, struct symbols *symbols)
{
	const struct fold_span *span = fold_span_at(f->spans, f->nr_spans, s->time_ns);
	bool no_stack = s->event != PROFILE_CPU && !s->nr_chain;
	struct symbol_frame frame;
	struct total *total;
	struct row key;

	if (!span || span->job >= f->nr_jobs)
		return;
	total = &f->totals[span->job * PROFILE_NR_EVENTS + s->event];
	total->samples++;
	total->weight += s->period;
	total->no_stack += no_stack ? s->period : 0;
	key = (struct row){ .job = span->job, .event = s->event, .comm = texts_keep(&f->texts, s->comm) };
	if (no_stack) {
		key.dso = "";
		key.name = NO_STACK;
	} else {
		symbols_resolve_one(symbols, (pid_t)s->pid, s->ip, s->kernel, false, &frame);
		key.dso = texts_keep(&f->texts, frame.dso);
		key.name = frame.name ? texts_keep(&f->texts, frame.name) : "[unknown]";
		key.kernel = frame.kernel;
	}
	if (key.comm && key.dso && key.name)
		add_row(f, &key, s);
}

/* --- the largest --- */

static void choose(const void *node, VISIT visit, void *arg)
{
	const struct row *row = *(struct row *const *)node;
	struct choice *c = arg;

	if ((visit != postorder && visit != leaf) || row->job != c->job || row->event != c->event)
		return;
	if (c->nr == c->room) {
		size_t room = c->room ? 2 * c->room : 256;
		const struct row **grown = reallocarray(c->rows, room, sizeof(struct row *));

		if (!grown)
			return;
		c->rows = grown;
		c->room = room;
	}
	c->rows[c->nr++] = row;
}

static int by_weight_down(const void *a, const void *b)
{
	const struct row *x = *(struct row *const *)a, *y = *(struct row *const *)b;
	int c = compare_u64(y->weight, x->weight);

	c = c ? c : strcmp(x->name, y->name);
	return c ? c : strcmp(x->comm, y->comm);
}

static json_t *row_json(const struct row *row, const char *event, uint64_t total)
{
	return json_pack("{s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:b}", "event", result_text(event),
			 "share", result_number((double)row->weight / (double)total), "samples",
			 (json_int_t)row->samples, "weight", (json_int_t)row->weight, "command",
			 result_text(row->comm), "dso", result_text(row->dso), "symbol",
			 result_text(row->name), "kernel", row->kernel);
}

static void add_event(const struct fold *f, unsigned job, enum profile_event event,
		      const char *name, json_t *events, json_t *symbols)
{
	const struct total *total = &f->totals[job * PROFILE_NR_EVENTS + event];
	struct choice c = { .job = job, .event = event };
	bool cycles = event == PROFILE_CPU && !strncmp(name, "cycles", 6);

	if (!total->samples || !total->weight)
		return;
	twalk_r(f->rows, choose, &c);
	if (c.nr)
		qsort(c.rows, c.nr, sizeof(struct row *), by_weight_down);
	json_array_append_new(events,
			      json_pack("{s:o, s:s, s:I, s:I, s:I, s:I}", "event",
					result_text(name), "unit", cycles ? "cycles" : "ns",
					"samples", (json_int_t)total->samples, "weight",
					(json_int_t)total->weight, "no_stack",
					(json_int_t)total->no_stack, "symbols", (json_int_t)c.nr));
	for (size_t i = 0; i < c.nr && i < FOLD_ROWS; i++)
		json_array_append_new(symbols, row_json(c.rows[i], name, total->weight));
	free(c.rows);
}

bool fold_json(struct fold *f, unsigned job, const char *cpu_event, json_t *profile)
{
	json_t *events = json_array(), *symbols = json_array();
	bool any;

	for (unsigned e = 0; e < PROFILE_NR_EVENTS && job < f->nr_jobs; e++)
		add_event(f, job, e, e == PROFILE_CPU ? cpu_event : profile_event_name(e), events,
			  symbols);
	any = json_array_size(events);
	json_object_set_new(profile, "events", events);
	json_object_set_new(profile, "symbols", symbols);
	return any;
}
