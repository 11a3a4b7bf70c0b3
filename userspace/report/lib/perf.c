// SPDX-License-Identifier: BSD-2-Clause
#include "report/lib/perf.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <string.h>

static bool ends(const char *name, const char *end)
{
	size_t ln = strlen(name), le = strlen(end);

	return ln > le && !strcmp(name + ln - le, end);
}

static bool begins(const char *name, const char *start)
{
	return !strncmp(name, start, strlen(start));
}

/* An event, rather than what is made of events. */
static bool is_event(const json_t *metric)
{
	const char *name = bench_result_str(metric, "name");

	return !strcmp(bench_result_str(metric, "source"), "counter") && !ends(name, ".per_op") &&
	       !ends(name, ".mpki") && !begins(name, "ipc") && !begins(name, "ghz") &&
	       !begins(name, "topdown.") && !begins(name, "energy.");
}

static bool in_scope(const json_t *metric, const char *scope)
{
	return !strcmp(bench_result_str(metric, "labels.scope"), scope);
}

static const json_t *find(const struct perf_walk *w, const char *name)
{
	const json_t *metric;
	size_t i;

	json_array_foreach ((json_t *)w->metrics, i, metric)
		if (!strcmp(bench_result_str(metric, "name"), name) && in_scope(metric, w->scope) &&
		    bench_result_has_value(metric))
			return metric;
	return NULL;
}

bool perf_begin(struct perf_walk *w, const json_t *job)
{
	static const char *const scopes[] = { "tree", "worker", "cpu" };
	const json_t *metric;
	size_t i;

	*w = (struct perf_walk){ .job = job, .metrics = bench_result_get(job, "metrics") };
	for (unsigned s = 0; s < 3 && !w->scope; s++)
		json_array_foreach ((json_t *)w->metrics, i, metric)
			if (is_event(metric) && in_scope(metric, scopes[s]))
				w->scope = scopes[s];
	if (!w->scope)
		return false;
	w->clock_ns = bench_result_num(find(w, "task-clock"), "value");
	w->wall_ns = bench_result_num(bench_result_metric(job, "wall", NULL, NULL), "value");
	if (isnan(w->wall_ns))
		w->wall_ns = bench_result_num(job, "trial_ns");
	w->trials = (unsigned)bench_result_num(job, "trials");
	return true;
}

/* Relative standard error of the mean, as perf stat -r has it. */
static double noise_of(const json_t *metric)
{
	const json_t *trials = bench_result_get(metric, "trials"), *trial;
	double sum = 0, squares = 0, mean;
	unsigned nr = 0;
	size_t i;

	json_array_foreach ((json_t *)trials, i, trial) {
		if (!json_is_number(trial))
			continue;
		sum += json_number_value(trial);
		nr++;
	}
	if (nr < 2)
		return NAN;
	mean = sum / nr;
	json_array_foreach ((json_t *)trials, i, trial) {
		if (json_is_number(trial))
			squares += pow(json_number_value(trial) - mean, 2);
	}
	return mean > 0 ? sqrt(squares / (nr - 1) / nr) / mean : 0;
}

double perf_seconds(const struct perf_walk *w, const char *name, double *ret_error)
{
	const json_t *metric = bench_result_metric(w->job, name, NULL, NULL);
	double seconds = bench_result_num(metric, "value") / 1e9;

	if (!metric && !strcmp(name, "wall"))
		seconds = w->wall_ns / 1e9;
	*ret_error = metric ? noise_of(metric) * seconds : NAN;
	return seconds;
}

static void set_metric(struct perf_row *row, double value, const char *format, const char *unit)
{
	if (!isfinite(value))
		return;
	row->has_metric = true;
	row->metric = value;
	row->metric_format = format;
	snprintf(row->metric_unit, sizeof(row->metric_unit), "%s", unit);
}

/* So many in each second of CPU time. */
static void set_rate(struct perf_row *row, double per_s)
{
	static const char *const units[] = { "/sec", "K/sec", "M/sec", "G/sec" };
	unsigned unit = 0;

	for (; per_s >= 1000 && unit < 3; unit++)
		per_s /= 1000;
	set_metric(row, per_s, "%8.3f", units[unit]);
}

/* Of another event, in percent. */
static void set_share(const struct perf_walk *w, struct perf_row *row, const char *of,
		      const char *words)
{
	set_metric(row, 100 * row->value / bench_result_num(find(w, of), "value"), "%8.2f%%", words);
}

static void derive(const struct perf_walk *w, const json_t *metric, struct perf_row *row)
{
	const char *name = bench_result_str(metric, "name");

	if (!strcmp(name, "task-clock"))
		set_metric(row, w->clock_ns / w->wall_ns, "%8.3f", "CPUs utilized");
	else if (!strcmp(name, "cycles") && find(w, "ghz"))
		set_metric(row, bench_result_num(find(w, "ghz"), "value"), "%8.3f", "GHz");
	else if (!strcmp(name, "instructions") && find(w, "ipc"))
		set_metric(row, bench_result_num(find(w, "ipc"), "value"), "%7.2f ", "insn per cycle");
	else if (!strcmp(name, "branch-misses") && find(w, "branches"))
		set_share(w, row, "branches", "of all branches");
	else if (!strcmp(name, "cache-misses") && find(w, "cache-references"))
		set_share(w, row, "cache-references", "of all cache refs");
	else if (!strcmp(bench_result_str(metric, "unit"), "count"))
		set_rate(row, row->value / (w->clock_ns / 1e9));
}

static void set_value(const struct perf_walk *w, const json_t *metric, struct perf_row *row)
{
	const char *unit = bench_result_str(metric, "unit");

	row->value = bench_result_num(metric, "value");
	row->unit = "";
	if (!strcmp(unit, "ns")) {
		row->value /= 1e6;
		row->unit = "msec";
	} else if (!strcmp(unit, "J")) {
		row->unit = "Joules";
	}
	row->decimals = *row->unit;
	row->percent = 100;
	if (!bench_result_has_value(metric)) {
		row->missing = strcmp(bench_result_str(metric, "status"), "not_counted") ?
				       "<not supported>" :
				       "<not counted>";
		return;
	}
	row->noise = noise_of(metric);
	row->run_ns = bench_result_num(metric, "running_ns");
	if (isfinite(row->run_ns))
		row->percent = 100 * row->run_ns / bench_result_num(metric, "enabled_ns");
	else /* what the kernel counts anyway it counts while the tasks run */
		row->run_ns = isfinite(w->clock_ns) ? w->clock_ns : 0;
	derive(w, metric, row);
}

bool perf_next(struct perf_walk *w, struct perf_row *row)
{
	while (w->index < json_array_size(w->metrics)) {
		const json_t *metric = json_array_get(w->metrics, w->index++);
		const char *name = bench_result_str(metric, "name");
		const char *pmu = bench_result_str(metric, "labels.pmu");

		if (!is_event(metric) ||
		    (!in_scope(metric, w->scope) && !in_scope(metric, "package")))
			continue;
		*row = (struct perf_row){ .job = w->job, .noise = NAN };
		if (*pmu)
			snprintf(row->event, sizeof(row->event), "%s/%s/", pmu, name);
		else
			snprintf(row->event, sizeof(row->event), "%s", name);
		set_value(w, metric, row);
		return true;
	}
	return false;
}

unsigned perf_nr_jobs(const json_t *result)
{
	const json_t *jobs = bench_result_get(result, "jobs"), *job;
	struct perf_walk w;
	unsigned nr = 0;
	size_t i;

	json_array_foreach ((json_t *)jobs, i, job)
		nr += perf_begin(&w, job);
	return nr;
}

int perf_report(const json_t *result, FILE *out, struct bench_err *err,
		void (*fn)(struct perf_walk *w, const json_t *result, FILE *out))
{
	const json_t *jobs = bench_result_get(result, "jobs"), *job;
	locale_t numeric = newlocale(LC_NUMERIC_MASK, "C", 0), before = 0;
	int r = 0;
	size_t i;

	/* A decimal comma would break both CSV and JSON. */
	if (numeric)
		before = uselocale(numeric);
	errno = 0;
	json_array_foreach ((json_t *)jobs, i, job) {
		struct perf_walk w;

		if (perf_begin(&w, job))
			fn(&w, result, out);
	}
	if (fflush(out) || ferror(out))
		r = errno ? -errno : -EIO;
	if (numeric) {
		uselocale(before);
		freelocale(numeric);
	}
	return r ? bench_fail(err, r, "write the report: %s", strerror(-r)) : 0;
}
