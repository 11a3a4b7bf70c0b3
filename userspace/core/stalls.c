// SPDX-License-Identifier: BSD-2-Clause
#include "core/stalls.h"

#include <string.h>

#include "core/slow.h"

static uint64_t length(const struct stall *s)
{
	return s->to_ns - s->from_ns;
}

/* [from, to) goes on with the newest stretch or begins one. */
static void add(struct stalls *s, uint64_t from_ns, uint64_t to_ns, unsigned cause)
{
	struct stall *last = s->nr ? &s->list[s->newest] : NULL;

	if (last && last->to_ns == from_ns && last->cause == cause) {
		last->to_ns = to_ns;
		return;
	}
	s->newest = s->nr;
	if (s->nr == STALLS_MAX) {
		s->newest = 0;
		for (unsigned i = 1; i < s->nr; i++)
			if (length(&s->list[i]) < length(&s->list[s->newest]))
				s->newest = i;
	} else {
		s->nr++;
	}
	s->list[s->newest] = (struct stall){ from_ns, to_ns, cause };
}

/* 0 = it waited for messages, mostly. */
static unsigned cause_of(const struct probe_interval *part)
{
	static const enum probe_cause asleep[] = { PROBE_CAUSE_DISK, PROBE_CAUSE_FUTEX,
						   PROBE_CAUSE_TIMER, PROBE_CAUSE_FAULT,
						   PROBE_CAUSE_OTHER };
	uint64_t runqueue = part->ns[PROBE_CAUSE_RUNQUEUE], slept = 0, oncpu;

	oncpu = part->ns[PROBE_CAUSE_ONCPU] + part->ns[PROBE_CAUSE_HARDIRQ] +
		part->ns[PROBE_CAUSE_SOFTIRQ] + part->ns[PROBE_CAUSE_STEAL];
	for (unsigned i = 0; i < sizeof(asleep) / sizeof(asleep[0]); i++)
		slept += part->ns[asleep[i]];
	if (2 * (runqueue + slept + oncpu) <= STALL_GRAIN_NS)
		return 0;
	if (slept >= runqueue && slept >= oncpu)
		return SLOW_PEER;
	return runqueue >= oncpu ? SLOW_PEER_RUNQUEUE : SLOW_PEER_ONCPU;
}

void stalls_begin(struct stalls *s, uint64_t start_ns)
{
	s->looked_ns = start_ns;
	s->nr = 0;
}

void stalls_look(struct stalls *s, const struct slow_source *source, uint64_t until_ns)
{
	struct probe_interval part;
	unsigned cause;

	for (; s->looked_ns + STALL_GRAIN_NS <= until_ns; s->looked_ns += STALL_GRAIN_NS) {
		uint64_t to_ns = s->looked_ns + STALL_GRAIN_NS;

		if (!source->history ||
		    source->history(source->set, source->tid, s->looked_ns, to_ns, &part))
			return;
		cause = cause_of(&part);
		if (cause)
			add(s, s->looked_ns, to_ns, cause);
	}
}

json_t *stalls_json(const struct stalls *s)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < s->nr; i++)
		json_array_append_new(array, json_pack("[I, I, s]", (json_int_t)s->list[i].from_ns,
						       (json_int_t)s->list[i].to_ns,
						       slow_cause_name(s->list[i].cause)));
	return array;
}

void stalls_read(struct stalls *s, const json_t *json, int64_t offset_ns)
{
	static const unsigned causes[] = { SLOW_PEER_ONCPU, SLOW_PEER_RUNQUEUE, SLOW_PEER };
	json_int_t from, to;
	const char *name;
	json_t *one;
	size_t i;

	s->nr = 0;
	json_array_foreach (json, i, one) {
		struct stall stall = { 0 };

		if (s->nr == STALLS_MAX || json_unpack(one, "[I, I, s]", &from, &to, &name) ||
		    to < from)
			continue;
		stall.from_ns = (uint64_t)(from - offset_ns);
		stall.to_ns = (uint64_t)(to - offset_ns);
		for (unsigned c = 0; c < sizeof(causes) / sizeof(causes[0]); c++)
			if (!strcmp(name, slow_cause_name(causes[c])))
				stall.cause = causes[c];
		if (stall.cause)
			s->list[s->nr++] = stall;
	}
}

static void charge(const struct stalls *s, struct slow_op *op)
{
	uint64_t begin = op->intended_ns, end = begin + op->latency_ns;

	if (op->latency_ns < 2 * STALL_GRAIN_NS)
		return;
	for (unsigned i = 0; i < s->nr; i++) {
		const struct stall *one = &s->list[i];
		uint64_t from = one->from_ns > begin ? one->from_ns : begin;
		uint64_t to = one->to_ns < end ? one->to_ns : end;
		uint64_t ns = to > from ? to - from : 0;

		if (ns > op->ns[PROBE_CAUSE_NET])
			ns = op->ns[PROBE_CAUSE_NET];
		op->ns[PROBE_CAUSE_NET] -= ns;
		op->ns[one->cause] += ns;
	}
}

void stalls_charge(const struct stalls *s, struct bench_slow *slow)
{
	if (!slow || !slow->trial)
		return;
	for (unsigned i = 0; i < slow->nr; i++)
		if (slow->worst[i].trial == slow->trial)
			charge(s, &slow->worst[i]);
	for (unsigned b = 0; b < 2; b++)
		for (unsigned i = 0; i < slow->bands[b].nr; i++)
			if (slow->bands[b].ops[i].trial == slow->trial)
				charge(s, &slow->bands[b].ops[i]);
}
