// SPDX-License-Identifier: BSD-2-Clause
#include "core/shuffle.h"

#include <stdint.h>
#include <sys/random.h>

#include "bench/clock.h"

void shuffle(unsigned *order, unsigned nr)
{
	for (unsigned i = nr; i > 1; i--) {
		uint64_t random;
		unsigned j, kept = order[i - 1];

		if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
			random = bench_now_ns() / 100;
		j = (unsigned)(random % i);
		order[i - 1] = order[j];
		order[j] = kept;
	}
}
