// SPDX-License-Identifier: BSD-2-Clause
/* As `perf stat -j` prints it: one object a line, with the keys that the kernel's own check of that
 * format accepts. Of several jobs each line has the name, where perf has the thread's. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "report/lib/perf.h"

static void print_string(const char *text, FILE *out)
{
	json_t *string = json_string(text);
	char *quoted = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;

	fputs(quoted ? quoted : "\"\"", out);
	free(quoted);
	json_decref(string);
}

static void print_job(struct perf_walk *w, const json_t *result, FILE *out)
{
	bool many = perf_nr_jobs(result) > 1;
	struct perf_row row;

	while (perf_next(w, &row)) {
		fputc('{', out);
		if (many) {
			fputs("\"thread\" : ", out);
			print_string(bench_result_str(w->job, "name"), out);
			fputs(", ", out);
		}
		if (row.missing)
			fprintf(out, "\"counter-value\" : \"%s\"", row.missing);
		else
			fprintf(out, "\"counter-value\" : \"%f\"", row.value);
		fprintf(out, ", \"unit\" : \"%s\", \"event\" : ", row.unit);
		print_string(row.event, out);
		fprintf(out, ", \"event-runtime\" : %.0f, \"pcnt-running\" : %.2f", row.run_ns,
			row.percent);
		if (row.has_metric)
			fprintf(out, ", \"metric-value\" : %f, \"metric-unit\" : \"%s\"", row.metric,
				row.metric_unit);
		fputs("}\n", out);
	}
}

static int report(const json_t *result, const struct bench_report_style *style, FILE *out,
		  struct bench_err *err)
{
	(void)style;
	return perf_report(result, out, err, print_job);
}

const struct bench_reporter bench_reporter_perf_stat_json = {
	.name = "perf-stat-json",
	.summary = "the counters as perf stat -j prints them",
	.report = report,
};
