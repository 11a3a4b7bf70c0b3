// SPDX-License-Identifier: BSD-2-Clause
/* A module that leaks what it is told to, once before each window: what tests/cli/soak.sh is to find. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bench/module.h>

enum { LEAK_NOTHING, LEAK_MEMORY, LEAK_DESCRIPTOR, LEAK_THREAD, LEAK_FILE };

struct leak_params {
	uint64_t what;
};

static void *leak_sleep(void *arg)
{
	pause(); /* all signals are blocked in a worker's threads */
	return arg;
}

static int leak_begin(struct bench_worker *w)
{
	const struct leak_params *p = w->job->params;
	static void *volatile lost;
	char name[256];
	pthread_t thread;

	switch (p->what) {
	case LEAK_MEMORY:
		lost = malloc(4 << 20);
		if (lost)
			memset(lost, 1, 4 << 20);
		return lost ? 0 : bench_worker_fail(w, -ENOMEM, "out of memory");
	case LEAK_DESCRIPTOR:
		return open("/dev/null", O_RDONLY) < 0 ? bench_worker_fail(w, -errno, "open") : 0;
	case LEAK_THREAD:
		return pthread_create(&thread, NULL, leak_sleep, NULL) ?
			       bench_worker_fail(w, -EAGAIN, "pthread_create") :
			       0;
	case LEAK_FILE:
		snprintf(name, sizeof(name), "%s/left", w->job->workdir);
		close(open(name, O_CREAT | O_WRONLY, 0600));
		return 0;
	default:
		return 0;
	}
}

static int leak_run(struct bench_worker *w, uint64_t ops)
{
	(void)w;
	for (uint64_t i = 0; i < ops; i++)
		__asm__ volatile("");
	return 0;
}

static const char *const leak_words[] = { "nothing", "memory", "descriptor", "thread", "file", NULL };

static const struct bench_option leak_options[] = {
	{ .name = "what",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct leak_params, what),
	  .def = "nothing",
	  .values = leak_words,
	  .help = "what is lost before each window" },
	{ .name = NULL },
};

const struct bench_module bench_module_leak = {
	.abi = BENCH_MODULE_ABI,
	.exec = BENCH_EXEC_BLOCKING,
	.name = "leak",
	.summary = "loses something before each window",
	.op = "nothing",
	.options = leak_options,
	.params_size = sizeof(struct leak_params),
	.begin = leak_begin,
	.run = leak_run,
};
