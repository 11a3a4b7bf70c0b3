/* SPDX-License-Identifier: BSD-2-Clause */
/* sched,mode=timer and mode=wakeup: how long until a sleeper runs. */
#ifndef MODULES_SCHED_WAKE_H
#define MODULES_SCHED_WAKE_H

#include "channel.h"
#include "sched_common.h"
#include "sched_load.h"

/* --- timer: a thread that sleeps until absolute deadlines, as cyclictest does --- */

struct sched_timer {
	uint64_t next_ns;      /* the next deadline; 0 = the window's first op sets it */
	uint64_t ops, far_ops; /* of the window; those whose deadline lay ahead for sure */
	struct switches begin;
};

/* A deadline so near may pass on the way to sleep. */
#define SCHED_TIMER_NEAR_NS (20 * BENCH_NS_PER_US)

/* job->shared is a sleeper for each worker. */
static inline struct sched_sleeper *sched_timer_sleeper(const struct bench_worker *w)
{
	struct sched_sleeper *sleepers = w->job->shared;

	return &sleepers[w->index];
}

static inline int sched_timer_setup(struct bench_job *job, struct bench_err *err)
{
	job->shared = sched_sleepers_new(job->nr_workers);
	return job->shared ? 0 : bench_fail(err, -ENOMEM, "out of memory");
}

static inline int sched_timer_enter(struct bench_worker *w)
{
	return sched_sleeper_enter(w, sched_timer_sleeper(w));
}

static inline int sched_timer_begin(struct bench_worker *w)
{
	struct sched_timer *t = w->state;

	sched_sleeper_begin(sched_timer_sleeper(w));
	*t = (struct sched_timer){ .begin = switches_now() };
	return 0;
}

/* Deadlines go on by the interval whatever happens: after a stall those that were missed count with
 * the whole of their delay. */
static inline int sched_timer_run(struct bench_worker *w, uint64_t ops)
{
	const struct sched_params *p = w->job->params;
	struct sched_split *split = &sched_timer_sleeper(w)->split;
	struct sched_timer *t = w->state;

	for (uint64_t i = 0; i < ops; i++) {
		uint64_t now;

		sched_split_sleep(split);
		now = bench_now_ns();
		if (!t->next_ns)
			t->next_ns = now + p->interval;
		t->far_ops += t->next_ns > now + SCHED_TIMER_NEAR_NS;
		sched_sleep_until(t->next_ns);
		now = bench_now_ns();
		if (now < t->next_ns)
			return bench_worker_fail(w, -EBADMSG,
						 "woken %" PRIu64 " ns before the deadline",
						 t->next_ns - now);
		sched_latency(w, t->next_ns, now);
		sched_split_awake(split, now - t->next_ns);
		t->next_ns += p->interval;
		t->ops++;
	}
	return 0;
}

/* Who slept has left the CPU, once for each deadline. */
static inline int sched_timer_check(struct bench_worker *w)
{
	const struct sched_timer *t = w->state;
	uint64_t slept = switches_since(t->begin).voluntary;

	if (slept >= t->far_ops && slept <= t->ops + t->ops / 100 + SWITCHES_SLACK)
		return 0;
	return bench_worker_fail(w, -EBADMSG,
				 "%" PRIu64 " sleeps, of which %" PRIu64
				 " could not be over before they began, but %" PRIu64
				 " voluntary context switches",
				 t->ops, t->far_ops, slept);
}

static inline void sched_timer_finish(struct bench_worker *w)
{
	sched_load_end(&sched_timer_sleeper(w)->load);
	(void)sched_timer_check(w);
}

static inline void sched_timer_leave(struct bench_worker *w)
{
	if (w->job->shared)
		sched_sleeper_leave(sched_timer_sleeper(w));
}

static inline void sched_timer_teardown(struct bench_job *job)
{
	sched_sleepers_free(job->shared, job->nr_workers);
	job->shared = NULL;
}

static inline void sched_timer_report(struct bench_job *job, uint64_t trial_ns)
{
	(void)trial_ns;
	sched_sleepers_report(job, job->shared, job->nr_workers, "timer.run_delay",
			      "timer.residual");
}

/* --- wakeup: a messenger (worker 1, passive) wakes a worker (0) that sleeps on a futex --- */

struct sched_wakeup {
	_Atomic uint32_t seq __attribute__((aligned(64))); /* the futex */
	_Atomic uint64_t stamp_ns;			   /* taken right before the wake-up */
	atomic_bool waiting, done;
	uint64_t woken, missed; /* the messenger's; read after the window */
	uint64_t ops;		/* the worker's; read after the window */
	struct switches begin;
	struct bench_hist *late; /* the messenger's: from due to the wake-up, ns */
	struct sched_sleeper *sleeper;
};

static inline int sched_wakeup_setup(struct bench_job *job, struct bench_err *err)
{
	struct sched_wakeup *s = aligned_alloc(64, sizeof(*s));

	if (!s)
		return bench_fail(err, -ENOMEM, "out of memory");
	memset(s, 0, sizeof(*s));
	job->shared = s;
	s->late = bench_hist_new(BENCH_HIST_BITS_WORKER);
	s->sleeper = sched_sleepers_new(1);
	return s->late && s->sleeper ? 0 : bench_fail(err, -ENOMEM, "out of memory");
}

static inline void sched_wakeup_teardown(struct bench_job *job)
{
	struct sched_wakeup *s = job->shared;

	bench_hist_free(s->late);
	sched_sleepers_free(s->sleeper, 1);
	free(s);
	job->shared = NULL;
}

static inline int sched_wakeup_enter(struct bench_worker *w)
{
	struct sched_wakeup *s = w->job->shared;

	w->passive = w->index == 1;
	return w->passive ? 0 : sched_sleeper_enter(w, s->sleeper);
}

static inline void sched_wakeup_leave(struct bench_worker *w)
{
	struct sched_wakeup *s = w->job->shared;

	if (w->index == 0)
		sched_sleeper_leave(s->sleeper);
}

static inline int sched_wakeup_begin(struct bench_worker *w)
{
	struct sched_wakeup *s = w->job->shared;

	if (w->passive) {
		s->woken = s->missed = 0;
		bench_hist_reset(s->late);
		return 0;
	}
	sched_sleeper_begin(s->sleeper);
	s->ops = 0;
	atomic_store(&s->done, false);
	atomic_store(&s->waiting, false);
	s->begin = switches_now();
	return 0;
}

/* Due times are fixed before; a worker that is not back asleep by then is left alone and counted.
 */
static inline int sched_wakeup_messenger(struct bench_worker *w)
{
	const struct sched_params *p = w->job->params;
	struct sched_wakeup *s = w->job->shared;

	for (uint64_t due = bench_now_ns() + p->interval;; due += p->interval) {
		uint64_t now;

		sched_sleep_until(due);
		if (atomic_load(&s->done))
			return 0;
		if (!atomic_exchange(&s->waiting, false)) {
			s->missed++;
			continue;
		}
		now = bench_now_ns();
		bench_hist_record(s->late, now - due);
		atomic_store_explicit(&s->stamp_ns, now, memory_order_relaxed);
		atomic_fetch_add_explicit(&s->seq, 1, memory_order_release);
		s->woken += channel_futex(&s->seq, FUTEX_WAKE_PRIVATE, 1) == 1;
	}
}

/* One wake-up. A message that came before the worker was asleep is none, and is not counted. */
static inline int sched_wakeup_one(struct bench_worker *w)
{
	struct sched_wakeup *s = w->job->shared;

	for (;;) {
		uint32_t seq = atomic_load(&s->seq);
		bool slept = false;
		uint64_t now, stamp;

		sched_split_sleep(&s->sleeper->split);
		atomic_store(&s->waiting, true);
		while (atomic_load_explicit(&s->seq, memory_order_acquire) == seq)
			slept |= channel_futex(&s->seq, FUTEX_WAIT_PRIVATE, seq) == 0;
		now = bench_now_ns();
		if (atomic_load(&s->done))
			return bench_worker_fail(w, -EINTR,
						 "the wait for a wake-up was interrupted");
		if (!slept)
			continue;
		stamp = atomic_load_explicit(&s->stamp_ns, memory_order_relaxed);
		sched_latency(w, stamp, now);
		sched_split_awake(&s->sleeper->split, now - stamp);
		s->ops++;
		return 0;
	}
}

static inline int sched_wakeup_run(struct bench_worker *w, uint64_t ops)
{
	if (w->passive)
		return sched_wakeup_messenger(w);
	for (uint64_t i = 0; i < ops; i++) {
		int rc = sched_wakeup_one(w);

		if (rc)
			return rc;
	}
	return 0;
}

static inline int sched_wakeup_check(struct bench_worker *w)
{
	const struct sched_wakeup *s = w->job->shared;
	uint64_t slept = switches_since(s->begin).voluntary;

	if (slept >= s->ops)
		return 0;
	return bench_worker_fail(w, -EBADMSG,
				 "%" PRIu64 " wake-ups, but %" PRIu64 " voluntary context switches",
				 s->ops, slept);
}

static inline void sched_wakeup_finish(struct bench_worker *w)
{
	struct sched_wakeup *s = w->job->shared;

	sched_load_end(&s->sleeper->load);
	(void)sched_wakeup_check(w);
	atomic_store(&s->done, true);
}

static inline void sched_wakeup_interrupt(struct bench_worker *w)
{
	struct sched_wakeup *s = w->job->shared;

	atomic_store(&s->done, true);
	atomic_fetch_add(&s->seq, 1);
	(void)channel_futex(&s->seq, FUTEX_WAKE_PRIVATE, 1);
}

/* Wake-ups of the window by the messenger's count, and due times that found the worker not asleep.
 */
static inline void sched_wakeup_report(struct bench_job *job, uint64_t trial_ns)
{
	static const struct bench_metric_id woken = {
		"wakeup.woken", "count", BENCH_SOURCE_MODULE, BENCH_BETTER_NONE, { { NULL, NULL } }
	};
	static const struct bench_metric_id missed = { "wakeup.missed",
						       "count",
						       BENCH_SOURCE_MODULE,
						       BENCH_BETTER_LOWER,
						       { { NULL, NULL } } };
	static const struct bench_metric_id late = {
		"wakeup.late", "ns", BENCH_SOURCE_MODULE, BENCH_BETTER_LOWER, { { NULL, NULL } }
	};
	const struct sched_wakeup *s = job->shared;

	(void)trial_ns;
	/* The last message may have found the worker on its way out of the window. */
	if (s->woken < s->ops || s->woken > s->ops + 1)
		bench_metric_put_status(job->metrics, &woken, BENCH_INVALID, (double)s->woken,
					"not the number of times that the worker was woken");
	else
		bench_metric_put(job->metrics, &woken, (double)s->woken);
	bench_metric_put(job->metrics, &missed, (double)s->missed);
	bench_metric_put_hist(job->metrics, &late, s->late);
	sched_sleepers_report(job, s->sleeper, 1, "wakeup.run_delay", "wakeup.residual");
}

#endif
