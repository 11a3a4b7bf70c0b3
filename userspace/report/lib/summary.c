// SPDX-License-Identifier: BSD-2-Clause
/* The end of the text report, next to the prompt: one line per job and what to be careful about. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/lib/sections.h"

/* Right edges of the columns; a narrow terminal gets the first two, further to the left. */
#define RATE_END 38
#define RATE_WIDTH 12
#define TRUST_WIDTH 11
#define P50_END 60
#define P99_END 71
#define CAUSE_COL 73

static bool has_latency(const struct text *t)
{
	return t->width >= P99_END;
}

static unsigned rate_end(const struct text *t)
{
	return t->width < RATE_END + TRUST_WIDTH ? t->width - TRUST_WIDTH : RATE_END;
}

/* In the last column where it fits, else on a line of its own. */
static void last_column(struct text *t, enum text_color color, const char *text)
{
	unsigned col = CAUSE_COL;

	if (CAUSE_COL + text_len(t, text) > t->width) {
		text_end(t);
		col = 4;
	}
	text_to(t, col);
	text_put(t, color, "%s", text);
}

/* Is there anything to say in the last column? */
static bool has_causes(const json_t *jobs)
{
	char cause[UNITS_MAX];
	const json_t *job;
	size_t i;

	json_array_foreach (jobs, i, job)
		if (*top_cause(cause, job))
			return true;
	return false;
}

static void heading(struct text *t, const json_t *jobs)
{
	const char *dash = text_sign(t, "\xe2\x94\x80", "-");

	text_blank(t);
	while (t->col < t->width)
		text_put(t, TEXT_DIM, "%s", dash);
	text_end(t);
	text_put(t, TEXT_BOLD, "summary");
	text_right(t, rate_end(t), TEXT_DIM, "result");
	text_right(t, rate_end(t) + TRUST_WIDTH, TEXT_DIM, "95 %");
	if (has_latency(t)) {
		text_right(t, P50_END, TEXT_DIM, "p50");
		text_right(t, P99_END, TEXT_DIM, "p99");
	}
	if (CAUSE_COL + 6 <= t->width && has_causes(jobs))
		last_column(t, TEXT_DIM, "mostly");
	text_end(t);
}

const json_t *main_metric(const json_t *job)
{
	static const char *const names[] = { "ops", "bytes", "wall" };
	const char *figure = bench_result_str(job, "figure");
	const json_t *own = *figure ? bench_result_metric(job, figure, NULL, NULL) : NULL;

	if (bench_result_has_value(own))
		return own;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const json_t *metric = bench_result_metric(job, names[i], NULL, NULL);

		if (bench_result_has_value(metric))
			return metric;
	}
	return NULL;
}

/* Why a job has no numbers, as much of it as a line takes. */
static void short_reason(struct text *t, const json_t *job)
{
	const char *status = bench_result_str(job, "status"),
		   *reason = bench_result_str(job, "reason");
	char *cut;

	text_to(t, rate_end(t) - RATE_WIDTH);
	text_put(t, status_color(status), "%s", *status ? status : "no status");
	if (!*reason)
		return;
	cut = strdup(reason);
	while (cut && *cut && t->col + 2 + text_len(t, cut) > t->width - 3)
		cut[strlen(cut) - 1] = '\0';
	if (cut && *cut)
		text_put(t, TEXT_PLAIN, ": %s%s", cut, strlen(cut) < strlen(reason) ? "..." : "");
	free(cut);
}

static void job_line(struct text *t, const json_t *job)
{
	const char *status = bench_result_str(job, "status"), *name = bench_result_str(job, "name");
	const json_t *metric = main_metric(job), *latency;
	char text[UNITS_MAX];

	text_to(t, 2);
	t->indent = 4;
	text_words(t, TEXT_PLAIN, *name ? name : "(no name)");
	if (t->col >= rate_end(t) - RATE_WIDTH)
		text_end(t);
	if (metric) {
		text_right(t, rate_end(t), TEXT_BOLD, metric_value(t, text, metric));
		text_right(t, rate_end(t) + TRUST_WIDTH, metric_trust_color(metric),
			   metric_trust(t, text, metric));
	}
	latency = bench_result_metric(job, "latency", NULL, NULL);
	if (metric && bench_result_has_value(latency) && has_latency(t)) {
		bool utf8 = t->style->utf8;

		text_right(t, P50_END, TEXT_PLAIN,
		      units_value(text, bench_result_num(latency, "hist.p50"), "ns", utf8));
		text_right(t, P99_END, TEXT_PLAIN,
		      units_value(text, bench_result_num(latency, "hist.p99"), "ns", utf8));
	}
	if (!metric && strcmp(status, "ok"))
		short_reason(t, job);
	else if (strcmp(status, "ok"))
		last_column(t, status_color(status), *status ? status : "no status");
	else if (*top_cause(text, job))
		last_column(t, TEXT_PLAIN, text);
	text_end(t);
}

static void warning_lines(struct text *t, const json_t *warnings)
{
	const json_t *warning;
	size_t i;

	json_array_foreach (warnings, i, warning) {
		if (!json_is_string(warning))
			continue;
		text_put(t, TEXT_YELLOW, "warning: ");
		t->indent = t->col;
		text_words(t, TEXT_PLAIN, json_string_value(warning));
		text_end(t);
	}
}

static void artifact_lines(struct text *t, const json_t *artifacts)
{
	const json_t *artifact;
	size_t i;

	json_array_foreach (artifacts, i, artifact) {
		text_put(t, TEXT_PLAIN, "%s: ", bench_result_str(artifact, "kind"));
		t->indent = t->col;
		text_words(t, TEXT_PLAIN, bench_result_str(artifact, "path"));
		text_end(t);
	}
}

void section_summary(struct text *t, const json_t *result)
{
	const json_t *jobs = bench_result_get(result, "jobs"), *job;
	size_t i;

	if (json_array_size(jobs)) {
		heading(t, jobs);
		json_array_foreach (jobs, i, job)
			job_line(t, job);
	} else {
		text_put(t, TEXT_YELLOW, "no jobs");
		text_end(t);
	}
	warning_lines(t, bench_result_get(result, "warnings"));
	artifact_lines(t, bench_result_get(result, "artifacts"));
}
