// SPDX-License-Identifier: BSD-2-Clause
/* Rows of a time series, never more than SERIES_ROWS: when they run out, neighbours merge. */
#include "core/series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/result.h"

struct series {
	uint64_t interval_ns;
	unsigned nr_columns, nr;
	struct series_column *columns;
	double *sums; /* SERIES_ROWS x nr_columns */
	struct series_row rows[SERIES_ROWS];
};

struct series *series_new(const struct series_column *columns, unsigned nr_columns,
			  uint64_t interval_ns)
{
	struct series *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->interval_ns = interval_ns;
	s->nr_columns = nr_columns;
	s->columns = calloc(nr_columns, sizeof(*columns));
	s->sums = calloc((size_t)SERIES_ROWS * nr_columns, sizeof(*s->sums));
	if (!s->columns || !s->sums) {
		series_free(s);
		return NULL;
	}
	memcpy(s->columns, columns, nr_columns * sizeof(*columns));
	for (unsigned i = 0; i < SERIES_ROWS; i++)
		s->rows[i].sum = &s->sums[(size_t)i * nr_columns];
	return s;
}

void series_free(struct series *series)
{
	if (!series)
		return;
	free(series->columns);
	free(series->sums);
	free(series);
}

uint64_t series_interval(const struct series *series)
{
	return series->interval_ns;
}

static void copy_row(struct series *s, struct series_row *to, const struct series_row *from)
{
	double *sum = to->sum;

	if (to == from)
		return;
	memcpy(sum, from->sum, s->nr_columns * sizeof(*sum));
	*to = *from;
	to->sum = sum;
}

/* Add b to a, its predecessor. What is not known of a part is not known of the whole. */
static void merge_row(struct series *s, struct series_row *a, const struct series_row *b)
{
	a->span_ns += b->span_ns;
	for (unsigned i = 0; i < s->nr_columns; i++)
		a->sum[i] += b->sum[i];
}

/* Merge neighbours of one trial, or when that is no help, whatever is next to each other. */
static void merge_rows(struct series *s, bool any)
{
	unsigned to = 0;

	for (unsigned from = 0; from < s->nr; to++) {
		const struct series_row *next = &s->rows[from + 1];
		bool pair = from + 1 < s->nr && (any || next->trial == s->rows[from].trial);

		copy_row(s, &s->rows[to], &s->rows[from]);
		if (pair)
			merge_row(s, &s->rows[to], next);
		from += 1 + pair;
	}
	s->nr = to;
}

void series_add(struct series *series, uint64_t at_ns, uint64_t span_ns, unsigned trial,
		const double *sum)
{
	struct series_row *row;

	if (series->nr == SERIES_ROWS) {
		merge_rows(series, false);
		if (series->nr > SERIES_ROWS * 3 / 4)
			merge_rows(series, true);
		series->interval_ns *= 2;
	}
	row = &series->rows[series->nr++];
	row->at_ns = at_ns;
	row->span_ns = span_ns;
	row->trial = trial;
	memcpy(row->sum, sum, series->nr_columns * sizeof(*sum));
}

void series_drop(struct series *series, unsigned trial)
{
	while (series->nr && series->rows[series->nr - 1].trial == trial)
		series->nr--;
}

static bool is_shown(const struct series *s, unsigned column)
{
	bool shown = !s->columns[column].rare;

	for (unsigned r = 0; r < s->nr && !shown; r++)
		shown = s->rows[r].sum[column] != 0;
	return shown;
}

static json_t *value_json(const struct series *s, const struct series_row *row, unsigned column)
{
	double scale = s->columns[column].per_second ? 1e9 : 1;

	return result_number(row->sum[column] * scale / (double)row->span_ns);
}

json_t *series_names(const struct series *series)
{
	json_t *names = json_array();

	for (unsigned i = 0; i < series->nr_columns; i++)
		json_array_append_new(names, json_string(series->columns[i].name));
	return names;
}

json_t *series_last(const struct series *series)
{
	json_t *values = json_array();

	for (unsigned i = 0; i < series->nr_columns; i++)
		json_array_append_new(values, value_json(series, &series->rows[series->nr - 1], i));
	return values;
}

static json_t *row_json(const struct series *s, const struct series_row *row, const bool *shown)
{
	json_t *json = json_pack("[I, I, i]", (json_int_t)row->at_ns, (json_int_t)row->span_ns,
				 (int)row->trial);

	for (unsigned i = 0; i < s->nr_columns; i++) {
		if (shown[i])
			json_array_append_new(json, value_json(s, row, i));
	}
	return json;
}

json_t *series_json(const struct series *series)
{
	bool *shown = calloc(series->nr_columns + 1, sizeof(*shown));
	json_t *columns, *rows;

	if (!series->nr || !shown) {
		free(shown);
		return NULL;
	}
	columns = json_pack("[s, s, s]", "at_ns", "span_ns", "trial");
	rows = json_array();
	for (unsigned i = 0; i < series->nr_columns; i++) {
		shown[i] = is_shown(series, i);
		if (shown[i])
			json_array_append_new(columns, json_string(series->columns[i].name));
	}
	for (unsigned r = 0; r < series->nr; r++)
		json_array_append_new(rows, row_json(series, &series->rows[r], shown));
	free(shown);
	return json_pack("{s:I, s:o, s:o}", "interval_ns", (json_int_t)series->interval_ns,
			 "columns", columns, "rows", rows);
}
