/* SPDX-License-Identifier: BSD-2-Clause */
/* eBPF metric sources: load, attach, gate by the timed window, read. */
#ifndef PROBE_PROBE_H
#define PROBE_PROBE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <jansson.h>
#include <sys/types.h>
#include "bench/error.h"
#include "bench/metric.h"
#include "bench/module.h"

struct probe_set;

/* Load and attach the probes named in list ("all", "none", or names from `bench list probes`,
 * comma separated), with the gate closed. Fails only on an unknown name (-ENOENT, err gives the
 * nearest); a probe or metric that this host cannot give becomes a status with its reason. */
int probe_open(struct probe_set **ret_set, const char *list, struct bench_err *err);
void probe_close(struct probe_set *set); /* NULL is fine; detaches everything */

/* Follow a thread or process from now on; with children, all that it forks too (double forks
 * included). In an open window it counts from the call on. */
int probe_track(struct probe_set *set, pid_t tid, bool with_children, struct bench_err *err);
void probe_untrack_all(struct probe_set *set);

/* Publish the window to the programs: events are clipped to [start_ns, end_ns) exactly. end_ns may
 * be UINT64_MAX and set later by a second call. Resets the values when start_ns changes. */
void probe_window(struct probe_set *set, const struct bench_window *window);
/* After the window: put this trial's values into metrics. cpus: the CPUs of the job (nr of them)
 * for which per-CPU depth is reported. Ends the window. */
void probe_put(struct probe_set *set, const int *cpus, unsigned nr,
	       struct bench_metric_set *metrics);

/* Take the programs off their tracepoints, or put them back; between windows. Those that only
 * forks, exits and renames meet stay. Followed threads stay followed. -EOPNOTSUPP: not in the way
 * this kernel's probes are loaded. */
int probe_detach(struct probe_set *set, struct bench_err *err);
int probe_attach(struct probe_set *set, struct bench_err *err);

/* Samples of the CPU's clock that somebody else takes, of all threads that are followed and every
 * PROBE_SAMPLE_MAX_NS of their time at least, can tell user code from the kernel, too: then one
 * interrupt does for both. The program to run at each of them; -1 = there is none. */
#define PROBE_SAMPLE_MAX_NS 1100000u
int probe_sample_program(const struct probe_set *set);
/* It is run by them from here on, each period_ns, and not by timers of the set's own. */
void probe_sample_shared(struct probe_set *set, uint64_t period_ns);

/* What the stacks of windows that are read from now on belong to (0 at first): for jobs in turns. */
void probe_stacks_group(struct probe_set *set, unsigned group); /* set NULL is fine */
/* Add "stacks" to a job when there are any: where its threads slept in blocked.other, in all windows
 * of its group since this was last called, from a sample: [{"cause", "frames" (innermost first), "ns", "samples"}]. */
void probe_stacks(struct probe_set *set, unsigned group, json_t *job);

/* "overhead" of the result: per program run count, lost events. New reference. */
json_t *probe_overhead(struct probe_set *set);
/* Warnings of the last window worth telling (lost events, failed self-check): appends strings. */
void probe_warnings(struct probe_set *set, json_t *warnings);
void probe_print(const struct probe_set *set, FILE *out); /* --dry-run */
/* `bench list probes`: name, metrics, hooks, availability and why not. Works without root. */
void probe_list(FILE *out);

#endif
