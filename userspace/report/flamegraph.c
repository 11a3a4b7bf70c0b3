// SPDX-License-Identifier: BSD-2-Clause
/* Stacks as a flame graph (Brendan Gregg, "The Flame Graph", CACM 59(6), 2016): a box is a function, as
 * wide as the time of all stacks that it is in, and stands on its caller. One SVG file without anything
 * from elsewhere, which can be read without its script. Beside another result: red where the share has
 * grown, blue where it has shrunk. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "bench/reporter.h"
#include "bench/units.h"
#include "report/lib/flamegraph_script.h"
#include "report/lib/stacks.h"
#include "report/lib/xml.h"

#define WIDTH 1200.0
#define LEFT 10.0
#define WIDE (WIDTH - 2 * LEFT)
#define ROW 16.0
#define TOP 66.0
#define BOTTOM 30.0
/* Narrower boxes are not drawn: nobody could see them, and there may be hundreds of thousands. */
#define LEAST 0.1
/* Of a character of the font, about, and what is left free beside a label. */
#define CHARACTER 7.0
#define BESIDE 6.0

struct graph {
	FILE *out;
	const struct stack_tree *tree;
	double base_total; /* 0 = nothing to compare with */
	double per_unit;   /* pixels */
	double height;
};

static unsigned depth_of(const struct stack_place *place, double least)
{
	unsigned most = 0;

	for (const struct stack_place *one = place->first; one; one = one->next) {
		unsigned depth = one->total < least ? 0 : depth_of(one, least);

		most = depth > most ? depth : most;
	}
	return most + 1;
}

/* FNV-1a, for a shade that a name has everywhere. */
static unsigned shade(const char *name)
{
	unsigned hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return hash >> 16;
}

/* Kinds differ in hue, functions of a kind in lightness. */
static void put_colour(FILE *out, const struct stack_place *place)
{
	static const int hues[] = {
		[STACK_GROUP] = 210, [STACK_COMMAND] = 200, [STACK_USER] = 42, [STACK_INLINED] = 60,
		[STACK_KERNEL] = 16, [STACK_JIT] = 110,	    [STACK_NONE] = 210,
	};
	bool grey = place->kind == STACK_GROUP || place->kind == STACK_NONE;

	fprintf(out, "hsl(%d,%d%%,%u%%)", hues[place->kind], grey ? 15 : 85,
		62 + shade(place->name) % 15);
}

/* Half of the share that is shown, or more, is the full colour. */
static void put_difference(FILE *out, double was, double is)
{
	double most = fmax(is, was), part = most > 0 ? fmin(fabs(is - was) / most * 2, 1) : 0;

	fprintf(out, "hsl(%d,85%%,%.0f%%)", is >= was ? 5 : 220, 96 - 40 * part);
}

static void put_title(const struct graph *g, const struct stack_place *place,
		      const struct stack_place *base)
{
	static const char *const kinds[] = {
		[STACK_COMMAND] = "command", [STACK_INLINED] = "inlined", [STACK_KERNEL] = "kernel",
		[STACK_JIT] = "compiled at run time", [STACK_NONE] = "", [STACK_USER] = "",
		[STACK_GROUP] = "",
	};
	double is = place->total / g->tree->root->total;
	char value[UNITS_MAX];

	xml_text(g->out, place->name);
	fputs("&#10;", g->out);
	if (place->dso[0] || kinds[place->kind][0]) {
		xml_text(g->out, place->dso);
		fprintf(g->out, "%s%s&#10;", place->dso[0] && kinds[place->kind][0] ? ", " : "",
			kinds[place->kind]);
	}
	fprintf(g->out, "%.2f %%, %s", is * 100, units_value(value, place->total, g->tree->unit, true));
	if (g->base_total > 0) {
		double was = (base ? base->total : 0) / g->base_total;

		fprintf(g->out, "&#10;was %.2f %%: %+.2f points", was * 100, (is - was) * 100);
	}
}

/* Bytes of a text's first characters, of which each may be several in UTF-8. */
static size_t bytes_of(const char *text, size_t characters)
{
	size_t len = 0;

	while (text[len] && (characters || (text[len] & 0xc0) == 0x80)) {
		characters -= (text[len] & 0xc0) != 0x80;
		len++;
	}
	return len;
}

static void put_label(const struct graph *g, const struct stack_place *place, double x, double y,
		      double width)
{
	size_t room = width > BESIDE ? (size_t)((width - BESIDE) / CHARACTER) : 0;
	char label[512];

	if (room < 3)
		return;
	if (bytes_of(place->name, room) == strlen(place->name))
		snprintf(label, sizeof(label), "%s", place->name);
	else
		snprintf(label, sizeof(label), "%.*s..", (int)bytes_of(place->name, room - 2),
			 place->name);
	fprintf(g->out, "<text x=\"%.2f\" y=\"%.0f\">", x + 3, y + 12);
	xml_text(g->out, label);
	fputs("</text>", g->out);
}

static const struct stack_place *same_below(const struct stack_place *base,
					    const struct stack_place *place)
{
	const struct stack_place *one = base ? base->first : NULL;

	while (one && stack_place_compare(one, place) < 0)
		one = one->next;
	return one && !stack_place_compare(one, place) ? one : NULL;
}

static void put_boxes(const struct graph *g, const struct stack_place *place,
		      const struct stack_place *base, double x, unsigned depth)
{
	double width = place->total * g->per_unit, y = g->height - BOTTOM - ROW * (depth + 1);

	if (width < LEAST)
		return;
	fputs("<g class=\"f\"><title>", g->out);
	put_title(g, place, base);
	fprintf(g->out,
		"</title><rect x=\"%.2f\" y=\"%.0f\" width=\"%.2f\" height=\"%.0f\" rx=\"1\" fill=\"", x, y,
		width, ROW - 1);
	if (g->base_total > 0)
		put_difference(g->out, (base ? base->total : 0) / g->base_total,
			       place->total / g->tree->root->total);
	else
		put_colour(g->out, place);
	fputs("\"/>", g->out);
	put_label(g, place, x, y, width);
	fputs("</g>\n", g->out);
	for (const struct stack_place *one = place->first; one; one = one->next) {
		put_boxes(g, one, same_below(base, one), x, depth + 1);
		x += one->total * g->per_unit;
	}
}

/* What was measured, and where. */
static void put_subject(const struct graph *g, const json_t *result,
			const struct bench_report_style *style)
{
	const json_t *jobs = bench_result_get(result, "jobs");
	const char *host = bench_result_str(result, "host.hostname");

	if (style->job || json_array_size(jobs) == 1)
		xml_text(g->out, bench_result_str(json_array_get(jobs, style->job ? style->job - 1 : 0),
						  "name"));
	else
		fprintf(g->out, "%zu jobs", json_array_size(jobs));
	if (host[0]) {
		fputs(" on ", g->out);
		xml_text(g->out, host);
	}
}

static void put_head(const struct graph *g, const json_t *result, const struct bench_report_style *style)
{
	char value[UNITS_MAX];

	fprintf(g->out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
		"version=\"1.1\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" data-left=\"%.0f\" "
		"data-wide=\"%.0f\">\n<style>\n%s</style>\n<rect width=\"100%%\" height=\"100%%\" "
		"fill=\"#fff\"/>\n",
		WIDTH, g->height, WIDTH, g->height, LEFT, WIDE, flamegraph_style);
	fprintf(g->out, "<text class=\"t\" x=\"%.0f\" y=\"24\">", LEFT);
	put_subject(g, result, style);
	fprintf(g->out, ": %s of ", units_value(value, g->tree->root->total, g->tree->unit, true));
	xml_text(g->out, style->event ? style->event : "wall time by stack");
	fputs("</text>\n", g->out);
	fprintf(g->out, "<text class=\"s\" x=\"%.0f\" y=\"42\">", LEFT);
	xml_text(g->out, bench_result_str(result, "started"));
	if (g->base_total > 0) {
		fputs(", against ", g->out);
		xml_text(g->out, bench_result_str(style->base, "started"));
		fputs(": red has a larger share than then, blue a smaller one", g->out);
	} else {
		fputs(", orange: kernel, yellow: program (lemon: inlined), green: compiled at run time",
		      g->out);
	}
	if (g->tree->cut > 0)
		fprintf(g->out, "; %.2f %% cut short", g->tree->cut / g->tree->root->total * 100);
	if (g->tree->nr_others)
		fputs("; events of another unit are left out", g->out);
	fputs("</text>\n", g->out);
	fprintf(g->out,
		"<text class=\"b gone\" id=\"reset\" x=\"%.0f\" y=\"60\">Reset zoom</text>"
		"<text class=\"b gone\" id=\"search\" x=\"%.0f\" y=\"60\">Search</text>"
		"<text id=\"found\" x=\"%.0f\" y=\"60\"></text><text id=\"details\" x=\"%.0f\" "
		"y=\"%.0f\"></text>\n",
		LEFT, LEFT + 100, LEFT + 210, LEFT, g->height - 10);
}

/* The job of the other result that has the name of the chosen one. */
static int find_base(const json_t *result, const struct bench_report_style *style,
		     struct bench_report_style *ret_style, struct bench_err *err)
{
	const json_t *jobs = bench_result_get(style->base, "jobs"), *job;
	const char *name = bench_result_str(
		json_array_get(bench_result_get(result, "jobs"), style->job - 1), "name");
	size_t i;

	*ret_style = *style;
	ret_style->base = NULL;
	ret_style->job = 0;
	json_array_foreach (jobs, i, job)
		if (style->job && !ret_style->job && !strcmp(bench_result_str(job, "name"), name))
			ret_style->job = (unsigned)i + 1;
	if (style->job && !ret_style->job)
		return bench_fail(err, -ENODATA, "the result to compare with has no job '%s'", name);
	return 0;
}

static int flamegraph_report(const json_t *result, const struct bench_report_style *style, FILE *out,
			     struct bench_err *err)
{
	struct stack_tree tree, base = { 0 };
	struct bench_report_style of_base;
	struct graph g = { .out = out, .tree = &tree };
	int rc = stack_tree_new(&tree, result, style, err);

	if (rc)
		return rc;
	if (style->base)
		rc = find_base(result, style, &of_base, err);
	rc = style->base && !rc ? stack_tree_new(&base, style->base, &of_base, err) : rc;
	if (rc) {
		stack_tree_free(&tree);
		return rc;
	}
	errno = 0;
	g.base_total = base.root ? base.root->total : 0;
	g.per_unit = WIDE / tree.root->total;
	g.height = TOP + BOTTOM + ROW * depth_of(tree.root, LEAST / g.per_unit);
	put_head(&g, result, style);
	put_boxes(&g, tree.root, base.root, LEFT, 0);
	fprintf(out, "<script><![CDATA[\n%s]]></script>\n</svg>\n", flamegraph_script);
	if (fflush(out) || ferror(out))
		rc = bench_fail(err, errno ? -errno : -EIO, "write the report: %s",
				strerror(errno ? errno : EIO));
	stack_tree_free(&base);
	stack_tree_free(&tree);
	return rc;
}

const struct bench_reporter bench_reporter_flamegraph = {
	.name = "flamegraph",
	.summary = "stacks (--sample) as a picture for a browser, or with --base what has changed",
	.report = flamegraph_report,
};
