// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../modules/sched.c"
#include "module/rig.h"

/* Slow operations are the core's business. */
struct job {
	struct rig rig;
	struct bench_worker w[2];
	unsigned nr;
	pthread_t thread;
	int passive_rc;
};

static const struct bench_module *const m = &bench_module_sched;

static void *passive(void *arg)
{
	struct job *j = arg;

	j->passive_rc = m->run(&j->w[1], UINT64_MAX);
	return NULL;
}

static int job_init(struct job *j, const char *params)
{
	int rc;

	*j = (struct job){ 0 };
	rig_init(&j->rig, m, 1);
	assert_int_equal(rig_params(&j->rig, params), 0);
	m->resolve(j->rig.params);
	rc = m->check(j->rig.params, &j->rig.err);
	j->nr = m->workers(j->rig.params) ? m->workers(j->rig.params) : 1;
	j->rig.job.nr_workers = j->nr;
	for (unsigned i = 0; i < j->nr; i++) {
		rig_worker(&j->rig, &j->w[i], i);
		j->w[i].slow_ns = UINT64_MAX;
	}
	if (rc)
		return rc;
	assert_int_equal(m->setup(&j->rig.job, &j->rig.err), 0);
	for (unsigned i = 0; i < j->nr; i++)
		assert_int_equal(m->enter(&j->w[i]), 0);
	return 0;
}

static void job_begin(struct job *j)
{
	for (unsigned i = 0; i < j->nr; i++)
		assert_int_equal(m->begin(&j->w[i]), 0);
	if (j->nr > 1)
		assert_int_equal(pthread_create(&j->thread, NULL, passive, j), 0);
}

static void job_finish(struct job *j)
{
	m->finish(&j->w[0]);
	if (j->nr > 1)
		pthread_join(j->thread, NULL);
}

static void job_done(struct job *j)
{
	for (unsigned i = 0; i < j->nr; i++) {
		if (j->rig.job.shared || j->nr == 1)
			m->leave(&j->w[i]);
		rig_worker_done(&j->w[i]);
	}
	rig_done(&j->rig);
}

static int lowest_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static void every_mode_runs_and_leaves_nothing(void **state)
{
	static const char *const params[] = {
		"mode=pingpong",
		"mode=pingpong,by=futex",
		"mode=pingpong,by=eventfd",
		"mode=pingpong,by=socket",
		"mode=timer",
		"mode=wakeup",
		"mode=wakeup,load=50",
		"mode=timer,load=150",
		"mode=messaging,loops=3",
		"mode=messaging,loops=3,by=pipe,groups=2",
		"mode=create",
		"mode=fork",
		"mode=exec",
		"mode=yield",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
		int fd = lowest_fd();
		struct job j;

		assert_int_equal(job_init(&j, params[i]), 0);
		for (unsigned window = 0; window < 2; window++) {
			job_begin(&j);
			assert_int_equal(m->run(&j.w[0], 20), 0);
			job_finish(&j);
			assert_int_equal(j.passive_rc, 0);
			assert_int_equal(j.w[0].err.code, 0);
		}
		job_done(&j);
		assert_int_equal(lowest_fd(), fd);
	}
}

/* Coordinated omission, schbench's and others': what was due during a stall counts with the whole
 * of its delay, each deadline once, and none is moved. */
static void deadlines_missed_in_a_stall_count_in_full(void **state)
{
	struct sched_timer *t;
	struct job j;
	uint64_t due;

	(void)state;
	assert_int_equal(job_init(&j, "mode=timer,interval=1ms"), 0);
	job_begin(&j);
	assert_int_equal(m->run(&j.w[0], 1), 0);
	t = j.w[0].state;
	due = t->next_ns;
	usleep(10500);
	bench_hist_reset(j.w[0].latency);
	assert_int_equal(m->run(&j.w[0], 8), 0);
	assert_int_equal(j.w[0].latency->count, 8);
	assert_int_equal(t->next_ns, due + 8 * BENCH_NS_PER_MS);
	/* The first waited 9.5 ms at least, the eighth 2.5 ms. */
	assert_true(bench_hist_at(j.w[0].latency, 1) >= 9 * BENCH_NS_PER_MS);
	assert_true(bench_hist_at(j.w[0].latency, 0) >= 2 * BENCH_NS_PER_MS);
	job_finish(&j);
	assert_int_equal(j.w[0].err.code, 0);
	job_done(&j);
}

static void sleeps_without_switches_are_an_error(void **state)
{
	struct sched_timer *t;
	struct job j;

	(void)state;
	assert_int_equal(job_init(&j, "mode=timer,interval=1ms"), 0);
	job_begin(&j);
	assert_int_equal(m->run(&j.w[0], 20), 0);
	t = j.w[0].state;
	assert_int_equal(sched_timer_check(&j.w[0]), 0);
	t->begin = switches_now();
	assert_int_equal(sched_timer_check(&j.w[0]), -EBADMSG);
	/* And more switches than sleeps. */
	t->begin.voluntary -= 100;
	assert_int_equal(sched_timer_check(&j.w[0]), -EBADMSG);
	job_done(&j);
}

static void wakeups_are_those_of_the_messenger(void **state)
{
	struct sched_wakeup *s;
	struct job j;

	(void)state;
	assert_int_equal(job_init(&j, "mode=wakeup,interval=200us"), 0);
	j.rig.job.metrics = metric_set_new();
	job_begin(&j);
	assert_int_equal(m->run(&j.w[0], 100), 0);
	job_finish(&j);
	s = j.rig.job.shared;
	assert_int_equal(j.w[0].latency->count, 100);
	assert_true(s->woken == 100 || s->woken == 101);
	metric_set_next_trial(j.rig.job.metrics);
	m->report(&j.rig.job, 1);
	assert_true(metric_set_value(j.rig.job.metrics, "wakeup.woken") >= 100);
	s->begin = switches_now();
	assert_int_equal(sched_wakeup_check(&j.w[0]), -EBADMSG);
	job_done(&j);
}

static void *interrupt_soon(void *arg)
{
	struct job *j = arg;

	usleep(20000);
	m->interrupt(&j->w[0]);
	return NULL;
}

static void interrupt_ends_what_waits(void **state)
{
	static const char *const params[] = { "mode=wakeup,interval=1s",
					      "mode=messaging,loops=10000",
					      "mode=messaging,loops=10000,by=pipe" };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		pthread_t thread;
		struct job j;

		assert_int_equal(job_init(&j, params[i]), 0);
		/* Without its messenger nobody wakes the worker. */
		assert_int_equal(m->begin(&j.w[0]), 0);
		pthread_create(&thread, NULL, interrupt_soon, &j);
		assert_int_equal(m->run(&j.w[0], UINT32_MAX), -EINTR);
		pthread_join(thread, NULL);
		job_done(&j);
	}
}

static volatile bool told_to_stop;

static void *stop_soon(void *arg)
{
	(void)arg;
	usleep(20000);
	told_to_stop = true;
	return NULL;
}

/* Nobody who presses ^C waits until a long round is over, or the core loses patience. */
static void a_round_ends_when_the_user_wants_no_more(void **state)
{
	static const char *const params[] = { "mode=messaging,loops=10000",
					      "mode=messaging,loops=10000,by=pipe" };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		pthread_t thread;
		struct job j;

		told_to_stop = false;
		assert_int_equal(job_init(&j, params[i]), 0);
		j.rig.job.stop = &told_to_stop;
		assert_int_equal(m->begin(&j.w[0]), 0);
		pthread_create(&thread, NULL, stop_soon, NULL);
		assert_int_equal(m->run(&j.w[0], UINT32_MAX), -EINTR);
		pthread_join(thread, NULL);
		job_done(&j);
	}
}

static void messages_that_are_not_the_senders_are_an_error(void **state)
{
	static const char *const params[] = { "mode=messaging,loops=5,tasks=3,size=10",
					      "mode=messaging,loops=5,tasks=3,size=10,by=pipe" };
	unsigned char foreign[10];

	(void)state;
	memset(foreign, 99, sizeof(foreign));
	for (unsigned i = 0; i < 2; i++) {
		struct msg_shared *s;
		struct job j;

		assert_int_equal(job_init(&j, params[i]), 0);
		job_begin(&j);
		assert_int_equal(m->run(&j.w[0], 2), 0);
		assert_int_equal(j.w[0].bytes, 2 * 3 * 3 * 5 * 10);
		s = j.rig.job.shared;
		assert_int_equal(write(s->tasks[4].wr, foreign, sizeof(foreign)), sizeof(foreign));
		assert_int_equal(m->run(&j.w[0], 1), -EBADMSG);
		job_done(&j);
	}
}

static void fill(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	assert_int_equal(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
	while (write(fd, "", 1) == 1)
		;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(fcntl(fd, F_SETFL, flags), 0);
}

/* Who cannot read any more must not leave the senders waiting for room in a full buffer. Whether a
 * sender already waits when the receiver fails is chance: hence 20 times. */
static void a_receiver_that_fails_ends_the_round(void **state)
{
	static const char *const params[] = { "mode=messaging,tasks=3",
					      "mode=messaging,tasks=3,by=pipe" };

	(void)state;
	signal(SIGPIPE, SIG_IGN); /* workers block it */
	for (unsigned i = 0; i < 40; i++) {
		struct msg_task *receiver;
		unsigned char *buf;
		struct job j;

		assert_int_equal(job_init(&j, params[i % 2]), 0);
		job_begin(&j);
		receiver = &((struct msg_shared *)j.rig.job.shared)->tasks[4];
		fill(receiver->wr);
		buf = receiver->buf;
		receiver->buf = NULL; /* the kernel cannot write there */
		assert_int_equal(m->run(&j.w[0], 1), -EFAULT);
		receiver->buf = buf;
		job_done(&j);
	}
	signal(SIGPIPE, SIG_DFL);
}

static void pin(int cpu, cpu_set_t *before)
{
	cpu_set_t set;

	assert_int_equal(sched_getaffinity(0, sizeof(*before), before), 0);
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

/* Every wake-up is split, into parts that are no more than the whole. The sleeper shares its CPU
 * with the load and must not preempt it: of who preempts or finds the CPU idle, the kernel may
 * count no delay at all, since it reads the clock once for the wake-up and the switch
 * (rq_clock_skip_update()). */
static void wakeups_are_split_into_run_delay_and_rest(void **state)
{
	const struct sched_param none = { 0 };
	struct sched_split *split;
	cpu_set_t before;
	struct job j;

	(void)state;
	pin(sched_getcpu(), &before);
	assert_int_equal(job_init(&j, "mode=wakeup,interval=200us,load=100"), 0);
	split = &((struct sched_wakeup *)j.rig.job.shared)->sleeper->split;
	job_begin(&j);
	assert_int_equal(sched_setscheduler(0, SCHED_IDLE, &none), 0);
	assert_int_equal(m->run(&j.w[0], 20), 0);
	job_finish(&j);
	assert_int_equal(sched_setscheduler(0, SCHED_OTHER, &none), 0);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	if (split->fd < 0) {
		assert_int_not_equal(split->why, 0);
		job_done(&j);
		print_message("skipped: /proc/thread-self/schedstat: %s\n", strerror(-split->why));
		skip();
	}
	assert_int_equal(split->run_delay->count, 20);
	assert_int_equal(split->residual->count, 20);
	assert_true(split->run_delay->sum + split->residual->sum == j.w[0].latency->sum);
	assert_true(split->run_delay->sum > j.w[0].latency->sum / 2);
	job_done(&j);
}

/* A load is so much CPU time, by the kernel's count, or less where others take the CPU; never more. */
static void load_takes_its_share(void **state)
{
	static const unsigned percent[] = { 10, 50, 150 };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct sched_load *l;
		char params[64];
		struct job j;
		double share;

		snprintf(params, sizeof(params), "mode=timer,load=%u", percent[i]);
		assert_int_equal(job_init(&j, params), 0);
		l = &((struct sched_sleeper *)j.rig.job.shared)->load;
		assert_int_equal(l->nr, percent[i] > 100 ? 2 : 1);
		job_begin(&j);
		usleep(300000);
		job_finish(&j);
		share = sched_load_share(l);
		assert_true(share > 0);
		assert_true(share < percent[i] / 100.0 * 1.2 + 0.02);
		/* Closed, it takes nothing more. */
		usleep(20000);
		share = sched_load_share(l);
		usleep(50000);
		assert_true(share == sched_load_share(l));
		job_done(&j);
	}
}

static void a_program_that_fails_is_an_error(void **state)
{
	struct rig r;
	struct job j;

	(void)state;
	assert_int_equal(job_init(&j, "mode=exec,program=/usr/bin/false"), 0);
	job_begin(&j);
	assert_int_equal(m->run(&j.w[0], 1), -ECHILD);
	job_done(&j);
	rig_init(&r, m, 1);
	assert_int_equal(rig_params(&r, "mode=exec,program=/no/such/program"), 0);
	assert_int_equal(m->check(r.params, &r.err), -ENOENT);
	rig_done(&r);
}

/* CPU time of threads and children is part of what an op costs. */
static void time_of_what_is_made_counts(void **state)
{
	static const char *const params[] = { "mode=create", "mode=fork", "mode=exec",
					      "mode=messaging,loops=20" };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct job j;

		assert_int_equal(job_init(&j, params[i]), 0);
		job_begin(&j);
		assert_int_equal(m->run(&j.w[0], 20), 0);
		job_finish(&j);
		/* A thread or process takes microseconds, not nanoseconds, to come and go. */
		assert_true(j.w[0].other_cpu_ns > 20 * BENCH_NS_PER_US);
		job_done(&j);
	}
}

static void fifo_is_taken_and_given_back(void **state)
{
	struct job j;
	int rc = job_init(&j, "mode=timer,policy=fifo");

	(void)state;
	if (rc) {
		print_message("%s\n", j.rig.err.msg);
		assert_non_null(strstr(j.rig.err.msg, "ulimit -r"));
		job_done(&j);
		skip();
	}
	assert_int_equal(sched_getscheduler(0) & ~SCHED_RESET_ON_FORK, SCHED_FIFO);
	job_begin(&j);
	assert_int_equal(m->run(&j.w[0], 5), 0);
	job_finish(&j);
	job_done(&j);
	assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
}

static void what_does_not_go_together_is_refused(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, m, 1);
	assert_int_equal(rig_params(&r, "mode=yield,policy=fifo"), -EINVAL);
	assert_int_equal(rig_params(&r, "mode=messaging,idle=shallow"), -EINVAL);
	assert_int_equal(rig_params(&r, "mode=messaging,by=futex"), -EINVAL);
	assert_int_equal(rig_params(&r, "mode=pingpong,load=50"), -EINVAL);
	assert_int_equal(rig_params(&r, "mode=wakeup,load=500"), -EINVAL);
	assert_int_equal(rig_params(&r, "mode=timer,interval=1us"), -EINVAL);
	assert_int_equal(rig_params(&r, "mode=messaging"), 0);
	m->resolve(r.params);
	assert_int_equal(((struct sched_params *)r.params)->by, SCHED_BY_SOCKET);
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mode_runs_and_leaves_nothing),
		cmocka_unit_test(deadlines_missed_in_a_stall_count_in_full),
		cmocka_unit_test(sleeps_without_switches_are_an_error),
		cmocka_unit_test(wakeups_are_those_of_the_messenger),
		cmocka_unit_test(interrupt_ends_what_waits),
		cmocka_unit_test(a_round_ends_when_the_user_wants_no_more),
		cmocka_unit_test(messages_that_are_not_the_senders_are_an_error),
		cmocka_unit_test(a_receiver_that_fails_ends_the_round),
		cmocka_unit_test(wakeups_are_split_into_run_delay_and_rest),
		cmocka_unit_test(load_takes_its_share),
		cmocka_unit_test(a_program_that_fails_is_an_error),
		cmocka_unit_test(time_of_what_is_made_counts),
		cmocka_unit_test(fifo_is_taken_and_given_back),
		cmocka_unit_test(what_does_not_go_together_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
