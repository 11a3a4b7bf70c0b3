// SPDX-License-Identifier: BSD-2-Clause
/* What the probes tell of waits as samples of the file, and the time on CPU that no sample stands
 * for, so that what the file has of a thread is all of its time. */
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "bench/clock.h"
#include "core/run.h"
#include "core/sampling_file.h"
#include "probe/waits.h"

/* Time on CPU as the scheduler has it, and as the samples do. */
struct balance {
	uint32_t tid;
	uint64_t ran_ns, sampled_ns;
};

static int by_tid(const void *a, const void *b)
{
	uint32_t x = ((const struct balance *)a)->tid, y = ((const struct balance *)b)->tid;

	return x < y ? -1 : x > y;
}

/* NULL when out of memory. */
static struct balance *balance_of(struct sampling *s, uint32_t tid)
{
	struct balance key = { .tid = tid }, **node = tfind(&key, &s->balances, by_tid), *b;

	if (node)
		return *node;
	b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	b->tid = tid;
	if (tsearch(b, &s->balances, by_tid))
		return b;
	free(b);
	return NULL;
}

void sampling_taken(struct sampling *s)
{
	uint64_t now = bench_now_ns(), since = now - s->taken_at_ns;

	for (unsigned i = 0; i < s->nr_cpus; i++) {
		struct sampling_cpu *c = &s->cpus[i];
		uint64_t taken_ns = probe_cpu_taken(s->run->probes, i);
		uint64_t took = taken_ns > c->taken_ns ? taken_ns - c->taken_ns : 0;

		c->left = took < since ? 1 - (double)took / (double)since : 1;
		c->taken_ns = taken_ns;
	}
	s->taken_at_ns = now;
}

/* A timer of the CPU goes on while interrupts are served, which irq-steal has. */
static uint64_t own_period(const struct sampling *s, uint32_t cpu, uint64_t period)
{
	return cpu < s->nr_cpus ? (uint64_t)((double)period * s->cpus[cpu].left) : period;
}

uint64_t sampling_ran(struct sampling *s, const struct perf_event_header *header)
{
	const struct {
		struct perf_event_header header;
		uint64_t id, ip;
		uint32_t pid, tid;
		uint64_t time_ns;
		uint32_t cpu, reserved;
		uint64_t period;
	} *sample = (const void *)header;
	bool clock = record_attr(s->record)->type == PERF_TYPE_SOFTWARE;
	struct balance *b = s->waits && clock ? balance_of(s, sample->tid) : NULL;
	uint64_t period = b ? own_period(s, sample->cpu, sample->period) : sample->period;

	if (b)
		b->sampled_ns += period;
	return period;
}

/* Where the thread waited, without the programs that looked at it and the scheduler's own functions:
 * as the kernel itself names a wait (wchan in /proc). */
static unsigned skip_scheduler(const struct sampling *s, const uint64_t *kernel, unsigned nr)
{
	unsigned at = 0;

	while (at < nr && (kernel[at] < s->sched_start || kernel[at] >= s->sched_end))
		at++;
	while (at < nr && kernel[at] >= s->sched_start && kernel[at] < s->sched_end)
		at++;
	return at < nr ? at : 0;
}

static void put(struct sampling *s, const struct probe_wait *w, enum profile_event event,
		uint64_t ns, bool stack)
{
	struct perfdata_sample sample = { .event = event,
					  .pid = w->tgid,
					  .tid = w->tid,
					  .cpu = w->cpu,
					  .time_ns = w->at_ns,
					  .period = ns };
	unsigned skip;

	if (!ns)
		return;
	if (stack) {
		skip = skip_scheduler(s, w->kernel, w->nr_kernel);
		sample.kernel = w->kernel + skip;
		sample.nr_kernel = w->nr_kernel - skip;
		sample.user = w->user;
		sample.nr_user = w->nr_user;
	}
	perfdata_sample(s->file, &sample);
}

static void settle(struct sampling *s, const struct probe_wait *w, struct balance *b)
{
	if (b->ran_ns > b->sampled_ns)
		put(s, w, PROFILE_UNSAMPLED, b->ran_ns - b->sampled_ns, false);
	else
		s->oversampled_ns += b->sampled_ns - b->ran_ns;
	tdelete(b, &s->balances, by_tid);
	free(b);
}

static void on_wait(const struct probe_wait *w, void *ctx)
{
	static const enum profile_event events[PROBE_WAIT_KINDS] = {
		[PROBE_WAIT_CPU] = PROFILE_UNSAMPLED,
		[PROBE_WAIT_TAKEN] = PROFILE_TAKEN,
		[PROBE_WAIT_RUNQ] = PROFILE_RUNQ,
		[PROBE_WAIT_BLOCK_IO] = PROFILE_BLOCK_IO,
		[PROBE_WAIT_OFFCPU] = PROFILE_OFFCPU,
	};
	struct sampling *s = ctx;
	struct balance *b = balance_of(s, w->tid);

	for (unsigned k = PROBE_WAIT_CPU + 1; k < PROBE_WAIT_KINDS; k++) {
		put(s, w, events[k], w->stack_ns[k], true);
		put(s, w, events[k], w->ns[k] - w->stack_ns[k], false);
	}
	if (!b)
		return;
	b->ran_ns += w->ns[PROBE_WAIT_CPU];
	if (w->ended)
		settle(s, w, b);
}

void sampling_waits_open(struct sampling *s)
{
	struct bench_err why = { 0 };

	if (!s->run->probes) {
		result_warn(s->run->result, "waits are not sampled: there are no probes");
		return;
	}
	s->sched_start = kallsyms_address(s->kernel, "__sched_text_start");
	s->sched_end = kallsyms_address(s->kernel, "__sched_text_end");
	if (probe_waits_open(s->run->probes, &why)) {
		result_warn(s->run->result, "%s", why.msg);
		return;
	}
	s->waits = true;
	s->cpus = calloc(probe_nr_cpus(s->run->probes), sizeof(*s->cpus));
	s->nr_cpus = s->cpus ? probe_nr_cpus(s->run->probes) : 0;
}

void sampling_waits_read(struct sampling *s)
{
	if (s->waits)
		probe_waits_read(s->run->probes, on_wait, s);
}

void sampling_waits_end(struct sampling *s)
{
	if (!s->waits)
		return;
	probe_waits_end(s->run->probes, on_wait, s);
	/* Threads that no probe followed. */
	tdestroy(s->balances, free);
	s->balances = NULL;
}
