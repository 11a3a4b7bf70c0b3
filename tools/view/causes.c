// SPDX-License-Identifier: BSD-2-Clause
#include "causes.h"

#include <string.h>

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

void causes_legend(int y, int x, int width, const double *shares)
{
	int taken = 0;

	for (size_t i = 0; i < nr_causes; i++) {
		if (!(shares[i] >= 0.001))
			continue;
		if (taken + 6 + draw_len(causes[i].name) > width)
			break;
		taken += draw(y, x + taken, width - taken, causes[i].color, "%c", causes[i].letter);
		taken += draw(y, x + taken, width - taken, PLAIN, " %s %.1f%%  ", causes[i].name,
			      shares[i] * 100);
	}
}
