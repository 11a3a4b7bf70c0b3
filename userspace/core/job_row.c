// SPDX-License-Identifier: BSD-2-Clause
// A job as an object of the result.
#include <string.h>

#include "core/job.h"
#include "core/option.h"
#include "core/remote.h"
#include "core/result.h"
#include "core/sweep_curve.h"

/* {"name", "params"}: of which sweep the job is, and where in it. */
static json_t *sweep_json(const struct job_spec *spec)
{
	json_t *params = json_object();

	for (unsigned a = 0; a < spec->nr_axes; a++) {
		const struct bench_option *opt = spec->axes[a].option;

		json_object_set_new(params, opt->name,
				    option_value_json(opt, job_spec_params(spec, opt)));
	}
	return json_pack("{s:o, s:o}", "name", result_text(spec->sweep), "params", params);
}

json_t *job_not_run(const struct run *run, const struct plan_job *plan, const char *status,
		    const char *reason)
{
	const struct bench_module *m = plan->spec->module;
	json_t *cpus = json_array(), *object;

	for (unsigned i = 0; plan->cpus && i < plan->nr_workers; i++)
		json_array_append_new(cpus, json_integer(plan->cpus[i]));
	object = json_pack("{s:o, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:i, s:I, s:[]}", "name",
			 result_text(plan->spec->name), "module", m->name, "exec",
			 m->exec == BENCH_EXEC_ASYNC ? "async" : "blocking", "runtime",
			 runtime_name(plan->runtime), "status", status, "reason",
			 result_text(reason),
			 "params", option_json(m->options, plan->spec->params), "placement", cpus,
			 "trials", 0, "trial_ns", (json_int_t)run->settings->duration_ns, "metrics");
	if (plan->spec->sweep)
		json_object_set_new(object, "sweep", sweep_json(plan->spec));
	return object;
}

/* The server's CPU time is for the operations of the client, which alone counts them. */
static void put_peer(json_t *object, json_t *peer)
{
	const json_t *clock = bench_result_metric(bench_result_get(peer, "job"), "task-clock", "scope",
						  "worker");
	const json_t *ops = bench_result_metric(object, "ops", NULL, NULL);
	double nr = bench_result_num(ops, "value") * bench_result_num(object, "trial_ns") / 1e9;

	json_object_set(object, "peer", peer);
	if (bench_result_has_value(clock) && bench_result_has_value(ops) && nr > 0)
		json_object_set_new(peer, "cpu_per_op_ns",
				    result_number(bench_result_num(clock, "value") / nr));
}

json_t *execution_so_far(const struct execution *x)
{
	json_t *object = job_not_run(x->run, x->plan, x->status, x->reason[0] ? x->reason : NULL);
	const struct bench_module *m = x->plan->spec->module;

	if (!strcmp(x->status, "skipped"))
		return object;
	json_object_set_new(object, "op", json_string(m->op));
	sweep_curve_figure(object, &x->jr.job);
	json_object_set_new(object, "trials", json_integer(x->nr_trials));
	json_object_set_new(object, "metrics", metric_set_json(x->metrics));
	return object;
}

json_t *execution_row(struct execution *x)
{
	json_t *object = execution_so_far(x);

	if (!strcmp(x->status, "skipped"))
		return object;
	if (x->first_ns)
		json_object_set_new(object, "at_ns",
				    json_integer((json_int_t)(x->first_ns - x->run->started_ns)));
	if (json_array_size(x->warnings))
		json_object_set(object, "warnings", x->warnings);
	probe_stacks(x->run->probes, x->group, object);
	if (x->remote && remote_row(x->remote))
		put_peer(object, remote_row(x->remote));
	if (x->observer.on)
		json_object_set_new(object, "control_trials", json_integer(x->observer.nr_pairs));
	execution_search_json(x, object);
	if (x->slow)
		json_object_set_new(object, "slow", x->slow);
	if (x->series)
		json_object_set_new(object, "series", x->series);
	return object;
}
