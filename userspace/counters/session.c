// SPDX-License-Identifier: BSD-2-Clause
/* A plan's groups opened on one target, switched on and off around a window. The kernel's reset
 * clears values but not times, so everything is taken as a difference of two readings. */
#include "counters/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct session_event {
	int fd; /* -1 = not open */
	uint64_t id;
	enum session_presence presence;
	enum bench_status status;
	char note[192];
	struct counter_reading begin, end;
};

struct session_group {
	unsigned short open[COUNTER_MAX_EVENTS]; /* events that are open, leader first */
	unsigned nr_open;
	bool grouped; /* else each is counted and read by itself */
};

struct counter_session {
	const struct counter_plan *plan;
	struct counter_target target;
	struct session_event *events; /* as plan->events */
	struct session_group *groups;
	unsigned nr_groups;
	bool ended; /* the last window's end has been read */
};

static void fail_event(struct session_event *se, enum bench_status status, const char *note)
{
	se->status = status;
	snprintf(se->note, sizeof(se->note), "%s", note);
}

/* May this event be opened on this target at all? Sets status or presence when not. */
static bool is_openable(const struct counter_event *event, const struct counter_target *target,
			struct session_event *se)
{
	if (!event->cpu_only)
		return true;
	if (target->cpu < 0)
		fail_event(se, BENCH_NOT_SUPPORTED, "counts per CPU or package, not for a thread");
	else if (target->cpu >= CPU_SETSIZE || !CPU_ISSET(target->cpu, &event->cpu_mask))
		se->presence = SESSION_ELSEWHERE;
	else
		return true;
	return false;
}

static void close_group(struct counter_session *s, struct session_group *group)
{
	while (group->nr_open) {
		struct session_event *se = &s->events[group->open[--group->nr_open]];

		sys_perf_close(se->fd);
		se->fd = -1;
	}
}

/* Open event i into the group. 0, or -EINVAL or -ESRCH for the caller to decide about; any other
 * error is the event's status. */
static int open_member(struct counter_session *s, struct session_group *group, unsigned i)
{
	const struct counter_event *event = &s->plan->events[i];
	struct session_event *se = &s->events[i];
	int leader = group->grouped && group->nr_open ? s->events[group->open[0]].fd : -1;
	int fd;

	se->status = BENCH_OK;
	se->note[0] = '\0';
	if (!is_openable(event, &s->target, se))
		return 0;
	fd = event_open(event, &s->target, leader, group->grouped);
	if (fd == -ESRCH || (fd == -EINVAL && group->grouped))
		return fd;
	if (fd == -ENOENT && event->hybrid && s->target.cpu >= 0) {
		se->presence = SESSION_ELSEWHERE;
		return 0;
	}
	if (fd < 0) {
		se->status = event_explain(event, &s->target, &s->plan->pmus, fd, se->note,
					   sizeof(se->note));
		return 0;
	}
	se->fd = fd;
	group->open[group->nr_open++] = i;
	return 0;
}

/* Groups with inherit are refused before Linux 4.14 or so, and a PMU may be fuller now than when
 * the plan was made: then every event is opened by itself, which always works and is marked as
 * scaled where they had to take turns. */
static int open_group(struct counter_session *s, struct session_group *group,
		      const struct counter_group *plan_group)
{
	int ret = 0;

	for (int grouped = 1; grouped >= 0; grouped--) {
		group->grouped = grouped;
		for (unsigned m = 0; m < plan_group->nr && !ret; m++)
			ret = open_member(s, group, s->plan->members[plan_group->first + m]);
		if (ret != -EINVAL)
			return ret;
		close_group(s, group);
		ret = 0;
	}
	return ret;
}

/* Everything was opened counting. Stop it; of a group, stopping the leader stops all. */
static int stop_group(struct counter_session *s, struct session_group *group)
{
	for (unsigned i = 0; i < group->nr_open; i++) {
		struct session_event *se = &s->events[group->open[i]];
		int ret = 0;

		if (i == 0 || !group->grouped)
			ret = sys_perf_ioctl(se->fd, PERF_EVENT_IOC_DISABLE, NULL);
		if (!ret)
			ret = sys_perf_ioctl(se->fd, PERF_EVENT_IOC_ID, &se->id);
		if (ret)
			return ret;
	}
	return 0;
}

static void read_group(struct counter_session *s, const struct session_group *group,
		       struct counter_reading *readings)
{
	uint64_t ids[COUNTER_MAX_EVENTS];
	int ret = 0;

	for (unsigned i = 0; i < group->nr_open; i++)
		ids[i] = s->events[group->open[i]].id;
	if (group->grouped && group->nr_open)
		ret = group_read(s->events[group->open[0]].fd, ids, group->nr_open, readings);
	for (unsigned i = 0; i < group->nr_open; i++) {
		struct session_event *se = &s->events[group->open[i]];

		if (!group->grouped)
			ret = single_read(se->fd, &readings[i]);
		if (!ret)
			continue;
		readings[i] = (struct counter_reading){ 0 };
		se->status = BENCH_NOT_COUNTED;
		snprintf(se->note, sizeof(se->note), "cannot be read: %s",
			 strerrordesc_np(-ret) ?: "unknown error");
	}
}

static void read_begin(struct counter_session *s)
{
	struct counter_reading readings[COUNTER_MAX_EVENTS];

	s->ended = false;
	for (unsigned g = 0; g < s->nr_groups; g++) {
		const struct session_group *group = &s->groups[g];

		read_group(s, group, readings);
		for (unsigned i = 0; i < group->nr_open; i++)
			/* A window that is never ended is empty. */
			s->events[group->open[i]].begin = s->events[group->open[i]].end =
				readings[i];
	}
}

static void read_end(struct counter_session *s)
{
	struct counter_reading readings[COUNTER_MAX_EVENTS];

	for (unsigned g = 0; g < s->nr_groups; g++) {
		const struct session_group *group = &s->groups[g];

		read_group(s, group, readings);
		for (unsigned i = 0; i < group->nr_open; i++)
			s->events[group->open[i]].end = readings[i];
	}
}

static void init_events(struct counter_session *s)
{
	for (unsigned i = 0; i < s->plan->nr_events; i++) {
		const struct counter_event *event = &s->plan->events[i];
		struct session_event *se = &s->events[i];

		se->fd = -1;
		se->presence = SESSION_COUNTED;
		if (event->status != BENCH_OK)
			fail_event(se, event->status, event->note);
		else
			fail_event(se, BENCH_NOT_COUNTED, "not in this pass");
	}
}

int counter_session_open(struct counter_session **ret_session, const struct counter_plan *plan,
			 const struct counter_target *target, unsigned first, unsigned nr_groups,
			 struct bench_err *err)
{
	struct counter_session *s = calloc(1, sizeof(*s));
	int ret = -ENOMEM;

	if (!s)
		return bench_fail(err, ret, "counters: out of memory");
	s->plan = plan;
	s->target = *target;
	/* One more than needed, so that an empty plan allocates something too. */
	s->events = calloc(plan->nr_events + 1, sizeof(*s->events));
	s->groups = calloc(nr_groups + 1, sizeof(*s->groups));
	if (!s->events || !s->groups) {
		bench_fail(err, ret, "counters: out of memory");
		goto out;
	}
	init_events(s);
	for (ret = 0; s->nr_groups < nr_groups && !ret;) {
		struct session_group *group = &s->groups[s->nr_groups++];

		ret = open_group(s, group, &plan->groups[first + s->nr_groups - 1]);
		if (!ret)
			ret = stop_group(s, group);
	}
	if (ret) {
		bench_fail(err, ret, "counters on thread %d: %s", (int)target->tid,
			   strerrordesc_np(-ret) ?: "unknown error");
		goto out;
	}
	/* With enable_on_exec counting starts by itself, perhaps before counter_enable(). */
	read_begin(s);
	*ret_session = s;
	s = NULL;
out:
	counter_close(s);
	return ret;
}

int counter_open(struct counter_session **ret_session, const struct counter_plan *plan,
		 const struct counter_target *target, struct bench_err *err)
{
	return counter_session_open(ret_session, plan, target, 0, plan->nr_groups, err);
}

/* Switch one group on or off. */
static int switch_group(struct counter_session *s, const struct session_group *group,
			unsigned long request)
{
	unsigned nr = group->grouped && group->nr_open ? 1 : group->nr_open;
	int ret = 0;

	for (unsigned i = 0; i < nr; i++) {
		int err = sys_perf_ioctl(s->events[group->open[i]].fd, request, NULL);

		ret = ret ?: err;
	}
	return ret;
}

int counter_enable(struct counter_session *s)
{
	int ret = 0;

	/* Its begin was read when it was opened; the exec may have happened since. */
	if (s->target.enable_on_exec)
		return 0;
	/* What could not be read in the last window may be readable in this one. */
	for (unsigned i = 0; i < s->plan->nr_events; i++) {
		if (s->events[i].fd >= 0)
			s->events[i].status = BENCH_OK;
	}
	read_begin(s);
	for (unsigned g = 0; g < s->nr_groups && !ret; g++)
		ret = switch_group(s, &s->groups[g], PERF_EVENT_IOC_ENABLE);
	return ret;
}

int counter_disable(struct counter_session *s)
{
	int ret = 0;

	for (unsigned g = s->nr_groups; g-- > 0;) {
		int err = switch_group(s, &s->groups[g], PERF_EVENT_IOC_DISABLE);

		ret = ret ?: err;
	}
	read_end(s);
	s->ended = true;
	return ret;
}

void counter_session_finish(struct counter_session *s)
{
	if (s->target.enable_on_exec && !s->ended)
		(void)counter_disable(s);
}

void counter_close(struct counter_session *s)
{
	if (!s)
		return;
	for (unsigned g = 0; s->groups && g < s->nr_groups; g++)
		close_group(s, &s->groups[g]);
	free(s->groups);
	free(s->events);
	free(s);
}

const struct counter_target *counter_session_target(const struct counter_session *s)
{
	return &s->target;
}

enum bench_status counter_session_reading(const struct counter_session *s, unsigned i,
					  enum session_presence *ret_presence,
					  struct counter_reading *ret_reading,
					  const char **ret_note)
{
	const struct session_event *se = &s->events[i];
	struct counter_reading *r = ret_reading;

	*ret_note = se->note;
	*ret_presence = se->presence;
	*r = (struct counter_reading){ 0 };
	if (se->status != BENCH_OK || se->presence != SESSION_COUNTED)
		return se->status;
	r->value = se->end.value - se->begin.value;
	r->enabled_ns = se->end.enabled_ns - se->begin.enabled_ns;
	r->running_ns = se->end.running_ns - se->begin.running_ns;
	if (r->running_ns > 0)
		return r->running_ns < r->enabled_ns ? BENCH_SCALED : BENCH_OK;
	/* On a host with several kinds of core it ran on the other kind. */
	if (s->plan->events[i].hybrid && r->enabled_ns > 0)
		*ret_presence = SESSION_ELSEWHERE;
	*ret_note = r->enabled_ns > 0
			    ? "never scheduled: the PMU has too few counters for the group"
			    : "the thread did not run while it was counted";
	return BENCH_NOT_COUNTED;
}
