/* SPDX-License-Identifier: BSD-2-Clause */
/* The two ways in which the control loop waits: loop_uring.c and loop_poll.c. Timers are common to
 * both (loop.c): only the nearest deadline reaches the wait. */
#ifndef RUNTIME_LOOP_BACKEND_H
#define RUNTIME_LOOP_BACKEND_H

#include "runtime/loop.h"
#include "runtime/timers.h"

struct loop_read {
	int fd;
	void *buf;
	size_t len;
	void (*cb)(void *arg, ssize_t res);
	void *arg;
};

struct loop_backend {
	void (*close)(struct loop *loop);
	int (*watch)(struct loop *loop, int fd, short events, void (*cb)(void *arg, short revents),
		     void *arg);
	void (*unwatch)(struct loop *loop, int fd);
	int (*read)(struct loop *loop, const struct loop_read *read);
	void (*begin)(struct loop *loop); /* at the start of loop_run(); optional */
	/* Wait for something or until the time, and run the callbacks of what there was. */
	int (*turn)(struct loop *loop, uint64_t wait_until_ns);
};

#define LOOP_TIMERS_MAX 1024u

struct loop_timer {
	void (*cb)(void *arg);
	void *arg;
	unsigned gen; /* in the id, so that a late cancel cannot hit the next user of the slot */
};

/* First member of both kinds of loop. */
struct loop {
	const struct loop_backend *backend;
	struct timers timers;
	struct loop_timer slots[LOOP_TIMERS_MAX];
};

int loop_uring_open(struct loop **ret_loop, const struct async_caps *caps, struct bench_err *err);
int loop_poll_open(struct loop **ret_loop, struct bench_err *err);

#endif
