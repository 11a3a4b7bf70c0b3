/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets of another network namespace: a socket keeps that of the thread that made it, and so do
 * the connections it accepts, so one setns(2) there and one back around socket(2) will do. */
#ifndef MODULES_NET_NETNS_H
#define MODULES_NET_NETNS_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/error.h"

/* Where ip-netns(8) keeps them. */
#define NET_NETNS_DIR "/run/netns"

/* A descriptor of the namespace, or negative errno and why. */
static inline int net_netns_open(const char *name, struct bench_err *err)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), NET_NETNS_DIR "/%s", name);
	fd = strchr(name, '/') ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return bench_fail(err, -EINVAL,
				  "netns=%s: no such network namespace in %s; see ip netns", name,
				  NET_NETNS_DIR);
	return fd;
}

/* socket(2) in the namespace of this name, NULL = ours. The descriptor, or negative errno and why.
 */
static inline int net_socket(const char *netns, int family, int type, struct bench_err *err)
{
	int there, home, fd, rc = 0;

	if (!netns) {
		fd = socket(family, type | SOCK_CLOEXEC, 0);
		return fd >= 0 ? fd : bench_fail(err, -errno, "socket: %s", strerror(errno));
	}
	there = net_netns_open(netns, err);
	if (there < 0)
		return there;
	home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0 || setns(there, CLONE_NEWNET)) {
		rc = bench_fail(err, -errno,
				"netns=%s: cannot enter it: %s; it takes CAP_SYS_ADMIN", netns,
				strerror(errno));
		goto out;
	}
	fd = socket(family, type | SOCK_CLOEXEC, 0);
	rc = fd >= 0 ? fd
		     : bench_fail(err, -errno, "socket in netns=%s: %s", netns, strerror(errno));
	if (setns(home, CLONE_NEWNET)) {
		/* This thread must not go on in a namespace that nobody asked for. */
		if (fd >= 0)
			close(fd);
		rc = bench_fail(err, -errno, "cannot leave netns=%s: %s", netns, strerror(errno));
	}
out:
	close(there);
	if (home >= 0)
		close(home);
	return rc;
}

#endif
