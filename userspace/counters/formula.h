/* SPDX-License-Identifier: BSD-2-Clause */
/* Formulas of derived metrics, kept as the text that the result shows. */
#ifndef COUNTERS_FORMULA_H
#define COUNTERS_FORMULA_H

#include <stddef.h>

/* Numbers, names, + - * / ( ), max(a,b). The value of a name is lookup()'s, NAN when it has none.
 * Division by zero and text that is no formula give NAN. */
double formula_eval(const char *text, double (*lookup)(const char *name, size_t len, void *ctx),
		    void *ctx);

#endif
