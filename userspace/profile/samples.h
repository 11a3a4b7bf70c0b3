/* SPDX-License-Identifier: BSD-2-Clause */
/* The samples of a file that perfdata.h wrote, in the order of time, with names at hand. */
#ifndef PROFILE_SAMPLES_H
#define PROFILE_SAMPLES_H

#include <stdbool.h>
#include <stdint.h>
#include "bench/error.h"
#include "profile/perfdata.h"
#include "profile/symbols.h"

struct sample {
	enum profile_event event;
	uint32_t pid, tid, cpu;
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint64_t period;  /* ns; of PROFILE_CPU cycles, where those were sampled */
	uint64_t ip;
	bool kernel; /* ip is */
	const char *comm;
	/* Innermost first; PERF_CONTEXT_* markers of linux/perf_event.h stand in between. */
	const uint64_t *chain;
	unsigned nr_chain;
};

struct samples_visitor {
	/* A sample and its comm are valid until it returns. symbols know its process as of then. */
	void (*sample)(const struct sample *sample, struct symbols *symbols, void *ctx);
	/* May be NULL: so many of an event were lost. */
	void (*lost)(enum profile_event event, uint64_t nr, void *ctx);
	void *ctx;
};

/* Read them all. symbols, which are empty at first, follow the processes. Memory is bounded by what
 * one round of the file holds. -EINVAL: not such a file. */
int samples_read(int fd, struct symbols *symbols, const struct samples_visitor *visitor,
		 struct bench_err *err);

/* A walk over a sample's chain, innermost first; all zero at first. */
struct sample_walk {
	unsigned at;
	bool below; /* a frame of the same mode was met */
	bool begun;
	/* The frame: */
	uint64_t address;
	bool kernel;
	bool caller; /* where a call returns to, as against where the thread was */
};

/* False = there is no further frame. */
bool sample_walk_next(struct sample_walk *walk, const struct sample *sample);

#endif
