// SPDX-License-Identifier: BSD-2-Clause
// Latency: the histogram as it fills, and the percentiles of every distribution.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/result.h"
#include "draw.h"
#include "metric.h"
#include "view.h"

/* Distributions in the order of the lines: of the trial that goes on, then of all that are over. *at
 * is 0 at first; NULL at the end. */
static const json_t *next_distribution(const struct frame *f, size_t *at)
{
	size_t in_doc = *at ? *at - 1 : 0;
	const json_t *metric;

	if (!*at && f->latency) {
		*at = 1;
		return f->latency;
	}
	while ((metric = metric_of(f->doc, NULL, &in_doc)))
		if (json_object_get(metric, "hist"))
			break;
	*at = in_doc + 1;
	return metric;
}

static const json_t *shown(const struct view *v, const struct frame *f)
{
	const json_t *metric;
	size_t at = 0, nr = 0;

	while ((metric = next_distribution(f, &at)) && nr < v->line[v->screen])
		nr++;
	return metric;
}

static size_t lines(const struct view *v)
{
	struct frame f = view_frame(v);
	size_t at = 0, nr = 0;

	while (next_distribution(&f, &at))
		nr++;
	return nr;
}

static double bucket(const json_t *buckets, size_t i, size_t part)
{
	return json_number_value(json_array_get(json_array_get(buckets, i), part));
}

/* Counts over the logarithm of the value, one column a character (two with braille). */
static void draw_histogram(int y, int rows, int width, const json_t *metric)
{
	const json_t *hist = json_object_get(metric, "hist"),
		     *buckets = json_object_get(hist, "buckets");
	size_t nr = json_array_size(buckets), columns = (size_t)width * (draw_utf8() ? 2 : 1);
	double low = nr ? fmax(bucket(buckets, 0, 0), 1) : 1;
	double high = nr ? fmax(bucket(buckets, nr - 1, 1), low * 2) : 2, max = 0;
	double *counts = calloc(columns, sizeof(*counts));
	char from[UNITS_MAX], to[UNITS_MAX];
	const char *unit = text_of(metric, "unit");

	for (size_t i = 0; counts && i < nr; i++) {
		double a = log(fmax(bucket(buckets, i, 0), low) / low) / log(high / low);
		double b = log(fmax(bucket(buckets, i, 1), low) / low) / log(high / low);
		size_t first = (size_t)(a * (double)columns), last = (size_t)(b * (double)columns);
		double each;

		last = last > first ? last : first + 1;
		each = bucket(buckets, i, 2) / (double)(last - first);
		for (size_t c = first; c < last && c < columns; c++)
			counts[c] += each;
	}
	for (size_t c = 0; counts && c < columns; c++)
		max = counts[c] > max ? counts[c] : max;
	if (counts)
		draw_graph(y, 2, rows - 1, width, ACCENT, counts, columns, max);
	draw(y + rows - 1, 2, width, DIM, "%s", units_value(from, low, unit, draw_utf8()));
	draw_right(y + rows - 1, 2, width, DIM, "%s", units_value(to, high, unit, draw_utf8()));
	free(counts);
}

static void draw_row(int y, int width, const json_t *metric, bool selected)
{
	static const char *const names[] = { "p50", "p90", "p99", "p999", "max" };
	const json_t *hist = json_object_get(metric, "hist");
	char text[UNITS_MAX], name[120];
	const char *key;
	json_t *label;
	int at = width - 5 * 11;

	snprintf(name, sizeof(name), "%s", text_of(metric, "name"));
	json_object_foreach(json_object_get(metric, "labels"), key, label)
		snprintf(name + strlen(name), sizeof(name) - strlen(name), " %s",
			 json_string_value(label) ? json_string_value(label) : "");
	draw(y, 0, 2, BOLD, selected ? (draw_utf8() ? "▶" : ">") : " ");
	draw(y, 2, at - 3, selected ? BOLD : PLAIN, "%s", name);
	for (unsigned i = 0; i < 5; i++) {
		double value = bench_result_num(hist, names[i]);

		draw_right(y, at + (int)i * 11, 10, isnan(value) ? DIM : BOLD, "%s",
			   units_value(text, value, text_of(metric, "unit"), draw_utf8()));
	}
}

static void draw_screen(struct view *v, int y, int rows)
{
	static const char *const heads[] = { "p50", "p90", "p99", "p99.9", "max" };
	struct frame f = view_frame(v);
	size_t nr = lines(v), at = 0, index = 0, top;
	int room = (int)nr < rows / 3 ? (int)nr : rows / 3;
	const json_t *metric;

	if (view_nothing(&f, y, nr ? NULL : "no distribution yet; one comes with each trial"))
		return;
	for (unsigned i = 0; i < 5; i++)
		draw_right(y, v->width - (5 - (int)i) * 11, 10, DIM, "%s", heads[i]);
	draw(y, 2, 20, DIM, "distribution");
	top = view_scroll(v, nr, room);
	while ((metric = next_distribution(&f, &at))) {
		if (index >= top && (int)(index - top) < room)
			draw_row(y + 1 + (int)(index - top), v->width, metric,
				 index == v->line[v->screen]);
		index++;
	}
	metric = shown(v, &f);
	if (!metric || rows - room < 6)
		return;
	draw_rule(y + 2 + room, 0, v->width, "how often, over the logarithm of the value");
	draw_histogram(y + 3 + room, rows - room - 3, v->width - 4, metric);
}

const struct screen screen_latency = { "latency", draw_screen, lines, NULL };
