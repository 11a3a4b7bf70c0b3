/* SPDX-License-Identifier: BSD-2-Clause */
/* What the two ends of a job must tell each other beside their connections, and what each end keeps
 * for itself. Nothing else is shared: net_client.h and net_server.h do not call each other. */
#ifndef MODULES_NET_LINK_H
#define MODULES_NET_LINK_H

#include <stdatomic.h>
#include <stdint.h>

#include "net_cpu.h"
#include "net_info.h"
#include "net_params.h"

/* Loopback answers in microseconds; only something broken or filtered takes this long. */
#define NET_TIMEOUT_MS 5000

/* In memory where both ends are in one process. Where they are not, whoever runs them carries each
 * field from its writer to its reader at the moment named; all are plain numbers. */
struct net_link {
	/* From the server, once per job, after setup() of its end and before begin() of the
	 * client's: where it listens. */
	union bench_inet addr;
	/* From the client, after end() of each window and before the server's report(). */
	atomic_bool client_failed; /* at once: the server need not wait for its connections */
	_Atomic uint64_t tx __attribute__((aligned(64))); /* bytes sent in this window, complete */
	atomic_bool done;				  /* tx is final */
	/* From the server, after end() of each window. */
	_Atomic uint64_t rx __attribute__((aligned(64))); /* bytes received, complete */
	_Atomic uint64_t rx_window; /* stream: of them, within the server's window */
	atomic_bool mismatch;	    /* the client said done, and rx is not tx */
};

/* Of one job in this process. */
struct net_shared {
	struct net_link link;
	int listen_fd;	       /* server; -1 = none */
	int *fds[NET_WORKERS]; /* by end: its connections, for net_locate(); NULL = not here */
	/* Written by this process's first end in begin() and end(), read by report(). */
	struct net_cpu_sample cpu[2]; /* around the window */
	/* Written by the client's worker, read by report(). */
	struct net_info info;
	uint64_t ops, bytes;	     /* of the window */
	struct bench_hist *probe[2]; /* of probe=: on the idle path, and beside the load */
	uint64_t zc_sent, zc_copied; /* zero-copy sends that were notified, and copied after all */
};

/* This worker's connections, in the order in which the client makes them. */
static inline int *net_fds(const struct bench_worker *w)
{
	const struct net_shared *s = w->job->shared;

	return s->fds[net_is_server(w) ? NET_SERVER : NET_CLIENT];
}

#endif
