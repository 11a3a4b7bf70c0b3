// SPDX-License-Identifier: BSD-2-Clause
#include "core/remote_wait.h"

#include <errno.h>
#include <poll.h>

#include "bench/clock.h"

/* How often it is looked whether the user interrupted, and how long the other side has from then on: a
 * server puts its workers away within it. */
#define LOOK_NS (100 * BENCH_NS_PER_MS)
#define STOP_NS (10 * BENCH_NS_PER_SEC)

const char *const remote_settings[] = { "trials", "duration", "warmup",	  "counters", "multiplex",
					"probes", "scope",    "interval", "slow",     NULL };

static void on_ready(void *arg, short revents)
{
	(void)revents;
	*(bool *)arg = true;
}

int remote_ready(void *waiting, int fd, short events, uint64_t deadline_ns)
{
	const struct remote_waiting *w = waiting;
	bool ready = false;
	int rc = loop_watch(w->loop, fd, events, on_ready, &ready);

	if (rc)
		return rc;
	do {
		uint64_t now = bench_now_ns(), until_ns = now + LOOK_NS;

		if (*w->stop && deadline_ns > now + w->grace_ns)
			deadline_ns = now + w->grace_ns;
		if (deadline_ns < until_ns)
			until_ns = deadline_ns;
		rc = loop_run(w->loop, &ready, until_ns);
	} while (rc == -ETIME && bench_now_ns() < deadline_ns);
	loop_unwatch(w->loop, fd);
	return rc == -ETIME ? -ETIMEDOUT : rc;
}

int remote_wait(struct loop *loop, struct wire *wire, json_t **ret_message, uint64_t deadline_ns,
		const bool *stop)
{
	struct remote_waiting waiting = { .loop = loop, .stop = stop, .grace_ns = STOP_NS };
	struct wire_wait wait = { remote_ready, &waiting };
	int rc;

	wire->wait = &wait;
	rc = wire_receive(wire, ret_message, deadline_ns);
	wire->wait = NULL;
	return rc;
}
