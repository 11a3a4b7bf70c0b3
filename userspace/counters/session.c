// SPDX-License-Identifier: BSD-2-Clause
/* A plan's groups opened on one target, switched on and off around a window. The kernel's reset
 * clears values but not times, so everything is taken as a difference of two readings. */
#include "counters/plan.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One event in one group. */
struct session_member {
	int fd; /* -1 = not open */
	uint64_t id;
	enum session_presence presence;
	enum bench_status status;
	char note[192];
	struct counter_reading begin, end;
};

struct session_group {
	bool chosen;				 /* counted in this trial */
	unsigned short open[COUNTER_MAX_EVENTS]; /* members that are open, leader first */
	unsigned nr_open;
	bool grouped; /* else each is counted and read by itself */
};

struct counter_session {
	const struct counter_plan *plan;
	struct counter_target target;
	struct session_member *members; /* as plan->members */
	struct session_group *groups;	/* as plan->groups */
	bool ended; /* the last window's end has been read */
};

static void fail_member(struct session_member *sm, enum bench_status status, const char *note)
{
	sm->status = status;
	snprintf(sm->note, sizeof(sm->note), "%s", note);
}

/* May this event be opened on this target at all? Sets status or presence when not. */
static bool is_openable(const struct counter_event *event, const struct counter_target *target,
			struct session_member *sm)
{
	if (!event->cpu_only)
		return true;
	if (target->cpu < 0 || target->cpu >= CPU_SETSIZE || !CPU_ISSET(target->cpu, &event->cpu_mask))
		sm->presence = SESSION_ELSEWHERE;
	else
		return true;
	return false;
}

static void close_group(struct counter_session *s, struct session_group *group)
{
	while (group->nr_open) {
		struct session_member *sm = &s->members[group->open[--group->nr_open]];

		sys_perf_close(sm->fd);
		sm->fd = -1;
	}
}

/* Open member m into the group. 0, or -EINVAL or -ESRCH for the caller to decide about; any other
 * error is the event's status. */
static int open_member(struct counter_session *s, struct session_group *group, unsigned m)
{
	const struct counter_event *event = &s->plan->events[s->plan->members[m]];
	struct session_member *sm = &s->members[m];
	int leader = group->grouped && group->nr_open ? s->members[group->open[0]].fd : -1;
	int fd;

	sm->status = BENCH_OK;
	sm->note[0] = '\0';
	if (!is_openable(event, &s->target, sm))
		return 0;
	fd = event_open(event, &s->target, leader, group->grouped);
	if (fd == -ESRCH || (fd == -EINVAL && group->grouped))
		return fd;
	if (fd == -ENOENT && event->hybrid && s->target.cpu >= 0) {
		sm->presence = SESSION_ELSEWHERE;
		return 0;
	}
	if (fd < 0) {
		sm->status = event_explain(event, &s->target, &s->plan->pmus, fd, sm->note,
					   sizeof(sm->note));
		return 0;
	}
	sm->fd = fd;
	group->open[group->nr_open++] = m;
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
			ret = open_member(s, group, plan_group->first + m);
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
		struct session_member *sm = &s->members[group->open[i]];
		int ret = 0;

		if (i == 0 || !group->grouped)
			ret = sys_perf_ioctl(sm->fd, PERF_EVENT_IOC_DISABLE, NULL);
		if (!ret)
			ret = sys_perf_ioctl(sm->fd, PERF_EVENT_IOC_ID, &sm->id);
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
		ids[i] = s->members[group->open[i]].id;
	if (group->grouped && group->nr_open)
		ret = group_read(s->members[group->open[0]].fd, ids, group->nr_open, readings);
	for (unsigned i = 0; i < group->nr_open; i++) {
		struct session_member *sm = &s->members[group->open[i]];

		if (!group->grouped)
			ret = single_read(sm->fd, &readings[i]);
		if (!ret)
			continue;
		readings[i] = (struct counter_reading){ 0 };
		sm->status = BENCH_NOT_COUNTED;
		snprintf(sm->note, sizeof(sm->note), "cannot be read: %s",
			 strerrordesc_np(-ret) ?: "unknown error");
	}
}

static void read_begin(struct counter_session *s)
{
	struct counter_reading readings[COUNTER_MAX_EVENTS];

	s->ended = false;
	for (unsigned g = 0; g < s->plan->nr_groups; g++) {
		const struct session_group *group = &s->groups[g];

		read_group(s, group, readings);
		for (unsigned i = 0; i < group->nr_open; i++)
			/* A window that is never ended is empty. */
			s->members[group->open[i]].begin = s->members[group->open[i]].end =
				readings[i];
	}
}

static void read_end(struct counter_session *s)
{
	struct counter_reading readings[COUNTER_MAX_EVENTS];

	for (unsigned g = 0; g < s->plan->nr_groups; g++) {
		const struct session_group *group = &s->groups[g];

		read_group(s, group, readings);
		for (unsigned i = 0; i < group->nr_open; i++)
			s->members[group->open[i]].end = readings[i];
	}
}

static void init_members(struct counter_session *s)
{
	for (unsigned m = 0; m < counter_plan_members(s->plan); m++) {
		s->members[m] = (struct session_member){ .fd = -1 };
		fail_member(&s->members[m], BENCH_NOT_COUNTED, "not in this pass");
	}
}

static int open_chosen(struct counter_session *s, struct bench_err *err)
{
	int ret = 0;

	init_members(s);
	for (unsigned g = 0; g < s->plan->nr_groups && !ret; g++) {
		struct session_group *group = &s->groups[g];

		if (!group->chosen)
			continue;
		ret = open_group(s, group, &s->plan->groups[g]);
		if (!ret)
			ret = stop_group(s, group);
	}
	if (ret)
		return bench_fail(err, ret, "counters on thread %d: %s", (int)s->target.tid,
				  strerrordesc_np(-ret) ?: "unknown error");
	/* With enable_on_exec counting starts by itself, perhaps before counter_enable(). */
	read_begin(s);
	return 0;
}

int counter_open(struct counter_session **ret_session, const struct counter_plan *plan,
		 const struct counter_target *target, unsigned trial, struct bench_err *err)
{
	struct counter_session *s = calloc(1, sizeof(*s));
	int ret = -ENOMEM;

	if (!s)
		return bench_fail(err, ret, "counters: out of memory");
	s->plan = plan;
	s->target = *target;
	/* One more than needed, so that an empty plan allocates something too. */
	s->members = calloc(counter_plan_members(plan) + 1, sizeof(*s->members));
	s->groups = calloc(plan->nr_groups + 1, sizeof(*s->groups));
	if (!s->members || !s->groups) {
		bench_fail(err, ret, "counters: out of memory");
		goto out;
	}
	for (unsigned g = 0; g < plan->nr_groups; g++)
		s->groups[g].chosen = counter_plan_in_trial(plan, g, trial);
	ret = open_chosen(s, err);
	if (ret)
		goto out;
	*ret_session = s;
	s = NULL;
out:
	counter_close(s);
	return ret;
}

int counter_turn(struct counter_session *s, unsigned trial, struct bench_err *err)
{
	bool same = true;

	for (unsigned g = 0; g < s->plan->nr_groups; g++) {
		bool chosen = counter_plan_in_trial(s->plan, g, trial);

		same &= s->groups[g].chosen == chosen;
		s->groups[g].chosen = chosen;
	}
	if (same)
		return 0;
	for (unsigned g = 0; g < s->plan->nr_groups; g++)
		close_group(s, &s->groups[g]);
	return open_chosen(s, err);
}

/* Switch one group on or off. */
static int switch_group(struct counter_session *s, const struct session_group *group,
			unsigned long request)
{
	unsigned nr = group->grouped && group->nr_open ? 1 : group->nr_open;
	int ret = 0;

	for (unsigned i = 0; i < nr; i++) {
		int err = sys_perf_ioctl(s->members[group->open[i]].fd, request, NULL);

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
	for (unsigned m = 0; m < counter_plan_members(s->plan); m++) {
		if (s->members[m].fd >= 0)
			s->members[m].status = BENCH_OK;
	}
	read_begin(s);
	for (unsigned g = 0; g < s->plan->nr_groups && !ret; g++)
		ret = switch_group(s, &s->groups[g], PERF_EVENT_IOC_ENABLE);
	return ret;
}

int counter_disable(struct counter_session *s)
{
	int ret = 0;

	for (unsigned g = s->plan->nr_groups; g-- > 0;) {
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
	for (unsigned g = 0; s->groups && g < s->plan->nr_groups; g++)
		close_group(s, &s->groups[g]);
	free(s->groups);
	free(s->members);
	free(s);
}

const struct counter_target *counter_session_target(const struct counter_session *s)
{
	return &s->target;
}

/* The last window of one member. */
static enum bench_status member_reading(const struct counter_session *s, unsigned m,
					enum session_presence *ret_presence,
					struct counter_reading *r, const char **ret_note)
{
	const struct session_member *sm = &s->members[m];

	*ret_note = sm->note;
	*ret_presence = sm->presence;
	*r = (struct counter_reading){ 0 };
	if (sm->status != BENCH_OK || sm->presence != SESSION_COUNTED)
		return sm->status;
	r->value = sm->end.value - sm->begin.value;
	r->enabled_ns = sm->end.enabled_ns - sm->begin.enabled_ns;
	r->running_ns = sm->end.running_ns - sm->begin.running_ns;
	if (r->running_ns > 0)
		return r->running_ns < r->enabled_ns ? BENCH_SCALED : BENCH_OK;
	/* On a host with several kinds of core it ran on the other kind. */
	if (s->plan->events[s->plan->members[m]].hybrid && r->enabled_ns > 0)
		*ret_presence = SESSION_ELSEWHERE;
	else if (!r->enabled_ns)
		*ret_presence = SESSION_IDLE;
	*ret_note = r->enabled_ns > 0
			    ? "never scheduled: the PMU has too few counters for the group"
			    : "the thread did not run while it was counted";
	return BENCH_NOT_COUNTED;
}

/* Members of chosen groups that are event i, from *m on; false after the last. */
static bool next_member(const struct counter_session *s, unsigned i, unsigned *m)
{
	for (; *m < counter_plan_members(s->plan); (*m)++) {
		unsigned g = 0;

		if (s->plan->members[*m] != i)
			continue;
		while (*m >= s->plan->groups[g].first + s->plan->groups[g].nr)
			g++;
		if (s->groups[g].chosen)
			return true;
	}
	return false;
}

bool counter_session_has(const struct counter_session *s, unsigned i)
{
	unsigned m = 0;

	return s->plan->events[i].status != BENCH_OK || next_member(s, i, &m);
}

enum bench_status counter_session_reading(const struct counter_session *s, unsigned i,
					  enum session_presence *ret_presence,
					  struct counter_reading *ret_reading,
					  const char **ret_note)
{
	enum bench_status best = BENCH_NOT_COUNTED;
	struct counter_reading pool = { 0 };
	unsigned m = 0, nr = 0;

	*ret_note = "not in this pass";
	*ret_presence = SESSION_COUNTED;
	*ret_reading = pool;
	if (s->plan->events[i].status != BENCH_OK) {
		*ret_note = s->plan->events[i].note;
		return s->plan->events[i].status;
	}
	for (; next_member(s, i, &m); m++) {
		enum session_presence presence;
		struct counter_reading r;
		const char *note;
		enum bench_status status = member_reading(s, m, &presence, &r, &note);

		if (status == BENCH_SCALED) {
			pool.value += r.value;
			pool.running_ns += r.running_ns;
			pool.enabled_ns = r.enabled_ns;
		}
		/* Counted all the time in one group: the others have nothing to add. */
		if (nr++ == 0 || status < best) {
			best = status;
			*ret_presence = presence;
			*ret_note = note;
			*ret_reading = r;
		}
	}
	if (best == BENCH_SCALED)
		*ret_reading = pool;
	return best;
}

double counter_session_spread(const struct counter_session *s, unsigned i)
{
	double low = INFINITY, high = 0, sum = 0;
	unsigned m = 0, nr = 0;

	for (; next_member(s, i, &m); m++) {
		enum session_presence presence;
		struct counter_reading r;
		const char *note;
		double value;

		if (member_reading(s, m, &presence, &r, &note) != BENCH_SCALED)
			continue;
		value = (double)r.value / r.running_ns * r.enabled_ns;
		low = fmin(low, value);
		high = fmax(high, value);
		sum += value;
		nr++;
	}
	return nr > 1 && sum > 0 ? (high - low) / 2 / (sum / nr) : NAN;
}
