// SPDX-License-Identifier: BSD-2-Clause
/* Slow operations: what the tail as a whole waited for, as a table, and the worst few one by one.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/lib/sections.h"

#define TAIL_CAUSES 5  /* columns; the smaller ones are one column */
#define TAIL_LATENCY 6 /* where the latencies begin, after the number of ops */
#define TAIL_FIRST 29  /* and the first cause */
#define TAIL_OTHER 12  /* room for "100 % other" */
#define WORST_SHOWN 3
#define MAX_CAUSES 32

static const char *const class_words[] = { "worst", "p99", "p99.9" };
#define NR_CLASSES (sizeof(class_words) / sizeof(class_words[0]))

struct cause {
	const char *name;
	double ns;
};

static int largest_first(const void *a, const void *b)
{
	double x = ((const struct cause *)a)->ns, y = ((const struct cause *)b)->ns;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* Causes of one op, largest first. */
static unsigned op_causes(const json_t *op, struct cause *ret_causes)
{
	json_t *causes = (json_t *)bench_result_get(op, "causes"), *ns;
	const char *name;
	unsigned nr = 0;

	json_object_foreach (causes, name, ns)
		if (nr < MAX_CAUSES && json_is_number(ns) && json_number_value(ns) > 0)
			ret_causes[nr++] = (struct cause){ name, json_number_value(ns) };
	qsort(ret_causes, nr, sizeof(*ret_causes), largest_first);
	return nr;
}

static const char *cause_words(const char *name)
{
	static const char *const words[][2] = {
		{ "oncpu", "on CPU" },
		{ "runqueue", "run queue" },
		{ "blocked.disk", "blocked on disk" },
		{ "blocked.net", "blocked on network" },
		{ "queue", "block queue" },
		{ "peer.oncpu", "other end on CPU" },
		{ "peer.runqueue", "other end's run queue" },
		{ "peer", "other end" },
	};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(name, words[i][0]))
			return words[i][1];
	return name;
}

/* --- one by one --- */

/* " behind kworker/1:1 (38) and apt (812)": who made up a tenth or more of the wait. */
static void behind(char *text, size_t size, const json_t *op, double waited_ns)
{
	const json_t *culprits = bench_result_get(op, "culprits"), *culprit;
	size_t i, len = 0;
	unsigned nr = 0;

	text[0] = '\0';
	json_array_foreach (culprits, i, culprit) {
		const char *who = bench_result_str(culprit, "who");
		double ns = bench_result_num(culprit, "ns");

		if (nr < 2 && *who && len < size && ns >= waited_ns / 10)
			len += (size_t)snprintf(text + len, size - len, "%s%.40s",
						nr++ ? " and " : " behind ", who);
	}
}

/* "4.1 ms: 3.6 ms run queue behind kworker/1:1 (38), 0.4 ms device" */
static void put_op(struct text *t, const json_t *op)
{
	char took[UNITS_MAX], part[UNITS_MAX], who[128];
	struct cause causes[MAX_CAUSES];
	unsigned nr = op_causes(op, causes);
	double latency = bench_result_num(op, "latency_ns"), shown = 0;
	bool utf8 = t->style->utf8;

	text_item(t, TEXT_BOLD, "%s%s", units_value(took, latency, "ns", utf8), nr ? ":" : "");
	/* What is below a hundredth explains nothing. */
	for (unsigned i = 0; i < nr && i < 4 && (!i || causes[i].ns >= latency / 100); i++) {
		shown += causes[i].ns;
		who[0] = '\0';
		if (!strcmp(causes[i].name, "runqueue"))
			behind(who, sizeof(who), op, causes[i].ns);
		text_item(t, TEXT_PLAIN, "%s %s%s%s", units_value(part, causes[i].ns, "ns", utf8),
			  cause_words(causes[i].name), who,
			  latency - shown >= latency / 100 ? "," : "");
	}
	if (latency - shown >= latency / 100)
		text_item(t, TEXT_DIM, "%s other causes",
			  units_value(part, latency - shown, "ns", utf8));
}

static void show_worst(struct text *t, const json_t *slow)
{
	const json_t *op;
	unsigned nr = 0;
	size_t i;

	json_array_foreach (slow, i, op) {
		const char *class = bench_result_str(op, "class");

		if ((*class && strcmp(class, "worst")) || nr >= WORST_SHOWN)
			continue;
		text_row(t, nr++ ? "" : "slowest ops");
		put_op(t, op);
		text_end(t);
	}
}

/* --- the tail --- */

struct tail {
	double shares[MAX_CAUSES]; /* mean over the ops */
	double low, high;	   /* latency */
	unsigned nr;
};

/* Largest causes over all classes; what is in none of the columns is "other". */
static unsigned tail_columns(const json_t *slow, struct cause *ret_columns)
{
	struct cause causes[MAX_CAUSES];
	unsigned nr = 0;
	const json_t *op;
	size_t i;

	json_array_foreach (slow, i, op) {
		unsigned nr_causes = op_causes(op, causes);

		for (unsigned c = 0; c < nr_causes; c++) {
			double share = causes[c].ns / bench_result_num(op, "latency_ns");
			unsigned at = 0;

			while (at < nr && strcmp(ret_columns[at].name, causes[c].name))
				at++;
			if (at == nr && nr < MAX_CAUSES)
				ret_columns[nr++] = (struct cause){ causes[c].name, 0 };
			if (at < nr && isfinite(share))
				ret_columns[at].ns += share;
		}
	}
	qsort(ret_columns, nr, sizeof(*ret_columns), largest_first);
	return nr < TAIL_CAUSES ? nr : TAIL_CAUSES;
}

static void tail_of(const json_t *slow, const char *class, const struct cause *columns,
		    unsigned nr_columns, struct tail *ret_tail)
{
	struct cause causes[MAX_CAUSES];
	const json_t *op;
	size_t i;

	*ret_tail = (struct tail){ 0 };
	json_array_foreach (slow, i, op) {
		double latency = bench_result_num(op, "latency_ns");
		unsigned nr = op_causes(op, causes);

		if (strcmp(bench_result_str(op, "class"), class) || !(latency > 0))
			continue;
		if (!ret_tail->nr || latency < ret_tail->low)
			ret_tail->low = latency;
		if (!ret_tail->nr || latency > ret_tail->high)
			ret_tail->high = latency;
		ret_tail->nr++;
		for (unsigned c = 0; c < nr; c++)
			for (unsigned k = 0; k < nr_columns; k++)
				if (!strcmp(columns[k].name, causes[c].name))
					ret_tail->shares[k] += causes[c].ns / latency;
	}
	for (unsigned k = 0; k < nr_columns && ret_tail->nr; k++)
		ret_tail->shares[k] /= ret_tail->nr;
}

static unsigned column_width(const struct cause *column)
{
	size_t len = strlen(column->name);

	return 2 + (len > 7 ? (unsigned)len : 7);
}

static void tail_row(struct text *t, const char *class, const struct cause *columns,
		     unsigned nr_columns, const struct tail *tail)
{
	char low[UNITS_MAX], high[UNITS_MAX], share[UNITS_MAX];
	unsigned col = TEXT_INDENT + TAIL_FIRST;
	double rest = 1;

	text_row(t, class);
	text_put(t, TEXT_PLAIN, "%4u", tail->nr);
	text_to(t, TEXT_INDENT + TAIL_LATENCY);
	text_put(t, TEXT_PLAIN, "%s to %s", units_value(low, tail->low, "ns", t->style->utf8),
		 units_value(high, tail->high, "ns", t->style->utf8));
	for (unsigned k = 0; k < nr_columns; k++) {
		unsigned width = column_width(&columns[k]);

		text_to(t, col);
		text_put(t, TEXT_PLAIN, "%*s", (int)width - 2, units_share(share, tail->shares[k]));
		rest -= tail->shares[k];
		col += width;
	}
	/* A narrow terminal shows the first cause only. */
	if (rest > 0.0005 && col + strlen("100.0 % other") <= t->width) {
		text_to(t, col);
		text_put(t, TEXT_DIM, "%s other", units_share(share, rest));
	}
	text_end(t);
}

static void tail_title(struct text *t, const struct cause *columns, unsigned nr_columns)
{
	unsigned col = TEXT_INDENT + TAIL_FIRST;

	text_row(t, "slow ops");
	text_put(t, TEXT_DIM, " ops  latency");
	for (unsigned k = 0; k < nr_columns; k++) {
		unsigned width = column_width(&columns[k]);

		text_to(t, col);
		text_put(t, TEXT_DIM, "%*s", (int)width - 2, columns[k].name);
		col += width;
	}
	text_end(t);
}

static void show_tail(struct text *t, const json_t *slow)
{
	unsigned width = TEXT_INDENT + TAIL_FIRST, nr = 0, all;
	struct cause columns[MAX_CAUSES];
	bool titled = false;
	struct tail tail;

	all = tail_columns(slow, columns);
	/* The first cause alone needs no room for the rest beside it. */
	while (nr < all && width + column_width(&columns[nr]) + (nr ? TAIL_OTHER : 0) <= t->width)
		width += column_width(&columns[nr++]);
	for (unsigned i = 0; i < NR_CLASSES; i++) {
		tail_of(slow, class_words[i], columns, nr, &tail);
		if (!tail.nr)
			continue;
		if (!titled)
			tail_title(t, columns, nr);
		titled = true;
		tail_row(t, class_words[i], columns, nr, &tail);
	}
}

/* Is there anything to tell but how long they took? */
static bool anything_known(const json_t *slow)
{
	struct cause causes[MAX_CAUSES];
	const json_t *op;
	size_t i;

	json_array_foreach (slow, i, op)
		if (op_causes(op, causes) && strcmp(causes[0].name, "unknown"))
			return true;
	return false;
}

void section_slow(struct text *t)
{
	const json_t *slow = bench_result_get(t->job, "slow");

	if (!json_array_size(slow))
		return;
	show_tail(t, slow);
	if (anything_known(slow))
		show_worst(t, slow);
}
