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

double stats_mean(const double *values, unsigned nr)
{
	double sum = 0;

	for (unsigned i = 0; i < nr; i++)
		sum += values[i];
	return nr ? sum / nr : NAN;
}

/* The 97.5 % quantile of Student's t with df degrees of freedom. Abramowitz and Stegun 26.7.5; off by
 * less than 0.1 % from df = 5 on. */
static double student_975(unsigned df)
{
	const double z = 1.959964, n = df;
	double z2 = z * z;

	return z + z * (z2 + 1) / (4 * n) + z * ((5 * z2 + 16) * z2 + 3) / (96 * n * n) +
	       z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / (384 * n * n * n);
}

bool stats_mean_ci95(const double *values, unsigned nr, double *ret_low, double *ret_high)
{
	double mean = stats_mean(values, nr), squares = 0, half;

	if (nr < 6)
		return false;
	for (unsigned i = 0; i < nr; i++)
		squares += (values[i] - mean) * (values[i] - mean);
	half = student_975(nr - 1) * sqrt(squares / (nr - 1) / nr);
	*ret_low = mean - half;
	*ret_high = mean + half;
	return true;
}

bool stats_supports(uint64_t count, double q)
{
	/* 100 * (1 - 0.9) is a little below 10 in binary. */
	return (double)count * (1 - q) >= 10 - 1e-6;
}
