// SPDX-License-Identifier: BSD-2-Clause
// A command line to words. Starting a shell for each run would cost more than many commands take,
// so a line that needs none gets none.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/exec_plan.h"

/* POSIX.1-2024, Shell Command Language, 2.2 (quoting), 2.4 (reserved words), 2.15 (special
 * built-ins); and the built-ins without which a line does not mean the same. */
static const char shell_signs[] = "|&;<>()$`*?[#~{}!";
static const char *const shell_words[] = { "if",   "for",   "while",  "until",	"case",	 "cd",
					   "exit", "exec",  "eval",   "export", "set",	 "unset",
					   "read", "trap",  "ulimit", "umask",	"wait",	 "command",
					   "type", "alias", "return", "shift",	"times", "source",
					   ".",	   ":",	    "local",  "hash",	"jobs",	 NULL };

char **exec_shell(const char *line)
{
	char **argv = calloc(4, sizeof(*argv));

	if (!argv)
		return NULL;
	argv[0] = strdup("/bin/sh");
	argv[1] = strdup("-c");
	argv[2] = strdup(line);
	if (argv[0] && argv[1] && argv[2])
		return argv;
	exec_words_free(argv);
	return NULL;
}

void exec_words_free(char **argv)
{
	for (char **word = argv; word && *word; word++)
		free(*word);
	free(argv);
}

/* Cut one word off *line into buf. False when it takes a shell to understand it. */
static bool cut(const char **line, char *buf)
{
	const char *p = *line;
	char quote = '\0';

	for (; *p && (quote || (*p != ' ' && *p != '\t')); p++) {
		if (quote ? *p == quote : *p == '\'' || *p == '"') {
			quote = quote ? '\0' : *p;
		} else if (*p == '\\' && quote != '\'') {
			/* Between double quotes it quotes only some; leave that to a shell. */
			if (quote || !p[1] || p[1] == '\n')
				return false;
			*buf++ = *++p;
		} else if (quote != '\'' && (quote ? strchr("$`", *p) : strchr(shell_signs, *p))) {
			return false;
		} else {
			*buf++ = *p;
		}
	}
	*buf = '\0';
	*line = p;
	return !quote;
}

/* A first word that is no program: a variable's value, a reserved word, a built-in. */
static bool needs_shell(const char *word)
{
	if (strchr(word, '='))
		return true;
	for (unsigned i = 0; shell_words[i]; i++)
		if (!strcmp(word, shell_words[i]))
			return true;
	return false;
}

char **exec_words(const char *line)
{
	size_t size = strlen(line) + 1;
	char **argv = calloc(size / 2 + 2, sizeof(*argv)), *buf = malloc(size);
	const char *rest = line;
	bool shell = strchr(line, '\n') != NULL;
	unsigned nr = 0;

	while (argv && buf && !shell && *(rest += strspn(rest, " \t"))) {
		shell = !cut(&rest, buf) || (!nr && needs_shell(buf));
		if (!shell && !(argv[nr++] = strdup(buf)))
			shell = true;
	}
	free(buf);
	if (!shell && nr)
		return argv;
	exec_words_free(argv);
	return shell ? exec_shell(line) : NULL;
}
