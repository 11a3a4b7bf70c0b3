/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CORE_SHUFFLE_H
#define CORE_SHUFFLE_H

/* Put order in random order: that of jobs within a round must not follow anything periodic of the
 * host. */
void shuffle(unsigned *order, unsigned nr);

#endif
