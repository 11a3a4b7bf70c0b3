// SPDX-License-Identifier: BSD-2-Clause
/* Slow operations of all workers of a job, as the result has them. */
#include "core/slow.h"

#include <stdlib.h>
#include <string.h>

#include "core/result.h"

static const char *const class_words[] = { "worst", "p99", "p99.9" };

/* Where in the distribution of all trials an op may lie to stand for its percentile. A little wider
 * than what was sampled: the sample was taken by the distribution of the window before. */
static const struct {
	double low, high;
} around[2] = { { 0.98, 0.9975 }, { 0.998, 0.99975 } };

struct pick {
	const struct slow_op *op;
	unsigned worker;
	enum slow_class class;
};

static int slowest_first(const void *a, const void *b)
{
	uint64_t x = ((const struct pick *)a)->op->latency_ns;
	uint64_t y = ((const struct pick *)b)->op->latency_ns;

	return x < y ? 1 : x > y ? -1 : 0;
}

static json_t *op_json(const struct pick *pick)
{
	const struct slow_op *op = pick->op;
	json_t *causes = json_object(), *culprits = json_array(), *json;

	for (unsigned i = 0; i < SLOW_NR_CAUSES; i++)
		if (op->ns[i])
			json_object_set_new(causes, slow_cause_name(i),
					    json_integer((json_int_t)op->ns[i]));
	for (unsigned i = 0; i < PROBE_MAX_CULPRITS; i++) {
		if (!op->culprits[i].ns)
			continue;
		json_array_append_new(culprits,
				      json_pack("{s:o, s:I}", "who",
						result_text(op->culprits[i].who), "ns",
						(json_int_t)op->culprits[i].ns));
	}
	json = json_pack("{s:I, s:i, s:i, s:I, s:s, s:o, s:o}", "at_ns", (json_int_t)op->at_ns,
			 "trial", (int)op->trial, "worker", (int)pick->worker, "latency_ns",
			 (json_int_t)op->latency_ns, "class", class_words[pick->class], "causes",
			 causes, "culprits", culprits);
	if (op->missed)
		json_object_set_new(json, "note",
				    json_string("not looked up: slow operations came so fast that it "
						"would have cost more than 0.5 % of the window"));
	return json;
}

static unsigned pick_worst(struct bench_slow *const *slows, unsigned nr_workers, unsigned nr,
			   unsigned nr_trials, struct pick *picks)
{
	unsigned nr_picks = 0;

	for (unsigned w = 0; w < nr_workers; w++)
		for (unsigned i = 0; slows[w] && i < slows[w]->nr; i++)
			if (slows[w]->worst[i].trial <= nr_trials)
				picks[nr_picks++] = (struct pick){ &slows[w]->worst[i], w,
								   SLOW_WORST };
	qsort(picks, nr_picks, sizeof(*picks), slowest_first);
	return nr_picks < nr ? nr_picks : nr;
}

/* A sample of the job from the samples of its workers: each gives as many as its share of the ops
 * in the band. */
static unsigned pick_band(struct bench_slow *const *slows, unsigned nr_workers, unsigned band,
			  const struct bench_hist *all, unsigned nr_trials, struct pick *picks)
{
	uint64_t low, high, seen = 0;
	unsigned nr = 0;

	slow_stretch(all, around[band].low, around[band].high, &low, &high);
	for (unsigned w = 0; w < nr_workers; w++)
		seen += slows[w] ? slows[w]->bands[band].seen : 0;
	for (unsigned w = 0; w < nr_workers; w++) {
		const struct slow_band *b = slows[w] ? &slows[w]->bands[band] : NULL;
		uint64_t quota = b && seen ? (SLOW_BAND_OPS * b->seen + seen - 1) / seen : 0;

		for (unsigned i = 0; b && i < b->nr && i < quota && nr < SLOW_BAND_OPS; i++) {
			const struct slow_op *op = &b->ops[i];

			if (op->latency_ns >= low && op->latency_ns < high &&
			    op->trial <= nr_trials)
				picks[nr++] = (struct pick){ op, w, SLOW_P99 + band };
		}
	}
	qsort(picks, nr, sizeof(*picks), slowest_first);
	return nr;
}

json_t *slow_json(struct bench_slow *const *slows, unsigned nr_workers, unsigned nr,
		  const struct bench_hist *all, unsigned nr_trials)
{
	unsigned room = 2 * SLOW_BAND_OPS, nr_picks = 0;
	struct pick *picks;
	json_t *array = NULL;

	for (unsigned w = 0; w < nr_workers; w++)
		room += slows[w] ? slows[w]->nr : 0;
	picks = calloc(room, sizeof(*picks));
	if (!picks)
		return NULL;
	nr_picks = pick_worst(slows, nr_workers, nr, nr_trials, picks);
	for (unsigned band = 2; band-- > 0;)
		nr_picks += pick_band(slows, nr_workers, band, all, nr_trials, &picks[nr_picks]);
	if (nr_picks)
		array = json_array();
	for (unsigned i = 0; i < nr_picks; i++)
		json_array_append_new(array, op_json(&picks[i]));
	free(picks);
	return array;
}
