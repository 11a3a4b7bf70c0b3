// SPDX-License-Identifier: BSD-2-Clause
/* Core to core: one cache line goes from one worker's core to the other's and back. Both spin; the
 * kernel has no part in it, and samples in which it had one are discarded on its own word. */
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bench/module.h"
#include "pages.h"
#include "switches.h"

enum { C2C_FIRST, C2C_SECOND, C2C_WORKERS };

struct c2c_params {
	uint64_t home;
};

/* A line of its own page for each window: where the line lies decides on its home in the caches. */
#define C2C_PAGES 512u

/* Beside the count in the line. */
#define C2C_SYNC (1ull << 62) /* the second worker tells its switches */
#define C2C_STOP (1ull << 63) /* the window is over, or the job is interrupted */

/* Of one op, which is one sample: two clock reads (26 ns each) are then a part of less than 1 ns of
 * each round trip, and few samples are preempted. */
#define C2C_TRIPS 100u
/* How often to look whether the job is interrupted. */
#define C2C_LOOK (1u << 16)

struct c2c_shared {
	struct pages pages; /* touched by the home worker */
	_Atomic(_Atomic uint64_t *) line;
	unsigned windows;
	struct bench_hist *samples; /* ps a round trip */
	uint64_t discarded;	    /* samples */
	atomic_bool stop;
	_Atomic uint64_t asked; /* by the first worker in this window, syncs included */
	_Atomic uint64_t switches __attribute__((aligned(128))); /* of the second worker */
};

struct c2c_state {
	uint64_t count; /* what the line holds: even = the first worker's turn */
	uint64_t asked, before[C2C_WORKERS]; /* switches at the last sync */
};

static int c2c_setup(struct bench_job *job, struct bench_err *err)
{
	struct c2c_shared *s;

	if (job->cpus && job->cpus[0] >= 0 && job->cpus[0] == job->cpus[1])
		return bench_fail(err, -EINVAL, "both workers are on CPU %d; c2c needs two CPUs",
				  job->cpus[0]);
	s = aligned_alloc(128, (sizeof(*s) + 127) / 128 * 128);
	if (!s)
		return bench_fail(err, -ENOMEM, "out of memory");
	memset(s, 0, sizeof(*s));
	job->shared = s;
	s->samples = bench_hist_new(BENCH_HIST_BITS_WORKER);
	return s->samples ? 0 : bench_fail(err, -ENOMEM, "out of memory");
}

static int c2c_enter(struct bench_worker *w)
{
	const struct c2c_params *p = w->job->params;
	struct c2c_shared *s = w->job->shared;
	int rc;

	w->passive = w->index == C2C_SECOND;
	w->no_latency = true; /* with the questions about switches it would be too long */
	if (w->index != p->home)
		return 0;
	rc = pages_map(w, &s->pages, C2C_PAGES * PAGES_4K, PAGES_SMALL);
	if (rc)
		return rc;
	memset(s->pages.at, 0, s->pages.bytes);
	return pages_verify(w, &s->pages, PAGES_SMALL);
}

static int c2c_begin(struct bench_worker *w)
{
	struct c2c_shared *s = w->job->shared;
	struct c2c_state *st = w->state;
	_Atomic uint64_t *line;

	*st = (struct c2c_state){ 0 };
	if (w->passive)
		return 0;
	line = (_Atomic uint64_t *)(void *)(s->pages.at + s->windows++ % C2C_PAGES * PAGES_4K);
	atomic_store(line, 0);
	atomic_store(&s->line, line);
	atomic_store(&s->asked, 0);
	bench_hist_reset(s->samples);
	s->discarded = 0;
	return 0;
}

/* One round trip: the next odd number there, the even one after it back. False when told to stop.
 */
static inline bool c2c_ask(struct c2c_shared *s, _Atomic uint64_t *line, struct c2c_state *st,
			   uint64_t flag)
{
	uint64_t wanted = st->count + 2;

	atomic_store_explicit(line, (st->count + 1) | flag, memory_order_release);
	for (unsigned i = 1; atomic_load_explicit(line, memory_order_acquire) != wanted; i++)
		if (__builtin_expect(i % C2C_LOOK == 0, 0) && atomic_load(&s->stop))
			return false;
	st->count = wanted;
	st->asked++;
	return true;
}

/* Both workers' switches since the last time; UINT64_MAX when told to stop. */
static uint64_t c2c_sync(struct c2c_shared *s, _Atomic uint64_t *line, struct c2c_state *st)
{
	uint64_t now[C2C_WORKERS], sum;

	if (!c2c_ask(s, line, st, C2C_SYNC))
		return UINT64_MAX;
	now[C2C_FIRST] = switches_now().all;
	now[C2C_SECOND] = atomic_load(&s->switches);
	sum = now[C2C_FIRST] - st->before[C2C_FIRST] + now[C2C_SECOND] - st->before[C2C_SECOND];
	memcpy(st->before, now, sizeof(now));
	return sum;
}

static int c2c_sample(struct bench_worker *w, _Atomic uint64_t *line)
{
	struct c2c_shared *s = w->job->shared;
	struct c2c_state *st = w->state;
	bool stopped = c2c_sync(s, line, st) == UINT64_MAX;
	uint64_t begin = bench_now_ns(), took, switches;

	for (unsigned i = 0; i < C2C_TRIPS && !stopped; i++)
		stopped = !c2c_ask(s, line, st, 0);
	took = bench_now_ns() - begin;
	switches = stopped ? UINT64_MAX : c2c_sync(s, line, st);
	if (switches == UINT64_MAX || atomic_load(&s->stop))
		return bench_worker_fail(w, -EINTR, "interrupted while the line was away");
	if (switches)
		s->discarded++;
	else
		bench_hist_record(s->samples, took * 1000 / C2C_TRIPS);
	return 0;
}

static int c2c_run_first(struct bench_worker *w, uint64_t ops)
{
	struct c2c_shared *s = w->job->shared;
	_Atomic uint64_t *line = atomic_load(&s->line);
	int rc = 0;

	for (uint64_t i = 0; i < ops && !rc; i++)
		rc = c2c_sample(w, line);
	return rc;
}

static int c2c_run_second(struct bench_worker *w)
{
	struct c2c_shared *s = w->job->shared;
	struct c2c_state *st = w->state;
	_Atomic uint64_t *line = atomic_load(&s->line);
	uint64_t asked;

	for (;;) {
		uint64_t got = atomic_load_explicit(line, memory_order_acquire);

		if (got & C2C_STOP)
			break;
		if ((got & ~C2C_SYNC) != st->count + 1)
			continue;
		if (got & C2C_SYNC)
			atomic_store(&s->switches, switches_now().all);
		st->count += 2;
		st->asked++;
		atomic_store_explicit(line, st->count, memory_order_release);
	}
	asked = atomic_load(&s->asked);
	if (asked == st->asked)
		return 0;
	return bench_worker_fail(w, -EBADMSG,
				 "the line came %" PRIu64 " times, it was sent %" PRIu64 " times",
				 st->asked, asked);
}

static int c2c_run(struct bench_worker *w, uint64_t ops)
{
	return w->passive ? c2c_run_second(w) : c2c_run_first(w, ops);
}

static void c2c_finish(struct bench_worker *w)
{
	struct c2c_shared *s = w->job->shared;
	struct c2c_state *st = w->state;

	atomic_store(&s->asked, st->asked);
	atomic_store(atomic_load(&s->line), C2C_STOP);
}

static void c2c_interrupt(struct bench_worker *w)
{
	struct c2c_shared *s = w->job->shared;

	atomic_store(&s->stop, true);
	/* Before the first window there is no line, and nobody waits for one. */
	if (atomic_load(&s->line))
		atomic_store(atomic_load(&s->line), C2C_STOP);
}

static void c2c_teardown(struct bench_job *job)
{
	struct c2c_shared *s = job->shared;

	if (!s)
		return;
	pages_unmap(&s->pages);
	bench_hist_free(s->samples);
	free(s);
	job->shared = NULL;
}

static void c2c_report(struct bench_job *job, uint64_t trial_ns)
{
	static const struct {
		const char *name;
		double q;
	} stats[] = { { "min", 0 }, { "p50", 0.5 }, { "p99", 0.99 } };
	static const struct bench_metric_id discarded = { "c2c.discarded",
							  "count",
							  BENCH_SOURCE_MODULE,
							  BENCH_BETTER_LOWER,
							  { { NULL, NULL } } };
	const struct c2c_shared *s = job->shared;

	(void)trial_ns;
	for (unsigned i = 0; i < sizeof(stats) / sizeof(stats[0]); i++) {
		struct bench_metric_id id = { .name = "c2c.round_trip",
					      .unit = "ns",
					      .source = BENCH_SOURCE_MODULE,
					      .better = BENCH_BETTER_LOWER,
					      .labels = { { "stat", stats[i].name } } };

		if (s->samples->count)
			bench_metric_put(job->metrics, &id,
					 (double)bench_hist_at(s->samples, stats[i].q) / 1000);
		else
			bench_metric_put_status(job->metrics, &id, BENCH_NOT_COUNTED, 0,
						"no sample without a context switch");
	}
	bench_metric_put(job->metrics, &discarded, (double)s->discarded);
}

static const char *const c2c_homes[] = { "first", "second", NULL };

static const struct bench_option c2c_options[] = {
	{ .name = "home",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct c2c_params, home),
	  .def = "first",
	  .values = c2c_homes,
	  .help = "worker that touches the line first: on its NUMA node the line lies" },
	{ .name = NULL },
};

static const char *const c2c_full[] = { "", NULL };

const struct bench_module bench_module_c2c = {
	.abi = BENCH_MODULE_ABI,
	.exec = BENCH_EXEC_BLOCKING,
	.name = "c2c",
	.summary = "core to core: a cache line between two cores",
	.op = "100 round trips of one cache line, each of which is two transfers",
	.options = c2c_options,
	.full = c2c_full,
	.params_size = sizeof(struct c2c_params),
	.state_size = sizeof(struct c2c_state),
	.min_workers = C2C_WORKERS,
	.max_workers = C2C_WORKERS,
	.setup = c2c_setup,
	.enter = c2c_enter,
	.begin = c2c_begin,
	.run = c2c_run,
	.finish = c2c_finish,
	.interrupt = c2c_interrupt,
	.teardown = c2c_teardown,
	.report = c2c_report,
};
