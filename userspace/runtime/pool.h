/* SPDX-License-Identifier: BSD-2-Clause */
/* The threads of the runtime. Each is bound before its ring is made, and parks on a condition
 * variable between two functions. All calls are made on the control loop's thread. */
#ifndef RUNTIME_POOL_H
#define RUNTIME_POOL_H

#include "host/topology.h"
#include "runtime/runtime.h"

struct pool;

/* caps NULL = threads without rings. topology, caps and loop must outlive the pool. */
int pool_open(struct pool **ret_pool, const struct topology *topology,
	      const struct async_caps *caps, struct loop *loop, struct bench_err *err);
void pool_close(struct pool *pool); /* NULL is fine; the threads must be idle */
int pool_threads(struct pool *pool, const int *cpus, unsigned nr, unsigned *ret_threads,
		 struct bench_err *err);
const struct runtime_thread *pool_thread(const struct pool *pool, unsigned index);
void pool_post(struct pool *pool, unsigned index,
	       void (*fn)(struct runtime_thread *thread, void *arg), void *arg, bool *done);

#endif
