// SPDX-License-Identifier: BSD-2-Clause
#include "causes.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A smaller share is not told. */
#define CAUSES_LEAST 0.001

/* In the order of the result: work, interruptions, waiting for a CPU, blocked. */
const struct cause causes[] = {
	{ "user", 'u', GOOD },
	{ "kernel", 'k', ACCENT },
	{ "oncpu", 'c', GOOD }, /* of a time series: user and kernel together */
	{ "hardirq", 'h', WARN },
	{ "softirq", 's', WARN },
	{ "steal", 'S', BAD },
	{ "runqueue", 'R', BAD },
	{ "blocked.disk", 'd', BOLD },
	{ "blocked.net", 'n', BOLD },
	{ "blocked.futex", 'f', BOLD },
	{ "blocked.ipc", 'i', BOLD },
	{ "blocked.timer", 't', DIM },
	{ "blocked.fault", 'p', BOLD },
	{ "blocked.uring", 'q', BOLD },
	{ "blocked.other", 'o', BOLD },
	{ "observer", 'B', WARN },
	{ "unaccounted", '?', BAD },
};
const size_t nr_causes = sizeof(causes) / sizeof(causes[0]);

size_t cause_index(const char *name)
{
	size_t i = 0;

	while (i < nr_causes && strcmp(causes[i].name, name))
		i++;
	return i;
}

static size_t largest(const double *shares, const bool *told)
{
	size_t best = nr_causes;

	for (size_t i = 0; i < nr_causes; i++)
		if (!told[i] && shares[i] >= CAUSES_LEAST && (best == nr_causes || shares[i] > shares[best]))
			best = i;
	return best;
}

int causes_legend(int y, int x, int width, int lines, const double *shares)
{
	bool told[sizeof(causes) / sizeof(causes[0])] = { false };
	int line = 0, taken = 0;
	size_t i;

	while ((i = largest(shares, told)) < nr_causes) {
		char share[32];

		snprintf(share, sizeof(share), " %s %.1f%%", causes[i].name, shares[i] * 100);
		if (taken > 0 && taken + 1 + draw_len(share) > width) {
			if (++line >= lines)
				break;
			taken = 0;
		}
		taken += draw(y + line, x + taken, width - taken, causes[i].color, "%c", causes[i].letter);
		taken += draw(y + line, x + taken, width - taken, PLAIN, "%s", share) + 2;
		told[i] = true;
	}
	return line < lines ? line + 1 : lines;
}
