/* SPDX-License-Identifier: BSD-2-Clause */
/* What was inlined at an address, by the debugging information. */
#ifndef PROFILE_INLINED_H
#define PROFILE_INLINED_H

#include <elfutils/libdwfl.h>

/* Compilation units by address, for where libdw has no table of them: gcc writes one (.debug_aranges),
 * clang and rustc do not. */
struct inlined_units;

/* The names of the functions that were inlined where the module's address is, innermost first; how many.
 * They live as long as the module. *units (NULL at first) is made when it is needed. */
unsigned inlined_names(struct inlined_units **units, Dwfl_Module *module, Dwarf_Addr address,
		       const char **ret_names, unsigned max);
void inlined_free(struct inlined_units *units); /* NULL is fine */

#endif
