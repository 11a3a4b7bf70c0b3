/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of sampling. */
#ifndef CORE_SAMPLING_FILE_H
#define CORE_SAMPLING_FILE_H

#include "core/kallsyms.h"
#include "core/result.h"
#include "core/sampling.h"
#include "counters/record.h"
#include "profile/fold.h"
#include "profile/perfdata.h"

/* What interrupts take of a CPU is in the periods of the samples there, too. */
struct sampling_cpu {
	uint64_t taken_ns; /* so far */
	double left;	   /* the share that they left of the time since the last reading */
};

struct sampling {
	struct run *run;
	struct result_file out;
	char *path; /* of the file, NULL = it is not kept */
	bool force;
	struct counter_record *record;
	struct perfdata *file;
	struct kallsyms *kernel;
	struct loop *loop; /* of the window, with the timer */
	int timer; /* -1 = none */
	bool waits; /* the probes tell of them */
	struct sampling_cpu *cpus; /* nr_cpus, by the kernel's numbers */
	unsigned nr_cpus;
	uint64_t taken_at_ns; /* when they were last read */
	void *balances; /* a tree, of threads in the window */
	uint64_t oversampled_ns; /* samples stand for so much more than was run */
	uint64_t sched_start, sched_end; /* of the scheduler's own functions; 0 = not known */
	unsigned nr_followed;
	pid_t known; /* whose memory was written down last */
	bool begun;   /* a window is open */
	bool on_exec; /* who is followed starts to be sampled by itself */
	struct fold_span *spans; /* in the order of time */
	unsigned nr_spans, room;
};

/* --- core/sampling_waits.c --- */

/* Have the probes tell, or warn that they cannot. */
void sampling_waits_open(struct sampling *sampling);
/* What they told since; before the round ends. */
void sampling_waits_read(struct sampling *sampling);
/* The rest of a window. */
void sampling_waits_end(struct sampling *sampling);
/* What interrupts took of each CPU since this was last called. */
void sampling_taken(struct sampling *sampling);
/* A sample of what ran goes to the file: its period there. */
uint64_t sampling_ran(struct sampling *sampling, const struct perf_event_header *header);

#endif
