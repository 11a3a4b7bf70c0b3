// SPDX-License-Identifier: BSD-2-Clause
/* The perf system calls and nothing else. */
#include "counters/plan.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int sys_perf_open(struct perf_event_attr *attr, pid_t pid, int cpu, int group_fd,
		  unsigned long flags)
{
	int fd = syscall(SYS_perf_event_open, attr, pid, cpu, group_fd, flags);

	return fd < 0 ? -errno : fd;
}

int sys_perf_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

ssize_t sys_perf_read(int fd, void *buf, size_t size)
{
	ssize_t len = read(fd, buf, size);

	return len < 0 ? -errno : len;
}

void sys_perf_close(int fd)
{
	close(fd);
}
