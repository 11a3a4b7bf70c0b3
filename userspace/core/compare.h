/* SPDX-License-Identifier: BSD-2-Clause */
/* Jobs that ran in turns, against one of them. Two trials of one round are a pair: what the host did
 * to both cancels in their ratio. */
#ifndef CORE_COMPARE_H
#define CORE_COMPARE_H

#include <jansson.h>

/* {"job", "ratio", "paired_ratio", "ci", "pairs", "verdict"} of job against base by this metric; NULL
 * when one of them has no value of it. Trial i of a job is that of round i: a job that fails has no
 * further ones. New reference. */
json_t *compare_jobs(const json_t *base, const json_t *job, const char *metric);

/* --- core/compare_runtimes.c --- */

/* An entry of result.comparisons: the job on io_uring against the one on the blocking runtime, with
 * what explains the difference. NULL when they cannot be compared. New reference. */
json_t *compare_runtimes(const json_t *uring, const json_t *blocking);

#endif
