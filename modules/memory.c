// SPDX-License-Identifier: BSD-2-Clause
/* Memory: the latency of dependent loads by size and page size, alone and beside others' traffic, and
 * the bandwidth of reading, writing, copying and STREAM's triad. Each worker uses memory of its own,
 * which it touched first. */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bench/module.h"
#include "memory_chase.h"
#include "memory_host.h"
#include "memory_pieces.h"
#include "memory_report.h"
#include "memory_stream.h"
#include "pages.h"

/* mode=loaded: what the traffic moves at once, and looks for the end of the window after. */
#define MEMORY_TRAFFIC_BLOCK 4096u

#define MEMORY_LATENCY_SIZE (256ull << 20)

/* mode=latency: which physical pages a buffer gets decides which sets of a cache it uses, and so where
 * the cache is full. Each window uses another of several buffers, as far as this is enough for them. */
#define MEMORY_BUFFERS 8
#define MEMORY_BUFFERS_BYTES (16u << 20)

struct memory_state {
	struct pages pages;
	size_t share, buffer_bytes;   /* of a chain, and from buffer to buffer */
	unsigned nr_buffers, buffer;
	struct chase chase;
	struct pieces pieces;
	struct stream stream;
};

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

	if (p->nt && (!memory_is_stream(p, p->mode == MEMORY_LOADED) || memory_kind(p) == STREAM_READ))
		return bench_fail(err, -EINVAL, "nt=1 is about stores; %s%s has none",
				  p->mode == MEMORY_LOADED ? "mode=loaded with traffic=" : "mode=",
				  p->mode == MEMORY_LOADED ? memory_kinds[p->traffic]
							   : memory_modes[p->mode]);
	if (p->delay && p->mode != MEMORY_LOADED)
		return bench_fail(err, -EINVAL, "delay= is for mode=loaded");
	if (p->traffic && p->mode != MEMORY_LOADED)
		return bench_fail(err, -EINVAL, "traffic= is for mode=loaded");
	if (memory_node(p->node) < PAGES_LOCAL)
		return bench_fail(err, -EINVAL,
				  "node=%s: give local or the number of a NUMA node", p->node);
	return 0;
}

/* Bytes of one worker. An array is a whole number of blocks; one that is smaller is its own block.
 */
static size_t memory_share(const struct bench_job *job, unsigned index, uint64_t *ret_block)
{
	const struct memory_params *p = job->params;
	uint64_t bytes = p->size, block = STREAM_BLOCK;

	if (!memory_is_stream(p, index))
		return bytes / sizeof(struct chase_line) * sizeof(struct chase_line);
	if (p->mode == MEMORY_LOADED)
		block = MEMORY_TRAFFIC_BLOCK;
	else
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
	cpu_set_t set;

	if (p->nt && !STREAM_HAS_NT)
		return bench_fail(err, -EOPNOTSUPP,
				  "nt=1: no non-temporal stores known for this architecture");
	if (p->mode == MEMORY_LOADED && !sched_getaffinity(0, sizeof(set), &set) &&
	    CPU_COUNT(&set) < 2)
		return bench_fail(err, -EOPNOTSUPP, "mode=loaded needs two CPUs");
	if (memory_is_stream(p, p->mode == MEMORY_LOADED))
		one *= stream_arrays(memory_kind(p));
	/* What more than one worker needs, setup() sees. */
	return memory_available(one, err)
		       ?: pages_check((enum pages_size)p->pages, err)
		       ?: memory_node_check(memory_node(p->node), err);
}

/* What stands for the job: its time per load, over the traffic beside it; of passes the bytes. */
static void memory_figure(struct bench_job *job)
{
	const struct memory_params *p = job->params;

	if (memory_is_stream(p, 0)) {
		job->figure = "bytes";
		return;
	}
	job->figure = "memory.load";
	if (p->mode == MEMORY_LOADED)
		job->figure_over = "memory.traffic";
	else
		job->figure_marks = "memory.cache";
}

static int memory_setup(struct bench_job *job, struct bench_err *err)
{
	const struct memory_params *p = job->params;
	void *meters = NULL;
	uint64_t all = 0;

	if (p->mode == MEMORY_LOADED && job->nr_workers < 2)
		return bench_fail(err, -EINVAL, "mode=loaded takes 2 workers at least");
	for (unsigned i = 0; i < job->nr_workers; i++) {
		uint64_t block;
		size_t share = memory_share(job, i, &block);

		if (!share)
			return bench_fail(err, -EINVAL, "size= is too small for %u workers",
					  job->nr_workers);
		all += share;
	}
	if (posix_memalign(&meters, sizeof(struct memory_meter),
			   job->nr_workers * sizeof(struct memory_meter)))
		return bench_fail(err, -ENOMEM, "memory: out of memory");
	memset(meters, 0, job->nr_workers * sizeof(struct memory_meter));
	job->shared = meters;
	memory_figure(job);
	return memory_available(all, err);
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

static unsigned memory_nr_buffers(const struct memory_params *p, size_t bytes)
{
	uint64_t nr = MEMORY_BUFFERS_BYTES / bytes;

	return p->mode != MEMORY_LATENCY || nr < 1 ? 1 : nr < MEMORY_BUFFERS ? (unsigned)nr : MEMORY_BUFFERS;
}

static int memory_enter(struct bench_worker *w)
{
	const struct memory_params *p = w->job->params;
	struct memory_state *s = w->state;
	enum pages_size size = (enum pages_size)p->pages;
	size_t page = size == PAGES_HUGE ? PAGES_2M : PAGES_4K;
	int node = memory_node(p->node), rc;
	uint64_t block = 0;

	s->share = memory_share(w->job, w->index, &block);
	/* A whole number of pages, so that there is no small one at the end. */
	s->buffer_bytes = (s->share + page - 1) / page * page;
	s->nr_buffers = memory_nr_buffers(p, s->buffer_bytes);
	rc = pages_map(w, &s->pages, s->nr_buffers * s->buffer_bytes, size)
		     ?: pages_bind(w, &s->pages, node);
	w->passive = p->mode == MEMORY_LOADED && w->index > 0;
	/* Reading the clock takes longer than most loads. */
	w->no_latency = !memory_is_stream(p, w->index);
	if (rc)
		return rc;
	memset(s->pages.at, 0, s->pages.bytes);
	if (memory_is_stream(p, w->index))
		memory_stream_init(s, p, s->share, block);
	return pages_verify_on(w, &s->pages, size, node);
}

/* The chain of this window, in the next buffer. One in the only buffer is there for all windows. */
static int memory_lay_out(struct bench_worker *w, struct memory_state *s)
{
	if (s->chase.nr && s->nr_buffers == 1)
		return 0;
	s->buffer = (s->buffer + 1) % s->nr_buffers;
	if (chase_build(&s->chase, s->pages.at + s->buffer * s->buffer_bytes, s->share, w->index + 1))
		return bench_worker_fail(w, -ENOMEM, "no memory to lay out the chain");
	return 0;
}

static int memory_begin(struct bench_worker *w)
{
	const struct memory_params *p = w->job->params;
	struct memory_meter *meters = w->job->shared;
	struct memory_state *s = w->state;

	meters[w->index] = (struct memory_meter){ 0 };
	if (memory_is_stream(p, w->index)) {
		stream_fill(&s->stream);
		return 0;
	}
	pieces_clear(&s->pieces);
	return memory_lay_out(w, s);
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
	uint64_t begin, now;
	int rc = 0;

	if (w->passive)
		return memory_run_traffic(w);
	if (memory_is_stream(p, w->index)) {
		m->first_ns = m->first_ns ? m->first_ns : bench_now_ns();
		rc = memory_run_stream(w, &s->stream, ops);
		m->ops += ops;
		m->last_ns = bench_now_ns();
		return rc;
	}
	if (!m->first_ns)
		m->first_ns = memory_cpu_ns();
	begin = bench_now_ns();
	if (chase_run(&s->chase, ops))
		rc = bench_worker_fail(w, -EBADMSG,
				       "%" PRIu64 " loads ended at another line than they lead to",
				       ops);
	now = bench_now_ns();
	m->ops += ops;
	pieces_add(&s->pieces, ops, now - begin);
	/* A system call: only after the last batch of the window. */
	if (!bench_running(w, now))
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
	} else {
		/* The window may have ended between run()'s look at the clock and the core's. */
		if (!meters[w->index].last_ns)
			meters[w->index].last_ns = memory_cpu_ns();
		meters[w->index].quiet_ns = pieces_quiet_ns(&s->pieces);
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

static void memory_report(struct bench_job *job, uint64_t trial_ns)
{
	const struct memory_params *p = job->params;
	unsigned first = p->mode == MEMORY_LOADED;

	(void)trial_ns;
	if (!memory_is_stream(p, 0))
		memory_report_load(job, p->mode == MEMORY_LOADED ? 1 : job->nr_workers);
	if (p->mode == MEMORY_LATENCY) {
		memory_report_quiet(job);
		memory_report_caches(job);
	}
	if (memory_is_stream(p, first)) {
		uint64_t block = 0;

		(void)memory_share(job, first, &block);
		memory_report_bytes(job, first, block);
	}
	memory_report_ratio(job);
}

static const struct bench_option memory_options[] = {
	{ .name = "mode",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct memory_params, mode),
	  .def = "latency",
	  .values = memory_modes,
	  .help = "latency: dependent loads in random order; loaded: the same beside workers that "
		  "cause traffic; else passes over arrays" },
	{ .name = "size",
	  .type = BENCH_OPT_SIZE,
	  .offset = offsetof(struct memory_params, size),
	  .max = 1ull << 37,
	  .def = "0",
	  .help = "latency, loaded: bytes of each chain and each array of a worker (0: 256m); else: "
		  "bytes of each array, over all workers (0: 4 x the last-level caches)" },
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
	  .help = "loaded: turns of an empty loop after each 4 KiB of an array" },
	{ .name = "traffic",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct memory_params, traffic),
	  .def = "read",
	  .values = memory_kinds,
	  .help = "loaded: what the other workers do with arrays of their own" },
	{ .name = "node",
	  .type = BENCH_OPT_STRING,
	  .offset = offsetof(struct memory_params, node),
	  .def = "local",
	  .values = memory_nodes,
	  .help = "where the memory comes from: the worker's own NUMA node, or that of the number" },
	{ .name = NULL },
};

static const char *const memory_suite[] = { "mode=latency,workers=1", "mode=triad", NULL };
static const char *const memory_full[] = {
	"mode=latency,workers=1,pages=2m,size={16k,24k,32k,48k,64k,96k,128k,192k,256k,384k,512k,768k,"
	"1m,1536k,2m,3m,4m,6m,8m,12m,16m,24m,32m,48m,64m,128m}",
	"mode=latency,workers=1,pages=2m",
	"mode={read,write,copy}",
	"mode={write,copy,triad},nt=1",
	"mode=loaded,pages=2m,delay={0,250,1000,4000,16000,1000000}",
	NULL,
};

const struct bench_module bench_module_memory = {
	.abi = BENCH_MODULE_ABI,
	.exec = BENCH_EXEC_BLOCKING,
	.name = "memory",
	.own_pace = true,
	.summary = "memory: latency of dependent loads, bandwidth by STREAM's rules",
	.op = "latency, loaded: one load that depends on the one before; else: one block of 1 MiB "
	      "of each array",
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
