// SPDX-License-Identifier: BSD-2-Clause
// Commands that ran in turns, against the first of them.
#include "core/compare.h"
#include "core/exec_job.h"
#include "core/result.h"

json_t *exec_compare(const json_t *jobs)
{
	const json_t *base = NULL, *job;
	json_t *list = json_array();
	size_t i;

	json_array_foreach (jobs, i, job) {
		json_t *entry = base ? compare_jobs(base, job, "wall") : NULL;

		if (entry)
			json_array_append_new(list, entry);
		if (!base && bench_result_has_value(bench_result_metric(job, "wall", NULL, NULL)))
			base = job;
	}
	if (json_array_size(list))
		return json_pack("{s:s, s:s, s:o}", "metric", "wall", "base",
				 bench_result_str(base, "name"), "jobs", list);
	json_decref(list);
	return NULL;
}
