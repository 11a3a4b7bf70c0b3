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

static void on_readable(void *arg, short revents)
{
	(void)revents;
	*(bool *)arg = true;
}

int remote_wait(struct loop *loop, struct wire *wire, json_t **ret_message, uint64_t deadline_ns,
		const bool *stop)
{
	bool readable = false;
	int rc = loop_watch(loop, wire->fd, POLLIN, on_readable, &readable);

	if (rc)
		return rc;
	do {
		uint64_t now = bench_now_ns(), until_ns = now + LOOK_NS;

		if (*stop && deadline_ns > now + STOP_NS)
			deadline_ns = now + STOP_NS;
		if (deadline_ns < until_ns)
			until_ns = deadline_ns;
		rc = loop_run(loop, &readable, until_ns);
	} while (rc == -ETIME && bench_now_ns() < deadline_ns);
	loop_unwatch(loop, wire->fd);
	if (rc)
		return rc == -ETIME ? -ETIMEDOUT : rc;
	return wire_receive(wire, ret_message, deadline_ns);
}
