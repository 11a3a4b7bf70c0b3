/* SPDX-License-Identifier: BSD-2-Clause */
/* The receipt of a trial: what the module says it moved, held against what its rings and the block
 * layer counted by themselves. A number that only its author knows of is worth little. */
#ifndef CORE_RECEIPT_H
#define CORE_RECEIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct job_run;
struct bench_metric_set;

/* After rings and probes have put theirs; ops and bytes are the module's, of all active workers. Puts
 * the ratios. False when they differ by more than 1 % (and, at the block layer, by more than what was
 * under way at the ends of the window); text has both figures. */
bool receipt_check(const struct job_run *jr, uint64_t ops, uint64_t bytes,
		   struct bench_metric_set *set, char *text, size_t size);

#endif
