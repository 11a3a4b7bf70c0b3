/* SPDX-License-Identifier: BSD-2-Clause */
/* The viewer as a child process: started on the controlling terminal, waited for, and the terminal
 * put right when it could not do that itself. Also where its program is. */
#ifndef CORE_LIVE_SHOW_H
#define CORE_LIVE_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <termios.h>
#include "bench/error.h"
#include "runtime/loop.h"

struct live_viewer {
	pid_t pid; /* 0 = none, or it has ended */
	bool over;
	int pidfd, tty;
	struct termios modes; /* of the terminal before */
	struct loop *loop, *other; /* other: NULL = none */
};

/* The file of lines and the pipe to answer by are handed over. Its end is seen by whichever of the
 * loops turns; other may be NULL. -ENOTTY, -ENOENT. */
int live_viewer_start(struct live_viewer *viewer, struct loop *loop, struct loop *other, int file,
		      int answers, struct bench_err *err);
/* Wait until it has ended or *stop, and let go of it. */
void live_viewer_wait(struct live_viewer *viewer, const bool *stop);

/* Path of bench-view: beside this program, else where `make install` puts it. -ENOENT with where it
 * was looked for. */
int live_viewer_path(char *buf, size_t size, struct bench_err *err);

#endif
