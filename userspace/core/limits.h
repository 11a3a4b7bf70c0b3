/* SPDX-License-Identifier: BSD-2-Clause */
/* Resource limits of this process. */
#ifndef CORE_LIMITS_H
#define CORE_LIMITS_H

/* Open files (RLIMIT_NOFILE): the soft limit is kept low for programs that use select(2), which
 * this one does not. Raise it to the hard limit. Where that is refused, the old one holds. */
void nofile_raise(void);
/* In a child, before it executes another program: back to what was found. Async-signal-safe. */
void nofile_restore(void);

#endif
