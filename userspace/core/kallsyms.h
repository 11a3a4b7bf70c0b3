/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's own list of its functions, those of modules and BPF programs included. */
#ifndef CORE_KALLSYMS_H
#define CORE_KALLSYMS_H

#include <stdint.h>

struct kallsyms;

/* NULL when out of memory. Empty where addresses are hidden (kernel.kptr_restrict, no privileges). */
struct kallsyms *kallsyms_open(void);
void kallsyms_close(struct kallsyms *symbols); /* NULL is fine */
/* The last function at or below the address; NULL = none. ret_module may be NULL, and gets NULL for
 * the kernel itself, else the module. Both live as long as the list. */
const char *kallsyms_find(const struct kallsyms *symbols, uint64_t address, uint64_t *ret_start,
			  const char **ret_module);
/* Address of a name, 0 = there is none. */
uint64_t kallsyms_address(const struct kallsyms *symbols, const char *name);

#endif
