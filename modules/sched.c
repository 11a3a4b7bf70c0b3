// SPDX-License-Identifier: BSD-2-Clause
/* The scheduler: hand-over between two threads, wake-up by timer and by futex, groups that exchange
 * messages, making threads and processes, yielding. Each mode is a table of callbacks. */
#include <fcntl.h>

#include "bench/module.h"
#include "channel.h"
#include "sched_common.h"
#include "sched_msg.h"
#include "sched_spawn.h"
#include "sched_wake.h"

/* cyclictest's usual priority: above the kernel's interrupt threads (50), below its watchdogs. */
#define SCHED_FIFO_PRIORITY 80
#define SCHED_LATENCY_FILE "/dev/cpu_dma_latency"

struct sched_state {
	union {
		struct channel_end pair;
		struct sched_timer timer;
	} mode; /* first: the modes take the whole state for theirs */
	int old_policy;
	struct sched_param old_param;
	bool fifo, shallow; /* to be undone */
	int latency_fd;
};

static int sched_pair_setup(struct bench_job *job, struct bench_err *err)
{
	static const enum channel_kind kinds[] = { [SCHED_BY_FUTEX] = CHANNEL_FUTEX,
						   [SCHED_BY_PIPE] = CHANNEL_PIPE,
						   [SCHED_BY_EVENTFD] = CHANNEL_EVENTFD,
						   [SCHED_BY_SOCKET] = CHANNEL_UNIX };
	const struct sched_params *p = job->params;
	struct channel *ch = NULL;
	/* What perf bench sched pipe passes is an int; here every kind can carry it, an eventfd 8.
	 */
	int rc = channel_new(kinds[p->by], p->by == SCHED_BY_EVENTFD ? 8 : 4, &ch, err);

	job->shared = ch;
	return rc;
}

static int sched_pair_enter(struct bench_worker *w)
{
	return channel_enter(w, w->state);
}

static int sched_pair_begin(struct bench_worker *w)
{
	return channel_begin(w, w->state);
}

static int sched_pair_run(struct bench_worker *w, uint64_t ops)
{
	return w->passive ? channel_serve(w, w->state) : channel_ask(w, w->state, ops);
}

static void sched_pair_finish(struct bench_worker *w)
{
	channel_finish(w, w->state);
}

static void sched_pair_interrupt(struct bench_worker *w)
{
	channel_interrupt(w->job->shared);
}

static void sched_pair_leave(struct bench_worker *w)
{
	channel_leave(w->state);
}

static void sched_pair_teardown(struct bench_job *job)
{
	channel_free(job->shared);
	job->shared = NULL;
}

static void sched_pair_report(struct bench_job *job, uint64_t trial_ns)
{
	(void)trial_ns;
	channel_report(job);
}

static const struct sched_calls sched_modes[] = {
	[SCHED_MODE_PINGPONG] = { .setup = sched_pair_setup,
				  .enter = sched_pair_enter,
				  .begin = sched_pair_begin,
				  .run = sched_pair_run,
				  .finish = sched_pair_finish,
				  .interrupt = sched_pair_interrupt,
				  .leave = sched_pair_leave,
				  .teardown = sched_pair_teardown,
				  .report = sched_pair_report },
	[SCHED_MODE_TIMER] = { .setup = sched_timer_setup,
			       .enter = sched_timer_enter,
			       .begin = sched_timer_begin,
			       .run = sched_timer_run,
			       .finish = sched_timer_finish,
			       .leave = sched_timer_leave,
			       .teardown = sched_timer_teardown,
			       .report = sched_timer_report },
	[SCHED_MODE_WAKEUP] = { .setup = sched_wakeup_setup,
				.enter = sched_wakeup_enter,
				.begin = sched_wakeup_begin,
				.run = sched_wakeup_run,
				.finish = sched_wakeup_finish,
				.interrupt = sched_wakeup_interrupt,
				.leave = sched_wakeup_leave,
				.teardown = sched_wakeup_teardown,
				.report = sched_wakeup_report },
	[SCHED_MODE_MESSAGING] = { .setup = sched_msg_setup,
				   .enter = sched_msg_enter,
				   .begin = sched_msg_begin,
				   .run = sched_msg_run,
				   .finish = sched_msg_finish,
				   .interrupt = sched_msg_interrupt,
				   .leave = sched_msg_leave,
				   .teardown = sched_msg_teardown,
				   .report = sched_msg_report },
	[SCHED_MODE_CREATE] = { .run = sched_create_run },
	[SCHED_MODE_FORK] = { .run = sched_fork_run },
	[SCHED_MODE_EXEC] = { .run = sched_exec_run },
	[SCHED_MODE_YIELD] = { .run = sched_yield_run },
};

static const struct sched_calls *sched_calls_of(const struct bench_job *job)
{
	const struct sched_params *p = job->params;

	return &sched_modes[p->mode];
}

/* The modes that sleep and wake: what wakes them may be urgent, and idle states matter. */
static bool sched_is_wait(uint64_t mode)
{
	return mode == SCHED_MODE_PINGPONG || mode == SCHED_MODE_TIMER || mode == SCHED_MODE_WAKEUP;
}

static int sched_validate(const void *params, struct bench_err *err)
{
	const struct sched_params *p = params;

	if (p->mode == SCHED_MODE_MESSAGING && p->by != SCHED_BY_AUTO && p->by != SCHED_BY_PIPE &&
	    p->by != SCHED_BY_SOCKET)
		return bench_fail(err, -EINVAL, "mode=messaging goes by=socket or by=pipe");
	if (p->policy == SCHED_POLICY_FIFO && !sched_is_wait(p->mode))
		return bench_fail(err, -EINVAL,
				  "policy=fifo is for modes that sleep: pingpong, timer, wakeup");
	if (p->load && p->mode != SCHED_MODE_TIMER && p->mode != SCHED_MODE_WAKEUP)
		return bench_fail(err, -EINVAL, "load= is for modes timer and wakeup");
	if (p->idle == SCHED_IDLE_SHALLOW && !sched_is_wait(p->mode))
		return bench_fail(err, -EINVAL,
				  "idle=shallow is for modes that sleep: pingpong, timer, wakeup");
	return 0;
}

static void sched_resolve(void *params)
{
	struct sched_params *p = params;

	if (p->by == SCHED_BY_AUTO)
		p->by = p->mode == SCHED_MODE_MESSAGING ? SCHED_BY_SOCKET : SCHED_BY_PIPE;
}

static unsigned sched_workers(const void *params)
{
	const struct sched_params *p = params;

	return p->mode == SCHED_MODE_PINGPONG || p->mode == SCHED_MODE_WAKEUP ? 2 : 0;
}

static unsigned sched_runnable(const void *params)
{
	return sched_workers(params) ? 1 : 0;
}

/* May this thread have a real-time priority? Tried and undone. */
static int sched_check_fifo(struct bench_err *err)
{
	struct sched_param fifo = { .sched_priority = SCHED_FIFO_PRIORITY }, old;
	int policy = sched_getscheduler(0);

	(void)sched_getparam(0, &old);
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &fifo))
		return bench_fail(err, -errno,
				  "policy=fifo: priority %d: %s (root, CAP_SYS_NICE or ulimit -r)",
				  SCHED_FIFO_PRIORITY, strerror(errno));
	(void)sched_setscheduler(0, policy, &old);
	return 0;
}

static int sched_check(const void *params, struct bench_err *err)
{
	const struct sched_params *p = params;

	if (p->mode == SCHED_MODE_EXEC && access(p->program, X_OK))
		return bench_fail(err, -errno, "program=%s: %s", p->program, strerror(errno));
	if (p->idle == SCHED_IDLE_SHALLOW && access(SCHED_LATENCY_FILE, W_OK))
		return bench_fail(err, -errno, "idle=shallow: %s: %s", SCHED_LATENCY_FILE,
				  strerror(errno));
	return p->policy == SCHED_POLICY_FIFO ? sched_check_fifo(err) : 0;
}

static int sched_setup(struct bench_job *job, struct bench_err *err)
{
	const struct sched_calls *c = sched_calls_of(job);

	return c->setup ? c->setup(job, err) : 0;
}

/* While the file is open with 0 in it, no CPU enters an idle state that takes time to leave
 * (Documentation/power/pm_qos_interface.rst). */
static int sched_stay_shallow(struct bench_worker *w, struct sched_state *s)
{
	int32_t zero = 0;

	s->latency_fd = open(SCHED_LATENCY_FILE, O_WRONLY | O_CLOEXEC);
	s->shallow = s->latency_fd >= 0;
	if (!s->shallow || write(s->latency_fd, &zero, sizeof(zero)) != sizeof(zero))
		return bench_worker_fail(w, -errno, "%s: %s", SCHED_LATENCY_FILE, strerror(errno));
	return 0;
}

static int sched_be_urgent(struct bench_worker *w, struct sched_state *s)
{
	struct sched_param fifo = { .sched_priority = SCHED_FIFO_PRIORITY };

	s->old_policy = sched_getscheduler(0);
	(void)sched_getparam(0, &s->old_param);
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &fifo))
		return bench_worker_fail(w, -errno, "SCHED_FIFO, priority %d: %s",
					 SCHED_FIFO_PRIORITY, strerror(errno));
	s->fifo = true;
	return 0;
}

static int sched_enter(struct bench_worker *w)
{
	const struct sched_params *p = w->job->params;
	const struct sched_calls *c = sched_calls_of(w->job);
	struct sched_state *s = w->state;
	int rc = c->enter ? c->enter(w) : 0;

	/* These take the times that count by themselves. */
	w->no_latency = p->mode == SCHED_MODE_TIMER || p->mode == SCHED_MODE_WAKEUP;
	if (!rc && p->idle == SCHED_IDLE_SHALLOW && w->index == 0)
		rc = sched_stay_shallow(w, s);
	if (!rc && p->policy == SCHED_POLICY_FIFO)
		rc = sched_be_urgent(w, s);
	return rc;
}

static int sched_begin(struct bench_worker *w)
{
	const struct sched_calls *c = sched_calls_of(w->job);

	return c->begin ? c->begin(w) : 0;
}

static int sched_run(struct bench_worker *w, uint64_t ops)
{
	return sched_calls_of(w->job)->run(w, ops);
}

static void sched_finish(struct bench_worker *w)
{
	const struct sched_calls *c = sched_calls_of(w->job);

	if (c->finish)
		c->finish(w);
}

static void sched_interrupt(struct bench_worker *w)
{
	const struct sched_calls *c = sched_calls_of(w->job);

	if (c->interrupt)
		c->interrupt(w);
}

static void sched_leave(struct bench_worker *w)
{
	const struct sched_calls *c = sched_calls_of(w->job);
	struct sched_state *s = w->state;

	if (s->fifo)
		(void)sched_setscheduler(0, s->old_policy, &s->old_param);
	if (s->shallow)
		close(s->latency_fd);
	if (c->leave)
		c->leave(w);
}

static void sched_teardown(struct bench_job *job)
{
	const struct sched_calls *c = sched_calls_of(job);

	if (c->teardown && job->shared)
		c->teardown(job);
}

static void sched_report(struct bench_job *job, uint64_t trial_ns)
{
	const struct sched_calls *c = sched_calls_of(job);

	if (c->report)
		c->report(job, trial_ns);
}

static const char *const sched_mode_names[] = { "pingpong",  "timer",  "wakeup",
						"messaging", "create", "fork",
						"exec",	     "yield",  NULL };
static const char *const sched_by_names[] = { "auto", "futex", "pipe", "eventfd", "socket", NULL };
static const char *const sched_policies[] = { "normal", "fifo", NULL };
static const char *const sched_idles[] = { "any", "shallow", NULL };

static const struct bench_option sched_options[] = {
	{ .name = "mode",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct sched_params, mode),
	  .def = "pingpong",
	  .values = sched_mode_names,
	  .help = "what to do; pingpong and wakeup take 2 workers" },
	{ .name = "by",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct sched_params, by),
	  .def = "auto",
	  .values = sched_by_names,
	  .help = "pingpong, messaging: what carries a message (auto: pipe, and socket for "
		  "messaging)" },
	{ .name = "interval",
	  .type = BENCH_OPT_DURATION,
	  .offset = offsetof(struct sched_params, interval),
	  .min = 50 * BENCH_NS_PER_US,
	  .max = BENCH_NS_PER_SEC,
	  .def = "1ms",
	  .help = "timer, wakeup: time from one deadline or message to the next" },
	{ .name = "load",
	  .type = BENCH_OPT_U64,
	  .offset = offsetof(struct sched_params, load),
	  .max = SCHED_LOAD_MAX,
	  .def = "0",
	  .help = "timer, wakeup: per cent of the sleeper's CPU that threads beside it want, in bursts" },
	{ .name = "policy",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct sched_params, policy),
	  .def = "normal",
	  .values = sched_policies,
	  .help = "pingpong, timer, wakeup: scheduling class; fifo: SCHED_FIFO at priority 80" },
	{ .name = "idle",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct sched_params, idle),
	  .def = "any",
	  .values = sched_idles,
	  .help = "pingpong, timer, wakeup: shallow keeps all CPUs out of idle states that take "
		  "time "
		  "to leave" },
	{ .name = "groups",
	  .type = BENCH_OPT_U64,
	  .offset = offsetof(struct sched_params, groups),
	  .min = 1,
	  .max = 1000,
	  .def = "1",
	  .help = "messaging: groups of senders and receivers" },
	{ .name = "tasks",
	  .type = BENCH_OPT_U64,
	  .offset = offsetof(struct sched_params, tasks),
	  .min = 1,
	  .max = 200,
	  .def = "20",
	  .help = "messaging: senders of a group, and as many receivers" },
	{ .name = "loops",
	  .type = BENCH_OPT_U64,
	  .offset = offsetof(struct sched_params, loops),
	  .min = 1,
	  .max = 10000,
	  .def = "100",
	  .help = "messaging: messages from each sender to each receiver in one op" },
	{ .name = "size",
	  .type = BENCH_OPT_SIZE,
	  .offset = offsetof(struct sched_params, size),
	  .min = 1,
	  .max = 4096,
	  .def = "100",
	  .help = "messaging: bytes of a message" },
	{ .name = "program",
	  .type = BENCH_OPT_STRING,
	  .offset = offsetof(struct sched_params, program),
	  .def = "/usr/bin/true",
	  .help = "exec: the program, which must end with status 0" },
	{ .name = NULL },
};

static const char *const sched_suite[] = { "mode=pingpong", NULL };
static const char *const sched_full[] = {
	"mode=pingpong,by={futex,eventfd}",
	"mode={create,fork,exec,messaging,yield}",
	"mode=timer,policy={normal,fifo},idle={any,shallow}",
	"mode=wakeup,load={0,50,100,150}",
	NULL,
};

const struct bench_module bench_module_sched = {
	.abi = BENCH_MODULE_ABI,
	.exec = BENCH_EXEC_BLOCKING,
	.name = "sched",
	.own_pace = true,
	.summary = "the scheduler: hand-over, wake-up, messages, new threads and processes",
	.op = "pingpong: there and back; timer, wakeup: one wake-up; messaging: loops messages "
	      "from each "
	      "sender to each receiver; create, fork, exec: start and end of one; yield: one call",
	.options = sched_options,
	.suite = sched_suite,
	.full = sched_full,
	.params_size = sizeof(struct sched_params),
	.state_size = sizeof(struct sched_state),
	.workers = sched_workers,
	.runnable = sched_runnable,
	.validate = sched_validate,
	.resolve = sched_resolve,
	.check = sched_check,
	.setup = sched_setup,
	.enter = sched_enter,
	.begin = sched_begin,
	.run = sched_run,
	.finish = sched_finish,
	.interrupt = sched_interrupt,
	.leave = sched_leave,
	.teardown = sched_teardown,
	.report = sched_report,
};
