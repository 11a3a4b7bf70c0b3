/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_OPTION_H
#define BENCH_OPTION_H

#include <stddef.h>
#include <stdint.h>

enum bench_option_type {
	BENCH_OPT_U64,	    /* uint64_t, decimal or 0x */
	BENCH_OPT_SIZE,	    /* uint64_t bytes; suffix k, M, G, T are powers of 1024 */
	BENCH_OPT_DURATION, /* uint64_t ns; suffix ns, us, ms, s, m; a bare number is seconds */
	BENCH_OPT_BOOL,	    /* uint64_t 0 or 1; accepts 0/1, yes/no, on/off, true/false */
	BENCH_OPT_ENUM,	    /* uint64_t index into values[] */
	BENCH_OPT_STRING,   /* const char *, lives as long as the plan */
};

/* One row per option. Parser, default, range check, --help, config key, completion and the saved
 * `params` all come from it. */
struct bench_option {
	const char *name; /* NULL ends the table */
	enum bench_option_type type;
	size_t offset;		   /* into the params struct */
	uint64_t min, max;	   /* inclusive; both 0 = any value; ignored for ENUM and STRING */
	const char *def;	   /* textual default, parsed like user input; NULL = NULL string or 0 */
	const char *const *values; /* ENUM: the words, ends with NULL */
	const char *help;	   /* one line, starts lower case, states the unit */
	const char *implied;	   /* value when given without one; NULL = BOOL: 1, others: error */
	char letter;		   /* short form on the command line, 0 = none */
};

#endif
