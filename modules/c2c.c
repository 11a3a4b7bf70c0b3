// SPDX-License-Identifier: BSD-2-Clause
/* Core to core: one cache line goes from one worker's core to the other's and back. Both spin; the
 * kernel has no part in it, and samples in which it had one are discarded on its own word. With
 * pairs=all the workers take turns in twos, and whose turn it is not sleeps. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/module.h"
#include "c2c_pairs.h"
#include "pages.h"
#include "switches.h"

enum { C2C_FIRST, C2C_SECOND, C2C_SIDES };
enum { C2C_ONE, C2C_ALL };

struct c2c_params {
	uint64_t home, pairs;
};

/* A line on a page of its own for each window or visit: where the line lies decides on its home in
 * the caches. Of each worker; as many as pages_verify() looks at. */
#define C2C_PAGES 64u

/* Beside the count in the line. */
#define C2C_SYNC (1ull << 62) /* the second worker tells its switches */
#define C2C_STOP (1ull << 63) /* the window or visit is over, or the job is interrupted */

/* Of one sample: two clock reads (26 ns each) are then a part of less than 1 ns of each round trip,
 * and few samples are preempted. */
#define C2C_TRIPS 100u
/* Samples of a visit. One more before them does not count: cores come from their sleep. */
#define C2C_VISIT 20u
/* How often to look whether the job is interrupted. */
#define C2C_LOOK (1u << 16)

/* Of each worker, seen by all. */
struct c2c_slot {
	struct pages pages; /* that it touched first */
	unsigned lines;	    /* taken of them */
	_Atomic uint32_t turn; /* a futex: visits that it had a part in, and one more at the end */
} __attribute__((aligned(128)));

struct c2c_shared {
	struct c2c_slot *slots;
	unsigned nr_slots;
	struct c2c_pairs pairs;
	unsigned next; /* pair to visit */
	_Atomic(struct c2c_pair *) pair; /* the one that is visited */
	_Atomic(_Atomic uint64_t *) line;
	atomic_bool stop;     /* interrupted */
	atomic_bool over;     /* the window is */
	_Atomic uint32_t left; /* a futex: workers of the pair that are not done with the visit */
	_Atomic uint64_t asked; /* by the first worker in this visit, syncs included */
	_Atomic uint64_t switches __attribute__((aligned(128))); /* of the second worker */
};

struct c2c_state {
	uint64_t count; /* what the line holds: even = the first worker's turn */
	uint64_t asked, before[C2C_SIDES]; /* switches at the last sync */
	uint32_t turn;			   /* visits so far */
};

static long c2c_futex(_Atomic uint32_t *word, int op, uint32_t value)
{
	return syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

static int c2c_setup(struct bench_job *job, struct bench_err *err)
{
	struct c2c_shared *s;

	for (unsigned i = 0; job->cpus && i < job->nr_workers; i++)
		for (unsigned j = 0; j < i; j++)
			if (job->cpus[i] >= 0 && job->cpus[i] == job->cpus[j])
				return bench_fail(err, -EINVAL,
						  "two workers are on CPU %d; c2c needs a CPU for each",
						  job->cpus[i]);
	s = aligned_alloc(128, (sizeof(*s) + 127) / 128 * 128);
	if (!s)
		return bench_fail(err, -ENOMEM, "out of memory");
	memset(s, 0, sizeof(*s));
	job->shared = s;
	s->slots = aligned_alloc(128, job->nr_workers * sizeof(*s->slots));
	if (!s->slots)
		return bench_fail(err, -ENOMEM, "out of memory");
	s->nr_slots = job->nr_workers;
	memset(s->slots, 0, s->nr_slots * sizeof(*s->slots));
	if (c2c_pairs_new(&s->pairs, job->cpus, job->nr_workers))
		return bench_fail(err, -ENOMEM, "out of memory");
	return 0;
}

static int c2c_enter(struct bench_worker *w)
{
	struct c2c_shared *s = w->job->shared;
	struct pages *pages = &s->slots[w->index].pages;
	int rc;

	w->passive = w->index != C2C_FIRST;
	w->no_latency = true; /* with the questions about switches it would be too long */
	rc = pages_map(w, pages, C2C_PAGES * PAGES_4K, PAGES_SMALL);
	if (rc)
		return rc;
	memset(pages->at, 0, pages->bytes);
	return pages_verify(w, pages, PAGES_SMALL);
}

/* A fresh line for this pair. Nobody uses one yet. */
static void c2c_open(struct c2c_shared *s, struct c2c_pair *pair, uint64_t home)
{
	struct c2c_slot *slot = &s->slots[home == C2C_FIRST ? pair->first : pair->second];
	_Atomic uint64_t *line;

	line = (_Atomic uint64_t *)(void *)(slot->pages.at + slot->lines++ % C2C_PAGES * PAGES_4K);
	atomic_store(line, 0);
	atomic_store(&s->asked, 0);
	atomic_store(&s->pair, pair);
	atomic_store(&s->line, line);
}

static int c2c_begin(struct bench_worker *w)
{
	const struct c2c_params *p = w->job->params;
	struct c2c_shared *s = w->job->shared;
	struct c2c_state *st = w->state;

	*st = (struct c2c_state){ .turn = atomic_load(&s->slots[w->index].turn) };
	if (w->passive)
		return 0;
	for (unsigned i = 0; i < s->pairs.nr; i++) {
		bench_hist_reset(s->pairs.pair[i].samples);
		s->pairs.pair[i].discarded = 0;
	}
	s->next = 0;
	atomic_store(&s->over, false);
	if (p->pairs == C2C_ONE)
		c2c_open(s, &s->pairs.pair[0], p->home);
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
	uint64_t now[C2C_SIDES], sum;

	if (!c2c_ask(s, line, st, C2C_SYNC))
		return UINT64_MAX;
	now[C2C_FIRST] = switches_now().all;
	now[C2C_SECOND] = atomic_load(&s->switches);
	sum = now[C2C_FIRST] - st->before[C2C_FIRST] + now[C2C_SECOND] - st->before[C2C_SECOND];
	memcpy(st->before, now, sizeof(now));
	return sum;
}

static int c2c_sample(struct bench_worker *w, struct c2c_pair *pair, _Atomic uint64_t *line,
		      bool counts)
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
	if (!counts)
		return 0;
	if (switches)
		pair->discarded++;
	else
		bench_hist_record(pair->samples, took * 1000 / C2C_TRIPS);
	return 0;
}

/* The second worker waits for no more than this. */
static void c2c_close(struct c2c_shared *s, const struct c2c_state *st)
{
	atomic_store(&s->asked, st->asked);
	atomic_store(atomic_load(&s->line), C2C_STOP);
}

/* The second worker's side, until told to stop. A stop that came between its look at the line and its
 * answer is overwritten by that; then the other word for it ends the wait. */
static int c2c_serve(struct bench_worker *w)
{
	struct c2c_shared *s = w->job->shared;
	struct c2c_state *st = w->state;
	_Atomic uint64_t *line = atomic_load(&s->line);
	uint64_t asked;

	for (unsigned i = 1;; i++) {
		uint64_t got = atomic_load_explicit(line, memory_order_acquire);

		if (got & C2C_STOP)
			break;
		if (__builtin_expect(i % C2C_LOOK == 0, 0) && atomic_load(&s->stop))
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
	if (asked == st->asked || atomic_load(&s->stop))
		return 0;
	return bench_worker_fail(w, -EBADMSG,
				 "the line came %" PRIu64 " times, it was sent %" PRIu64 " times",
				 st->asked, asked);
}

/* --- pairs=all: worker 0 says whose turn it is --- */

/* The part of a worker in the visit of the pair that it belongs to. */
static int c2c_visit(struct bench_worker *w)
{
	struct c2c_shared *s = w->job->shared;
	struct c2c_pair *pair = atomic_load(&s->pair);
	struct c2c_state *st = w->state;
	int rc = 0;

	*st = (struct c2c_state){ .turn = st->turn + 1 };
	if (w->index == pair->second) {
		rc = c2c_serve(w);
	} else {
		for (unsigned i = 0; i <= C2C_VISIT && !rc; i++)
			rc = c2c_sample(w, pair, atomic_load(&s->line), i > 0);
		c2c_close(s, st);
	}
	if (atomic_fetch_sub(&s->left, 1) == 1)
		(void)c2c_futex(&s->left, FUTEX_WAKE_PRIVATE, 1);
	return rc;
}

static void c2c_call(struct c2c_slot *slot)
{
	atomic_fetch_add(&slot->turn, 1);
	(void)c2c_futex(&slot->turn, FUTEX_WAKE_PRIVATE, 1);
}

static int c2c_visit_next(struct bench_worker *w)
{
	const struct c2c_params *p = w->job->params;
	struct c2c_shared *s = w->job->shared;
	struct c2c_pair *pair = &s->pairs.pair[s->next++ % s->pairs.nr];
	uint32_t left;
	int rc = 0;

	c2c_open(s, pair, p->home);
	atomic_store(&s->left, C2C_SIDES);
	c2c_call(&s->slots[pair->second]);
	if (pair->first == w->index)
		rc = c2c_visit(w);
	else
		c2c_call(&s->slots[pair->first]);
	while ((left = atomic_load(&s->left)) != 0)
		(void)c2c_futex(&s->left, FUTEX_WAIT_PRIVATE, left);
	return !rc && atomic_load(&s->stop) ? bench_worker_fail(w, -EINTR, "interrupted") : rc;
}

static int c2c_wait_turns(struct bench_worker *w)
{
	struct c2c_shared *s = w->job->shared;
	struct c2c_slot *slot = &s->slots[w->index];
	struct c2c_state *st = w->state;
	int ret = 0;

	for (;;) {
		while (atomic_load(&slot->turn) == st->turn)
			(void)c2c_futex(&slot->turn, FUTEX_WAIT_PRIVATE, st->turn);
		if (atomic_load(&s->over))
			return ret;
		ret = c2c_visit(w) ? : ret;
	}
}

static int c2c_run(struct bench_worker *w, uint64_t ops)
{
	const struct c2c_params *p = w->job->params;
	struct c2c_shared *s = w->job->shared;
	int rc = 0;

	if (w->passive)
		return p->pairs == C2C_ONE ? c2c_serve(w) : c2c_wait_turns(w);
	for (uint64_t i = 0; i < ops && !rc; i++)
		rc = p->pairs == C2C_ONE ?
			     c2c_sample(w, &s->pairs.pair[0], atomic_load(&s->line), true) :
			     c2c_visit_next(w);
	return rc;
}

static void c2c_finish(struct bench_worker *w)
{
	const struct c2c_params *p = w->job->params;
	struct c2c_shared *s = w->job->shared;

	if (p->pairs == C2C_ONE)
		return c2c_close(s, w->state);
	atomic_store(&s->over, true);
	for (unsigned i = 1; i < s->nr_slots; i++)
		c2c_call(&s->slots[i]);
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
	for (unsigned i = 0; i < s->nr_slots; i++)
		pages_unmap(&s->slots[i].pages);
	c2c_pairs_free(&s->pairs);
	free(s->slots);
	free(s);
	job->shared = NULL;
}

static void c2c_report(struct bench_job *job, uint64_t trial_ns)
{
	static const struct bench_metric_id discarded = { "c2c.discarded",
							  "count",
							  BENCH_SOURCE_MODULE,
							  BENCH_BETTER_LOWER,
							  { { NULL, NULL } } };
	const struct c2c_params *p = job->params;
	const struct c2c_shared *s = job->shared;
	uint64_t sum = 0;

	(void)trial_ns;
	if (p->pairs == C2C_ONE)
		c2c_report_stats(job, NULL, s->pairs.pair[0].samples);
	else
		c2c_pairs_report(job, &s->pairs);
	for (unsigned i = 0; i < s->pairs.nr; i++)
		sum += s->pairs.pair[i].discarded;
	bench_metric_put(job->metrics, &discarded, (double)sum);
}

static unsigned c2c_workers(const void *params)
{
	const struct c2c_params *p = params;

	return p->pairs == C2C_ONE ? C2C_SIDES : BENCH_WORKERS_ALL;
}

/* The others sleep. */
static unsigned c2c_runnable(const void *params)
{
	(void)params;
	return C2C_SIDES;
}

static const char *const c2c_homes[] = { "first", "second", NULL };

static const char *const c2c_pairs_words[] = { "one", "all", NULL };

static const struct bench_option c2c_options[] = {
	{ .name = "home",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct c2c_params, home),
	  .def = "first",
	  .values = c2c_homes,
	  .help = "worker of the pair that touches the line first: on its NUMA node the line lies" },
	{ .name = "pairs",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct c2c_params, pairs),
	  .def = "one",
	  .values = c2c_pairs_words,
	  .help = "one: workers 0 and 1; all: every pair of the job's CPUs, one after the other; of "
		  "many CPUs some of each kind" },
	{ .name = NULL },
};

static const char *const c2c_full[] = { "", "pairs=all", NULL };

const struct bench_module bench_module_c2c = {
	.abi = BENCH_MODULE_ABI,
	.exec = BENCH_EXEC_BLOCKING,
	.name = "c2c",
	.summary = "core to core: a cache line between two cores",
	.op = "100 round trips of one cache line, each of which is two transfers; pairs=all: 2100 by one "
	      "of the pairs",
	.options = c2c_options,
	.full = c2c_full,
	.params_size = sizeof(struct c2c_params),
	.state_size = sizeof(struct c2c_state),
	.min_workers = C2C_SIDES,
	.workers = c2c_workers,
	.runnable = c2c_runnable,
	.setup = c2c_setup,
	.enter = c2c_enter,
	.begin = c2c_begin,
	.run = c2c_run,
	.finish = c2c_finish,
	.interrupt = c2c_interrupt,
	.teardown = c2c_teardown,
	.report = c2c_report,
};
