// SPDX-License-Identifier: BSD-2-Clause
/* What libbpf has to say while it loads: kept, to be told as the reason of a failure, never printed. */
#include "probe/set.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* libbpf's print callback has no argument of ours, hence thread-local. */
__thread struct said said;

static void line_copy(char *to, size_t size, const char *from, size_t len)
{
	while (len && strchr("\n .", from[len - 1]))
		len--;
	if (len >= size)
		len = size - 1;
	memcpy(to, from, len);
	to[len] = '\0';
}

/* The verifier's log ends with "processed N insns ..."; its verdict is the line before. */
static void keep_verdict(const char *text)
{
	const char *end = strstr(text, "processed "), *begin;

	if (!end || end == text)
		return;
	for (begin = --end; begin > text && begin[-1] != '\n'; begin--)
		;
	line_copy(said.verdict, sizeof(said.verdict), begin, (size_t)(end - begin));
}

__attribute__((format(printf, 2, 0))) static int keep_print(enum libbpf_print_level level,
							    const char *fmt, va_list ap)
{
	const char *prefix = "libbpf: prog '";
	char *text, *name;

	if (level != LIBBPF_WARN || vasprintf(&text, fmt, ap) < 0)
		return 0;
	keep_verdict(text);
	if (!strncmp(text, prefix, strlen(prefix)) && strstr(text, "program load failed")) {
		name = text + strlen(prefix);
		line_copy(said.program, sizeof(said.program), name, strcspn(name, "'"));
	}
	if (!strncmp(text, "libbpf: ", 8) && !strchr(text + 8, '\t') && strlen(text) < 300)
		line_copy(said.line, sizeof(said.line), text + 8, strlen(text + 8));
	free(text);
	return 0;
}

void said_keep(void)
{
	libbpf_set_print(keep_print);
}
