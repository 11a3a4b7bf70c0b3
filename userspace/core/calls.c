// SPDX-License-Identifier: BSD-2-Clause
#include "core/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ID_FILE "events/raw_syscalls/sys_enter/id"

/* tracefs where it is mounted, or a mount of our own that nobody else sees (Linux 5.2). Descriptor of
 * its directory, or negative errno. */
static int open_tracefs(void)
{
	int fs, dir = open("/sys/kernel/tracing/events", O_PATH | O_CLOEXEC);

	if (dir >= 0) {
		close(dir);
		return open("/sys/kernel/tracing", O_PATH | O_CLOEXEC);
	}
	fs = fsopen("tracefs", FSOPEN_CLOEXEC);
	if (fs < 0)
		return -errno;
	dir = fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) ? -1 :
								 fsmount(fs, FSMOUNT_CLOEXEC, 0);
	dir = dir < 0 ? -errno : dir;
	close(fs);
	return dir;
}

/* The tracepoint's number, or negative errno. */
static int tracepoint_id(void)
{
	int dir = open_tracefs(), id = -EIO, fd;
	char text[32] = "";

	if (dir < 0)
		return dir;
	fd = openat(dir, ID_FILE, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		id = -errno;
	else if (read(fd, text, sizeof(text) - 1) > 0 && atoi(text) > 0)
		id = atoi(text);
	if (fd >= 0)
		close(fd);
	close(dir);
	return id;
}

enum bench_status calls_open(struct calls *calls, pid_t tid, char *why, size_t size)
{
	struct perf_event_attr attr = { .size = sizeof(attr),
					.type = PERF_TYPE_TRACEPOINT,
					.disabled = 1 };
	int id = tracepoint_id();

	*calls = (struct calls){ .fd = -1 };
	if (id < 0) {
		snprintf(why, size, "tracefs: " ID_FILE ": %s", strerror(-id));
		return id == -EACCES || id == -EPERM ? BENCH_NOT_PERMITTED : BENCH_NOT_SUPPORTED;
	}
	attr.config = (uint64_t)id;
	calls->fd = (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (calls->fd >= 0)
		return BENCH_OK;
	snprintf(why, size, "perf event of raw_syscalls:sys_enter: %s%s", strerror(errno),
		 errno == EACCES || errno == EPERM ? " (needs root or CAP_PERFMON)" : "");
	return errno == EACCES || errno == EPERM ? BENCH_NOT_PERMITTED : BENCH_NOT_SUPPORTED;
}

void calls_start(const struct calls *calls)
{
	if (calls && calls->fd >= 0)
		(void)ioctl(calls->fd, PERF_EVENT_IOC_ENABLE, 0);
}

void calls_stop(const struct calls *calls)
{
	if (calls && calls->fd >= 0)
		(void)ioctl(calls->fd, PERF_EVENT_IOC_DISABLE, 0);
}

void calls_close(struct calls *calls)
{
	uint64_t value;

	if (calls->fd < 0)
		return;
	/* The call that ended it is the last one counted. */
	if (read(calls->fd, &value, sizeof(value)) == sizeof(value) && value)
		calls->counted = value - 1;
	close(calls->fd);
	calls->fd = -1;
}
