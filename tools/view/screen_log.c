// SPDX-License-Identifier: BSD-2-Clause
// Warnings and marks, in full.
#include <stdlib.h>
#include <string.h>

#include "draw.h"
#include "view.h"

/* Both kinds up to the moment, in turn; NULL at the end. */
static const struct moment *next(const struct view *v, size_t *log, size_t *mark, bool *ret_mark)
{
	const struct moments *a = &v->model.log, *b = &v->model.marks;

	for (;;) {
		const struct moment *x = *log < a->nr ? &a->list[*log] : NULL;
		const struct moment *y = *mark < b->nr ? &b->list[*mark] : NULL;
		const struct moment *one;

		*ret_mark = y && (!x || y->at_ns < x->at_ns);
		one = *ret_mark ? y : x;
		if (!one || one->at_ns > v->at_ns)
			return NULL;
		++*(*ret_mark ? mark : log);
		if (view_passes(v, one->text ? one->text : ""))
			return one;
	}
}

static size_t lines(const struct view *v)
{
	size_t log = 0, mark = 0, nr = 0;
	bool is_mark;

	while (next(v, &log, &mark, &is_mark))
		nr++;
	return nr;
}

static void draw_screen(struct view *v, int y, int rows)
{
	size_t log = 0, mark = 0, nr = lines(v), index = 0, top = view_scroll(v, nr, rows);
	const struct moment *m;
	bool is_mark;
	int used = 0;

	if (!nr)
		draw(y, 2, v->width, DIM, "no warnings");
	while ((m = next(v, &log, &mark, &is_mark)) && used < rows) {
		if (index++ < top)
			continue;
		draw_right(y + used, 1, 10, DIM, "%.1f s", (double)m->at_ns / 1e9);
		if (is_mark)
			used += draw(y + used, 13, v->width - 14, ACCENT, "mark %s", m->text) > 0;
		else
			used += draw_words(y + used, 13, v->width - 14, rows - used,
					   index - 1 == v->line[v->screen] ? BOLD : PLAIN, m->text);
	}
}

const struct screen screen_log = { "log", draw_screen, lines, NULL };
