/* SPDX-License-Identifier: BSD-2-Clause */
/* What was there before sampling began, and of which the kernel writes no records. */
#ifndef PROFILE_EXISTING_H
#define PROFILE_EXISTING_H

#include "profile/perfdata.h"

struct kallsyms;

/* Where the kernel and its modules are. Nothing where that is hidden. */
void existing_kernel(struct perfdata *file, const struct kallsyms *symbols);
/* Names of a process and its threads, and its executable memory. Nothing when it is gone. */
void existing_process(struct perfdata *file, pid_t pid, uint64_t time_ns);

#endif
