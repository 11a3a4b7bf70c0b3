// SPDX-License-Identifier: BSD-2-Clause
// The helper process: forks the command, reaps its tree, and ends it when asked or when left alone.
#include "core/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/clock.h"
#include "core/exec.h"
#include "core/tree.h"

/* From SIGKILL to SIGKILL for what was forked meanwhile; and when to give up on what cannot end
 * (in an uninterruptible wait, or not ours to kill). */
#define KILL_AGAIN_MS 10
#define KILL_MS 2000

enum phase { IDLE, RUNNING, STOPPING, KILLING };

struct server {
	const struct spawn_serve *config;
	pid_t self;
	int child_fd; /* SIGCHLD */
	int null;     /* /dev/null, where output is discarded */
	char **paths; /* of each command's program, once it was found; NULL = not yet */
	enum phase phase;
	pid_t pid; /* the command of this run */
	bool exited;
	bool abandoned; /* nobody waits for the answer */
	bool childless; /* no descendants: all were reaped */
	uint64_t deadline_ns, give_up_ns;
	struct tree known; /* what was there before this run */
	struct tree tree;
	unsigned command, nr, nr_ended; /* runs that were asked for, and what is done of them */
	struct spawn_end ends[SPAWN_RUNS];
	struct spawn_end end; /* of this run */
	/* By the command's process, on its way to execve(2): */
	volatile uint64_t start_ns;
	volatile int exec_errno;
};

/* An explanation on stderr of why a hook failed is never thrown away. */
static void discard_output(const struct server *s, unsigned command)
{
	if (dup2(s->null, STDOUT_FILENO) < 0 ||
	    (command < s->config->commands->nr_silent && dup2(s->null, STDERR_FILENO) < 0))
		_exit(EXEC_FAILED);
}

/* Until counters and probes are on it. Signals stay blocked here: one that comes now is the
 * command's, which must have begun to be ended by it. */
static void stand_at(int gate)
{
	pid_t pid = getpid();
	ssize_t got;
	char byte;

	if (send(gate, &pid, sizeof(pid), MSG_NOSIGNAL) < 0)
		_exit(EXEC_FAILED);
	while ((got = recv(gate, &byte, 1, 0)) < 0 && errno == EINTR)
		;
	/* Nobody opens the gate any more. */
	if (got != 1)
		_exit(EXEC_FAILED);
}

/* Where execvp(3) would find the program, or NULL. */
static char *find_program(const char *name)
{
	const char *dir = getenv("PATH");
	struct stat st;
	char *path;

	if (!*name || strchr(name, '/') || !dir)
		return NULL;
	for (; *dir; dir += strcspn(dir, ":"), dir += *dir == ':') {
		int len = (int)strcspn(dir, ":");

		/* An empty entry is the working directory. */
		if (asprintf(&path, "%.*s%s%s", len, dir, len ? "/" : "./", name) < 0)
			return NULL;
		if (!stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK))
			return path;
		free(path);
	}
	return NULL;
}

/* As a shell does, the program is looked for once, and again when it is there no longer: a failed
 * execve(2) for each folder of $PATH would be part of what is measured, every time. */
static void execute(const struct server *s, unsigned command)
{
	char *const *argv = s->config->commands->argvs[command];

	if (s->paths && s->paths[command])
		execv(s->paths[command], argv);
	execvp(argv[0], argv);
}

/* On the helper's own memory, which waits until the command is executed: vfork(2). gate -1 = none. */
static _Noreturn void command_main(struct server *s, unsigned command, int gate)
{
	int saved;

	/* Should the helper be killed, the command goes with it. Asked for too late if that has
	 * happened by now. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != s->self)
		_exit(EXEC_FAILED);
	if (s->config->commands->discard_output)
		discard_output(s, command);
	if (gate >= 0)
		stand_at(gate);
	s->start_ns = bench_now_ns();
	sigprocmask(SIG_SETMASK, s->config->mask, NULL);
	execute(s, command);
	saved = errno;
	s->exec_errno = saved;
	_exit(saved == ENOENT ? EXEC_NOT_FOUND : EXEC_CANNOT);
}

static void reap(struct server *s)
{
	struct rusage usage;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
		if (s->phase == IDLE || tree_has(&s->known, pid))
			continue;
		rusage_add(&s->end.usage, &usage);
		if (pid == s->pid) {
			s->end.status = status;
			s->end.exit_ns = bench_now_ns();
			s->exited = true;
		}
	}
	s->childless = pid < 0 && errno == ECHILD;
}

/* As tree_read(), which costs as much as the rest of a short run when there is nothing to read. */
static int look(const struct server *s, struct tree *tree, const struct tree *without)
{
	if (!s->childless)
		return tree_read(tree, without);
	tree->nr = 0;
	return 0;
}

/* What the command holds before it is executed is what the helper holds. */
static uint64_t held_bytes(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_maxrss * 1024; /* KiB (man getrusage) */
}

static void answer(struct server *s)
{
	s->ends[s->nr_ended++] = s->end;
	(void)!send(s->config->sock, s->ends, s->nr_ended * sizeof(s->ends[0]), MSG_NOSIGNAL);
}

static void start(struct server *s, int gate)
{
	unsigned command = s->command;
	pid_t pid = -1;

	s->end = (struct spawn_end){ .error = 0 };
	s->exited = false;
	s->start_ns = 0;
	s->exec_errno = 0;
	/* Survivors of earlier runs are accounted and left alone. */
	if (command >= s->config->commands->nr) {
		s->end.error = -EINVAL;
	} else if (look(s, &s->known, NULL)) {
		s->end.error = -ENOMEM;
	} else {
		if (s->paths && !s->paths[command])
			s->paths[command] = find_program(s->config->commands->argvs[command][0]);
		/* fork() would copy what the helper has mapped, only for exec to drop it again. */
		pid = vfork();
		if (pid == 0)
			command_main(s, command, gate);
		if (pid < 0)
			s->end.error = -errno;
	}
	if (pid < 0) {
		s->phase = IDLE;
		answer(s);
		return;
	}
	s->end.rss_floor = held_bytes();
	s->childless = false;
	s->pid = pid;
	s->phase = RUNNING;
}

static void signal_tree(const struct server *s, int signo, bool from_terminal)
{
	pid_t group = getpgrp();

	for (unsigned i = 0; i < s->tree.nr; i++)
		if (!from_terminal || getpgid(s->tree.pids[i]) != group)
			kill(s->tree.pids[i], signo);
}

/* A run is over: the next one, or the answer. */
static void ended(struct server *s)
{
	bool well = s->phase == RUNNING && !s->exec_errno && !s->end.status && !s->end.nr_running;

	s->phase = IDLE;
	if (!s->exited && !s->end.exit_ns)
		s->end.exit_ns = bench_now_ns(); /* given up: it hangs in the kernel */
	s->end.start_ns = s->start_ns;
	s->end.exec_errno = s->exec_errno;
	if (s->abandoned)
		_exit(0);
	if (!well || s->nr_ended + 1 >= s->nr) {
		answer(s);
		return;
	}
	s->ends[s->nr_ended++] = s->end;
	start(s, -1);
}

/* What still runs counts with what it has used so far. */
static void account_running(struct server *s)
{
	(void)look(s, &s->tree, &s->known);
	for (unsigned i = 0; i < s->tree.nr; i++)
		s->end.nr_running += tree_add_usage(s->tree.pids[i], &s->end.usage);
}

/* After every event: is this run over? */
static void step(struct server *s)
{
	uint64_t now = bench_now_ns();

	if (s->phase == RUNNING && s->exited) {
		account_running(s);
		ended(s);
		return;
	}
	if (s->phase != STOPPING && s->phase != KILLING)
		return;
	(void)look(s, &s->tree, &s->known);
	if (!s->tree.nr || (s->phase == KILLING && now >= s->give_up_ns)) {
		s->end.nr_running = s->tree.nr;
		ended(s);
		return;
	}
	if (now < s->deadline_ns)
		return;
	if (s->phase == STOPPING) {
		s->phase = KILLING;
		s->give_up_ns = now + KILL_MS * BENCH_NS_PER_MS;
	}
	signal_tree(s, SIGKILL, false);
	s->deadline_ns = now + KILL_AGAIN_MS * BENCH_NS_PER_MS;
}

static void stop(struct server *s, int signo, bool from_terminal, uint64_t grace_ms)
{
	if (s->phase == IDLE)
		return;
	(void)look(s, &s->tree, &s->known);
	if (signo)
		signal_tree(s, signo, from_terminal);
	s->phase = STOPPING;
	s->deadline_ns = bench_now_ns() + grace_ms * BENCH_NS_PER_MS;
}

/* False when the caller is gone. */
static bool receive(struct server *s, struct spawn_request *req, int *ret_fd)
{
	struct iovec iov = { .iov_base = req, .iov_len = sizeof(*req) };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *c;

	*ret_fd = -1;
	if (recvmsg(s->config->sock, &msg, MSG_CMSG_CLOEXEC) != sizeof(*req))
		return false;
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(c), sizeof(*ret_fd));
	return true;
}

static void on_request(struct server *s)
{
	struct spawn_request req;
	int fd;

	if (!receive(s, &req, &fd)) {
		/* The caller was killed, or left in a hurry. */
		if (s->phase == IDLE)
			_exit(0);
		s->abandoned = true;
		stop(s, 0, false, 0);
		return;
	}
	switch (req.op) {
	case SPAWN_START:
		s->command = req.command;
		s->nr = req.nr < SPAWN_RUNS ? req.nr : SPAWN_RUNS;
		s->nr_ended = 0;
		start(s, fd);
		break;
	case SPAWN_STOP:
		stop(s, req.signo, req.from_terminal, SPAWN_GRACE_MS);
		break;
	}
	if (fd >= 0)
		close(fd);
}

_Noreturn void spawner_serve(const struct spawn_serve *config)
{
	struct server s = { .config = config, .self = getpid() };
	sigset_t set;

	prctl(PR_SET_NAME, SPAWN_NAME);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* bench ignores these two, the command must not. */
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	/* Ignored, the kernel would reap and forget. */
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	s.child_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	s.paths = calloc(config->commands->nr, sizeof(*s.paths)); /* without it execvp() looks each time */
	s.null = config->commands->discard_output ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
	for (;;) {
		struct pollfd fds[] = { { .fd = s.child_fd, .events = POLLIN },
					{ .fd = s.abandoned ? -1 : config->sock, .events = POLLIN } };
		struct signalfd_siginfo info;
		int timeout = s.phase == KILLING ? KILL_AGAIN_MS : -1;

		if (s.phase == STOPPING) {
			uint64_t now = bench_now_ns();

			timeout = now < s.deadline_ns ?
					  (int)((s.deadline_ns - now) / BENCH_NS_PER_MS) + 1 :
					  0;
		}
		if (poll(fds, 2, timeout) < 0 && errno != EINTR)
			_exit(EXEC_FAILED);
		if (fds[0].revents) {
			(void)!read(s.child_fd, &info, sizeof(info));
			reap(&s);
		}
		if (fds[1].revents)
			on_request(&s);
		step(&s);
	}
}
