// SPDX-License-Identifier: BSD-2-Clause
/* Applies the rules of verdict_rules.c to the metrics of a job as the result has them, so that a
 * verdict never rests on a number that is not in the result. */
#include "core/verdict.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/result.h"
#include "core/verdict_rules.h"

/* Above this share of the wall time, what disturbed is told before what limited: the rest of the
 * numbers is then not the job's alone. */
#define DISTURBANCE_FIRST 0.1

/* A need that was met. */
struct evidence {
	const json_t *metric; /* one of those that the value was read from */
	double value;
	const char *unit;
};

struct held {
	const struct verdict_rule *rule;
	double weight;
	struct evidence found[VERDICT_NEEDS];
};

static const char *label(const json_t *metric, const char *key)
{
	const char *text =
		json_string_value(json_object_get(bench_result_get(metric, "labels"), key));

	return text ? text : "";
}

/* Is text one of the words of list, which are joined by "+"? */
static bool listed(const char *list, const char *text)
{
	size_t len = strlen(text);

	for (const char *p = list; (p = strstr(p, text)); p += len)
		if (len && (p == list || p[-1] == '+') && (!p[len] || p[len] == '+'))
			return true;
	return false;
}

/* Has the job a thread of that name? wall.time_of has them all. */
static bool own_task(const json_t *job, const char *comm)
{
	const json_t *metrics = bench_result_get(job, "metrics"), *m;
	size_t i;

	json_array_foreach (metrics, i, m)
		if (!strcmp(bench_result_str(m, "name"), "wall.time_of") &&
		    !strcmp(label(m, "task"), comm))
			return true;
	return false;
}

/* What kind of thing a row of sched.blame is. */
static const char *blame_class(const json_t *job, const json_t *metric)
{
	static const char *const words[] = { "idle", "host", "unknown" };
	const char *comm = label(metric, "comm");

	if (!strncmp(comm, "irq:", 4) || !strncmp(comm, "softirq:", 8))
		return "irq";
	/* A task may have any name; only tasks have a pid, but not all: several of one name do not.
	 */
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!*label(metric, "pid") && !strcmp(comm, words[i]))
			return words[i];
	return own_task(job, comm) ? "own" : "other";
}

static bool matches(const struct verdict_need *need, const json_t *job, const json_t *metric)
{
	if (strcmp(bench_result_str(metric, "name"), need->metric) ||
	    !bench_result_has_value(metric))
		return false;
	if (need->key && !strcmp(need->key, "class"))
		return !strcmp(need->value, blame_class(job, metric));
	if (need->key && !need->value)
		return *label(metric, need->key);
	return !need->key || listed(need->value, label(metric, need->key));
}

/* Is the value a sum over all that match? */
static bool adds(const struct verdict_need *need)
{
	return need->value && need->reading != READ_P50 && need->reading != READ_MOST;
}

/* Operations of a trial; NAN when the job has none. */
static double ops_per_trial(const json_t *job)
{
	return bench_result_num(bench_result_metric(job, "ops", NULL, NULL), "value") *
	       bench_result_num(job, "trial_ns") / 1e9;
}

/* Values that belong together are added; of others the largest counts, of distributions the one
 * with the most values. */
static bool need_find(const struct verdict_need *need, const json_t *job, struct evidence *ret)
{
	const json_t *metrics = bench_result_get(job, "metrics"), *m;
	bool hist = need->reading == READ_P50;
	double all = 0, sum = 0, most = -1;
	size_t i;

	*ret = (struct evidence){ .value = NAN, .unit = "" };
	json_array_foreach (metrics, i, m) {
		double value = bench_result_num(m, hist ? "hist.count" : "value");

		if (strcmp(bench_result_str(m, "name"), need->metric) || !isfinite(value))
			continue;
		all += value;
		if (!matches(need, job, m))
			continue;
		sum += value;
		if (value > most)
			ret->metric = m;
		most = fmax(most, value);
	}
	if (!ret->metric)
		return false;
	ret->unit = bench_result_str(ret->metric, "unit");
	ret->value = hist ? bench_result_num(ret->metric, "hist.p50") : adds(need) ? sum : most;
	if (need->reading == READ_SHARE)
		ret->value /= all;
	if (need->reading == READ_PER_OP)
		ret->value /= ops_per_trial(job);
	if (need->reading == READ_SHARE || need->reading == READ_PER_OP)
		ret->unit = "ratio";
	return isfinite(ret->value);
}

static bool rule_holds(const struct verdict_rule *rule, const json_t *job, struct held *ret)
{
	*ret = (struct held){ .rule = rule };
	for (unsigned i = 0; i < VERDICT_NEEDS && rule->needs[i].metric; i++)
		if (!need_find(&rule->needs[i], job, &ret->found[i]))
			return false;
	for (unsigned i = 0; i < VERDICT_NEEDS && rule->needs[i].metric; i++) {
		const struct verdict_need *need = &rule->needs[i];
		double bound = need->bound * (need->of ? ret->found[need->of - 1].value : 1);
		double value = ret->found[i].value;

		if ((need->condition == AT_LEAST && value < bound) ||
		    (need->condition == AT_MOST && value > bound))
			return false;
	}
	ret->weight = ret->found[0].value;
	return true;
}

/* --- words --- */

static void number_print(FILE *out, const struct evidence *e)
{
	static const struct {
		double from;
		const char *unit;
	} times[] = { { 1e9, "s" }, { 1e6, "ms" }, { 1e3, "us" }, { 1, "ns" } };
	unsigned i = 0;

	if (!strcmp(e->unit, "ratio")) {
		/* "0 %" would deny what the rule found. */
		fprintf(out, e->value > 0 && e->value < 0.095 ? "%.1f %%" : "%.0f %%",
			e->value * 100);
	} else if (!strcmp(e->unit, "ns")) {
		while (i < 3 && e->value < times[i].from)
			i++;
		fprintf(out, e->value / times[i].from < 9.95 && i < 3 ? "%.1f %s" : "%.0f %s",
			e->value / times[i].from, times[i].unit);
	} else {
		fprintf(out, "%.0f", e->value);
	}
}

/* "apt (812)": what the labels of the metric name. */
static void who_print(FILE *out, const json_t *metric)
{
	const char *key, *pid = label(metric, "pid");
	bool begun = false;
	json_t *value;

	json_object_foreach (json_object_get(metric, "labels"), key, value) {
		if (!strcmp(key, "pid") || !json_string_length(value))
			continue;
		fprintf(out, "%s%s", begun ? " " : "", json_string_value(value));
		begun = true;
	}
	if (*pid)
		fprintf(out, begun ? " (%s)" : "%s", pid);
}

static json_t *claim_json(const struct held *h)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	json_t *json;

	if (!out)
		return NULL;
	for (const char *p = h->rule->claim; *p; p++) {
		const struct evidence *e;

		if (*p != '{') {
			fputc(*p, out);
			continue;
		}
		e = &h->found[p[1] - '0'];
		if (p[2] == '.')
			who_print(out, e->metric);
		else
			number_print(out, e);
		p = strchr(p, '}');
	}
	fclose(out);
	json = result_text(text);
	free(text);
	return json;
}

/* "block.latency{stage=device,dev=vda}.p50" */
static json_t *evidence_name(const struct verdict_need *need, const json_t *metric)
{
	static const char *const suffix[] = { [READ_VALUE] = "",
					      [READ_P50] = ".p50",
					      [READ_PER_OP] = " per op",
					      [READ_SHARE] = " of the sum",
					      [READ_MOST] = "" };
	bool added = adds(need);
	const char *key;
	char *text = NULL;
	bool begun = false;
	json_t *value, *json;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fputs(need->metric, out);
	if (added && need->key)
		fprintf(out, "{%s=%s", need->key, need->value);
	else if (!added)
		json_object_foreach (json_object_get(metric, "labels"), key, value) {
			fprintf(out, "%s%s=%s", begun ? "," : "{", key, json_string_value(value));
			begun = true;
		}
	fprintf(out, "%s%s", begun || (added && need->key) ? "}" : "", suffix[need->reading]);
	fclose(out);
	json = result_text(text);
	free(text);
	return json;
}

static json_t *held_json(const struct held *h)
{
	json_t *evidence = json_array();

	for (unsigned i = 0; i < VERDICT_NEEDS && h->rule->needs[i].metric; i++)
		json_array_append_new(
			evidence,
			json_pack("{s:o, s:o, s:s}", "metric",
				  evidence_name(&h->rule->needs[i], h->found[i].metric), "value",
				  result_number(h->found[i].value), "unit", h->found[i].unit));
	return json_pack("{s:s, s:o, s:o}", "rule", h->rule->name, "claim", claim_json(h),
			 "evidence", evidence);
}

static bool numbers_count(const json_t *job)
{
	const char *status = bench_result_str(job, "status");

	return !strcmp(status, "ok") || !strcmp(status, "interrupted");
}

void verdict_add(json_t *job)
{
	static const enum verdict_kind orders[][VERDICT_KINDS] = {
		{ VERDICT_LIMIT, VERDICT_DISTURBANCE, VERDICT_NOTE },
		{ VERDICT_DISTURBANCE, VERDICT_LIMIT, VERDICT_NOTE },
	};
	struct held best[VERDICT_KINDS] = { 0 }, now;
	const enum verdict_kind *order;
	json_t *list;

	json_object_del(job, "verdicts");
	if (!numbers_count(job))
		return;
	for (const struct verdict_rule *rule = verdict_rules; rule->name; rule++)
		if (rule_holds(rule, job, &now) && now.weight > best[rule->kind].weight)
			best[rule->kind] = now;
	order = orders[best[VERDICT_DISTURBANCE].weight >= DISTURBANCE_FIRST];
	list = json_array();
	for (unsigned i = 0; i < VERDICT_KINDS && json_array_size(list) < VERDICT_MAX; i++)
		if (best[order[i]].rule)
			json_array_append_new(list, held_json(&best[order[i]]));
	if (json_array_size(list))
		json_object_set(job, "verdicts", list);
	json_decref(list);
}
