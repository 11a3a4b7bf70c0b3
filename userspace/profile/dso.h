/* SPDX-License-Identifier: BSD-2-Clause */
/* One file with code in it. */
#ifndef PROFILE_DSO_H
#define PROFILE_DSO_H

#include <stdbool.h>
#include <stdint.h>
#include "profile/symbols.h"

struct dso;

/* path as in a mapping; pid is of the first process met with it, in whose root it may still be.
 * NULL when out of memory; a file that cannot be read has no names. */
struct dso *dso_new(const char *path, pid_t pid);
void dso_free(struct dso *dso);

const char *dso_path(const struct dso *dso);
const char *dso_name(const struct dso *dso); /* short, as perf shows it */
bool dso_is_open(const struct dso *dso); /* a name was asked for */
unsigned dso_build_id(struct dso *dso, unsigned char ret_id[20]); /* its size, 0 = none */

/* The function that covers an offset of the file (of a JIT map: an address). NULL = unknown. */
const char *dso_symbol(struct dso *dso, uint64_t offset);
/* Those inlined there, innermost first, without the function itself; 0 = none known. */
unsigned dso_inlined(struct dso *dso, uint64_t offset, const char *ret_names[], unsigned max);

#endif
