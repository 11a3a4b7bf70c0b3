// SPDX-License-Identifier: BSD-2-Clause
/* Where the samples of a job are: the functions that took most of its CPU, those that it waited in,
 * and how to look at all of it with perf. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/lib/profile.h"
#include "report/lib/sections.h"

#define ROWS 8	    /* functions that are shown; the profile report has more */
#define WAIT_ROWS 3 /* of each kind of wait */
#define SHARE_END 23
#define SYMBOL_AT 25

const json_t *profile_of(const json_t *job)
{
	return bench_result_get(job, "profile");
}

bool profile_is_of(const json_t *row, const json_t *event)
{
	return !strcmp(bench_result_str(row, "event"), bench_result_str(event, "event"));
}

bool profile_in_kernel(const json_t *row)
{
	return json_is_true(bench_result_get(row, "kernel"));
}

static void symbol_row(struct text *t, const json_t *row)
{
	const char *dso = bench_result_str(row, "dso");
	char share[16];

	snprintf(share, sizeof(share), "%.2f %%", 100 * bench_result_num(row, "share"));
	text_end(t);
	text_right(t, SHARE_END, TEXT_PLAIN, share);
	text_to(t, SYMBOL_AT);
	t->indent = SYMBOL_AT;
	text_put(t, TEXT_PLAIN, "%s", bench_result_str(row, "symbol"));
	text_put(t, TEXT_DIM, "  %s%s%s", bench_result_str(row, "command"), *dso ? "  " : "", dso);
}

static void event_rows(struct text *t, const json_t *profile, const json_t *event, bool first)
{
	const json_t *symbols = bench_result_get(profile, "symbols"), *row;
	double weight = bench_result_num(event, "weight");
	double no_stack = bench_result_num(event, "no_stack");
	unsigned most = first ? ROWS : WAIT_ROWS, nr = 0;
	char sum[UNITS_MAX];
	size_t i;

	text_row(t, first ? "profile" : "");
	text_item(t, TEXT_BOLD, "%s", bench_result_str(event, "event"));
	text_item(t, TEXT_PLAIN, "%.0f samples", bench_result_num(event, "samples"));
	if (!strcmp(bench_result_str(event, "unit"), "ns"))
		text_item(t, TEXT_PLAIN, "%s", units_value(sum, weight, "ns", t->style->utf8));
	/* Some events never have one: there is nothing more to tell of them. */
	if (no_stack >= weight) {
		text_end(t);
		return;
	}
	if (no_stack > 0)
		text_item(t, TEXT_DIM, "%.0f %% of it without a stack", 100 * no_stack / weight);
	json_array_foreach (symbols, i, row)
		if (profile_is_of(row, event) && nr++ < most)
			symbol_row(t, row);
	text_end(t);
}

void section_profile(struct text *t)
{
	const json_t *profile = profile_of(t->job), *event;
	const json_t *events = bench_result_get(profile, "events");
	const json_t *spans = bench_result_get(profile, "spans"), *span;
	const char *command = bench_result_str(profile, "command");
	size_t i;

	json_array_foreach (events, i, event)
		event_rows(t, profile, event, i == 0);
	if (*command) {
		text_row(t, "perf");
		text_words(t, TEXT_PLAIN, command);
		text_end(t);
	}
	/* Jobs that ran in turns have no stretch of their own: the first trial stands for how. */
	json_array_foreach (spans, i, span) {
		command = bench_result_str(span, "command");
		if (i || !*command || *bench_result_str(profile, "command"))
			break;
		text_row(t, "perf");
		text_words(t, TEXT_PLAIN, command);
		text_item(t, TEXT_DIM, "(trial 1; the others are in the JSON)");
		text_end(t);
	}
}
