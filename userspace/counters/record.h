/* SPDX-License-Identifier: BSD-2-Clause */
/* Samples of threads and of all that they make, as the kernel writes them down: raw records of perf
 * events, with names, mappings, forks and ends of who is sampled. There is one buffer for each CPU,
 * as perf record has it, because the kernel maps no buffer for an event that is inherited across
 * CPUs. Nothing here is thread-safe. */
#ifndef COUNTERS_RECORD_H
#define COUNTERS_RECORD_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "bench/error.h"

/* What every sample holds, in this order: id, ip, pid and tid, time, CPU, period, call chain. */
#define RECORD_SAMPLE_TYPE                                                                         \
	(PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |            \
	 PERF_SAMPLE_CPU | PERF_SAMPLE_PERIOD | PERF_SAMPLE_CALLCHAIN)

struct record_config {
	unsigned frequency; /* samples per second of the event's time */
	const int *cpus;    /* that may be sampled on; copied */
	unsigned nr_cpus;
};

struct record_stats {
	uint64_t samples;
	uint64_t lost;	    /* dropped by the kernel: a buffer was full */
	uint64_t throttled; /* times that the kernel stopped the event for a tick */
	uint64_t malformed; /* buffers with something that is no record */
	bool lost_exact;    /* the kernel counts them (6.0); else some of the last may be missing */
};

struct counter_record;

/* Buffers of all CPUs, and the event that can be sampled here: cycles where they count, else the
 * clock of the CPU. -EACCES, -EPERM, -ENOSYS, -ENOMEM: err says why, and what to do. */
int record_open(struct counter_record **ret_record, const struct record_config *config,
		struct bench_err *err);
void record_close(struct counter_record *record); /* NULL is fine */

/* Sample a thread, and what it makes from now on, on these CPUs (of those above). on_exec: it starts
 * by itself when the thread executes a program; else with record_start(). -ESRCH: it has ended. */
int record_attach(struct counter_record *record, pid_t tid, bool on_exec, const int *cpus,
		  unsigned nr_cpus, struct bench_err *err);
/* Run a BPF program at each sample that is taken from now on; it must return 1, or the sample is
 * dropped. 0 or negative errno, with which nothing has changed. */
int record_run(struct counter_record *record, int prog_fd);
/* Sample none of them any more. Read the rest first. */
void record_detach(struct counter_record *record);
void record_start(const struct counter_record *record);
void record_stop(const struct counter_record *record);

/* Hand out what is there, CPU by CPU. A record is valid until fn returns. */
void record_read(struct counter_record *record,
		 void (*fn)(const struct perf_event_header *header, void *ctx), void *ctx);
/* Since open, of all threads. */
void record_stats(struct counter_record *record, struct record_stats *ret_stats);

/* "cycles:ppp", "cycles", "cpu-clock"; with ":u" where only user code may be sampled. */
const char *record_event(const struct counter_record *record);
/* The event's attributes, as opened. */
const struct perf_event_attr *record_attr(const struct counter_record *record);

#endif
