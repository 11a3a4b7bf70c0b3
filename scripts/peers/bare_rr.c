// SPDX-License-Identifier: BSD-2-Clause
/* One byte there and back over TCP loopback, blocking send(2) and recv(2), one connection. */
#include "bare.h"

static void *server(void *arg)
{
	struct bare *b = arg;
	int fd = b->fds[1][0];
	char c;

	bare_bind(b->cpu[1]);
	while (recv(fd, &c, 1, 0) == 1)
		if (send(fd, &c, 1, MSG_NOSIGNAL) != 1)
			bare_die("server: send");
	return NULL;
}

static uint64_t step(void *arg)
{
	int fd = *(int *)arg;
	char c = 1;

	for (unsigned i = 0; i < 8; i++)
		if (send(fd, &c, 1, MSG_NOSIGNAL) != 1 || recv(fd, &c, 1, 0) != 1)
			bare_die("client");
	return 8;
}

static void client(struct bare *b)
{
	bare_measure(b, step, &b->fds[0][0]);
}

int main(int argc, char **argv)
{
	static struct bare b;

	if (argc > 3 && atoi(argv[3]) != 1) {
		fprintf(stderr, "%s: one flow only\n", argv[0]);
		return 2;
	}
	return bare_main(argc, argv, &b, server, client);
}
