/* SPDX-License-Identifier: BSD-2-Clause */
/* The shape of a curve: where it leaves a level, where it settles on its last one. */
#ifndef CORE_SWEEP_SHAPE_H
#define CORE_SWEEP_SHAPE_H

#include <stdbool.h>

/* Fewer points have no shape. */
#define SHAPE_LEAST 4
/* Values within this of each other are one level: a first TLB that no longer reaches adds up to a sixth to
 * the loads of a cache that holds them all. A set of caches makes steps of a factor of two and
 * more, what a host does to two equal runs is a few per cent. */
#define SHAPE_LEVEL 0.18
/* Behind a knee the curve gets so far away from the level, within so many points. */
#define SHAPE_STEP 0.25
#define SHAPE_REACH 3
/* Knees of one curve at most. */
#define SHAPE_KNEES 8

struct shape_point {
	double x, y; /* y > 0; x ascending */
};

enum shape_kind {
	SHAPE_LEAVES,  /* the end of a level: x low is on it, x high is not */
	SHAPE_SETTLES, /* the beginning of the last level: x low is not on it, x high is */
	SHAPE_DOUBLES, /* y is twice that of the first point: at x high, not at x low */
};

struct shape_knee {
	enum shape_kind kind;
	unsigned low, high; /* points, neighbours */
	double level;	    /* median of the level; DOUBLES: y of the first point */
};

/* The knees of a curve, from low to high x; how many. Two neighbours within SHAPE_LEVEL at least make
 * a level, and what follows belongs to it as long as all of it is within that. Its end is a knee when the
 * curve changes more to the next point than twice the mean of the steps within, and gets SHAPE_STEP away. */
unsigned shape_knees(const struct shape_point *points, unsigned nr,
		     struct shape_knee ret_knees[SHAPE_KNEES]);
/* The first point with twice the y of point 0; false when there is none. */
bool shape_doubles(const struct shape_point *points, unsigned nr, struct shape_knee *ret_knee);
/* y at x, straight between the two points around it; NAN outside of them. */
double shape_at(const struct shape_point *points, unsigned nr, double x);

#endif
