/* SPDX-License-Identifier: BSD-2-Clause */
/* Progress on stderr: one line redrawn on a terminal, one line a job elsewhere. */
#ifndef CORE_PROGRESS_H
#define CORE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct live;

struct progress {
	bool quiet, tty;
	bool drawn;	       /* a line stands on the terminal */
	unsigned job, nr_jobs; /* 1-based */
	uint64_t end_ns;       /* when the whole run should be over; 0 = unknown */
	char name[64];
	struct live *live; /* is told the same; NULL = none */
};

void progress_init(struct progress *p, bool quiet, unsigned nr_jobs);
/* The whole run begins, and should take expected_ns. */
void progress_run(struct progress *p, unsigned nr_jobs, uint64_t expected_ns);
/* A new job begins. */
void progress_job(struct progress *p, unsigned job, const char *name);
/* What it does now: "trial 2/6". */
void progress_step(struct progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Remove the line before something else is printed. */
void progress_clear(struct progress *p);

#endif
