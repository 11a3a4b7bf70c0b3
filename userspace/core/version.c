// SPDX-License-Identifier: BSD-2-Clause
/* The only file that sees the version, so that a new commit recompiles nothing else. */
#include "core/version.h"

#ifndef BENCH_VERSION
#define BENCH_VERSION "unknown"
#endif
#ifndef BENCH_COMMIT
#define BENCH_COMMIT "unknown"
#endif

const char *bench_version(void)
{
	return BENCH_VERSION;
}

const char *bench_commit(void)
{
	return BENCH_COMMIT;
}
