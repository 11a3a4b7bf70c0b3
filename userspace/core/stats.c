// SPDX-License-Identifier: BSD-2-Clause
/* Statistics that assume nothing about the distribution: trials on a shared host are skewed. */
#include <math.h>
#include <stdlib.h>

#include "core/result.h"

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double stats_median(double *values, unsigned nr)
{
	if (!nr)
		return NAN;
	qsort(values, nr, sizeof(*values), compare);
	if (nr % 2)
		return values[nr / 2];
	/* Halves first: the sum of two huge values could overflow. */
	return values[nr / 2 - 1] / 2 + values[nr / 2] / 2;
}

/* P(exactly k of nr values lie below the median), each with probability 1/2. */
static double binomial_half(unsigned nr, unsigned k)
{
	int sign;

	return exp(lgamma_r(nr + 1.0, &sign) - lgamma_r(k + 1.0, &sign) -
		   lgamma_r(nr - k + 1.0, &sign) - nr * M_LN2);
}

bool stats_median_ci95(const double *sorted, unsigned nr, double *ret_low, double *ret_high)
{
	double outside = 0;
	unsigned rank = 0; /* the interval is [rank-th smallest, rank-th largest] */

	/* The median is below the rank-th smallest value when fewer than rank values lie below it;
	 * the same at the other end, so each side may take 2.5 %. */
	while (rank < nr / 2) {
		outside += binomial_half(nr, rank);
		if (outside > 0.025)
			break;
		rank++;
	}
	if (!rank)
		return false;
	*ret_low = sorted[rank - 1];
	*ret_high = sorted[nr - rank];
	return true;
}

bool stats_supports(uint64_t count, double q)
{
	/* 100 * (1 - 0.9) is a little below 10 in binary. */
	return (double)count * (1 - q) >= 10 - 1e-6;
}
