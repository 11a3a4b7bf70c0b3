/* SPDX-License-Identifier: BSD-2-Clause */
/* What both sides of a remote job need. */
#ifndef CORE_REMOTE_WAIT_H
#define CORE_REMOTE_WAIT_H

#include "peer/wire.h"
#include "runtime/loop.h"

/* Settings of the client's that also hold for the server's end, by name; ends with NULL. */
extern const char *const remote_settings[];

/* The control loop turns while it is waited, for the user's signals: once these have set *stop
 * there are grace_ns left. */
struct remote_waiting {
	struct loop *loop;
	const bool *stop;
	uint64_t grace_ns;
};

/* For struct wire_wait, with a struct remote_waiting. */
int remote_ready(void *waiting, int fd, short events, uint64_t deadline_ns);

/* wire_receive() that keeps the control loop turning, for the user's signals: once these have set *stop
 * it waits 10 s at most. */
int remote_wait(struct loop *loop, struct wire *wire, json_t **ret_message, uint64_t deadline_ns,
		const bool *stop);

#endif
