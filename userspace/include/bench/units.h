/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers for people: three significant digits and the unit that keeps them short. Always with a
 * decimal point, whatever the locale of the process: callers switch it (see report/text.c). */
#ifndef BENCH_UNITS_H
#define BENCH_UNITS_H

#include <stdbool.h>
#include <stddef.h>

#define UNITS_MAX 48 /* room for any formatted value */

/* "65.2 k/s", "15.1 us", "1.21 GB/s", "7.8 GiB", "1,234", "12.3 GHz". unit is a base unit of the
 * result; one that is not known is printed as it is. utf8 gives "µs". Not a number gives "-". */
const char *units_value(char buf[UNITS_MAX], double value, const char *unit, bool utf8);
/* As above with two digits, for values known within some 10 % only. */
const char *units_rough(char buf[UNITS_MAX], double value, const char *unit, bool utf8);
/* "1,234,567", rounded to an integer; with decimals > 0 so many of them. */
const char *units_thousands(char buf[UNITS_MAX], double value, int decimals);
/* A share 0..1 as "12.3 %". */
const char *units_share(char buf[UNITS_MAX], double value);

#endif
