// SPDX-License-Identifier: BSD-2-Clause
/* JUnit XML, as CI servers read it: a test case for each job, which fails when the job did, or when one
 * of its thresholds is broken. Elements and attributes are those that Jenkins' and GitLab's readers have
 * in common. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "bench/reporter.h"
#include "bench/units.h"
#include "report/lib/xml.h"

static void put_attribute(FILE *out, const char *name, const char *text)
{
	fprintf(out, " %s=\"", name);
	xml_text(out, text);
	fputc('"', out);
}

static void put_seconds(FILE *out, double ns)
{
	fprintf(out, " time=\"%.6f\"", isfinite(ns) && ns > 0 ? ns / 1e9 : 0);
}

static bool is(const json_t *object, const char *status)
{
	return !strcmp(bench_result_str(object, "status"), status);
}

/* Rows of "thresholds" that are not ok. */
static unsigned nr_broken(const json_t *object)
{
	const json_t *rows = bench_result_get(object, "thresholds"), *row;
	unsigned nr = 0;
	size_t i;

	json_array_foreach (rows, i, row)
		nr += !is(row, "ok");
	return nr;
}

static bool job_fails(const json_t *job)
{
	return !is(job, "skipped") && (!is(job, "ok") || nr_broken(job));
}

/* What its trials took, warm-up and set-up apart; of wrapped commands, whose trials differ, their sum. */
static double job_ns(const json_t *job)
{
	const json_t *trials = bench_result_get(bench_result_metric(job, "wall", NULL, NULL), "trials"), *trial;
	double sum = 0;
	size_t i;

	if (isfinite(bench_result_num(job, "trial_ns")))
		return bench_result_num(job, "trial_ns") * bench_result_num(job, "trials");
	json_array_foreach (trials, i, trial)
		sum += json_number_value(trial);
	return sum;
}

/* --- one test case --- */

/* "latency.p99<2ms: latency.p99 is 3.1 ms" */
static void put_threshold(FILE *out, const json_t *row)
{
	const char *reason = bench_result_str(row, "reason");
	char value[UNITS_MAX];

	xml_text(out, bench_result_str(row, "threshold"));
	fputs(": ", out);
	xml_text(out, bench_result_str(row, "metric"));
	if (is(row, "unknown")) {
		fputs(" is not known: ", out);
		xml_text(out, reason);
		return;
	}
	fputs(" is ", out);
	xml_text(out, units_value(value, bench_result_num(row, "value"), bench_result_str(row, "unit"),
				  true));
}

static void put_failure(FILE *out, const json_t *job)
{
	const json_t *rows = bench_result_get(job, "thresholds"), *row;
	unsigned broken = nr_broken(job), nr = 0;
	bool own = !is(job, "ok");
	size_t i;

	fputs("      <failure", out);
	put_attribute(out, "type", own ? bench_result_str(job, "status") : "threshold");
	fputs(" message=\"", out);
	if (own)
		xml_text(out, bench_result_str(job, "reason"));
	json_array_foreach (rows, i, row) {
		if (own || is(row, "ok") || nr++)
			continue;
		put_threshold(out, row);
		if (broken > 1)
			fprintf(out, ", and %u more", broken - 1);
	}
	fputs("\">", out);
	if (own)
		xml_text(out, bench_result_str(job, "reason"));
	nr = own;
	json_array_foreach (rows, i, row) {
		if (is(row, "ok"))
			continue;
		if (nr++)
			fputc('\n', out);
		put_threshold(out, row);
	}
	fputs("</failure>\n", out);
}

/* What a person looks for first in the log of a test. */
static void put_output(FILE *out, const json_t *job)
{
	static const char *const names[] = { "wall", "ops", "bytes", "latency", "errors", "cpu.per_op" };
	const json_t *rows = bench_result_get(job, "thresholds"), *row;
	char value[UNITS_MAX];
	size_t i;

	fputs("      <system-out>", out);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const json_t *metric = bench_result_metric(job, names[i], NULL, NULL);

		if (!bench_result_has_value(metric))
			continue;
		fprintf(out, "%s ", names[i]);
		xml_text(out, units_value(value, bench_result_num(metric, "value"),
					  bench_result_str(metric, "unit"), true));
		fputc('\n', out);
	}
	json_array_foreach (rows, i, row) {
		if (!is(row, "ok"))
			continue;
		put_threshold(out, row);
		fputs(" (ok)\n", out);
	}
	fputs("</system-out>\n", out);
}

static void put_job(FILE *out, const json_t *job)
{
	fputs("    <testcase classname=\"bench.", out);
	xml_text(out, bench_result_str(job, "module"));
	fputc('"', out);
	put_attribute(out, "name", bench_result_str(job, "name"));
	put_seconds(out, job_ns(job));
	fputs(">\n", out);
	if (is(job, "skipped")) {
		fputs("      <skipped", out);
		put_attribute(out, "message", bench_result_str(job, "reason"));
		fputs("/>\n", out);
	} else if (job_fails(job)) {
		put_failure(out, job);
	}
	put_output(out, job);
	fputs("    </testcase>\n", out);
}

/* A threshold that no job has the metric of is a failure of its own: it would pass for ever. */
static bool is_lost(const json_t *threshold)
{
	return bench_result_num(threshold, "jobs") == 0;
}

static void put_lost(FILE *out, const json_t *threshold)
{
	fputs("    <testcase classname=\"bench.threshold\"", out);
	put_attribute(out, "name", bench_result_str(threshold, "threshold"));
	fputs(" time=\"0.000000\">\n      <failure type=\"threshold\" message=\"no job has this "
	      "metric\">no job has this metric</failure>\n    </testcase>\n", out);
}

/* --- the document --- */

static void put_properties(FILE *out, const json_t *result)
{
	static const char *const paths[] = { "id", "tool.version", "tool.commit", "host.kernel",
					     "host.arch", "host.cpu", "runtime.active" };

	fputs("    <properties>\n", out);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		fputs("      <property", out);
		put_attribute(out, "name", paths[i]);
		put_attribute(out, "value", bench_result_str(result, paths[i]));
		fputs("/>\n", out);
	}
	fputs("    </properties>\n", out);
}

/* ISO 8601 without a zone, which the readers take for UTC; the result has "2026-01-02T03:04:05Z". */
static void put_timestamp(FILE *out, const json_t *result)
{
	const char *started = bench_result_str(result, "started");

	if (strlen(started) >= 19)
		fprintf(out, " timestamp=\"%.19s\"", started);
}

static int junit_report(const json_t *result, const struct bench_report_style *style, FILE *out,
			struct bench_err *err)
{
	const json_t *jobs = bench_result_get(result, "jobs"), *job;
	const json_t *thresholds = bench_result_get(result, "thresholds"), *threshold;
	unsigned tests = 0, failures = 0, skipped = 0;
	size_t i;
	int r;

	(void)style;
	errno = 0;
	json_array_foreach (jobs, i, job) {
		tests++;
		failures += job_fails(job);
		skipped += is(job, "skipped");
	}
	json_array_foreach (thresholds, i, threshold) {
		tests += is_lost(threshold);
		failures += is_lost(threshold);
	}
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"bench\"", out);
	fprintf(out, " tests=\"%u\" failures=\"%u\" errors=\"0\"", tests, failures);
	put_seconds(out, bench_result_num(result, "elapsed_ns"));
	fputs(">\n  <testsuite name=\"bench\"", out);
	fprintf(out, " tests=\"%u\" failures=\"%u\" errors=\"0\" skipped=\"%u\"", tests, failures, skipped);
	put_seconds(out, bench_result_num(result, "elapsed_ns"));
	put_timestamp(out, result);
	put_attribute(out, "hostname", bench_result_str(result, "host.hostname"));
	fputs(">\n", out);
	put_properties(out, result);
	json_array_foreach (jobs, i, job)
		put_job(out, job);
	json_array_foreach (thresholds, i, threshold)
		if (is_lost(threshold))
			put_lost(out, threshold);
	fputs("  </testsuite>\n</testsuites>\n", out);
	if (!fflush(out) && !ferror(out))
		return 0;
	r = errno ? -errno : -EIO;
	return bench_fail(err, r, "write the report: %s", strerror(-r));
}

const struct bench_reporter bench_reporter_junit = {
	.name = "junit",
	.summary = "JUnit XML for CI: a test case for each job, with its --threshold",
	.report = junit_report,
};
