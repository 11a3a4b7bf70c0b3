// SPDX-License-Identifier: BSD-2-Clause
#include "core/live_show.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/clock.h"

extern char **environ;

/* Descriptors of the viewer. */
enum { FILE_FD = 3, ANSWERS_FD = 4 };

/* What a terminal needs that was left in the middle of a picture: attributes off, cursor on, mouse
 * off, main screen (xterm control sequences, which all current terminals know). */
static const char put_right[] = "\033[0m\033[?25h\033[?1000l\033[?1002l\033[?1006l\033[?1049l\r\n";

int live_viewer_path(char *buf, size_t size, struct bench_err *err)
{
	static const char *const places[] = { "bench-view", "../libexec/bench/bench-view" };
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[len > 0 ? len : 0] = 0;
	slash = strrchr(self, '/');
	if (slash)
		*slash = 0;
	for (unsigned i = 0; i < 2; i++) {
		if ((size_t)snprintf(buf, size, "%s/%s", self, places[i]) < size &&
		    !access(buf, X_OK))
			return 0;
	}
	return bench_fail(err, -ENOENT,
			  "the live view's program bench-view is neither in %s nor in %s/../libexec/bench: "
			  "build it with make, or install again",
			  self, self);
}

static int spawn(struct live_viewer *v, const char *path, int file, int answers)
{
	char run[16], *argv[] = { "bench-view", "--file=3", "--answers=4", "--run", run, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int high = (file > answers ? file : answers) + ANSWERS_FD, rc;
	sigset_t none;

	snprintf(run, sizeof(run), "%d", getpid());
	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	/* By way of numbers that are neither: either may be the other's goal. */
	posix_spawn_file_actions_adddup2(&actions, file, high);
	posix_spawn_file_actions_adddup2(&actions, answers, high + 1);
	posix_spawn_file_actions_adddup2(&actions, high, FILE_FD);
	posix_spawn_file_actions_adddup2(&actions, high + 1, ANSWERS_FD);
	posix_spawn_file_actions_addclose(&actions, high);
	posix_spawn_file_actions_addclose(&actions, high + 1);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	rc = posix_spawn(&v->pid, path, &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return -rc;
}

static void unwatch(struct live_viewer *v)
{
	loop_unwatch(v->loop, v->pidfd);
	if (v->other)
		loop_unwatch(v->other, v->pidfd);
}

static void on_end(void *arg, short revents)
{
	struct live_viewer *v = arg;
	int status;

	(void)revents;
	if (waitpid(v->pid, &status, WNOHANG) != v->pid)
		return;
	v->over = true;
	v->pid = 0;
	unwatch(v);
	if (!WIFSIGNALED(status))
		return;
	(void)!write(v->tty, put_right, sizeof(put_right) - 1);
	(void)tcsetattr(v->tty, TCSADRAIN, &v->modes);
	fprintf(stderr, "bench: the live view was ended by signal %d (%s); the run goes on\n",
		WTERMSIG(status), strsignal(WTERMSIG(status)));
}

/* Without a pidfd (before 5.3) its end could not be waited for together with everything else. */
static int follow(struct live_viewer *v, struct bench_err *err)
{
	int rc;

	v->pidfd = (int)syscall(SYS_pidfd_open, v->pid, 0);
	rc = v->pidfd < 0 ? -errno : loop_watch(v->loop, v->pidfd, POLLIN, on_end, v);
	if (!rc && v->other) {
		rc = loop_watch(v->other, v->pidfd, POLLIN, on_end, v);
		if (rc)
			loop_unwatch(v->loop, v->pidfd);
	}
	if (!rc)
		return 0;
	kill(v->pid, SIGTERM);
	(void)waitpid(v->pid, NULL, 0);
	if (v->pidfd >= 0)
		close(v->pidfd);
	return bench_fail(err, rc, "follow the live view: %s", strerror(-rc));
}

int live_viewer_start(struct live_viewer *viewer, struct loop *loop, struct loop *other, int file,
		      int answers, struct bench_err *err)
{
	struct live_viewer *v = viewer;
	char path[PATH_MAX + 32];
	int rc;

	*v = (struct live_viewer){ .loop = loop, .other = other, .pidfd = -1 };
	v->tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (v->tty < 0 || tcgetattr(v->tty, &v->modes)) {
		if (v->tty >= 0)
			close(v->tty);
		*v = (struct live_viewer){ .pidfd = -1 };
		return bench_fail(err, -ENOTTY, "there is no terminal to draw on");
	}
	rc = live_viewer_path(path, sizeof(path), err);
	if (!rc) {
		rc = spawn(v, path, file, answers);
		rc = rc ? bench_fail(err, rc, "start %s: %s", path, strerror(-rc)) : follow(v, err);
	}
	if (rc) {
		close(v->tty);
		*v = (struct live_viewer){ .pidfd = -1 }; /* nothing is left to wait for */
	}
	return rc;
}

void live_viewer_wait(struct live_viewer *viewer, const bool *stop)
{
	struct live_viewer *v = viewer;

	while (v->pid && !*stop)
		(void)loop_run(v->loop, &v->over, bench_now_ns() + 100 * BENCH_NS_PER_MS);
	if (v->pid) {
		unwatch(v);
		kill(v->pid, SIGTERM);
		while (waitpid(v->pid, NULL, 0) < 0 && errno == EINTR)
			;
		v->pid = 0;
	}
	if (!v->loop)
		return;
	close(v->pidfd);
	close(v->tty);
	v->loop = NULL;
}
