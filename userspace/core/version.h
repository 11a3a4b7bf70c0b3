/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CORE_VERSION_H
#define CORE_VERSION_H

/* Static strings: "0.1.0", and the commit it was built from, or "unknown". */
const char *bench_version(void);
const char *bench_commit(void);

#endif
