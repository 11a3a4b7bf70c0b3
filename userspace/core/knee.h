/* SPDX-License-Identifier: BSD-2-Clause */
/* The knee of a sweep over load: more of it buys hardly more throughput, but latency. */
#ifndef CORE_KNEE_H
#define CORE_KNEE_H

#include <jansson.h>

/* Set sweep.knee (true) of the jobs that are the knee of their sweep: of the jobs that differ in one
 * parameter of load (depth, flows, ...) the one with the most power, which is throughput / mean latency
 * (L. Kleinrock, Power and deterministic rules of thumb, ICC 1979). None where fewer than three such
 * jobs have both numbers, or where power still grows at the largest load. */
void knee_mark(json_t *jobs);

#endif
