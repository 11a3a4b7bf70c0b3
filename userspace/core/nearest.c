// SPDX-License-Identifier: BSD-2-Clause
#include "core/nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define MAX_LEN 63

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

unsigned nearest_distance(const char *a, const char *b)
{
	unsigned row[3][MAX_LEN + 1];
	size_t la = strnlen(a, MAX_LEN), lb = strnlen(b, MAX_LEN);

	for (size_t j = 0; j <= lb; j++)
		row[0][j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned *cur = row[i % 3], *prev = row[(i - 1) % 3];

		cur[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned best = prev[j - 1] + !same(a[i - 1], b[j - 1]);

			if (prev[j] + 1 < best)
				best = prev[j] + 1;
			if (cur[j - 1] + 1 < best)
				best = cur[j - 1] + 1;
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]) &&
			    row[(i - 2) % 3][j - 2] + 1 < best)
				best = row[(i - 2) % 3][j - 2] + 1;
			cur[j] = best;
		}
	}
	return row[la % 3][lb];
}

void nearest_offer(struct nearest *n, const char *candidate)
{
	size_t len = strlen(n->name), limit = len < 4 ? 1 : len / 3 + 1;
	unsigned d = nearest_distance(n->name, candidate);

	/* What was typed as a beginning of the candidate is as good as one slip. */
	if (len >= 2 && strncasecmp(n->name, candidate, len) == 0 && d > 1)
		d = 1;
	if (d <= limit && (!n->best || d < n->distance)) {
		n->best = candidate;
		n->distance = d;
	}
}
