/* SPDX-License-Identifier: BSD-2-Clause */
/* When the thread at a server's end held its answers back: it was at work, wanted a CPU, or slept
 * for something else than messages. Where that end is on another host, this is what tells its part
 * of a slow operation from the network's. Looked for while the window is open, because a thread's
 * history is short. */
#ifndef CORE_STALLS_H
#define CORE_STALLS_H

#include <stdint.h>
#include <jansson.h>
#include "bench/clock.h"

struct bench_slow;
struct slow_source;

/* A stretch is so many of these long in which it held answers back for most of the time; what is
 * shorter is not seen. */
#define STALL_GRAIN_NS BENCH_NS_PER_MS
/* How often to look: a history holds 4096 transitions. */
#define STALL_LOOK_NS (20 * BENCH_NS_PER_MS)
#define STALLS_MAX 128

struct stall {
	uint64_t from_ns, to_ns; /* CLOCK_MONOTONIC of the host that it is looked at on */
	unsigned cause;		 /* SLOW_PEER_ONCPU, SLOW_PEER_RUNQUEUE or SLOW_PEER */
};

/* When there are more the longest are kept. */
struct stalls {
	uint64_t looked_ns; /* up to when */
	unsigned nr, newest;
	struct stall list[STALLS_MAX];
};

/* Of a window that starts then. */
void stalls_begin(struct stalls *s, uint64_t start_ns);
/* See what the thread did until then. Without a history of it (no probes) nothing is found. */
void stalls_look(struct stalls *s, const struct slow_source *source, uint64_t until_ns);
/* [[from_ns, to_ns, cause], ...]. */
json_t *stalls_json(const struct stalls *s);
/* And back, on a host whose clock is offset_ns behind. What is not of that form is left out. */
void stalls_read(struct stalls *s, const json_t *json, int64_t offset_ns);
/* Operations of the window that has ended, as long as two grains at least: time that they were
 * blocked on the network in such a stretch is the peer's. NULL is fine. */
void stalls_charge(const struct stalls *s, struct bench_slow *slow);

#endif
