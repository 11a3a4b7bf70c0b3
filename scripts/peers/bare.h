/* SPDX-License-Identifier: BSD-2-Clause */
/* What the bare loops share: two threads bound to two CPUs and TCP connections between them. Each
 * prints one line: transactions per second over the timed window. On purpose they contain nothing
 * of bench, and measure nothing but the count. Errors end the program. */
#ifndef PEERS_BARE_H
#define PEERS_BARE_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BARE_FLOWS_MAX 256

struct bare {
	int cpu[2]; /* client, server */
	double seconds, warmup;
	unsigned flows;
	int fds[2][BARE_FLOWS_MAX];
};

static inline void bare_die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static inline uint64_t bare_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static inline void bare_bind(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) /* 0: the calling thread */
		bare_die("sched_setaffinity");
}

static inline void bare_connect(struct bare *b)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int l = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	if (l < 0 || bind(l, (struct sockaddr *)&addr, len) || listen(l, BARE_FLOWS_MAX) ||
	    getsockname(l, (struct sockaddr *)&addr, &len))
		bare_die("listen on 127.0.0.1");
	for (unsigned i = 0; i < b->flows; i++) {
		b->fds[0][i] = socket(AF_INET, SOCK_STREAM, 0);
		if (b->fds[0][i] < 0 || connect(b->fds[0][i], (struct sockaddr *)&addr, len))
			bare_die("connect");
		b->fds[1][i] = accept(l, NULL, NULL);
		if (b->fds[1][i] < 0)
			bare_die("accept");
		for (unsigned e = 0; e < 2; e++)
			setsockopt(b->fds[e][i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	}
	close(l);
}

/* The timed window, started when the warm-up is over. step() runs some transactions and returns how
 * many, without looking at the clock more than once a few. */
static inline void bare_measure(const struct bare *b, uint64_t (*step)(void *arg), void *arg)
{
	uint64_t start = bare_now() + (uint64_t)(b->warmup * 1e9), now, count = 0;

	while (bare_now() < start)
		step(arg);
	start = now = bare_now();
	while (now - start < (uint64_t)(b->seconds * 1e9)) {
		count += step(arg);
		now = bare_now();
	}
	printf("%.1f\n", (double)count * 1e9 / (double)(now - start));
}

/* Arguments, connections, the server's thread; then the client on this one. */
static inline int bare_main(int argc, char **argv, struct bare *b, void *(*server)(void *),
			    void (*client)(struct bare *b))
{
	pthread_t thread;

	if (argc != 6) {
		fprintf(stderr, "usage: %s CLIENT_CPU SERVER_CPU FLOWS WARMUP SECONDS\n", argv[0]);
		return 2;
	}
	b->cpu[0] = atoi(argv[1]);
	b->cpu[1] = atoi(argv[2]);
	b->flows = (unsigned)atoi(argv[3]);
	b->warmup = atof(argv[4]);
	b->seconds = atof(argv[5]);
	if (!b->flows || b->flows > BARE_FLOWS_MAX) {
		fprintf(stderr, "1 to %u flows\n", BARE_FLOWS_MAX);
		return 2;
	}
	bare_connect(b);
	errno = pthread_create(&thread, NULL, server, b);
	if (errno)
		bare_die("pthread_create");
	bare_bind(b->cpu[0]);
	client(b);
	return 0; /* ends the server as well */
}

#endif
