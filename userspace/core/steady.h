/* SPDX-License-Identifier: BSD-2-Clause */
/* Steady state: is the speed of the last rounds the same, and did its level change on the way, as when
 * a write cache is full? */
#ifndef CORE_STEADY_H
#define CORE_STEADY_H

#include <jansson.h>
#include <stdbool.h>
#include "bench/module.h"

/* The window and the bounds of SNIA's Solid State Storage Performance Test Specification 2.0.2: five
 * rounds, of which the largest and the smallest are at most 20 % of their mean apart, and whose
 * least-squares line rises or falls by at most 10 % of it. */
#define STEADY_WINDOW 5
#define STEADY_RANGE 0.20
#define STEADY_SLOPE 0.10
/* A change of level: so many rounds on each side, and none of one side among those of the other. */
#define STEADY_SIDE 3
#define STEADY_LEVEL 0.20

#define STEADY_MAX_ROUNDS 4096

struct steady {
	enum bench_steady mode;
	double *rounds;	    /* ops per second: rounds, then trials */
	unsigned nr, nr_rounds; /* of all; of them before the trials */
	double range, slope; /* of the last STEADY_WINDOW rounds, shares of their mean; NAN below */
	bool held;
};

struct steady_change {
	unsigned at;	 /* the first round of the new level, 0 = the first of all */
	double from, to; /* medians */
};

/* Rounds go on until steady_add() says true or the time is over. False when out of memory. */
bool steady_init(struct steady *s, enum bench_steady mode);
void steady_done(struct steady *s);
/* One more round, in ops per second. True when the test holds now. */
bool steady_add(struct steady *s, double speed);
/* The speed of a trial, which is no round but may be on another level. */
void steady_add_trial(struct steady *s, double speed);
/* The largest change of level, if there is one. */
bool steady_changed(const struct steady *s, struct steady_change *ret_change);
/* state, rounds, test; NULL for BENCH_STEADY_NONE. New reference. */
json_t *steady_json(const struct steady *s);

#endif
