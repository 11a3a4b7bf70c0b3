// SPDX-License-Identifier: BSD-2-Clause
// A command's job as an object of the result.
#include <string.h>

#include "core/exec_job.h"
#include "core/exec_plan.h"
#include "core/result.h"
#include "core/series.h"

/* A median over statuses says nothing: the value is that of the first run that failed. */
static void sum_up_failures(struct exec_job *job, json_t *metrics)
{
	json_t *metric, *trial;
	size_t i, n;

	json_array_foreach (metrics, i, metric) {
		json_t *trials = json_object_get(metric, "trials");
		unsigned nr_failed = 0;
		double first = 0;

		if (strcmp(bench_result_str(metric, "name"), "exit_status") != 0)
			continue;
		json_array_foreach (trials, n, trial) {
			if (!(json_number_value(trial) > 0))
				continue;
			if (!nr_failed++)
				first = json_number_value(trial);
		}
		json_object_set_new(metric, "value", result_number(first));
		json_object_set_new(metric, "ci", json_null());
		if (nr_failed)
			result_warn(job->session->run->result, "%u of %zu runs failed (status %.0f)", nr_failed,
				    json_array_size(trials), first);
	}
}

/* What was asked for beside the command; what was not is left out. */
static void put_params(const struct exec_session *s, const struct exec_spec *spec, json_t *params)
{
	static const char *const names[EXEC_NR_HOOKS] = { "setup", "prepare", "cleanup" };

	for (unsigned h = 0; h < EXEC_NR_HOOKS; h++)
		if (spec->hooks[h] >= 0)
			json_object_set_new(params, names[h],
					    result_text(s->plan->commands[spec->hooks[h]][2]));
	if (s->settings->timeout_ns)
		json_object_set_new(params, "timeout",
				    json_integer((json_int_t)s->settings->timeout_ns));
}

json_t *exec_row(struct exec_job *job)
{
	const struct exec_session *s = job->session;
	const struct exec_spec *spec = job->spec;
	json_t *metrics = metric_set_json(job->metrics), *argv = json_array(), *object, *series;
	const char *reason = job->reason[0] ? job->reason : NULL;

	for (unsigned i = 0; job->argv[i]; i++)
		json_array_append_new(argv, result_text(job->argv[i]));
	sum_up_failures(job, metrics);
	object = json_pack("{s:o, s:s, s:s, s:s, s:s, s:o, s:s, s:{s:o, s:I, s:b}, s:[], s:i, s:n, s:o}",
			   "name", result_text(spec->name), "module", "exec", "exec", "blocking",
			   "runtime", runtime_name(runtime_active(s->run->runtime)), "status",
			   job->status, "reason", result_text(reason), "op", "one run of the command",
			   "params", "argv", argv, "warmup", (json_int_t)s->settings->warmup_runs,
			   "discard_output", (int)s->settings->discard_output, "placement", "trials",
			   (int)job->nr_trials, "trial_ns", "metrics", metrics);
	put_params(s, spec, json_object_get(object, "params"));
	if (spec->params)
		json_object_set_new(object, "sweep", json_pack("{s:o, s:O}", "name",
							       result_text(spec->sweep), "params",
							       spec->params));
	if (json_array_size(job->warnings))
		json_object_set(object, "warnings", job->warnings);
	probe_stacks(s->run->probes, (unsigned)(job - s->jobs), object);
	if (job->observer.on)
		json_object_set_new(object, "control_trials",
				    json_integer(job->observer.nr_pairs));
	if (job->sampler && sampler_first_ns(job->sampler))
		json_object_set_new(object, "at_ns",
				    json_integer((json_int_t)(sampler_first_ns(job->sampler) -
							      s->run->started_ns)));
	series = job->sampler ? sampler_json(job->sampler) : NULL;
	if (series)
		json_object_set_new(object, "series", series);
	return object;
}
