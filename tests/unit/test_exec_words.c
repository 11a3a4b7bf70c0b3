// SPDX-License-Identifier: BSD-2-Clause
/* Command lines of `bench exec`: which need a shell, and the words of those that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/exec_plan.h"

/* Words joined by "|"; what goes to a shell begins with "sh:". */
static void expect(const char *line, const char *expected)
{
	char **argv = exec_words(line), text[256] = "";

	if (argv && !strcmp(argv[0], "/bin/sh")) {
		snprintf(text, sizeof(text), "sh:%s", argv[2]);
		assert_null(argv[3]);
	} else {
		for (unsigned i = 0; argv && argv[i]; i++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
				 i ? "|" : "", argv[i]);
	}
	assert_string_equal(text, expected);
	exec_words_free(argv);
}

static void test_words(void **state)
{
	(void)state;
	expect("sleep 0.1", "sleep|0.1");
	expect("  a\t b  ", "a|b");
	expect("a 'b c' \"d  e\"", "a|b c|d  e");
	expect("a b'c'\"d\"e", "a|bcde");
	expect("a '' b", "a||b");
	expect("a \"\"", "a|");
	/* A shell does not split there. */
	expect("a\rb c\r", "a\rb|c\r");
	expect("a b\\ c \\'", "a|b c|'");
	expect("a '$HOME' '*' '\\n'", "a|$HOME|*|\\n");
	expect("dd if=x of=y", "dd|if=x|of=y");
	expect("", "");
	expect("  ", "");
}

static void test_shell(void **state)
{
	static const char *const lines[] = { "a | b", "a; b", "a && b", "a >x", "a $HOME",
					     "a \"$HOME\"", "a `b`", "a *.c", "a ~", "a #b",
					     "A=1 b", "cd x", "exit 3", "a\nb", "a {1,2}", "a \"b\\\"c\"",
					     "! a", "if a", NULL };

	(void)state;
	for (unsigned i = 0; lines[i]; i++) {
		char expected[64];

		snprintf(expected, sizeof(expected), "sh:%s", lines[i]);
		expect(lines[i], expected);
	}
	/* What is wrong with these, a shell says better. */
	expect("a 'b", "sh:a 'b");
	expect("a \\", "sh:a \\");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_words),
					    cmocka_unit_test(test_shell) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
