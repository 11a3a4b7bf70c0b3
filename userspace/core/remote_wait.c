// SPDX-License-Identifier: BSD-2-Clause
#include "core/remote_wait.h"

#include <errno.h>
#include <poll.h>

const char *const remote_settings[] = { "trials", "duration", "warmup",	  "counters", "multiplex",
					"probes", "scope",    "interval", "slow",     NULL };

static void on_readable(void *arg, short revents)
{
	(void)revents;
	*(bool *)arg = true;
}

int remote_wait(struct loop *loop, struct wire *wire, json_t **ret_message, uint64_t deadline_ns)
{
	bool readable = false;
	int rc = loop_watch(loop, wire->fd, POLLIN, on_readable, &readable);

	if (rc)
		return rc;
	rc = loop_run(loop, &readable, deadline_ns);
	loop_unwatch(loop, wire->fd);
	if (rc)
		return rc == -ETIME ? -ETIMEDOUT : rc;
	return wire_receive(wire, ret_message, deadline_ns);
}
