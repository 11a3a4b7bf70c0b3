// SPDX-License-Identifier: BSD-2-Clause
#include "core/kallsyms.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct symbol {
	uint64_t address;
	uint32_t name, module; /* where in texts; module 0 = the kernel */
};

struct kallsyms {
	struct symbol *symbols; /* by address */
	size_t nr, room;
	char *texts; /* each ends with a NUL; the first is "" */
	size_t used, size;
};

static int by_address(const void *a, const void *b)
{
	uint64_t x = ((const struct symbol *)a)->address, y = ((const struct symbol *)b)->address;

	return x < y ? -1 : x > y ? 1 : 0;
}

/* Returns its place, 0 when out of memory or empty. */
static uint32_t keep(struct kallsyms *k, const char *text)
{
	size_t len = strlen(text) + 1, at = k->used;

	if (k->used + len > k->size) {
		size_t size = k->size ? 2 * k->size : 1 << 20;
		char *grown = size > UINT32_MAX ? NULL : realloc(k->texts, size);

		if (!grown)
			return 0;
		k->texts = grown;
		k->size = size;
	}
	memcpy(k->texts + at, text, len);
	k->used += len;
	return (uint32_t)at;
}

static bool add(struct kallsyms *k, uint64_t address, const char *name, const char *module)
{
	struct symbol *last;

	if (k->nr == k->room) {
		size_t room = k->room ? 2 * k->room : 65536;
		struct symbol *grown = reallocarray(k->symbols, room, sizeof(*grown));

		if (!grown)
			return false;
		k->symbols = grown;
		k->room = room;
	}
	/* Functions of a module follow each other. */
	last = k->nr ? &k->symbols[k->nr - 1] : NULL;
	k->symbols[k->nr] = (struct symbol){ .address = address, .name = keep(k, name) };
	if (module[0])
		k->symbols[k->nr].module = last && !strcmp(k->texts + last->module, module) ?
						   last->module :
						   keep(k, module);
	k->nr++;
	return true;
}

/* "ffffffffc0a00000 t name\t[module]" */
static void read_line(struct kallsyms *k, char *line)
{
	char *end, *name, *module = "";
	uint64_t address = strtoull(line, &end, 16);

	if (!address || end[0] != ' ' || !end[1] || !strchr("tTwW", end[1]) || end[2] != ' ')
		return;
	name = end + 3;
	end = name + strcspn(name, "\t \n");
	if (*end == '\t' && end[1] == '[') {
		module = end + 2;
		module[strcspn(module, "]\n")] = '\0';
	}
	*end = '\0';
	(void)add(k, address, name, module); /* without memory it stays unknown */
}

struct kallsyms *kallsyms_open(void)
{
	struct kallsyms *k = calloc(1, sizeof(*k));
	FILE *file = k ? fopen("/proc/kallsyms", "re") : NULL;
	char *line = NULL;
	size_t size = 0;

	if (k)
		(void)keep(k, "");
	while (file && getline(&line, &size, file) > 0)
		read_line(k, line);
	free(line);
	if (file)
		fclose(file);
	if (k && k->nr)
		qsort(k->symbols, k->nr, sizeof(*k->symbols), by_address);
	return k;
}

void kallsyms_close(struct kallsyms *k)
{
	if (!k)
		return;
	free(k->symbols);
	free(k->texts);
	free(k);
}

const char *kallsyms_find(const struct kallsyms *k, uint64_t address, uint64_t *ret_start,
			  const char **ret_module)
{
	size_t low = 0, high = k->nr;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (k->symbols[mid].address <= address)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low)
		return NULL;
	/* Of several names the first one, as perf has it. */
	while (low > 1 && k->symbols[low - 2].address == k->symbols[low - 1].address)
		low--;
	if (ret_start)
		*ret_start = k->symbols[low - 1].address;
	if (ret_module)
		*ret_module = k->symbols[low - 1].module ? k->texts + k->symbols[low - 1].module
							 : NULL;
	return k->texts + k->symbols[low - 1].name;
}

uint64_t kallsyms_address(const struct kallsyms *k, const char *name)
{
	for (size_t i = 0; i < k->nr; i++)
		if (!strcmp(k->texts + k->symbols[i].name, name))
			return k->symbols[i].address;
	return 0;
}
