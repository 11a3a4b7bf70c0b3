/* SPDX-License-Identifier: BSD-2-Clause */
/* The counters of a job's workers: each thread's own, and those of the CPUs that they are bound to,
 * where other threads and interrupts work for them. */
#ifndef CORE_EVENTS_H
#define CORE_EVENTS_H

#include "bench/metric.h"
#include "core/worker.h"

enum events_scope { EVENTS_WORKER, EVENTS_CPU, EVENTS_BOTH };

/* On the worker itself: open, choose the groups of the trial to come, start, stop, close. 0 or
 * negative errno with w.err set. */
int events_open(struct worker_run *wr);
int events_turn(struct worker_run *wr);
void events_start(struct worker_run *wr);
void events_stop(struct worker_run *wr);
void events_close(struct worker_run *wr);

/* The trial that has just ended. */
void events_put(const struct job_run *jr, uint64_t ops, struct bench_metric_set *set);
/* After the last trial. */
void events_put_missed(const struct job_run *jr, unsigned nr_trials, struct bench_metric_set *set);

#endif
