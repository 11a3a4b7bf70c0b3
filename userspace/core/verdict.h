/* SPDX-License-Identifier: BSD-2-Clause */
/* Conclusions from the finished metrics of a job. */
#ifndef CORE_VERDICT_H
#define CORE_VERDICT_H

#include <jansson.h>

#define VERDICT_MAX 2

/* Set "verdicts" of a job's object from its "metrics": at most VERDICT_MAX of
 * {"claim", "evidence": [{"metric", "value", "unit"}]}, the most telling first. A job without
 * enough evidence, or whose numbers do not count, gets none. */
void verdict_add(json_t *job);

#endif
