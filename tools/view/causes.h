/* SPDX-License-Identifier: BSD-2-Clause */
/* The causes of the ledger as parts of a bar: a letter and a colour each. */
#ifndef VIEW_CAUSES_H
#define VIEW_CAUSES_H

#include <stddef.h>
#include "draw.h"

struct cause {
	const char *name;
	char letter;
	enum color color;
};
extern const struct cause causes[];
extern const size_t nr_causes;
/* Index, or nr_causes when it is not known. */
size_t cause_index(const char *name);
/* "n blocked.net 45.9%  k kernel 22.7%  ...", the largest first, so that what does not fit into so many
 * lines is the least. The lines it took, 1 at least. */
int causes_legend(int y, int x, int width, int lines, const double *shares);

#endif
