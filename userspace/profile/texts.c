// SPDX-License-Identifier: BSD-2-Clause
#include "profile/texts.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

const char *texts_keep(void **texts, const char *text)
{
	char **node = tfind(text, texts, by_text), *own;

	if (node)
		return *node;
	own = strdup(text);
	node = own ? tsearch(own, texts, by_text) : NULL;
	if (!node)
		free(own);
	return node ? *node : NULL;
}

void texts_free(void *texts)
{
	tdestroy(texts, free);
}
