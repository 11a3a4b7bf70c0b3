// SPDX-License-Identifier: BSD-2-Clause
#include "report/lib/stacks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/lib/profile.h"

#define CHUNK 1024u

static struct stack_place *place_new(struct stack_tree *t)
{
	if (!t->nr_chunks || t->nr_used == CHUNK) {
		struct stack_place **grown =
			reallocarray(t->chunks, t->nr_chunks + 1, sizeof(*grown));

		if (!grown)
			return NULL;
		t->chunks = grown;
		grown[t->nr_chunks] = calloc(CHUNK, sizeof(**grown));
		if (!grown[t->nr_chunks])
			return NULL;
		t->nr_chunks++;
		t->nr_used = 0;
	}
	return &t->chunks[t->nr_chunks - 1][t->nr_used++];
}

/* A new place below another one. NULL when out of memory. */
static struct stack_place *place_below(struct stack_tree *t, struct stack_place *parent,
				       const char *name, const char *dso, enum stack_kind kind)
{
	struct stack_place *place = place_new(t);

	if (!place)
		return NULL;
	*place = (struct stack_place){ .name = name, .dso = dso, .kind = kind, .next = parent->first };
	parent->first = place;
	return place;
}

void stack_tree_free(struct stack_tree *t)
{
	for (unsigned i = 0; i < t->nr_chunks; i++)
		free(t->chunks[i]);
	for (unsigned i = 0; i < t->nr_texts; i++)
		free(t->texts[i]);
	free(t->chunks);
	free(t->texts);
	*t = (struct stack_tree){ 0 };
}

/* --- frames --- */

struct frames {
	const char **names;
	const char **dsos;
	enum stack_kind *kinds;
	size_t nr;
};

static enum stack_kind kind_of(const char *name)
{
	static const char *const names[] = { "group", "command", "user", "inlined", "kernel", "jit" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return (enum stack_kind)i;
	return STACK_NONE;
}

/* "[libfoo.so]" for a function that is not known; a file that is none has brackets already. */
static const char *unknown_in(struct stack_tree *t, const char *dso)
{
	char **grown, *text;

	if (!dso[0] || dso[0] == '[')
		return dso[0] ? dso : "[unknown]";
	grown = reallocarray(t->texts, t->nr_texts + 1, sizeof(*grown));
	if (!grown)
		return dso;
	t->texts = grown;
	if (asprintf(&text, "[%s]", dso) < 0)
		return dso;
	return t->texts[t->nr_texts++] = text;
}

static int frames_read(struct frames *f, struct stack_tree *t, const json_t *list)
{
	const json_t *one;
	size_t i;

	f->nr = json_array_size(list);
	f->names = calloc(f->nr + 1, sizeof(*f->names));
	f->dsos = calloc(f->nr + 1, sizeof(*f->dsos));
	f->kinds = calloc(f->nr + 1, sizeof(*f->kinds));
	if (!f->names || !f->dsos || !f->kinds)
		return -ENOMEM;
	json_array_foreach (list, i, one) {
		const char *name = bench_result_str(one, "name");

		f->dsos[i] = bench_result_str(one, "dso");
		f->names[i] = name[0] ? name : unknown_in(t, f->dsos[i]);
		f->kinds[i] = kind_of(bench_result_str(one, "kind"));
	}
	return 0;
}

static void frames_free(struct frames *f)
{
	free(f->names);
	free(f->dsos);
	free(f->kinds);
}

/* --- trees --- */

/* Texts "parent frame self", a parent before its children. What is none of that is skipped. */
static int nodes_read(struct stack_tree *t, struct stack_place *root, const struct frames *f,
		      const json_t *nodes)
{
	struct stack_place **places = calloc(json_array_size(nodes) + 1, sizeof(struct stack_place *));
	const json_t *one;
	size_t i;
	int rc = places ? 0 : -ENOMEM;

	json_array_foreach (nodes, i, one) {
		const char *text = json_string_value(one);
		struct stack_place *above;
		unsigned frame;
		double self;
		int parent;

		if (rc || !text || sscanf(text, "%d %u %lf", &parent, &frame, &self) != 3 ||
		    frame >= f->nr || parent >= (int)i || self < 0)
			continue;
		above = parent < 0 ? root : places[parent];
		if (!above)
			continue;
		places[i] = place_below(t, above, f->names[frame], f->dsos[frame], f->kinds[frame]);
		if (places[i])
			places[i]->self = self;
		else
			rc = -ENOMEM;
	}
	free(places);
	return rc;
}

static int tree_read(struct stack_tree *t, struct stack_place *below, const struct frames *f,
		     const json_t *tree, const struct bench_report_style *style)
{
	const char *event = bench_result_str(tree, "event"), *unit = bench_result_str(tree, "unit");

	if (style->event && strcmp(style->event, event))
		return 0;
	if (t->unit && strcmp(t->unit, unit)) {
		t->nr_others++;
		return 0;
	}
	t->unit = unit;
	t->cut += bench_result_num(tree, "cut");
	if (!style->event)
		below = place_below(t, below, event, "", STACK_GROUP);
	return below ? nodes_read(t, below, f, bench_result_get(tree, "nodes")) : -ENOMEM;
}

static int job_read(struct stack_tree *t, const json_t *job, bool alone,
		    const struct bench_report_style *style)
{
	const json_t *stacks = bench_result_get(profile_of(job), "stacks"), *trees, *tree;
	struct stack_place *below = t->root;
	struct frames f = { 0 };
	size_t i;
	int rc;

	if (!stacks)
		return 0;
	if (!alone)
		below = place_below(t, below, bench_result_str(job, "name"), "", STACK_GROUP);
	rc = below ? frames_read(&f, t, bench_result_get(stacks, "frames")) : -ENOMEM;
	trees = bench_result_get(stacks, "trees");
	json_array_foreach (trees, i, tree)
		rc = rc ? rc : tree_read(t, below, &f, tree, style);
	frames_free(&f);
	return rc;
}

/* --- order and sums --- */

int stack_place_compare(const void *a, const void *b)
{
	const struct stack_place *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	c = c ? c : strcmp(x->dso, y->dso);
	return c ? c : (int)x->kind - (int)y->kind;
}

static int by_name(const void *a, const void *b)
{
	return stack_place_compare(*(struct stack_place *const *)a,
				   *(struct stack_place *const *)b);
}

/* Places below in the order of their names, equal ones as one: two files may have the same name. */
static int settle(struct stack_place *place)
{
	struct stack_place **list, *one, **end = &place->first;
	size_t nr = 0, i = 0;
	int rc = 0;

	for (one = place->first; one; one = one->next)
		nr++;
	list = calloc(nr + 1, sizeof(struct stack_place *));
	if (!list)
		return -ENOMEM;
	for (one = place->first; one; one = one->next)
		list[i++] = one;
	qsort(list, nr, sizeof(struct stack_place *), by_name);
	place->total = place->self;
	for (i = 0; i < nr; i++) {
		*end = list[i];
		list[i]->next = NULL;
		while (i + 1 < nr && !by_name(&list[i + 1], end)) {
			struct stack_place *same = list[++i], **last = &(*end)->first;

			(*end)->self += same->self;
			while (*last)
				last = &(*last)->next;
			*last = same->first;
		}
		rc = rc ? rc : settle(*end);
		place->total += (*end)->total;
		end = &(*end)->next;
	}
	*end = NULL;
	free(list);
	return rc;
}

int stack_tree_new(struct stack_tree *ret_tree, const json_t *result,
		   const struct bench_report_style *style, struct bench_err *err)
{
	struct stack_tree *t = ret_tree;
	const json_t *jobs = bench_result_get(result, "jobs"), *job;
	bool alone = style->job || json_array_size(jobs) == 1;
	size_t i;
	int rc = 0;

	*t = (struct stack_tree){ 0 };
	t->root = place_new(t);
	if (!t->root)
		rc = -ENOMEM;
	else
		*t->root = (struct stack_place){ .name = "all", .dso = "", .kind = STACK_GROUP };
	json_array_foreach (jobs, i, job)
		if (!rc && (!style->job || style->job == i + 1))
			rc = job_read(t, job, alone, style);
	rc = rc ? rc : settle(t->root);
	if (rc)
		bench_fail(err, rc, "stacks: out of memory");
	else if (style->job > json_array_size(jobs))
		rc = bench_fail(err, -ENODATA, "there is no job %u: the result has %zu", style->job,
				json_array_size(jobs));
	else if (!t->root->total)
		rc = bench_fail(err, -ENODATA,
				style->event ? "no stacks of event '%s' in this result; bench report "
					       "--format=profile shows which events it has" :
					       "no stacks in this result%s: it was made without --sample",
				style->event ? style->event : "");
	if (rc)
		stack_tree_free(t);
	return rc;
}
