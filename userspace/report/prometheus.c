// SPDX-License-Identifier: BSD-2-Clause
/* Text that Prometheus reads, for node_exporter's textfile collector: base units, a family for each
 * metric of the result, the job as label. A metric without a value is left out, which is how
 * Prometheus says so; no sample has a time of its own, which the collector would refuse. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/reporter.h"

#define NAME_MAX_LEN 160

/* How Prometheus calls a unit of ours, and what a value is multiplied with. */
static const struct unit {
	const char *ours, *suffix;
	double factor;
} units[] = {
	{ "ns", "_seconds", 1e-9 },
	{ "B", "_bytes", 1 },
	{ "B/s", "_bytes_per_second", 1 },
	{ "1/s", "_per_second", 1 },
	{ "Hz", "_hertz", 1 },
	{ "J", "_joules", 1 },
	{ "ratio", "_ratio", 1 },
	{ NULL, "", 1 },
};

static const struct unit *unit_of(const json_t *metric)
{
	const char *ours = bench_result_str(metric, "unit");
	const struct unit *u = units;

	while (u->ours && strcmp(u->ours, ours))
		u++;
	return u;
}

/* "sched.runq_latency", ns -> "bench_sched_runq_latency_seconds". A unit that the name ends with is
 * not said twice, and a count gets no _count, which belongs to summaries. */
static void family_name(const json_t *metric, char *buf, size_t size)
{
	const char *name = bench_result_str(metric, "name"), *suffix = unit_of(metric)->suffix;
	size_t len, tail = strlen(suffix);

	snprintf(buf, size, "bench_%s", name);
	for (char *c = buf; *c; c++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", *c))
			*c = '_';
	len = strlen(buf);
	if (tail && (len < tail || strcmp(buf + len - tail, suffix)))
		snprintf(buf + len, size - len, "%s", suffix);
	else if (len > 6 && !strcmp(buf + len - 6, "_count"))
		snprintf(buf + len - 6, size - len + 6, "s");
}

static void put_label(FILE *out, const char *key, const char *value)
{
	fprintf(out, "%s=\"", key);
	for (; *value; value++) {
		if (*value == '\n')
			fputs("\\n", out);
		else if (*value == '"' || *value == '\\')
			fprintf(out, "\\%c", *value);
		else
			fputc(*value, out);
	}
	fputc('"', out);
}

/* Labels of ours that a job has already are told apart. */
static const char *label_name(const char *key)
{
	return !strcmp(key, "job") || !strcmp(key, "module") || !strcmp(key, "runtime") ? "of" : key;
}

static void put_sample(FILE *out, const char *family, const char *suffix, const json_t *job,
		       const json_t *metric, const char *quantile, double value)
{
	const char *key;
	json_t *label;

	if (!isfinite(value))
		return;
	fprintf(out, "%s%s{", family, suffix);
	put_label(out, "bench_job", bench_result_str(job, "name"));
	fputc(',', out);
	put_label(out, "module", bench_result_str(job, "module"));
	fputc(',', out);
	put_label(out, "runtime", bench_result_str(job, "runtime"));
	json_object_foreach ((json_t *)bench_result_get(metric, "labels"), key, label) {
		fputc(',', out);
		put_label(out, label_name(key), json_string_value(label) ? : "");
	}
	if (quantile) {
		fputc(',', out);
		put_label(out, "quantile", quantile);
	}
	fprintf(out, "} %.15g\n", value);
}

static void put_metric(FILE *out, const char *family, const json_t *job, const json_t *metric)
{
	static const char *const quantiles[][2] = { { "hist.p50", "0.5" },
						    { "hist.p90", "0.9" },
						    { "hist.p99", "0.99" },
						    { "hist.p999", "0.999" } };
	double factor = unit_of(metric)->factor;

	if (!bench_result_has_value(metric))
		return;
	if (!bench_result_get(metric, "hist")) {
		put_sample(out, family, "", job, metric, NULL,
			   bench_result_num(metric, "value") * factor);
		return;
	}
	for (unsigned i = 0; i < 4; i++)
		put_sample(out, family, "", job, metric, quantiles[i][1],
			   bench_result_num(metric, quantiles[i][0]) * factor);
	put_sample(out, family, "_sum", job, metric, NULL,
		   bench_result_num(metric, "hist.sum") * factor);
	put_sample(out, family, "_count", job, metric, NULL, bench_result_num(metric, "hist.count"));
}

/* One metric of one job, to be sorted into families: all samples of one must stand together. */
struct entry {
	char family[NAME_MAX_LEN];
	const json_t *job, *metric;
	size_t order;
};

static int by_family(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int cmp = strcmp(x->family, y->family);

	return cmp ? cmp : x->order < y->order ? -1 : 1;
}

static struct entry *entries_of(const json_t *result, size_t *ret_nr)
{
	const json_t *jobs = bench_result_get(result, "jobs"), *job, *metrics, *metric;
	struct entry *entries;
	size_t i, k, nr = 0;

	json_array_foreach (jobs, i, job)
		nr += json_array_size(bench_result_get(job, "metrics"));
	entries = calloc(nr + 1, sizeof(*entries));
	nr = 0;
	json_array_foreach (jobs, i, job) {
		metrics = bench_result_get(job, "metrics");
		json_array_foreach (metrics, k, metric) {
			if (!entries || !bench_result_has_value(metric))
				continue;
			family_name(metric, entries[nr].family, sizeof(entries[nr].family));
			entries[nr].job = job;
			entries[nr].metric = metric;
			entries[nr].order = nr;
			nr++;
		}
	}
	if (entries)
		qsort(entries, nr, sizeof(*entries), by_family);
	*ret_nr = nr;
	return entries;
}

static void put_run(FILE *out, const json_t *result)
{
	static const char *const info[][2] = { { "id", "run" },
					       { "started", "started" },
					       { "tool.version", "version" },
					       { "host.hostname", "host" },
					       { "host.kernel", "kernel" },
					       { "host.cpu", "cpu" } };
	const json_t *jobs = bench_result_get(result, "jobs"), *job;
	size_t i;

	fputs("# HELP bench_run_info The run that the other metrics are of.\n"
	      "# TYPE bench_run_info gauge\nbench_run_info{", out);
	for (i = 0; i < sizeof(info) / sizeof(*info); i++) {
		if (i)
			fputc(',', out);
		put_label(out, info[i][1], bench_result_str(result, info[i][0]));
	}
	fputs("} 1\n", out);
	fputs("# HELP bench_job_success Whether the job ended well (skipped ones did not).\n"
	      "# TYPE bench_job_success gauge\n", out);
	json_array_foreach (jobs, i, job)
		put_sample(out, "bench_job_success", "", job, NULL, NULL,
			   !strcmp(bench_result_str(job, "status"), "ok"));
}

static int prometheus_report(const json_t *result, const struct bench_report_style *style, FILE *out,
			     struct bench_err *err)
{
	struct entry *entries;
	size_t nr;
	int r = 0;

	(void)style;
	errno = 0;
	put_run(out, result);
	entries = entries_of(result, &nr);
	if (!entries)
		return bench_fail(err, -ENOMEM, "write the report: out of memory");
	for (size_t i = 0; i < nr; i++) {
		const struct entry *e = &entries[i];
		bool hist = bench_result_get(e->metric, "hist");

		if (!i || strcmp(e->family, e[-1].family))
			fprintf(out, "# HELP %s %s of bench.\n# TYPE %s %s\n", e->family,
				bench_result_str(e->metric, "name"), e->family,
				hist ? "summary" : "gauge");
		put_metric(out, e->family, e->job, e->metric);
	}
	free(entries);
	if (fflush(out) || ferror(out)) {
		r = errno ? -errno : -EIO;
		bench_fail(err, r, "write the report: %s", strerror(-r));
	}
	return r;
}

const struct bench_reporter bench_reporter_prometheus = {
	.name = "prometheus",
	.summary = "for node_exporter's textfile collector",
	.report = prometheus_report,
};
