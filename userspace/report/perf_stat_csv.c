// SPDX-License-Identifier: BSD-2-Clause
/* As `perf stat -x,` prints it: value, unit, event, standard error (with several trials), time
 * counted, share of the time, metric, its unit. Several jobs come one after the other, each behind a
 * comment with its name. */
#include <math.h>
#include <string.h>

#include "report/lib/perf.h"

/* An event like pmu/a=1,b=2/ has commas of its own; perf quotes nothing, but its readers can. */
static void print_text(const char *text, FILE *out)
{
	if (!strpbrk(text, ",\"\n")) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void print_job(struct perf_walk *w, const json_t *result, FILE *out)
{
	struct perf_row row;

	if (perf_nr_jobs(result) > 1)
		fprintf(out, "# %s\n", bench_result_str(w->job, "name"));
	while (perf_next(w, &row)) {
		if (row.missing)
			fputs(row.missing, out);
		else
			fprintf(out, "%.*f", row.decimals ? 2 : 0, row.value);
		fprintf(out, ",%s,", row.unit);
		print_text(row.event, out);
		if (w->trials > 1)
			fprintf(out, ",%.2f%%", isfinite(row.noise) ? 100 * row.noise : 0);
		fprintf(out, ",%.0f,%.2f,", row.run_ns, row.percent);
		if (row.has_metric && strcmp(row.metric_unit, "insn per cycle") == 0)
			fprintf(out, "%.2f", row.metric);
		else if (row.has_metric)
			fprintf(out, "%.3f", row.metric);
		fprintf(out, ",%s\n", row.metric_unit);
	}
}

static int report(const json_t *result, const struct bench_report_style *style, FILE *out,
		  struct bench_err *err)
{
	(void)style;
	return perf_report(result, out, err, print_job);
}

const struct bench_reporter bench_reporter_perf_stat_csv = {
	.name = "perf-stat-csv",
	.summary = "the counters as perf stat -x, prints them",
	.report = report,
};
