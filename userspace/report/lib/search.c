// SPDX-License-Identifier: BSD-2-Clause
/* What came before the trials: was the speed steady, and which rate keeps the target? */
#include <math.h>
#include <string.h>

#include "report/lib/sections.h"

static void change(struct text *t, const json_t *steady)
{
	const json_t *found = bench_result_get(steady, "change");
	char from[UNITS_MAX], to[UNITS_MAX];

	if (!found)
		return;
	text_item(t, TEXT_YELLOW, "the level changed: from %s ops/s to %s ops/s with round %.0f",
		  units_value(from, bench_result_num(found, "from"), "count", t->style->utf8),
		  units_value(to, bench_result_num(found, "to"), "count", t->style->utf8),
		  bench_result_num(found, "at"));
}

static void state(struct text *t)
{
	const json_t *steady = bench_result_get(t->job, "steady");
	const char *word = bench_result_str(steady, "state");
	size_t rounds = json_array_size(bench_result_get(steady, "rounds"));
	char range[UNITS_MAX], slope[UNITS_MAX];

	if (!*word)
		return;
	text_row(t, "state");
	if (!strcmp(word, "quick")) {
		text_item(t, TEXT_PLAIN, "not steady state (mode=quick)");
	} else {
		bool held = !strcmp(word, "steady");

		text_item(t, held ? TEXT_PLAIN : TEXT_YELLOW, "%s after %zu rounds",
			  held ? "steady" : "not steady", rounds);
		if (!isnan(bench_result_num(steady, "range")))
			text_item(t, TEXT_PLAIN, "the last 5: range %s, trend %s of their mean",
				  units_share(range, bench_result_num(steady, "range")),
				  units_share(slope, bench_result_num(steady, "slope")));
	}
	change(t, steady);
	text_end(t);
}

static const char *outcome_text(const char *word)
{
	static const char *const texts[][2] = {
		{ "latency", "the latency is above the target" },
		{ "behind", "more and more operations wait" },
		{ "generator", "the load generator itself was late" },
		{ "too-few", "too few operations to tell" },
	};

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!strcmp(texts[i][0], word))
			return texts[i][1];
	return word;
}

/* Causes of the operations that missed, the largest three. */
static void causes(struct text *t, const json_t *knee)
{
	const json_t *shares = bench_result_get(knee, "causes");
	double below = INFINITY;

	for (unsigned i = 0; i < 3; i++) {
		const char *key, *name = NULL;
		double best = 0.05;
		char text[UNITS_MAX];
		json_t *value;

		json_object_foreach ((json_t *)shares, key, value) {
			double share = json_number_value(value);

			if (share < best || share >= below)
				continue;
			best = share;
			name = key;
		}
		if (!name)
			return;
		below = best;
		text_item(t, TEXT_PLAIN, "%s %s", units_share(text, best), name);
	}
}

static void target(struct text *t)
{
	const json_t *slo = bench_result_get(t->job, "slo"), *over, *knee, *verdict;
	char rate[UNITS_MAX], time[UNITS_MAX];
	size_t i;

	if (!slo)
		return;
	over = bench_result_get(slo, "over");
	knee = bench_result_get(slo, "knee");
	text_row(t, "slo");
	text_item(t, TEXT_BOLD, "%s ops/s",
		  isnan(bench_result_num(slo, "rate")) ? "no" :
		  units_value(rate, bench_result_num(slo, "rate"), "count", t->style->utf8));
	text_item(t, TEXT_PLAIN, "is the highest rate that keeps p%g at or below %s",
		  100 * bench_result_num(slo, "quantile"),
		  units_value(time, bench_result_num(slo, "target_ns"), "ns", t->style->utf8));
	if (bench_result_get(slo, "kept"))
		text_item(t, TEXT_PLAIN, "(kept in %.0f of %zu trials)", bench_result_num(slo, "kept"),
			  json_array_size(bench_result_get(slo, "trials")));
	if (over) {
		text_row(t, "knee");
		text_item(t, TEXT_PLAIN, "at %s ops/s %s",
			  units_value(rate, bench_result_num(over, "rate"), "count", t->style->utf8),
			  outcome_text(bench_result_str(over, "outcome")));
	}
	if (json_object_size(bench_result_get(knee, "causes"))) {
		text_item(t, TEXT_PLAIN, "the slowest %.0f above the target:",
			  bench_result_num(knee, "ops"));
		causes(t, knee);
	}
	json_array_foreach (bench_result_get(knee, "verdicts"), i, verdict) {
		text_row(t, "");
		text_words(t, TEXT_PLAIN, bench_result_str(verdict, "claim"));
	}
	text_end(t);
}

void section_search(struct text *t)
{
	state(t);
	target(t);
}
