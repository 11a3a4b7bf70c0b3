/* SPDX-License-Identifier: BSD-2-Clause */
/* Slow operations: the slowest of each worker and a sample of those around p99 and p99.9, each with
 * what it waited for. Kept by the worker in the window, put together by the orchestrator. */
#ifndef CORE_SLOW_H
#define CORE_SLOW_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "bench/module.h"
#include "probe/ledger.h"

enum slow_class { SLOW_WORST, SLOW_P99, SLOW_P999, SLOW_NR_CLASSES };

/* Causes: those of the ledger, and what only a single op has. */
enum {
	SLOW_QUEUE = PROBE_NR_INTERVAL_CAUSES, /* in the block layer, before the device has it */
	SLOW_DEVICE,			       /* with the device */
	SLOW_PEER_ONCPU,		       /* with the other end: its thread was at work, ... */
	SLOW_PEER_RUNQUEUE,		       /* ... or waited for a CPU */
	SLOW_NETWORK, /* it was under way, and the other end's thread waited for messages */
	SLOW_PEER,    /* until the answer was sent, where no more is known or it slept for something
			 else */
	SLOW_UNKNOWN,
	SLOW_NR_CAUSES,
};

struct slow_op {
	uint64_t intended_ns, latency_ns, at_ns; /* at_ns: since the start of its trial */
	unsigned trial;				 /* 1, 2, ... */
	bool missed; /* causes were not looked up: it would have cost too much */
	uint64_t ns[SLOW_NR_CAUSES];		 /* sums to latency_ns */
	struct probe_culprit culprits[PROBE_MAX_CULPRITS];
};

/* Where causes come from. All may be NULL: then nothing is known. */
struct slow_source {
	const struct probe_set *set;
	pid_t tid;  /* the worker */
	pid_t peer; /* the thread at the other end of its connections; 0 = not known */
	int (*history)(const struct probe_set *set, pid_t tid, uint64_t from_ns, uint64_t to_ns,
		       struct probe_interval *ret_interval);
	int (*block)(const struct probe_set *set, uint32_t dev, uint64_t sector, uint64_t from_ns,
		     uint64_t to_ns, struct probe_block *ret_block);
	int (*answer)(const struct probe_set *set, int fd, int peer_fd, uint64_t since_ns,
		      struct probe_answer *ret_answer);
};

/* The stamps of one op as bench_slow() gets them. */
struct slow_stamps {
	uint64_t intended_ns, submit_ns, done_ns;
	bool single; /* the worker did nothing else meanwhile: its own history is the op's */
	bool placed; /* it went to place */
	struct bench_place place;
};

/* slow_causes.c: fill op->ns and op->culprits. Loads only, and a system call where it went by a
 * socket. */
void slow_take_apart(const struct slow_source *source, const struct slow_stamps *stamps,
		     struct slow_op *op);
/* "runqueue", "blocked.disk", ..., "queue", "device", "peer.oncpu", ..., "unknown". */
const char *slow_cause_name(unsigned cause);

/* --- one worker --- */

#define SLOW_BAND_OPS 32 /* kept of each band */

/* Ops of one stretch of the distribution, sampled with equal chances (Vitter's algorithm R). */
struct slow_band {
	uint64_t low_ns, high_ns; /* latency in [low, high); empty: UINT64_MAX, 0 */
	uint64_t seen;		  /* ops in the band so far */
	unsigned nr;
	struct slow_op ops[SLOW_BAND_OPS];
};

struct bench_slow {
	struct slow_source source;
	const struct bench_module *module;
	uint64_t window_ns, cost_ns; /* start of the window; spent in it here */
	uint64_t random;
	unsigned trial; /* 0 = not in a timed window */
	unsigned max, nr;
	unsigned *heap; /* indices into worst, the fastest first */
	struct slow_op *worst;
	struct slow_band bands[2]; /* p99, p99.9 */
};

/* nr: how many of the slowest are kept. NULL when out of memory. On the worker, so that the memory
 * is local; nothing is allocated later. */
struct bench_slow *slow_new(unsigned nr, const struct bench_module *module,
			    const struct slow_source *source);
void slow_free(struct bench_slow *slow); /* NULL is fine */
/* Forget what was kept. NULL is fine. */
void slow_forget(struct bench_slow *slow);
/* Before a window, while w->latency still holds the previous one, which says where the bands are.
 * trial 0 = not timed: nothing is kept. */
void slow_begin(struct bench_worker *w, unsigned trial);
/* Latencies between two quantiles: [low, high), rounded outwards to the histogram's buckets. */
void slow_stretch(const struct bench_hist *hist, double low, double high, uint64_t *ret_low_ns,
		  uint64_t *ret_high_ns);

/* --- the job, slow_json.c --- */

/* "slow" of the job, or NULL when nothing was slow: at most nr of the slowest over all workers,
 * slowest first, then the samples. slows[i] belongs to worker i, NULL = none. all: the latencies of
 * all timed windows. Ops of trials after nr_trials are dropped: they were cut short. */
json_t *slow_json(struct bench_slow *const *slows, unsigned nr_workers, unsigned nr,
		  const struct bench_hist *all, unsigned nr_trials);

#endif
