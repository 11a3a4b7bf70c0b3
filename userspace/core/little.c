// SPDX-License-Identifier: BSD-2-Clause
/* Little's law (J. D. C. Little, Operations Research 9, 1961) as a check: the mean number of ops in
 * a system is their rate times the mean time each stays in it. One side is counted by the ring, the
 * other comes from the stamps of each op, so neither can go wrong unseen. */
#include <stdio.h>

#include "core/collect.h"
#include "core/open_loop.h"

#define TOLERANCE 0.02

bool little_holds(double depth_integral, double latency_sum)
{
	double more = depth_integral - latency_sum;

	return (more < 0 ? -more : more) <= TOLERANCE * depth_integral;
}

bool collect_little(const struct job_run *jr, char *text, size_t size)
{
	double depth = 0, latency = 0;
	uint64_t longest_ns = 0;

	if (jr->module->exec != BENCH_EXEC_ASYNC)
		return true;
	for (unsigned i = 0; i < jr->nr; i++) {
		const struct worker_run *wr = &jr->workers[i];
		static const struct open_loop closed;
		const struct open_loop *open = wr->open ? wr->open : &closed;

		if (wr->w.passive)
			continue;
		/* The law is about all ops: none may have failed or be without latency. */
		if (wr->w.errors || wr->w.latency->count != wr->w.ops + open->drained || !wr->w.ops)
			return true;
		depth += (double)(wr->async.inflight_integral + wr->async.queued_integral);
		depth += open->line_integral;
		/* What was under way at the end had no latency then, but was in the system. */
		latency += (double)(wr->w.latency->sum - open->drained_ns);
		latency += (double)wr->async.rest_integral;
		if (wr->async.inflight_ns > longest_ns)
			longest_ns = wr->async.inflight_ns;
	}
	if (!longest_ns || little_holds(depth, latency))
		return true;
	snprintf(text, size,
		 "%.4g operations were in flight on average, but rate x mean latency is %.4g "
		 "(Little's law): do not trust depth and latency",
		 depth / (double)longest_ns, latency / (double)longest_ns);
	return false;
}
