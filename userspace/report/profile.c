// SPDX-License-Identifier: BSD-2-Clause
/* Profiles of all jobs, laid out as perf report --stdio has them (tools/perf/ui/stdio/hist.c). */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/reporter.h"
#include "report/lib/profile.h"
#include "report/lib/text.h"

static const char *const titles[] = { "Command", "Shared Object", "Symbol" };
#define NR_TITLES 3u

/* What stands in column i of a row, without the mark in front of a function. */
static const char *cell(const json_t *row, unsigned i)
{
	static const char *const keys[NR_TITLES] = { "command", "dso", "symbol" };

	return bench_result_str(row, keys[i]);
}

/* Columns are as wide as what stands in them. */
static void widths_find(const struct text *t, const json_t *symbols, const json_t *event,
			unsigned widths[NR_TITLES])
{
	const json_t *row;
	size_t k;

	for (unsigned i = 0; i < NR_TITLES; i++)
		widths[i] = (unsigned)strlen(titles[i]);
	json_array_foreach (symbols, k, row) {
		if (!profile_is_of(row, event))
			continue;
		for (unsigned i = 0; i < NR_TITLES; i++) {
			unsigned len = text_len(t, cell(row, i)) + (i == 2 ? 4 : 0);

			if (len > widths[i])
				widths[i] = len;
		}
	}
}

/* A line of text by itself. */
static void line(struct text *t, const char *text)
{
	text_put(t, TEXT_PLAIN, "%s", text);
	text_end(t);
}

static void head(struct text *t, const json_t *event, const unsigned widths[NR_TITLES])
{
	static const char dots[] = "........................................................................"
				   "........................................................................";
	char number[32];
	unsigned at = 12;

	snprintf(number, sizeof(number), "%.0f", bench_result_num(event, "samples"));
	text_put(t, TEXT_PLAIN, "# Samples: %s  of event '%s'", number,
		 bench_result_str(event, "event"));
	text_end(t);
	snprintf(number, sizeof(number), "%.0f", bench_result_num(event, "weight"));
	text_put(t, TEXT_PLAIN, "# Event count (approx.): %s", number);
	text_end(t);
	line(t, "#");
	text_put(t, TEXT_PLAIN, "# Overhead  ");
	for (unsigned i = 0; i < NR_TITLES; i++) {
		text_to(t, at);
		text_put(t, TEXT_PLAIN, "%s", titles[i]);
		at += widths[i] + 2;
	}
	text_end(t);
	text_put(t, TEXT_PLAIN, "# ........");
	at = 12;
	for (unsigned i = 0; i < NR_TITLES; i++) {
		text_to(t, at);
		text_put(t, TEXT_PLAIN, "%.*s", (int)widths[i], dots);
		at += widths[i] + 2;
	}
	text_end(t);
	line(t, "#");
}

static void row_line(struct text *t, const json_t *row, const unsigned widths[NR_TITLES])
{
	unsigned at = 12;
	char share[16];

	snprintf(share, sizeof(share), "%.2f%%", 100 * bench_result_num(row, "share"));
	text_right(t, 10, TEXT_PLAIN, share);
	for (unsigned i = 0; i < NR_TITLES; i++) {
		text_to(t, at);
		text_put(t, TEXT_PLAIN, "%s%s",
			 i < 2 ? "" : profile_in_kernel(row) ? "[k] " : "[.] ", cell(row, i));
		at += widths[i] + 2;
	}
	text_end(t);
}

static void event_table(struct text *t, const json_t *profile, const json_t *event)
{
	const json_t *symbols = bench_result_get(profile, "symbols"), *row;
	double all = bench_result_num(event, "symbols");
	unsigned widths[NR_TITLES], nr = 0;
	size_t i;

	widths_find(t, symbols, event, widths);
	head(t, event, widths);
	json_array_foreach (symbols, i, row) {
		if (!profile_is_of(row, event))
			continue;
		row_line(t, row, widths);
		nr++;
	}
	if (all > nr) {
		text_put(t, TEXT_PLAIN, "# ... and %.0f more; perf shows all of them", all - nr);
		text_end(t);
	}
	text_blank(t);
}

static int profile_report(const json_t *result, const struct bench_report_style *style, FILE *out,
			  struct bench_err *err)
{
	struct text t = { .out = out, .style = style, .width = style->width };
	const json_t *jobs = bench_result_get(result, "jobs"), *job, *events, *event;
	bool any = false;
	size_t i, k;
	int r;

	errno = 0;
	json_array_foreach (jobs, i, job) {
		const json_t *profile = profile_of(job);

		if (!profile)
			continue;
		any = true;
		text_put(&t, TEXT_PLAIN, "# Job: %s", bench_result_str(job, "name"));
		text_end(&t);
		if (*bench_result_str(profile, "command"))
			text_put(&t, TEXT_PLAIN, "# %s", bench_result_str(profile, "command"));
		text_end(&t);
		line(&t, "#");
		events = bench_result_get(profile, "events");
		json_array_foreach (events, k, event)
			event_table(&t, profile, event);
	}
	if (!any)
		line(&t, "# This result has no profile: it was made without --sample.");
	if (!fflush(out) && !ferror(out))
		return 0;
	r = errno ? -errno : -EIO;
	return bench_fail(err, r, "write the report: %s", strerror(-r));
}

const struct bench_reporter bench_reporter_profile = {
	.name = "profile",
	.summary = "where the samples are (--sample), function by function, as perf report shows it",
	.report = profile_report,
};
