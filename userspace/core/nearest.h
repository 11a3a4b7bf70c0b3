/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CORE_NEAREST_H
#define CORE_NEAREST_H

/* Edit distance with transpositions (optimal string alignment), letters compared without case, of
 * the first 63 characters. */
unsigned nearest_distance(const char *a, const char *b);

/* Finds the candidate nearest to a misspelt name: start with {.name = name}, offer each candidate,
 * read .best (NULL when none is near enough to be what was meant). */
struct nearest {
	const char *name, *best;
	unsigned distance; /* of best */
};
void nearest_offer(struct nearest *n, const char *candidate);

#endif
