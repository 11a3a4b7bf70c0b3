// SPDX-License-Identifier: BSD-2-Clause
/* Stacks as https://www.speedscope.app reads them (its file-format-schema.json): a profile for each
 * event of each job, of type "sampled": each distinct stack once, with the time of all its samples. */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "bench/reporter.h"
#include "report/lib/stacks.h"

struct writer {
	FILE *out;
	void *frames; /* a tree of the first places of each function */
	uint32_t nr_frames;
	uint32_t *stack; /* indices of frames, outermost first */
	unsigned depth, room;
	bool more;
};

static void put_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(out, "\\%c", *c);
		else if (*c < ' ' || *c == 0x7f)
			fprintf(out, "\\u%04x", *c);
		else
			fputc(*c, out);
	}
	fputc('"', out);
}

/* A function has one number, wherever it stands: speedscope sums it up by that. */
static int put_frames(struct writer *w, const struct stack_place *place)
{
	int rc = 0;

	for (struct stack_place *one = place->first; one && !rc; one = one->next) {
		struct stack_place **node = tsearch(one, &w->frames, stack_place_compare);

		if (!node)
			return -ENOMEM;
		one->number = (*node)->number;
		if (*node == one) {
			fputs(w->nr_frames ? ",\n{\"name\":" : "\n{\"name\":", w->out);
			one->number = w->nr_frames++;
			put_string(w->out, one->name);
			if (one->dso[0]) {
				fputs(",\"file\":", w->out);
				put_string(w->out, one->dso);
			}
			fputc('}', w->out);
		}
		rc = put_frames(w, one);
	}
	return rc;
}

/* The places are the tree's. */
static void keep(void *place)
{
	(void)place;
}

static int push(struct writer *w, uint32_t frame)
{
	if (w->depth == w->room) {
		unsigned room = w->room ? 2 * w->room : 128;
		uint32_t *grown = reallocarray(w->stack, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		w->stack = grown;
		w->room = room;
	}
	w->stack[w->depth++] = frame;
	return 0;
}

/* Stacks, or their weights, of what is below a place, in the same order. */
static int put_samples(struct writer *w, const struct stack_place *place, bool weights)
{
	int rc = 0;

	for (const struct stack_place *one = place->first; one && !rc; one = one->next) {
		rc = push(w, one->number);
		if (!rc && one->self > 0) {
			fputs(w->more ? ",\n" : "\n", w->out);
			w->more = true;
			if (weights)
				fprintf(w->out, "%.0f", one->self);
			for (unsigned i = 0; !weights && i < w->depth; i++)
				fprintf(w->out, "%c%u", i ? ',' : '[', w->stack[i]);
			if (!weights)
				fputc(']', w->out);
		}
		rc = rc ? rc : put_samples(w, one, weights);
		w->depth--;
	}
	return rc;
}

static int put_profile(struct writer *w, const struct stack_place *place, const char *name,
		       const char *unit, bool first)
{
	int rc;

	fputs(first ? "\n{\"type\":\"sampled\",\"name\":" : ",\n{\"type\":\"sampled\",\"name\":", w->out);
	put_string(w->out, name);
	fprintf(w->out, ",\"unit\":\"%s\",\"startValue\":0,\"endValue\":%.0f,\"samples\":[",
		strcmp(unit, "ns") ? "none" : "nanoseconds", place->total - place->self);
	w->more = false;
	rc = put_samples(w, place, false);
	fputs("],\"weights\":[", w->out);
	w->more = false;
	rc = rc ? rc : put_samples(w, place, true);
	fputs("]}", w->out);
	return rc;
}

/* Groups are the profiles, so that the time of one is not laid over that of another. */
static int put_groups(struct writer *w, const struct stack_place *place, const char *name,
		      const char *unit, unsigned *nr)
{
	const struct stack_place *one = place->first;
	int rc = 0;

	if (!one || one->kind != STACK_GROUP)
		return put_profile(w, place, name, unit, !(*nr)++);
	for (; one && !rc; one = one->next) {
		char *full;

		if (asprintf(&full, "%s%s%s", name, name[0] ? ": " : "", one->name) < 0)
			return -ENOMEM;
		rc = put_groups(w, one, full, unit, nr);
		free(full);
	}
	return rc;
}

static int speedscope_report(const json_t *result, const struct bench_report_style *style, FILE *out,
			     struct bench_err *err)
{
	struct writer w = { .out = out };
	struct stack_tree tree;
	unsigned nr = 0;
	int rc = stack_tree_new(&tree, result, style, err);

	if (rc)
		return rc;
	errno = 0;
	fputs("{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\"exporter\":\"bench "
	      "report\",\"name\":",
	      out);
	put_string(out, bench_result_str(result, "started"));
	fputs(",\"shared\":{\"frames\":[", out);
	rc = put_frames(&w, tree.root);
	fputs("]},\"profiles\":[", out);
	rc = rc ? rc : put_groups(&w, tree.root, style->event ? style->event : "", tree.unit, &nr);
	fputs("]}\n", out);
	if (rc)
		bench_fail(err, rc, "stacks: out of memory");
	else if (fflush(out) || ferror(out))
		rc = bench_fail(err, errno ? -errno : -EIO, "write the report: %s",
				strerror(errno ? errno : EIO));
	tdestroy(w.frames, keep);
	free(w.stack);
	stack_tree_free(&tree);
	return rc;
}

const struct bench_reporter bench_reporter_speedscope = {
	.name = "speedscope",
	.summary = "stacks (--sample) for speedscope.app, a profile for each event of each job",
	.report = speedscope_report,
};
