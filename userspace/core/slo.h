/* SPDX-License-Identifier: BSD-2-Clause */
/* slo=p99:2ms: the highest rate of an open loop at which a percentile of the latency keeps a target.
 * The search is over the rate and nothing else: the number of operations in flight follows from it. */
#ifndef CORE_SLO_H
#define CORE_SLO_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "bench/error.h"

struct slo_target {
	double quantile; /* 0..1 */
	uint64_t ns;
};

/* What became of one rate. */
enum slo_outcome {
	SLO_KEPT,
	SLO_LATENCY,   /* the percentile is above the target */
	SLO_BEHIND,    /* more and more of them wait: the rate cannot last */
	SLO_GENERATOR, /* the load generator itself was late: says nothing of what is measured */
	SLO_TOO_FEW,   /* operations for that percentile */
};

struct slo_try {
	double rate;	   /* due per second */
	double done;	   /* ended per second */
	double latency_ns; /* at the quantile; NAN when too few ended */
	double mean_ns;	   /* of the latency */
	double left;	   /* operations due in the window that had not ended by its end */
	enum slo_outcome outcome;
};

#define SLO_MAX_TRIES 40
/* Windows that a search takes as a rule, with the knee. */
#define SLO_WINDOWS 12

struct slo {
	struct slo_target target;
	struct slo_try tries[SLO_MAX_TRIES];
	unsigned nr;
	double capacity; /* ops per second when as many are due as can be done */
	double rate;	 /* the highest that kept the target; 0 = none did */
	double over;	 /* the lowest above it that did not; 0 = none was found */
	enum slo_outcome over_outcome;
};

/* "p99:2ms", "p99.9:500us". -EINVAL and why. */
int slo_parse(const char *text, struct slo_target *ret_target, struct bench_err *err);

/* How long a window at this rate has to be, ns: for the quantile to be told, ten times the target, so that
 * a line that grows is seen, and at least least_ns. */
uint64_t slo_window_ns(const struct slo_target *target, double rate, uint64_t least_ns);

/* Search. attempt() runs one window at a rate and fills ret_try but for its outcome, or fails (a
 * positive value: interrupted). The first attempt, at SLO_FLOOD, asks for the capacity. A rate is
 * missed when two windows in a row miss: one may be a disturbance. 0, or what attempt() gave. */
#define SLO_FLOOD 1e7
int slo_search(struct slo *slo, int (*attempt)(void *arg, double rate, struct slo_try *ret_try),
	       void *arg);

/* What the numbers of one rate say of the target. */
enum slo_outcome slo_judge(const struct slo_target *target, const struct slo_try *t);

/* target, rate, over, capacity, tries. New reference. */
json_t *slo_json(const struct slo *slo);

#endif
