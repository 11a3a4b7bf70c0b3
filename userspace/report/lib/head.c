// SPDX-License-Identifier: BSD-2-Clause
/* The head of the text report. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/lib/sections.h"

enum text_color status_color(const char *status)
{
	if (!strcmp(status, "ok"))
		return TEXT_GREEN;
	if (!strcmp(status, "failed") || !strcmp(status, "invalid"))
		return TEXT_RED;
	return TEXT_YELLOW;
}

static void head_title(struct text *t, const json_t *result)
{
	char took[UNITS_MAX];

	t->indent = 2;
	text_item(t, TEXT_BOLD, "bench %s", bench_result_str(result, "tool.version"));
	if (*bench_result_str(result, "tool.commit"))
		text_put(t, TEXT_PLAIN, " (%s)", bench_result_str(result, "tool.commit"));
	text_item(t, TEXT_PLAIN, "%s", bench_result_str(result, "started"));
	if (isfinite(bench_result_num(result, "elapsed_ns")))
		text_item(t, TEXT_PLAIN, "took %s",
			  units_value(took, bench_result_num(result, "elapsed_ns"), "ns",
				      t->style->utf8));
	text_end(t);
}

/* As a shell takes it: in single quotes where it has more than plain characters. malloc'ed. */
static char *quoted(const char *word)
{
	char *text = malloc(4 * strlen(word) + 3), *out = text;

	if (!text)
		return NULL;
	if (*word && !strpbrk(word, " \t\n'\"\\$&;|<>*?(){}[]#~`!"))
		return strcpy(text, word);
	*out++ = '\'';
	for (; *word; word++) {
		if (*word == '\'')
			out = stpcpy(out, "'\\''");
		else
			*out++ = *word;
	}
	strcpy(out, "'");
	return text;
}

/* As one would type it again. */
static void head_command(struct text *t, const json_t *command)
{
	const json_t *word;
	size_t i;

	if (!json_array_size(command))
		return;
	text_row(t, "command");
	json_array_foreach (command, i, word) {
		char *text = json_is_string(word) ? quoted(json_string_value(word)) : NULL;

		if (text)
			text_words(t, TEXT_PLAIN, text);
		free(text);
	}
	text_end(t);
}

static void head_count(struct text *t, const json_t *object, const char *key, const char *one,
		       const char *many)
{
	double n = bench_result_num(object, key);

	if (isfinite(n))
		text_item(t, TEXT_PLAIN, "%.0f %s", n, n == 1 ? one : many);
}

static void head_host(struct text *t, const json_t *host)
{
	static const char *const keys[] = { "hostname", "os", "arch", "virt" };
	char memory[UNITS_MAX];

	if (!json_object_size(host))
		return;
	text_row(t, "host");
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (*bench_result_str(host, keys[i]))
			text_item(t, i ? TEXT_PLAIN : TEXT_BOLD, "%s",
				  bench_result_str(host, keys[i]));
	if (*bench_result_str(host, "kernel"))
		text_item(t, TEXT_PLAIN, "Linux %s", bench_result_str(host, "kernel"));
	text_row(t, "cpu");
	if (*bench_result_str(host, "cpu"))
		text_item(t, TEXT_PLAIN, "%s", bench_result_str(host, "cpu"));
	head_count(t, host, "cpus", "CPU", "CPUs");
	head_count(t, host, "topology.packages", "package", "packages");
	head_count(t, host, "topology.cores", "core", "cores");
	head_count(t, host, "topology.numa_nodes", "NUMA node", "NUMA nodes");
	if (isfinite(bench_result_num(host, "memory_bytes")))
		text_item(t, TEXT_PLAIN, "%s memory",
			  units_value(memory, bench_result_num(host, "memory_bytes"), "B",
				      t->style->utf8));
	text_end(t);
}

static void head_runtime(struct text *t, const json_t *runtime)
{
	const char *active = bench_result_str(runtime, "active");
	const char *requested = bench_result_str(runtime, "requested");
	const json_t *test = bench_result_get(runtime, "selftest");
	char nop[UNITS_MAX];

	if (!*active)
		return;
	text_row(t, "runtime");
	text_item(t, TEXT_BOLD, "%s", active);
	if (*requested && strcmp(requested, active))
		text_item(t, TEXT_PLAIN, "(asked for: %s)", requested);
	if (json_is_false(bench_result_get(test, "passed")))
		text_item(t, TEXT_RED, "self-test failed");
	else if (json_is_true(bench_result_get(test, "passed")))
		text_item(t, TEXT_PLAIN, "self-test passed: %.0f of %.0f operations completed",
			  bench_result_num(test, "completed"), bench_result_num(test, "submitted"));
	if (isfinite(bench_result_num(test, "nop_ns")))
		text_item(t, TEXT_PLAIN, "%s per NOP",
			  units_value(nop, bench_result_num(test, "nop_ns"), "ns", t->style->utf8));
	if (*bench_result_str(runtime, "reason")) {
		text_row(t, "");
		text_words(t, TEXT_YELLOW, bench_result_str(runtime, "reason"));
	}
	text_end(t);
}

static void audit_detail(struct text *t, const json_t *line)
{
	text_row(t, "");
	text_put(t, TEXT_YELLOW, "%-5s", bench_result_str(line, "status"));
	t->indent = TEXT_INDENT + 5;
	text_words(t, TEXT_BOLD, bench_result_str(line, "check"));
	if (*bench_result_str(line, "value")) {
		text_words(t, TEXT_PLAIN, "=");
		text_words(t, TEXT_PLAIN, bench_result_str(line, "value"));
	}
	if (*bench_result_str(line, "why")) {
		text_put(t, TEXT_PLAIN, ":");
		text_words(t, TEXT_PLAIN, bench_result_str(line, "why"));
	}
	if (*bench_result_str(line, "remedy")) {
		text_put(t, TEXT_PLAIN, ";");
		text_words(t, TEXT_DIM, bench_result_str(line, "remedy"));
	}
}

/* Warnings are told in full; notes by name, the rest is counted: the jobs matter more. */
static void head_audit(struct text *t, const json_t *audit)
{
	unsigned ok = 0, unknown = 0, notes = 0;
	const json_t *line;
	size_t i;

	if (!json_array_size(audit))
		return;
	text_row(t, "audit");
	json_array_foreach (audit, i, line) {
		ok += !strcmp(bench_result_str(line, "status"), "ok");
		unknown += !strcmp(bench_result_str(line, "status"), "unknown");
	}
	text_item(t, TEXT_PLAIN, "%u of %zu checks ok", ok, json_array_size(audit));
	if (unknown)
		text_item(t, TEXT_PLAIN, "%u unknown", unknown);
	json_array_foreach (audit, i, line) {
		if (strcmp(bench_result_str(line, "status"), "note"))
			continue;
		if (!notes++)
			text_item(t, TEXT_PLAIN, "note:");
		if (notes <= TEXT_TOP)
			text_words(t, TEXT_PLAIN, bench_result_str(line, "check"));
	}
	if (notes > TEXT_TOP)
		text_item(t, TEXT_DIM, "and %u more; see the JSON", notes - TEXT_TOP);
	json_array_foreach (audit, i, line)
		if (!strcmp(bench_result_str(line, "status"), "warn"))
			audit_detail(t, line);
	text_end(t);
}

/* What measuring cost, in one line; the parts are in the JSON. */
static void head_overhead(struct text *t, const json_t *overhead)
{
	double lost = bench_result_num(overhead, "events.lost");
	double share = bench_result_num(overhead, "worker_share");
	double check = json_array_size(bench_result_get(overhead, "failed_checks"));
	char text[UNITS_MAX];
	bool workers = isfinite(share);

	if (!json_object_size(overhead))
		return;
	text_row(t, "probes");
	if (!workers)
		share = bench_result_num(overhead, "share");
	if (isfinite(share))
		text_item(t, TEXT_PLAIN, "%s of the %s", units_share(text, share),
			  workers ? "workers' CPU time" : "CPUs' time");
	if (isfinite(lost))
		text_item(t, TEXT_PLAIN, "%s events lost", units_thousands(text, lost, 0));
	if (bench_result_num(overhead, "open_ns") > 0)
		text_item(t, TEXT_PLAIN, "loaded in %s",
			  units_value(text, bench_result_num(overhead, "open_ns"), "ns",
				      t->style->utf8));
	if (check > 0)
		text_item(t, TEXT_RED, "%.0f self-check%s failed", check, check == 1 ? "" : "s");
	text_end(t);
}

void section_head(struct text *t, const json_t *result)
{
	head_title(t, result);
	head_command(t, bench_result_get(result, "command"));
	head_host(t, bench_result_get(result, "host"));
	head_runtime(t, bench_result_get(result, "runtime"));
	head_overhead(t, bench_result_get(result, "overhead"));
	head_audit(t, bench_result_get(result, "audit"));
}
