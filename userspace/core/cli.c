// SPDX-License-Identifier: BSD-2-Clause
#include "core/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/nearest.h"
#include "core/option.h"

static bool find_long(const struct cli *cli, const char *name, struct cli_given *ret_given)
{
	for (unsigned t = 0; t < CLI_MAX_TABLES; t++) {
		const struct bench_option *o = option_find(cli->tables[t], name);

		if (o) {
			*ret_given = (struct cli_given){ .option = o, .table = t };
			return true;
		}
	}
	return false;
}

static bool find_letter(const struct cli *cli, char letter, struct cli_given *ret_given)
{
	for (unsigned t = 0; t < CLI_MAX_TABLES; t++) {
		for (const struct bench_option *o = cli->tables[t]; o && o->name; o++) {
			if (o->letter == letter) {
				*ret_given = (struct cli_given){ .option = o, .table = t };
				return true;
			}
		}
	}
	return false;
}

static int unknown(const struct cli *cli, const char *name, struct bench_err *err)
{
	struct nearest n = { .name = name };

	for (unsigned t = 0; t < CLI_MAX_TABLES; t++)
		for (const struct bench_option *o = cli->tables[t]; o && o->name; o++)
			nearest_offer(&n, o->name);
	if (n.best)
		return bench_fail(err, -EINVAL, "unknown option '--%s'; did you mean '--%s'?", name,
				  n.best);
	return bench_fail(err, -EINVAL, "unknown option '--%s'; see --help", name);
}

/* A value is taken from the next argument when the option cannot do without one. */
static bool wants_value(const struct bench_option *o)
{
	return o->type != BENCH_OPT_BOOL && !o->implied;
}

static int take(struct cli *cli, struct cli_given given, const char *shown, int argc,
		char *const argv[], int *i, struct bench_err *err)
{
	if (!given.value && wants_value(given.option)) {
		if (*i + 1 >= argc)
			return bench_fail(err, -EINVAL, "option '%s' needs a value", shown);
		given.value = argv[++*i];
	}
	cli->given[cli->nr_given++] = given;
	return 0;
}

static int parse_long(struct cli *cli, int argc, char *const argv[], int *i, struct bench_err *err)
{
	const char *text = argv[*i] + 2, *eq = strchr(text, '=');
	struct cli_given given;
	char name[64];

	snprintf(name, sizeof(name), "%.*s", eq ? (int)(eq - text) : (int)strlen(text), text);
	if (find_long(cli, name, &given)) {
		given.value = eq ? eq + 1 : NULL;
		return take(cli, given, argv[*i], argc, argv, i, err);
	}
	if (strncmp(name, "no-", 3) == 0 && !eq && find_long(cli, name + 3, &given)) {
		/* --no-probes, --no-counters: the lists know the word "none". */
		if (given.option->type == BENCH_OPT_BOOL)
			given.value = "0";
		else if (given.option->type == BENCH_OPT_STRING && given.option->values &&
			 strcmp(given.option->values[0], "LIST") == 0)
			given.value = "none";
		if (given.value)
			return take(cli, given, argv[*i], argc, argv, i, err);
	}
	return unknown(cli, name, err);
}

static int parse_short(struct cli *cli, int argc, char *const argv[], int *i, struct bench_err *err)
{
	const char *text = argv[*i], *letter = text + 1;
	struct cli_given given;

	/* Flags may stand together, as in -nq; the first option with a value takes the rest. */
	for (; *letter; letter++) {
		if (!find_letter(cli, *letter, &given))
			return text[2] ? bench_fail(err, -EINVAL,
						    "unknown option '-%c' in '%s'; see --help",
						    *letter, text) :
					 bench_fail(err, -EINVAL, "unknown option '%s'; see --help",
						    text);
		if (given.option->type != BENCH_OPT_BOOL)
			break;
		cli->given[cli->nr_given++] = given;
	}
	if (!*letter)
		return 0;
	given.value = letter[1] ? letter + 1 : NULL;
	return take(cli, given, text, argc, argv, i, err);
}

/* No argument holds more options than it has characters. */
static size_t most_options(int argc, char *const argv[])
{
	size_t nr = 1;

	for (int i = 1; i < argc; i++)
		nr += strlen(argv[i]);
	return nr;
}

int cli_parse(struct cli *cli, int argc, char *const argv[], bool stop_at_word,
	      struct bench_err *err)
{
	bool words_only = false;
	int rc = 0;

	cli->given = calloc(most_options(argc, argv), sizeof(*cli->given));
	cli->words = calloc((size_t)argc + 1, sizeof(*cli->words));
	if (!cli->given || !cli->words)
		return bench_fail(err, -ENOMEM, "out of memory");
	for (int i = 1; i < argc && !rc; i++) {
		const char *arg = argv[i];

		if (words_only || arg[0] != '-' || !arg[1]) {
			cli->words[cli->nr_words++] = argv[i];
			words_only |= stop_at_word;
		} else if (strcmp(arg, "--") == 0) {
			words_only = true;
		} else if (arg[1] == '-') {
			rc = parse_long(cli, argc, argv, &i, err);
		} else {
			rc = parse_short(cli, argc, argv, &i, err);
		}
	}
	return rc;
}

int cli_apply(const struct cli *cli, unsigned table, void *params, struct bench_err *err)
{
	for (unsigned i = 0; i < cli->nr_given; i++) {
		const struct cli_given *g = &cli->given[i];
		struct bench_err inner = { 0 };
		int rc;

		if (g->table != table)
			continue;
		rc = option_set(g->option, params, g->value, &inner);
		if (rc)
			return bench_fail(err, rc, "--%s", inner.msg);
	}
	return 0;
}

int cli_join(struct cli *cli, const char *name, char separator, const char **value,
	     struct bench_err *err)
{
	size_t size = 0;
	FILE *out = open_memstream(&cli->joined, &size);
	bool any = false;

	for (unsigned i = 0; out && i < cli->nr_given; i++) {
		const struct cli_given *g = &cli->given[i];

		if (strcmp(g->option->name, name))
			continue;
		if (any)
			fputc(separator, out);
		fputs(g->value ? g->value : "", out);
		any = true;
	}
	if (!out || fclose(out))
		return bench_fail(err, -ENOMEM, "out of memory");
	if (any)
		*value = cli->joined;
	return 0;
}

void cli_done(struct cli *cli)
{
	free(cli->joined);
	free(cli->given);
	free(cli->words);
	cli->given = NULL;
	cli->words = NULL;
}
