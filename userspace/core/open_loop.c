// SPDX-License-Identifier: BSD-2-Clause
#include "core/open_loop.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/async.h"
#include "bench/clock.h"
#include "bench/metric.h"
#include "core/result.h"
#include "core/run.h"
#include "core/worker.h"

/* Sleep until this close to an arrival, then spin: a timer's wake-up from an idle CPU takes up to
 * some 50 us on a virtual machine. */
#define SPIN_NS (100 * BENCH_NS_PER_US)

/* Latencies stand when the generator's own lateness is at most this share of them at each of these
 * percentiles: what happens to one operation in a hundred says nothing of the median. */
#define LATE_SHARE 0.1
static const double late_at[] = { 0.5, 0.9, 0.99, 0.999 };

_Static_assert(offsetof(struct worker_run, w) == 0, "a module's worker is the core's");

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

struct open_loop *open_loop_new(uint64_t arrival, unsigned nr_slots)
{
	struct open_loop *open = calloc(1, sizeof(*open));

	if (!open)
		return NULL;
	open->arrival = arrival;
	open->service = bench_hist_new(BENCH_HIST_BITS_WORKER);
	open->lateness = bench_hist_new(BENCH_HIST_BITS_WORKER);
	open->ready_ns = malloc((nr_slots + 1) * sizeof(*open->ready_ns));
	if (!open->service || !open->lateness || !open->ready_ns) {
		open_loop_free(open);
		return NULL;
	}
	memset(open->ready_ns, 0, (nr_slots + 1) * sizeof(*open->ready_ns));
	return open;
}

void open_loop_free(struct open_loop *open)
{
	if (!open)
		return;
	bench_hist_free(open->service);
	bench_hist_free(open->lateness);
	free(open->ready_ns);
	free(open);
}

void open_loop_begin(struct open_loop *open, double rate, unsigned index, unsigned nr,
		     unsigned trial)
{
	bench_hist_reset(open->service);
	bench_hist_reset(open->lateness);
	open->arrivals = open->unserved = 0;
	open->drained = open->drained_ns = 0;
	open->line_integral = 0;
	open->period_ns = 1e9 * nr / rate;
	/* splitmix64's increment keeps seeds of neighbours apart; never 0. */
	open->random = (trial * 4096ull + index + 1) * 0x9e3779b97f4a7c15ull;
	/* Workers take turns at a constant rate; poisson arrivals need no such care. */
	open->next_ns = open->arrival == ARRIVAL_CONSTANT ? open->period_ns * index / nr : 0;
	if (open->arrival == ARRIVAL_POISSON)
		(void)open_loop_next(open);
}

/* xorshift64*, uniform over (0, 1]. */
static double uniform(struct open_loop *open)
{
	open->random ^= open->random >> 12;
	open->random ^= open->random << 25;
	open->random ^= open->random >> 27;
	return (double)((open->random * 2685821657736338717ull >> 11) + 1) * 0x1p-53;
}

uint64_t open_loop_next(struct open_loop *open)
{
	double due = open->next_ns;

	open->next_ns += open->arrival == ARRIVAL_POISSON ?
				 -log(uniform(open)) * open->period_ns :
				 open->period_ns;
	return (uint64_t)due;
}

static uint64_t wait_until(uint64_t due_ns, uint64_t now)
{
	if (now + SPIN_NS < due_ns) {
		uint64_t wake = due_ns - SPIN_NS;
		struct timespec ts = { .tv_sec = (time_t)(wake / BENCH_NS_PER_SEC),
				       .tv_nsec = (long)(wake % BENCH_NS_PER_SEC) };

		(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	}
	while ((now = bench_now_ns()) < due_ns)
		worker_relax();
	return now;
}

/* Arrivals from due_ns on that nobody will serve. */
static void count_unserved(struct open_loop *open, const struct bench_worker *w, uint64_t due_ns)
{
	if (open->arrival == ARRIVAL_CONSTANT && due_ns < w->window->end_ns) {
		uint64_t nr = (uint64_t)ceil((double)(w->window->end_ns - due_ns) /
					     open->period_ns);

		open->arrivals += nr;
		open->unserved += nr;
		return;
	}
	while (due_ns < w->window->end_ns) {
		open->arrivals++;
		open->unserved++;
		due_ns = w->window->start_ns + open_loop_next(open);
	}
}

int open_loop_run(struct worker_run *wr)
{
	struct bench_worker *w = &wr->w;
	struct open_loop *open = wr->open;
	uint64_t start_ns = w->window->start_ns, now = bench_now_ns(), free_ns = start_ns;
	uint64_t due = start_ns + open_loop_next(open);

	wr->start_ns = now;
	while (bench_running(w, due) && bench_running(w, now)) {
		uint64_t done;
		int rc;

		if (now < due)
			now = wait_until(due, now);
		if (!bench_running(w, now))
			break;
		open->arrivals++;
		bench_hist_record(open->lateness, now - max_u64(due, free_ns));
		rc = wr->run->module->run(w, 1);
		done = bench_now_ns();
		if (rc)
			return rc;
		worker_op(wr, due, now, done);
		bench_hist_record(open->service, done - now);
		free_ns = now = bench_now_ns();
		due = start_ns + open_loop_next(open);
	}
	count_unserved(open, w, due);
	wr->stop_ns = w->window->end_ns;
	return 0;
}

void open_loop_start(struct worker_run *wr)
{
	struct open_loop *open = wr->open;

	open->free_ns = wr->w.window->start_ns;
	open->full = false;
	open->due_ns = open->free_ns + open_loop_next(open);
}

/* Hand the head of the line to the module. */
static int issue_next(struct worker_run *wr, uint64_t now_ns)
{
	struct open_loop *open = wr->open;
	struct bench_op *op = bench_op_get(wr->w.async);
	int rc;

	if (!op)
		return -EAGAIN;
	op->intended_ns = open->due_ns;
	rc = wr->run->module->issue(&wr->w, op);
	if (rc) {
		bench_op_put(wr->w.async, op);
		return rc;
	}
	if (open->full) /* until this turn's completions */
		open->free_ns = now_ns;
	open->full = false;
	open->ready_ns[op->slot] = max_u64(open->due_ns, open->free_ns);
	open->line_integral += (double)(now_ns - open->due_ns);
	open->arrivals++;
	open->due_ns = wr->w.window->start_ns + open_loop_next(open);
	return 0;
}

uint64_t open_loop_issue(struct worker_run *wr, uint64_t now_ns)
{
	struct open_loop *open = wr->open;

	while (open->due_ns <= now_ns && bench_running(&wr->w, open->due_ns)) {
		int rc = issue_next(wr, now_ns);

		if (rc && rc != -EAGAIN)
			return now_ns;
		if (rc) {
			open->full = true;
			return UINT64_MAX;
		}
	}
	return open->due_ns > now_ns + SPIN_NS ? open->due_ns - SPIN_NS : now_ns;
}

void open_loop_stop(struct worker_run *wr)
{
	count_unserved(wr->open, &wr->w, wr->open->due_ns);
}

/* An op that ends after the window is no throughput, but its latency counts: leaving it out would
 * leave out the slow ones. */
void bench_op_done_paced(struct bench_worker *w, const struct bench_op *op, uint64_t submit_ns,
			 uint64_t bytes, uint64_t key)
{
	struct open_loop *open = ((struct worker_run *)w)->open;
	uint64_t latency_ns = op->done_ns - op->intended_ns;

	if (bench_running(w, op->done_ns)) {
		w->ops++;
		w->bytes += bytes;
	} else {
		open->drained++;
		open->drained_ns += latency_ns;
	}
	bench_hist_record(open->lateness, submit_ns - open->ready_ns[op->slot]);
	if (w->no_latency)
		return;
	bench_hist_record(open->service, op->done_ns - submit_ns);
	bench_hist_record(w->latency, latency_ns);
	if (__builtin_expect(latency_ns >= w->slow_ns, 0))
		bench_slow(w, op->intended_ns, submit_ns, op->done_ns, key);
}

static void put_number(struct bench_metric_set *set, const char *name, const char *unit,
		      enum bench_better better, double value)
{
	const struct bench_metric_id id = {
		.name = name, .unit = unit, .source = BENCH_SOURCE_MODULE, .better = better
	};

	bench_metric_put(set, &id, value);
}

/* Where it was too late, 0 = nowhere. */
static double too_late_at(const struct bench_hist *lateness, const struct bench_hist *latency)
{
	for (unsigned i = 0; i < sizeof(late_at) / sizeof(late_at[0]) && latency->count; i++) {
		double q = late_at[i];

		if (q > 0.99 && !stats_supports(latency->count, q))
			break;
		if ((double)bench_hist_at(lateness, q) >
		    LATE_SHARE * (double)bench_hist_at(latency, q))
			return q;
	}
	return 0;
}

bool open_loop_late(const struct bench_hist *lateness, const struct bench_hist *latency)
{
	return too_late_at(lateness, latency) > 0;
}

bool open_loop_put(const struct job_run *jr, const struct bench_hist *latency,
		   struct bench_metric_set *set, char *note, size_t size)
{
	static const struct bench_metric_id service = {
		"service", "ns", BENCH_SOURCE_MODULE, BENCH_BETTER_LOWER, { { NULL, NULL } }
	};
	static const struct bench_metric_id late = {
		"arrival.lateness", "ns", BENCH_SOURCE_MODULE, BENCH_BETTER_LOWER, { { NULL, NULL } }
	};
	struct bench_hist *lateness = bench_hist_new(BENCH_HIST_BITS_WORKER);
	uint64_t arrivals = 0, unserved = 0;
	double seconds = (double)(jr->window.end_ns - jr->window.start_ns) / 1e9;
	double late_q;

	for (unsigned i = 0; i < jr->nr; i++) {
		const struct open_loop *open = jr->workers[i].open;

		if (!open || jr->workers[i].w.passive)
			continue;
		arrivals += open->arrivals;
		unserved += open->unserved;
		if (open->service->count)
			bench_metric_put_hist(set, &service, open->service);
		if (lateness)
			bench_hist_merge(lateness, open->lateness);
	}
	put_number(set, "arrival.rate", "1/s", BENCH_BETTER_NONE, (double)arrivals / seconds);
	if (arrivals)
		put_number(set, "arrival.unserved", "ratio", BENCH_BETTER_LOWER,
			  (double)unserved / (double)arrivals);
	if (lateness && lateness->count)
		bench_metric_put_hist(set, &late, lateness);
	late_q = lateness ? too_late_at(lateness, latency) : 0;
	if (late_q > 0)
		snprintf(note, size,
			 "generator-limited: the load generator itself was %.1f us late at p%g, "
			 "over a tenth of the latency there, %.1f us",
			 (double)bench_hist_at(lateness, late_q) / 1e3, late_q * 100,
			 (double)bench_hist_at(latency, late_q) / 1e3);
	bench_hist_free(lateness);
	return late_q == 0;
}
