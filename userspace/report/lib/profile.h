/* SPDX-License-Identifier: BSD-2-Clause */
/* The profile of a job in a result. */
#ifndef REPORT_LIB_PROFILE_H
#define REPORT_LIB_PROFILE_H

#include <stdbool.h>
#include "bench/result.h"

const json_t *profile_of(const json_t *job); /* NULL = it has none */
/* Is the row of "symbols" one of this element of "events"? */
bool profile_is_of(const json_t *row, const json_t *event);
bool profile_in_kernel(const json_t *row);

#endif
