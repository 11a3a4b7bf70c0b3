/* SPDX-License-Identifier: BSD-2-Clause */
/* The modules there are: those built in, and those loaded from elsewhere. */
#ifndef CORE_MODULES_H
#define CORE_MODULES_H

#include "bench/error.h"
#include "bench/module.h"

/* The i-th module, built-in ones first; NULL behind the last. */
const struct bench_module *module_at(unsigned i);
/* The module called name, or NULL with err naming the nearest (err may be NULL). */
const struct bench_module *module_find(const char *name, struct bench_err *err);
/* Load every *.so of a directory: NAME.so must export `const struct bench_module bench_module_NAME`
 * of this ABI. They stay loaded. Not thread safe. -ENOENT, -ENOTDIR ...: dir cannot be read; -EINVAL:
 * err names the file and what is wrong with it. */
int modules_load(const char *dir, struct bench_err *err);

#endif
