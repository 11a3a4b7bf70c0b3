/* SPDX-License-Identifier: BSD-2-Clause */
/* sched,mode=create|fork|exec|yield: each worker by itself. What it makes inherits its CPU. */
#ifndef MODULES_SCHED_SPAWN_H
#define MODULES_SCHED_SPAWN_H

#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "sched_common.h"

extern char **environ;

struct sched_thread {
	uint64_t argument, result;
	uint64_t cpu_ns;
};

/* What a thread makes of its argument, so that one that did not run is found out. */
#define SCHED_THREAD_MARK 0x9e3779b97f4a7c15ull

static inline void *sched_thread_main(void *arg)
{
	struct sched_thread *t = arg;
	struct timespec ts = { 0, 0 };

	t->result = t->argument ^ SCHED_THREAD_MARK;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	t->cpu_ns = (uint64_t)ts.tv_sec * BENCH_NS_PER_SEC + (uint64_t)ts.tv_nsec;
	return NULL;
}

static inline int sched_create_run(struct bench_worker *w, uint64_t ops)
{
	for (uint64_t i = 0; i < ops; i++) {
		struct sched_thread t = { .argument = i + 1 };
		pthread_t thread;
		int rc = pthread_create(&thread, NULL, sched_thread_main, &t);

		if (rc)
			return bench_worker_fail(w, -rc, "pthread_create: %s", strerror(rc));
		rc = pthread_join(thread, NULL);
		if (rc || t.result != (t.argument ^ SCHED_THREAD_MARK))
			return bench_worker_fail(w, rc ? -rc : -EBADMSG,
						 "a thread ended without having run");
		w->other_cpu_ns += t.cpu_ns;
	}
	return 0;
}

/* Until the child has ended, with this exit status. */
static inline int sched_reap(struct bench_worker *w, pid_t pid, int expected)
{
	struct rusage usage;
	int status;

	while (wait4(pid, &status, 0, &usage) < 0)
		if (errno != EINTR)
			return bench_worker_fail(w, -errno, "wait4: %s", strerror(errno));
	if (!WIFEXITED(status) || WEXITSTATUS(status) != expected)
		return bench_worker_fail(w, -ECHILD,
					 "a child ended with wait status %#x, expected %d",
					 (unsigned)status, expected);
	w->other_cpu_ns +=
		(uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * BENCH_NS_PER_SEC +
		(uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * BENCH_NS_PER_US;
	return 0;
}

static inline int sched_fork_run(struct bench_worker *w, uint64_t ops)
{
	for (uint64_t i = 0; i < ops; i++) {
		int expected = (int)(i % 100) + 1, rc;
		pid_t pid = fork();

		if (pid == 0)
			_exit(expected);
		if (pid < 0)
			return bench_worker_fail(w, -errno, "fork: %s", strerror(errno));
		rc = sched_reap(w, pid, expected);
		if (rc)
			return rc;
	}
	return 0;
}

static inline int sched_exec_run(struct bench_worker *w, uint64_t ops)
{
	const struct sched_params *p = w->job->params;
	char *argv[] = { (char *)p->program, NULL };

	sigset_t none;
	posix_spawnattr_t attr;
	int ret = 0;

	/* Workers block all signals; what they start must be possible to end. */
	sigemptyset(&none);
	if (posix_spawnattr_init(&attr))
		return bench_worker_fail(w, -ENOMEM, "out of memory");
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	for (uint64_t i = 0; i < ops && !ret; i++) {
		pid_t pid;
		int rc = posix_spawn(&pid, p->program, NULL, &attr, argv, environ);

		ret = rc ? bench_worker_fail(w, -rc, "start '%s': %s", p->program, strerror(rc)) :
			   sched_reap(w, pid, 0);
	}
	posix_spawnattr_destroy(&attr);
	return ret;
}

static inline int sched_yield_run(struct bench_worker *w, uint64_t ops)
{
	for (uint64_t i = 0; i < ops; i++)
		if (sched_yield())
			return bench_worker_fail(w, -errno, "sched_yield: %s", strerror(errno));
	return 0;
}

#endif
