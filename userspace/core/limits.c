// SPDX-License-Identifier: BSD-2-Clause
#include "core/limits.h"

#include <stdbool.h>
#include <sys/resource.h>

static struct rlimit found;
static bool raised;

void nofile_raise(void)
{
	struct rlimit limit;

	if (raised || getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
		return;
	found = limit;
	limit.rlim_cur = limit.rlim_max;
	raised = !setrlimit(RLIMIT_NOFILE, &limit);
}

void nofile_restore(void)
{
	if (raised)
		(void)setrlimit(RLIMIT_NOFILE, &found);
}
