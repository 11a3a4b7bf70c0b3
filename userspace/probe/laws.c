// SPDX-License-Identifier: BSD-2-Clause
/* Laws between the numbers of one window, which hold whatever the workload does. Where one is broken
 * a number is wrong, and the warning names it. BENCH_PROBE_FAULT breaks an input, to test that. */
#include "probe/ledger.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "bench/clock.h"
#include "probe/set.h"

/* What events that were lost on the way may explain: 2 % of a time, and 1 ms. */
#define TIME_SLACK 0.02
#define TIME_SLACK_NS (1.0 * BENCH_NS_PER_MS)
#define COUNT_SLACK 0.01
#define UNACCOUNTED_MAX 0.01

bool fault_injected(const struct probe_set *set, const char *what)
{
	const char *env = getenv("BENCH_PROBE_FAULT"), *p = env;
	size_t len = strlen(what);

	for (; p && (p = strstr(p, what)); p += len) {
		if (p != env && p[-1] != ',')
			continue;
		if (!p[len] || p[len] == ',')
			return true;
		if (p[len] == '@' &&
		    strtoull(p + len + 1, NULL, 10) == set->serial - set->check_serial)
			return true;
	}
	return false;
}

void fault_inject(const struct probe_set *set, struct ledger_sum *sum)
{
	struct probe_ledger *l = &sum->ledger;

	if (fault_injected(set, "clock")) /* time that nobody sees */
		l->time_ns[PROBE_RUNNING] -= l->time_ns[PROBE_RUNNING] / 8;
	if (fault_injected(set, "lost")) /* switches away that reach no program */
		l->outs -= l->outs / 8;
	if (fault_injected(set, "wait")) /* waits that do not end */
		l->time_ns[PROBE_WAITING] = 2 * l->time_ns[PROBE_WAITING] + sum->wall_ns / 4;
	if (fault_injected(set, "cause")) { /* sleeps that are taken for something else */
		l->blocked_ns[PROBE_BLOCKED_OTHER] += l->blocked_ns[PROBE_BLOCKED_TIMER];
		l->blocked_ns[PROBE_BLOCKED_TIMER] = 0;
	}
}

__attribute__((format(printf, 3, 4))) static void breach(struct probe_set *set, enum probe_law law,
							 const char *fmt, ...)
{
	struct probe_breach *b = &set->breaches[law];
	va_list ap;

	if (!b->nr++) {
		va_start(ap, fmt);
		vsnprintf(b->text, sizeof(b->text), fmt, ap);
		va_end(ap);
	}
}

/* Wall time is the sum of its causes, and blocked time the sum of its own. */
static void law_sum(struct probe_set *set, const struct ledger_sum *sum)
{
	const struct probe_ledger *l = &sum->ledger;
	double wall = (double)sum->wall_ns, states = 0, blocked = 0;

	for (int i = PROBE_RUNNING; i <= PROBE_BLOCKED; i++)
		states += (double)l->time_ns[i];
	for (int i = 0; i < PROBE_BLOCKED_CAUSES; i++)
		blocked += (double)l->blocked_ns[i];
	if (fabs(wall - states) > UNACCOUNTED_MAX * wall)
		breach(set, PROBE_LAW_SUM,
		       "the causes of wall time add up to %.3f ms of %.3f ms: wall.time is not to be "
		       "trusted",
		       states / 1e6, wall / 1e6);
	else if (fabs(blocked - (double)l->time_ns[PROBE_BLOCKED]) > UNACCOUNTED_MAX * wall)
		breach(set, PROBE_LAW_SUM,
		       "the causes of blocked time add up to %.3f ms of %.3f ms: wall.time is not to "
		       "be trusted",
		       blocked / 1e6, (double)l->time_ns[PROBE_BLOCKED] / 1e6);
}

/* Whoever gets a CPU leaves it, but for those that run at an end of the window. */
static void law_switches(struct probe_set *set, const struct ledger_sum *sum)
{
	const struct probe_ledger *l = &sum->ledger;
	double ins = (double)l->ins, outs = (double)l->outs, slack = COUNT_SLACK * ins;

	slack += (double)l->deaths + (double)set->last.repaired;
	for (unsigned i = 0; i < PROBE_THREADS; i++)
		slack += set->threads[i].generation == set->windows->generation;
	if (fabs(ins - outs) > slack)
		breach(set, PROBE_LAW_SWITCHES,
		       "threads got a CPU %.0f times and left one %.0f times: sched.switches and "
		       "wall.time are not to be trusted",
		       ins, outs);
}

/* The time spent waiting is the number of waits times their mean length (Little's law), as the
 * histogram has them. */
static void law_latency(struct probe_set *set, const struct ledger_sum *sum)
{
	struct bench_hist *hist = bench_hist_new(PROBE_HIST_BITS);
	double waited = (double)sum->ledger.time_ns[PROBE_WAITING], total;
	struct ledger_sum io;

	if (!hist)
		return;
	ledger_sum(set, true, &io);
	waited += (double)io.ledger.time_ns[PROBE_WAITING];
	values_hist(set, set->sched, SCHED_LATENCY, set->end_ns, hist);
	total = (double)hist->sum;
	bench_hist_free(hist);
	if (fabs(waited - total) > TIME_SLACK * total + TIME_SLACK_NS +
					   (double)set->last.ambiguous_ns)
		breach(set, PROBE_LAW_WAITING,
		       "followed threads waited %.3f ms for a CPU, and their waits add up to %.3f ms: "
		       "sched.runq_latency and wall.time are not to be trusted",
		       waited / 1e6, total / 1e6);
}

/* And with the run queues: the mean number that waits is the rate of waits times their mean length.
 * The number comes from the run queues, for all tasks; the waits are those of the threads that are
 * followed, so their product may be less, but not more. */
static void law_waiting(struct probe_set *set, const struct ledger_sum *sum)
{
	double waited = (double)sum->ledger.time_ns[PROBE_WAITING], queued = 0;
	struct probe_depth d;

	for (unsigned cpu = 0; set->depth && cpu < set->nr_cpus; cpu++)
		if (depth_close(set, cpu, set->end_ns, &d))
			queued += (double)d.waiting_ns;
	/* What the followed threads did after the end is in their ledger when the end was set late. */
	if (set->open_end_ns)
		waited -= TIME_SLACK * (double)sum->wall_ns;
	if (set->depth && waited > queued * (1 + TIME_SLACK) + TIME_SLACK_NS +
					   (double)set->last.ambiguous_ns)
		breach(set, PROBE_LAW_WAITING,
		       "followed threads waited %.3f ms for a CPU while the run queues held waiting "
		       "tasks for %.3f ms: sched.runq_latency, sched.runq_waiting and wall.time are "
		       "not to be trusted",
		       waited / 1e6, queued / 1e6);
}

void laws_check(struct probe_set *set)
{
	struct ledger_sum sum;

	if (!set->history)
		return;
	set->nr_windows++;
	ledger_sum(set, false, &sum);
	if (!sum.wall_ns)
		return;
	law_sum(set, &sum);
	law_switches(set, &sum);
	law_latency(set, &sum);
	law_waiting(set, &sum);
}

void laws_warn(const struct probe_set *set, json_t *warnings)
{
	for (unsigned i = 0; i < PROBE_LAWS; i++) {
		const struct probe_breach *b = &set->breaches[i];
		char text[360];

		if (!b->nr)
			continue;
		snprintf(text, sizeof(text), "in %u of %u windows the probes contradict each other: %s",
			 b->nr, set->nr_windows, b->text);
		json_array_append_new(warnings, json_string(text));
	}
}
