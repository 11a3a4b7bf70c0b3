// SPDX-License-Identifier: BSD-2-Clause
#include "core/open_loop.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/clock.h"
#include "bench/metric.h"
#include "core/run.h"
#include "core/worker.h"

/* Sleep until this close to an arrival, then spin: a timer's wake-up from an idle CPU takes up to
 * some 50 us on a virtual machine. */
#define SPIN_NS (100 * BENCH_NS_PER_US)

/* Latencies stand when the generator's own lateness at p99 is at most this share of their median. */
#define LATE_SHARE 0.1

struct open_loop *open_loop_new(uint64_t arrival)
{
	struct open_loop *open = calloc(1, sizeof(*open));

	if (!open)
		return NULL;
	open->arrival = arrival;
	open->service = bench_hist_new(BENCH_HIST_BITS_WORKER);
	open->lateness = bench_hist_new(BENCH_HIST_BITS_WORKER);
	if (!open->service || !open->lateness) {
		open_loop_free(open);
		return NULL;
	}
	return open;
}

void open_loop_free(struct open_loop *open)
{
	if (!open)
		return;
	bench_hist_free(open->service);
	bench_hist_free(open->lateness);
	free(open);
}

void open_loop_begin(struct open_loop *open, double rate, unsigned index, unsigned nr,
		     unsigned trial)
{
	bench_hist_reset(open->service);
	bench_hist_reset(open->lateness);
	open->arrivals = open->unserved = 0;
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
		bench_hist_record(open->lateness, now - (due > free_ns ? due : free_ns));
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

static void put_number(struct bench_metric_set *set, const char *name, const char *unit,
		      enum bench_better better, double value)
{
	const struct bench_metric_id id = {
		.name = name, .unit = unit, .source = BENCH_SOURCE_MODULE, .better = better
	};

	bench_metric_put(set, &id, value);
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
	uint64_t arrivals = 0, unserved = 0, p99, p50 = bench_hist_at(latency, 0.5);
	double seconds = (double)(jr->window.end_ns - jr->window.start_ns) / 1e9;
	bool stands;

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
	p99 = lateness ? bench_hist_at(lateness, 0.99) : 0;
	stands = (double)p99 <= LATE_SHARE * (double)p50;
	if (!stands)
		snprintf(note, size,
			 "generator-limited: the load generator itself was %.1f us late at p99, over a "
			 "tenth of the median latency of %.1f us",
			 (double)p99 / 1e3, (double)p50 / 1e3);
	bench_hist_free(lateness);
	return stands;
}
