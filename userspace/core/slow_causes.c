// SPDX-License-Identifier: BSD-2-Clause
/* What one op waited for. Its time is cut at the moments that are known of it (handed over, in the
 * block layer, at the device, back; the answer at its socket); each piece is the worker's own
 * history, or a stage of the block request, or the other end's history, or unknown. */
#include "core/slow.h"

#include <string.h>

#define OTHERS (PROBE_MAX_CULPRITS - 1)

const char *slow_cause_name(unsigned cause)
{
	switch (cause) {
	case SLOW_QUEUE:
		return "queue";
	case SLOW_DEVICE:
		return "device";
	case SLOW_PEER_ONCPU:
		return "peer.oncpu";
	case SLOW_PEER_RUNQUEUE:
		return "peer.runqueue";
	case SLOW_NETWORK:
		return "network";
	case SLOW_PEER:
		return "peer";
	case SLOW_UNKNOWN:
	case PROBE_CAUSE_UNACCOUNTED:
		return "unknown";
	default:
		return probe_cause_name((enum probe_cause)cause);
	}
}

/* Add to the culprit of that name, else to a free place, else instead of the smallest if that is
 * smaller. What has no place is among the others. */
static void add_culprit(struct slow_op *op, const struct probe_culprit *culprit)
{
	struct probe_culprit *least = &op->culprits[0], *others = &op->culprits[OTHERS];
	uint64_t rest = culprit->ns;

	for (unsigned i = 0; i < OTHERS; i++) {
		struct probe_culprit *c = &op->culprits[i];

		if (c->ns && strncmp(c->who, culprit->who, sizeof(c->who)) == 0) {
			c->ns += culprit->ns;
			return;
		}
		if (c->ns < least->ns)
			least = c;
	}
	if (culprit->ns > least->ns && strcmp(culprit->who, PROBE_OTHERS) != 0) {
		rest = least->ns;
		*least = *culprit;
	}
	if (!rest)
		return;
	strcpy(others->who, PROBE_OTHERS);
	others->ns += rest;
}

/* [from, to) of the worker. Time that was blocked on a disk counts as disk_as; what the history
 * cannot tell is unknown. */
static void add_history(const struct slow_source *s, uint64_t from_ns, uint64_t to_ns,
			unsigned disk_as, struct slow_op *op)
{
	uint64_t left = to_ns > from_ns ? to_ns - from_ns : 0, sum = 0;
	struct probe_interval part;

	if (!left)
		return;
	if (!s->history || s->history(s->set, s->tid, from_ns, to_ns, &part)) {
		op->ns[SLOW_UNKNOWN] += left;
		return;
	}
	for (unsigned i = 0; i < PROBE_NR_INTERVAL_CAUSES; i++)
		if (i != PROBE_CAUSE_UNACCOUNTED)
			sum += part.ns[i];
	/* More than there was: nothing of it can be trusted. */
	if (sum > left) {
		op->ns[SLOW_UNKNOWN] += left;
		return;
	}
	op->ns[SLOW_UNKNOWN] += left - sum;
	for (unsigned i = 0; i < PROBE_NR_INTERVAL_CAUSES; i++)
		if (i != PROBE_CAUSE_UNACCOUNTED)
			op->ns[i == PROBE_CAUSE_DISK ? disk_as : i] += part.ns[i];
	for (unsigned i = 0; i < PROBE_MAX_CULPRITS; i++)
		if (part.culprits[i].ns)
			add_culprit(op, &part.culprits[i]);
}

/* [from, to) of a worker that has several ops under way, seen from one of them. While it sleeps until
 * any of them completes, none has: the op waits for the same thing. While it runs or is runnable,
 * this one may have completed or not. */
static void add_waits(const struct slow_source *s, uint64_t from_ns, uint64_t to_ns,
		      struct slow_op *op)
{
	static const enum probe_cause waits[] = { PROBE_CAUSE_DISK, PROBE_CAUSE_NET,
						  PROBE_CAUSE_URING };
	uint64_t left = to_ns > from_ns ? to_ns - from_ns : 0;
	struct probe_interval part;

	if (s->history && left && !s->history(s->set, s->tid, from_ns, to_ns, &part)) {
		for (unsigned i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
			uint64_t ns = part.ns[waits[i]] < left ? part.ns[waits[i]] : left;

			op->ns[waits[i]] += ns;
			left -= ns;
		}
	}
	op->ns[SLOW_UNKNOWN] += left;
}

/* [from, to) of an op whose answer is not there yet: what the other end's thread did, as far as
 * that is known. While that one waits for messages, none has come to it. */
static void add_peer(const struct slow_source *s, uint64_t from_ns, uint64_t to_ns,
		     struct slow_op *op)
{
	static const struct {
		unsigned from, to;
	} parts[] = {
		{ PROBE_CAUSE_RUNQUEUE, SLOW_PEER_RUNQUEUE },
		{ PROBE_CAUSE_ONCPU, SLOW_PEER_ONCPU },
		{ PROBE_CAUSE_HARDIRQ, SLOW_PEER_ONCPU },
		{ PROBE_CAUSE_SOFTIRQ, SLOW_PEER_ONCPU },
		{ PROBE_CAUSE_STEAL, SLOW_PEER_ONCPU },
		{ PROBE_CAUSE_DISK, SLOW_PEER },
		{ PROBE_CAUSE_FUTEX, SLOW_PEER },
		{ PROBE_CAUSE_TIMER, SLOW_PEER },
		{ PROBE_CAUSE_FAULT, SLOW_PEER },
		{ PROBE_CAUSE_OTHER, SLOW_PEER },
		{ PROBE_CAUSE_UNACCOUNTED, SLOW_PEER },
	};
	uint64_t left = to_ns > from_ns ? to_ns - from_ns : 0;
	struct probe_interval part;

	if (!s->peer || !s->history || s->history(s->set, s->peer, from_ns, to_ns, &part)) {
		op->ns[SLOW_PEER] += left;
		return;
	}
	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		uint64_t ns = part.ns[parts[i].from] < left ? part.ns[parts[i].from] : left;

		op->ns[parts[i].to] += ns;
		left -= ns;
	}
	op->ns[SLOW_NETWORK] += left;
}

/* When the request and the answer went out that the op waited for. */
static bool find_answer(const struct slow_source *s, const struct slow_stamps *t,
			struct probe_answer *ret_answer)
{
	return t->placed && t->place.socket && t->place.peer_socket && s->answer &&
	       s->answer(s->set, (int)t->place.socket - 1, (int)t->place.peer_socket - 1,
			 t->submit_ns, ret_answer) == 0;
}

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high)
{
	return value < low ? low : value > high ? high : value;
}

/* The worker sends, the other end answers, the answer lies there until the worker comes to it. */
static void add_answered(const struct slow_source *s, const struct slow_stamps *t,
			 const struct probe_answer *answer, struct slow_op *op)
{
	uint64_t sent = clamp(answer->sent_ns, t->submit_ns, t->done_ns);
	uint64_t answered = clamp(answer->answered_ns, sent, t->done_ns);

	add_history(s, t->intended_ns, sent, PROBE_CAUSE_DISK, op);
	if (answer->sent_ns)
		add_peer(s, sent, answered, op);
	else
		op->ns[SLOW_PEER] += answered - sent;
	add_history(s, answered, t->done_ns, PROBE_CAUSE_DISK, op);
}

/* The request that the op waited for: of the first and the last one that cover it, the one that came
 * back later. */
static bool find_request(const struct slow_source *s, const struct slow_stamps *t,
			 struct probe_block *ret_request)
{
	uint64_t last = t->place.sector + (t->place.bytes > 512 ? (t->place.bytes - 1) / 512 : 0);
	struct probe_block other;

	if (!t->placed || t->place.socket || !s->block ||
	    s->block(s->set, t->place.dev, t->place.sector, t->submit_ns, t->done_ns, ret_request))
		return false;
	if (last < ret_request->sector + ret_request->bytes / 512)
		return true;
	if (s->block(s->set, t->place.dev, last, t->submit_ns, t->done_ns, &other))
		return false;
	if (other.complete_ns > ret_request->complete_ns)
		*ret_request = other;
	return true;
}

static void sort_culprits(struct probe_culprit *c)
{
	for (unsigned i = 1; i < OTHERS; i++) {
		for (unsigned j = i; j && c[j].ns > c[j - 1].ns; j--) {
			struct probe_culprit swap = c[j];

			c[j] = c[j - 1];
			c[j - 1] = swap;
		}
	}
}

void slow_take_apart(const struct slow_source *source, const struct slow_stamps *stamps,
		     struct slow_op *op)
{
	const struct slow_stamps *t = stamps;
	uint64_t insert, issue, complete;
	struct probe_block request;
	struct probe_answer answer;

	memset(op->ns, 0, sizeof(op->ns));
	memset(op->culprits, 0, sizeof(op->culprits));
	if (find_request(source, t, &request)) {
		insert = clamp(request.insert_ns, t->submit_ns, t->done_ns);
		issue = clamp(request.issue_ns, insert, t->done_ns);
		complete = clamp(request.complete_ns, issue, t->done_ns);
		add_history(source, t->intended_ns, insert, PROBE_CAUSE_DISK, op);
		if (t->single) {
			/* The worker may have been doing its own part still, or again. */
			add_history(source, insert, issue, SLOW_QUEUE, op);
			add_history(source, issue, complete, SLOW_DEVICE, op);
		} else {
			op->ns[SLOW_QUEUE] += issue - insert;
			op->ns[SLOW_DEVICE] += complete - issue;
		}
		add_history(source, complete, t->done_ns, PROBE_CAUSE_DISK, op);
	} else if (find_answer(source, t, &answer)) {
		add_answered(source, t, &answer, op);
	} else if (t->single) {
		add_history(source, t->intended_ns, t->done_ns, PROBE_CAUSE_DISK, op);
	} else {
		add_history(source, t->intended_ns, t->submit_ns, PROBE_CAUSE_DISK, op);
		add_waits(source, t->submit_ns, t->done_ns, op);
	}
	sort_culprits(op->culprits);
}
