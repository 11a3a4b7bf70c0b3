/* SPDX-License-Identifier: BSD-2-Clause */
/* What the jobs of a sweep say together: knees of the curve, and scaling over workers. */
#ifndef CORE_SWEEP_CURVE_H
#define CORE_SWEEP_CURVE_H

#include <jansson.h>
#include "bench/module.h"
#include "core/plan.h"

/* Set "sweeps" of the result from its "jobs", which are those of the plan, in its order. Jobs without
 * a value are left out. A result without sweeps gets none. */
void sweep_curves_add(json_t *result, const struct plan *plan);

/* Set "figure", "figure_over" and "figure_marks" of a job's object: what its module said. */
void sweep_curve_figure(json_t *object, const struct bench_job *job);

/* --- core/sweep_scaling.c --- */

/* Jobs that differ in their number of workers alone: the rate of each to that of one worker, and of
 * hardware threads to that of their cores. indexes are those of nr jobs. New reference, NULL = there is
 * nothing to tell. */
json_t *sweep_scaling(const json_t *jobs, const struct plan *plan, const unsigned *indexes,
		      unsigned nr);

/* Do two jobs of a sweep agree in all that varies but `option`? */
bool sweep_same_but(const struct job_spec *a, const struct job_spec *b,
		    const struct bench_option *option);

#endif
