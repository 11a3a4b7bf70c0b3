/* SPDX-License-Identifier: BSD-2-Clause */
/* What goes with a wake-up that is measured: a load on the sleeper's CPU, and how much of the latency
 * was waiting for that CPU. */
#ifndef MODULES_SCHED_LOAD_H
#define MODULES_SCHED_LOAD_H

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>

#include "channel.h"
#include "prng.h"
#include "sched_common.h"

/* --- run delay: time runnable but not running, by the kernel's count --- */

/* The samples of one window. */
struct sched_split {
	int fd; /* the sleeper's schedstat; -1 = none */
	int why; /* negative errno, why not */
	uint64_t before;
	struct bench_hist *run_delay, *residual;
};

static inline int sched_split_new(struct sched_split *s)
{
	s->fd = -1;
	s->run_delay = bench_hist_new(BENCH_HIST_BITS_WORKER);
	s->residual = bench_hist_new(BENCH_HIST_BITS_WORKER);
	return s->run_delay && s->residual ? 0 : -ENOMEM;
}

static inline void sched_split_free(struct sched_split *s)
{
	bench_hist_free(s->run_delay);
	bench_hist_free(s->residual);
}

/* Documentation/scheduler/sched-stats.rst: time on the CPU, run delay, times on the CPU. 0 = unread. */
static inline uint64_t sched_split_read(const struct sched_split *s)
{
	uint64_t ran, delay;
	char text[96];
	ssize_t n = pread(s->fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return sscanf(text, "%" SCNu64 " %" SCNu64, &ran, &delay) == 2 ? delay : 0;
}

/* On the sleeper's thread. A kernel without the numbers has none, which is no failure. */
static inline void sched_split_open(struct sched_split *s)
{
	s->fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	s->why = s->fd < 0 ? -errno : 0;
	if (s->fd >= 0 && sched_split_read(s) == 0) {
		char text[96];
		ssize_t n = pread(s->fd, text, sizeof(text) - 1, 0);

		/* All zero: CONFIG_SCHED_INFO is not in this kernel. */
		if (n <= 0 || text[0] == '0') {
			close(s->fd);
			s->fd = -1;
			s->why = -EOPNOTSUPP;
		}
	}
}

static inline void sched_split_close(struct sched_split *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* Right before the sleep, and with its latency after it. */
static inline void sched_split_sleep(struct sched_split *s)
{
	if (s->fd >= 0)
		s->before = sched_split_read(s);
}

static inline void sched_split_awake(struct sched_split *s, uint64_t latency_ns)
{
	uint64_t delay;

	if (s->fd < 0)
		return;
	delay = sched_split_read(s) - s->before;
	/* A part of it may lie before the wake-up: preempted on the way to sleep. */
	if (delay > latency_ns)
		delay = latency_ns;
	bench_hist_record(s->run_delay, delay);
	bench_hist_record(s->residual, latency_ns - delay);
}

/* --- load: threads that use a share of one CPU, whatever becomes of it --- */

/* Beyond what one thread can use there are more of them. */
#define SCHED_LOAD_THREADS 4u
#define SCHED_LOAD_MAX 400u
/* Mean time from one burst to the next of a thread, and how far single ones are from it: bursts must
 * not fall into step with the wake-ups. */
#define SCHED_LOAD_PERIOD_NS (2 * BENCH_NS_PER_MS)
/* Between looks at the thread's CPU time, which is a system call. */
#define SCHED_LOAD_SPINS 2000u

struct sched_load_thread {
	struct sched_load *load;
	pthread_t thread;
	bool made;
	uint64_t share_ns; /* of CPU time in each period */
	struct prng prng;
	_Atomic uint64_t cpu_ns; /* in this window */
} __attribute__((aligned(64)));

struct sched_load {
	_Atomic uint32_t window __attribute__((aligned(64))); /* a futex: odd while one is open */
	atomic_bool leave;
	unsigned nr;
	struct sched_load_thread threads[SCHED_LOAD_THREADS];
	uint64_t begin_ns, took_ns; /* of the window */
};

static inline uint64_t sched_load_cpu_ns(void)
{
	struct timespec ts = { 0, 0 };

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * BENCH_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* Until so much CPU time is used, or the window is over. */
static inline void sched_load_burn(struct sched_load *l, uint32_t window, uint64_t until_cpu_ns)
{
	while (sched_load_cpu_ns() < until_cpu_ns && atomic_load(&l->window) == window)
		for (unsigned i = 0; i < SCHED_LOAD_SPINS; i++)
			__asm__ volatile("");
}

/* Bursts are due at times that do not move: what a busy CPU did not let it do, it does later. */
static inline void sched_load_window(struct sched_load_thread *t, uint32_t window)
{
	struct sched_load *l = t->load;
	uint64_t due = bench_now_ns(), begin = sched_load_cpu_ns(), used = begin;

	while (atomic_load(&l->window) == window) {
		/* From half of it to one and a half. */
		double factor = 0.5 + (double)prng_below(&t->prng, 1024) / 1024;

		used += (uint64_t)((double)t->share_ns * factor);
		sched_load_burn(l, window, used);
		due += (uint64_t)((double)SCHED_LOAD_PERIOD_NS * factor);
		if (due > bench_now_ns())
			sched_sleep_until(due);
		atomic_store_explicit(&t->cpu_ns, sched_load_cpu_ns() - begin,
				      memory_order_relaxed);
	}
	atomic_store(&t->cpu_ns, sched_load_cpu_ns() - begin);
}

static inline void *sched_load_main(void *arg)
{
	struct sched_load_thread *t = arg;
	struct sched_load *l = t->load;

	for (;;) {
		uint32_t window = atomic_load(&l->window);

		if (atomic_load(&l->leave))
			return NULL;
		if (window % 2)
			sched_load_window(t, window);
		else
			(void)channel_futex(&l->window, FUTEX_WAIT_PRIVATE, window);
	}
}

static inline void sched_load_turn(struct sched_load *l)
{
	atomic_fetch_add(&l->window, 1);
	(void)channel_futex(&l->window, FUTEX_WAKE_PRIVATE, INT32_MAX);
}

/* On the worker whose CPU is to be loaded: the threads inherit it. */
static inline int sched_load_enter(struct bench_worker *w, struct sched_load *l, uint64_t percent)
{
	l->nr = (unsigned)((percent + 99) / 100);
	for (unsigned i = 0; i < l->nr; i++) {
		struct sched_load_thread *t = &l->threads[i];
		int rc;

		t->load = l;
		t->share_ns = SCHED_LOAD_PERIOD_NS * percent / 100 / l->nr;
		prng_seed(&t->prng, w->index * SCHED_LOAD_THREADS + i + 1);
		rc = pthread_create(&t->thread, NULL, sched_load_main, t);
		if (rc)
			return bench_worker_fail(w, -rc, "start a thread for load=: %s",
						 strerror(rc));
		t->made = true;
	}
	return 0;
}

static inline void sched_load_begin(struct sched_load *l)
{
	for (unsigned i = 0; i < l->nr; i++)
		atomic_store(&l->threads[i].cpu_ns, 0);
	l->begin_ns = bench_now_ns();
	if (l->nr)
		sched_load_turn(l);
}

static inline void sched_load_end(struct sched_load *l)
{
	l->took_ns = bench_now_ns() - l->begin_ns;
	if (l->nr)
		sched_load_turn(l);
}

static inline void sched_load_leave(struct sched_load *l)
{
	atomic_store(&l->leave, true);
	sched_load_turn(l);
	for (unsigned i = 0; i < l->nr; i++)
		if (l->threads[i].made)
			pthread_join(l->threads[i].thread, NULL);
}

/* The share of one CPU that it used. */
static inline double sched_load_share(const struct sched_load *l)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < l->nr; i++)
		sum += atomic_load(&l->threads[i].cpu_ns);
	return l->took_ns ? (double)sum / (double)l->took_ns : 0;
}

/* --- both, of one sleeper --- */

struct sched_sleeper {
	struct sched_split split;
	struct sched_load load;
};

static inline int sched_sleeper_enter(struct bench_worker *w, struct sched_sleeper *s)
{
	const struct sched_params *p = w->job->params;

	sched_split_open(&s->split);
	return sched_load_enter(w, &s->load, p->load);
}

static inline void sched_sleeper_begin(struct sched_sleeper *s)
{
	bench_hist_reset(s->split.run_delay);
	bench_hist_reset(s->split.residual);
	sched_load_begin(&s->load);
}

static inline void sched_sleeper_leave(struct sched_sleeper *s)
{
	sched_load_leave(&s->load);
	sched_split_close(&s->split);
}

/* The names of both metrics, "MODE.run_delay" and "MODE.residual". */
static inline void sched_sleeper_report_split(struct bench_job *job, const struct sched_split *s,
					      const char *name, const struct bench_hist *hist)
{
	const struct bench_metric_id id = {
		name, "ns", BENCH_SOURCE_MODULE, BENCH_BETTER_LOWER, { { NULL, NULL } }
	};
	char text[160];

	if (hist->count || !s->why) {
		bench_metric_put_hist(job->metrics, &id, hist);
		return;
	}
	snprintf(text, sizeof(text), "/proc/thread-self/schedstat: %s", strerror(-s->why));
	bench_metric_put_status(job->metrics, &id, BENCH_NOT_SUPPORTED, 0, text);
}

/* So much of what was asked for must have come, where the CPU had room for it. */
#define SCHED_LOAD_ROOM 80u
#define SCHED_LOAD_LEAST 0.9

static inline void sched_sleeper_report_load(struct bench_job *job, double share)
{
	static const struct bench_metric_id id = {
		"load.share", "ratio", BENCH_SOURCE_MODULE, BENCH_BETTER_NONE, { { NULL, NULL } }
	};
	const struct sched_params *p = job->params;

	if (!p->load)
		return;
	if (p->load <= SCHED_LOAD_ROOM && share * 100 < SCHED_LOAD_LEAST * (double)p->load)
		bench_metric_put_status(job->metrics, &id, BENCH_INVALID, share,
					"generator-limited: others took the CPU");
	else
		bench_metric_put(job->metrics, &id, share);
}

/* Of nr sleepers; the load is their mean. */
static inline void sched_sleepers_report(struct bench_job *job, const struct sched_sleeper *s,
					 unsigned nr, const char *run_delay, const char *residual)
{
	double share = 0;

	for (unsigned i = 0; i < nr; i++) {
		sched_sleeper_report_split(job, &s[i].split, run_delay, s[i].split.run_delay);
		sched_sleeper_report_split(job, &s[i].split, residual, s[i].split.residual);
		share += sched_load_share(&s[i].load) / nr;
	}
	sched_sleeper_report_load(job, share);
}

/* As many, all alike. NULL when out of memory. */
static inline void sched_sleepers_free(struct sched_sleeper *s, unsigned nr)
{
	for (unsigned i = 0; s && i < nr; i++)
		sched_split_free(&s[i].split);
	free(s);
}

static inline struct sched_sleeper *sched_sleepers_new(unsigned nr)
{
	struct sched_sleeper *s = aligned_alloc(64, nr * sizeof(*s));

	if (!s)
		return NULL;
	memset(s, 0, nr * sizeof(*s));
	for (unsigned i = 0; i < nr; i++) {
		if (!sched_split_new(&s[i].split))
			continue;
		sched_sleepers_free(s, nr);
		return NULL;
	}
	return s;
}

#endif
