// SPDX-License-Identifier: BSD-2-Clause
#include "runtime/timers.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int timers_init(struct timers *t, unsigned max)
{
	memset(t, 0, sizeof(*t));
	t->heap = calloc(max, sizeof(*t->heap));
	t->pos = malloc(max * sizeof(*t->pos));
	if (!t->heap || !t->pos) {
		timers_done(t);
		return -ENOMEM;
	}
	memset(t->pos, 0xff, max * sizeof(*t->pos));
	t->max = max;
	return 0;
}

void timers_done(struct timers *t)
{
	free(t->heap);
	free(t->pos);
	memset(t, 0, sizeof(*t));
}

static bool before(const struct timers_entry *a, const struct timers_entry *b)
{
	if (a->at_ns != b->at_ns)
		return a->at_ns < b->at_ns;
	return (int32_t)(a->seq - b->seq) < 0; /* right even when the counter wraps */
}

static void place(struct timers *t, unsigned i, struct timers_entry e)
{
	t->heap[i] = e;
	t->pos[e.id] = i;
}

static void sift_up(struct timers *t, unsigned i, struct timers_entry e)
{
	while (i && before(&e, &t->heap[(i - 1) / 2])) {
		place(t, i, t->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(t, i, e);
}

static void sift_down(struct timers *t, unsigned i, struct timers_entry e)
{
	for (;;) {
		unsigned child = 2 * i + 1;

		if (child + 1 < t->nr && before(&t->heap[child + 1], &t->heap[child]))
			child++;
		if (child >= t->nr || !before(&t->heap[child], &e))
			break;
		place(t, i, t->heap[child]);
		i = child;
	}
	place(t, i, e);
}

void timers_add(struct timers *t, unsigned id, uint64_t at_ns)
{
	struct timers_entry e = { .at_ns = at_ns, .seq = t->seq++, .id = id };

	assert(id < t->max && t->pos[id] == UINT32_MAX);
	sift_up(t, t->nr++, e);
}

bool timers_del(struct timers *t, unsigned id)
{
	struct timers_entry last;
	unsigned i = t->pos[id];

	if (i == UINT32_MAX)
		return false;
	t->pos[id] = UINT32_MAX;
	last = t->heap[--t->nr];
	if (i == t->nr)
		return true;
	if (i && before(&last, &t->heap[(i - 1) / 2]))
		sift_up(t, i, last);
	else
		sift_down(t, i, last);
	return true;
}

int timers_pop(struct timers *t, uint64_t now_ns, uint64_t *ret_at_ns)
{
	struct timers_entry first;

	if (!t->nr || t->heap[0].at_ns > now_ns)
		return -1;
	first = t->heap[0];
	timers_del(t, first.id);
	*ret_at_ns = first.at_ns;
	return (int)first.id;
}
