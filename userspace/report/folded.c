// SPDX-License-Identifier: BSD-2-Clause
/* Folded stacks, a line each: "job;event;command;outer;inner 1234". What flamegraph.pl, difffolded.pl,
 * inferno and speedscope read. Functions of the kernel end in _[k], inlined ones in _[i], compiled at
 * run time in _[j], as stackcollapse-perf.pl --all marks them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/reporter.h"
#include "report/lib/stacks.h"

/* The path to a place, as it grows and shrinks. */
struct path {
	char *text;
	size_t len, room;
};

/* A semicolon or a line's end in a name would be taken for one of the format. */
static int path_add(struct path *path, const struct stack_place *place)
{
	static const char *const marks[] = {
		[STACK_INLINED] = "_[i]",
		[STACK_KERNEL] = "_[k]",
		[STACK_JIT] = "_[j]",
		[STACK_NONE] = NULL,
	};
	const char *mark = marks[place->kind] ? marks[place->kind] : "";
	size_t more = strlen(place->name) + strlen(mark) + 2;

	if (path->len + more > path->room) {
		size_t room = 2 * (path->len + more);
		char *grown = realloc(path->text, room);

		if (!grown)
			return -ENOMEM;
		path->text = grown;
		path->room = room;
	}
	if (path->len)
		path->text[path->len++] = ';';
	for (const char *c = place->name; *c; c++)
		path->text[path->len++] = *c == ';' ? ':' : (unsigned char)*c < ' ' ? ' ' : *c;
	path->len += (size_t)sprintf(path->text + path->len, "%s", mark);
	return 0;
}

static int put_below(const struct stack_place *place, struct path *path, FILE *out)
{
	int rc = 0;

	for (const struct stack_place *one = place->first; one && !rc; one = one->next) {
		size_t len = path->len;

		rc = path_add(path, one);
		if (!rc && one->self > 0)
			fprintf(out, "%.*s %.0f\n", (int)path->len, path->text, one->self);
		rc = rc ? rc : put_below(one, path, out);
		path->len = len;
	}
	return rc;
}

static int folded_report(const json_t *result, const struct bench_report_style *style, FILE *out,
			 struct bench_err *err)
{
	struct stack_tree tree;
	struct path path = { 0 };
	int rc = stack_tree_new(&tree, result, style, err);

	if (rc)
		return rc;
	errno = 0;
	rc = put_below(tree.root, &path, out);
	if (rc)
		bench_fail(err, rc, "stacks: out of memory");
	else if (fflush(out) || ferror(out))
		rc = bench_fail(err, errno ? -errno : -EIO, "write the report: %s",
				strerror(errno ? errno : EIO));
	free(path.text);
	stack_tree_free(&tree);
	return rc;
}

const struct bench_reporter bench_reporter_folded = {
	.name = "folded",
	.summary = "stacks (--sample), a line each, for flamegraph.pl, inferno and speedscope",
	.report = folded_report,
};
