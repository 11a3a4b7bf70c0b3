// SPDX-License-Identifier: BSD-2-Clause
/* Which events open here, in which groups, and with what rights. Every core event also runs once
 * over a short loop of known content (liveness.c), in the group that it will be counted in. */
#include "counters/plan.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIVENESS_ITERATIONS 32768 /* over all groups: under 1 ms */
#define LIVENESS_MIN_ITERATIONS 4096

static const struct counter_target self = { .tid = 0, .cpu = -1 };

/* Without the right to count the kernel, what happens in user mode can often still be counted. It
 * is another quantity, so the event gets another name: the one perf gives it. */
static bool make_user_only(struct counter_event *event, const struct counter_target *target,
			   const struct pmu_set *pmus)
{
	char why[128];

	if (event->attr.exclude_kernel || event->attr.exclude_user || event->kind == EVENT_OTHER ||
	    event_is_kernel_only(event))
		return false;
	event->attr.exclude_kernel = 1;
	if (event_is_clock(event))
		return true;
	event_explain(event, target, pmus, -EACCES, why, sizeof(why));
	snprintf(event->note, sizeof(event->note), "user_only: %s", why);
	return true;
}

/* perf's spelling of a user-only event. */
static void name_user_only(struct counter_event *event)
{
	size_t len = strlen(event->name);

	if (!event_is_clock(event))
		snprintf(event->name + len, sizeof(event->name) - len, "%su",
			 event->name[len - 1] == '/' ? "" : ":");
}

/* event_open() with that fallback; event changes only when it helped. */
static int open_allowed(struct counter_event *event, const struct counter_target *target,
			const struct pmu_set *pmus, int group_fd)
{
	int fd = event_open(event, target, group_fd, true);
	struct counter_event user;

	if (fd != -EACCES && fd != -EPERM)
		return fd;
	user = *event;
	if (!make_user_only(&user, target, pmus))
		return fd;
	fd = event_open(&user, target, group_fd, true);
	if (fd >= 0) {
		*event = user;
		name_user_only(event);
	}
	return fd;
}

static void explain(struct counter_event *event, const struct counter_target *target,
		    const struct pmu_set *pmus, int error)
{
	event->status = event_explain(event, target, pmus, error, event->note, sizeof(event->note));
}

static int first_cpu(const cpu_set_t *mask)
{
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, mask))
			return cpu;
	}
	return 0;
}

void probe_open_event(struct counter_event *event, const struct pmu_set *pmus)
{
	struct counter_target target = { .tid = -1 };
	int fd = -EACCES;

	if (event->status != BENCH_OK)
		return;
	/* The first event on any thread makes the kernel patch its scheduler and wait for every CPU
	 * (about 10 ms, measured on 6.18). Whether an event exists, a CPU tells as well; but on a
	 * hybrid host only a CPU of the right kind. */
	if (!event->hybrid) {
		target.cpu = event->cpu_only ? first_cpu(&event->cpu_mask) : sched_getcpu();
		fd = event_open(event, &target, -1, true);
	}
	if ((fd == -EACCES || fd == -EPERM) && !event->cpu_only) {
		target = self;
		fd = open_allowed(event, &target, pmus, -1);
	}
	if (fd >= 0)
		sys_perf_close(fd);
	else
		explain(event, &target, pmus, fd);
}

void probe_live_event(struct counter_event *event, const struct pmu_set *pmus, unsigned char *buf)
{
	struct counter_reading reading;
	uint64_t id;
	int fd;

	/* This thread may be on the other kind of core; the clocks of the kernel need no proof. */
	if (event->status != BENCH_OK || event->kind != EVENT_CORE || event->hybrid)
		return;
	fd = event_open(event, &self, -1, true);
	if (fd < 0) {
		explain(event, &self, pmus, fd);
		return;
	}
	liveness_loop(buf, LIVENESS_MIN_ITERATIONS);
	if (sys_perf_ioctl(fd, PERF_EVENT_IOC_ID, &id) || group_read(fd, &id, 1, &reading)) {
		event->status = BENCH_NOT_COUNTED;
		strcpy(event->note, "opens but cannot be read");
	} else {
		liveness_judge(event, &reading, LIVENESS_MIN_ITERATIONS);
	}
	if (event->status == BENCH_OK && !event->note[0])
		strcpy(event->note, "live");
	sys_perf_close(fd);
}

/* The groups as they turn out, and the one being built. */
struct prover {
	struct counter_plan *plan;
	unsigned char *buf;
	unsigned iterations;
	/* what was found to fit */
	unsigned short members[COUNTER_MAX_MEMBERS];
	struct counter_group groups[COUNTER_MAX_EVENTS];
	unsigned nr_members, nr_groups;
	/* open now */
	unsigned short open[COUNTER_MAX_EVENTS];
	int fds[COUNTER_MAX_EVENTS];
	unsigned nr_open;
	/* lead every group that is split off */
	unsigned short sentinels[3];
	unsigned nr_sentinels;
};

static void close_open(struct prover *p)
{
	while (p->nr_open)
		sys_perf_close(p->fds[--p->nr_open]);
}

/* Keep those of the nr events that are still all right as one group. */
static void keep_group(struct prover *p, const unsigned short *events, unsigned nr)
{
	struct counter_group group = { .first = p->nr_members };

	for (unsigned i = 0; i < nr; i++) {
		if (p->plan->events[events[i]].status == BENCH_OK)
			p->members[group.first + group.nr++] = events[i];
	}
	if (!group.nr || p->nr_members + group.nr > COUNTER_MAX_MEMBERS ||
	    p->nr_groups == COUNTER_MAX_EVENTS)
		return;
	p->nr_members += group.nr;
	p->groups[p->nr_groups++] = group;
}

static int read_open(struct prover *p, struct counter_reading *readings)
{
	uint64_t ids[COUNTER_MAX_EVENTS];

	for (unsigned i = 0; i < p->nr_open; i++) {
		int ret = sys_perf_ioctl(p->fds[i], PERF_EVENT_IOC_ID, &ids[i]);

		if (ret)
			return ret;
	}
	return group_read(p->fds[0], ids, p->nr_open, readings);
}

static void mark_unreadable(struct counter_event *event)
{
	event->status = BENCH_NOT_COUNTED;
	strcpy(event->note, "opens but cannot be read");
}

/* Run the loop over the open group. False when it has to be taken apart: it never ran. */
static bool run_open(struct prover *p)
{
	struct counter_reading readings[COUNTER_MAX_EVENTS];
	unsigned nr = p->nr_open;
	bool ran;

	liveness_loop(p->buf, p->iterations);
	ran = read_open(p, readings) == 0 && (readings[0].running_ns > 0 || nr == 1);
	if (!ran && nr == 1)
		mark_unreadable(&p->plan->events[p->open[0]]);
	for (unsigned i = 0; ran && i < nr; i++) {
		struct counter_event *event = &p->plan->events[p->open[i]];

		if (event->kind == EVENT_CORE)
			liveness_judge(event, &readings[i], p->iterations);
	}
	close_open(p);
	return ran || nr == 1;
}

static void finish_group(struct prover *p)
{
	unsigned short events[COUNTER_MAX_EVENTS];
	unsigned nr = p->nr_open;
	bool hybrid;

	if (!nr)
		return;
	memcpy(events, p->open, nr * sizeof(events[0]));
	hybrid = p->plan->events[events[0]].hybrid;
	if (run_open(p) || hybrid) {
		keep_group(p, events, nr);
		return;
	}
	for (unsigned i = 0; i < nr; i++) {
		struct counter_event *event = &p->plan->events[events[i]];
		int fd = event_open(event, &self, -1, true);

		if (fd < 0) {
			explain(event, &self, &p->plan->pmus, fd);
			continue;
		}
		p->open[0] = events[i];
		p->fds[0] = fd;
		p->nr_open = 1;
		run_open(p);
		keep_group(p, &events[i], 1);
	}
}

/* Begin a group with what all groups of the PMU are held against. */
static void open_sentinels(struct prover *p)
{
	for (unsigned i = 0; i < p->nr_sentinels; i++) {
		const struct counter_event *event = &p->plan->events[p->sentinels[i]];
		int fd = event->status == BENCH_OK ?
				 event_open(event, &self, p->nr_open ? p->fds[0] : -1, true) :
				 -ENOENT;

		if (fd < 0)
			continue;
		p->open[p->nr_open] = p->sentinels[i];
		p->fds[p->nr_open++] = fd;
	}
}

static bool is_open(const struct prover *p, unsigned short index)
{
	for (unsigned i = 0; i < p->nr_open; i++) {
		if (p->open[i] == index)
			return true;
	}
	return false;
}

/* Open an event in the group being built; when the PMU has no room for it there, it starts the next
 * group. */
static void add_open(struct prover *p, unsigned short index)
{
	struct counter_event *event = &p->plan->events[index];
	int fd = open_allowed(event, &self, &p->plan->pmus, p->nr_open ? p->fds[0] : -1);

	if (fd == -EINVAL && p->nr_open) {
		/* Is it the event itself, or the company? */
		fd = open_allowed(event, &self, &p->plan->pmus, -1);
		if (fd >= 0) {
			sys_perf_close(fd);
			finish_group(p);
			open_sentinels(p);
			if (is_open(p, index))
				return;
			fd = event_open(event, &self, p->nr_open ? p->fds[0] : -1, true);
			/* With no room beside them it goes without. */
			if (fd == -EINVAL && p->nr_open) {
				close_open(p);
				fd = event_open(event, &self, -1, true);
			}
		}
	}
	if (fd < 0) {
		explain(event, &self, &p->plan->pmus, fd);
		return;
	}
	p->open[p->nr_open] = index;
	p->fds[p->nr_open++] = fd;
}

/* The first event of a group that belongs to a core PMU, or NULL. */
static const struct counter_event *core_event(const struct counter_plan *plan,
					      const struct counter_group *group)
{
	for (unsigned m = group->first; m < group->first + group->nr; m++) {
		if (plan->events[plan->members[m]].kind == EVENT_CORE)
			return &plan->events[plan->members[m]];
	}
	return NULL;
}

static bool is_restricted(const struct counter_event *event)
{
	return event->attr.exclude_user || event->attr.exclude_kernel;
}

/* One of each name: user and kernel together where that was asked for, too. What the kernel alone
 * counts is little and differs from one moment to the next. */
static void choose_sentinels(struct prover *p, const unsigned short *events, unsigned nr)
{
	p->nr_sentinels = 0;
	for (unsigned i = 0; i < nr; i++) {
		const struct counter_event *event = &p->plan->events[events[i]], *other = NULL;
		unsigned n;

		if (!counter_is_sentinel(event))
			continue;
		for (n = 0; n < p->nr_sentinels; n++) {
			other = &p->plan->events[p->sentinels[n]];
			if (strcmp(other->base, event->base) == 0)
				break;
		}
		if (n == p->nr_sentinels && n < 3)
			p->sentinels[p->nr_sentinels++] = events[i];
		else if (n < p->nr_sentinels && is_restricted(other) && !is_restricted(event))
			p->sentinels[n] = events[i];
	}
}

static bool is_chosen(const struct prover *p, unsigned short event)
{
	for (unsigned i = 0; i < p->nr_sentinels; i++) {
		if (p->sentinels[i] == event)
			return true;
	}
	return false;
}

static void prove_group(struct prover *p, const struct counter_group *group)
{
	const unsigned short *events = &p->plan->members[group->first];
	unsigned before = p->nr_groups;

	if (core_event(p->plan, group)) {
		choose_sentinels(p, events, group->nr);
		for (unsigned i = 0; i < p->nr_sentinels; i++)
			add_open(p, p->sentinels[i]);
		for (unsigned i = 0; i < group->nr; i++) {
			if (!is_chosen(p, events[i]))
				add_open(p, events[i]);
		}
		finish_group(p);
	} else {
		for (unsigned i = 0; i < group->nr; i++)
			probe_open_event(&p->plan->events[events[i]], &p->plan->pmus);
		keep_group(p, events, group->nr);
	}
	for (unsigned g = before; g < p->nr_groups; g++)
		p->groups[g].split = p->nr_groups - before > 1;
}

/* Number the groups of each core PMU: they are counted in turns. */
static void number_turns(struct counter_plan *plan)
{
	for (unsigned g = 0; g < plan->nr_groups; g++)
		plan->groups[g].core = core_event(plan, &plan->groups[g]) != NULL;
	for (unsigned g = 0; g < plan->nr_groups; g++) {
		struct counter_group *group = &plan->groups[g];
		const struct counter_event *event = core_event(plan, group);

		group->turn = group->turns = 0;
		for (unsigned n = 0; group->core && n < plan->nr_groups; n++) {
			const struct counter_group *other = &plan->groups[n];

			if (!other->core || !counter_same_pmu(core_event(plan, other), event))
				continue;
			group->turn += n < g;
			group->turns++;
		}
	}
}

/* Has what was asked for as one group with event `like` a sentinel? */
static bool has_sentinel(const struct counter_plan *plan, const struct counter_event *like)
{
	for (unsigned i = 0; i < plan->nr_events; i++) {
		const struct counter_event *event = &plan->events[i];

		if (event->status == BENCH_OK && event->brace == like->brace &&
		    counter_is_sentinel(event) && counter_same_pmu(event, like))
			return true;
	}
	return false;
}

/* Where groups are counted in different trials, or take turns in one, each needs an event that all
 * have. Adds cycles to those that have none: true when there was any. */
static bool add_sentinels(struct counter_plan *plan)
{
	unsigned before = plan->nr_events;

	for (unsigned g = 0; g < plan->nr_groups; g++) {
		const struct counter_group *group = &plan->groups[g];
		const struct counter_event *like = core_event(plan, group);
		struct counter_event events[8];
		int nr;

		if (!group->core || group->turns < 2 || has_sentinel(plan, like))
			continue;
		nr = event_resolve(events, 8, "cycles", "", &plan->pmus, NULL);
		for (int i = 0; i < nr && plan->nr_events < COUNTER_MAX_EVENTS; i++) {
			if (!counter_same_pmu(&events[i], like))
				continue;
			events[i].brace = like->brace;
			events[i].extra = true;
			plan->events[plan->nr_events++] = events[i];
			break;
		}
	}
	return plan->nr_events > before;
}

static int prove_all(struct counter_plan *plan)
{
	struct prover *p = calloc(1, sizeof(*p));
	unsigned nr_core = 0;
	int ret = -ENOMEM;

	for (unsigned g = 0; g < plan->nr_groups; g++)
		nr_core += core_event(plan, &plan->groups[g]) != NULL;
	if (p && nr_core)
		p->buf = calloc(1, LIVENESS_BYTES);
	if (!p || (nr_core && !p->buf))
		goto out;
	p->plan = plan;
	p->iterations = nr_core ? LIVENESS_ITERATIONS / nr_core : 0;
	if (p->iterations < LIVENESS_MIN_ITERATIONS)
		p->iterations = LIVENESS_MIN_ITERATIONS;
	for (unsigned g = 0; g < plan->nr_groups; g++)
		prove_group(p, &plan->groups[g]);
	memcpy(plan->members, p->members, sizeof(plan->members));
	memcpy(plan->groups, p->groups, sizeof(plan->groups));
	plan->nr_groups = p->nr_groups;
	number_turns(plan);
	ret = 0;
out:
	if (p)
		free(p->buf);
	free(p);
	return ret;
}

int counter_plan_prove(struct counter_plan *plan)
{
	int ret = prove_all(plan);

	if (ret || !add_sentinels(plan))
		return ret;
	/* Whether a group fits together with its sentinel is tried like the rest. */
	counter_plan_group(plan);
	return prove_all(plan);
}
