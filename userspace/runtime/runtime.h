/* SPDX-License-Identifier: BSD-2-Clause */
/* The runtime: initialised once, self-tested, handed to the orchestrator. A pool of pinned threads
 * (with a ring each in uring mode) and the control loop. */
#ifndef RUNTIME_RUNTIME_H
#define RUNTIME_RUNTIME_H

#include <stdbool.h>
#include <stdint.h>
#include "bench/error.h"
#include "runtime/async.h"
#include "runtime/loop.h"

/* BOTH: one of each side by side, which are two runtimes. */
enum runtime_kind { RUNTIME_AUTO, RUNTIME_URING, RUNTIME_BLOCKING, RUNTIME_BOTH };

struct runtime;

/* One pool thread as the code that runs on it sees it. */
struct runtime_thread {
	unsigned index;
	int cpu;		   /* OS CPU it is bound to, -1 = unbound */
	pid_t tid;
	struct bench_async *async; /* NULL in blocking mode */
};

/* Start the runtime asked for. AUTO takes uring where its self-test passes, otherwise blocking, and
 * fallback->msg then holds cause and remedy (else it is empty). RUNTIME_URING that cannot work
 * fails with the same text. RUNTIME_BLOCKING makes no io_uring call whatever. */
int runtime_open(struct runtime **ret_rt, enum runtime_kind requested, struct bench_err *fallback,
		 struct bench_err *err);
/* Stops the threads, which must be idle. NULL is fine. */
void runtime_close(struct runtime *rt);

enum runtime_kind runtime_active(const struct runtime *rt); /* URING or BLOCKING */
const char *runtime_name(enum runtime_kind kind);	    /* "auto", "uring", "blocking", "both" */
const struct async_caps *runtime_caps(const struct runtime *rt);	 /* NULL when blocking */
const struct async_selftest *runtime_selftest(const struct runtime *rt); /* NULL when blocking */
struct loop *runtime_loop(struct runtime *rt);

/* Make sure the pool has a thread for each of the nr CPUs (a CPU may occur several times, -1 =
 * unbound): bound first, then its ring made. Existing threads are reused. ret_threads gets the
 * index of the thread for each entry. Threads know their memory policy: memory they touch first is
 * NUMA-local. -EINVAL when a CPU is offline or not allowed; err names it. */
int runtime_threads(struct runtime *rt, const int *cpus, unsigned nr, unsigned *ret_threads,
		    struct bench_err *err);
const struct runtime_thread *runtime_thread(const struct runtime *rt, unsigned index);

/* Run fn(thread, arg) on a pool thread. The thread must be idle. *done is set to true on the
 * control loop's thread (from within loop_run()) when fn has returned. */
void runtime_post(struct runtime *rt, unsigned index,
		  void (*fn)(struct runtime_thread *thread, void *arg), void *arg, bool *done);

#endif
