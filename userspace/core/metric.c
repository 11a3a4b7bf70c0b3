// SPDX-License-Identifier: BSD-2-Clause
/* The metrics of one job, collected trial by trial and joined by name and labels. */
#include "core/metric_set.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/result.h"

#define NONE UINT32_MAX /* end of a hash chain */

struct bench_metric_set *metric_set_new(void)
{
	struct bench_metric_set *set = calloc(1, sizeof(*set));

	if (set)
		memset(set->heads, 0xff, sizeof(set->heads));
	return set;
}

static void cell_clear(struct metric_cell *cell)
{
	free(cell->note);
	*cell = (struct metric_cell){ .value = NAN };
}

static void metric_free(struct metric *m)
{
	if (!m)
		return;
	for (unsigned i = 0; i < m->nr_cells; i++)
		cell_clear(&m->cells[i]);
	cell_clear(&m->now);
	free(m->cells);
	bench_hist_free(m->hist);
	bench_hist_free(m->hist_now);
	for (unsigned i = 0; i < BENCH_MAX_LABELS; i++) {
		free(m->keys[i]);
		free(m->values[i]);
	}
	free(m->name);
	free(m->unit);
	free(m);
}

void metric_set_free(struct bench_metric_set *set)
{
	if (!set)
		return;
	for (unsigned i = 0; i < set->nr; i++)
		metric_free(set->metrics[i]);
	free(set->metrics);
	free(set);
}

/* The order of labels does not matter: sort them by key, unused ones last. */
static void labels_sort(const struct bench_metric_id *id, struct bench_label *labels)
{
	unsigned nr = 0;

	memset(labels, 0, BENCH_MAX_LABELS * sizeof(*labels));
	for (unsigned i = 0; i < BENCH_MAX_LABELS; i++) {
		unsigned at = nr;

		if (!id->labels[i].key)
			continue;
		for (; at && strcmp(labels[at - 1].key, id->labels[i].key) > 0; at--)
			labels[at] = labels[at - 1];
		labels[at] = id->labels[i];
		if (!labels[at].value)
			labels[at].value = "";
		nr++;
	}
}

/* FNV-1a; the ending NUL is hashed too, so that "ab","c" and "a","bc" differ. */
static uint32_t hash_add(uint32_t hash, const char *text)
{
	do {
		hash = (hash ^ (unsigned char)*text) * 16777619u;
	} while (*text++);
	return hash;
}

static uint32_t hash_id(const char *name, const struct bench_label *labels)
{
	uint32_t hash = hash_add(2166136261u, name);

	for (unsigned i = 0; i < BENCH_MAX_LABELS && labels[i].key; i++)
		hash = hash_add(hash_add(hash, labels[i].key), labels[i].value);
	return hash;
}

static bool metric_is(const struct metric *m, const char *name, const struct bench_label *labels)
{
	if (strcmp(m->name, name))
		return false;
	for (unsigned i = 0; i < BENCH_MAX_LABELS; i++) {
		if (!m->keys[i] || !labels[i].key) {
			if (m->keys[i] || labels[i].key)
				return false;
			break;
		}
		if (strcmp(m->keys[i], labels[i].key) || strcmp(m->values[i], labels[i].value))
			return false;
	}
	return true;
}

static struct metric *set_find(const struct bench_metric_set *set, const char *name,
			       const struct bench_label *labels, uint32_t hash)
{
	uint32_t i = set->heads[hash % METRIC_HASH_HEADS];

	while (i != NONE) {
		if (set->metrics[i]->hash == hash && metric_is(set->metrics[i], name, labels))
			return set->metrics[i];
		i = set->metrics[i]->next;
	}
	return NULL;
}

static struct metric *metric_new(const struct bench_metric_id *id, const struct bench_label *labels)
{
	struct metric *m = calloc(1, sizeof(*m));
	bool ok;

	if (!m)
		return NULL;
	m->source = id->source;
	m->better = id->better;
	m->now.value = NAN;
	m->name = strdup(id->name);
	m->unit = strdup(id->unit ? id->unit : "");
	ok = m->name && m->unit;
	for (unsigned i = 0; i < BENCH_MAX_LABELS && labels[i].key; i++) {
		m->keys[i] = strdup(labels[i].key);
		m->values[i] = strdup(labels[i].value);
		ok = ok && m->keys[i] && m->values[i];
	}
	if (ok)
		return m;
	metric_free(m);
	return NULL;
}

static bool set_append(struct bench_metric_set *set, struct metric *m)
{
	if (set->nr == set->room) {
		unsigned room = set->room ? set->room * 2 : 64;
		struct metric **grown = realloc(set->metrics, room * sizeof(*grown));

		if (!grown)
			return false;
		set->metrics = grown;
		set->room = room;
	}
	m->next = set->heads[m->hash % METRIC_HASH_HEADS];
	set->heads[m->hash % METRIC_HASH_HEADS] = set->nr;
	set->metrics[set->nr++] = m;
	return true;
}

/* The metric of this identity, made when new. NULL when out of memory, which the set remembers. */
static struct metric *set_get(struct bench_metric_set *set, const struct bench_metric_id *id)
{
	struct bench_label labels[BENCH_MAX_LABELS];
	struct metric *m;
	uint32_t hash;

	labels_sort(id, labels);
	hash = hash_id(id->name, labels);
	m = set_find(set, id->name, labels, hash);
	if (m)
		return m;
	m = metric_new(id, labels);
	if (m) {
		m->hash = hash;
		if (set_append(set, m))
			return m;
		metric_free(m);
	}
	set->no_memory = true;
	return NULL;
}

/* Trials may be missing from a metric: it was not put then. Fill the gap up to the current one. */
static bool cells_grow(struct metric *m, unsigned nr)
{
	struct metric_cell *grown;

	if (m->nr_cells >= nr)
		return true;
	grown = realloc(m->cells, nr * sizeof(*grown));
	if (!grown)
		return false;
	m->cells = grown;
	for (; m->nr_cells < nr; m->nr_cells++)
		m->cells[m->nr_cells] = (struct metric_cell){ .value = NAN };
	return true;
}

/* Move the current trial's values to the finished ones. */
static void set_commit(struct bench_metric_set *set)
{
	for (unsigned i = 0; i < set->nr; i++) {
		struct metric *m = set->metrics[i];

		if (!m->now.used)
			continue;
		if (!cells_grow(m, set->nr_done + 1)) {
			set->no_memory = true;
			continue;
		}
		m->cells[set->nr_done] = m->now;
		m->now = (struct metric_cell){ .value = NAN };
		if (!m->hist_now)
			continue;
		if (!m->hist) {
			m->hist = m->hist_now;
			m->hist_now = NULL;
		} else {
			bench_hist_merge(m->hist, m->hist_now);
			bench_hist_reset(m->hist_now);
		}
	}
	set->nr_done++;
}

static void set_forget(struct bench_metric_set *set)
{
	for (unsigned i = 0; i < set->nr; i++) {
		cell_clear(&set->metrics[i]->now);
		if (set->metrics[i]->hist_now)
			bench_hist_reset(set->metrics[i]->hist_now);
	}
}

void metric_set_next_trial(struct bench_metric_set *set)
{
	if (set->recording)
		set_commit(set);
	set_forget(set);
	set->recording = true;
}

void metric_set_drop_trial(struct bench_metric_set *set)
{
	set_forget(set);
	set->recording = false;
}

static bool status_has_value(enum bench_status status)
{
	return status == BENCH_OK || status == BENCH_SCALED || status == BENCH_INVALID;
}

void bench_metric_put_status(struct bench_metric_set *set, const struct bench_metric_id *id,
			     enum bench_status status, double value, const char *note)
{
	struct metric *m = set_get(set, id);
	struct metric_cell *cell;

	if (!m)
		return;
	cell = &m->now;
	if (status_has_value(status) && !isfinite(value)) {
		status = BENCH_INVALID;
		note = note ? note : "not a finite number";
		value = NAN;
	}
	if (!status_has_value(status))
		value = NAN;
	if (note && (!cell->note || status > cell->status)) {
		char *copy = strdup(note);

		if (!copy)
			set->no_memory = true;
		free(cell->note);
		cell->note = copy;
	}
	/* NAN stays NAN: a sum with a missing part is not a sum. */
	cell->value = cell->used ? cell->value + value : value;
	if (!cell->used || status > cell->status)
		cell->status = status;
	cell->used = true;
}

void bench_metric_put_left_out(struct bench_metric_set *set, const struct bench_metric_id *id,
			       double value, const char *note)
{
	struct metric *m = set_get(set, id);

	bench_metric_put_status(set, id, BENCH_INVALID, value, note);
	if (m)
		m->now.left_out = true;
}

void bench_metric_put_count(struct bench_metric_set *set, const struct bench_metric_id *id,
			    enum bench_status status, double value, const char *note,
			    const struct bench_metric_count *count)
{
	struct metric *m = set_get(set, id);

	bench_metric_put_status(set, id, status, value, note);
	if (!m)
		return;
	m->now.enabled_ns += (double)count->enabled_ns;
	m->now.running_ns += (double)count->running_ns;
	if (count->error > m->now.error)
		m->now.error = count->error;
}

void bench_metric_put(struct bench_metric_set *set, const struct bench_metric_id *id, double value)
{
	bench_metric_put_status(set, id, BENCH_OK, value, NULL);
}

void bench_metric_put_sparse(struct bench_metric_set *set, const struct bench_metric_id *id,
			     double value)
{
	struct metric *m = set_get(set, id);

	if (m)
		m->sparse = true;
	bench_metric_put(set, id, value);
}

void bench_metric_join_mean(struct bench_metric_set *set, const struct bench_metric_id *id,
			    bool hide_zero)
{
	struct metric *m = set_get(set, id);

	if (m) {
		m->mean = true;
		m->hide_zero = hide_zero;
	}
}

void bench_metric_put_hist(struct bench_metric_set *set, const struct bench_metric_id *id,
			   const struct bench_hist *hist)
{
	struct metric *m = set_get(set, id);

	if (!m)
		return;
	if (!m->hist_now) {
		m->hist_now = bench_hist_new(hist->bits);
		if (!m->hist_now) {
			set->no_memory = true;
			return;
		}
	}
	assert(!m->hist || m->hist->bits == hist->bits);
	bench_hist_merge(m->hist_now, hist);
	m->now.used = true;
	if (m->hist_now->count && status_has_value(m->now.status))
		m->now.value = (double)bench_hist_at(m->hist_now, 0.5);
}

double metric_set_value(const struct bench_metric_set *set, const char *name)
{
	struct bench_label labels[BENCH_MAX_LABELS] = { 0 };
	const struct metric *m = set_find(set, name, labels, hash_id(name, labels));
	double *values, median;
	unsigned nr = 0;

	if (!m)
		return NAN;
	values = calloc(m->nr_cells + 1, sizeof(*values));
	if (!values)
		return NAN;
	for (unsigned i = 0; i < m->nr_cells; i++)
		if (!isnan(m->cells[i].value))
			values[nr++] = m->cells[i].value;
	if (set->recording && !isnan(m->now.value))
		values[nr++] = m->now.value;
	median = stats_median(values, nr);
	free(values);
	return median;
}

double metric_set_now(const struct bench_metric_set *set, const char *name, const char *key,
		      const char *value)
{
	struct bench_label labels[BENCH_MAX_LABELS] = { { key, value } };
	const struct metric *m = set_find(set, name, labels, hash_id(name, labels));

	return m && m->now.used ? m->now.value : NAN;
}
