// SPDX-License-Identifier: BSD-2-Clause
/* Limits of our cgroup. A limit of an ancestor binds us as well, so every directory from ours up to
 * the mount point is read. Controllers of a v1 hierarchy are looked for there first: the kernel
 * gives each controller to one hierarchy only. */
#include "host/cgroup.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "host/root.h"

/* Is word one of the comma-separated words of list? */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',')
		if (strcspn(p, ",") == len && !strncmp(p, word, len))
			return true;
	return false;
}

/* Our path in the v1 hierarchy of a controller, or in the v2 one (controller NULL). */
static int cgroup_path(const char *controller, char *path, size_t size)
{
	FILE *file = host_fopen("/proc/self/cgroup");
	int ret = -ENOENT;
	size_t cap = 0;
	char *line = NULL;

	if (!file)
		return -errno;
	while (ret && getline(&line, &cap, file) > 0) {
		/* "4:cpu,cpuacct:/user.slice"; v2 is "0::/user.slice". */
		char *words = strchr(line, ':');
		char *dir = words ? strchr(words + 1, ':') : NULL;

		if (!dir)
			continue;
		*dir++ = '\0';
		words++;
		dir[strcspn(dir, "\n")] = '\0';
		if (controller ? !has_word(words, controller) : *words != '\0')
			continue;
		ret = (size_t)snprintf(path, size, "%s", dir) < size ? 0 : -ENAMETOOLONG;
	}
	free(line);
	fclose(file);
	return ret;
}

/* man proc, mountinfo: blanks, newlines and backslashes are written as \ooo. */
static void unescape(char *text)
{
	char *out = text;

	for (char *in = text; *in; out++) {
		if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] && in[3]) {
			*out = (char)((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0'));
			in += 4;
		} else {
			*out = *in++;
		}
	}
	*out = '\0';
}

struct mount {
	char *root, *point, *type, *options;
};

/* man proc, mountinfo: id parent major:minor root point options [tag...] - type source options */
static bool split_mount(char *line, struct mount *ret_mount)
{
	char *tail = strstr(line, " - "), *save = NULL;

	if (!tail)
		return false;
	*tail = '\0';
	for (int i = 0; i < 3; i++)
		if (!strtok_r(i ? NULL : line, " ", &save))
			return false;
	ret_mount->root = strtok_r(NULL, " ", &save);
	ret_mount->point = strtok_r(NULL, " ", &save);
	ret_mount->type = strtok_r(tail + 3, " ", &save);
	(void)strtok_r(NULL, " ", &save); /* the source means nothing for a cgroup */
	ret_mount->options = strtok_r(NULL, " \n", &save);
	if (!ret_mount->root || !ret_mount->point || !ret_mount->options)
		return false;
	unescape(ret_mount->root);
	unescape(ret_mount->point);
	return true;
}

/* The directories of our cgroup: dir is the deepest, base_len the length of the mount point. */
struct place {
	char dir[PATH_MAX];
	size_t base_len;
};

/* The part of path below a mount whose root is root; NULL when we are not below it. */
static const char *below(const char *path, const char *root)
{
	size_t len = strlen(root);

	if (!strcmp(root, "/"))
		return strstr(path, "/..") == path ? NULL : path;
	return !strncmp(path, root, len) && (path[len] == '/' || !path[len]) ? path + len : NULL;
}

static int find_place(const char *controller, struct place *ret_place)
{
	char path[PATH_MAX], *line = NULL;
	struct mount mount;
	int ret = cgroup_path(controller, path, sizeof(path));
	int best = 0;
	FILE *file;
	size_t cap = 0;

	if (ret)
		return ret;
	file = host_fopen("/proc/self/mountinfo");
	if (!file)
		return -errno;
	while (getline(&line, &cap, file) > 0) {
		const char *rest;
		int rank;

		if (!split_mount(line, &mount))
			continue;
		if (strcmp(mount.type, controller ? "cgroup" : "cgroup2") ||
		    (controller && !has_word(mount.options, controller)))
			continue;
		/* A mount of the whole hierarchy shows all ancestors, a mount of a part some of
		 * them. Seen from another cgroup namespace our path does not match at all; the
		 * mount point is then what our container was given. */
		rest = below(path, mount.root);
		rank = !rest ? 1 : !strcmp(mount.root, "/") ? 3 : 2;
		if (rank <= best)
			continue;
		if (!rest || !strcmp(rest, "/"))
			rest = "";
		if (strlen(mount.point) + strlen(rest) >= sizeof(ret_place->dir))
			continue;
		best = rank;
		ret_place->base_len = strlen(mount.point);
		strcpy(ret_place->dir, mount.point);
		strcat(ret_place->dir, rest);
	}
	free(line);
	fclose(file);
	return best ? 0 : -ENOENT;
}

/* Cut the last directory; false at the mount point. */
static bool go_up(struct place *place)
{
	char *slash = strrchr(place->dir, '/');

	if (!slash || strlen(place->dir) <= place->base_len)
		return false;
	*slash = '\0';
	return true;
}

static void read_quota(struct place place, bool v2, struct cgroup_limits *limits)
{
	const char *name = v2 ? "cpu.max" : "cpu.cfs_quota_us";
	char text[512], value[32];

	if (host_read(text, sizeof(text), "%s/cpu.stat", place.dir) > 0 &&
	    host_field(text, "nr_throttled", ' ', value, sizeof(value)))
		limits->nr_throttled = strtoll(value, NULL, 10);
	do {
		long long quota = -1, period = 0;
		double cpus;

		/* cpu.max is "max 100000" or "150000 100000"; a v1 quota of -1 is no limit. */
		if (host_read(text, sizeof(text), "%s/%s", place.dir, name) <= 0)
			continue;
		if (v2) {
			if (sscanf(text, "%lld %lld", &quota, &period) != 2)
				continue;
		} else {
			int64_t us;

			quota = strtoll(text, NULL, 10);
			if (!host_read_i64(&us, "%s/cpu.cfs_period_us", place.dir))
				period = us;
		}
		if (quota <= 0 || period <= 0)
			continue;
		cpus = (double)quota / (double)period;
		if (limits->quota_cpus > 0 && limits->quota_cpus <= cpus)
			continue;
		limits->quota_cpus = cpus;
		snprintf(limits->quota_path, sizeof(limits->quota_path), "%.480s/%s", place.dir,
			 name);
	} while (go_up(&place));
}

static void read_memory(struct place place, bool v2, struct cgroup_limits *limits)
{
	const char *name = v2 ? "memory.max" : "memory.limit_in_bytes";

	do {
		int64_t bytes;

		/* Without a limit v1 shows LONG_MAX rounded down to a page, v2 "max". */
		if (host_read_i64(&bytes, "%s/%s", place.dir, name) || bytes >= INT64_MAX - 65536)
			continue;
		if (limits->memory_bytes >= 0 && limits->memory_bytes <= bytes)
			continue;
		limits->memory_bytes = bytes;
		snprintf(limits->memory_path, sizeof(limits->memory_path), "%.480s/%s", place.dir,
			 name);
	} while (go_up(&place));
}

static void read_cpuset(struct place place, bool v2, struct cgroup_limits *limits)
{
	const char *name = v2 ? "cpuset.cpus.effective" : "cpuset.effective_cpus";

	/* v2 shows the file only where the controller is enabled; the next ancestor's is then
	 * ours. */
	do {
		if (host_read(limits->cpuset, sizeof(limits->cpuset), "%s/%s", place.dir, name) > 0)
			return;
	} while (go_up(&place));
}

int cgroup_read(struct cgroup_limits *ret_limits)
{
	static const struct {
		const char *controller;
		void (*read)(struct place place, bool v2, struct cgroup_limits *limits);
	} kinds[] = {
		{ "cpu", read_quota },
		{ "memory", read_memory },
		{ "cpuset", read_cpuset },
	};
	struct place v2, v1;
	int ret_v2;

	memset(ret_limits, 0, sizeof(*ret_limits));
	ret_limits->nr_throttled = -1;
	ret_limits->memory_bytes = -1;
	ret_v2 = find_place(NULL, &v2);
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		bool is_v1 = !find_place(kinds[i].controller, &v1);

		if (is_v1)
			kinds[i].read(v1, false, ret_limits);
		else if (!ret_v2)
			kinds[i].read(v2, true, ret_limits);
		if (!i)
			ret_limits->version = is_v1 ? 1 : !ret_v2 ? 2 : 0;
	}
	return ret_limits->version ? 0 : ret_v2;
}
