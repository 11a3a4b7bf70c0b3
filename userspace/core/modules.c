// SPDX-License-Identifier: BSD-2-Clause
#include "core/modules.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/nearest.h"
#include "core/registry.h"

static const struct bench_module **loaded;
static unsigned nr_loaded;

const struct bench_module *module_at(unsigned i)
{
	unsigned built_in = 0;

	while (registry_modules[built_in])
		built_in++;
	if (i < built_in)
		return registry_modules[i];
	return i - built_in < nr_loaded ? loaded[i - built_in] : NULL;
}

static const struct bench_module *find(const char *name)
{
	const struct bench_module *m;

	for (unsigned i = 0; (m = module_at(i)); i++)
		if (!strcmp(m->name, name))
			return m;
	return NULL;
}

const struct bench_module *module_find(const char *name, struct bench_err *err)
{
	const struct bench_module *m = find(name);
	struct nearest n = { .name = name };

	if (m)
		return m;
	for (unsigned i = 0; (m = module_at(i)); i++)
		nearest_offer(&n, m->name);
	if (n.best)
		bench_fail(err, -EINVAL, "unknown module '%s'; did you mean '%s'?", name, n.best);
	else
		bench_fail(err, -EINVAL,
			   "unknown module '%s'; `bench list modules` names what there is", name);
	return NULL;
}

/* What is wrong with a descriptor, or NULL. Only its first member may be read while the ABI is
 * another. */
static const char *defect(const struct bench_module *m, const char *name, char *buf, size_t size)
{
	if (m->abi != BENCH_MODULE_ABI) {
		snprintf(buf, size, "it was built for ABI %u of modules, this bench has ABI %d; build it "
				    "against the headers of this one", m->abi, BENCH_MODULE_ABI);
		return buf;
	}
	if (!m->name || strcmp(m->name, name))
		return "its descriptor has another name than the file";
	if (!m->summary || !m->op)
		return "its descriptor lacks summary or op";
	if (m->exec == BENCH_EXEC_BLOCKING ? !m->run : !m->start)
		return m->exec == BENCH_EXEC_BLOCKING ? "a blocking module needs run()" :
							"an async module needs start()";
	return find(name) ? "there is a module of that name already" : NULL;
}

static int append(const struct bench_module *m, struct bench_err *err)
{
	const struct bench_module **grown = realloc(loaded, (nr_loaded + 1) * sizeof(*grown));

	if (!grown)
		return bench_fail(err, -ENOMEM, "out of memory");
	loaded = grown;
	loaded[nr_loaded++] = m;
	return 0;
}

static int load(const char *dir, const char *file, struct bench_err *err)
{
	int len = (int)(strlen(file) - strlen(".so"));
	const struct bench_module *m;
	const char *why;
	char path[4096], symbol[300], name[256], buf[160];
	void *handle;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	snprintf(name, sizeof(name), "%.*s", len, file);
	snprintf(symbol, sizeof(symbol), "bench_module_%s", name);
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return bench_fail(err, -EINVAL, "module %s: %s", path, dlerror());
	m = dlsym(handle, symbol);
	if (!m)
		why = "it does not export its descriptor, bench_module_ and the name of the file";
	else
		why = defect(m, name, buf, sizeof(buf));
	if (!why)
		return append(m, err);
	dlclose(handle);
	return bench_fail(err, -EINVAL, "module %s: %s", path, why);
}

static int is_module(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 3 && !strcmp(entry->d_name + len - 3, ".so");
}

int modules_load(const char *dir, struct bench_err *err)
{
	struct dirent **entries;
	int nr = scandir(dir, &entries, is_module, alphasort), rc = 0;

	if (nr < 0)
		return bench_fail(err, -errno, "module path '%s': %s", dir, strerror(errno));
	for (int i = 0; i < nr; i++) {
		if (!rc)
			rc = load(dir, entries[i]->d_name, err);
		free(entries[i]);
	}
	free(entries);
	if (!rc && !nr)
		return bench_fail(err, -EINVAL, "module path '%s' has no .so file", dir);
	return rc;
}
