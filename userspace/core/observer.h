/* SPDX-License-Identifier: BSD-2-Clause */
/* --observer=ab: what the probes cost, measured. Trials come in pairs, one with the probes on their
 * tracepoints and one without, in random order. Only those with probes are the job's trials; the
 * others are the control. */
#ifndef CORE_OBSERVER_H
#define CORE_OBSERVER_H

#include <stdbool.h>
#include "core/run.h"

struct observer {
	bool on;
	bool control_first; /* of the current pair */
	bool control;	    /* of the current trial */
	unsigned next;	    /* trial, control ones counted */
	unsigned nr_pairs;
	double speed[2]; /* of the current pair: with probes, without */
};

/* Start comparing when the user asked for it; a warning when it cannot be done here. */
void observer_begin(struct observer *o, struct run *run);
/* Trials to run for so many that count. */
unsigned observer_trials(const struct observer *o, unsigned nr);
/* Attach or detach the probes as the next trial needs it; o->control says which it is. */
int observer_next(struct observer *o, struct run *run, struct bench_err *err);
/* The speed (operations per time) of the trial that has just ended. The second one of a pair puts
 * overhead.observer into metrics, whose current trial is the one of the pair that counts. */
void observer_note(struct observer *o, double speed, struct bench_metric_set *metrics);
/* Attach the probes again, if they are not. */
int observer_end(struct observer *o, struct run *run, struct bench_err *err);

/* "warnings" of a job that has just run: what the probes say of their own numbers. */
void observer_warnings(struct run *run, json_t *job);

/* "observer" of result.overhead, from the jobs' metrics; NULL when nothing was compared. */
json_t *observer_json(const json_t *jobs);

#endif
