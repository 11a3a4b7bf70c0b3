/* SPDX-License-Identifier: BSD-2-Clause */
/* A file of samples as perf has it (perf.data, seekable; tools/perf/Documentation/perf.data-file-
 * format.txt of the kernel), written from front to back while the samples come. */
#ifndef PROFILE_PERFDATA_H
#define PROFILE_PERFDATA_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include "bench/error.h"

/* Where a thread's wall time goes; together they are all of it. The first one's period is in cycles
 * where those are sampled, the others' are ns. */
enum profile_event {
	PROFILE_CPU,	    /* samples of what ran */
	PROFILE_OFFCPU,	    /* blocked, but not on a block device */
	PROFILE_RUNQ,	    /* runnable, and another had the CPU */
	PROFILE_TAKEN,	    /* interrupts and the host took the CPU it had */
	PROFILE_BLOCK_IO,   /* blocked on a block device */
	PROFILE_UNSAMPLED,  /* on CPU, and no sample stands for that */
	PROFILE_NR_EVENTS,
};

/* "offcpu-time", ...; that of PROFILE_CPU is the event's own ("cpu-clock", "cycles:ppp"). */
const char *profile_event_name(enum profile_event event);

struct perfdata;

/* A sample of one of our own. */
struct perfdata_sample {
	enum profile_event event;
	uint32_t pid, tid, cpu;
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint64_t period;
	const uint64_t *kernel, *user; /* stacks, innermost first */
	unsigned nr_kernel, nr_user;
};

/* What the file says of itself, for its features. Strings live as long as the call. */
struct perfdata_facts {
	const char *hostname, *release, *arch, *version, *cpu;
	const char *const *argv;
	unsigned nr_argv;
	unsigned nr_cpus, nr_online;
	uint64_t memory_kb;
	const struct perfdata_build_id *build_ids;
	unsigned nr_build_ids;
};

struct perfdata_build_id {
	const char *path;
	bool kernel;
	unsigned char id[20];
	unsigned size; /* of the id, at most 20 */
};

/* Begin a file at the start of fd, which stays the caller's. attr and name: of PROFILE_CPU. */
int perfdata_new(struct perfdata **ret_file, int fd, const struct perf_event_attr *attr,
		 const char *name, struct bench_err *err);
void perfdata_free(struct perfdata *file); /* NULL is fine */

/* Append a record that the kernel wrote for PROFILE_CPU. */
void perfdata_record(struct perfdata *file, const struct perf_event_header *header);
/* The same of a sample, with another period than the kernel gave it. */
void perfdata_cpu_sample(struct perfdata *file, const struct perf_event_header *header,
			 uint64_t period);
void perfdata_sample(struct perfdata *file, const struct perfdata_sample *sample);
/* What a thread is called; pid == tid and exec: it executed a program. */
void perfdata_comm(struct perfdata *file, pid_t pid, pid_t tid, const char *comm, uint64_t time_ns);
/* Executable memory of a process; pid -1 = the kernel's. */
struct perfdata_map {
	pid_t pid;
	uint64_t start, length, offset;
	unsigned maj, min;
	uint64_t inode;
	const char *path;
};
void perfdata_map(struct perfdata *file, const struct perfdata_map *map, uint64_t time_ns);
/* So many samples of an event were lost. */
void perfdata_lost(struct perfdata *file, enum profile_event event, uint64_t nr, uint64_t time_ns);
/* All that happened before the round that ended before this one is in the file. */
void perfdata_round(struct perfdata *file);

/* Bytes so far. */
uint64_t perfdata_size(const struct perfdata *file);
/* Write out what is held back: the file can be read by profile/samples.h then, and be gone on with. */
int perfdata_flush(struct perfdata *file, struct bench_err *err);
/* Complete it. What went wrong in any of the above is said here. */
int perfdata_finish(struct perfdata *file, const struct perfdata_facts *facts,
		    struct bench_err *err);

/* --- the layout, for samples.c --- */

#define PERFDATA_MAGIC 0x32454c4946524550ull /* "PERFILE2" */

struct perfdata_section {
	uint64_t offset, size;
};

struct perfdata_header {
	uint64_t magic, size, attr_size;
	struct perfdata_section attrs, data, event_types;
	uint64_t features[4];
};

/* Written by perf, not by the kernel (tools/lib/perf/include/perf/event.h). */
#define PERFDATA_FINISHED_ROUND 68

#endif
