// SPDX-License-Identifier: BSD-2-Clause
// Two jobs in turns: both are set up, then each round has a trial of either, so that what changes on
// the host slowly meets both.
#include <stdio.h>

#include "core/compare.h"
#include "core/job.h"
#include "core/result.h"
#include "core/shuffle.h"
#include "core/trace.h"
#include "core/verdict.h"

#define NR 2

/* The n-th of the pair is at work. */
static void announce(struct run *run, const struct plan_job *job, unsigned first, unsigned n)
{
	run->progress.job = first + n;
	snprintf(run->progress.name, sizeof(run->progress.name), "%s", job->spec->name);
}

static void rounds(struct run *run, struct execution *x, unsigned first)
{
	unsigned order[NR] = { 0, 1 };

	for (uint64_t i = 0; i < run->settings->trials; i++) {
		shuffle(order, NR);
		for (unsigned n = 0; n < NR; n++) {
			announce(run, x[order[n]].plan, first, order[n]);
			execution_trial(&x[order[n]]);
		}
	}
}

void turns_execute(struct run *run, const struct plan_job *pair, json_t *jobs)
{
	struct execution x[NR];
	unsigned first = run->progress.job - 1; /* of them, by number */
	json_t *rows[NR], *comparison;

	for (unsigned n = 0; n < NR; n++)
		execution_init(&x[n], run, &pair[n], n);
	for (unsigned n = 0; n < NR; n++) {
		announce(run, &pair[n], first, n);
		execution_enter(&x[n]);
	}
	for (unsigned n = 0; n < NR; n++)
		execution_warm_up(&x[n]);
	rounds(run, x, first);
	for (unsigned n = 0; n < NR; n++)
		execution_count_calls(&x[n]);
	for (unsigned n = 0; n < NR; n++)
		execution_leave(&x[n]);
	for (unsigned n = 0; n < NR; n++) {
		rows[n] = execution_row(&x[n]);
		execution_done(&x[n]);
		verdict_add(rows[n]);
		json_array_append_new(jobs, rows[n]);
		live_job(run->live, x[n].index + 1, rows[n], 0, true);
		trace_job(run->trace, x[n].index, rows[n]);
	}
	comparison = compare_runtimes(rows[0], rows[1]);
	if (!comparison)
		return;
	if (!json_object_get(run->result, "comparisons"))
		json_object_set_new(run->result, "comparisons", json_array());
	json_array_append_new(json_object_get(run->result, "comparisons"), comparison);
}
