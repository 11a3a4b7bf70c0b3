// SPDX-License-Identifier: BSD-2-Clause
// Which processes and threads a watch is about.
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/watch.h"

/* False when there is no such file. */
static bool add_procs(struct tree *who, const char *dir, int *ret_rc)
{
	char path[4200];
	FILE *file;
	int pid;

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	file = fopen(path, "re");
	if (!file)
		return false;
	/* 0 = of another pid namespace: nothing here can name it. */
	while (!*ret_rc && fscanf(file, "%d", &pid) == 1)
		if (pid > 0 && pid != getpid() && !tree_has(who, pid))
			*ret_rc = tree_add(who, pid);
	if (ferror(file) && !*ret_rc)
		*ret_rc = -errno;
	fclose(file);
	return true;
}

static int cgroup_members(struct tree *who, const char *path, struct bench_err *err)
{
	char *paths[] = { (char *)path, NULL };
	FTS *fts;
	int rc = 0;

	who->nr = 0;
	if (!add_procs(who, path, &rc))
		return bench_fail(err, -errno, "cgroup '%s': no cgroup.procs there: %s", path,
				  strerror(errno));
	fts = rc ? NULL : fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	for (FTSENT *entry; fts && !rc && (entry = fts_read(fts));)
		if (entry->fts_info == FTS_D && entry->fts_level > 0) {
			int one = 0;

			/* It may be gone by now; what a threaded one has is listed in its domain. */
			(void)add_procs(who, entry->fts_path, &one);
			rc = one == -ENODEV || one == -EOPNOTSUPP ? 0 : one;
		}
	if (fts)
		fts_close(fts);
	if (rc)
		return bench_fail(err, rc, "cgroup '%s': %s", path,
				  rc == -EOPNOTSUPP ? "it is threaded; give the domain above it"
						    : strerror(-rc));
	return 0;
}

int watch_who(struct tree *who, const struct exec_settings *settings, struct bench_err *err)
{
	pid_t self = getpid();
	const struct tree without = { .pids = &self, .nr = 1 };
	int rc;

	if (settings->cgroup)
		return cgroup_members(who, settings->cgroup, err);
	rc = tree_read_of(who, (pid_t)settings->pid, &without);
	return rc ? bench_fail(err, rc, "process %d: %s", (int)settings->pid, strerror(-rc)) : 0;
}

void watch_name(const struct exec_settings *settings, char *name, size_t size)
{
	char path[64], comm[64] = "";
	FILE *file;

	if (settings->cgroup) {
		snprintf(name, size, "%s", settings->cgroup);
		return;
	}
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)settings->pid);
	file = fopen(path, "re");
	if (file) {
		comm[fread(comm, 1, sizeof(comm) - 1, file)] = '\0';
		comm[strcspn(comm, "\n")] = '\0';
		fclose(file);
	}
	snprintf(name, size, "%s (%d)", comm[0] ? comm : "process", (int)settings->pid);
}

int watch_threads(struct tree *threads, pid_t pid)
{
	struct dirent *entry;
	char path[64];
	int rc = 0;
	DIR *dir;

	threads->nr = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && !rc && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			rc = tree_add(threads, (pid_t)atoi(entry->d_name));
	if (dir)
		closedir(dir);
	return rc;
}
