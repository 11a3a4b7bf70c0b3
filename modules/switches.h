/* SPDX-License-Identifier: BSD-2-Clause */
/* Context switches of the calling thread, as the kernel counts them. */
#ifndef MODULES_SWITCHES_H
#define MODULES_SWITCHES_H

#include <stdint.h>
#include <sys/resource.h>

struct switches {
	uint64_t voluntary, all;
};

/* Beside those of the workload: the wait for the start of the window, a lock, preemption. */
#define SWITCHES_SLACK 16

static inline struct switches switches_now(void)
{
	struct rusage u;

	/* Cannot fail with a valid address. */
	(void)getrusage(RUSAGE_THREAD, &u);
	return (struct switches){ .voluntary = (uint64_t)u.ru_nvcsw,
				  .all = (uint64_t)(u.ru_nvcsw + u.ru_nivcsw) };
}

static inline struct switches switches_since(struct switches begin)
{
	struct switches now = switches_now();

	return (struct switches){ .voluntary = now.voluntary - begin.voluntary,
				  .all = now.all - begin.all };
}

#endif
