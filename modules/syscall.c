// SPDX-License-Identifier: BSD-2-Clause
/* What a system call costs: the way into the kernel and back (kind=floor), and small calls on top
 * of it. Each call's result is checked: a call that did not happen, or was answered by another
 * one's result, is an error. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "bench/module.h"

/* Far beyond the table of any architecture, and without the bit that marks x32 calls (1 << 30). */
#define SYSCALL_NONE 100000L

enum syscall_kind {
	SYSCALL_FLOOR,
	SYSCALL_GETPPID,
	SYSCALL_READ,
	SYSCALL_WRITE,
	SYSCALL_STAT,
	SYSCALL_OPEN,
	SYSCALL_EPOLL,
	SYSCALL_FUTEX,
	SYSCALL_CLOCK,
	SYSCALL_CLOCK_FORCED,
};

struct syscall_params {
	uint64_t kind;
};

struct syscall_state {
	int fd; /* -1 = none; valid once open is set */
	bool open;
	pid_t parent;
	dev_t null; /* device number of /dev/null */
};

static int syscall_open_path(struct bench_worker *w, const char *path, int flags)
{
	struct syscall_state *s = w->state;

	s->fd = open(path, flags | O_CLOEXEC);
	if (s->fd < 0)
		return bench_worker_fail(w, -errno, "open '%s': %s", path, strerror(errno));
	return 0;
}

static int syscall_enter(struct bench_worker *w)
{
	const struct syscall_params *p = w->job->params;
	struct syscall_state *s = w->state;
	struct stat st;

	s->fd = -1;
	s->open = true;
	s->parent = getppid();
	if (stat("/dev/null", &st))
		return bench_worker_fail(w, -errno, "stat '/dev/null': %s", strerror(errno));
	s->null = st.st_rdev;
	switch ((enum syscall_kind)p->kind) {
	case SYSCALL_READ:
		return syscall_open_path(w, "/dev/zero", O_RDONLY);
	case SYSCALL_WRITE:
		return syscall_open_path(w, "/dev/null", O_WRONLY);
	case SYSCALL_EPOLL:
		s->fd = epoll_create1(EPOLL_CLOEXEC);
		if (s->fd < 0)
			return bench_worker_fail(w, -errno, "epoll_create1: %s", strerror(errno));
		return 0;
	default:
		return 0;
	}
}

static void syscall_leave(struct bench_worker *w)
{
	struct syscall_state *s = w->state;

	if (s->open && s->fd >= 0)
		close(s->fd);
	s->open = false;
}

/* The call failed, or succeeded with something that it cannot have come to. */
static int syscall_wrong(struct bench_worker *w, const char *call, long got)
{
	if (got < 0)
		return bench_worker_fail(w, errno ? -errno : -EBADMSG, "%s: %s", call,
					 strerror(errno));
	return bench_worker_fail(w, -EBADMSG, "%s gave %ld, which is wrong", call, got);
}

/* The loops call syscall(2): the wrappers of libc that are cancellation points do more than the
 * call once a process has threads. getppid and the vDSO's clock have no such wrapper. */

static int syscall_floor(struct bench_worker *w, uint64_t ops)
{
	for (uint64_t i = 0; i < ops; i++) {
		errno = 0;
		long ret = syscall(SYSCALL_NONE);

		/* A seccomp filter may answer EPERM: the call has been to the kernel all the same.
		 */
		if (ret != -1 || (errno != ENOSYS && errno != EPERM))
			return syscall_wrong(w, "a system call that does not exist", ret);
	}
	return 0;
}

static int syscall_getppid(struct bench_worker *w, uint64_t ops)
{
	const struct syscall_state *s = w->state;

	for (uint64_t i = 0; i < ops; i++) {
		pid_t ret = getppid();

		if (ret != s->parent)
			return syscall_wrong(w, "getppid", ret);
	}
	return 0;
}

static int syscall_read(struct bench_worker *w, uint64_t ops)
{
	const struct syscall_state *s = w->state;

	for (uint64_t i = 0; i < ops; i++) {
		unsigned char byte = 0xa5;
		long ret = syscall(SYS_read, s->fd, &byte, 1);

		if (ret != 1 || byte != 0)
			return syscall_wrong(w, "read of a byte of /dev/zero", ret);
	}
	return 0;
}

static int syscall_write(struct bench_worker *w, uint64_t ops)
{
	const struct syscall_state *s = w->state;
	unsigned char byte = 0xa5;

	for (uint64_t i = 0; i < ops; i++) {
		long ret = syscall(SYS_write, s->fd, &byte, 1);

		if (ret != 1)
			return syscall_wrong(w, "write of a byte to /dev/null", ret);
	}
	return 0;
}

static int syscall_stat(struct bench_worker *w, uint64_t ops)
{
	const struct syscall_state *s = w->state;
	struct stat st;

	for (uint64_t i = 0; i < ops; i++) {
		st.st_rdev = 0;
		int ret = stat("/dev/null", &st);

		if (ret || st.st_rdev != s->null)
			return syscall_wrong(w, "stat of /dev/null", ret);
	}
	return 0;
}

static int syscall_open(struct bench_worker *w, uint64_t ops)
{
	for (uint64_t i = 0; i < ops; i++) {
		long fd = syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC);
		long ret;

		if (fd < 0)
			return syscall_wrong(w, "open of /dev/null", fd);
		ret = syscall(SYS_close, fd);
		if (ret)
			return syscall_wrong(w, "close of /dev/null", ret);
	}
	return 0;
}

static int syscall_epoll(struct bench_worker *w, uint64_t ops)
{
	const struct syscall_state *s = w->state;
	struct epoll_event event;

	for (uint64_t i = 0; i < ops; i++) {
		/* epoll_wait does not exist on newer architectures; this one does everywhere. */
		long ret = syscall(SYS_epoll_pwait, s->fd, &event, 1, 0, NULL, 0);

		if (ret)
			return syscall_wrong(w, "epoll_wait without anything to wait for", ret);
	}
	return 0;
}

/* A wait for a word that has another value already: it never sleeps. */
static int syscall_futex(struct bench_worker *w, uint64_t ops)
{
	uint32_t word = 0;

	for (uint64_t i = 0; i < ops; i++) {
		errno = 0;
		long ret = syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);

		if (ret != -1 || errno != EAGAIN)
			return syscall_wrong(w, "futex wait for a word that has changed", ret);
	}
	return 0;
}

/* A clock that goes back, or stands still from one end of the window to the other, is no clock. */
static int syscall_clock(struct bench_worker *w, uint64_t ops)
{
	uint64_t last = bench_now_ns();

	for (uint64_t i = 0; i < ops; i++) {
		uint64_t now = bench_now_ns();

		if (now < last)
			return bench_worker_fail(
				w, -EBADMSG, "the clock went back by %" PRIu64 " ns", last - now);
		last = now;
	}
	return 0;
}

static int syscall_clock_forced(struct bench_worker *w, uint64_t ops)
{
	uint64_t last = bench_now_ns();

	for (uint64_t i = 0; i < ops; i++) {
		struct timespec ts = { 0, 0 };
		long ret = syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
		uint64_t now = (uint64_t)ts.tv_sec * BENCH_NS_PER_SEC + (uint64_t)ts.tv_nsec;

		/* Both ways read one clock. */
		if (ret || now < last)
			return syscall_wrong(w, "clock_gettime", ret);
		last = now;
	}
	return 0;
}

static int syscall_run(struct bench_worker *w, uint64_t ops)
{
	static int (*const loops[])(struct bench_worker *, uint64_t) = {
		[SYSCALL_FLOOR] = syscall_floor, [SYSCALL_GETPPID] = syscall_getppid,
		[SYSCALL_READ] = syscall_read,	 [SYSCALL_WRITE] = syscall_write,
		[SYSCALL_STAT] = syscall_stat,	 [SYSCALL_OPEN] = syscall_open,
		[SYSCALL_EPOLL] = syscall_epoll, [SYSCALL_FUTEX] = syscall_futex,
		[SYSCALL_CLOCK] = syscall_clock, [SYSCALL_CLOCK_FORCED] = syscall_clock_forced,
	};
	const struct syscall_params *p = w->job->params;

	return loops[p->kind](w, ops);
}

static const char *const syscall_kinds[] = { "floor", "getppid",       "read",	"write",
					     "stat",  "open",	       "epoll", "futex",
					     "clock", "clock-syscall", NULL };

static const struct bench_option syscall_options[] = {
	{ .name = "kind",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct syscall_params, kind),
	  .def = "floor",
	  .values = syscall_kinds,
	  .help = "floor: a number that does not exist; read, write: 1 byte of /dev/zero, to "
		  "/dev/null; "
		  "open: and close; epoll: a wait of 0; futex: a wait that is over; clock: by the "
		  "vDSO" },
	{ .name = NULL },
};

static const char *const syscall_suite[] = { "kind=getppid", NULL };
static const char *const syscall_full[] = {
	"kind={floor,read,write,stat,open,epoll,clock,clock-syscall},workers=1",
	NULL,
};

const struct bench_module bench_module_syscall = {
	.abi = BENCH_MODULE_ABI,
	.exec = BENCH_EXEC_BLOCKING,
	.name = "syscall",
	.summary = "the cost of small system calls",
	.op = "one system call (kind=open: two, open and close; kind=clock: none)",
	.options = syscall_options,
	.suite = syscall_suite,
	.full = syscall_full,
	.params_size = sizeof(struct syscall_params),
	.state_size = sizeof(struct syscall_state),
	.enter = syscall_enter,
	.run = syscall_run,
	.leave = syscall_leave,
};
