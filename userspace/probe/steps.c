// SPDX-License-Identifier: BSD-2-Clause
#include "probe/steps.h"

#include <stdio.h>
#include <string.h>

#include "block_abi.h"
#include "probe/blame.h"
#include "probe/set.h"

/* Entries that the kernel may write while we copy; older ones are left alone. */
#define MARGIN 64

unsigned probe_steps_cpus(const struct probe_set *set)
{
	return set ? set->nr_cpus : 0;
}

bool probe_steps_thread(const struct probe_set *set, unsigned nr, pid_t *ret_tid, char ret_comm[16])
{
	if (!set || !set->history || nr >= set->nr_rings)
		return false;
	*ret_tid = 0;
	for (unsigned slot = 0; slot < PROBE_THREADS; slot++) {
		const struct probe_thread *t = &set->threads[slot];

		if (t->ring != nr + 1 || !t->generation)
			continue;
		*ret_tid = (pid_t)t->tid;
		memcpy(ret_comm, t->comm, 16);
		ret_comm[15] = 0;
		break;
	}
	return true;
}

/* The first entry that may be read of a ring of so many, head of which were written. */
static void catch_up(struct probe_cursor *cursor, uint64_t head, uint64_t size)
{
	uint64_t oldest = head > size - MARGIN ? head - (size - MARGIN) : 0;

	if (cursor->next >= oldest)
		return;
	cursor->lost += oldest - cursor->next;
	cursor->next = oldest;
}

/* Of nr entries that were copied: none, when the ring has gone on over them meanwhile. head: now. */
static unsigned believed(struct probe_cursor *cursor, uint64_t head, unsigned nr, uint64_t size)
{
	if (head <= cursor->next - nr + size)
		return nr;
	cursor->lost += nr;
	return 0;
}

static const struct probe_history *history_of(const struct probe_set *set, unsigned thread)
{
	return set && set->history && thread < set->nr_rings ? &set->history[thread] : NULL;
}

static uint64_t head_of(const uint64_t *head)
{
	return __atomic_load_n(head, __ATOMIC_ACQUIRE);
}

void probe_steps_skip(const struct probe_set *set, unsigned thread, struct probe_cursor *cursor)
{
	const struct probe_history *h = history_of(set, thread);

	cursor->next = h ? head_of((const uint64_t *)&h->head) : 0;
}

static void step_of(const struct probe_transition *e, struct probe_step *step)
{
	*step = (struct probe_step){ .at_ns = e->at_ns,
				     .cpu = e->cpu,
				     .cause = PROBE_CAUSE_UNACCOUNTED,
				     .hardirq_ns = e->taken_ns[PROBE_TAKEN_HARDIRQ],
				     .softirq_ns = e->taken_ns[PROBE_TAKEN_SOFTIRQ],
				     .steal_ns = e->taken_ns[PROBE_TAKEN_STEAL] };
	if (e->state == PROBE_RUNNING)
		step->cause = PROBE_CAUSE_ONCPU;
	else if (e->state == PROBE_WAITING)
		step->cause = PROBE_CAUSE_RUNQUEUE;
	else if (e->state == PROBE_BLOCKED)
		step->cause = (uint8_t)(PROBE_CAUSE_DISK + e->blocked % PROBE_BLOCKED_CAUSES);
}

unsigned probe_steps(const struct probe_set *set, unsigned thread, struct probe_cursor *cursor,
		     struct probe_step *steps, unsigned max)
{
	const struct probe_history *h = history_of(set, thread);
	uint64_t head = h ? head_of((const uint64_t *)&h->head) : 0;
	unsigned nr = 0;

	catch_up(cursor, head, PROBE_HISTORY);
	while (nr < max && cursor->next < head)
		step_of(&h->ring[cursor->next++ % PROBE_HISTORY], &steps[nr++]);
	return nr ? believed(cursor, head_of((const uint64_t *)&h->head), nr, PROBE_HISTORY) : 0;
}

static const struct probe_slices *slices_of(const struct probe_set *set, unsigned cpu)
{
	return set && set->slices && cpu < set->nr_cpus ? &set->slices[cpu] : NULL;
}

void probe_turns_skip(const struct probe_set *set, unsigned cpu, struct probe_cursor *cursor)
{
	const struct probe_slices *s = slices_of(set, cpu);

	cursor->next = s ? head_of((const uint64_t *)&s->head) : 0;
}

unsigned probe_turns(const struct probe_set *set, unsigned cpu, struct probe_cursor *cursor,
		     struct probe_turn *turns, unsigned max)
{
	const struct probe_slices *s = slices_of(set, cpu);
	uint64_t head = s ? head_of((const uint64_t *)&s->head) : 0;
	unsigned nr = 0;

	catch_up(cursor, head, PROBE_SLICES);
	while (nr < max && cursor->next < head) {
		const struct probe_slice *e = &s->ring[cursor->next++ % PROBE_SLICES];

		turns[nr++] = (struct probe_turn){ e->from_ns, e->to_ns, e->pid };
	}
	return nr ? believed(cursor, head_of((const uint64_t *)&s->head), nr, PROBE_SLICES) : 0;
}

void probe_turn_comm(const struct probe_set *set, unsigned cpu, uint32_t pid, char ret_comm[16])
{
	const struct probe_thief *thief = blame_thief(set, cpu, pid);

	if (thief && thief->comm[0])
		snprintf(ret_comm, 16, "%.15s", thief->comm);
	else
		task_comm(pid, ret_comm, 16);
}

static const struct probe_irq_ring *served_of(const struct probe_set *set, unsigned cpu)
{
	return set && set->blames && set->blames->irq_rings && cpu < set->nr_cpus ?
		       &set->blames->irq_rings[cpu] :
		       NULL;
}

void probe_served_skip(const struct probe_set *set, unsigned cpu, struct probe_cursor *cursor)
{
	const struct probe_irq_ring *r = served_of(set, cpu);

	cursor->next = r ? head_of((const uint64_t *)&r->head) : 0;
}

unsigned probe_served(const struct probe_set *set, unsigned cpu, struct probe_cursor *cursor,
		      struct probe_served *served, unsigned max)
{
	const struct probe_irq_ring *r = served_of(set, cpu);
	uint64_t head = r ? head_of((const uint64_t *)&r->head) : 0;
	unsigned nr = 0;

	catch_up(cursor, head, PROBE_IRQ_RING);
	while (nr < max && cursor->next < head) {
		const struct probe_irq_span *e = &r->ring[cursor->next++ % PROBE_IRQ_RING];

		served[nr++] = (struct probe_served){ e->from_ns, e->from_ns + e->ns, e->source };
	}
	return nr ? believed(cursor, head_of((const uint64_t *)&r->head), nr, PROBE_IRQ_RING) : 0;
}

bool probe_served_name(const struct probe_set *set, unsigned source, const char **ret_name)
{
	*ret_name = source < PROBE_SOURCES ? irq_name(set->blames, source) : "unknown";
	return source >= PROBE_SOURCE_SOFT;
}

static const struct block_ring *blocks_of(const struct probe_set *set, unsigned cpu)
{
	return set && set->block_rings && cpu < set->nr_cpus ? &set->block_rings[cpu] : NULL;
}

void probe_blocks_skip(const struct probe_set *set, unsigned cpu, struct probe_cursor *cursor)
{
	const struct block_ring *r = blocks_of(set, cpu);

	cursor->next = r ? head_of((const uint64_t *)&r->nr) : 0;
}

unsigned probe_blocks(const struct probe_set *set, unsigned cpu, struct probe_cursor *cursor,
		      struct probe_block *blocks, unsigned max)
{
	const struct block_ring *r = blocks_of(set, cpu);
	uint64_t head = r ? head_of((const uint64_t *)&r->nr) : 0;
	unsigned nr = 0;

	catch_up(cursor, head, BLOCK_RING);
	while (nr < max && cursor->next < head) {
		const struct block_done *d = &r->done[cursor->next % BLOCK_RING];
		struct block_done copy = *d;

		cursor->next++;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		/* Each entry carries its number, from 1. */
		if (copy.number != cursor->next ||
		    __atomic_load_n(&d->number, __ATOMIC_RELAXED) != copy.number) {
			cursor->lost++;
			continue;
		}
		blocks[nr++] = (struct probe_block){ .dev = copy.dev, .sector = copy.sector,
						     .bytes = copy.bytes,
						     .insert_ns = copy.insert_ns,
						     .issue_ns = copy.issue_ns,
						     .complete_ns = copy.complete_ns };
	}
	return nr;
}
