/* SPDX-License-Identifier: BSD-2-Clause */
/* Command lines over option tables: --name=value, --name value, --flag, --no-flag, -x value, -xvalue,
 * flags in one word as in -nq, --. */
#ifndef CORE_CLI_H
#define CORE_CLI_H

#include <stdbool.h>
#include "bench/error.h"
#include "bench/option.h"

#define CLI_MAX_TABLES 3

struct cli_given {
	const struct bench_option *option;
	unsigned table;
	const char *value; /* NULL = given without one */
};

struct cli {
	const struct bench_option *tables[CLI_MAX_TABLES]; /* NULL = unused */
	struct cli_given *given; /* in order, malloc'ed */
	unsigned nr_given;
	char **words; /* what is not an option, malloc'ed array of argv's own strings */
	unsigned nr_words;
	char *joined; /* cli_join() */
};

/* Cut argv[1..] into options and words. With stop_at_word, the first word and all behind it are
 * words (for wrapped commands). -EINVAL: unknown option (err names the nearest) or missing value. */
int cli_parse(struct cli *cli, int argc, char *const argv[], bool stop_at_word,
	      struct bench_err *err);
/* Set the options given of one table into its params. */
int cli_apply(const struct cli *cli, unsigned table, void *params, struct bench_err *err);
/* All values of an option that is given more than once, with separator in between, into *value, which
 * keeps what it has where there is none. Lives as long as cli; once only. */
int cli_join(struct cli *cli, const char *name, char separator, const char **value,
	     struct bench_err *err);
void cli_done(struct cli *cli);

#endif
