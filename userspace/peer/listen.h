/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for clients: who has the key is served, one at a time, in a process of its own. Everybody
 * else is given nothing: no answer, little time, and one of a few places. */
#ifndef PEER_LISTEN_H
#define PEER_LISTEN_H

#include "bench/error.h"
#include "bench/inet.h"
#include "peer/wire.h"

struct peer_listener {
	int fd, signal_fd; /* -1 = not open */
	union bench_inet addr;
	struct wire_key key;
	/* In the child: serve this client, whose key was good; the exit status. address: ours. */
	int (*serve)(struct wire *wire, const char *client, const char *address, const void *arg);
	const void *arg;
};

/* Read "ADDR:PORT" (numeric, IPv6 in brackets; port 0 = any free one) and listen there. -EINVAL,
 * -EADDRINUSE, ...: err says which address. */
int peer_listen(struct peer_listener *ret_listener, const char *text, struct bench_err *err);
/* Until a signal ends it: the signal's number, or negative errno. */
int peer_serve(struct peer_listener *l);
void peer_close(struct peer_listener *l);

#endif
