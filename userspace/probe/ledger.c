// SPDX-License-Identifier: BSD-2-Clause
/* The ledger's memory, its window, and its sums. */
#include "probe/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "probe/set.h"

static const char *const names[PROBE_NR_INTERVAL_CAUSES] = {
	[PROBE_CAUSE_USER] = "user",
	[PROBE_CAUSE_KERNEL] = "kernel",
	[PROBE_CAUSE_HARDIRQ] = "hardirq",
	[PROBE_CAUSE_SOFTIRQ] = "softirq",
	[PROBE_CAUSE_STEAL] = "steal",
	[PROBE_CAUSE_RUNQUEUE] = "runqueue",
	[PROBE_CAUSE_DISK] = "blocked.disk",
	[PROBE_CAUSE_NET] = "blocked.net",
	[PROBE_CAUSE_FUTEX] = "blocked.futex",
	[PROBE_CAUSE_IPC] = "blocked.ipc",
	[PROBE_CAUSE_TIMER] = "blocked.timer",
	[PROBE_CAUSE_FAULT] = "blocked.fault",
	[PROBE_CAUSE_URING] = "blocked.uring",
	[PROBE_CAUSE_OTHER] = "blocked.other",
	[PROBE_CAUSE_OBSERVER] = "observer",
	[PROBE_CAUSE_UNACCOUNTED] = "unaccounted",
	[PROBE_CAUSE_ONCPU] = "oncpu",
};

const char *probe_cause_name(enum probe_cause cause)
{
	return (unsigned)cause < PROBE_NR_INTERVAL_CAUSES ? names[cause] : "?";
}

/* Kinds of files that have no type are known by their operations: have the iterator look at one
 * of each. Without, a wait for one of them is blocked.other. */
static void files_learn(struct probe_set *set)
{
	struct probe_file_ops *ops = set->file_ops;

	ops->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	ops->event_fd = eventfd(0, EFD_CLOEXEC);
	ops->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	(void)track_visit(set, set->track, "learn", 0, getpid());
	if (ops->timer_fd >= 0)
		close(ops->timer_fd);
	if (ops->event_fd >= 0)
		close(ops->event_fd);
	if (ops->epoll_fd >= 0)
		close(ops->epoll_fd);
}

int ledger_open(struct probe_set *set)
{
	set->history = object_map(set->sched, "history", &set->history_bytes);
	set->stacks = object_map(set->sched, "stacks", &set->stacks_bytes);
	set->slices = object_map(set->sched, "slices", &set->slices_bytes);
	if (!set->history || !set->stacks || !set->slices)
		return -ENOMEM;
	files_learn(set);
	return 0;
}

void ledger_close(struct probe_set *set)
{
	ledger_foreign(set, false);
	stacks_free(set);
	if (set->history)
		munmap(set->history, set->history_bytes);
	if (set->slices)
		munmap(set->slices, set->slices_bytes);
	if (set->stacks)
		munmap(set->stacks, set->stacks_bytes);
	if (set->file_ops)
		munmap(set->file_ops, (size_t)sysconf(_SC_PAGESIZE));
	free(set->follows);
	set->history = NULL;
	set->slices = NULL;
	set->stacks = NULL;
	set->file_ops = NULL;
	set->follows = NULL;
}

/* The host's share of each CPU so far, into steal_end. */
static void steal_read(const struct probe_set *set)
{
	int fd = object_prog_fd(set->sched, "steal");

	for (unsigned cpu = 0; fd >= 0 && cpu < set->nr_cpus && cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set->allowed))
			(void)window_run_on(fd, cpu); /* an offline CPU has none */
}

void ledger_begin(struct probe_set *set)
{
	if (set->mode.causes)
		steal_read(set);
	for (unsigned cpu = 0; cpu < set->nr_cpus; cpu++) {
		struct probe_cpu_clock *c = &set->clocks[cpu];

		c->hardirq_base = c->hardirq_ns;
		c->softirq_base = c->softirq_ns;
		c->steal_base = c->steal_end;
		c->steal_known = set->serial + 1;
	}
	set->windows->unread = 1;
	sample_enable(set, true);
}

void ledger_end(struct probe_set *set)
{
	sample_enable(set, false);
	if (set->mode.causes)
		steal_read(set);
}

void ledger_foreign(struct probe_set *set, bool on)
{
	struct bpf_program *prog;
	unsigned nr = 0;

	if (on == !!set->foreign[0] || (on && !set->mode.causes))
		return;
	for (unsigned i = 0; !on && i < 2; i++) {
		(void)bpf_link__destroy(set->foreign[i]); /* detaches; cannot be helped if not */
		set->foreign[i] = NULL;
	}
	if (!on || !set->sched->bpf)
		return;
	bpf_object__for_each_program(prog, set->sched->bpf)
		if (nr < 2 && bpf_program__autoload(prog) &&
		    !strncmp(bpf_program__name(prog), "foreign_", 8)) {
			set->foreign[nr] = program_attach(prog);
			/* Without both the counts mean nothing: such waits stay blocked.uring. */
			if (!set->foreign[nr++])
				break;
		}
	if (nr < 2 || !set->foreign[1]) {
		(void)bpf_link__destroy(set->foreign[0]);
		set->foreign[0] = NULL;
	}
}

const struct probe_thread *ledger_thread(const struct probe_set *set, pid_t tid)
{
	for (unsigned i = 0; i < set->nr_follows; i++)
		if (set->follows[i].tid == tid && set->follows[i].slot < PROBE_THREADS)
			return &set->threads[set->follows[i].slot];
	return NULL;
}

uint32_t *probe_mix(struct probe_set *set, pid_t tid)
{
	const struct probe_thread *t = set->mode.causes ? ledger_thread(set, tid) : NULL;

	return t ? &set->threads[t - set->threads].mix : NULL;
}

static void add(struct probe_ledger *to, const struct probe_ledger *from)
{
	uint64_t *a = (uint64_t *)to;
	const uint64_t *b = (const uint64_t *)from;

	for (size_t i = 0; i < PROBE_LEDGER_SLOTS; i++)
		a[i] += b[i];
}

static uint64_t take(uint64_t now, uint64_t then, uint64_t *left)
{
	uint64_t ns = now > then ? now - then : 0;

	if (ns > *left)
		ns = *left;
	*left -= ns;
	return ns;
}

/* A thread that still runs: the interrupts since it got its CPU. */
static void taken_open(const struct probe_set *set, const struct probe_thread *t, bool silent,
		       uint64_t ns, struct probe_ledger *to)
{
	const struct probe_cpu_clock *c = &set->clocks[t->cpu < set->nr_cpus ? t->cpu : 0];

	to->taken_ns[PROBE_TAKEN_HARDIRQ] +=
		take(c->hardirq_ns, silent ? c->hardirq_base : t->taken_at[PROBE_TAKEN_HARDIRQ],
		     &ns);
	to->taken_ns[PROBE_TAKEN_SOFTIRQ] +=
		take(c->softirq_ns, silent ? c->softirq_base : t->taken_at[PROBE_TAKEN_SOFTIRQ],
		     &ns);
	to->taken_ns[PROBE_TAKEN_STEAL] += take(
		c->steal_end, silent ? c->steal_base : t->taken_at[PROBE_TAKEN_STEAL], &ns);
}

void ledger_open_interval(const struct probe_set *set, const struct probe_thread *t,
			  struct ledger_sum *sum)
{
	bool silent = t->serial != set->serial, known = !silent || t->peek_serial == set->serial;
	uint32_t state = silent ? t->peek_state : t->state;
	uint32_t blocked = silent ? t->peek_blocked : t->blocked;
	uint64_t born = t->born_ns > set->start_ns ? t->born_ns : set->start_ns;
	uint64_t from = silent ? born : t->since_ns, end = set->end_ns, ns;

	/* Dead: its life was added up when it died. */
	if (known && state == PROBE_DEAD)
		return;
	if (from < born)
		from = born;
	/* What came after its last event until the kernel freed it is not known. */
	if (t->freed_ns && t->freed_ns < end)
		end = from;
	/* Its last event was after the end: that time is in its ledger as far as the programs did
	 * not know of the end yet. */
	if (end < from)
		end = from < set->open_end_ns ? from : end;
	ns = end > from ? end - from : 0;
	sum->wall_ns += end > born ? end - born : 0;
	if (!known || state >= PROBE_STATES)
		return;
	sum->ledger.time_ns[state] += ns;
	if (state == PROBE_BLOCKED)
		sum->ledger.blocked_ns[blocked % PROBE_BLOCKED_CAUSES] += ns;
	else if (state == PROBE_RUNNING)
		taken_open(set, t, silent, ns, &sum->ledger);
}

void ledger_sum(const struct probe_set *set, bool io_workers, struct ledger_sum *ret_sum)
{
	unsigned slot = io_workers ? SCHED_LEDGER_IO : SCHED_LEDGER;

	memset(ret_sum, 0, sizeof(*ret_sum));
	for (unsigned cpu = 0; cpu < set->nr_cpus; cpu++) {
		const struct probe_values *v =
			object_values(set->sched, window_bank(set) * set->nr_cpus + cpu);

		add(&ret_sum->ledger, (const struct probe_ledger *)&v->slot[slot]);
	}
	ret_sum->wall_ns = ret_sum->ledger.life_ns;
	for (unsigned i = 0; i < PROBE_THREADS; i++) {
		const struct probe_thread *t = &set->threads[i];

		if (t->generation == set->windows->generation &&
		    !!(t->flags & PROBE_FLAG_IO_WORKER) == io_workers)
			ledger_open_interval(set, t, ret_sum);
	}
	if (!io_workers)
		fault_inject(set, ret_sum);
}
