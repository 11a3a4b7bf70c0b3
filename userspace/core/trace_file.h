/* SPDX-License-Identifier: BSD-2-Clause */
/* The text of a trace: Chrome's trace-event format (JSON object form; "Trace Event Format", Google),
 * as Perfetto reads it. A job is a process; its threads are the job's; slices of one thread never
 * overlap; what may overlap (requests, operations) is an asynchronous span. ts and dur are in us with
 * three decimals, since the start of the run. */
#ifndef CORE_TRACE_FILE_H
#define CORE_TRACE_FILE_H

#include <stdint.h>
#include <jansson.h>
#include "bench/error.h"
#include "probe/steps.h"

struct trace_file;

struct trace_place {
	unsigned job;
	uint64_t from_ns, to_ns; /* the window: what is outside is cut off */
};

/* fd stays the caller's. At most max_bytes are written; what does not fit is counted. probes know
 * names; NULL = nobody does. */
int trace_file_open(struct trace_file **ret_file, int fd, uint64_t max_bytes, uint64_t started_ns,
		    const struct probe_set *probes, struct bench_err *err);
void trace_file_close(struct trace_file *file); /* NULL is fine */

void trace_file_trial(struct trace_file *file, const struct trace_place *place, unsigned trial);
void trace_file_thread(struct trace_file *file, const struct trace_place *place, pid_t tid,
		       const char *comm, const struct probe_step *steps, unsigned nr);
void trace_file_cpu(struct trace_file *file, const struct trace_place *place, unsigned cpu,
		    const struct probe_turn *turns, unsigned nr);
/* Sorts them. */
void trace_file_served(struct trace_file *file, const struct trace_place *place, unsigned cpu,
		       struct probe_served *served, unsigned nr);
void trace_file_blocks(struct trace_file *file, const struct trace_place *place,
		       const struct probe_block *blocks, unsigned nr);
/* When a trial's window began. */
struct trace_start {
	unsigned job, trial;
	uint64_t ns;
};
/* Name, series and slow operations; starts: of any jobs. */
void trace_file_job(struct trace_file *file, unsigned job, const json_t *row,
		    const struct trace_start *starts, unsigned nr_starts);
/* The end of the document. nr_lost is told in it. */
int trace_file_finish(struct trace_file *file, uint64_t nr_lost, uint64_t *ret_nr_dropped,
		      struct bench_err *err);

#endif
