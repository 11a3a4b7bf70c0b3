/* SPDX-License-Identifier: BSD-2-Clause */
/* One client of `bench peer`: the server's end of one job, as the client says. */
#ifndef CORE_REMOTE_SESSION_H
#define CORE_REMOTE_SESSION_H

#include <stdint.h>
#include "peer/wire.h"

struct remote_session_config {
	const char *address; /* ours, as the client reached it; numeric */
	const char *client;  /* the client's; numeric */
	const char *cpus;    /* for workers, unless the client names some; NULL = all */
	uint64_t idle_ns;    /* a client that is silent for so long is given up */
};

/* Serve until the client is done, gone or silent. In a process of its own: it starts threads and loads
 * probes. 0 = the client was done; what went wrong is told on stderr. */
int remote_session(struct wire *wire, const struct remote_session_config *config);

#endif
