// SPDX-License-Identifier: BSD-2-Clause
/* The histogram of the latency as it fills: what the workers have recorded so far in this trial,
 * looked at from outside. They do not notice, but for the cache lines that are looked at: some
 * hundred a worker each time, which is why there are pauses, longer ones with many workers. */
#include "bench/clock.h"
#include "core/live.h"
#include "core/metric_set.h"
#include "core/worker.h"

/* Four times a second, as a viewer draws; each worker above so many makes the pause longer. */
#define PAUSE_NS (250 * BENCH_NS_PER_MS)
#define PAUSE_WORKERS 32

/* What a viewer gets: percentiles of the exact counts, and few enough buckets for a line. */
static json_t *latency_json(const struct bench_hist *all, unsigned trial)
{
	struct bench_hist *wide = bench_hist_new(BENCH_HIST_BITS_KERNEL);
	json_t *hist, *few;
	char label[32];

	if (!wide)
		return NULL;
	bench_hist_widen(wide, all);
	hist = metric_hist_json(all);
	few = metric_hist_json(wide);
	json_object_set(hist, "buckets", json_object_get(few, "buckets"));
	json_object_set(hist, "error", json_object_get(few, "error"));
	json_decref(few);
	bench_hist_free(wide);
	snprintf(label, sizeof(label), "trial %u so far", trial);
	return json_pack("{s:s, s:s, s:{s:s}, s:o}", "name", "latency", "unit", "ns", "labels",
			 "when", label, "hist", hist);
}

uint64_t live_latency(struct live *live, const struct job_run *jr, unsigned trial, uint64_t now_ns)
{
	struct bench_hist *all = bench_hist_new(BENCH_HIST_BITS_WORKER);
	unsigned nr = 0;

	for (unsigned i = 0; all && i < jr->nr; i++) {
		const struct bench_worker *w = &jr->workers[i].w;

		if (w->passive || w->no_latency)
			continue;
		bench_hist_peek(all, w->latency);
		nr++;
	}
	if (all && all->count)
		live_tell(live, "latency", json_pack("{s:o}", "metric", latency_json(all, trial)));
	bench_hist_free(all);
	return now_ns + PAUSE_NS * (1 + nr / PAUSE_WORKERS);
}
