// SPDX-License-Identifier: BSD-2-Clause
/* Two threads on one CPU hand 4 bytes to each other through two pipes, as `perf bench sched pipe -T` and
 * sched,mode=pingpong do. With CLOCK 1 the clock is read once for each round trip, which whoever wants
 * their latencies must; what that costs shows in the difference. */
#include "bare.h"

#define ROUNDS 64

static int there[2], back[2], read_clock;
static uint64_t least = UINT64_MAX;

static void *server(void *arg)
{
	int message;

	while (read(there[0], &message, sizeof(message)) == sizeof(message))
		if (write(back[1], &message, sizeof(message)) != sizeof(message))
			bare_die("write");
	return arg;
}

static uint64_t step(void *arg)
{
	uint64_t before = bare_now();

	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		int message = i;
		uint64_t now;

		if (write(there[1], &message, sizeof(message)) != sizeof(message) ||
		    read(back[0], &message, sizeof(message)) != sizeof(message) || message != i)
			bare_die("round trip");
		if (!read_clock)
			continue;
		now = bare_now();
		if (now - before < least)
			least = now - before;
		before = now;
	}
	return ROUNDS;
}

int main(int argc, char **argv)
{
	struct bare b = { 0 };
	pthread_t thread;

	if (argc != 5) {
		fprintf(stderr, "usage: %s CPU WARMUP SECONDS CLOCK\n", argv[0]);
		return 2;
	}
	b.warmup = atof(argv[2]);
	b.seconds = atof(argv[3]);
	read_clock = atoi(argv[4]);
	bare_bind(atoi(argv[1]));
	if (pipe(there) || pipe(back))
		bare_die("pipe");
	errno = pthread_create(&thread, NULL, server, NULL);
	if (errno)
		bare_die("pthread_create");
	bare_measure(&b, step, NULL);
	return 0; /* ends the server as well */
}
