// SPDX-License-Identifier: BSD-2-Clause
#include "core/slo.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/clock.h"
#include "bench/option.h"
#include "core/option.h"
#include "core/result.h"

/* The rate is told this closely. */
#define RESOLUTION 0.05
/* Below this share of the capacity the search gives up. */
#define LOWEST 1e-3
/* Of the capacity, where the target is kept up to it: enough for a line to grow. */
#define BEYOND 1.5
/* A longer window is not worth the wait: 10 values beyond p99.9 at 100 operations a second. */
#define WINDOW_MAX_NS (100 * BENCH_NS_PER_SEC)
/* No more than that for the sake of the target. */
#define TARGETS 10
#define TARGETS_MAX_NS (10 * BENCH_NS_PER_SEC)
/* In a steady state rate x mean latency operations are under way (Little's law) at the end of a window as
 * at any time. When a line grows from nothing, it is twice as many, for the mean latency is half the
 * last. The bound lies between, and chance is given three standard deviations. */
#define GROWN 1.5

int slo_parse(const char *text, struct slo_target *ret_target, struct bench_err *err)
{
	const struct bench_option time = { .name = "slo", .type = BENCH_OPT_DURATION };
	struct slo_target target;
	char *end = NULL;
	double percent;

	percent = text[0] == 'p' ? strtod(text + 1, &end) : 0;
	if (!end || *end != ':' || !(percent >= 1) || !(percent <= 99.99))
		return bench_fail(err, -EINVAL,
				  "slo='%s': give a percentile from p1 to p99.99 and a time: p99:2ms",
				  text);
	if (option_set(&time, &target.ns, end + 1, err))
		return -EINVAL;
	if (!target.ns)
		return bench_fail(err, -EINVAL, "slo='%s': no operation takes no time", text);
	target.quantile = percent / 100;
	*ret_target = target;
	return 0;
}

uint64_t slo_window_ns(const struct slo_target *target, double rate, uint64_t least_ns)
{
	/* A tenth more than stats_supports() asks for, since arrivals may be random. */
	double ns = 11 / (1 - target->quantile) / rate * 1e9;
	uint64_t targets_ns = target->ns > TARGETS_MAX_NS / TARGETS ? TARGETS_MAX_NS :
								      target->ns * TARGETS;

	if (least_ns < targets_ns)
		least_ns = targets_ns;
	if (ns > (double)WINDOW_MAX_NS)
		return WINDOW_MAX_NS;
	return ns > (double)least_ns ? (uint64_t)ns : least_ns;
}

enum slo_outcome slo_judge(const struct slo_target *target, const struct slo_try *t)
{
	double most = GROWN * t->rate * t->mean_ns / 1e9;

	bool late = t->outcome == SLO_GENERATOR;

	if (t->left > most + 3 * sqrt(most) + 2)
		return late ? SLO_GENERATOR : SLO_BEHIND;
	if (t->outcome == SLO_TOO_FEW)
		return SLO_TOO_FEW;
	/* Latency counts from when an operation was due: what is kept with a late generator is kept. */
	if (t->latency_ns <= (double)target->ns)
		return SLO_KEPT;
	return late ? SLO_GENERATOR : SLO_LATENCY;
}

/* One rate: kept when one of two windows keeps it. */
static int ask(struct slo *slo, double rate,
	       int (*attempt)(void *arg, double rate, struct slo_try *ret_try), void *arg,
	       enum slo_outcome *ret_outcome)
{
	for (unsigned i = 0; i < 2 && slo->nr < SLO_MAX_TRIES; i++) {
		struct slo_try *t = &slo->tries[slo->nr];
		int rc;

		*t = (struct slo_try){ .rate = rate, .outcome = SLO_KEPT };
		rc = attempt(arg, rate, t);
		if (rc)
			return rc;
		*ret_outcome = t->outcome = slo_judge(&slo->target, t);
		slo->nr++;
		if (t->outcome == SLO_KEPT)
			break;
	}
	return 0;
}

int slo_search(struct slo *slo, int (*attempt)(void *arg, double rate, struct slo_try *ret_try),
	       void *arg)
{
	struct slo_try flood = { .rate = SLO_FLOOD };
	enum slo_outcome outcome = SLO_KEPT;
	double low = 0, high;
	int rc = attempt(arg, SLO_FLOOD, &flood);

	if (rc)
		return rc;
	slo->capacity = high = flood.done;
	while (high > 0 && (high - low) > RESOLUTION * high && high > LOWEST * slo->capacity &&
	       slo->nr + 2 <= SLO_MAX_TRIES) {
		double rate = (low + high) / 2;

		rc = ask(slo, rate, attempt, arg, &outcome);
		if (rc)
			return rc;
		if (outcome == SLO_KEPT) {
			slo->rate = low = rate;
		} else {
			slo->over = high = rate;
			slo->over_outcome = outcome;
		}
	}
	if (slo->over > 0 || slo->capacity <= 0)
		return 0;
	/* Kept up to the capacity: what misses lies beyond. */
	rc = ask(slo, BEYOND * slo->capacity, attempt, arg, &outcome);
	if (!rc && outcome != SLO_KEPT) {
		slo->over = BEYOND * slo->capacity;
		slo->over_outcome = outcome;
	}
	return rc;
}

static const char *outcome_word(enum slo_outcome outcome)
{
	static const char *const words[] = { [SLO_KEPT] = "kept",
					     [SLO_LATENCY] = "latency",
					     [SLO_BEHIND] = "behind",
					     [SLO_GENERATOR] = "generator",
					     [SLO_TOO_FEW] = "too-few" };

	return words[outcome];
}

json_t *slo_json(const struct slo *slo)
{
	json_t *tries = json_array(), *json;

	for (unsigned i = 0; i < slo->nr; i++) {
		const struct slo_try *t = &slo->tries[i];

		json_array_append_new(tries,
				      json_pack("{s:o, s:o, s:o, s:o, s:o, s:s}", "rate",
						result_number(t->rate), "done", result_number(t->done),
						"latency_ns", result_number(t->latency_ns), "mean_ns",
						result_number(t->mean_ns), "left",
						result_number(t->left), "outcome",
						outcome_word(t->outcome)));
	}
	json = json_pack("{s:o, s:I, s:o, s:o, s:o}", "quantile", result_number(slo->target.quantile),
			 "target_ns", (json_int_t)slo->target.ns, "capacity",
			 result_number(slo->capacity), "rate",
			 slo->rate > 0 ? result_number(slo->rate) : json_null(), "tries", tries);
	if (slo->over > 0)
		json_object_set_new(json, "over",
				    json_pack("{s:o, s:s}", "rate", result_number(slo->over), "outcome",
					      outcome_word(slo->over_outcome)));
	return json;
}
