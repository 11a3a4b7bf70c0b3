// SPDX-License-Identifier: BSD-2-Clause
#include "profile/calltree.h"

#include <search.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/result.h"
#include "profile/texts.h"

/* Frames of one sample, inlined ones among them. The kernel gives at most 127 of each mode
 * (kernel.perf_event_max_stack). */
#define DEPTH_MAX 512u
/* Places in the trees, of all jobs. What comes when they are all taken counts for the place above. */
#define NODES_MAX (1u << 20)
#define NO_NODE UINT32_MAX

enum kind { KIND_COMMAND, KIND_USER, KIND_INLINED, KIND_KERNEL, KIND_JIT, KIND_NONE };

static const char *const kinds[] = { "command", "user", "inlined", "kernel", "jit", "none" };

struct frame {
	const char *name, *dso; /* equal texts of one file are equal pointers */
	enum kind kind;
	uint32_t next; /* in the chain of its hash */
};

/* The first of them are the roots of the trees: job x event. A parent comes before its children. */
struct node {
	uint32_t parent, frame, next;
	uint64_t self, total;
};

struct calltree {
	const struct fold_span *spans;
	unsigned nr_spans, nr_jobs, nr_roots;
	struct frame *frames;
	struct node *nodes;
	uint32_t nr_frames, frames_room, nr_nodes, nodes_room;
	uint32_t *frame_heads, *node_heads; /* by hash */
	uint32_t frame_mask, node_mask;
	uint64_t *cut; /* a root each: time that is told of a place above its own */
	void *texts;   /* a tree */
};

struct calltree *calltree_new(const struct fold_span *spans, unsigned nr_spans, unsigned nr_jobs)
{
	struct calltree *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->spans = spans;
	s->nr_spans = nr_spans;
	s->nr_jobs = nr_jobs;
	s->nr_roots = nr_jobs * PROFILE_NR_EVENTS;
	s->nr_nodes = s->nr_roots;
	s->nodes_room = s->nr_roots + 1024;
	s->frames_room = 1024;
	s->frame_mask = (1u << 14) - 1;
	s->node_mask = (1u << 18) - 1;
	s->nodes = calloc(s->nodes_room, sizeof(*s->nodes));
	s->frames = calloc(s->frames_room, sizeof(*s->frames));
	s->cut = calloc(s->nr_roots + 1, sizeof(*s->cut));
	s->frame_heads = malloc((s->frame_mask + 1) * sizeof(uint32_t));
	s->node_heads = malloc((s->node_mask + 1) * sizeof(uint32_t));
	if (!s->nodes || !s->frames || !s->cut || !s->frame_heads || !s->node_heads) {
		calltree_free(s);
		return NULL;
	}
	memset(s->frame_heads, 0xff, (s->frame_mask + 1) * sizeof(uint32_t));
	memset(s->node_heads, 0xff, (s->node_mask + 1) * sizeof(uint32_t));
	for (unsigned i = 0; i < s->nr_roots; i++)
		s->nodes[i] = (struct node){ .parent = NO_NODE, .frame = NO_NODE, .next = NO_NODE };
	return s;
}

void calltree_free(struct calltree *s)
{
	if (!s)
		return;
	texts_free(s->texts);
	free(s->nodes);
	free(s->frames);
	free(s->cut);
	free(s->frame_heads);
	free(s->node_heads);
	free(s);
}

/* Fibonacci hashing: the upper half of a product with 2^64 / the golden ratio. */
static uint32_t mix(uint64_t a, uint64_t b)
{
	return (uint32_t)(((a ^ (b << 32 | b >> 32)) * 0x9e3779b97f4a7c15ull) >> 32);
}

static bool room_for(void **list, uint32_t nr, uint32_t *room, size_t size)
{
	void *grown;

	if (nr < *room)
		return true;
	grown = reallocarray(*list, 2 * (size_t)*room, size);
	if (!grown)
		return false;
	*list = grown;
	*room *= 2;
	return true;
}

/* Index of a frame, NO_NODE when out of memory. */
static uint32_t frame_of(struct calltree *s, const char *name, const char *dso, enum kind kind)
{
	uint32_t *head = &s->frame_heads[mix((uintptr_t)name ^ kind, (uintptr_t)dso) & s->frame_mask];

	for (uint32_t i = *head; i != NO_NODE; i = s->frames[i].next)
		if (s->frames[i].name == name && s->frames[i].dso == dso && s->frames[i].kind == kind)
			return i;
	if (!room_for((void **)&s->frames, s->nr_frames, &s->frames_room, sizeof(*s->frames)))
		return NO_NODE;
	s->frames[s->nr_frames] = (struct frame){ name, dso, kind, *head };
	*head = s->nr_frames;
	return s->nr_frames++;
}

/* The place of a frame below another place; that one itself when there is no room for it. */
static uint32_t node_below(struct calltree *s, uint32_t parent, uint32_t frame)
{
	uint32_t *head = &s->node_heads[mix(parent, frame) & s->node_mask];

	for (uint32_t i = *head; i != NO_NODE; i = s->nodes[i].next)
		if (s->nodes[i].parent == parent && s->nodes[i].frame == frame)
			return i;
	if (frame == NO_NODE || s->nr_nodes - s->nr_roots >= NODES_MAX ||
	    !room_for((void **)&s->nodes, s->nr_nodes, &s->nodes_room, sizeof(*s->nodes)))
		return parent;
	s->nodes[s->nr_nodes] = (struct node){ .parent = parent, .frame = frame, .next = *head };
	*head = s->nr_nodes;
	return s->nr_nodes++;
}

static uint32_t symbol_frame_of(struct calltree *s, const struct symbol_frame *f)
{
	enum kind kind = f->kernel ? KIND_KERNEL : f->inlined ? KIND_INLINED : KIND_USER;
	const char *name = f->name ? f->name : "", *dso = f->dso;
	const char *slash = strrchr(f->path, '/');

	if (!strncmp(slash ? slash + 1 : f->path, "perf-", 5) && strstr(f->path, ".map")) {
		kind = KIND_JIT;
		name = texts_keep(&s->texts, name); /* they go with the process */
		dso = texts_keep(&s->texts, dso);
	}
	return name && dso ? frame_of(s, name, dso, kind) : NO_NODE;
}

/* Frames of a sample, innermost first; their number. */
static unsigned walk(struct calltree *s, const struct sample *sample, struct symbols *symbols,
		     uint32_t frames[DEPTH_MAX])
{
	struct symbol_frame at[SYMBOLS_MAX_FRAMES];
	struct sample_walk w = { 0 };
	unsigned depth = 0;

	while (sample_walk_next(&w, sample)) {
		unsigned nr = symbols_resolve(symbols, (pid_t)sample->pid, w.address, w.kernel,
					      w.caller, at);

		for (unsigned i = 0; i < nr && depth < DEPTH_MAX; i++)
			frames[depth++] = symbol_frame_of(s, &at[i]);
	}
	if (!depth && sample->event == PROFILE_CPU) {
		struct symbol_frame one;

		symbols_resolve_one(symbols, (pid_t)sample->pid, sample->ip, sample->kernel, false,
				    &one);
		frames[depth++] = symbol_frame_of(s, &one);
	}
	return depth;
}

void calltree_add(struct calltree *s, const struct sample *sample, struct symbols *symbols)
{
	const struct fold_span *span = fold_span_at(s->spans, s->nr_spans, sample->time_ns);
	uint32_t frames[DEPTH_MAX], node, root, below;
	const char *comm;
	unsigned depth;

	if (!span || span->job >= s->nr_jobs || !sample->period)
		return;
	root = node = span->job * PROFILE_NR_EVENTS + sample->event;
	comm = texts_keep(&s->texts, sample->comm);
	if (comm)
		node = node_below(s, node, frame_of(s, comm, "", KIND_COMMAND));
	depth = walk(s, sample, symbols, frames);
	if (!depth)
		node = node_below(s, node, frame_of(s, "[no stack]", "", KIND_NONE));
	while (depth) {
		below = node_below(s, node, frames[--depth]);
		if (below == node) {
			s->cut[root] += sample->period;
			break;
		}
		node = below;
	}
	s->nodes[node].self += sample->period;
}

/* --- the result --- */

/* What is written of one job: places that are kept get a number in their tree, frames one in all. */
struct writing {
	struct calltree *s;
	uint32_t *place; /* a node each; NO_NODE = left out */
	uint32_t *number; /* a frame each; NO_NODE = not met yet */
	json_t *frames;
};

static uint32_t root_of(const struct calltree *s, uint32_t node)
{
	while (s->nodes[node].parent != NO_NODE)
		node = s->nodes[node].parent;
	return node;
}

static int larger_first(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* The time that a place of the job must have to be kept. */
static uint64_t least_total(const struct calltree *s, const uint32_t *roots, unsigned job)
{
	uint64_t *totals = calloc(s->nr_nodes + 1, sizeof(*totals)), least = 1;
	size_t nr = 0;

	for (uint32_t i = s->nr_roots; totals && i < s->nr_nodes; i++)
		if (roots[i] / PROFILE_NR_EVENTS == job)
			totals[nr++] = s->nodes[i].total;
	if (nr > CALLTREE_KEPT) {
		qsort(totals, nr, sizeof(*totals), larger_first);
		least = totals[CALLTREE_KEPT] + 1;
	}
	free(totals);
	return least;
}

static uint32_t frame_number(struct writing *w, uint32_t frame)
{
	const struct frame *f = &w->s->frames[frame];

	if (w->number[frame] == NO_NODE) {
		w->number[frame] = (uint32_t)json_array_size(w->frames);
		json_array_append_new(w->frames,
				      json_pack("{s:o, s:o, s:s}", "name", result_text(f->name), "dso",
						result_text(f->dso), "kind", kinds[f->kind]));
	}
	return w->number[frame];
}

/* A tree as texts "parent frame self". What is left out counts for the place above. */
static json_t *tree_json(struct writing *w, const uint32_t *roots, uint32_t root, uint64_t least,
			 double scale)
{
	struct calltree *s = w->s;
	json_t *nodes = json_array();
	uint32_t nr = 0;

	for (uint32_t i = s->nr_nodes; i-- > s->nr_roots;) {
		struct node *n = &s->nodes[i];

		if (roots[i] != root || n->total >= least)
			continue;
		s->nodes[n->parent].self += n->self;
		s->cut[root] += n->self;
		n->self = 0;
	}
	for (uint32_t i = s->nr_roots; i < s->nr_nodes; i++) {
		const struct node *n = &s->nodes[i];
		char text[64];

		if (roots[i] != root || n->total < least)
			continue;
		w->place[i] = nr++;
		snprintf(text, sizeof(text), "%d %u %.0f",
			 n->parent == root ? -1 : (int)w->place[n->parent], frame_number(w, n->frame),
			 (double)n->self * scale);
		json_array_append_new(nodes, json_string(text));
	}
	return nodes;
}

static void put_trees(struct writing *w, const uint32_t *roots, unsigned job, const char *cpu_event,
		      json_t *trees)
{
	const uint32_t first = job * PROFILE_NR_EVENTS;
	const struct node *root = &w->s->nodes[first];
	uint64_t least = least_total(w->s, roots, job);
	double cycles = (double)root[PROFILE_CPU].total, ns = (double)root[PROFILE_UNSAMPLED].total;
	bool scaled = cycles > 0 && ns > 0 && !strncmp(cpu_event, "cycles", 6);

	for (unsigned e = 0; e < PROFILE_NR_EVENTS; e++) {
		double scale = scaled && e == PROFILE_CPU ? ns / cycles : 1;
		bool in_cycles = e == PROFILE_CPU && !scaled && !strncmp(cpu_event, "cycles", 6);
		json_t *nodes;

		if (!root[e].total || (scaled && e == PROFILE_UNSAMPLED))
			continue;
		nodes = tree_json(w, roots, first + e, least, scale);
		json_array_append_new(
			trees, json_pack("{s:o, s:s, s:o, s:o}", "event",
					 result_text(e == PROFILE_CPU ? cpu_event :
									profile_event_name(e)),
					 "unit", in_cycles ? "cycles" : "ns", "cut",
					 result_number((double)w->s->cut[first + e] * scale), "nodes",
					 nodes));
	}
}

json_t *calltree_json(struct calltree *s, unsigned job, const char *cpu_event)
{
	struct writing w = { .s = s, .frames = json_array() };
	uint32_t *roots = calloc(s->nr_nodes + 1, sizeof(*roots));
	json_t *trees = json_array(), *json = NULL;

	w.place = calloc(s->nr_nodes + 1, sizeof(*w.place));
	w.number = malloc((s->nr_frames + 1) * sizeof(*w.number));
	if (roots && w.place && w.number) {
		memset(w.number, 0xff, (s->nr_frames + 1) * sizeof(*w.number));
		for (uint32_t i = 0; i < s->nr_nodes; i++) {
			roots[i] = root_of(s, i);
			s->nodes[i].total = s->nodes[i].self;
		}
		for (uint32_t i = s->nr_nodes; i-- > s->nr_roots;)
			s->nodes[s->nodes[i].parent].total += s->nodes[i].total;
		put_trees(&w, roots, job, cpu_event, trees);
		if (json_array_size(trees))
			json = json_pack("{s:O, s:O}", "frames", w.frames, "trees", trees);
	}
	json_decref(w.frames);
	json_decref(trees);
	free(roots);
	free(w.place);
	free(w.number);
	return json;
}
