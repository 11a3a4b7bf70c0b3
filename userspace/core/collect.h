/* SPDX-License-Identifier: BSD-2-Clause */
/* From what the workers, the runtime, the counters, the probes and the host hold after a window to
 * the metrics of the trial. */
#ifndef CORE_COLLECT_H
#define CORE_COLLECT_H

#include <stdbool.h>
#include <stddef.h>
#include "bench/metric.h"
#include "core/worker.h"
#include "host/host.h"

struct run;

/* CPU time of the kernel's io_uring workers of the job (threads "iou-wrk-TID" of this process), from
 * /proc/self/task. */
struct iowq_sample {
	unsigned nr_threads;
	uint64_t cpu_ns;
};

/* What is read around a window rather than in it. */
struct collect_span {
	struct host_sample host[2];
	struct iowq_sample iowq[2];
};
/* jr NULL = no workers of ours (a wrapped command). */
void collect_begin(struct collect_span *span, const struct job_run *jr);
void collect_end(struct collect_span *span, const struct job_run *jr);

/* After the workers entered: warn once where a ring could not register the buffers of the job. */
void collect_warn_refused(struct run *run, const struct job_run *jr, const char *name);

/* Put the trial's metrics. False when the trial contradicts itself; reason says how. */
bool collect_trial(struct run *run, struct job_run *jr, const struct collect_span *span,
		   struct bench_metric_set *metrics, char *reason, size_t size);

/* Little's law for the trial of an async job: operations under way x time = the sum of their
 * latencies, and of what those without an end spent so far. False when they differ by more than 2 %;
 * text has both as a mean depth. */
bool collect_little(const struct job_run *jr, char *text, size_t size);
/* The law itself: both sides as operations x ns. */
bool little_holds(double depth_integral, double latency_sum);

#endif
