// SPDX-License-Identifier: BSD-2-Clause
/* One byte there and back on many TCP loopback connections, one request outstanding on each, by
 * epoll on both sides (level-triggered, up to 64 events a call). */
#include <sys/epoll.h>

#include "bare.h"

struct side {
	int epfd;
};

static void side_init(struct side *s, const int *fds, unsigned nr)
{
	s->epfd = epoll_create1(0);
	if (s->epfd < 0)
		bare_die("epoll_create1");
	for (unsigned i = 0; i < nr; i++) {
		struct epoll_event ev = { .events = EPOLLIN, .data.fd = fds[i] };

		if (epoll_ctl(s->epfd, EPOLL_CTL_ADD, fds[i], &ev))
			bare_die("epoll_ctl");
	}
}

/* Wait, and answer each byte that came with another. Returns how many came. */
static uint64_t turn(void *arg)
{
	struct side *s = arg;
	struct epoll_event ev[64];
	int n = epoll_wait(s->epfd, ev, 64, -1);

	for (int i = 0; i < n; i++) {
		char c;

		if (recv(ev[i].data.fd, &c, 1, MSG_DONTWAIT) != 1 ||
		    send(ev[i].data.fd, &c, 1, MSG_NOSIGNAL) != 1)
			bare_die("epoll loop");
	}
	return n > 0 ? (uint64_t)n : 0;
}

static void *server(void *arg)
{
	struct bare *b = arg;
	struct side s;

	bare_bind(b->cpu[1]);
	side_init(&s, b->fds[1], b->flows);
	for (;;)
		turn(&s);
	return NULL;
}

static void client(struct bare *b)
{
	struct side s;

	side_init(&s, b->fds[0], b->flows);
	for (unsigned i = 0; i < b->flows; i++)
		if (send(b->fds[0][i], "", 1, MSG_NOSIGNAL) != 1)
			bare_die("client: send");
	bare_measure(b, turn, &s);
}

int main(int argc, char **argv)
{
	static struct bare b;

	return bare_main(argc, argv, &b, server, client);
}
