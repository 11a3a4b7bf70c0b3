// SPDX-License-Identifier: BSD-2-Clause
/* Choosing the runtime. It is decided once, before any workload, by trying: what is used later has
 * passed its self-test here. */
#include "runtime/runtime.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/topology.h"
#include "runtime/pool.h"

struct runtime {
	enum runtime_kind active;
	struct async_caps caps;
	struct async_selftest selftest;
	struct topology *topology; /* as it was before anything was bound */
	struct loop *loop;
	struct pool *pool;
};

static int open_uring(struct runtime *rt, struct bench_err *err)
{
	int rc = async_probe(&rt->caps, err);

	if (rc == 0)
		rc = async_selftest(&rt->caps, &rt->selftest, err);
	if (rc == 0)
		rc = loop_open(&rt->loop, &rt->caps, err);
	if (rc == 0)
		rt->active = RUNTIME_URING;
	return rc;
}

static int choose(struct runtime *rt, enum runtime_kind requested, struct bench_err *fallback,
		  struct bench_err *err)
{
	if (requested == RUNTIME_URING)
		return open_uring(rt, err);
	if (requested == RUNTIME_AUTO && open_uring(rt, fallback) == 0)
		return 0;
	rt->active = RUNTIME_BLOCKING;
	return loop_open(&rt->loop, NULL, err);
}

int runtime_open(struct runtime **ret_rt, enum runtime_kind requested, struct bench_err *fallback,
		 struct bench_err *err)
{
	struct runtime *rt = calloc(1, sizeof(*rt));
	int rc;

	memset(fallback, 0, sizeof(*fallback));
	if (!rt)
		return bench_fail(err, -ENOMEM, "start the runtime: out of memory");
	rc = topology_open(&rt->topology, err);
	if (rc == 0)
		rc = choose(rt, requested, fallback, err);
	if (rc == 0)
		rc = pool_open(&rt->pool, rt->topology, runtime_caps(rt), rt->loop, err);
	if (rc < 0)
		runtime_close(rt);
	else
		*ret_rt = rt;
	return rc;
}

void runtime_close(struct runtime *rt)
{
	if (!rt)
		return;
	pool_close(rt->pool);
	loop_close(rt->loop);
	topology_close(rt->topology);
	free(rt);
}

enum runtime_kind runtime_active(const struct runtime *rt)
{
	return rt->active;
}

const char *runtime_name(enum runtime_kind kind)
{
	switch (kind) {
	case RUNTIME_AUTO:
		return "auto";
	case RUNTIME_URING:
		return "uring";
	case RUNTIME_BLOCKING:
		return "blocking";
	case RUNTIME_BOTH:
		return "both";
	}
	return "unknown";
}

const struct async_caps *runtime_caps(const struct runtime *rt)
{
	return rt->active == RUNTIME_URING ? &rt->caps : NULL;
}

const struct async_selftest *runtime_selftest(const struct runtime *rt)
{
	return rt->active == RUNTIME_URING ? &rt->selftest : NULL;
}

struct loop *runtime_loop(struct runtime *rt)
{
	return rt->loop;
}

int runtime_threads(struct runtime *rt, const int *cpus, unsigned nr, unsigned *ret_threads,
		    struct bench_err *err)
{
	return pool_threads(rt->pool, cpus, nr, ret_threads, err);
}

const struct runtime_thread *runtime_thread(const struct runtime *rt, unsigned index)
{
	return pool_thread(rt->pool, index);
}

void runtime_post(struct runtime *rt, unsigned index,
		  void (*fn)(struct runtime_thread *thread, void *arg), void *arg, bool *done)
{
	pool_post(rt->pool, index, fn, arg, done);
}
