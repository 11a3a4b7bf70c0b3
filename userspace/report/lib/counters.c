// SPDX-License-Identifier: BSD-2-Clause
/* perf's events as perf stat lays them out: value, unit, event, "#" and what derives from it. Added
 * are the count per operation and the interval over trials. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/lib/sections.h"

#define VALUE_WIDTH 20
#define EVENT_COL (2 + VALUE_WIDTH + 1 + 5)
#define COMMENT_COL (EVENT_COL + 25)
#define TRUST_WIDTH 12 /* "  ±12.3 % ~" */

static bool is_counter(const json_t *metric)
{
	return !strcmp(bench_result_str(metric, "source"), "counter");
}

static bool ends(const char *name, const char *end)
{
	size_t ln = strlen(name), le = strlen(end);

	return ln > le && !strcmp(name + ln - le, end);
}

/* Is name base, with or without a modifier ("ipc:u")? Its modifier, or NULL when it is not. */
static const char *modifier(const char *name, const char *base)
{
	size_t len = strlen(base);

	if (strncmp(name, base, len) || (name[len] && name[len] != ':'))
		return NULL;
	return name + len;
}

/* An event, rather than a number made of events. */
static bool is_event(const json_t *metric)
{
	const char *name = bench_result_str(metric, "name");

	return is_counter(metric) && !ends(name, ".per_op") && !ends(name, ".mpki") &&
	       !modifier(name, "ipc") && !modifier(name, "ghz") && strncmp(name, "topdown.", 8) &&
	       strncmp(name, "energy.", 7);
}

/* A metric called base + suffix with the labels of event that has a value. */
static const json_t *sibling(const struct text *t, const json_t *event, const char *base,
			     const char *suffix)
{
	const json_t *labels = bench_result_get(event, "labels");
	struct metric_walk w = { 0 };
	size_t len = strlen(base);

	while (metric_next(t, &w))
		if (!strncmp(w.name, base, len) && !strcmp(w.name + len, suffix) &&
		    bench_result_has_value(w.metric) &&
		    json_equal(bench_result_get(w.metric, "labels"), labels))
			return w.metric;
	return NULL;
}

/* perf prints clocks as msec. */
static void value_cell(struct text *t, const json_t *event)
{
	const char *unit = bench_result_str(event, "unit");
	double value = bench_result_num(event, "value");
	char text[UNITS_MAX];
	unsigned len;

	if (!strcmp(unit, "ns")) {
		units_thousands(text, value / 1e6, 2);
		unit = "msec";
	} else if (!strcmp(unit, "count") || !*unit) {
		units_thousands(text, value, 0);
		unit = "";
	} else {
		units_thousands(text, value, 2);
	}
	len = text_len(t, text);
	text_to(t, 2 + (len < VALUE_WIDTH ? VALUE_WIDTH - len : 0));
	text_put(t, TEXT_PLAIN, "%s %s", text, unit);
	text_to(t, EVENT_COL);
}

static void event_name(struct text *t, const json_t *event)
{
	const char *key;
	json_t *value;

	t->indent = t->col;
	text_words(t, TEXT_PLAIN, bench_result_str(event, "name"));
	json_object_foreach ((json_t *)bench_result_get(event, "labels"), key, value)
		if (strcmp(key, "scope"))
			text_put(t, TEXT_PLAIN, "{%s=%s}", key,
				 json_is_string(value) ? json_string_value(value) : "?");
}

static void comment(struct text *t, const json_t *event)
{
	const char *name = bench_result_str(event, "name"), *words;
	const json_t *derived = NULL;
	char text[UNITS_MAX];
	unsigned len;

	if (modifier(name, "instructions")) {
		derived = sibling(t, event, "ipc", modifier(name, "instructions"));
		words = "insn per cycle";
	} else if (modifier(name, "cycles")) {
		derived = sibling(t, event, "ghz", modifier(name, "cycles"));
		words = "GHz";
	}
	if (!derived)
		return;
	metric_shown(t, derived);
	len = snprintf(text, sizeof(text), " # %.3g %s", bench_result_num(derived, "value"), words);
	if (t->col + len > t->width)
		text_end(t);
	text_to(t, COMMENT_COL + len > t->width ? t->width - len : COMMENT_COL);
	text_put(t, TEXT_PLAIN, "%s", text);
}

static void per_op(struct text *t, const json_t *event)
{
	const json_t *metric = sibling(t, event, bench_result_str(event, "name"), ".per_op");
	unsigned len, end = t->width - TRUST_WIDTH;
	char text[UNITS_MAX];
	double value;

	if (!metric)
		return;
	metric_shown(t, metric);
	value = bench_result_num(metric, "value");
	/* One event per thousand operations: the digits behind it would only distract. */
	if (value > 0 && value < 0.001)
		snprintf(text, sizeof(text), "<0.001");
	else
		units_value(text, value, bench_result_str(event, "unit"), t->style->utf8);
	len = text_len(t, text) + strlen("/op");
	if (t->col + 1 + len > end)
		text_end(t);
	text_to(t, end - len);
	text_put(t, TEXT_PLAIN, "%s/op", text);
}

static void event_row(struct text *t, const json_t *event)
{
	char trust[UNITS_MAX];
	unsigned len;

	value_cell(t, event);
	event_name(t, event);
	metric_shown(t, event);
	comment(t, event);
	per_op(t, event);
	metric_trust(t, trust, event);
	len = text_len(t, trust);
	if (t->col + 1 + len > t->width - 2)
		text_end(t);
	/* "3 trials" in each row would say nothing new. */
	if (json_is_array(bench_result_get(event, "ci"))) {
		text_to(t, t->width - 2 - len);
		text_put(t, TEXT_PLAIN, "%s", trust);
	}
	if (!strcmp(bench_result_str(event, "status"), "scaled")) {
		text_to(t, t->width - 2);
		text_put(t, TEXT_YELLOW, " ~");
	}
	text_end(t);
}

static const char *scope_words(const char *scope)
{
	static const char *const words[][2] = {
		{ "worker", "counters, all workers, per trial" },
		{ "cpu", "counters, everything on the CPUs of the job, per trial" },
		{ "tree", "counters, the program and its children, per run" },
		{ "package", "counters, everything on each package" },
	};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(scope, words[i][0]))
			return words[i][1];
	return *scope ? scope : "counters";
}

static void scope_table(struct text *t, const char *scope)
{
	struct metric_walk w = { 0 };
	bool begun = false;

	text_end(t);
	while (metric_next(t, &w)) {
		/* What has no value is named below with its reason; a row each would hide the
		 * others. */
		if (!is_event(w.metric) || strcmp(metric_label(w.metric, "scope"), scope) ||
		    !bench_result_has_value(w.metric))
			continue;
		if (!begun) {
			text_to(t, 2);
			t->indent = 2;
			text_words(t, TEXT_DIM, scope_words(scope));
			/* A value that is all right has a note where it has an unusual source. */
			if (!strcmp(bench_result_str(w.metric, "status"), "ok") &&
			    *bench_result_str(w.metric, "note")) {
				text_put(t, TEXT_DIM, ",");
				text_words(t, TEXT_DIM, bench_result_str(w.metric, "note"));
			}
			text_end(t);
		}
		begun = true;
		event_row(t, w.metric);
	}
}

/* Why values are extrapolated, each reason once. */
static void scaled_notes(struct text *t)
{
	const char *last = "";
	struct metric_walk w = { 0 };

	while (metric_next(t, &w)) {
		const char *note = bench_result_str(w.metric, "note");

		if (!is_counter(w.metric) ||
		    strcmp(bench_result_str(w.metric, "status"), "scaled") || !*note ||
		    !strcmp(note, last))
			continue;
		text_row(t, "~ scaled");
		text_words(t, TEXT_DIM, note);
		last = note;
	}
	text_end(t);
}

/* ipc and ghz without their events, top-down. */
static void derived_rows(struct text *t)
{
	struct metric_walk w = { 0 };
	bool begun = false;

	while (metric_next(t, &w)) {
		if (t->shown[w.index] || !is_counter(w.metric) || is_event(w.metric) ||
		    !bench_result_has_value(w.metric))
			continue;
		if (!begun)
			text_row(t, "derived");
		begun = true;
		metric_list(t, w.name, w.name, TEXT_TOP, true);
	}
	text_end(t);
}

void section_counters(struct text *t)
{
	struct metric_walk w = { 0 };
	const char *scopes[8];
	unsigned nr = 0;

	while (metric_next(t, &w)) {
		const char *scope = metric_label(w.metric, "scope");
		bool known = false;

		if (!is_event(w.metric))
			continue;
		for (unsigned i = 0; i < nr; i++)
			known = known || !strcmp(scopes[i], scope);
		if (!known && nr < sizeof(scopes) / sizeof(scopes[0]))
			scopes[nr++] = scope;
	}
	for (unsigned i = 0; i < nr; i++)
		scope_table(t, scopes[i]);
	scaled_notes(t);
	derived_rows(t);
	metric_missing(t, "counter");
}
