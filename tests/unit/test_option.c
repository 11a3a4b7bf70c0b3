// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/cli.h"
#include "core/nearest.h"
#include "core/option.h"
#include "core/registry.h"

struct params {
	uint64_t number, size, time, flag, word;
	const char *text;
};

static const char *const words[] = { "randread", "read", NULL };
static const char *const list_word[] = { "LIST", NULL };

static const struct bench_option table[] = {
	{ "number", BENCH_OPT_U64, offsetof(struct params, number), 1, 1024, "32", NULL, "a", NULL, 0 },
	{ "size", BENCH_OPT_SIZE, offsetof(struct params, size), 0, 0, "4k", NULL, "b", NULL, 0 },
	{ "time", BENCH_OPT_DURATION, offsetof(struct params, time), 0, 0, "1.5s", NULL, "c", NULL, 0 },
	{ "flag", BENCH_OPT_BOOL, offsetof(struct params, flag), 0, 0, "0", NULL, "d", NULL, 'f' },
	{ "word", BENCH_OPT_ENUM, offsetof(struct params, word), 0, 0, "read", words, "e", NULL, 'w' },
	{ "text", BENCH_OPT_STRING, offsetof(struct params, text), 0, 0, NULL, list_word, "f", "", 0 },
	{ NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 0 },
};

static int set(struct params *p, const char *name, const char *value, struct bench_err *err)
{
	return option_set(option_find(table, name), p, value, err);
}

static void defaults_are_parsed_like_input(void **state)
{
	struct params p;

	(void)state;
	memset(&p, 0xff, sizeof(p));
	option_defaults(table, &p);
	assert_int_equal(p.number, 32);
	assert_int_equal(p.size, 4096);
	assert_int_equal(p.time, 1500000000);
	assert_int_equal(p.flag, 0);
	assert_int_equal(p.word, 1);
	assert_null(p.text);
}

static void values_in_every_spelling(void **state)
{
	struct bench_err err = { 0 };
	struct params p;

	(void)state;
	option_defaults(table, &p);
	assert_int_equal(set(&p, "size", "2G", &err), 0);
	assert_int_equal(p.size, 2ull << 30);
	assert_int_equal(set(&p, "size", "0x1000", &err), 0);
	assert_int_equal(p.size, 4096);
	assert_int_equal(set(&p, "size", "1.5k", &err), 0);
	assert_int_equal(p.size, 1536);
	assert_int_equal(set(&p, "size", "18446744073709551614", &err), 0);
	assert_true(p.size == UINT64_MAX - 1);
	assert_int_equal(set(&p, "time", "250us", &err), 0);
	assert_int_equal(p.time, 250000);
	assert_int_equal(set(&p, "time", "2m", &err), 0);
	assert_true(p.time == 120000000000ull);
	assert_int_equal(set(&p, "flag", "yes", &err), 0);
	assert_int_equal(p.flag, 1);
	assert_int_equal(set(&p, "flag", NULL, &err), 0);
	assert_int_equal(set(&p, "word", "randread", &err), 0);
	assert_int_equal(p.word, 0);
	assert_int_equal(set(&p, "text", NULL, &err), 0);
	assert_string_equal(p.text, "");
}

static void bad_values_are_refused_and_change_nothing(void **state)
{
	static const char *const bad[][2] = {
		{ "number", "0" },     { "number", "1025" }, { "number", "-1" },  { "number", "4k" },
		{ "number", "" },      { "number", "1 " },   { "number", "1.5" }, { "number", "99999999999999999999" },
		{ "size", "4x" },      { "size", "k" },	     { "size", "16777216T" }, { "time", "5 s" },
		{ "time", "-3s" },     { "flag", "2" },	     { "word", "rand" },  { "word", "" },
		{ "number", NULL },
	};
	struct params p, before;

	(void)state;
	option_defaults(table, &p);
	before = p;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct bench_err err = { 0 };

		assert_int_equal(set(&p, bad[i][0], bad[i][1], &err), -EINVAL);
		assert_non_null(strstr(err.msg, bad[i][0]));
		assert_memory_equal(&p, &before, sizeof(p));
	}
}

static void values_print_as_they_are_typed(void **state)
{
	static const char *const same[][2] = { { "size", "4k" },  { "size", "1536" }, { "size", "3m" },
					       { "time", "250us" }, { "time", "2s" }, { "time", "0" },
					       { "word", "read" },  { "number", "7" }, { "text", "x" } };
	char buf[64];

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		struct bench_err err = { 0 };
		struct params p;

		option_defaults(table, &p);
		assert_int_equal(set(&p, same[i][0], same[i][1], &err), 0);
		option_print(option_find(table, same[i][0]), &p, buf, sizeof(buf));
		assert_string_equal(buf, same[i][1]);
	}
}

static int parse(struct cli *cli, struct bench_err *err, unsigned nr, ...)
{
	static char *argv[16];
	va_list ap;

	*cli = (struct cli){ .tables = { table } };
	argv[0] = "bench";
	va_start(ap, nr);
	for (unsigned i = 1; i <= nr; i++)
		argv[i] = va_arg(ap, char *);
	va_end(ap);
	argv[nr + 1] = NULL;
	return cli_parse(cli, (int)nr + 1, argv, false, err);
}

static void command_lines_are_cut_as_users_expect(void **state)
{
	struct bench_err err = { 0 };
	struct params p;
	struct cli cli;

	(void)state;
	option_defaults(table, &p);
	assert_int_equal(parse(&cli, &err, 9, "--number=5", "one", "--size", "1m", "-f", "--text", "two",
			       "-w", "randread"), 0);
	assert_int_equal(cli_apply(&cli, 0, &p, &err), 0);
	assert_int_equal(p.number, 5);
	assert_int_equal(p.size, 1 << 20);
	assert_int_equal(p.flag, 1);
	assert_int_equal(p.word, 0);
	assert_string_equal(p.text, ""); /* its value is optional: "two" is a word */
	assert_int_equal(cli.nr_words, 2);
	assert_string_equal(cli.words[1], "two");
	cli_done(&cli);

	assert_int_equal(parse(&cli, &err, 4, "--no-flag", "--no-text", "--", "--number=9"), 0);
	assert_int_equal(cli_apply(&cli, 0, &p, &err), 0);
	assert_int_equal(p.flag, 0);
	assert_string_equal(p.text, "none");
	assert_int_equal(p.number, 5);
	assert_string_equal(cli.words[0], "--number=9");
	cli_done(&cli);
}

static void unknown_options_name_the_nearest(void **state)
{
	struct bench_err err = { 0 };
	struct cli cli;

	(void)state;
	assert_int_equal(parse(&cli, &err, 1, "--nubmer=5"), -EINVAL);
	assert_non_null(strstr(err.msg, "'--number'"));
	cli_done(&cli);
	assert_int_equal(parse(&cli, &err, 1, "--number"), -EINVAL);
	assert_non_null(strstr(err.msg, "needs a value"));
	cli_done(&cli);
	assert_int_equal(parse(&cli, &err, 1, "-x"), -EINVAL);
	cli_done(&cli);
}

static void nearest_counts_slips_and_transpositions(void **state)
{
	(void)state;
	assert_int_equal(nearest_distance("disk", "disk"), 0);
	assert_int_equal(nearest_distance("dsik", "disk"), 1);
	assert_int_equal(nearest_distance("kitten", "sitting"), 3);
	assert_int_equal(nearest_distance("", "abc"), 3);
	struct nearest n = { .name = "xyzzy" };

	nearest_offer(&n, "disk");
	assert_null(n.best);
}

/* The tables of every module, checked by what they say about themselves. */
static void module_tables_are_sound(void **state)
{
	(void)state;
	for (unsigned i = 0; registry_modules[i]; i++) {
		const struct bench_module *m = registry_modules[i];
		void *params = calloc(1, m->params_size + 1);
		struct bench_err err = { 0 };

		assert_int_equal(m->abi, BENCH_MODULE_ABI);
		assert_non_null(m->summary);
		assert_non_null(m->op);
		if (m->exec == BENCH_EXEC_ASYNC)
			assert_non_null(m->start);
		else
			assert_non_null(m->run);
		for (const struct bench_option *o = m->options; o && o->name; o++) {
			assert_true(o->offset + sizeof(uint64_t) <= m->params_size);
			assert_non_null(o->help);
			if (o->def && option_set(o, params, o->def, &err))
				fail_msg("%s: default of %s: %s", m->name, o->name, err.msg);
		}
		free(params);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_parsed_like_input),
		cmocka_unit_test(values_in_every_spelling),
		cmocka_unit_test(bad_values_are_refused_and_change_nothing),
		cmocka_unit_test(values_print_as_they_are_typed),
		cmocka_unit_test(command_lines_are_cut_as_users_expect),
		cmocka_unit_test(unknown_options_name_the_nearest),
		cmocka_unit_test(nearest_counts_slips_and_transpositions),
		cmocka_unit_test(module_tables_are_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
