/* SPDX-License-Identifier: BSD-2-Clause */
/* sched,mode=messaging: groups of senders and receivers, each sender to each receiver of its group,
 * as hackbench does. The tasks are threads of this module's own, on the CPUs of all workers; worker
 * 0 starts a round and waits for its end, the others only lend their CPUs. */
#ifndef MODULES_SCHED_MSG_H
#define MODULES_SCHED_MSG_H

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>

#include "channel.h"
#include "sched_common.h"

struct msg_shared;

struct msg_task {
	struct msg_shared *s;
	pthread_t thread;
	unsigned group, id; /* id counts within senders or receivers of the group */
	bool sender, made;
	int rd, wr; /* of receivers */
	unsigned char *buf; /* of one message */
} __attribute__((aligned(64)));

struct msg_shared {
	_Atomic uint32_t round __attribute__((aligned(64))); /* a futex: tasks wait for the next */
	_Atomic uint32_t ended __attribute__((aligned(64))); /* a futex: worker 0 waits */
	_Atomic uint32_t left; /* tasks that are not done with the round */
	atomic_bool quit;      /* end the round early */
	atomic_bool leave;     /* the tasks end */
	_Atomic int error;     /* the first, negative errno */
	_Atomic uint32_t over; /* a futex: the other workers wait for the end of the window */
	_Atomic uint32_t *senders_left; /* of each group, in this round */
	struct msg_task *tasks;
	unsigned nr_tasks;
	uint64_t begin_cpu_ns, rounds;
};

/* The receivers of a group follow its senders. */
static inline struct msg_task *msg_receiver(struct msg_shared *s, const struct sched_params *p,
					    unsigned group, unsigned id)
{
	return &s->tasks[(2 * group + 1) * p->tasks + id];
}

static inline void msg_error(struct msg_shared *s, int error)
{
	int none = 0;

	atomic_compare_exchange_strong(&s->error, &none, error);
	atomic_store(&s->quit, true);
}

static inline void msg_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static inline void msg_send_all(struct msg_task *t, const struct sched_params *p)
{
	struct msg_shared *s = t->s;
	unsigned char *buf = t->buf;

	memset(buf, (int)t->id + 1, p->size);
	for (uint64_t loop = 0; loop < p->loops; loop++) {
		for (unsigned i = 0; i < p->tasks; i++) {
			int rc;

			/* Each time: on a busy host all messages of a loop may take seconds. */
			if (atomic_load_explicit(&s->quit, memory_order_relaxed))
				return;
			rc = channel_write_all(msg_receiver(s, p, t->group, i)->wr,
						   p->by == SCHED_BY_SOCKET, buf, p->size);

			/* An interrupt shuts sockets down. */
			if (rc == -EPIPE && atomic_load(&s->quit))
				return;
			if (rc)
				return msg_error(s, rc);
		}
	}
}

/* Messages of different senders come mixed, but each whole and all of them: the sum of the senders'
 * numbers tells. Who stops reading closes its end, or senders would wait for room for ever. */
static inline void msg_receive_all(struct msg_task *t, const struct sched_params *p)
{
	unsigned char *buf = t->buf;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < p->loops * p->tasks; i++) {
		int rc = channel_read_all(t->rd, buf, p->size);

		/* The senders of a round that ends early are gone. */
		if (rc == -EPIPE && atomic_load(&t->s->quit))
			return;
		if (rc) {
			msg_error(t->s, rc);
			return msg_close(&t->rd);
		}
		if (buf[0] != buf[p->size - 1])
			msg_error(t->s, -EBADMSG); /* and go on: a sender may wait for room */
		sum += buf[0];
	}
	if (sum != p->loops * p->tasks * (p->tasks + 1) / 2)
		msg_error(t->s, -EBADMSG);
}

/* A round that ends early must not leave receivers waiting. Sockets are shut down, not closed: their
 * numbers stay theirs, since sched_msg_interrupt() may come at any time. */
static inline void msg_sender_done(struct msg_task *t, const struct sched_params *p)
{
	if (atomic_fetch_sub(&t->s->senders_left[t->group], 1) != 1 || !atomic_load(&t->s->quit))
		return;
	for (unsigned i = 0; i < p->tasks; i++) {
		struct msg_task *r = msg_receiver(t->s, p, t->group, i);

		if (p->by == SCHED_BY_SOCKET)
			shutdown(r->wr, SHUT_WR);
		else
			msg_close(&r->wr);
	}
}

struct msg_start {
	struct msg_task *task;
	const struct sched_params *params;
};

static inline void *msg_main(void *arg)
{
	struct msg_start start = *(struct msg_start *)arg;
	struct msg_task *t = start.task;
	struct msg_shared *s = t->s;
	uint32_t round = 0;

	free(arg);
	for (;;) {
		while (atomic_load(&s->round) == round)
			(void)channel_futex(&s->round, FUTEX_WAIT_PRIVATE, round);
		round++;
		if (atomic_load(&s->leave))
			break;
		if (t->sender) {
			msg_send_all(t, start.params);
			msg_sender_done(t, start.params);
		} else {
			msg_receive_all(t, start.params);
		}
		if (atomic_fetch_sub(&s->left, 1) == 1) {
			atomic_fetch_add(&s->ended, 1);
			(void)channel_futex(&s->ended, FUTEX_WAKE_PRIVATE, 1);
		}
	}
	return NULL;
}

static inline int msg_open(struct msg_task *t, bool is_socket)
{
	int fd[2], rc = is_socket ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd)
				  : pipe2(fd, O_CLOEXEC);

	if (rc)
		return -errno;
	t->rd = fd[0];
	t->wr = fd[1];
	return 0;
}

static inline int sched_msg_setup(struct bench_job *job, struct bench_err *err)
{
	const struct sched_params *p = job->params;
	struct msg_shared *s = aligned_alloc(64, sizeof(*s));
	unsigned nr = (unsigned)(2 * p->groups * p->tasks);

	if (!s)
		return bench_fail(err, -ENOMEM, "out of memory");
	memset(s, 0, sizeof(*s));
	job->shared = s;
	s->senders_left = calloc(p->groups, sizeof(*s->senders_left));
	s->tasks = aligned_alloc(64, nr * sizeof(*s->tasks));
	if (!s->tasks || !s->senders_left)
		return bench_fail(err, -ENOMEM, "out of memory");
	memset(s->tasks, 0, nr * sizeof(*s->tasks));
	s->nr_tasks = nr;
	for (unsigned i = 0; i < nr; i++) {
		struct msg_task *t = &s->tasks[i];

		t->s = s;
		t->group = i / (2 * (unsigned)p->tasks);
		t->sender = i / (unsigned)p->tasks % 2 == 0;
		t->id = i % (unsigned)p->tasks;
		t->rd = t->wr = -1;
	}
	for (unsigned i = 0; i < nr; i++) {
		int rc = s->tasks[i].sender ? 0 : msg_open(&s->tasks[i], p->by == SCHED_BY_SOCKET);

		if (rc)
			return bench_fail(err, rc, "%u descriptors are needed: %s (see ulimit -n)",
					  nr, strerror(-rc));
	}
	return 0;
}

/* A task runs on any CPU of the job's workers. */
static inline int msg_start(struct bench_worker *w, struct msg_task *t, pthread_attr_t *attr)
{
	const struct sched_params *p = w->job->params;
	struct msg_start *start = malloc(sizeof(*start));
	int rc;

	/* Here, where it can fail: a task that does not take part leaves others waiting. */
	t->buf = malloc(p->size);
	if (!start || !t->buf) {
		free(start);
		return bench_worker_fail(w, -ENOMEM, "out of memory");
	}
	*start = (struct msg_start){ t, p };
	rc = pthread_create(&t->thread, attr, msg_main, start);
	if (rc) {
		free(start);
		return bench_worker_fail(w, -rc, "start task %u of %u: %s",
					 (unsigned)(t - t->s->tasks) + 1, t->s->nr_tasks,
					 strerror(rc));
	}
	t->made = true;
	return 0;
}

static inline int sched_msg_enter(struct bench_worker *w)
{
	struct msg_shared *s = w->job->shared;
	pthread_attr_t attr;
	cpu_set_t set;
	int rc = 0;

	w->passive = w->index != 0;
	if (w->passive)
		return 0;
	CPU_ZERO(&set);
	for (unsigned i = 0; w->job->cpus && i < w->job->nr_workers; i++)
		if (w->job->cpus[i] >= 0 && w->job->cpus[i] < CPU_SETSIZE)
			CPU_SET(w->job->cpus[i], &set);
	pthread_attr_init(&attr);
	if (CPU_COUNT(&set))
		pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	for (unsigned i = 0; i < s->nr_tasks && !rc; i++)
		rc = msg_start(w, &s->tasks[i], &attr);
	pthread_attr_destroy(&attr);
	return rc;
}

static inline uint64_t msg_cpu_ns(const struct msg_shared *s)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < s->nr_tasks; i++) {
		struct timespec ts;
		clockid_t id;

		if (s->tasks[i].made && !pthread_getcpuclockid(s->tasks[i].thread, &id) &&
		    !clock_gettime(id, &ts))
			sum += (uint64_t)ts.tv_sec * BENCH_NS_PER_SEC + (uint64_t)ts.tv_nsec;
	}
	return sum;
}

static inline int sched_msg_begin(struct bench_worker *w)
{
	struct msg_shared *s = w->job->shared;

	if (w->passive)
		return 0;
	atomic_store(&s->over, 0);
	s->rounds = 0;
	s->begin_cpu_ns = msg_cpu_ns(s);
	return 0;
}

/* Senders stop after their message, and the last of a group lets its receivers go; with sockets
 * nobody even has to wait for that. */
static inline void sched_msg_interrupt(struct bench_worker *w)
{
	const struct sched_params *p = w->job->params;
	struct msg_shared *s = w->job->shared;

	atomic_store(&s->quit, true);
	for (unsigned i = 0; p->by == SCHED_BY_SOCKET && i < s->nr_tasks; i++)
		if (!s->tasks[i].sender)
			shutdown(s->tasks[i].wr, SHUT_RDWR);
}

static inline int msg_round(struct bench_worker *w)
{
	const struct sched_params *p = w->job->params;
	struct msg_shared *s = w->job->shared;
	uint32_t ended = atomic_load(&s->ended);
	/* How often to look whether the user wants no more: a round may last for seconds. */
	const struct timespec look = { .tv_nsec = 100 * BENCH_NS_PER_MS };
	int error;

	for (unsigned i = 0; i < p->groups; i++)
		atomic_store(&s->senders_left[i], (uint32_t)p->tasks);
	atomic_store(&s->left, s->nr_tasks);
	atomic_fetch_add(&s->round, 1);
	(void)channel_futex(&s->round, FUTEX_WAKE_PRIVATE, INT32_MAX);
	while (atomic_load(&s->ended) == ended) {
		(void)syscall(SYS_futex, &s->ended, FUTEX_WAIT_PRIVATE, ended, &look, NULL, 0);
		if (w->job->stop && *w->job->stop && !atomic_load(&s->quit))
			sched_msg_interrupt(w);
	}
	error = atomic_load(&s->error);
	if (error == -EBADMSG)
		return bench_worker_fail(w, error, "a receiver got other messages than were sent");
	if (error)
		return bench_worker_fail(w, error, "a round ended early: %s", strerror(-error));
	if (atomic_load(&s->quit))
		return bench_worker_fail(w, -EINTR,
					 "a round was under way long after the window: fewer loops=, or "
					 "a host that is less busy");
	s->rounds++;
	w->bytes += p->groups * p->tasks * p->tasks * p->loops * p->size;
	return 0;
}

static inline int sched_msg_run(struct bench_worker *w, uint64_t ops)
{
	struct msg_shared *s = w->job->shared;
	int rc = 0;

	while (w->passive && !atomic_load(&s->over))
		(void)channel_futex(&s->over, FUTEX_WAIT_PRIVATE, 0);
	for (uint64_t i = 0; !w->passive && i < ops && !rc; i++)
		rc = msg_round(w);
	return rc;
}

static inline void sched_msg_finish(struct bench_worker *w)
{
	struct msg_shared *s = w->job->shared;

	w->other_cpu_ns = msg_cpu_ns(s) - s->begin_cpu_ns;
	atomic_store(&s->over, 1);
	(void)channel_futex(&s->over, FUTEX_WAKE_PRIVATE, INT32_MAX);
}

static inline void sched_msg_leave(struct bench_worker *w)
{
	struct msg_shared *s = w->job->shared;

	if (w->index != 0)
		return;
	atomic_store(&s->leave, true);
	atomic_fetch_add(&s->round, 1);
	(void)channel_futex(&s->round, FUTEX_WAKE_PRIVATE, INT32_MAX);
	for (unsigned i = 0; i < s->nr_tasks; i++)
		if (s->tasks[i].made)
			pthread_join(s->tasks[i].thread, NULL);
}

static inline void sched_msg_teardown(struct bench_job *job)
{
	struct msg_shared *s = job->shared;

	for (unsigned i = 0; s && i < s->nr_tasks; i++) {
		msg_close(&s->tasks[i].rd);
		msg_close(&s->tasks[i].wr);
		free(s->tasks[i].buf);
	}
	if (s) {
		free(s->senders_left);
		free(s->tasks);
	}
	free(s);
	job->shared = NULL;
}

static inline void sched_msg_report(struct bench_job *job, uint64_t trial_ns)
{
	static const struct bench_metric_id id = {
		"messages", "1/s", BENCH_SOURCE_MODULE, BENCH_BETTER_HIGHER, { { NULL, NULL } }
	};
	const struct sched_params *p = job->params;
	const struct msg_shared *s = job->shared;
	double nr = (double)s->rounds * (double)(p->groups * p->tasks * p->tasks * p->loops);

	if (trial_ns)
		bench_metric_put(job->metrics, &id, nr * 1e9 / (double)trial_ns);
}

#endif
