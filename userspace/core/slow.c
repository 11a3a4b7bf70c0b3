// SPDX-License-Identifier: BSD-2-Clause
/* The worker's side of slow operations. Fast ops cost one comparison; what passes it comes here. */
#include "core/slow.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/async.h"

/* Where the two bands lie, and from how many ops on they can be told. */
static const struct {
	double low, high;
	uint64_t min;
} bands[2] = { { 0.985, 0.995, 1000 }, { 0.9985, 0.9995, 10000 } };

/* Time that looking up causes may take: so much at once, and this share of the window. A workload
 * whose ops get slower and slower makes each one a record. */
#define COST_FLOOR_NS (2 * BENCH_NS_PER_MS)
#define COST_SHARE 200

struct bench_slow *slow_new(unsigned nr, const struct bench_module *module,
			    const struct slow_source *source)
{
	struct bench_slow *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->source = *source;
	s->module = module;
	s->random = 0x9e3779b97f4a7c15ull ^ (uint64_t)(uintptr_t)s;
	s->max = nr;
	s->heap = calloc(nr, sizeof(*s->heap));
	s->worst = calloc(nr, sizeof(*s->worst));
	if (!s->heap || !s->worst) {
		slow_free(s);
		return NULL;
	}
	/* First touch here: calloc() alone gives pages that fault in the window. */
	memset(s->heap, 0xff, nr * sizeof(*s->heap));
	memset(s->worst, 0xff, nr * sizeof(*s->worst));
	memset(s->bands, 0xff, sizeof(s->bands));
	slow_forget(s);
	return s;
}

void slow_forget(struct bench_slow *s)
{
	if (!s)
		return;
	s->nr = 0;
	for (unsigned i = 0; i < 2; i++) {
		s->bands[i].low_ns = UINT64_MAX;
		s->bands[i].high_ns = 0;
		s->bands[i].seen = 0;
		s->bands[i].nr = 0;
	}
}

void slow_free(struct bench_slow *slow)
{
	if (!slow)
		return;
	free(slow->heap);
	free(slow->worst);
	free(slow);
}

/* xorshift64*: fast, and good enough to choose by. */
static uint64_t next_random(struct bench_slow *s)
{
	s->random ^= s->random >> 12;
	s->random ^= s->random << 25;
	s->random ^= s->random >> 27;
	return s->random * 2685821657736338717ull;
}

static uint64_t heap_ns(const struct bench_slow *s, unsigned at)
{
	return s->worst[s->heap[at]].latency_ns;
}

static void heap_swap(struct bench_slow *s, unsigned a, unsigned b)
{
	unsigned swap = s->heap[a];

	s->heap[a] = s->heap[b];
	s->heap[b] = swap;
}

static void heap_up(struct bench_slow *s, unsigned at)
{
	for (; at && heap_ns(s, at) < heap_ns(s, (at - 1) / 2); at = (at - 1) / 2)
		heap_swap(s, at, (at - 1) / 2);
}

static void heap_down(struct bench_slow *s)
{
	for (unsigned at = 0, child; (child = 2 * at + 1) < s->nr; at = child) {
		if (child + 1 < s->nr && heap_ns(s, child + 1) < heap_ns(s, child))
			child++;
		if (heap_ns(s, at) <= heap_ns(s, child))
			return;
		heap_swap(s, at, child);
	}
}

static void heap_add(struct bench_slow *s, const struct slow_op *op)
{
	if (s->nr < s->max) {
		s->heap[s->nr] = s->nr;
		s->worst[s->nr] = *op;
		heap_up(s, s->nr++);
		return;
	}
	s->worst[s->heap[0]] = *op;
	heap_down(s);
}

static bool heap_wants(const struct bench_slow *s, uint64_t latency_ns)
{
	return s->nr < s->max || latency_ns > heap_ns(s, 0);
}

/* Where in the band's sample this op goes, or -1. */
static int band_wants(struct bench_slow *s, struct slow_band *band, uint64_t latency_ns)
{
	uint64_t at;

	if (latency_ns < band->low_ns || latency_ns >= band->high_ns)
		return -1;
	band->seen++;
	if (band->nr < SLOW_BAND_OPS)
		return (int)band->nr++;
	at = next_random(s) % band->seen;
	return at < SLOW_BAND_OPS ? (int)at : -1;
}

static void set_threshold(struct bench_worker *w)
{
	const struct bench_slow *s = w->slow;
	uint64_t ns = s->nr < s->max ? 0 : heap_ns(s, 0) + 1;

	for (unsigned i = 0; i < 2; i++)
		if (s->bands[i].low_ns < ns)
			ns = s->bands[i].low_ns;
	w->slow_ns = ns;
}

void slow_stretch(const struct bench_hist *hist, double low, double high, uint64_t *ret_low_ns,
		  uint64_t *ret_high_ns)
{
	uint64_t from = bench_hist_at(hist, low), to = bench_hist_at(hist, high);

	/* Whole buckets: a narrow distribution may have both in one. */
	*ret_low_ns = bench_hist_low(hist, bench_hist_index(hist->bits, from));
	*ret_high_ns = bench_hist_high(hist, bench_hist_index(hist->bits, to));
}

void slow_begin(struct bench_worker *w, unsigned trial)
{
	const struct bench_hist *last = w->latency;
	struct bench_slow *s = w->slow;

	w->slow_ns = UINT64_MAX;
	if (!s)
		return;
	s->trial = trial;
	if (!trial)
		return;
	for (unsigned i = 0; i < 2; i++) {
		if (last->count < bands[i].min)
			continue;
		slow_stretch(last, bands[i].low, bands[i].high, &s->bands[i].low_ns,
			     &s->bands[i].high_ns);
	}
	s->window_ns = w->window->start_ns;
	s->cost_ns = 0;
	set_threshold(w);
}

/* Does the worker have nothing else under way? */
static bool is_single(const struct bench_worker *w)
{
	return w->slow->module->exec != BENCH_EXEC_ASYNC || async_inflight_max(w->async) <= 1;
}

/* Of this thread: a look-up does not cost what others do on its CPU meanwhile. */
static uint64_t cpu_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts); /* cannot fail on Linux */
	return (uint64_t)ts.tv_sec * BENCH_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* Take the op apart unless that has cost too much already. */
static void look_up(struct bench_worker *w, struct slow_stamps *t, uint64_t key, struct slow_op *op)
{
	static const struct slow_source nothing = { 0 };
	struct bench_slow *s = w->slow;
	uint64_t began_ns;

	if (s->cost_ns > COST_FLOOR_NS + (bench_now_ns() - s->window_ns) / COST_SHARE) {
		op->missed = true;
		slow_take_apart(&nothing, t, op);
		return;
	}
	began_ns = cpu_now_ns();
	t->single = is_single(w);
	t->placed = s->module->locate && s->module->locate(w->job, key, &t->place) == 0;
	slow_take_apart(&s->source, t, op);
	s->cost_ns += cpu_now_ns() - began_ns;
}

void bench_slow(struct bench_worker *w, uint64_t intended_ns, uint64_t submit_ns, uint64_t done_ns,
		uint64_t key)
{
	struct slow_stamps t = { .intended_ns = intended_ns, .done_ns = done_ns };
	struct bench_slow *s = w->slow;
	struct slow_op op;
	bool worst;
	int at[2];

	if (!s || !s->trial) {
		w->slow_ns = UINT64_MAX;
		return;
	}
	op.latency_ns = done_ns - intended_ns;
	worst = heap_wants(s, op.latency_ns);
	for (unsigned i = 0; i < 2; i++)
		at[i] = band_wants(s, &s->bands[i], op.latency_ns);
	if (!worst && at[0] < 0 && at[1] < 0)
		return;
	t.submit_ns = submit_ns < intended_ns ? intended_ns : submit_ns;
	if (t.submit_ns > done_ns)
		t.submit_ns = done_ns;
	op.intended_ns = intended_ns;
	op.at_ns = intended_ns > s->window_ns ? intended_ns - s->window_ns : 0;
	op.trial = s->trial;
	op.missed = false;
	look_up(w, &t, key, &op);
	for (unsigned i = 0; i < 2; i++)
		if (at[i] >= 0)
			s->bands[i].ops[at[i]] = op;
	if (worst)
		heap_add(s, &op);
	set_threshold(w);
}
