// SPDX-License-Identifier: BSD-2-Clause
#include "peer/listen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "bench/clock.h"
#include "core/inet.h"

/* Connections that have not shown the key yet. When all places are taken one of the host that has
 * most of them goes, so that strangers keep nobody out but who shares their address. */
#define NR_PENDING 16
/* The whole handshake takes three messages. */
#define GREET_NS (5 * BENCH_NS_PER_SEC)
/* For a client that is told to come back later to read that. */
#define REFUSED_NS BENCH_NS_PER_SEC
/* One line about strangers for so long. */
#define TELL_NS (10 * BENCH_NS_PER_SEC)
/* A vanished client is noticed. */
#define GONE_MS 30000u
/* A child that was told to end is given this long. */
#define END_NS (20 * BENCH_NS_PER_SEC)

struct pending {
	int fd; /* -1 = free */
	uint64_t since_ns, deadline_ns;
	bool refused; /* nothing more is read from it but its end */
	union bench_inet client;
	struct wire_greeting greeting;
};

struct server {
	struct peer_listener *l;
	struct pending pending[NR_PENDING];
	int child_fd; /* pidfd of the one that serves, -1 = none */
	pid_t child;
	char client[64]; /* of it */
	unsigned strangers;
	uint64_t told_ns;
};

static int parse(const char *text, union bench_inet *ret_addr, struct bench_err *err)
{
	char host[BENCH_INET_TEXT], *end = NULL;
	const char *word = "";
	unsigned long port = 0;
	int rc = inet_endpoint(text, host, sizeof(host), &word);

	if (!rc && *word >= '0' && *word <= '9')
		port = strtoul(word, &end, 10);
	if (rc || !end || *end || port > 65535 || bench_inet_parse(ret_addr, host))
		return bench_fail(
			err, -EINVAL,
			"--listen=%s: give ADDR:PORT, an address of this host and a port, such as "
			"0.0.0.0:5210 or [::]:5210",
			text);
	bench_inet_set_port(ret_addr, (uint16_t)port);
	return 0;
}

static void mask_signals(int how, sigset_t *ret_set)
{
	sigemptyset(ret_set);
	sigaddset(ret_set, SIGINT);
	sigaddset(ret_set, SIGTERM);
	sigaddset(ret_set, SIGHUP);
	sigprocmask(how, ret_set, NULL);
}

static int open_signals(struct peer_listener *l, struct bench_err *err)
{
	sigset_t set;

	mask_signals(SIG_BLOCK, &set);
	l->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return l->signal_fd < 0 ? bench_fail(err, -errno, "signalfd: %s", strerror(errno)) : 0;
}

int peer_listen(struct peer_listener *l, const char *text, struct bench_err *err)
{
	socklen_t len = sizeof(l->addr);
	int one = 1, rc;

	l->fd = l->signal_fd = -1;
	rc = parse(text, &l->addr, err);
	rc = rc ? rc : open_signals(l, err);
	if (rc)
		return rc;
	l->fd = socket(l->addr.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd >= 0)
		(void)setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (l->fd < 0 || bind(l->fd, &l->addr.sa, bench_inet_len(&l->addr)) ||
	    listen(l->fd, NR_PENDING) || getsockname(l->fd, &l->addr.sa, &len))
		return bench_fail(err, -errno, "--listen=%s: %s", text, strerror(errno));
	return 0;
}

void peer_close(struct peer_listener *l)
{
	if (l->fd >= 0)
		close(l->fd);
	if (l->signal_fd >= 0)
		close(l->signal_fd);
	sodium_memzero(&l->key, sizeof(l->key));
}

static void drop(struct pending *p)
{
	close(p->fd);
	*p = (struct pending){ .fd = -1 };
}

/* What a stranger did is counted, and told now and then: a log must not grow by what they do. */
static void drop_stranger(struct server *s, struct pending *p, const char *what)
{
	char text[BENCH_INET_TEXT];

	s->strangers++;
	if (bench_now_ns() >= s->told_ns + TELL_NS || !s->told_ns) {
		bench_inet_print(&p->client, text);
		fprintf(stderr, "bench: peer: %u connection%s without the key, last from %s: %s\n",
			s->strangers, s->strangers == 1 ? "" : "s", text, what);
		s->strangers = 0;
		s->told_ns = bench_now_ns();
	}
	drop(p);
}

/* A free place, or that of the oldest connection of the host that has most of them. */
static struct pending *find_place(struct server *s)
{
	struct pending *place = NULL;
	unsigned most = 0;

	for (unsigned i = 0; i < NR_PENDING; i++) {
		struct pending *p = &s->pending[i];
		unsigned nr = 0;

		if (p->fd < 0)
			return p;
		for (unsigned j = 0; j < NR_PENDING; j++)
			nr += inet_same_host(&s->pending[j].client, &p->client);
		if (nr > most || (nr == most && p->since_ns < place->since_ns)) {
			place = p;
			most = nr;
		}
	}
	return place;
}

static void take_connection(struct server *s)
{
	struct pending *p;
	union bench_inet client = { 0 };
	socklen_t len = sizeof(client);
	unsigned gone = GONE_MS;
	int fd = accept4(s->l->fd, &client.sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int one = 1;

	if (fd < 0)
		return;
	inet_unmap(&client);
	p = find_place(s);
	if (p->fd >= 0)
		drop_stranger(s, p, "too many at once");
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &gone, sizeof(gone));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	*p = (struct pending){ .fd = fd, .since_ns = bench_now_ns(), .client = client };
	p->deadline_ns = p->since_ns + GREET_NS;
}

/* Its process; never returns. */
static void child_main(struct server *s, int fd, struct wire *wire, const char *client)
{
	struct peer_listener *l = s->l;
	union bench_inet ours = { 0 };
	socklen_t len = sizeof(ours);
	char address[BENCH_INET_TEXT];
	sigset_t set;
	int status;

	/* When the listener is killed there is nobody to end this one. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; i < NR_PENDING; i++)
		if (s->pending[i].fd >= 0 && s->pending[i].fd != fd)
			close(s->pending[i].fd);
	peer_close(l);
	/* Until a run blocks them again there is nothing to put away, and nobody who would look. */
	mask_signals(SIG_UNBLOCK, &set);
	(void)getsockname(fd, &ours.sa, &len); /* it is connected */
	inet_unmap(&ours);
	bench_inet_print(&ours, address);
	status = l->serve(wire, client, address, l->arg);
	_exit(status ? 1 : 0);
}

static void serve(struct server *s, struct pending *p, struct wire *wire)
{
	char client[BENCH_INET_TEXT];
	json_t *busy;

	bench_inet_print(&p->client, client);
	if (s->child_fd >= 0) {
		busy = json_pack("{s:o, s:b}", "error",
				 json_sprintf("it is busy with a client at %s", s->client), "busy",
				 1);
		(void)wire_send(wire, busy, bench_now_ns());
		json_decref(busy);
		(void)shutdown(p->fd, SHUT_WR);
		p->refused = true;
		p->deadline_ns = bench_now_ns() + REFUSED_NS;
		return;
	}
	fflush(NULL);
	s->child = fork();
	if (!s->child)
		child_main(s, p->fd, wire, client);
	if (s->child > 0) {
		snprintf(s->client, sizeof(s->client), "%s", client);
		s->child_fd = (int)syscall(SYS_pidfd_open, s->child, 0);
	}
	if (s->child < 0 || s->child_fd < 0)
		fprintf(stderr, "bench: peer: cannot serve %s: %s\n", client, strerror(errno));
	drop(p);
}

static void read_pending(struct server *s, struct pending *p)
{
	struct wire wire;
	char text[256];
	int rc;

	if (p->refused) {
		ssize_t n = recv(p->fd, text, sizeof(text), MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno != EAGAIN))
			drop(p);
		return;
	}
	rc = wire_greet(&p->greeting, &s->l->key, p->fd, &wire);
	if (rc > 0)
		serve(s, p, &wire);
	else if (rc < 0)
		drop_stranger(s, p, wire_error(rc));
	sodium_memzero(&wire, sizeof(wire));
}

static void end_late(struct server *s)
{
	uint64_t now = bench_now_ns();

	for (unsigned i = 0; i < NR_PENDING; i++) {
		struct pending *p = &s->pending[i];

		if (p->fd < 0 || now < p->deadline_ns)
			continue;
		if (p->refused)
			drop(p);
		else
			drop_stranger(s, p, "silent");
	}
}

/* The next deadline as a time-out for poll(2). */
static int time_left(const struct server *s)
{
	uint64_t now = bench_now_ns(), next = UINT64_MAX;

	for (unsigned i = 0; i < NR_PENDING; i++)
		if (s->pending[i].fd >= 0 && s->pending[i].deadline_ns < next)
			next = s->pending[i].deadline_ns;
	if (next == UINT64_MAX)
		return -1;
	return next < now ? 0 : (int)((next - now) / BENCH_NS_PER_MS + 1);
}

static void child_ended(struct server *s)
{
	int status = 0;

	if (waitpid(s->child, &status, WNOHANG) != s->child)
		return;
	if (WIFSIGNALED(status))
		fprintf(stderr, "bench: peer: serving %s ended by signal %d\n", s->client,
			WTERMSIG(status));
	close(s->child_fd);
	s->child_fd = -1;
}

/* It puts its threads and programs away; when it does not come to that it is killed. */
static void end_child(struct server *s)
{
	struct pollfd pfd = { .fd = s->child_fd, .events = POLLIN };

	if (s->child_fd < 0)
		return;
	(void)kill(s->child, SIGTERM);
	if (poll(&pfd, 1, (int)(END_NS / BENCH_NS_PER_MS)) <= 0)
		(void)kill(s->child, SIGKILL);
	(void)waitpid(s->child, NULL, 0);
	close(s->child_fd);
}

int peer_serve(struct peer_listener *l)
{
	struct server s = { .l = l, .child_fd = -1 };
	struct signalfd_siginfo info;

	for (unsigned i = 0; i < NR_PENDING; i++)
		s.pending[i].fd = -1;
	for (;;) {
		struct pollfd fds[3 + NR_PENDING] = { { .fd = l->fd, .events = POLLIN },
						      { .fd = l->signal_fd, .events = POLLIN },
						      { .fd = s.child_fd, .events = POLLIN } };

		for (unsigned i = 0; i < NR_PENDING; i++)
			fds[3 + i] = (struct pollfd){ .fd = s.pending[i].fd, .events = POLLIN };
		if (poll(fds, 3 + NR_PENDING, time_left(&s)) < 0 && errno != EINTR)
			return -errno;
		if (fds[1].revents && read(l->signal_fd, &info, sizeof(info)) == sizeof(info))
			break;
		if (fds[2].revents)
			child_ended(&s);
		for (unsigned i = 0; i < NR_PENDING; i++)
			if (fds[3 + i].revents && s.pending[i].fd == fds[3 + i].fd)
				read_pending(&s, &s.pending[i]);
		end_late(&s);
		if (fds[0].revents)
			take_connection(&s);
	}
	for (unsigned i = 0; i < NR_PENDING; i++)
		if (s.pending[i].fd >= 0)
			drop(&s.pending[i]);
	end_child(&s);
	return (int)info.ssi_signo;
}
