// SPDX-License-Identifier: BSD-2-Clause
/* As `perf stat` prints it, to the column, for eyes and scripts that know it. */
#include <math.h>
#include <string.h>

#include "report/lib/perf.h"
#include "bench/units.h"

#define NO_METRIC 28 /* columns that an event without a metric leaves empty */

static void print_row(const struct perf_row *row, FILE *out)
{
	char value[UNITS_MAX], metric[32];

	if (row->missing) {
		fprintf(out, "%18s %-4s %-32s%*s\n", row->missing, row->unit, row->event, NO_METRIC,
			"");
		return;
	}
	units_thousands(value, row->value, row->decimals ? 2 : 0);
	fprintf(out, "%18s %-4s %-32s", value, row->unit, row->event);
	if (row->has_metric) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(metric, sizeof(metric), row->metric_format, row->metric);
#pragma GCC diagnostic pop
		fprintf(out, " # %s %-*s", metric, (int)(31 - strlen(metric)), row->metric_unit);
	} else {
		fprintf(out, "%*s", NO_METRIC, "");
	}
	if (isfinite(row->noise) && row->value > 0)
		fprintf(out, "  ( +-%6.2f%% )", 100 * row->noise);
	if (row->percent < 100)
		fprintf(out, "  (%.2f%%)", row->percent);
	fputc('\n', out);
}

/* As many digits as the error leaves sense to, and two more. */
static int precision(double error)
{
	return (error > 0 && error <= 1 ? (int)lround(ceil(-log10(error))) : 0) + 2;
}

static void print_times(const struct perf_walk *w, FILE *out)
{
	static const char *const names[] = { "user", "sys" };
	double error, seconds = perf_seconds(w, "wall", &error);

	if (isfinite(error)) {
		int digits = precision(error);

		fprintf(out, " %17.*f +- %.*f seconds time elapsed", digits, seconds, digits,
			error);
		if (seconds > 0)
			fprintf(out, "  ( +-%6.2f%% )", 100 * error / seconds);
		fputs("\n\n\n", out);
		return;
	}
	if (isfinite(seconds))
		fprintf(out, " %17.9f seconds time elapsed\n\n", seconds);
	for (unsigned i = 0; i < 2; i++) {
		seconds = perf_seconds(w, names[i], &error);
		if (isfinite(seconds))
			fprintf(out, " %17.9f seconds %s\n", seconds, names[i]);
	}
	fputs("\n\n", out);
}

static void print_job(struct perf_walk *w, const json_t *result, FILE *out)
{
	struct perf_row row;

	(void)result;
	fprintf(out, "\n Performance counter stats for '%s'", bench_result_str(w->job, "name"));
	if (w->trials > 1)
		fprintf(out, " (%u runs)", w->trials);
	fputs(":\n\n", out);
	while (perf_next(w, &row))
		print_row(&row, out);
	fputc('\n', out);
	print_times(w, out);
}

static int report(const json_t *result, const struct bench_report_style *style, FILE *out,
		  struct bench_err *err)
{
	(void)style;
	return perf_report(result, out, err, print_job);
}

const struct bench_reporter bench_reporter_perf_stat = {
	.name = "perf-stat",
	.summary = "the counters as perf stat prints them",
	.report = report,
};
