// SPDX-License-Identifier: BSD-2-Clause
/* bench view: look at a saved result, or watch a run. A program of its own draws, bench-view, so that
 * what measures neither links nor waits for a terminal library. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "core/live_show.h"

int cmd_view(int argc, char **argv)
{
	struct bench_err err = { 0 };
	char path[PATH_MAX + 32];

	(void)argc;
	if (!live_viewer_path(path, sizeof(path), &err)) {
		execv(path, argv);
		bench_fail(&err, -errno, "start %s: %s", path, strerror(errno));
	}
	fprintf(stderr, "bench: %s\n", err.msg);
	return EXIT_REQUEST;
}
