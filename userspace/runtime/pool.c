// SPDX-License-Identifier: BSD-2-Clause
#include "runtime/pool.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

enum state { STARTING, IDLE, BUSY, FINISHED, QUIT, FAILED };

struct thread {
	struct runtime_thread pub;
	struct pool *pool;
	pthread_t id;
	bool claimed; /* by the call of pool_threads() that is going on */
	struct bench_err err;

	pthread_mutex_t lock;	/* for what follows */
	pthread_cond_t changed; /* state left STARTING or IDLE */
	enum state state;
	void (*fn)(struct runtime_thread *thread, void *arg);
	void *arg;
	bool *done;
};

struct pool {
	const struct topology *topology;
	const struct async_caps *caps;
	struct loop *loop;
	int finished_fd; /* eventfd: some thread is FINISHED */
	bool watched;
	struct thread **threads;
	unsigned nr;
};

static void set_state(struct thread *t, enum state state)
{
	pthread_mutex_lock(&t->lock);
	t->state = state;
	pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

/* Bind and see that it holds: a thread on another CPU would measure the wrong thing. */
static int bind_thread(struct thread *t)
{
	int cpu = t->pub.cpu, rc;
	cpu_set_t set;

	rc = topology_bind(t->pool->topology, cpu, NULL, 0);
	if (rc < 0)
		return bench_fail(&t->err, rc, "bind a worker to cpu %d: %s", cpu, strerror(-rc));
	if (cpu < 0)
		return 0;
	if (sched_getaffinity(0, sizeof(set), &set) < 0 || CPU_COUNT(&set) != 1 ||
	    !CPU_ISSET(cpu, &set) || sched_getcpu() != cpu)
		return bench_fail(&t->err, -EXDEV,
				  "bind a worker to cpu %d: the kernel accepted it, yet the worker "
				  "runs on cpu %d",
				  cpu, sched_getcpu());
	return 0;
}

static int set_up(struct thread *t)
{
	char name[16];
	int rc;

	t->pub.tid = gettid();
	snprintf(name, sizeof(name), "bench-w%u", t->pub.index);
	(void)pthread_setname_np(pthread_self(), name); /* for people; nothing depends on it */
	rc = bind_thread(t);
	if (rc < 0)
		return rc;
	/* Timed waits end up to 50 us late otherwise. */
	if (prctl(PR_SET_TIMERSLACK, 1) < 0)
		return bench_fail(&t->err, -errno, "prctl(PR_SET_TIMERSLACK): %s", strerror(errno));
	return t->pool->caps ? async_open(&t->pub.async, t->pool->caps, &t->err) : 0;
}

static void tell_finished(struct pool *pool)
{
	uint64_t one = 1;

	/* EAGAIN would mean 2^64 - 2 unread notices, and then one is unread anyway. */
	while (write(pool->finished_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;

	if (set_up(t) < 0) {
		set_state(t, FAILED);
		return NULL;
	}
	set_state(t, IDLE);
	pthread_mutex_lock(&t->lock);
	for (;;) {
		while (t->state == IDLE || t->state == FINISHED)
			pthread_cond_wait(&t->changed, &t->lock);
		if (t->state == QUIT)
			break;
		pthread_mutex_unlock(&t->lock);
		t->fn(&t->pub, t->arg);
		pthread_mutex_lock(&t->lock);
		t->state = FINISHED;
		tell_finished(t->pool);
	}
	pthread_mutex_unlock(&t->lock);
	async_close(t->pub.async); /* on the thread that made it */
	return NULL;
}

/* On the control loop. */
static void on_finished(void *arg, short revents)
{
	struct pool *pool = arg;
	uint64_t nr;

	(void)revents;
	if (read(pool->finished_fd, &nr, sizeof(nr)) < 0)
		return;
	for (unsigned i = 0; i < pool->nr; i++) {
		struct thread *t = pool->threads[i];
		bool *done = NULL;

		pthread_mutex_lock(&t->lock);
		if (t->state == FINISHED) {
			t->state = IDLE;
			done = t->done;
		}
		pthread_mutex_unlock(&t->lock);
		if (done)
			*done = true;
	}
}

static void thread_free(struct thread *t)
{
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static int start(struct pool *pool, int cpu, struct bench_err *err)
{
	struct thread *t = calloc(1, sizeof(*t)), **grown;
	sigset_t all, old;
	int rc;

	grown = realloc(pool->threads, (pool->nr + 1) * sizeof(*grown));
	if (grown)
		pool->threads = grown;
	if (!t || !grown) {
		free(t);
		return bench_fail(err, -ENOMEM, "start a worker: out of memory");
	}
	t->pool = pool;
	t->pub.index = pool->nr;
	t->pub.cpu = cpu;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->changed, NULL);
	/* Signals are the control loop's: the thread starts with all of them blocked. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = -pthread_create(&t->id, NULL, thread_main, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc < 0) {
		thread_free(t);
		return bench_fail(err, rc, "start a worker: %s", strerror(-rc));
	}
	pthread_mutex_lock(&t->lock);
	while (t->state == STARTING)
		pthread_cond_wait(&t->changed, &t->lock);
	rc = t->state == FAILED ? t->err.code : 0;
	pthread_mutex_unlock(&t->lock);
	if (rc < 0) {
		pthread_join(t->id, NULL);
		bench_fail(err, rc, "%s", t->err.msg);
		thread_free(t);
		return rc;
	}
	pool->threads[pool->nr++] = t;
	return 0;
}

int pool_threads(struct pool *pool, const int *cpus, unsigned nr, unsigned *ret_threads,
		 struct bench_err *err)
{
	int rc = 0;

	for (unsigned i = 0; i < nr; i++)
		if (cpus[i] >= 0 && !topology_find(pool->topology, cpus[i]))
			return bench_fail(err, -EINVAL,
					  "cpu %d is offline, or not among the CPUs that this "
					  "process may use",
					  cpus[i]);
	for (unsigned i = 0; i < nr && rc == 0; i++) {
		unsigned k = 0;

		while (k < pool->nr &&
		       (pool->threads[k]->claimed || pool->threads[k]->pub.cpu != cpus[i]))
			k++;
		if (k == pool->nr)
			rc = start(pool, cpus[i], err);
		if (rc == 0) {
			pool->threads[k]->claimed = true;
			ret_threads[i] = k;
		}
	}
	for (unsigned k = 0; k < pool->nr; k++)
		pool->threads[k]->claimed = false;
	return rc;
}

const struct runtime_thread *pool_thread(const struct pool *pool, unsigned index)
{
	return &pool->threads[index]->pub;
}

void pool_post(struct pool *pool, unsigned index,
	       void (*fn)(struct runtime_thread *thread, void *arg), void *arg, bool *done)
{
	struct thread *t = pool->threads[index];

	pthread_mutex_lock(&t->lock);
	assert(t->state == IDLE);
	t->fn = fn;
	t->arg = arg;
	t->done = done;
	t->state = BUSY;
	pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

int pool_open(struct pool **ret_pool, const struct topology *topology,
	      const struct async_caps *caps, struct loop *loop, struct bench_err *err)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	int rc;

	if (!pool)
		return bench_fail(err, -ENOMEM, "make the pool of workers: out of memory");
	pool->topology = topology;
	pool->caps = caps;
	pool->loop = loop;
	pool->finished_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pool->finished_fd < 0) {
		rc = bench_fail(err, -errno, "eventfd: %s", strerror(errno));
		goto out;
	}
	rc = loop_watch(loop, pool->finished_fd, POLLIN, on_finished, pool);
	if (rc < 0) {
		bench_fail(err, rc, "watch the workers: %s", strerror(-rc));
		goto out;
	}
	pool->watched = true;
	*ret_pool = pool;
out:
	if (rc < 0)
		pool_close(pool);
	return rc;
}

void pool_close(struct pool *pool)
{
	if (!pool)
		return;
	for (unsigned i = 0; i < pool->nr; i++) {
		set_state(pool->threads[i], QUIT);
		pthread_join(pool->threads[i]->id, NULL);
		thread_free(pool->threads[i]);
	}
	if (pool->watched)
		loop_unwatch(pool->loop, pool->finished_fd);
	if (pool->finished_fd >= 0)
		close(pool->finished_fd);
	free(pool->threads);
	free(pool);
}
