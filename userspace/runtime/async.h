/* SPDX-License-Identifier: BSD-2-Clause */
/* The orchestrator's side of bench/async.h: one io_uring per worker thread. */
#ifndef RUNTIME_ASYNC_H
#define RUNTIME_ASYNC_H

#include <stdint.h>
#include "bench/async.h"
#include "bench/error.h"
#include "bench/hist.h"

/* Operations in flight that a ring is made for; the CQ is at least twice that, so that it cannot
 * overflow. */
#define ASYNC_DEPTH_MAX 1024u

/* What the kernel and the linked liburing allow, found by trial on the orchestrator at start-up and
 * used for every worker's ring. */
struct async_caps {
	unsigned setup_flags;  /* IORING_SETUP_* that worked, masked to what liburing knows */
	unsigned features;     /* IORING_FEAT_* of the kernel */
	bool ext_arg;	       /* timed waits in io_uring_enter (5.11) */
	bool ring_fd;	       /* registered ring descriptor (5.18) */
	bool cancel_any;       /* ASYNC_CANCEL_ANY (5.19) */
	bool ops[256];	       /* supported opcodes, from REGISTER_PROBE */
};

/* Measured over one window, on the worker. Operations here are those that went to the kernel
 * (timers do not) and, except in the batch sizes, are not passive: a server that waits for its peer
 * is no load. */
struct async_stats {
	uint64_t submitted, completed;	/* operations; equal once drained */
	uint64_t moved_ops, moved_bytes; /* reads and writes that moved something, by their completions;
					    without those of the last turn, which ends the window */
	uint64_t enters;		/* io_uring_enter calls */
	struct bench_hist *submit_batch; /* operations per submitting enter */
	struct bench_hist *reap_batch;	/* completions per reap that found any */
	struct bench_hist *loop_lag;	/* ns from a timer's due time to its callback */
	uint64_t inflight_integral;	/* ns x operations */
	uint64_t queued_integral;	/* the same, from being described to being handed over */
	uint64_t rest_integral; /* of it, from when they were due, those whose end is not yet
				   counted: under way, or reaped in the last turn */
	uint64_t inflight_ns;		/* time the integral covers */
	unsigned inflight_max;
	unsigned sq_depth_max;		/* SQEs queued when entering, max */
	unsigned cq_depth_max;		/* CQEs waiting when reaping, max */
	uint64_t cq_overflow, sq_dropped; /* kernel's counters, delta; must be 0 */
};

/* Find out whether io_uring may be used at all, and with what. 0, or
 * -ENOSYS  the kernel has none, or seccomp answers so
 * -EPERM   kernel.io_uring_disabled, seccomp or an LSM
 * -ENOMEM  RLIMIT_MEMLOCK (kernels before 5.12, and from 6.14 on)
 * err gives cause and remedy in one line. Features named in the environment variable
 * BENCH_URING_MASK (comma list of defer_taskrun, single_issuer, coop_taskrun, ext_arg, ring_fd,
 * cancel_any, all) are treated as absent, for tests of the ladder. */
int async_probe(struct async_caps *ret_caps, struct bench_err *err);
/* Words for the result: "SINGLE_ISSUER", "DEFER_TASKRUN", "EXT_ARG", ... Writes up to nr pointers
 * to static strings, returns how many. */
unsigned async_caps_words(const struct async_caps *caps, const char **ret_words, unsigned nr);

/* Make a ring, on the thread that will use it. */
int async_open(struct bench_async **ret_async, const struct async_caps *caps,
	       struct bench_err *err);
/* A ring like model, but with what BENCH_RING_* ask for (bench/module.h). */
int async_open_like(struct bench_async **ret_async, const struct bench_async *model, unsigned want,
		    struct bench_err *err);
/* NULL is fine. Nothing may be in flight. */
void async_close(struct bench_async *a);
/* Undo what bench_async_add_*() and bench_async_busy_poll() did. NULL is fine. */
void async_unregister(struct bench_async *a);
/* 0, or the negative errno with which bench_async_add_buffers() failed; err says what follows from
 * that, and the remedy. */
int async_refused_buffers(const struct bench_async *a, struct bench_err *err);

/* Start accounting anew (start of a window). */
void async_window_begin(struct bench_async *a);
/* Read this window's accounting. The histograms stay the ring's. */
void async_window_stats(struct bench_async *a, struct async_stats *ret_stats);

/* One turn: submit what is queued, wait for a completion or until wait_until_ns (a signal may end
 * the wait early), reap, run the callbacks. With nothing in flight and no limit it does not wait.
 * 0, or negative errno when the ring itself failed (-EBADR: completions were lost, -EPROTO: one came
 * for nothing in flight); the trial is invalid. */
int async_turn(struct bench_async *a, struct bench_worker *w, uint64_t wait_until_ns);
/* In flight in this window, passive ones not counted: the most at once so far. */
unsigned async_inflight_max(const struct bench_async *a);
/* Operations x ns in flight up to the last turn's time, and how many there are after it, those
 * included that the next turn hands over. Passive ones are not counted. */
struct async_now {
	uint64_t at_ns, inflight_ns;
	unsigned next;
};
void async_inflight_now(const struct bench_async *a, struct async_now *ret_now);
/* Before each wait, put into *mix what the ring has in flight; it must live until it is replaced.
 * NULL = do not. Called while the ring's thread is idle. */
#define ASYNC_MIX_DISK 1u
#define ASYNC_MIX_NET 2u
#define ASYNC_MIX_TIMER 4u
#define ASYNC_MIX_IPC 8u
void async_set_mix(struct bench_async *a, uint32_t *mix);
/* In flight now, without or with the passive ones. */
unsigned async_inflight(const struct bench_async *a, bool with_passive);
/* Take turns until nothing but passive operations is in flight. 0, or -ETIME at deadline_ns. */
int async_drain(struct bench_async *a, struct bench_worker *w, uint64_t deadline_ns);
/* Cancel everything in flight and wait for every completion. 0, or -ETIME at deadline_ns, when
 * buffers must be leaked, not freed: the device still owns them. */
int async_cancel(struct bench_async *a, struct bench_worker *w, uint64_t deadline_ns);

/* Start-up self-test on a ring of its own: NOPs, a timer, a cancel; completions reaped must equal
 * operations submitted. */
struct async_selftest {
	unsigned nr_nops, submitted, completed;
	uint64_t nop_ns;	/* per NOP, in one batch */
	uint64_t timer_late_ns; /* lateness of a 1 ms timer */
};
int async_selftest(const struct async_caps *caps, struct async_selftest *ret_test,
		   struct bench_err *err);

#endif
