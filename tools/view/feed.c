// SPDX-License-Identifier: BSD-2-Clause
#include "feed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/result.h"

/* Of the lines (docs/live.md). */
#define VERSION 1
#define CHUNK 65536

static const struct feed none = { .file = -1, .answers = -1, .pidfd = -1 };

int feed_inherited(struct feed *ret_feed, int file, int answers, pid_t pid, struct bench_err *err)
{
	*ret_feed = none;
	ret_feed->file = file;
	ret_feed->answers = answers;
	ret_feed->pid = pid;
	ret_feed->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fcntl(file, F_GETFD) < 0 || fcntl(answers, F_GETFD) < 0)
		return bench_fail(err, -EBADF, "--file and --answers are for bench --live only");
	return 0;
}

/* The memory file among the descriptors of a process: its number, or -1. */
static int find_file(pid_t pid)
{
	char path[64];
	struct dirent *entry;
	int found = -1;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && found < 0 && (entry = readdir(dir))) {
		char link[320], target[64];
		ssize_t len;

		snprintf(link, sizeof(link), "%s/%s", path, entry->d_name);
		len = readlink(link, target, sizeof(target) - 1);
		target[len > 0 ? len : 0] = 0;
		if (!strncmp(target, "/memfd:bench-live", 17))
			found = atoi(entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* The run there is to watch. */
static pid_t find_run(struct bench_err *err)
{
	DIR *dir = opendir("/proc");
	char list[200] = "";
	struct dirent *entry;
	unsigned nr = 0;
	pid_t found = 0;

	while (dir && (entry = readdir(dir))) {
		pid_t pid = atoi(entry->d_name);

		/* A viewer has it open, too, as what it inherited; so has what a run started. */
		char comm[32] = "", path[64];
		FILE *file;

		if (pid <= 0 || find_file(pid) < 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		file = fopen(path, "re");
		if (file) {
			(void)!fgets(comm, sizeof(comm), file);
			fclose(file);
		}
		if (!strncmp(comm, "bench-view", 10))
			continue;
		found = pid;
		snprintf(list + strlen(list), sizeof(list) - strlen(list), " %d", pid);
		nr++;
	}
	if (dir)
		closedir(dir);
	if (nr == 1)
		return found;
	if (nr)
		return bench_fail(err, -EINVAL, "several runs go on: give --attach=PID, one of%s", list);
	return bench_fail(err, -ESRCH, "no run of bench goes on here that you may watch");
}

/* Which descriptor it is the watched process says, and whoever made that may mislead a viewer with more
 * rights: only a pipe is written to. Descriptor, or -1. */
static int open_pipe(const char *path)
{
	struct stat st;
	int fd;

	if (stat(path, &st) || !S_ISFIFO(st.st_mode))
		return -1;
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &st) || !S_ISFIFO(st.st_mode))) {
		close(fd);
		return -1;
	}
	return fd;
}

int feed_attach(struct feed *ret_feed, pid_t pid, struct bench_err *err)
{
	char path[64], line[512] = "", *end;
	json_t *hello;
	int fd;

	*ret_feed = none;
	if (!pid)
		pid = find_run(err);
	if (pid < 0)
		return pid;
	fd = find_file(pid);
	if (fd < 0) {
		snprintf(path, sizeof(path), "/proc/%d/fd", pid);
		if (access(path, F_OK))
			return bench_fail(err, -ESRCH, "there is no process %d", pid);
		if (access(path, R_OK))
			return bench_fail(err, -EACCES, "process %d is another user's: try as root", pid);
		return bench_fail(err, -ESRCH, "process %d is no run of bench, or has not begun yet", pid);
	}
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	ret_feed->file = open(path, O_RDONLY | O_CLOEXEC);
	if (ret_feed->file < 0)
		return bench_fail(err, -errno, "read from process %d: %s", pid, strerror(errno));
	ret_feed->pid = pid;
	ret_feed->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	(void)!pread(ret_feed->file, line, sizeof(line) - 1, 0);
	end = strchr(line, '\n');
	hello = end ? json_loadb(line, (size_t)(end - line), 0, NULL) : NULL;
	if (json_is_integer(json_object_get(hello, "answers"))) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid,
			 (int)json_integer_value(json_object_get(hello, "answers")));
		ret_feed->answers = open_pipe(path);
	}
	json_decref(hello);
	(void)feed_answer(ret_feed, "hello");
	return 0;
}

int feed_file(struct feed *ret_feed, struct model *model, const char *path, struct bench_err *err)
{
	json_t *result;
	int rc = bench_result_load(&result, path, err);

	*ret_feed = none;
	if (rc)
		return rc;
	model_load(model, result);
	json_decref(result);
	return 0;
}

void feed_close(struct feed *feed)
{
	if (feed->file >= 0)
		close(feed->file);
	if (feed->answers >= 0)
		close(feed->answers);
	if (feed->pidfd >= 0)
		close(feed->pidfd);
	free(feed->rest);
	*feed = none;
}

static void take_line(struct model *model, const char *line, size_t len)
{
	json_t *message = json_loadb(line, len, 0, NULL);

	if (message)
		model_take(model, message);
	json_decref(message);
}

int feed_poll(struct feed *feed, struct model *model, struct bench_err *err)
{
	if (feed->file < 0)
		return 0;
	for (;;) {
		char *grown = realloc(feed->rest, feed->len + CHUNK), *line, *end;
		ssize_t nr;

		if (!grown)
			return bench_fail(err, -ENOMEM, "out of memory");
		feed->rest = grown;
		nr = pread(feed->file, feed->rest + feed->len, CHUNK, (off_t)feed->offset);
		if (nr <= 0)
			break;
		feed->offset += (uint64_t)nr;
		feed->len += (size_t)nr;
		line = feed->rest;
		while ((end = memchr(line, '\n', feed->len - (size_t)(line - feed->rest)))) {
			take_line(model, line, (size_t)(end - line));
			line = end + 1;
		}
		feed->len -= (size_t)(line - feed->rest);
		memmove(feed->rest, line, feed->len);
	}
	if (model->version && model->version != VERSION)
		return bench_fail(err, -EPROTO, "the run is of another version of bench");
	return 0;
}

bool feed_gone(const struct feed *feed)
{
	struct pollfd p = { .fd = feed->pidfd, .events = POLLIN };

	return feed->pidfd >= 0 && poll(&p, 1, 0) == 1;
}

bool feed_answer(const struct feed *feed, const char *line)
{
	char text[200];
	int len = snprintf(text, sizeof(text), "%s\n", line);

	return feed->answers >= 0 && len < (int)sizeof(text) &&
	       write(feed->answers, text, (size_t)len) == len;
}
