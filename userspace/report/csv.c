// SPDX-License-Identifier: BSD-2-Clause
/* Long form: a row for each metric of each job (RFC 4180), for spreadsheets and data frames. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "bench/reporter.h"

static const char header[] =
	"run,started,host,job,module,runtime,job_status,metric,labels,unit,better,source,status,"
	"value,ci_low,ci_high,trials,count,min,p50,p90,p99,p999,max\r\n";

/* A cell that a spreadsheet would take for a formula gets a quote in front of it, as OWASP advises
 * against CSV injection. Numbers of ours never pass here. */
static void put_text(FILE *out, const char *text)
{
	bool formula = *text && strchr("=+-@\t\r", *text);

	if (!formula && !strpbrk(text, ",\"\r\n")) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	if (formula)
		fputc('\'', out);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void put_number(FILE *out, double value)
{
	if (isfinite(value))
		fprintf(out, "%.15g", value);
}

/* "cpu=0;stat=mean" */
static void put_labels(FILE *out, const json_t *labels)
{
	char text[512];
	const char *key;
	json_t *value;
	size_t used = 0;

	text[0] = '\0';
	json_object_foreach ((json_t *)labels, key, value)
		if (used < sizeof(text))
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s=%s",
						 used ? ";" : "", key, json_string_value(value) ? : "");
	put_text(out, text);
}

static void put_cells(FILE *out, const json_t *object, const char *const *paths)
{
	for (unsigned i = 0; paths[i]; i++) {
		put_text(out, bench_result_str(object, paths[i]));
		fputc(',', out);
	}
}

static void put_metric(FILE *out, const json_t *result, const json_t *job, const json_t *metric)
{
	static const char *const of_result[] = { "id", "started", "host.hostname", NULL };
	static const char *const of_job[] = { "name", "module", "runtime", "status", NULL };
	static const char *const name[] = { "name", NULL };
	static const char *const of_metric[] = { "unit", "better", "source", "status", NULL };
	static const char *const of_hist[] = { "hist.count", "hist.min", "hist.p50", "hist.p90",
					       "hist.p99", "hist.p999", "hist.max", NULL };
	const json_t *ci = bench_result_get(metric, "ci");

	put_cells(out, result, of_result);
	put_cells(out, job, of_job);
	put_cells(out, metric, name);
	put_labels(out, bench_result_get(metric, "labels"));
	fputc(',', out);
	put_cells(out, metric, of_metric);
	put_number(out, bench_result_num(metric, "value"));
	for (size_t i = 0; i < 2; i++) {
		const json_t *end = json_array_get(ci, i);

		fputc(',', out);
		put_number(out, json_is_number(end) ? json_number_value(end) : NAN);
	}
	fprintf(out, ",%zu", json_array_size(bench_result_get(metric, "trials")));
	for (unsigned i = 0; of_hist[i]; i++) {
		fputc(',', out);
		put_number(out, bench_result_num(metric, of_hist[i]));
	}
	fputs("\r\n", out);
}

static int csv_report(const json_t *result, const struct bench_report_style *style, FILE *out,
		      struct bench_err *err)
{
	const json_t *jobs = bench_result_get(result, "jobs"), *job, *metrics, *metric;
	size_t i, k;
	int r;

	(void)style;
	errno = 0;
	fputs(header, out);
	json_array_foreach (jobs, i, job) {
		metrics = bench_result_get(job, "metrics");
		json_array_foreach (metrics, k, metric)
			put_metric(out, result, job, metric);
	}
	if (!fflush(out) && !ferror(out))
		return 0;
	r = errno ? -errno : -EIO;
	return bench_fail(err, r, "write the report: %s", strerror(-r));
}

const struct bench_reporter bench_reporter_csv = {
	.name = "csv",
	.summary = "a row for each metric of each job, for spreadsheets and data frames",
	.report = csv_report,
};
