/* SPDX-License-Identifier: BSD-2-Clause */
/* Typed option tables (bench/option.h): parsing, defaults, help. One table serves the command line,
 * the config file and the saved parameters. */
#ifndef CORE_OPTION_H
#define CORE_OPTION_H

#include <stdio.h>
#include <jansson.h>
#include "bench/error.h"
#include "bench/option.h"

/* The row called name, or NULL. table NULL = empty. */
const struct bench_option *option_find(const struct bench_option *table, const char *name);
/* Set every option to its default. Defaults are checked by the tests, not here. */
void option_defaults(const struct bench_option *table, void *params);
/* Parse text into params. A STRING keeps the pointer: text must live as long as params. text NULL =
 * given without a value. -EINVAL: err names option, text and what is accepted. */
int option_set(const struct bench_option *opt, void *params, const char *text,
	       struct bench_err *err);
/* Write the option's value back as a user would type it. */
void option_print(const struct bench_option *opt, const void *params, char *buf, size_t size);
/* One value: a number, a text or a truth. New reference. */
json_t *option_value_json(const struct bench_option *opt, const void *params);
/* {name: value}: numbers as numbers, enums and strings as text. New reference. */
json_t *option_json(const struct bench_option *table, const void *params);
/* What is accepted: "0..100", "randread|read", "SIZE". */
void option_accepts(const struct bench_option *opt, char *buf, size_t size);
/* Rows of --help: "  --name=SIZE  help (default: 4k)". prefix is "--" or "". */
void option_help(const struct bench_option *table, const char *prefix, FILE *out);
/* -EINVAL "unknown WHAT 'name'; did you mean 'near'?" */
int option_unknown(const struct bench_option *table, const char *what, const char *name,
		   struct bench_err *err);

#endif
