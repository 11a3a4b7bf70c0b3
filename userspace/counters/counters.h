/* SPDX-License-Identifier: BSD-2-Clause */
/* perf events by name: libpfm4 and sysfs for the encoding, perf_event_open for the reading. */
#ifndef COUNTERS_COUNTERS_H
#define COUNTERS_COUNTERS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <jansson.h>
#include "bench/error.h"
#include "bench/metric.h"

/* The events asked for, resolved to encodings and proved to open on this host, or each with the
 * status and reason why not. Made once, before any workload. */
struct counter_plan;

/* list NULL or "" = the default set: software events always, and cycles, instructions, branches,
 * branch-misses, cache-references, cache-misses where a PMU exists (those missing are kept with
 * their reason). "none" = no events at all. -ENOENT: an unknown name; err gives the nearest ones.
 * -EINVAL: bad syntax. */
int counter_plan_new(struct counter_plan **ret_plan, const char *list, struct bench_err *err);
/* Count all groups in every trial and let the kernel switch between them, instead of one group per
 * trial. Values are then extrapolated. */
void counter_plan_multiplex(struct counter_plan *plan);
/* Trials until every event has been counted once. */
unsigned counter_plan_passes(const struct counter_plan *plan);
void counter_plan_free(struct counter_plan *plan); /* NULL is fine */

/* What to count: the calling thread (tid 0), another thread or process (tid > 0, with inherit its
 * children too), a CPU (cpu >= 0, tid -1), or a cgroup on a CPU (cpu >= 0, cgroup: tid is a
 * descriptor of its directory, in cgroup v2 or v1's perf_event hierarchy). */
struct counter_target {
	pid_t tid;
	int cpu;
	bool cgroup;
	bool inherit;
	bool enable_on_exec;
};

/* As a trial's number: only what is counted in every trial. */
#define COUNTER_NO_PASS UINT_MAX
/* The plan's events of this trial (0, 1, ...) opened on one target; events that cannot be opened
 * keep their status. */
struct counter_session;
int counter_open(struct counter_session **ret_session, const struct counter_plan *plan,
		 const struct counter_target *target, unsigned trial, struct bench_err *err);
/* The trial to come is another one: open its groups if they are not the ones that are open. */
int counter_turn(struct counter_session *s, unsigned trial, struct bench_err *err);
/* Start and stop counting; values and times are counted from enable on (deltas), and are there
 * after disable only. With enable_on_exec counting starts at the exec and ends with the command:
 * enable does nothing then, and disable may be left to counter_put(). */
int counter_enable(struct counter_session *s);
int counter_disable(struct counter_session *s);
void counter_close(struct counter_session *s); /* NULL is fine */

/* Put this trial's values into set, summed over the nr sessions (all of one plan; NULL ones are
 * left out): every event with label scope, its status and note, and per operation (`NAME.per_op`,
 * when ops > 0); derived ipc and ghz where their events are there. An event with different status
 * on two sessions takes the worse one. On a host with several kinds of core each has metrics of its
 * own, told apart by label pmu. Where only user mode may be counted the names are perf's:
 * `cycles:u`, `ipc:u`. */
void counter_put(const struct counter_plan *plan, struct counter_session *const *sessions,
		 unsigned nr, const char *scope, uint64_t ops, struct bench_metric_set *set);
/* After the last of nr_trials: events that never had their turn are not_counted, and say how many
 * trials it takes. Trial i of the plan was trial i * every + from of the job. */
void counter_put_missed(const struct counter_plan *plan, unsigned nr_trials, unsigned every,
			unsigned from, const char *scope, struct bench_metric_set *set);

/* For --dry-run: "cycles, instructions (not_supported: ...), task-clock". */
void counter_plan_print(const struct counter_plan *plan, FILE *out);
/* For the saved result: array of {event, pmu, type, config, source, group, status, note} and, where
 * there is something to say, config1, config2, encoding (libpfm4's full spelling) and split (the
 * group did not fit the PMU). New reference. */
json_t *counter_plan_json(const struct counter_plan *plan);
/* For `bench list counters`: name, PMU, status and reason, one line each. Needs no root. */
void counter_list(FILE *out);

#endif
