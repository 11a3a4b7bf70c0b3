// SPDX-License-Identifier: BSD-2-Clause
#include "profile/existing.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/kallsyms.h"

/* /proc/modules: name, size, users, who, state, address */
static void modules(struct perfdata *file)
{
	FILE *in = fopen("/proc/modules", "re");
	char *line = NULL;
	size_t room = 0;

	while (in && getline(&line, &room, in) > 0) {
		char name[64], path[72];
		struct perfdata_map map = { .pid = -1, .path = path };

		if (sscanf(line, "%63s %" SCNu64 " %*s %*s %*s %" SCNx64, name, &map.length,
			   &map.start) != 3 ||
		    !map.start)
			continue;
		snprintf(path, sizeof(path), "[%s]", name);
		perfdata_map(file, &map, 0);
	}
	free(line);
	if (in)
		fclose(in);
}

void existing_kernel(struct perfdata *file, const struct kallsyms *symbols)
{
	struct perfdata_map map = { .pid = -1, .path = "[kernel.kallsyms]_text" };
	uint64_t end = kallsyms_address(symbols, "_etext");

	/* The offset is the address of the symbol in the name. */
	map.start = map.offset = kallsyms_address(symbols, "_text");
	map.length = end > map.start ? end - map.start : 0;
	if (map.start && map.length)
		perfdata_map(file, &map, 0);
	modules(file);
}

static void names(struct perfdata *file, pid_t pid, uint64_t time_ns)
{
	char path[64], comm[32];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		int tid = atoi(entry->d_name);
		FILE *in;

		if (tid <= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", (int)pid, tid);
		in = fopen(path, "re");
		if (in && fgets(comm, sizeof(comm), in)) {
			comm[strcspn(comm, "\n")] = '\0';
			perfdata_comm(file, pid, tid, comm, time_ns);
		}
		if (in)
			fclose(in);
	}
	if (dir)
		closedir(dir);
}

/* "start-end perms offset maj:min inode path", where a path may hold blanks. */
static void map_line(struct perfdata *file, pid_t pid, char *line, uint64_t time_ns)
{
	struct perfdata_map map = { .pid = pid };
	char perms[8];
	uint64_t end;
	int at = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line,
		   "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %x:%x %" SCNu64 " %n", &map.start, &end,
		   perms, &map.offset, &map.maj, &map.min, &map.inode, &at) < 7 ||
	    !strchr(perms, 'x'))
		return;
	map.length = end - map.start;
	map.path = at && line[at] ? line + at : "//anon";
	perfdata_map(file, &map, time_ns);
}

void existing_process(struct perfdata *file, pid_t pid, uint64_t time_ns)
{
	char path[64], *line = NULL;
	size_t room = 0;
	FILE *in;

	names(file, pid, time_ns);
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	in = fopen(path, "re");
	while (in && getline(&line, &room, in) > 0)
		map_line(file, pid, line, time_ns);
	free(line);
	if (in)
		fclose(in);
}
