// SPDX-License-Identifier: BSD-2-Clause
/* One job: what it was, how fast, how sure, and where the time went. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/lib/sections.h"

static void job_title(struct text *t)
{
	const char *const words[][2] = {
		{ bench_result_str(t->job, "module"), " module, " },
		{ bench_result_str(t->job, "runtime"), " runtime, " },
		{ bench_result_str(t->job, "status"), "" },
	};
	const char *name = bench_result_str(t->job, "name"), *status = words[2][0];
	char right[160] = "";
	size_t len = 0;

	for (unsigned i = 0; i < 3; i++)
		if (*words[i][0] && len < sizeof(right))
			len += snprintf(right + len, sizeof(right) - len, "%.40s%s", words[i][0],
					words[i][1]);
	text_blank(t);
	text_rule(t, *name ? name : "(job without a name)", status_color(status), right);
	if (*bench_result_str(t->job, "reason")) {
		text_row(t, status);
		text_words(t, strcmp(status, "ok") ? status_color(status) : TEXT_PLAIN,
			   bench_result_str(t->job, "reason"));
	}
	text_end(t);
}

static void job_what(struct text *t)
{
	const json_t *params = bench_result_get(t->job, "params");
	const char *op = bench_result_str(t->job, "op");
	char *cpus = text_cpus(bench_result_get(t->job, "placement")), took[UNITS_MAX];
	double trials = bench_result_num(t->job, "trials");
	double trial_ns = bench_result_num(t->job, "trial_ns");
	double control = bench_result_num(t->job, "control_trials");
	size_t workers = json_array_size(bench_result_get(t->job, "placement"));
	unsigned left = 40;

	if (*op) {
		text_row(t, "op");
		text_words(t, TEXT_PLAIN, op);
	}
	if (json_object_size(params)) {
		text_row(t, "parameters");
		text_members(t, params, "", false, &left);
	}
	if (trials >= 1) {
		text_row(t, "ran");
		text_item(t, TEXT_PLAIN, trials == 1 ? "%.0f trial" : "%.0f trials", trials);
		if (trial_ns > 0)
			text_put(t, TEXT_PLAIN, " of %s",
				 units_value(took, trial_ns, "ns", t->style->utf8));
		if (control >= 1)
			text_item(t, TEXT_PLAIN, "and %.0f without probes, to compare", control);
		if (cpus)
			text_item(t, TEXT_PLAIN,
				  workers == 1 ? "%zu worker on CPU %s" : "%zu workers on CPUs %s",
				  workers, cpus);
		if (trials >= 6)
			text_item(t, TEXT_DIM, "(%s is the 95 %% interval of the median)",
				  text_sign(t, "\xc2\xb1", "+-"));
	}
	text_end(t);
	free(cpus);
}

static void measure(struct text *t, const char *label, const json_t *metric, const char *per)
{
	char value[UNITS_MAX], interval[INTERVAL_MAX];

	if (!bench_result_has_value(metric))
		return;
	metric_shown(t, metric);
	metric_value(t, value, metric);
	/* "65.2 k/s" of what? */
	if (!strcmp(metric_unit(metric), "1/s") && !strcmp(value + strlen(value) - 2, "/s"))
		strcpy(value + strlen(value) - 2, " ops/s");
	text_row(t, label);
	text_item(t, TEXT_BOLD, "%s%s", value, per);
	text_item(t, metric_trust_color(metric), "%s", metric_interval(t, interval, metric));
	if (!strcmp(bench_result_str(metric, "status"), "scaled"))
		text_item(t, TEXT_YELLOW, "(scaled)");
}

static const json_t *plain(const struct text *t, const char *name)
{
	return bench_result_metric(t->job, name, NULL, NULL);
}

static void job_errors(struct text *t)
{
	const json_t *errors = plain(t, "errors");
	char text[UNITS_MAX];

	if (!bench_result_has_value(errors))
		return;
	metric_shown(t, errors);
	if (bench_result_num(errors, "value") == 0)
		return;
	text_row(t, "errors");
	text_item(t, TEXT_RED, "%s operations failed per trial",
		  units_value(text, bench_result_num(errors, "value"), "count", t->style->utf8));
}

/* From this share on, operations pile up for as long as the trial lasts. */
#define OVERLOADED 0.01

/* Of an open loop: what was asked for, and whether it was too much. */
static void job_arrivals(struct text *t)
{
	const json_t *rate = plain(t, "arrival.rate"), *unserved = plain(t, "arrival.unserved");
	double share = bench_result_num(unserved, "value");
	char text[UNITS_MAX];

	if (!bench_result_has_value(rate))
		return;
	metric_shown(t, rate);
	text_row(t, "open loop");
	text_item(t, TEXT_PLAIN, "%s due", metric_value(t, text, rate));
	if (!bench_result_has_value(unserved))
		return;
	metric_shown(t, unserved);
	if (share >= OVERLOADED)
		text_item(t, TEXT_YELLOW,
			  "overloaded: %s of them had not begun by the end, so latency grows with the "
			  "length of the trial",
			  units_share(text, share));
	else
		text_item(t, TEXT_PLAIN, "%s not begun by the end", units_share(text, share));
}

/* What rings and block layer counted of the module's ops, relative to its own count. */
static void job_receipt(struct text *t)
{
	struct metric_walk w = { 0 };
	bool any = false;

	while (metric_next(t, &w)) {
		if (strcmp(w.name, "receipt") || !bench_result_has_value(w.metric))
			continue;
		metric_shown(t, w.metric);
		if (!any)
			text_row(t, "receipt");
		any = true;
		text_item(t, TEXT_PLAIN, "%s at the %s %.4f", metric_label(w.metric, "of"),
			  strcmp(metric_label(w.metric, "at"), "ring") ? "block layer" : "ring",
			  bench_result_num(w.metric, "value"));
	}
	if (any)
		text_put(t, TEXT_DIM, " of the module's");
}

/* Why there is none, where there was something to hold the ops against. */
static void job_no_receipt(struct text *t)
{
	struct metric_walk w = { 0 };

	while (metric_next(t, &w)) {
		if (strcmp(w.name, "receipt") ||
		    strcmp(bench_result_str(w.metric, "status"), "not_counted"))
			continue;
		text_row(t, "not counted");
		text_words(t, TEXT_YELLOW, bench_result_str(w.metric, "note"));
	}
}

static void exec_status(struct text *t, const json_t *status)
{
	const json_t *trials = bench_result_get(status, "trials"), *trial;
	unsigned failed = 0;
	size_t i;

	if (!bench_result_has_value(status))
		return;
	json_array_foreach (trials, i, trial)
		failed += json_number_value(trial) != 0;
	metric_shown(t, status);
	text_row(t, "exit status");
	if (failed)
		text_item(t, TEXT_RED, "%u of %zu runs failed (status %.0f)", failed,
			  json_array_size(trials), bench_result_num(status, "value"));
	else
		text_item(t, TEXT_PLAIN, "%.0f", bench_result_num(status, "value"));
}

static void job_watched(struct text *t)
{
	const json_t *processes = plain(t, "watched.processes"), *threads = plain(t, "watched.threads");

	if (!bench_result_has_value(processes) || !bench_result_has_value(threads))
		return;
	metric_shown(t, processes);
	metric_shown(t, threads);
	text_row(t, "watched");
	text_item(t, TEXT_PLAIN, "processes %.0f", bench_result_num(processes, "value"));
	text_item(t, TEXT_PLAIN, "threads %.0f", bench_result_num(threads, "value"));
	text_item(t, TEXT_DIM, "and what they made meanwhile");
}

/* A wrapped program has times instead of a rate. */
static void job_exec(struct text *t)
{
	const json_t *user = plain(t, "user"), *rss = plain(t, "maxrss");

	measure(t, "wall", plain(t, "wall"), "");
	measure(t, "user", user, "");
	measure(t, "sys", plain(t, "sys"), "");
	if (*bench_result_str(user, "note"))
		text_item(t, TEXT_YELLOW, "%s", bench_result_str(user, "note"));
	measure(t, "maxrss", rss, "");
	if (*bench_result_str(rss, "note"))
		text_item(t, TEXT_DIM, "%s", bench_result_str(rss, "note"));
	exec_status(t, plain(t, "exit_status"));
	job_watched(t);
}

/* What the probes cost, measured: with them and without, trial by trial. */
static void job_observer(struct text *t)
{
	const json_t *cost = plain(t, "overhead.observer"), *ci = bench_result_get(cost, "ci");
	char value[UNITS_MAX], low[UNITS_MAX], high[UNITS_MAX], interval[INTERVAL_MAX];

	if (!bench_result_has_value(cost))
		return;
	metric_shown(t, cost);
	text_row(t, "probes cost");
	text_item(t, TEXT_BOLD, "%s of the speed", metric_value(t, value, cost));
	if (json_array_size(ci) == 2)
		text_item(t, TEXT_PLAIN, "[%s, %s]",
			  units_share(low, json_number_value(json_array_get(ci, 0))),
			  units_share(high, json_number_value(json_array_get(ci, 1))));
	else
		text_item(t, TEXT_PLAIN, "%s", metric_interval(t, interval, cost));
}

/* Two clocks of the same threads differ by what only one of them sees (docs/measuring.md). A small
 * difference needs no words. */
#define CLOCKS_DIFFER 0.05

static void job_cpu(struct text *t)
{
	const json_t *cost = plain(t, "cpu.per_op");
	const json_t *clock = bench_result_metric(t->job, "task-clock.per_op", "scope", "worker");
	double all = bench_result_num(cost, "value"), some = bench_result_num(clock, "value");
	char text[UNITS_MAX];

	measure(t, "cpu cost", cost, " CPU time per op");
	if (!bench_result_has_value(cost) || !bench_result_has_value(clock) ||
	    fabs(all - some) <= CLOCKS_DIFFER * all)
		return;
	text_item(t, TEXT_DIM, "task-clock: %s, %s",
		  units_value(text, some, "ns", t->style->utf8),
		  some < all ? "without switches and kernel workers" :
			       "with interrupts and stolen time");
}

static void job_speed(struct text *t)
{
	const char *module = bench_result_str(t->job, "module");

	measure(t, "throughput", plain(t, "ops"), "");
	measure(t, "bytes", plain(t, "bytes"), "");
	job_cpu(t);
	job_arrivals(t);
	job_receipt(t);
	job_no_receipt(t);
	job_observer(t);
	job_errors(t);
	if (!strcmp(module, "exec") || !strcmp(module, "watch"))
		job_exec(t);
	text_end(t);
}

/* --- what no other part knows --- */

static void other_row(struct text *t, const json_t *metric)
{
	char *labels = metric_labels(metric, true), value[UNITS_MAX], interval[INTERVAL_MAX];

	metric_shown(t, metric);
	text_end(t);
	text_to(t, 2);
	t->indent = 2;
	if (labels && *labels)
		text_item(t, TEXT_PLAIN, "%s{%s}", bench_result_str(metric, "name"), labels);
	else
		text_item(t, TEXT_PLAIN, "%s", bench_result_str(metric, "name"));
	t->indent = 6;
	text_item(t, TEXT_PLAIN, "%s", metric_value(t, value, metric));
	text_item(t, TEXT_DIM, "%s", metric_interval(t, interval, metric));
	free(labels);
}

static void job_other(struct text *t)
{
	struct metric_walk w = { 0 };

	while (metric_next(t, &w)) {
		struct metric_walk same = { .next = w.index };
		unsigned nr = 0;

		if (t->shown[w.index] || !bench_result_has_value(w.metric))
			continue;
		while (metric_next(t, &same)) {
			if (t->shown[same.index] || strcmp(same.name, w.name) ||
			    !bench_result_has_value(same.metric))
				continue;
			t->shown[same.index] = true;
			if (nr++ < TEXT_TOP)
				other_row(t, same.metric);
		}
		if (nr <= TEXT_TOP)
			continue;
		text_end(t);
		text_to(t, 6);
		text_put(t, TEXT_DIM, "and %u more of %s; see the JSON", nr - TEXT_TOP, w.name);
	}
	text_end(t);
}

/* --- time series, verdicts --- */

static void job_series(struct text *t)
{
	const json_t *series = bench_result_get(t->job, "series");
	size_t rows = json_array_size(bench_result_get(series, "rows"));
	char every[UNITS_MAX];

	if (!rows)
		return;
	text_row(t, "series");
	text_item(
		t, TEXT_PLAIN, "%zu points, one each %s, in the JSON", rows,
		units_value(every, bench_result_num(series, "interval_ns"), "ns", t->style->utf8));
	text_end(t);
}

/* The claim has the numbers in its words; which metrics they are from is in the JSON. */
static void job_verdicts(struct text *t)
{
	const json_t *verdicts = bench_result_get(t->job, "verdicts"), *verdict;
	size_t i;

	json_array_foreach (verdicts, i, verdict) {
		text_row(t, i ? "" : "verdict");
		text_words(t, TEXT_BOLD, bench_result_str(verdict, "claim"));
	}
	text_end(t);
}

void section_job(struct text *t)
{
	job_title(t);
	job_verdicts(t);
	section_thresholds(t);
	job_what(t);
	job_speed(t);
	section_search(t);
	section_wall(t);
	section_distributions(t);
	section_runq(t);
	section_kernel(t);
	section_slow(t);
	section_profile(t);
	section_counters(t);
	section_matrix(t);
	job_other(t);
	job_series(t);
	metric_missing(t, NULL);
}
