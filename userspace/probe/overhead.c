// SPDX-License-Identifier: BSD-2-Clause
/* What the probes cost and what they missed. */
#include "probe/blame.h"
#include "probe/set.h"

#include <string.h>

/* Above this share of lost events or of time that had to be guessed, say so in the warnings. */
#define LOSS_WORTH_TELLING 0.001

static json_t *programs_json(const struct probe_set *set, double *ret_ns)
{
	json_t *list = json_array();

	*ret_ns = 0;
	for (unsigned i = 0; i < set->nr_objects; i++)
		for (unsigned k = 0; k < set->objects[i].nr_runs; k++) {
			const struct probe_run *run = &set->objects[i].runs[k];
			double ns = run->ns * (double)run->nr;
			json_t *ns_json = run->ns > 0 ? json_real(run->ns) : json_null();

			if (run->prog_fd < 0)
				continue;
			*ret_ns += ns;
			json_array_append_new(list,
					      json_pack("{s:s, s:s, s:I, s:o}", "probe",
							set->objects[i].image->name, "event",
							run->event, "runs", (json_int_t)run->nr,
							"ns_per_run", ns_json));
		}
	return list;
}

static json_t *events_json(const struct probe_set *set)
{
	json_t *by_cpu = json_array();

	for (unsigned i = 0; i < set->nr_cpus; i++)
		json_array_append_new(by_cpu, json_integer((json_int_t)set->lost_by_cpu[i]));
	return json_pack("{s:I, s:I, s:o, s:I, s:I, s:I, s:I}", "switches",
			 (json_int_t)set->total.seen, "lost", (json_int_t)set->total.lost,
			 "lost_by_cpu", by_cpu, "repaired", (json_int_t)set->total.repaired,
			 "ambiguous_ns", (json_int_t)set->total.ambiguous_ns, "backwards",
			 (json_int_t)set->total.backwards, "untracked",
			 (json_int_t)set->windows->no_tag);
}

static json_t *checks_json(const struct probe_set *set)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < set->nr_check; i++)
		json_array_append_new(list, json_string(set->check[i]));
	return list;
}

/* Which of the ways around what a kernel lacks are taken. */
static json_t *mode_json(const struct probe_mode *mode)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "programs", mode->raw ? "raw_tp" : "tp_btf",
			 "threads", mode->storage ? "task_storage" : "hash_map", "depth",
			 mode->depth_exact ? "run_queue" : "events", "blocked",
			 mode->regs ? "system_call" : "iowait");
}

void overhead_add(struct probe_set *set)
{
	struct ledger_sum sum;

	if (!set->sched || !set->sched->values)
		return;
	ledger_sum(set, false, &sum);
	set->workers_ns += (double)sum.ledger.time_ns[PROBE_RUNNING];
	set->observer_ns += wall_observer_ns(set, &sum.ledger);
}

json_t *probe_overhead(struct probe_set *set)
{
	json_t *json = json_object(), *programs;
	double ns, time;

	if (!set->windows)
		return json;
	programs = programs_json(set, &ns);
	time = (double)set->window_ns * CPU_COUNT(&set->allowed);
	json_object_set_new(json, "programs", programs);
	json_object_set_new(json, "mode", mode_json(&set->mode));
	json_object_set_new(json, "program_ns", json_real(ns));
	json_object_set_new(json, "share", time > 0 ? json_real(ns / time) : json_null());
	json_object_set_new(json, "worker_cpu_ns", json_real(set->workers_ns));
	json_object_set_new(json, "worker_share",
			    set->workers_ns > 0 ? json_real(set->observer_ns / set->workers_ns)
						: json_null());
	if (set->nr_check)
		json_object_set_new(json, "failed_checks", checks_json(set));
	json_object_set_new(
		json, "method",
		json_string(
			"runs are counted by the programs themselves in the timed windows; "
			"ns_per_run is what the kernel measured during the "
			"self-check, the median of its means over a few ms each, less that of an empty program; null = it did not "
			"run then, and is not part of the share; the dispatch of a "
			"tracepoint (5 to 12 ns on bare metal) is not in it; share is of the "
			"time of all allowed CPUs, worker_share of the CPU time of the followed "
			"threads, by their part of the context switches"));
	json_object_set_new(json, "events", events_json(set));
	json_object_set_new(json, "window_ns", json_integer((json_int_t)set->window_ns));
	json_object_set_new(json, "open_ns", json_integer((json_int_t)set->open_ns));
	json_object_set_new(json, "check_ns", json_integer((json_int_t)set->check_ns));
	return json;
}

__attribute__((format(printf, 2, 3))) static void warn(json_t *warnings, const char *fmt, ...)
{
	char text[320];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_append_new(warnings, json_string(text));
}

void probe_warnings(struct probe_set *set, json_t *warnings)
{
	const struct probe_losses *l = &set->last;
	double all = (double)(l->seen + l->lost);
	char text[256];

	for (unsigned i = 0; i < set->nr_check; i++)
		warn(warnings, "%s", set->check[i]);
	if (!set->windows)
		return;
	laws_warn(set, warnings);
	if (l->lost >= 10 && (double)l->lost > all * LOSS_WORTH_TELLING)
		warn(warnings,
		     "%llu of %.0f context switches did not reach the probes: sched.switches and "
		     "sched.offcpu may be that much off",
		     (unsigned long long)l->lost, all);
	if ((double)l->ambiguous_ns > (double)(set->end_ns - set->start_ns) * LOSS_WORTH_TELLING)
		warn(warnings,
		     "%.3f ms of the tracked threads' time is a guess: events missed: %llu",
		     (double)l->ambiguous_ns / 1e6, (unsigned long long)l->repaired);
	if (blame_breach(set, text, sizeof(text)))
		warn(warnings, "%s", text);
	if (set->windows->no_tag)
		warn(warnings,
		     "%llu new threads could not be followed: more than %d were alive at one time",
		     (unsigned long long)set->windows->no_tag, PROBE_THREADS);
}
