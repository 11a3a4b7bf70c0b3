/* SPDX-License-Identifier: BSD-2-Clause */
/* The orchestrator's event loop: timers, signals, children, worker notifications and telemetry
 * reads. With the uring runtime every one of them is an operation of the control ring; with the
 * blocking runtime a poll(2) loop that makes no io_uring call. One thread only. */
#ifndef RUNTIME_LOOP_H
#define RUNTIME_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "bench/error.h"

struct loop;
struct async_caps;

/* caps NULL = poll(2) loop, else a ring with these capabilities. */
int loop_open(struct loop **ret_loop, const struct async_caps *caps, struct bench_err *err);
void loop_close(struct loop *loop); /* NULL is fine; closes none of the watched descriptors */

/* Call cb on the loop's thread each time fd is ready for events (POLLIN, ...), until unwatched.
 * The callback must consume the readiness. 0 or negative errno. */
int loop_watch(struct loop *loop, int fd, short events, void (*cb)(void *arg, short revents),
	       void *arg);
void loop_unwatch(struct loop *loop, int fd);
/* Call cb once at the absolute CLOCK_MONOTONIC time. Returns an id >= 0 for loop_cancel_timer(),
 * or negative errno. */
int loop_timer(struct loop *loop, uint64_t at_ns, void (*cb)(void *arg), void *arg);
void loop_cancel_timer(struct loop *loop, int id);
/* Read up to len bytes at offset 0 of fd (a /proc or /sys file) and call cb with the count or
 * negative errno. buf stays the loop's until then. */
int loop_read(struct loop *loop, int fd, void *buf, size_t len,
	      void (*cb)(void *arg, ssize_t res), void *arg);

/* Turn until *flag is true or the time is reached (UINT64_MAX = no limit). Returns 0 when the flag
 * is set, -ETIME, or negative errno when the loop itself failed. */
int loop_run(struct loop *loop, const bool *flag, uint64_t deadline_ns);

#endif
