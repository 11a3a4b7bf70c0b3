/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of sampling. */
#ifndef CORE_SAMPLING_FILE_H
#define CORE_SAMPLING_FILE_H

#include "core/kallsyms.h"
#include "core/result.h"
#include "core/sampling.h"
#include "counters/record.h"
#include "profile/fold.h"
#include "profile/perfdata.h"

struct sampling {
	struct run *run;
	struct result_file out;
	char *path; /* of the file, NULL = it is not kept */
	bool force;
	struct counter_record *record;
	struct perfdata *file;
	struct kallsyms *kernel;
	int timer; /* -1 = none */
	unsigned nr_followed;
	bool begun;   /* a window is open */
	bool on_exec; /* who is followed starts to be sampled by itself */
	struct fold_span *spans; /* in the order of time */
	unsigned nr_spans, room;
};

#endif
