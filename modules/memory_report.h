/* SPDX-License-Identifier: BSD-2-Clause */
/* memory: its parameters, what a worker notes of a window, and the metrics made of it. */
#ifndef MODULES_MEMORY_REPORT_H
#define MODULES_MEMORY_REPORT_H

#include <stdatomic.h>
#include <stdio.h>

#include "bench/module.h"
#include "memory_host.h"
#include "memory_stream.h"

/* From read to triad the order of enum stream_kind. */
enum memory_mode {
	MEMORY_LATENCY,
	MEMORY_READ,
	MEMORY_WRITE,
	MEMORY_COPY,
	MEMORY_TRIAD,
	MEMORY_LOADED,
};

static const char *const memory_modes[] = { "latency", "read",	 "write", "copy",
					    "triad",   "loaded", NULL };
/* In the order of enum stream_kind. */
static const char *const memory_kinds[] = { "read", "write", "copy", "triad", NULL };
static const char *const memory_nodes[] = { "local|N", NULL };

struct memory_params {
	uint64_t mode, size, pages, nt, delay, traffic;
	const char *node;
};

/* STREAM's rule: each array at least four times the caches. */
#define MEMORY_BY_LLC 4

/* What one worker did in the current window; read by report() after it. */
struct memory_meter {
	uint64_t ops;
	uint64_t first_ns, last_ns; /* of a chain CPU time, else the clock; 0 = not taken yet */
	double quiet_ns;	    /* per load, while nobody disturbed it; 0 = not known */
	atomic_bool over;	    /* of worker 0, mode=loaded: the traffic ends */
} __attribute__((aligned(64)));

/* Does this worker pass over arrays? The others follow a chain. */
static inline bool memory_is_stream(const struct memory_params *p, unsigned index)
{
	return p->mode == MEMORY_LOADED ? index > 0 : p->mode != MEMORY_LATENCY;
}

static inline enum stream_kind memory_kind(const struct memory_params *p)
{
	return (enum stream_kind)(p->mode == MEMORY_LOADED ? p->traffic : p->mode - MEMORY_READ);
}

/* Time per load on the CPU: what others did with the core meanwhile is not the memory's. Beside traffic
 * that is what is asked for; of a chain alone, what others did with the caches is in it, too. */
static inline void memory_report_load(struct bench_job *job, unsigned nr)
{
	const struct memory_params *p = job->params;
	const struct bench_metric_id id = {
		p->mode == MEMORY_LOADED ? "memory.load" : "memory.load_mean", "ns", BENCH_SOURCE_MODULE,
		BENCH_BETTER_LOWER, { { NULL, NULL } }
	};
	const struct memory_meter *meters = job->shared;
	double sum = 0;

	for (unsigned i = 0; i < nr; i++) {
		const struct memory_meter *m = &meters[i];

		if (!m->ops || m->last_ns <= m->first_ns) {
			bench_metric_put_status(job->metrics, &id, BENCH_NOT_COUNTED, 0,
						"a worker did nothing in this trial");
			return;
		}
		sum += (double)(m->last_ns - m->first_ns) / (double)m->ops;
	}
	bench_metric_put(job->metrics, &id, sum / nr);
}

/* The same without the pieces of the window that others disturbed. */
static inline void memory_report_quiet(struct bench_job *job)
{
	static const struct bench_metric_id id = {
		"memory.load", "ns", BENCH_SOURCE_MODULE, BENCH_BETTER_LOWER, { { NULL, NULL } }
	};
	const struct memory_meter *meters = job->shared;
	double sum = 0;

	for (unsigned i = 0; i < job->nr_workers; i++) {
		if (meters[i].quiet_ns <= 0) {
			bench_metric_put_status(job->metrics, &id, BENCH_NOT_COUNTED, 0,
						"a worker made fewer than 4096 loads in this trial");
			return;
		}
		sum += meters[i].quiet_ns;
	}
	bench_metric_put(job->metrics, &id, sum / job->nr_workers);
}

/* The known sizes that the knees of a curve are compared with. */
static inline void memory_report_caches(struct bench_job *job)
{
	struct memory_cache caches[MEMORY_LEVELS];
	unsigned nr = memory_caches(caches);
	struct bench_metric_id id = {
		"memory.cache", "B", BENCH_SOURCE_HOST, BENCH_BETTER_NONE, { { NULL, NULL } }
	};

	for (unsigned i = 0; i < nr; i++) {
		char label[16], note[32];

		snprintf(label, sizeof(label), caches[i].level == 1 ? "L%ud" : "L%u", caches[i].level);
		snprintf(note, sizeof(note), "by %s", caches[i].source);
		id.labels[0] = (struct bench_label){ "cache", label };
		bench_metric_put_status(job->metrics, &id, BENCH_OK, (double)caches[i].bytes, note);
	}
	if (!nr)
		bench_metric_put_status(job->metrics, &id, BENCH_NOT_SUPPORTED, 0,
					"neither sysfs nor the processor tells cache sizes");
}

/* What moves for each byte that the program asks for: with ordinary stores a core reads a line before
 * it writes it (McCalpin, STREAM FAQ: counting). */
static inline double memory_true_factor(enum stream_kind kind, bool nt)
{
	unsigned arrays = stream_arrays(kind);

	return kind == STREAM_READ || nt ? 1 : (arrays + 1.0) / arrays;
}

/* Bytes that the workers from first on asked for in a second, and what had to move for them. block is
 * that of an op, of each array. */
static inline void memory_report_bytes(struct bench_job *job, unsigned first, uint64_t block)
{
	static const struct bench_metric_id asked = {
		"memory.traffic", "B/s", BENCH_SOURCE_MODULE, BENCH_BETTER_NONE, { { NULL, NULL } }
	};
	static const struct bench_metric_id moved = {
		"memory.moved", "B/s", BENCH_SOURCE_MODULE, BENCH_BETTER_NONE, { { NULL, NULL } }
	};
	static const char idle[] = "no worker passed over its arrays in this trial";
	const struct memory_params *p = job->params;
	const struct memory_meter *meters = job->shared;
	double sum = 0, factor = memory_true_factor(memory_kind(p), p->nt);

	for (unsigned i = first; i < job->nr_workers; i++) {
		const struct memory_meter *m = &meters[i];

		if (m->last_ns > m->first_ns)
			sum += (double)m->ops * (double)block * stream_arrays(memory_kind(p)) *
			       1e9 / (double)(m->last_ns - m->first_ns);
	}
	if (!(sum > 0)) {
		if (p->mode == MEMORY_LOADED)
			bench_metric_put_status(job->metrics, &asked, BENCH_NOT_COUNTED, 0, idle);
		bench_metric_put_status(job->metrics, &moved, BENCH_NOT_COUNTED, 0, idle);
		return;
	}
	if (p->mode == MEMORY_LOADED)
		bench_metric_put(job->metrics, &asked, sum);
	bench_metric_put_status(job->metrics, &moved, BENCH_OK, sum * factor,
				factor > 1 ? "computed: a line is read before an ordinary store; cores "
					     "that write whole lines unread move less"
					   : "computed: no line is read to be written");
}

static inline void memory_report_ratio(struct bench_job *job)
{
	static const struct bench_metric_id id = { "memory.size_by_llc",
						   "ratio",
						   BENCH_SOURCE_MODULE,
						   BENCH_BETTER_NONE,
						   { { NULL, NULL } } };
	const struct memory_params *p = job->params;
	uint64_t llc = memory_llc_bytes();
	double ratio = llc ? (double)p->size / (double)llc : 0;

	if (!llc)
		bench_metric_put_status(job->metrics, &id, BENCH_NOT_SUPPORTED, 0,
					"nobody tells the sizes of the last-level caches: whether the arrays "
					"are 4 times as large, as STREAM's rules want, is not known");
	else if (memory_is_stream(p, 0) && ratio < MEMORY_BY_LLC)
		bench_metric_put_status(job->metrics, &id, BENCH_OK, ratio,
					"arrays below 4 times the last-level caches: by STREAM's "
					"rules this is not the bandwidth of the memory");
	else
		bench_metric_put(job->metrics, &id, ratio);
}

#endif
