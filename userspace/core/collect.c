// SPDX-License-Identifier: BSD-2-Clause
#include "core/collect.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/events.h"
#include "core/open_loop.h"
#include "core/receipt.h"
#include "core/result.h"
#include "core/run.h"

/* Sums over the active workers of one trial. */
struct totals {
	uint64_t ops, bytes, errors, cpu_ns, longest_ns;
	struct usage usage;
	double ops_per_s, bytes_per_s;
	unsigned nr_active, nr_ran;
	struct bench_hist *latency;
};

static bool is_worker(const struct job_run *jr, pid_t tid)
{
	for (unsigned i = 0; i < jr->nr; i++)
		if (runtime_thread(jr->runtime, jr->workers[i].thread)->tid == tid)
			return true;
	return false;
}

static void iowq_sample(const struct job_run *jr, struct iowq_sample *ret_sample)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;

	*ret_sample = (struct iowq_sample){ 0 };
	while (dir && (entry = readdir(dir))) {
		char path[64], text[64] = "";
		uint64_t ran;
		FILE *file;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%.16s/comm", entry->d_name);
		file = fopen(path, "re");
		if (file && !fgets(text, sizeof(text), file))
			text[0] = '\0';
		if (file)
			fclose(file);
		/* Behind the prefix stands the thread that it works for. */
		if ((strncmp(text, "iou-wrk-", 8) && strncmp(text, "iou-sqp-", 8)) ||
		    !is_worker(jr, atoi(text + 8)))
			continue;
		ret_sample->nr_threads++;
		snprintf(path, sizeof(path), "/proc/self/task/%.16s/schedstat", entry->d_name);
		file = fopen(path, "re");
		if (file && fscanf(file, "%" SCNu64, &ran) == 1)
			ret_sample->cpu_ns += ran;
		if (file)
			fclose(file);
	}
	if (dir)
		closedir(dir);
}

void collect_begin(struct collect_span *span, const struct job_run *jr)
{
	if (jr)
		iowq_sample(jr, &span->iowq[0]);
	host_sample(&span->host[0]);
}

void collect_end(struct collect_span *span, const struct job_run *jr)
{
	host_sample(&span->host[1]);
	if (jr)
		iowq_sample(jr, &span->iowq[1]);
}

static void put(struct bench_metric_set *set, enum bench_source source, const char *name,
		const char *unit, enum bench_better better, double value)
{
	const struct bench_metric_id id = {
		.name = name, .unit = unit, .source = source, .better = better
	};

	bench_metric_put(set, &id, value);
}

static void put_stat(struct bench_metric_set *set, const char *name, const char *unit,
		     const char *stat, double value)
{
	const struct bench_metric_id id = { .name = name,
					    .unit = unit,
					    .source = BENCH_SOURCE_RUNTIME,
					    .labels = { { "stat", stat } } };

	bench_metric_put(set, &id, value);
}

static void add_totals(const struct job_run *jr, struct totals *t)
{
	for (unsigned i = 0; i < jr->nr; i++) {
		const struct worker_run *wr = &jr->workers[i];
		uint64_t took = worker_took_ns(wr);

		t->cpu_ns += wr->usage.cpu_ns + wr->w.other_cpu_ns;
		t->usage.cpu_ns += wr->usage.cpu_ns;
		t->usage.switches += wr->usage.switches;
		t->usage.faults += wr->usage.faults;
		t->errors += wr->w.errors;
		t->nr_ran += wr->usage.cpu_ns > 0;
		if (wr->w.passive || !took)
			continue;
		t->nr_active++;
		t->ops += wr->w.ops;
		t->bytes += wr->w.bytes;
		t->ops_per_s += (double)wr->w.ops * 1e9 / (double)took;
		t->bytes_per_s += (double)wr->w.bytes * 1e9 / (double)took;
		if (took > t->longest_ns)
			t->longest_ns = took;
		if (t->latency)
			bench_hist_merge(t->latency, wr->w.latency);
	}
}

static void put_module(const struct job_run *jr, const struct totals *t,
		       struct bench_metric_set *set)
{
	char note[240];
	const struct bench_metric_id latency = {
		.name = "latency", .unit = "ns", .source = BENCH_SOURCE_MODULE, .better = BENCH_BETTER_LOWER
	};

	/* Servers alone have none of their own. */
	if (jr->nr_active)
		put(set, BENCH_SOURCE_MODULE, "ops", "1/s", BENCH_BETTER_HIGHER, t->ops_per_s);
	if (t->bytes)
		put(set, BENCH_SOURCE_MODULE, "bytes", "B/s", BENCH_BETTER_HIGHER, t->bytes_per_s);
	put(set, BENCH_SOURCE_MODULE, "errors", "count", BENCH_BETTER_LOWER, (double)t->errors);
	if (jr->rate > 0 && t->latency &&
	    !open_loop_put(jr, t->latency, set, note, sizeof(note)))
		bench_metric_put_left_out(set, &latency, (double)bench_hist_at(t->latency, 0.5),
					  note);
	else if (t->latency && t->latency->count)
		bench_metric_put_hist(set, &latency, t->latency);
	if (t->ops)
		put(set, BENCH_SOURCE_MODULE, "cpu.per_op", "ns", BENCH_BETTER_LOWER,
		    (double)t->cpu_ns / (double)t->ops);
}

static void put_hist(struct bench_metric_set *set, const char *name, const char *unit,
		     const struct bench_hist *hist)
{
	const struct bench_metric_id id = { .name = name, .unit = unit, .source = BENCH_SOURCE_RUNTIME };

	if (hist->count)
		bench_metric_put_hist(set, &id, hist);
}

/* Depths and batches of the active workers, faults of all. False when completions and submissions
 * do not match. */
static bool put_rings(const struct job_run *jr, struct bench_metric_set *set, char *reason,
		      size_t size)
{
	uint64_t overflow = 0, dropped = 0, submitted = 0, completed = 0;
	unsigned inflight_max = 0, sq = 0, cq = 0;
	double inflight = 0;

	for (unsigned i = 0; i < jr->nr; i++) {
		const struct async_stats *s = &jr->workers[i].async;

		overflow += s->cq_overflow;
		dropped += s->sq_dropped;
		submitted += s->submitted;
		completed += s->completed;
		if (s->sq_depth_max > sq)
			sq = s->sq_depth_max;
		if (s->cq_depth_max > cq)
			cq = s->cq_depth_max;
		if (jr->workers[i].w.passive)
			continue;
		inflight_max += s->inflight_max;
		if (s->inflight_ns)
			inflight += (double)s->inflight_integral / (double)s->inflight_ns;
		put_hist(set, "runtime.submit_batch", "ops", s->submit_batch);
		put_hist(set, "runtime.reap_batch", "ops", s->reap_batch);
		put_hist(set, "runtime.loop_lag", "ns", s->loop_lag);
	}
	put_stat(set, "runtime.inflight", "ops", "mean", inflight);
	put_stat(set, "runtime.inflight", "ops", "max", inflight_max);
	put_stat(set, "runtime.sq_depth", "ops", "max", sq);
	put_stat(set, "runtime.cq_depth", "ops", "max", cq);
	put(set, BENCH_SOURCE_RUNTIME, "runtime.cq_overflow", "count", BENCH_BETTER_LOWER,
	    (double)overflow);
	put(set, BENCH_SOURCE_RUNTIME, "runtime.sq_dropped", "count", BENCH_BETTER_LOWER,
	    (double)dropped);
	if (submitted != completed || overflow || dropped) {
		snprintf(reason, size,
			 "io_uring: %" PRIu64 " operations submitted, %" PRIu64 " completed, %" PRIu64
			 " CQ overflows, %" PRIu64 " SQEs dropped",
			 submitted, completed, overflow, dropped);
		return false;
	}
	return true;
}

/* A BLOCKING module has one operation under way per worker and no ring; a zero would be untrue. */
static void put_no_ring(struct bench_metric_set *set)
{
	static const char *const names[] = { "runtime.inflight",    "runtime.submit_batch",
					     "runtime.reap_batch",  "runtime.sq_depth",
					     "runtime.cq_depth",    "runtime.cq_overflow",
					     "runtime.sq_dropped",  "runtime.iowq_threads",
					     "runtime.loop_lag",    NULL };

	for (unsigned i = 0; names[i]; i++) {
		const struct bench_metric_id id = { .name = names[i],
						    .unit = "ops",
						    .source = BENCH_SOURCE_RUNTIME };

		bench_metric_put_status(set, &id, BENCH_NOT_SUPPORTED, 0,
					"a blocking module uses no ring");
	}
}

/* A worker that got its CPU late measured another time than the others. */
static void warn_late(struct run *run, const struct job_run *jr)
{
	uint64_t length_ns = jr->window.end_ns - jr->window.start_ns, late_ns = 0;

	for (unsigned i = 0; i < jr->nr; i++) {
		const struct worker_run *wr = &jr->workers[i];

		if (!wr->w.passive && wr->start_ns > jr->window.start_ns + late_ns)
			late_ns = wr->start_ns - jr->window.start_ns;
	}
	if (late_ns * 100 > length_ns)
		result_warn(run->result,
			    "a worker got its CPU %.1f ms late in a window of %.0f ms (trial %u); rates "
			    "count from the start of the window",
			    (double)late_ns / 1e6, (double)length_ns / 1e6, jr->trial);
}

void collect_warn_refused(struct run *run, const struct job_run *jr, const char *name)
{
	for (unsigned i = 0; i < jr->nr; i++) {
		const struct bench_async *async = jr->workers[i].w.async;
		struct bench_err why = { 0 };

		if (!async || !async_refused_buffers(async, &why))
			continue;
		result_warn(run->result, "%s: %s", name, why.msg);
		return;
	}
}

bool collect_trial(struct run *run, struct job_run *jr, const struct collect_span *span,
		   struct bench_metric_set *metrics, char *reason, size_t size)
{
	struct totals t = { .latency = bench_hist_new(BENCH_HIST_BITS_WORKER) };
	bool valid = true;

	add_totals(jr, &t);
	warn_late(run, jr);
	/* io-wq threads come and go: one that is gone takes its time with it. */
	if (span->iowq[1].cpu_ns > span->iowq[0].cpu_ns)
		t.cpu_ns += span->iowq[1].cpu_ns - span->iowq[0].cpu_ns;
	put_module(jr, &t, metrics);
	put(metrics, BENCH_SOURCE_RUNTIME, "runtime.threads", "count", BENCH_BETTER_NONE, t.nr_ran);
	if (jr->module->exec != BENCH_EXEC_ASYNC) {
		put_no_ring(metrics);
	} else {
		put(metrics, BENCH_SOURCE_RUNTIME, "runtime.iowq_threads", "count",
		    BENCH_BETTER_NONE, span->iowq[1].nr_threads);
		valid = put_rings(jr, metrics, reason, size);
	}
	if (valid && !t.ops && jr->nr_active) {
		snprintf(reason, size, "not one op finished within a trial; make --duration longer");
		valid = false;
	}
	if (!run->counters)
		usage_put(&t.usage, "worker", t.ops, metrics);
	if (run->counters)
		events_put(jr, t.ops, metrics);
	if (run->probes)
		probe_put(run->probes, jr->job.cpus, jr->nr, metrics);
	if (valid)
		valid = receipt_check(jr, t.ops, t.bytes, metrics, reason, size);
	host_put(&span->host[0], &span->host[1], metrics);
	jr->job.invalid[0] = '\0';
	/* Servers alone were there for the whole of it. */
	if (jr->module->report)
		jr->module->report(&jr->job, jr->nr_active ? t.longest_ns :
							     jr->window.end_ns - jr->window.start_ns);
	if (valid && jr->job.invalid[0]) {
		snprintf(reason, size, "trial %u: %s", jr->trial, jr->job.invalid);
		valid = false;
	}
	bench_hist_free(t.latency);
	return valid;
}
