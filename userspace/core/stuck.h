/* SPDX-License-Identifier: BSD-2-Clause */
/* What the threads of this process wait for, for the message about one that does not come back. */
#ifndef CORE_STUCK_H
#define CORE_STUCK_H

#include <stddef.h>
#include <sys/types.h>

struct job_run;
struct runtime;

/* "asleep in pipe_read (system call read)", "running or runnable", or what of it the kernel tells. */
void stuck_thread(pid_t tid, char *text, size_t size);
/* The threads of this process other than the nr given ones and the caller, by what they wait in:
 * "20 asleep in unix_stream_data_wait, 3 running or runnable"; "" when there are none. */
void stuck_others(const pid_t *tids, unsigned nr, char *text, size_t size);
/* Which of the first nr workers has not come back from this callback of its module, and what it and
 * all other threads wait in. */
void stuck_workers(const struct runtime *rt, const struct job_run *jr, unsigned nr,
		   const char *callback, char *text, size_t size);

#endif
