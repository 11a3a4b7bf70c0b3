// SPDX-License-Identifier: BSD-2-Clause
#include "core/sweep_shape.h"

#include <math.h>
#include <stdlib.h>

#include "core/result.h"

/* The last point of the level that begins with point `first`; `first` itself when none does. */
static unsigned level_end(const struct shape_point *points, unsigned nr, unsigned first)
{
	double low = points[first].y, high = low;
	unsigned last = first;

	for (unsigned i = first + 1; i < nr; i++) {
		low = fmin(low, points[i].y);
		high = fmax(high, points[i].y);
		if (high > low * (1 + SHAPE_LEVEL))
			break;
		last = i;
	}
	return last;
}

static double level_of(const struct shape_point *points, unsigned first, unsigned last)
{
	unsigned nr = last - first + 1;
	double *values = calloc(nr, sizeof(*values)), median;

	if (!values)
		return points[first].y;
	for (unsigned i = 0; i < nr; i++)
		values[i] = points[first + i].y;
	median = stats_median(values, nr);
	free(values);
	return median;
}

/* Is the end of the level a knee? A slope that flattens out is within the width of a level for a few
 * points, too, but goes on more slowly after them than it came; and noise on a level does not get
 * anywhere. */
static bool turns(const struct shape_point *points, unsigned nr, unsigned first, unsigned last)
{
	double within = fabs(log(points[last].y / points[first].y)) / (last - first);
	double after = fabs(log(points[last + 1].y / points[last].y));
	double level = level_of(points, first, last);

	if (after <= 2 * within)
		return false;
	for (unsigned i = last + 1; i < nr && i <= last + SHAPE_REACH; i++)
		if (fabs(log(points[i].y / level)) >= log(1 + SHAPE_STEP))
			return true;
	return false;
}

unsigned shape_knees(const struct shape_point *points, unsigned nr,
		     struct shape_knee ret_knees[SHAPE_KNEES])
{
	unsigned found = 0, first = 0;

	if (nr < SHAPE_LEAST)
		return 0;
	while (first < nr && found < SHAPE_KNEES) {
		unsigned last = level_end(points, nr, first);

		if (last == first || (last + 1 < nr && !turns(points, nr, first, last))) {
			first++;
			continue;
		}
		if (last + 1 < nr)
			ret_knees[found++] = (struct shape_knee){
				SHAPE_LEAVES, last, last + 1, level_of(points, first, last)
			};
		else if (first > 0)
			ret_knees[found++] = (struct shape_knee){
				SHAPE_SETTLES, first - 1, first, level_of(points, first, last)
			};
		first = last + 1;
	}
	return found;
}

bool shape_doubles(const struct shape_point *points, unsigned nr, struct shape_knee *ret_knee)
{
	for (unsigned i = 1; i < nr; i++) {
		if (points[i].y < 2 * points[0].y)
			continue;
		*ret_knee = (struct shape_knee){ SHAPE_DOUBLES, i - 1, i, points[0].y };
		return true;
	}
	return false;
}

double shape_at(const struct shape_point *points, unsigned nr, double x)
{
	for (unsigned i = 1; i < nr; i++) {
		const struct shape_point *a = &points[i - 1], *b = &points[i];

		if (x < a->x || x > b->x)
			continue;
		return b->x > a->x ? a->y + (b->y - a->y) * (x - a->x) / (b->x - a->x) : a->y;
	}
	return NAN;
}
