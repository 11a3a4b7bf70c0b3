// SPDX-License-Identifier: BSD-2-Clause
/* By the C++ runtime, which every host with a C++ program has: it is loaded when the first mangled
 * name is met, so that nobody else needs it. Without it names stay as they are. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "profile/symbols.h"

/* Itanium C++ ABI, 3.4 Demangler API */
typedef char *demangle_fn(const char *name, char *buffer, size_t *length, int *status);

static demangle_fn *cxa_demangle;

static void load(void)
{
	void *runtime = dlopen("libstdc++.so.6", RTLD_NOW | RTLD_LOCAL);

	if (!runtime)
		runtime = dlopen("libc++abi.so.1", RTLD_NOW | RTLD_LOCAL);
	if (runtime)
		cxa_demangle = (demangle_fn *)dlsym(runtime, "__cxa_demangle");
}

/* How brackets nest at each place, going backwards; an arrow or a comparison of an operator's name
 * closes nothing. */
static int step_back(const char *text, size_t at)
{
	switch (text[at]) {
	case ')':
	case ']':
	case '}':
		return 1;
	case '>':
		return at && text[at - 1] == '-' ? 0 : 1;
	case '(':
	case '[':
	case '{':
	case '<':
		return -1;
	default:
		return 0;
	}
}

/* Where the parameters of the function begin; the end of the text when there are none. */
static size_t parameters_at(const char *text, size_t len)
{
	size_t end = len;
	int depth = 0;

	while (end && text[end - 1] != ')')
		end--;
	/* Behind them stand only words such as const. */
	if (!end || strpbrk(text + end, "<>{}:"))
		return len;
	for (size_t at = end; at--;) {
		depth += step_back(text, at);
		if (!depth)
			return text[at] == '(' && at ? at : len;
	}
	return len;
}

/* Where the name begins, behind the type of the result that templates have in front. */
static size_t name_at(const char *text, size_t len)
{
	int depth = 0;

	for (size_t at = len; at--;) {
		depth += step_back(text, at);
		if (depth || text[at] != ' ')
			continue;
		/* "operator new", "operator int" */
		if (at >= 8 && !strncmp(text + at - 8, "operator", 8))
			continue;
		return at + 1;
	}
	return 0;
}

char *demangle(const char *name)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const char *suffix = strchr(name, '.');
	size_t end, begin;
	int status = -1;
	char *text;

	if (strncmp(name, "_Z", 2))
		return NULL;
	pthread_once(&once, load);
	text = cxa_demangle ? cxa_demangle(name, NULL, NULL, &status) : NULL;
	if (!text || status) {
		free(text);
		return NULL;
	}
	/* "foo(int) [clone .cold]" */
	end = strlen(text);
	if (suffix && strstr(text, " [clone"))
		end = (size_t)(strstr(text, " [clone") - text);
	text[end] = '\0';
	end = parameters_at(text, end);
	begin = name_at(text, end);
	memmove(text, text + begin, end - begin);
	text[end - begin] = '\0';
	return text;
}
