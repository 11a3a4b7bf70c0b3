// SPDX-License-Identifier: BSD-2-Clause
#include "profile/symbols.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/kallsyms.h"
#include "profile/dso.h"
#include "profile/texts.h"

struct map {
	uint64_t start, end, offset;
	struct dso *dso;
};

/* The memory of a process; a fork shares it until one of them changes it. */
struct memory {
	unsigned refs;
	struct map *maps; /* by start, none over another */
	unsigned nr, room;
};

struct process {
	pid_t pid;
	unsigned nr_threads;
	struct memory *memory; /* NULL = nothing is known */
	struct dso *jit;
};

struct symbols {
	struct kallsyms *kernel;
	void *processes; /* a tree, by pid */
	struct dso **dsos;
	unsigned nr_dsos, room;
	void *modules; /* a tree of texts: "[nf_tables]" */
};

/* --- memory --- */

static void memory_put(struct memory *m)
{
	if (!m || --m->refs)
		return;
	free(m->maps);
	free(m);
}

/* One that is the process's alone. NULL when out of memory. */
static struct memory *memory_own(struct process *p)
{
	struct memory *old = p->memory, *m;

	if (old && old->refs == 1)
		return old;
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->refs = 1;
	if (old && old->nr) {
		m->maps = malloc(old->nr * sizeof(*m->maps));
		if (!m->maps) {
			free(m);
			return NULL;
		}
		memcpy(m->maps, old->maps, old->nr * sizeof(*m->maps));
		m->nr = m->room = old->nr;
	}
	memory_put(old);
	p->memory = m;
	return m;
}

/* Room for two more: a map in the middle of another leaves both ends of it. */
static bool memory_grow(struct memory *m)
{
	unsigned room = m->room ? 2 * m->room : 16;
	struct map *grown;

	if (m->nr + 2 <= m->room)
		return true;
	grown = reallocarray(m->maps, room, sizeof(*grown));
	if (!grown)
		return false;
	m->maps = grown;
	m->room = room;
	return true;
}

static int by_start(const void *a, const void *b)
{
	uint64_t x = ((const struct map *)a)->start, y = ((const struct map *)b)->start;

	return x < y ? -1 : x > y ? 1 : 0;
}

static void memory_map(struct memory *m, const struct map *new)
{
	unsigned nr = m->nr, kept = 0;
	struct map rest = { 0 };

	for (unsigned i = 0; i < nr; i++) {
		struct map old = m->maps[i];

		if (old.start < new->end && new->start < old.end) {
			if (old.end > new->end) {
				rest = old;
				rest.offset += new->end - old.start;
				rest.start = new->end;
			}
			if (old.start >= new->start)
				continue;
			old.end = new->start;
		}
		m->maps[kept++] = old;
	}
	m->maps[kept++] = *new;
	if (rest.end > rest.start)
		m->maps[kept++] = rest;
	m->nr = kept;
	qsort(m->maps, m->nr, sizeof(*m->maps), by_start);
}

static const struct map *memory_find(const struct memory *m, uint64_t address)
{
	unsigned low = 0, high = m ? m->nr : 0;

	while (low < high) {
		unsigned mid = low + (high - low) / 2;

		if (m->maps[mid].start <= address)
			low = mid + 1;
		else
			high = mid;
	}
	return low && address < m->maps[low - 1].end ? &m->maps[low - 1] : NULL;
}

/* --- processes --- */

static int by_pid(const void *a, const void *b)
{
	pid_t x = ((const struct process *)a)->pid, y = ((const struct process *)b)->pid;

	return x < y ? -1 : x > y ? 1 : 0;
}

static struct process *process_find(const struct symbols *s, pid_t pid)
{
	struct process key = { .pid = pid }, **node = tfind(&key, &s->processes, by_pid);

	return node ? *node : NULL;
}

static struct process *process_of(struct symbols *s, pid_t pid)
{
	struct process *p = process_find(s, pid);

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->pid = pid;
	p->nr_threads = 1;
	if (!tsearch(p, &s->processes, by_pid)) {
		free(p);
		return NULL;
	}
	return p;
}

static void process_free(void *arg)
{
	struct process *p = arg;

	memory_put(p->memory);
	dso_free(p->jit);
	free(p);
}

struct symbols *symbols_new(void)
{
	struct symbols *s = calloc(1, sizeof(*s));

	if (s)
		s->kernel = kallsyms_open();
	if (s && s->kernel)
		return s;
	free(s);
	return NULL;
}

void symbols_free(struct symbols *s)
{
	if (!s)
		return;
	tdestroy(s->processes, process_free);
	texts_free(s->modules);
	for (unsigned i = 0; i < s->nr_dsos; i++)
		dso_free(s->dsos[i]);
	free(s->dsos);
	kallsyms_close(s->kernel);
	free(s);
}

static struct dso *dso_of(struct symbols *s, const char *path, pid_t pid)
{
	struct dso **grown;

	for (unsigned i = s->nr_dsos; i--;)
		if (!strcmp(dso_path(s->dsos[i]), path))
			return s->dsos[i];
	if (s->nr_dsos == s->room) {
		unsigned room = s->room ? 2 * s->room : 32;

		grown = reallocarray(s->dsos, room, sizeof(struct dso *));
		if (!grown)
			return NULL;
		s->dsos = grown;
		s->room = room;
	}
	s->dsos[s->nr_dsos] = dso_new(path, pid);
	return s->dsos[s->nr_dsos] ? s->dsos[s->nr_dsos++] : NULL;
}

void symbols_map(struct symbols *s, pid_t pid, uint64_t start, uint64_t length, uint64_t offset,
		 const char *path)
{
	struct process *p = process_of(s, pid);
	struct memory *m = p ? memory_own(p) : NULL;
	struct map map = { .start = start, .end = start + length, .offset = offset };

	map.dso = m && memory_grow(m) ? dso_of(s, path, pid) : NULL;
	if (map.dso && length)
		memory_map(m, &map);
}

void symbols_fork(struct symbols *s, pid_t pid, pid_t parent)
{
	struct process *from = process_find(s, parent), *p;

	if (pid == parent) {
		if (from)
			from->nr_threads++;
		return;
	}
	p = process_of(s, pid);
	if (!p)
		return;
	memory_put(p->memory);
	p->memory = from ? from->memory : NULL;
	if (p->memory)
		p->memory->refs++;
}

void symbols_exec(struct symbols *s, pid_t pid)
{
	struct process *p = process_of(s, pid);

	if (!p)
		return;
	memory_put(p->memory);
	p->memory = NULL;
	p->nr_threads = 1;
}

void symbols_exit(struct symbols *s, pid_t pid)
{
	struct process *p = process_find(s, pid);

	if (!p || --p->nr_threads)
		return;
	tdelete(p, &s->processes, by_pid);
	process_free(p);
}

/* --- names --- */

/* "[nf_tables]" */
static const char *module_name(struct symbols *s, const char *module)
{
	const char *kept;
	char text[72];

	snprintf(text, sizeof(text), "[%.60s]", module);
	kept = texts_keep(&s->modules, text);
	return kept ? kept : "[kernel]";
}

static void resolve_kernel(struct symbols *s, uint64_t look, struct symbol_frame *f)
{
	const char *module = NULL;

	f->name = kallsyms_find(s->kernel, look, NULL, &module);
	f->dso = module ? module_name(s, module) : "[kernel.kallsyms]";
	f->kernel = true;
}

/* Code that was made while the process ran has its names in a file of the process's own. */
static struct dso *jit_of(struct process *p)
{
	char path[64];

	if (p->jit)
		return p->jit;
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)p->pid);
	p->jit = dso_new(path, p->pid);
	return p->jit;
}

/* The file and the place in it that an address is mapped from. NULL = none. */
static struct dso *place(struct symbols *s, pid_t pid, uint64_t look, uint64_t *ret_offset)
{
	struct process *p = process_find(s, pid);
	const struct map *map = p ? memory_find(p->memory, look) : NULL;

	if (!map)
		return NULL;
	*ret_offset = look - map->start + map->offset;
	if (dso_path(map->dso)[0] == '/' && dso_path(map->dso)[1] != '/')
		return map->dso;
	if (!strcmp(dso_path(map->dso), "[vdso]")) {
		*ret_offset = look - map->start;
		return map->dso;
	}
	*ret_offset = look;
	return jit_of(p);
}

static struct dso *resolve_place(struct symbols *s, pid_t pid, uint64_t look,
				 struct symbol_frame *f)
{
	struct dso *dso = place(s, pid, look, &f->offset);

	f->dso = dso ? dso_name(dso) : "[unknown]";
	f->path = dso ? dso_path(dso) : "";
	return dso;
}

void symbols_resolve_one(struct symbols *s, pid_t pid, uint64_t address, bool kernel, bool caller,
			 struct symbol_frame *f)
{
	uint64_t look = caller ? address - 1 : address;
	struct dso *dso;

	*f = (struct symbol_frame){ .address = address, .path = "" };
	if (kernel) {
		resolve_kernel(s, look, f);
		return;
	}
	dso = resolve_place(s, pid, look, f);
	f->name = dso ? dso_symbol(dso, f->offset) : NULL;
}

unsigned symbols_resolve(struct symbols *s, pid_t pid, uint64_t address, bool kernel, bool caller,
			 struct symbol_frame frames[SYMBOLS_MAX_FRAMES])
{
	const char *names[SYMBOLS_MAX_FRAMES];
	struct symbol_frame f;
	unsigned nr = 0;
	struct dso *dso;

	symbols_resolve_one(s, pid, address, kernel, caller, &f);
	if (!kernel) {
		uint64_t offset;

		dso = place(s, pid, caller ? address - 1 : address, &offset);
		nr = dso ? dso_inlined(dso, offset, names, SYMBOLS_MAX_FRAMES - 1) : 0;
	}
	for (unsigned i = 0; i < nr; i++) {
		frames[i] = f;
		frames[i].name = names[i];
		frames[i].inlined = true;
	}
	frames[nr] = f;
	return nr + 1;
}

void symbols_build_ids(const struct symbols *s,
		       void (*fn)(const char *path, bool kernel, const unsigned char *id,
				  unsigned size, void *ctx),
		       void *ctx)
{
	for (unsigned i = 0; i < s->nr_dsos; i++) {
		unsigned char id[20];
		unsigned size;

		/* Those that nobody met are not opened for this. */
		if (!dso_is_open(s->dsos[i]))
			continue;
		size = dso_build_id(s->dsos[i], id);
		if (size)
			fn(dso_path(s->dsos[i]), false, id, size, ctx);
	}
}
