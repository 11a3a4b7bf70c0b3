// SPDX-License-Identifier: BSD-2-Clause
/* "metrics" of a job: the metric set joined over its trials, as the result has it. */
#include <math.h>
#include <stdlib.h>

#include "core/metric_set.h"
#include "core/result.h"

const char *bench_status_name(enum bench_status status)
{
	static const char *const names[] = {
		[BENCH_OK] = "ok",
		[BENCH_SCALED] = "scaled",
		[BENCH_NOT_COUNTED] = "not_counted",
		[BENCH_NOT_SUPPORTED] = "not_supported",
		[BENCH_NOT_PERMITTED] = "not_permitted",
		[BENCH_SKIPPED] = "skipped",
		[BENCH_INVALID] = "invalid",
	};

	return (unsigned)status < sizeof(names) / sizeof(names[0]) ? names[status] : "invalid";
}

static const char *source_name(enum bench_source source)
{
	static const char *const names[] = {
		[BENCH_SOURCE_MODULE] = "module", [BENCH_SOURCE_RUNTIME] = "runtime",
		[BENCH_SOURCE_PROBE] = "probe",	  [BENCH_SOURCE_COUNTER] = "counter",
		[BENCH_SOURCE_HOST] = "host",
	};

	return names[source];
}

static const char *better_name(enum bench_better better)
{
	if (better == BENCH_BETTER_HIGHER)
		return "higher";
	return better == BENCH_BETTER_LOWER ? "lower" : "none";
}

/* jansson's integers are signed; the few values above become reals. */
static json_t *json_u64(uint64_t value)
{
	return value <= INT64_MAX ? json_integer((json_int_t)value) : result_number((double)value);
}

static json_t *quantile_json(const struct bench_hist *hist, double q)
{
	if (!stats_supports(hist->count, q))
		return json_null();
	return json_u64(bench_hist_at(hist, q));
}

static json_t *buckets_json(const struct bench_hist *hist)
{
	json_t *buckets = json_array();

	for (uint32_t i = 0; i < hist->nr_buckets; i++)
		if (hist->n[i])
			json_array_append_new(buckets, json_pack("[o,o,o]",
								 json_u64(bench_hist_low(hist, i)),
								 json_u64(bench_hist_high(hist, i)),
								 json_u64(hist->n[i])));
	return buckets;
}

json_t *metric_hist_json(const struct bench_hist *hist)
{
	json_t *min = hist->count ? json_u64(hist->min) : json_null();
	json_t *max = hist->count ? json_u64(hist->max) : json_null();

	return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "count",
			 json_u64(hist->count), "sum", json_u64(hist->sum), "min", min, "max", max,
			 "p50", quantile_json(hist, 0.5), "p90", quantile_json(hist, 0.9), "p99",
			 quantile_json(hist, 0.99), "p999", quantile_json(hist, 0.999), "error",
			 json_real(1.0 / (double)(1ull << hist->bits)), "buckets",
			 buckets_json(hist));
}

/* A metric over all its trials, the current one included. */
struct joined {
	enum bench_status status;
	const char *note;
	double *values; /* those that are there, sorted */
	unsigned nr_values;
	json_t *trials;
	bool used;
	double enabled_ns, running_ns, error; /* of an event counter: sums, and the worst */
	unsigned nr_counts;
	json_t *left_out; /* trials that count for nothing; NULL = none */
};

/* Its place among the trials is empty. */
static void join_left_out(struct joined *j, const struct metric_cell *cell)
{
	json_t *one;

	json_array_append_new(j->trials, json_null());
	one = json_pack("{s:i,s:o,s:o}", "trial", (int)json_array_size(j->trials), "value",
			result_number(cell->value), "note", result_text(cell->note));
	if (!j->left_out)
		j->left_out = json_array();
	json_array_append_new(j->left_out, one);
}

static void join_cell(struct joined *j, const struct metric *m, const struct metric_cell *cell,
		      bool all)
{
	double value = cell->used ? cell->value : m->sparse ? 0 : NAN;
	bool first = !j->used;

	if (cell->used && cell->left_out && !all) {
		join_left_out(j, cell);
		return;
	}

	json_array_append_new(j->trials, result_number(value));
	if (!isnan(value))
		j->values[j->nr_values++] = value;
	if (!cell->used)
		return;
	j->used = true;
	if (cell->enabled_ns > 0) {
		j->enabled_ns += cell->enabled_ns;
		j->running_ns += cell->running_ns;
		j->error = fmax(j->error, cell->error);
		j->nr_counts++;
	}
	if (first || cell->status > j->status) {
		j->status = cell->status;
		j->note = cell->note;
	} else if (cell->status == j->status && !j->note) {
		j->note = cell->note;
	}
}

/* Is there a trial that need not be left out? */
static bool is_any_good(const struct bench_metric_set *set, const struct metric *m)
{
	for (unsigned i = 0; i < set->nr_done && i < m->nr_cells; i++)
		if (m->cells[i].used && !m->cells[i].left_out)
			return true;
	return set->recording && m->now.used && !m->now.left_out;
}

static bool join(struct joined *j, const struct bench_metric_set *set, const struct metric *m)
{
	const struct metric_cell missing = { .value = NAN };
	bool all = !is_any_good(set, m);

	*j = (struct joined){ .trials = json_array() };
	j->values = calloc(set->nr_done + 1, sizeof(*j->values));
	if (!j->values || !j->trials) {
		free(j->values);
		json_decref(j->trials);
		return false;
	}
	for (unsigned i = 0; i < set->nr_done; i++)
		join_cell(j, m, i < m->nr_cells ? &m->cells[i] : &missing, all);
	if (set->recording)
		join_cell(j, m, &m->now, all);
	return true;
}

static json_t *labels_json(const struct metric *m)
{
	json_t *labels = json_object();

	for (unsigned i = 0; i < BENCH_MAX_LABELS && m->keys[i]; i++) {
		json_t *key = result_text(m->keys[i]);

		json_object_set_new(labels, json_string_value(key), result_text(m->values[i]));
		json_decref(key);
	}
	return labels;
}

/* The distribution over all trials: finished ones and, unless dropped, the current one. */
static json_t *distribution_json(const struct bench_metric_set *set, const struct metric *m)
{
	bool current = set->recording && m->hist_now && m->now.used;
	struct bench_hist *both;
	json_t *json;

	if (!m->hist)
		return current ? metric_hist_json(m->hist_now) : NULL;
	if (!current)
		return metric_hist_json(m->hist);
	both = bench_hist_new(m->hist->bits);
	if (!both)
		return NULL;
	bench_hist_merge(both, m->hist);
	bench_hist_merge(both, m->hist_now);
	json = metric_hist_json(both);
	bench_hist_free(both);
	return json;
}

static json_t *ci_json(const struct joined *j, const struct metric *m, bool has_value)
{
	double low, high, median;
	bool known;

	/* What was extrapolated is no better known than the extrapolation is. */
	if (has_value && j->error > 0) {
		median = stats_median(j->values, j->nr_values);
		return json_pack("[o,o]", result_number(median * (1 - j->error)),
				 result_number(median * (1 + j->error)));
	}
	known = has_value && (m->mean ? stats_mean_ci95(j->values, j->nr_values, &low, &high) :
					stats_median_ci95(j->values, j->nr_values, &low, &high));
	if (!known)
		return json_null();
	return json_pack("[o,o]", result_number(low), result_number(high));
}

static json_t *metric_json(const struct bench_metric_set *set, const struct metric *m,
			   struct joined *j)
{
	bool has_value = j->status == BENCH_OK || j->status == BENCH_SCALED;
	/* Sorts them, which the interval needs. */
	double median = stats_median(j->values, j->nr_values);
	double value = m->mean ? stats_mean(j->values, j->nr_values) : median;
	json_t *json, *hist;

	json = json_pack("{s:o,s:o,s:o,s:s,s:s,s:s}", "name", result_text(m->name), "labels",
			 labels_json(m), "unit", result_text(m->unit), "better",
			 better_name(m->better), "source", source_name(m->source), "status",
			 bench_status_name(j->status));
	if (!json)
		return NULL;
	if (j->note)
		json_object_set_new(json, "note", result_text(j->note));
	json_object_set_new(json, "value", result_number(has_value ? value : NAN));
	json_object_set_new(json, "ci", ci_json(j, m, has_value));
	json_object_set(json, "trials", j->trials);
	if (j->left_out)
		json_object_set(json, "left_out", j->left_out);
	if (j->nr_counts) {
		json_object_set_new(json, "enabled_ns",
				    result_number(round(j->enabled_ns / j->nr_counts)));
		json_object_set_new(json, "running_ns",
				    result_number(round(j->running_ns / j->nr_counts)));
	}
	hist = distribution_json(set, m);
	if (hist)
		json_object_set_new(json, "hist", hist);
	return json;
}

static bool is_hidden(const struct joined *j, const struct metric *m)
{
	bool zero = m->hide_zero && j->status == BENCH_OK;

	for (unsigned i = 0; i < j->nr_values && zero; i++)
		zero = j->values[i] == 0;
	return zero;
}

json_t *metric_set_json(const struct bench_metric_set *set)
{
	json_t *all = json_array();

	for (unsigned i = 0; all && i < set->nr; i++) {
		struct joined j;
		bool failed = !join(&j, set, set->metrics[i]);

		if (failed)
			goto fail;
		/* Put in the warm-up or in dropped trials only: there is nothing to say. */
		if (j.used && !is_hidden(&j, set->metrics[i]))
			failed = json_array_append_new(all, metric_json(set, set->metrics[i], &j));
		free(j.values);
		json_decref(j.trials);
		json_decref(j.left_out);
		if (failed)
			goto fail;
	}
	if (!set->no_memory)
		return all;
fail:
	json_decref(all);
	return NULL;
}
