/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files that write perf.data. */
#ifndef PROFILE_PERFDATA_FILE_H
#define PROFILE_PERFDATA_FILE_H

#include "profile/perfdata.h"

struct perfdata {
	int fd;
	int error; /* of the first write that failed; nothing is written after it */
	struct perfdata_header header;
	struct perf_event_attr attrs[PROFILE_NR_EVENTS];
	char cpu_event[32];
	uint64_t offset; /* of the buffer in the file */
	uint64_t first_ns, last_ns; /* of samples */
	size_t used;
	unsigned char buffer[256 * 1024];
};

void perfdata_put(struct perfdata *file, const void *bytes, size_t size);
int perfdata_write_out(struct perfdata *file, struct bench_err *err);

#endif
