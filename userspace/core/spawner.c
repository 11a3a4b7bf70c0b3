// SPDX-License-Identifier: BSD-2-Clause
// The caller's side. Each request to start is one packet, answered by one packet.
#include "core/spawner.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/tree.h"

/* Packets of whole records. Returns how many, or a negative errno. */
static int receive(int sock, void *buf, size_t size, size_t max, int flags)
{
	ssize_t got;

	do
		got = recv(sock, buf, size * max, flags);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	return got && (size_t)got % size == 0 ? (int)((size_t)got / size) : -EPIPE;
}

/* fd -1 = none. */
static int request(const struct spawner *s, const struct spawn_request *req, int fd)
{
	struct iovec iov = { .iov_base = (void *)req, .iov_len = sizeof(*req) };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return sendmsg(s->sock, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int spawner_open(struct spawner *s, const struct spawn_commands *commands, struct bench_err *err)
{
	sigset_t all, old;
	int sock[2];

	*s = (struct spawner){ .sock = -1 };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock))
		return bench_fail(err, -errno, "socketpair: %s", strerror(errno));
	/* The helper must outlive any signal that ends us: it never unblocks them. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	s->pid = fork();
	if (s->pid == 0) {
		const struct spawn_serve config = { .sock = sock[1],
						    .commands = commands,
						    .mask = &old };

		close(sock[0]);
		spawner_serve(&config);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(sock[1]);
	s->sock = sock[0];
	if (s->pid < 0) {
		s->pid = 0;
		return bench_fail(err, -errno, "fork: %s", strerror(errno));
	}
	return 0;
}

void spawner_close(struct spawner *s)
{
	if (!s->pid)
		return;
	close(s->sock);
	while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		;
	*s = (struct spawner){ .sock = -1 };
}

int spawner_run(struct spawner *s, unsigned command, unsigned nr, struct bench_err *err)
{
	const struct spawn_request req = { .op = SPAWN_START, .command = command, .nr = nr };
	int rc = request(s, &req, -1);

	return rc ? bench_fail(err, rc, "the process that starts the command is gone") : 0;
}

/* The gate was closed and nobody stood there: the helper says why. */
static int explain_start(struct spawner *s, struct bench_err *err)
{
	struct spawn_end end;

	if (receive(s->sock, &end, sizeof(end), 1, 0) < 0)
		return bench_fail(err, -EPIPE, "the process that starts the command is gone");
	if (end.error)
		return bench_fail(err, end.error, "vfork: %s", strerror(-end.error));
	return bench_fail(err, -ECHILD, "the command's process ended before it began");
}

int spawner_start(struct spawner *s, unsigned command, struct spawned *ret_spawned,
		  struct bench_err *err)
{
	const struct spawn_request req = { .op = SPAWN_START, .command = command, .nr = 1 };
	struct spawned c = { .pid = -1, .gate = -1 };
	int gate[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, gate))
		return bench_fail(err, -errno, "socketpair: %s", strerror(errno));
	c.gate = gate[0];
	rc = request(s, &req, gate[1]);
	close(gate[1]);
	rc = rc ? rc : receive(c.gate, &c.pid, sizeof(c.pid), 1, 0);
	if (rc < 0) {
		rc = explain_start(s, err);
		spawned_done(&c);
		return rc;
	}
	*ret_spawned = c;
	return 0;
}

void spawned_go(struct spawned *c)
{
	/* Should this fail, it has ended, which is seen next. */
	(void)!send(c->gate, "", 1, MSG_NOSIGNAL);
}

/* It bears the helper's name until it is executed. */
static void kill_unexecuted(const struct spawner *s)
{
	struct tree tree = { 0 };
	char path[64], comm[64];

	(void)tree_read_of(&tree, s->pid, NULL);
	for (unsigned i = 1; i < tree.nr; i++) {
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%d/comm", tree.pids[i]);
		file = fopen(path, "re");
		if (file && fgets(comm, sizeof(comm), file) && !strcmp(comm, SPAWN_NAME "\n"))
			kill(tree.pids[i], SIGKILL);
		if (file)
			fclose(file);
	}
	tree_done(&tree);
}

int spawner_stop(struct spawner *s, int signo, bool from_terminal)
{
	const struct spawn_request req = { .op = SPAWN_STOP,
					   .signo = signo,
					   .from_terminal = from_terminal };
	int rc = request(s, &req, -1);

	if (!rc)
		kill_unexecuted(s);
	return rc;
}

int spawner_ended(struct spawner *s, struct spawn_end *ret_ends)
{
	return receive(s->sock, ret_ends, sizeof(*ret_ends), SPAWN_RUNS, MSG_DONTWAIT);
}

void spawned_done(struct spawned *c)
{
	if (c->gate >= 0)
		close(c->gate);
	c->gate = -1;
}
