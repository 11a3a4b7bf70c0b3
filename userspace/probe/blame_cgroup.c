// SPDX-License-Identifier: BSD-2-Clause
/* From the id of a cgroup (v2) to its path. */
#include "probe/blame.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* include/linux/exportfs.h: a file handle of kernfs is the node's id. */
#define FILEID_KERNFS 0xfe

/* Where cgroup v2 is mounted. */
static bool mount_find(char *ret_dir, size_t size)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent entry;
	bool found = false;
	char line[1024];

	while (mounts && !found && getmntent_r(mounts, &entry, line, sizeof(line))) {
		found = !strcmp(entry.mnt_type, "cgroup2") && strlen(entry.mnt_dir) < size;
		if (found)
			memcpy(ret_dir, entry.mnt_dir, strlen(entry.mnt_dir) + 1);
	}
	if (mounts)
		endmntent(mounts);
	return found;
}

static int handle_open(const char *dir, uint64_t id)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + sizeof(uint64_t)];
	} h = { .handle = { .handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS } };
	int mount = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;

	if (mount < 0)
		return -1;
	memcpy(h.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(mount, &h.handle, O_PATH | O_CLOEXEC);
	close(mount);
	return fd;
}

bool cgroup_path(uint64_t id, char *ret_path, size_t size)
{
	char dir[256], link[32], path[512];
	int fd = mount_find(dir, sizeof(dir)) ? handle_open(dir, id) : -1;
	size_t len = strlen(dir);
	ssize_t n;

	if (fd < 0)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	close(fd);
	if (n <= 0)
		return false;
	path[n] = '\0';
	/* The root says nothing: everything is in it. */
	if (strncmp(path, dir, len) || path[len] != '/' || !path[len + 1])
		return false;
	snprintf(ret_path, size, "%s", path + len);
	return true;
}
