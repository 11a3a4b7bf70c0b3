// SPDX-License-Identifier: BSD-2-Clause
#include "core/tree.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "bench/clock.h"

int tree_add(struct tree *tree, pid_t pid)
{
	if (tree->nr == tree->room) {
		unsigned room = tree->room ? tree->room * 2 : 64;
		pid_t *grown = realloc(tree->pids, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		tree->pids = grown;
		tree->room = room;
	}
	tree->pids[tree->nr++] = pid;
	return 0;
}

bool tree_has(const struct tree *tree, pid_t pid)
{
	for (unsigned i = 0; tree && i < tree->nr; i++)
		if (tree->pids[i] == pid)
			return true;
	return false;
}

void tree_done(struct tree *tree)
{
	free(tree->pids);
	*tree = (struct tree){ 0 };
}

static int add_child(struct tree *tree, const struct tree *without, pid_t pid)
{
	return tree_has(without, pid) || tree_has(tree, pid) ? 0 : tree_add(tree, pid);
}

/* From the lists that the kernel keeps for each thread. */
static int add_children(struct tree *tree, const struct tree *without, pid_t parent)
{
	struct dirent *entry;
	char path[320];
	DIR *dir;
	int rc = 0, pid;

	snprintf(path, sizeof(path), "/proc/%d/task", parent);
	dir = opendir(path);
	/* It has ended. */
	if (!dir)
		return 0;
	while (!rc && (entry = readdir(dir))) {
		FILE *file;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/children", parent, entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		while (!rc && fscanf(file, "%d", &pid) == 1)
			rc = add_child(tree, without, pid);
		fclose(file);
	}
	closedir(dir);
	return rc;
}

/* Fields 3 and on of /proc/PID/stat, behind the name, which may hold anything (man proc). */
static bool read_stat(pid_t pid, char *text, size_t size, const char **ret_fields)
{
	char path[64], *end;
	FILE *file;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	len = fread(text, 1, size - 1, file);
	fclose(file);
	text[len] = '\0';
	end = strrchr(text, ')');
	if (!end || end[1] != ' ')
		return false;
	*ret_fields = end + 2;
	return true;
}

/* For kernels without those lists (CONFIG_PROC_CHILDREN): every process names its parent. */
static int scan_children(struct tree *tree, const struct tree *without, pid_t parent)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	int rc = 0;

	if (!dir)
		return -errno;
	while (!rc && (entry = readdir(dir))) {
		pid_t pid = (pid_t)atoi(entry->d_name);
		const char *fields;
		char text[1024];
		int ppid;

		if (pid <= 0 || !read_stat(pid, text, sizeof(text), &fields))
			continue;
		if (sscanf(fields, "%*c %d", &ppid) == 1 && ppid == parent)
			rc = add_child(tree, without, pid);
	}
	closedir(dir);
	return rc;
}

static int add_descendants(struct tree *tree, const struct tree *without)
{
	bool lists = access("/proc/thread-self/children", F_OK) == 0;
	int rc = 0;

	for (unsigned i = 0; !rc && i < tree->nr; i++)
		rc = (lists ? add_children : scan_children)(tree, without, tree->pids[i]);
	return rc;
}

int tree_read_of(struct tree *tree, pid_t root, const struct tree *without)
{
	int rc;

	tree->nr = 0;
	rc = add_child(tree, without, root);
	return rc ? rc : add_descendants(tree, without);
}

int tree_read(struct tree *tree, const struct tree *without)
{
	int rc = tree_read_of(tree, getpid(), without);

	if (tree->nr)
		memmove(tree->pids, tree->pids + 1, --tree->nr * sizeof(*tree->pids));
	return rc;
}

static void tv_add(struct timeval *tv, uint64_t ns)
{
	const struct timeval more = { .tv_sec = (time_t)(ns / BENCH_NS_PER_SEC),
				      .tv_usec = (suseconds_t)(ns % BENCH_NS_PER_SEC /
							       BENCH_NS_PER_US) };

	timeradd(tv, &more, tv);
}

/* All threads, those that ended included. */
static uint64_t cpu_ns(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * BENCH_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* The numbers of /proc/.../status that getrusage() has, too. */
static void add_status(const char *path, struct rusage *sum, bool peak)
{
	FILE *file = fopen(path, "re");
	char line[256];
	long n;

	while (file && fgets(line, sizeof(line), file)) {
		if (peak && sscanf(line, "VmHWM: %ld kB", &n) == 1 && n > sum->ru_maxrss)
			sum->ru_maxrss = n;
		else if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1)
			sum->ru_nvcsw += n;
		else if (sscanf(line, "nonvoluntary_ctxt_switches: %ld", &n) == 1)
			sum->ru_nivcsw += n;
	}
	if (file)
		fclose(file);
}

static void add_threads(pid_t pid, struct rusage *sum)
{
	struct dirent *entry;
	char path[320];
	bool peak = true;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid, entry->d_name);
		/* Memory is the process's, switches are the thread's. */
		add_status(path, sum, peak);
		peak = false;
	}
	if (dir)
		closedir(dir);
}

bool tree_add_usage(pid_t pid, struct rusage *sum)
{
	const uint64_t tick_ns = BENCH_NS_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK);
	long minflt, cminflt, majflt, cmajflt, cutime, cstime;
	unsigned long utime, stime;
	uint64_t user, total;
	const char *fields;
	char text[1024];
	char state;

	/* Fields 3, 10 to 17 (man proc). */
	if (!read_stat(pid, text, sizeof(text), &fields) ||
	    sscanf(fields, "%c %*d %*d %*d %*d %*d %*u %ld %ld %ld %ld %lu %lu %ld %ld", &state,
		   &minflt, &cminflt, &majflt, &cmajflt, &utime, &stime, &cutime, &cstime) != 9)
		return false;
	total = cpu_ns(pid);
	if (!total)
		total = (utime + stime) * tick_ns;
	/* As the kernel does where there is nothing to divide by: all of it is user time. */
	user = utime + stime ? (uint64_t)((double)total * (double)utime / (double)(utime + stime)) :
			       total;
	tv_add(&sum->ru_utime, user + (uint64_t)cutime * tick_ns);
	tv_add(&sum->ru_stime, total - user + (uint64_t)cstime * tick_ns);
	if (state == 'Z' || state == 'X')
		return false;
	sum->ru_minflt += minflt + cminflt;
	sum->ru_majflt += majflt + cmajflt;
	add_threads(pid, sum);
	return true;
}

void rusage_add(struct rusage *sum, const struct rusage *more)
{
	timeradd(&sum->ru_utime, &more->ru_utime, &sum->ru_utime);
	timeradd(&sum->ru_stime, &more->ru_stime, &sum->ru_stime);
	if (more->ru_maxrss > sum->ru_maxrss)
		sum->ru_maxrss = more->ru_maxrss;
	sum->ru_minflt += more->ru_minflt;
	sum->ru_majflt += more->ru_majflt;
	sum->ru_nvcsw += more->ru_nvcsw;
	sum->ru_nivcsw += more->ru_nivcsw;
}
