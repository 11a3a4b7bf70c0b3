// SPDX-License-Identifier: BSD-2-Clause
#include "profile/dso.h"

#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profile/inlined.h"
#include "profile/texts.h"

/* Bytes of a file of names that a program makes for itself. */
#define JIT_MAX (256 << 20)

struct symbol {
	uint64_t start, size;
	char *name;
	const char *told; /* as it is shown, once it was asked for; in texts */
	unsigned char bind;
};

/* What was inlined at an address. */
struct inlines {
	uint64_t offset;
	unsigned nr;
	const char *names[SYMBOLS_MAX_FRAMES];
};

struct dso {
	char *path, *name;
	pid_t pid;
	bool opened;
	Dwfl *dwfl;
	Dwfl_Module *module;
	Elf *elf; /* the file itself; the module's, or of the vdso */
	bool own_elf;
	uint64_t bias; /* of the module's addresses to those in the file */
	struct symbol *symbols;
	size_t nr, room;
	struct inlined_units *units;
	void *inlines; /* a tree, by offset */
	void *texts;   /* a tree of strings */
};

/* --- texts --- */

static const char *keep(struct dso *dso, const char *text)
{
	char *plain = demangle(text);
	const char *kept = texts_keep(&dso->texts, plain ? plain : text);

	free(plain);
	return kept;
}

/* --- symbols --- */

static bool add(struct dso *dso, uint64_t start, uint64_t size, const char *name, unsigned char bind)
{
	if (dso->nr == dso->room) {
		size_t room = dso->room ? 2 * dso->room : 256;
		struct symbol *grown = reallocarray(dso->symbols, room, sizeof(*grown));

		if (!grown)
			return false;
		dso->symbols = grown;
		dso->room = room;
	}
	dso->symbols[dso->nr] =
		(struct symbol){ .start = start, .size = size, .name = strdup(name), .bind = bind };
	if (!dso->symbols[dso->nr].name)
		return false;
	dso->nr++;
	return true;
}

static void add_elf(struct dso *dso, const GElf_Sym *sym, const char *name, uint64_t address)
{
	unsigned type = GELF_ST_TYPE(sym->st_info);

	if ((type == STT_FUNC || type == STT_GNU_IFUNC) && sym->st_shndx != SHN_UNDEF && name &&
	    *name)
		(void)add(dso, address, sym->st_size, name, GELF_ST_BIND(sym->st_info));
}

static unsigned underscores(const char *name)
{
	return (unsigned)strspn(name, "_");
}

/* Of several names for one address the one that perf shows (choose_best_symbol() there): with a
 * size, not weak, global, fewer underscores, longer. */
static int worse(const struct symbol *a, const struct symbol *b)
{
	size_t x, y;

	if (!a->size != !b->size)
		return !a->size - !b->size;
	if ((a->bind == STB_WEAK) != (b->bind == STB_WEAK))
		return (a->bind == STB_WEAK) - (b->bind == STB_WEAK);
	if ((a->bind == STB_GLOBAL) != (b->bind == STB_GLOBAL))
		return (b->bind == STB_GLOBAL) - (a->bind == STB_GLOBAL);
	if (underscores(a->name) != underscores(b->name))
		return underscores(a->name) < underscores(b->name) ? -1 : 1;
	x = strlen(a->name);
	y = strlen(b->name);
	return x > y ? -1 : x < y ? 1 : strcmp(a->name, b->name);
}

static int by_start(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return worse(x, y);
}

/* One name for each address; one without a size goes to the next. */
static void symbols_tidy(struct dso *dso)
{
	size_t nr = 0;

	if (dso->nr)
		qsort(dso->symbols, dso->nr, sizeof(*dso->symbols), by_start);
	for (size_t i = 0; i < dso->nr; i++) {
		if (nr && dso->symbols[nr - 1].start == dso->symbols[i].start) {
			free(dso->symbols[i].name);
			continue;
		}
		if (nr && !dso->symbols[nr - 1].size)
			dso->symbols[nr - 1].size =
				dso->symbols[i].start - dso->symbols[nr - 1].start;
		dso->symbols[nr++] = dso->symbols[i];
	}
	dso->nr = nr;
}

static struct symbol *symbol_at(const struct dso *dso, uint64_t address)
{
	size_t low = 0, high = dso->nr;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (dso->symbols[mid].start <= address)
			low = mid + 1;
		else
			high = mid;
	}
	/* A function may lie inside another's range (a local label with a size). */
	for (unsigned i = 0; low && i < 4; low--, i++)
		if (address - dso->symbols[low - 1].start < dso->symbols[low - 1].size)
			return &dso->symbols[low - 1];
	return NULL;
}

/* --- files --- */

static void open_module(struct dso *dso, const char *path)
{
	/* The debug file's name comes from a link with a checksum, or from the build id. */
	static const Dwfl_Callbacks callbacks = {
		.find_debuginfo = dwfl_standard_find_debuginfo,
		.section_address = dwfl_offline_section_address,
	};
	int nr;

	dso->dwfl = dwfl_begin(&callbacks);
	if (!dso->dwfl)
		return;
	dwfl_report_begin(dso->dwfl);
	dso->module = dwfl_report_offline(dso->dwfl, dso->name, path, -1);
	dwfl_report_end(dso->dwfl, NULL, NULL);
	if (!dso->module)
		return;
	dso->elf = dwfl_module_getelf(dso->module, &dso->bias);
	nr = dwfl_module_getsymtab(dso->module);
	for (int i = 0; i < nr; i++) {
		GElf_Sym sym;
		GElf_Addr address;
		const char *name = dwfl_module_getsym_info(dso->module, i, &sym, &address, NULL,
							   NULL, NULL);

		add_elf(dso, &sym, name, address - dso->bias);
	}
}

/* The one of this process: the kernel gives all of them the same. */
static void open_vdso(struct dso *dso)
{
	char *image = (char *)getauxval(AT_SYSINFO_EHDR);
	Elf_Scn *section = NULL;
	size_t size;

	if (!image)
		return;
	elf_version(EV_CURRENT);
	/* Its section headers come last. */
	size = ((Elf64_Ehdr *)image)->e_shoff +
	       (size_t)((Elf64_Ehdr *)image)->e_shnum * ((Elf64_Ehdr *)image)->e_shentsize;
	dso->elf = elf_memory(image, size);
	dso->own_elf = true;
	while (dso->elf && (section = elf_nextscn(dso->elf, section))) {
		GElf_Shdr header;
		Elf_Data *data;
		GElf_Sym sym;

		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_DYNSYM)
			continue;
		data = elf_getdata(section, NULL);
		for (int i = 0; data && gelf_getsym(data, i, &sym); i++)
			add_elf(dso, &sym, elf_strptr(dso->elf, header.sh_link, sym.st_name),
				sym.st_value);
	}
}

/* Paths are those of other users' processes: a FIFO there would be waited for. */
static bool is_regular(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode);
}

/* In a directory where everybody may make files: no link, nothing that is waited for, and no more than is
 * read in a moment. */
static FILE *open_map(const char *path)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	FILE *file;

	if (fd < 0)
		return NULL;
	file = !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size <= JIT_MAX ? fdopen(fd, "r") : NULL;
	if (!file)
		close(fd);
	return file;
}

/* "START SIZE name" in hex: tools/perf/Documentation/jit-interface.txt */
static void open_jit(struct dso *dso, const char *path)
{
	FILE *file = open_map(path);
	char *line = NULL;
	size_t room = 0;

	while (file && getline(&line, &room, file) > 0) {
		uint64_t start, size;
		int at = 0;

		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%" SCNx64 " %" SCNx64 " %n", &start, &size, &at) == 2 && at &&
		    line[at])
			(void)add(dso, start, size, line + at, STB_GLOBAL);
	}
	free(line);
	if (file)
		fclose(file);
}

static bool is_jit(const struct dso *dso)
{
	return !strncmp(dso->path, "/tmp/perf-", 10);
}

static void open_file(struct dso *dso)
{
	char path[64 + 4096];

	dso->opened = true;
	if (!strcmp(dso->path, "[vdso]")) {
		open_vdso(dso);
	} else if (is_jit(dso)) {
		open_jit(dso, dso->path);
	} else if (dso->path[0] == '/' && dso->path[1] != '/') {
		/* In a container of its own the process sees another file by that name. */
		snprintf(path, sizeof(path), "/proc/%d/root%s", (int)dso->pid, dso->path);
		if (access(path, R_OK))
			snprintf(path, sizeof(path), "%s", dso->path);
		if (is_regular(path))
			open_module(dso, path);
	}
	symbols_tidy(dso);
}

/* --- */

struct dso *dso_new(const char *path, pid_t pid)
{
	struct dso *dso = calloc(1, sizeof(*dso));
	const char *slash = strrchr(path, '/');

	if (!dso)
		return NULL;
	dso->pid = pid;
	dso->path = strdup(path);
	dso->name = strdup(!strncmp(path, "//anon", 6) ? "[anon]" : slash ? slash + 1 : path);
	if (dso->path && dso->name)
		return dso;
	dso_free(dso);
	return NULL;
}

void dso_free(struct dso *dso)
{
	if (!dso)
		return;
	if (dso->own_elf)
		elf_end(dso->elf);
	if (dso->dwfl)
		dwfl_end(dso->dwfl);
	for (size_t i = 0; i < dso->nr; i++)
		free(dso->symbols[i].name);
	inlined_free(dso->units);
	tdestroy(dso->inlines, free);
	texts_free(dso->texts);
	free(dso->symbols);
	free(dso->path);
	free(dso->name);
	free(dso);
}

const char *dso_path(const struct dso *dso)
{
	return dso->path;
}

const char *dso_name(const struct dso *dso)
{
	return dso->name;
}

bool dso_is_open(const struct dso *dso)
{
	return dso->opened;
}

unsigned dso_build_id(struct dso *dso, unsigned char ret_id[20])
{
	const void *id;
	ssize_t size;

	if (!dso->opened)
		open_file(dso);
	size = dso->elf ? dwelf_elf_gnu_build_id(dso->elf, &id) : 0;
	if (size <= 0 || size > 20)
		return 0;
	memcpy(ret_id, id, (size_t)size);
	return (unsigned)size;
}

/* Where the file's offset is loaded to, as its symbols have it. */
static uint64_t address_of(const struct dso *dso, uint64_t offset)
{
	size_t nr = 0;

	if (!dso->elf || elf_getphdrnum(dso->elf, &nr))
		return offset;
	for (size_t i = 0; i < nr; i++) {
		GElf_Phdr p;

		if (gelf_getphdr(dso->elf, (int)i, &p) && p.p_type == PT_LOAD &&
		    offset >= p.p_offset && offset - p.p_offset < p.p_filesz)
			return offset - p.p_offset + p.p_vaddr;
	}
	return offset;
}

const char *dso_symbol(struct dso *dso, uint64_t offset)
{
	struct symbol *symbol;

	if (!dso->opened)
		open_file(dso);
	symbol = symbol_at(dso, address_of(dso, offset));
	if (symbol && !symbol->told)
		symbol->told = keep(dso, symbol->name);
	return symbol ? symbol->told : NULL;
}

/* --- inlined functions --- */

static int by_offset(const void *a, const void *b)
{
	uint64_t x = ((const struct inlines *)a)->offset, y = ((const struct inlines *)b)->offset;

	return x < y ? -1 : x > y ? 1 : 0;
}

static void find_inlined(struct dso *dso, struct inlines *in)
{
	if (!dso->module)
		return;
	in->nr = inlined_names(&dso->units, dso->module, address_of(dso, in->offset) + dso->bias,
			       in->names, SYMBOLS_MAX_FRAMES - 1);
	for (unsigned i = 0; i < in->nr; i++)
		in->names[i] = keep(dso, in->names[i]);
}

unsigned dso_inlined(struct dso *dso, uint64_t offset, const char *ret_names[], unsigned max)
{
	struct inlines key = { .offset = offset }, **node, *in;
	unsigned nr;

	if (!dso->opened)
		open_file(dso);
	node = tfind(&key, &dso->inlines, by_offset);
	if (!node) {
		in = calloc(1, sizeof(*in));
		if (!in)
			return 0;
		in->offset = offset;
		find_inlined(dso, in);
		node = tsearch(in, &dso->inlines, by_offset);
		if (!node) {
			free(in);
			return 0;
		}
	}
	in = *node;
	nr = in->nr < max ? in->nr : max;
	memcpy(ret_names, in->names, nr * sizeof(*ret_names));
	return nr;
}
