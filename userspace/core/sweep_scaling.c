// SPDX-License-Identifier: BSD-2-Clause
#include "core/sweep_curve.h"

#include <math.h>
#include <string.h>

#include "bench/result.h"
#include "core/result.h"

/* A rate and how sure it is; NAN = not known. */
struct rate {
	double value, low, high;
};

/* Of what stands for the job; of a time there is none. */
static struct rate rate_of(const json_t *job)
{
	const char *figure = bench_result_str(job, "figure");
	const json_t *ops = bench_result_metric(job, *figure ? figure : "ops", NULL, NULL);
	const json_t *ci = bench_result_get(ops, "ci");
	struct rate r = { bench_result_num(ops, "value"), NAN, NAN };

	if (strcmp(bench_result_str(ops, "better"), "higher"))
		r.value = NAN;
	if (json_array_size(ci) == 2) {
		r.low = json_number_value(json_array_get(ci, 0));
		r.high = json_number_value(json_array_get(ci, 1));
	}
	return r;
}

/* {"ratio", "ci"}: the ends of one interval by the opposite ends of the other hold the true ratio
 * whenever both hold theirs, so with 90 % at least. */
static void set_ratio(json_t *object, const char *name, struct rate a, struct rate b)
{
	double low = a.low / b.high, high = a.high / b.low;

	json_object_set_new(object, name,
			    json_pack("{s:o, s:o}", "value", result_number(a.value / b.value), "ci",
				      isfinite(low) && isfinite(high)
					      ? json_pack("[o,o]", result_number(low),
							  result_number(high))
					      : json_null()));
}

/* Different cores among the CPUs of a job; CPUs of unknown cores count as one each. */
static unsigned nr_cores(const struct plan *plan, const struct plan_job *job)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < job->nr_workers; i++) {
		const struct topology_cpu *a = topology_find(plan->topology, job->cpus[i]);
		bool first = true;

		for (unsigned j = 0; j < i && first; j++) {
			const struct topology_cpu *b = topology_find(plan->topology, job->cpus[j]);

			first = job->cpus[i] != job->cpus[j] &&
				!(a && b && topology_relation(a, b) == TOPOLOGY_SMT);
		}
		nr += first;
	}
	return nr;
}

static const struct bench_option *workers_axis(const struct job_spec *spec)
{
	for (unsigned a = 0; a < spec->nr_axes; a++)
		if (!strcmp(spec->axes[a].option->name, "workers") ||
		    !strcmp(spec->axes[a].option->name, "spread"))
			return spec->axes[a].option;
	return NULL;
}

/* A job of the same line with so many workers on so many cores; NULL = none. */
static const json_t *find(const json_t *jobs, const struct plan *plan, const unsigned *indexes,
			  unsigned nr, const struct job_spec *like, unsigned workers, unsigned cores)
{
	for (unsigned i = 0; i < nr; i++) {
		const struct plan_job *job = &plan->jobs[indexes[i]];

		if (job->nr_workers == workers && nr_cores(plan, job) == cores &&
		    sweep_same_but(like, job->spec, workers_axis(like)))
			return json_array_get(jobs, indexes[i]);
	}
	return NULL;
}

json_t *sweep_scaling(const json_t *jobs, const struct plan *plan, const unsigned *indexes,
		      unsigned nr)
{
	const struct bench_option *axis = workers_axis(plan->jobs[indexes[0]].spec);
	json_t *array = json_array();

	for (unsigned i = 0; axis && i < nr; i++) {
		const struct plan_job *job = &plan->jobs[indexes[i]];
		const json_t *row = json_array_get(jobs, indexes[i]);
		const json_t *one = find(jobs, plan, indexes, nr, job->spec, 1, 1);
		unsigned cores = nr_cores(plan, job);
		const json_t *per_core = find(jobs, plan, indexes, nr, job->spec, cores, cores);
		json_t *object;

		if (job->nr_workers < 2 || !one || !(rate_of(one).value > 0) ||
		    !(rate_of(row).value > 0))
			continue;
		object = json_pack("{s:o, s:i, s:i}", "job",
				   result_text(bench_result_str(row, "name")), "workers",
				   (int)job->nr_workers, "cores", (int)cores);
		set_ratio(object, "speedup", rate_of(row), rate_of(one));
		if (cores < job->nr_workers && per_core && rate_of(per_core).value > 0)
			set_ratio(object, "smt_yield", rate_of(row), rate_of(per_core));
		json_array_append_new(array, object);
	}
	if (json_array_size(array))
		return array;
	json_decref(array);
	return NULL;
}
