// SPDX-License-Identifier: BSD-2-Clause
/* Messages from one worker to another and back, by the kernel's means. Bound by the time that it
 * takes to wake the other one; place matters more than the means. */
#include "channel.h"

struct ipc_params {
	uint64_t kind, size;
};

/* The numbers are those of enum channel_kind. */
static const char *const ipc_kinds[] = { "pipe", "eventfd", "unix", "futex", "tcp", NULL };

static int ipc_validate(const void *params, struct bench_err *err)
{
	const struct ipc_params *p = params;

	if (p->kind == CHANNEL_EVENTFD && p->size != 1 && p->size != sizeof(uint64_t))
		return bench_fail(err, -EINVAL,
				  "an eventfd passes 8 bytes at a time; leave out size=");
	return 0;
}

/* The plan and the result tell the size that is used. */
static void ipc_resolve(void *params)
{
	struct ipc_params *p = params;

	if (p->kind == CHANNEL_EVENTFD)
		p->size = sizeof(uint64_t);
}

static unsigned ipc_runnable(const void *params)
{
	(void)params;
	return 1;
}

static int ipc_setup(struct bench_job *job, struct bench_err *err)
{
	const struct ipc_params *p = job->params;
	struct channel *ch = NULL;
	int rc = channel_new((enum channel_kind)p->kind, p->size, &ch, err);

	job->shared = ch;
	return rc;
}

static int ipc_enter(struct bench_worker *w)
{
	return channel_enter(w, w->state);
}

static int ipc_begin(struct bench_worker *w)
{
	return channel_begin(w, w->state);
}

static int ipc_run(struct bench_worker *w, uint64_t ops)
{
	const struct channel *ch = w->job->shared;

	if (w->passive)
		return channel_serve(w, w->state);
	w->bytes += 2 * ops * ch->size;
	return channel_ask(w, w->state, ops);
}

static void ipc_finish(struct bench_worker *w)
{
	channel_finish(w, w->state);
}

static void ipc_interrupt(struct bench_worker *w)
{
	channel_interrupt(w->job->shared);
}

static void ipc_leave(struct bench_worker *w)
{
	channel_leave(w->state);
}

static void ipc_teardown(struct bench_job *job)
{
	channel_free(job->shared);
	job->shared = NULL;
}

static void ipc_report(struct bench_job *job, uint64_t trial_ns)
{
	(void)trial_ns;
	channel_report(job);
}

static const struct bench_option ipc_options[] = {
	{ .name = "kind",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct ipc_params, kind),
	  .def = "pipe",
	  .values = ipc_kinds,
	  .help = "what carries the message: unix: stream socket; futex: shared memory and a "
		  "futex; "
		  "tcp: over loopback" },
	{ .name = "size",
	  .type = BENCH_OPT_SIZE,
	  .offset = offsetof(struct ipc_params, size),
	  .min = 1,
	  .max = 64u << 20,
	  .def = "1",
	  .help = "bytes of a message (kind=eventfd: always 8)" },
	{ .name = NULL },
};

static const char *const ipc_full[] = { "kind={pipe,eventfd,unix,futex,tcp}", NULL };

const struct bench_module bench_module_ipc = {
	.abi = BENCH_MODULE_ABI,
	.exec = BENCH_EXEC_BLOCKING,
	.name = "ipc",
	.summary = "messages between two threads, by the kernel's means",
	.op = "a message of size bytes to the other worker and back",
	.options = ipc_options,
	.full = ipc_full,
	.params_size = sizeof(struct ipc_params),
	.state_size = sizeof(struct channel_end),
	.min_workers = CHANNEL_SIDES,
	.max_workers = CHANNEL_SIDES,
	.runnable = ipc_runnable,
	.validate = ipc_validate,
	.resolve = ipc_resolve,
	.setup = ipc_setup,
	.enter = ipc_enter,
	.begin = ipc_begin,
	.run = ipc_run,
	.finish = ipc_finish,
	.interrupt = ipc_interrupt,
	.leave = ipc_leave,
	.teardown = ipc_teardown,
	.report = ipc_report,
};
