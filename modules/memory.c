// SPDX-License-Identifier: BSD-2-Clause
/* Memory: the latency of dependent loads by size and page size, and the bandwidth of reading,
 * writing, copying and STREAM's triad. Each worker uses memory of its own, which it touched first.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bench/module.h"
#include "memory_chase.h"
#include "memory_host.h"
#include "memory_stream.h"
#include "pages.h"

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

struct memory_params {
	uint64_t mode, size, pages, nt, delay;
};

/* mode=loaded: what the traffic reads at once, and looks for the end of the window after. */
#define MEMORY_TRAFFIC_BLOCK 4096u

#define MEMORY_LATENCY_SIZE (256ull << 20)
/* STREAM's rule: each array at least four times the caches. */
#define MEMORY_BY_LLC 4

struct memory_state {
	struct pages pages;
	struct chase chase;
	struct stream stream;
};

/* What one worker did in the current window; read by report() after it. */
struct memory_meter {
	uint64_t ops;
	uint64_t first_ns, last_ns; /* CPU time of the thread; 0 = not taken yet */
	atomic_bool over;	    /* of worker 0, mode=loaded: the traffic ends */
} __attribute__((aligned(64)));

/* Does this worker pass over arrays? The others follow a chain. */
static bool memory_is_stream(const struct memory_params *p, unsigned index)
{
	return p->mode == MEMORY_LOADED ? index > 0 : p->mode != MEMORY_LATENCY;
}

static enum stream_kind memory_kind(const struct memory_params *p)
{
	return p->mode == MEMORY_LOADED ? STREAM_READ : (enum stream_kind)(p->mode - MEMORY_READ);
}

static void memory_resolve(void *params)
{
	struct memory_params *p = params;
	uint64_t llc;

	if (p->size)
		return;
	p->size = MEMORY_LATENCY_SIZE;
	llc = memory_llc_bytes();
	if (memory_is_stream(p, 0) && llc)
		p->size = MEMORY_BY_LLC * llc;
}

static int memory_validate(const void *params, struct bench_err *err)
{
	const struct memory_params *p = params;

	if (p->nt &&
	    (p->mode == MEMORY_LATENCY || p->mode == MEMORY_READ || p->mode == MEMORY_LOADED))
		return bench_fail(err, -EINVAL, "nt=1 is about stores; mode=%s has none",
				  memory_modes[p->mode]);
	if (p->delay && p->mode != MEMORY_LOADED)
		return bench_fail(err, -EINVAL, "delay= is for mode=loaded");
	return 0;
}

/* Bytes of one worker. An array is a whole number of blocks; one that is smaller is its own block.
 */
static size_t memory_share(const struct bench_job *job, uint64_t *ret_block)
{
	const struct memory_params *p = job->params;
	uint64_t bytes = p->size, block = STREAM_BLOCK;

	if (p->mode == MEMORY_LOADED) {
		*ret_block = MEMORY_TRAFFIC_BLOCK;
		return bytes / MEMORY_TRAFFIC_BLOCK * MEMORY_TRAFFIC_BLOCK;
	}
	if (!memory_is_stream(p, 0))
		return bytes / sizeof(struct chase_line) * sizeof(struct chase_line);
	bytes /= job->nr_workers;
	if (bytes < block)
		block = bytes / 64 * 64;
	*ret_block = block;
	bytes = block ? bytes / block * block : 0;
	return bytes * stream_arrays(memory_kind(p));
}

static int memory_check(const void *params, struct bench_err *err)
{
	const struct memory_params *p = params;
	uint64_t one = p->size;

	if (p->nt && !STREAM_HAS_NT)
		return bench_fail(err, -EOPNOTSUPP,
				  "nt=1: no non-temporal stores known for this architecture");
	if (memory_is_stream(p, 0))
		one *= stream_arrays(memory_kind(p));
	/* What more than one worker needs, setup() sees. */
	return memory_available(one, err) ?: pages_check((enum pages_size)p->pages, err);
}

static int memory_setup(struct bench_job *job, struct bench_err *err)
{
	const struct memory_params *p = job->params;
	uint64_t block = 1;
	size_t share = memory_share(job, &block);
	void *meters = NULL;

	if (p->mode == MEMORY_LOADED && job->nr_workers < 2)
		return bench_fail(err, -EINVAL, "mode=loaded takes 2 workers at least");
	if (!share)
		return bench_fail(err, -EINVAL, "size= is too small for %u workers",
				  job->nr_workers);
	if (posix_memalign(&meters, sizeof(struct memory_meter),
			   job->nr_workers * sizeof(struct memory_meter)))
		return bench_fail(err, -ENOMEM, "memory: out of memory");
	memset(meters, 0, job->nr_workers * sizeof(struct memory_meter));
	job->shared = meters;
	return memory_available(share * (uint64_t)job->nr_workers, err);
}

/* share is a whole number of blocks for each array, so that each begins on a cache line. */
static void memory_stream_init(struct memory_state *s, const struct memory_params *p, size_t share,
			       uint64_t block)
{
	enum stream_kind kind = memory_kind(p);
	uint64_t elements = share / stream_arrays(kind) / sizeof(double);
	double *array = (double *)(void *)s->pages.at;

	s->stream = (struct stream){ .kind = kind,
				     .nt = p->nt,
				     .block = block / sizeof(double),
				     .nr_blocks = elements / (block / sizeof(double)) };
	if (kind != STREAM_READ) {
		s->stream.to = array;
		array += elements;
	}
	if (kind != STREAM_WRITE)
		s->stream.from = array;
	if (kind == STREAM_TRIAD)
		s->stream.from2 = array + elements;
}

static int memory_enter(struct bench_worker *w)
{
	const struct memory_params *p = w->job->params;
	struct memory_state *s = w->state;
	enum pages_size size = (enum pages_size)p->pages;
	size_t page = size == PAGES_HUGE ? PAGES_2M : PAGES_4K;
	uint64_t block = 0;
	size_t share = memory_share(w->job, &block);
	/* A whole number of pages, so that there is no small one at the end. */
	int rc = pages_map(w, &s->pages, (share + page - 1) / page * page, size);

	w->passive = p->mode == MEMORY_LOADED && w->index > 0;
	if (rc)
		return rc;
	memset(s->pages.at, 0, s->pages.bytes);
	if (!memory_is_stream(p, w->index)) {
		if (chase_build(&s->chase, s->pages.at, share, w->index + 1))
			return bench_worker_fail(w, -ENOMEM, "no memory to lay out the chain");
	} else {
		memory_stream_init(s, p, share, block);
	}
	return pages_verify(w, &s->pages, size);
}

static int memory_begin(struct bench_worker *w)
{
	const struct memory_params *p = w->job->params;
	struct memory_meter *meters = w->job->shared;
	struct memory_state *s = w->state;

	meters[w->index] = (struct memory_meter){ 0 };
	if (memory_is_stream(p, w->index))
		stream_fill(&s->stream);
	return 0;
}

static uint64_t memory_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * BENCH_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static int memory_run_stream(struct bench_worker *w, struct stream *s, uint64_t ops)
{
	for (uint64_t i = 0; i < ops; i++) {
		uint64_t block = s->at;

		if (stream_op(s))
			return bench_worker_fail(
				w, -EBADMSG, "block %" PRIu64 " does not hold what was expected",
				block);
	}
	w->bytes += ops * stream_arrays(s->kind) * s->block * sizeof(double);
	return 0;
}

/* Traffic beside the chain of worker 0, until its window is over. Without a delay it is all that
 * this core can read. */
static int memory_run_traffic(struct bench_worker *w)
{
	const struct memory_params *p = w->job->params;
	struct memory_meter *meters = w->job->shared;
	struct memory_meter *m = &meters[w->index];
	struct memory_state *s = w->state;

	m->first_ns = bench_now_ns();
	while (!atomic_load_explicit(&meters[0].over, memory_order_relaxed)) {
		int rc = memory_run_stream(w, &s->stream, 1);

		if (rc)
			return rc;
		m->ops++;
		for (uint64_t i = 0; i < p->delay; i++)
			__asm__ volatile("");
	}
	m->last_ns = bench_now_ns();
	return 0;
}

static int memory_run(struct bench_worker *w, uint64_t ops)
{
	const struct memory_params *p = w->job->params;
	struct memory_meter *meters = w->job->shared;
	struct memory_meter *m = &meters[w->index];
	struct memory_state *s = w->state;
	int rc = 0;

	if (w->passive)
		return memory_run_traffic(w);
	if (memory_is_stream(p, w->index))
		return memory_run_stream(w, &s->stream, ops);
	if (!m->first_ns)
		m->first_ns = memory_cpu_ns();
	if (chase_run(&s->chase, ops))
		rc = bench_worker_fail(w, -EBADMSG,
				       "%" PRIu64 " loads ended at another line than they lead to",
				       ops);
	m->ops += ops;
	/* A system call: only after the last batch of the window. */
	if (!bench_running(w, bench_now_ns()))
		m->last_ns = memory_cpu_ns();
	return rc;
}

static void memory_finish(struct bench_worker *w)
{
	struct memory_meter *meters = w->job->shared;

	if (w->index == 0)
		atomic_store(&meters[0].over, true);
}

static void memory_interrupt(struct bench_worker *w)
{
	struct memory_meter *meters = w->job->shared;

	atomic_store(&meters[0].over, true);
}

static void memory_end(struct bench_worker *w)
{
	const struct memory_params *p = w->job->params;
	struct memory_meter *meters = w->job->shared;
	struct memory_state *s = w->state;
	uint64_t wrong;

	if (memory_is_stream(p, w->index)) {
		if (s->stream.pass && stream_verify(&s->stream, &wrong))
			(void)bench_worker_fail(w, -EBADMSG,
						"element %" PRIu64 " is wrong after pass %" PRIu64,
						wrong, s->stream.pass);
	} else if (!meters[w->index].last_ns) {
		/* The window may have ended between run()'s look at the clock and the core's. */
		meters[w->index].last_ns = memory_cpu_ns();
	}
}

static void memory_leave(struct bench_worker *w)
{
	struct memory_state *s = w->state;

	pages_unmap(&s->pages);
}

static void memory_teardown(struct bench_job *job)
{
	free(job->shared);
	job->shared = NULL;
}

/* Time per load on the CPU: what others did with the core meanwhile is not the memory's. */
static void memory_report_load(struct bench_job *job, unsigned nr)
{
	static const struct bench_metric_id id = {
		"memory.load", "ns", BENCH_SOURCE_MODULE, BENCH_BETTER_LOWER, { { NULL, NULL } }
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

static void memory_report_traffic(struct bench_job *job)
{
	static const struct bench_metric_id id = {
		"memory.traffic", "B/s", BENCH_SOURCE_MODULE, BENCH_BETTER_NONE, { { NULL, NULL } }
	};
	const struct memory_meter *meters = job->shared;
	double sum = 0;

	for (unsigned i = 1; i < job->nr_workers; i++) {
		const struct memory_meter *m = &meters[i];

		if (m->last_ns > m->first_ns)
			sum += (double)m->ops * MEMORY_TRAFFIC_BLOCK * 1e9 /
			       (double)(m->last_ns - m->first_ns);
	}
	bench_metric_put(job->metrics, &id, sum);
}

static void memory_report(struct bench_job *job, uint64_t trial_ns)
{
	static const struct bench_metric_id id = { "memory.size_by_llc",
						   "ratio",
						   BENCH_SOURCE_MODULE,
						   BENCH_BETTER_NONE,
						   { { NULL, NULL } } };
	const struct memory_params *p = job->params;
	uint64_t llc = memory_llc_bytes();
	double ratio = llc ? (double)p->size / (double)llc : 0;

	(void)trial_ns;
	if (!memory_is_stream(p, 0))
		memory_report_load(job, p->mode == MEMORY_LOADED ? 1 : job->nr_workers);
	if (p->mode == MEMORY_LOADED)
		memory_report_traffic(job);
	if (!llc)
		bench_metric_put_status(job->metrics, &id, BENCH_NOT_SUPPORTED, 0,
					"sysfs tells no cache sizes");
	else if (memory_is_stream(p, 0) && ratio < MEMORY_BY_LLC)
		bench_metric_put_status(job->metrics, &id, BENCH_OK, ratio,
					"arrays below 4 times the last-level caches: by STREAM's "
					"rules this is not the bandwidth of the memory");
	else
		bench_metric_put(job->metrics, &id, ratio);
}

static const struct bench_option memory_options[] = {
	{ .name = "mode",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct memory_params, mode),
	  .def = "latency",
	  .values = memory_modes,
	  .help = "latency: dependent loads in random order; loaded: the same beside workers that "
		  "read; "
		  "else passes over arrays" },
	{ .name = "size",
	  .type = BENCH_OPT_SIZE,
	  .offset = offsetof(struct memory_params, size),
	  .max = 1ull << 37,
	  .def = "0",
	  .help = "latency, loaded: bytes of each worker (0: 256m); else: bytes of each array, "
		  "over all "
		  "workers "
		  "(0: 4 x the last-level caches)" },
	{ .name = "pages",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct memory_params, pages),
	  .def = "4k",
	  .values = pages_sizes,
	  .help = "size of the pages; 2m needs transparent huge pages, and it is checked that they "
		  "are" },
	{ .name = "nt",
	  .type = BENCH_OPT_BOOL,
	  .offset = offsetof(struct memory_params, nt),
	  .def = "0",
	  .help = "1: non-temporal stores, which do not read the line first (x86-64)" },
	{ .name = "delay",
	  .type = BENCH_OPT_U64,
	  .offset = offsetof(struct memory_params, delay),
	  .max = 10000000,
	  .def = "0",
	  .help = "loaded: turns of an empty loop after each 4 KiB that a worker reads" },
	{ .name = NULL },
};

static const char *const memory_suite[] = { "mode=latency,workers=1", "mode=triad", NULL };
static const char *const memory_full[] = {
	"mode=latency,workers=1,size={16k,256k,4m}",
	"mode=latency,workers=1,pages=2m",
	"mode={read,write,copy}",
	"mode={write,copy,triad},nt=1",
	NULL,
};

const struct bench_module bench_module_memory = {
	.abi = BENCH_MODULE_ABI,
	.exec = BENCH_EXEC_BLOCKING,
	.name = "memory",
	.own_pace = true,
	.summary = "memory: latency of dependent loads, bandwidth by STREAM's rules",
	.op = "latency, loaded: one load that depends on the one before; else: one block of 1 MiB "
	      "of each "
	      "array",
	.options = memory_options,
	.suite = memory_suite,
	.full = memory_full,
	.params_size = sizeof(struct memory_params),
	.state_size = sizeof(struct memory_state),
	.validate = memory_validate,
	.resolve = memory_resolve,
	.check = memory_check,
	.setup = memory_setup,
	.enter = memory_enter,
	.begin = memory_begin,
	.run = memory_run,
	.finish = memory_finish,
	.interrupt = memory_interrupt,
	.end = memory_end,
	.leave = memory_leave,
	.teardown = memory_teardown,
	.report = memory_report,
};
