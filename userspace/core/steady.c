// SPDX-License-Identifier: BSD-2-Clause
#include "core/steady.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/result.h"

bool steady_init(struct steady *s, enum bench_steady mode)
{
	*s = (struct steady){ .mode = mode, .range = NAN, .slope = NAN };
	s->rounds = calloc(STEADY_MAX_ROUNDS, sizeof(*s->rounds));
	return s->rounds != NULL;
}

void steady_done(struct steady *s)
{
	free(s->rounds);
	s->rounds = NULL;
}

void steady_add_trial(struct steady *s, double speed)
{
	if (s->nr == STEADY_MAX_ROUNDS) { /* the oldest matter least */
		memmove(s->rounds, s->rounds + 1, (STEADY_MAX_ROUNDS - 1) * sizeof(*s->rounds));
		s->nr--;
		s->nr_rounds -= s->nr_rounds > 0;
	}
	s->rounds[s->nr++] = speed;
}

bool steady_add(struct steady *s, double speed)
{
	const double middle = (STEADY_WINDOW - 1) / 2.0;
	double low = INFINITY, high = -INFINITY, mean, sum = 0, xy = 0, xx = 0;
	const double *last;

	steady_add_trial(s, speed);
	s->nr_rounds = s->nr;
	if (s->nr < STEADY_WINDOW)
		return false;
	last = s->rounds + s->nr - STEADY_WINDOW;
	for (unsigned i = 0; i < STEADY_WINDOW; i++) {
		low = fmin(low, last[i]);
		high = fmax(high, last[i]);
		sum += last[i];
		xy += (i - middle) * last[i];
		xx += (i - middle) * (i - middle);
	}
	mean = sum / STEADY_WINDOW;
	if (!(mean > 0))
		return false;
	s->range = (high - low) / mean;
	s->slope = fabs(xy / xx * (STEADY_WINDOW - 1)) / mean;
	s->held = s->range <= STEADY_RANGE && s->slope <= STEADY_SLOPE;
	return s->held;
}

static double median_of(const double *values, unsigned nr)
{
	double *copy = malloc(nr * sizeof(*copy)), median;

	if (!copy)
		return NAN;
	memcpy(copy, values, nr * sizeof(*copy));
	median = stats_median(copy, nr);
	free(copy);
	return median;
}

bool steady_changed(const struct steady *s, struct steady_change *ret_change)
{
	double best = STEADY_LEVEL;
	bool found = false;

	if (s->nr < 2 * STEADY_SIDE)
		return false;
	for (unsigned at = STEADY_SIDE; at + STEADY_SIDE <= s->nr; at++) {
		double low[2] = { INFINITY, INFINITY }, high[2] = { -INFINITY, -INFINITY };
		double from, to, change;

		for (unsigned i = 0; i < s->nr; i++) {
			low[i >= at] = fmin(low[i >= at], s->rounds[i]);
			high[i >= at] = fmax(high[i >= at], s->rounds[i]);
		}
		if (low[0] <= high[1] && low[1] <= high[0])
			continue;
		from = median_of(s->rounds, at);
		to = median_of(s->rounds + at, s->nr - at);
		change = fabs(to - from) / fmax(from, to);
		if (!(change >= best))
			continue;
		best = change;
		found = true;
		*ret_change = (struct steady_change){ at, from, to };
	}
	return found;
}

json_t *steady_json(const struct steady *s)
{
	static const char test[] = "of the last 5 rounds the largest and the smallest are at most 20 % of "
				   "their mean apart, and their trend is at most 10 % of it";
	json_t *rounds = json_array(), *json;
	struct steady_change change;

	if (s->mode == BENCH_STEADY_NONE) {
		json_decref(rounds);
		return NULL;
	}
	for (unsigned i = 0; i < s->nr_rounds; i++)
		json_array_append_new(rounds, result_number(s->rounds[i]));
	json = json_pack("{s:s, s:o}", "state",
			 s->mode == BENCH_STEADY_QUICK ? "quick" : s->held ? "steady" : "not-steady",
			 "rounds", rounds);
	if (s->mode == BENCH_STEADY_WAIT) {
		json_object_set_new(json, "test", json_string(test));
		json_object_set_new(json, "range", result_number(s->range));
		json_object_set_new(json, "slope", result_number(s->slope));
	}
	if (steady_changed(s, &change))
		json_object_set_new(json, "change",
				    json_pack("{s:i, s:o, s:o}", "at", (int)change.at + 1, "from",
					      result_number(change.from), "to",
					      result_number(change.to)));
	return json;
}
