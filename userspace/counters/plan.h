/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside the counters part: what a plan holds, and how its groups are opened. */
#ifndef COUNTERS_PLAN_H
#define COUNTERS_PLAN_H

#include "counters/counters.h"
#include "counters/event.h"

#define COUNTER_MAX_EVENTS 128
/* A sentinel is a member of several groups. */
#define COUNTER_MAX_MEMBERS (3 * COUNTER_MAX_EVENTS)

struct counter_reading {
	uint64_t value, enabled_ns, running_ns;
};

/* Events that the kernel schedules together, so that ratios between them are exact. One group of
 * each core PMU is also what is counted in one trial (a pass); all others are in every trial. */
struct counter_group {
	unsigned first, nr; /* in plan->members */
	bool split;	    /* part of a group that did not fit the PMU */
	bool core;
	/* Of the core groups of the same PMU this is number turn (from 0) of turns. */
	unsigned turn, turns;
};

struct counter_plan {
	struct pmu_set pmus;
	struct counter_event events[COUNTER_MAX_EVENTS]; /* in the order asked for */
	unsigned nr_events;
	unsigned nr_braces;
	/* Indices into events, group by group: software first and core last, so that the counters
	 * that matter most are switched on last and off first. */
	unsigned short members[COUNTER_MAX_MEMBERS];
	struct counter_group groups[COUNTER_MAX_EVENTS];
	unsigned nr_groups;
	bool topdown_asked;
	const struct topdown_model *topdown; /* NULL = no table for this CPU */
	int topdown_brace;		     /* of its first group */
	bool multiplex; /* all groups in every trial, taking turns within it */
};

/* parse.c: fill plan->events from a list of names. */
int counter_plan_parse(struct counter_plan *plan, const char *list, struct bench_err *err);
/* plan.c: form the groups as asked for, before anything is opened. */
void counter_plan_group(struct counter_plan *plan);
/* counter_plan_new() on another sysfs root (NULL = the real one); without proving, nothing is
 * opened and every event has the status it was resolved with. */
int counter_plan_new_at(struct counter_plan **ret_plan, const char *list, const char *root,
			bool prove, struct bench_err *err);
const char *counter_status_name(enum bench_status status);
unsigned counter_plan_members(const struct counter_plan *plan);
/* Is the group counted in this trial (from 0)? */
bool counter_plan_in_trial(const struct counter_plan *plan, unsigned group, unsigned trial);
/* The group that event i is first counted in, -1 = none. */
int counter_plan_group_of(const struct counter_plan *plan, unsigned event);
/* Do they share counters: the same PMU, whatever it was called? */
bool counter_same_pmu(const struct counter_event *a, const struct counter_event *b);
/* cycles or instructions: what every group is held against. */
bool counter_is_sentinel(const struct counter_event *event);

/* probe.c: open every group on the calling thread, split those that do not fit, see that core
 * events count, and set each event's status and note. */
int counter_plan_prove(struct counter_plan *plan);
/* Status of one event from opening it alone; for lists. */
void probe_open_event(struct counter_event *event, const struct pmu_set *pmus);
/* And whether it counts the loop of known content. buf as for liveness_loop(). */
void probe_live_event(struct counter_event *event, const struct pmu_set *pmus, unsigned char *buf);

/* liveness.c */
#define LIVENESS_BYTES (256 * 1024)
/* buf has LIVENESS_BYTES. */
void liveness_loop(const unsigned char *buf, unsigned iterations);
/* Set the event's status from what it read over the loop: dead, nonsense, or proved. */
void liveness_judge(struct counter_event *event, const struct counter_reading *reading,
		    unsigned iterations);

/* open.c */
/* Open one event, counting at once. group_fd -1 = a group of its own. grouped: read as a group.
 * Returns the fd or negative errno. */
int event_open(const struct counter_event *event, const struct counter_target *target, int group_fd,
	       bool grouped);
/* What error (negative errno from event_open()) means for the user. */
enum bench_status event_explain(const struct counter_event *event,
				const struct counter_target *target, const struct pmu_set *pmus,
				int error, char *note, size_t size);

/* Read a group led by fd: nr readings in the order of opening, by ids. 0 or negative errno; -EIO
 * for an event in error state. */
int group_read(int fd, const uint64_t *ids, unsigned nr, struct counter_reading *ret_readings);
/* Read an event that was opened without grouped. */
int single_read(int fd, struct counter_reading *ret_reading);

/* session.c */
enum session_presence {
	SESSION_COUNTED,   /* has a reading, or its status says why not */
	SESSION_IDLE,	   /* its thread did not run: 0, unless that is so for all of them */
	SESSION_ELSEWHERE, /* belongs to another CPU: contributes nothing, and that is right */
};
/* Is event i in one of the session's groups, or has it a status that says why not? False: it belongs
 * to another pass. */
bool counter_session_has(const struct counter_session *s, unsigned i);
/* Half the range of what the groups say about sentinel event i, relative to their mean: how much the
 * extrapolation of this window can be trusted. NAN unless two groups counted it a part of the time
 * each. */
double counter_session_spread(const struct counter_session *s, unsigned i);
/* End the window of a command that has ended, if the caller has not. */
void counter_session_finish(struct counter_session *s);
const struct counter_target *counter_session_target(const struct counter_session *s);
/* The last window of the plan's event i: its status and note (borrowed, "" = none), and its counts
 * where the status is ok. */
enum bench_status counter_session_reading(const struct counter_session *s, unsigned i,
					  enum session_presence *ret_presence,
					  struct counter_reading *ret_reading,
					  const char **ret_note);

/* sys.c: the system calls, in a file of their own so that tests can put a simulated PMU in their
 * place. As the system calls, but with negative errno. */
int sys_perf_open(struct perf_event_attr *attr, pid_t pid, int cpu, int group_fd,
		  unsigned long flags);
int sys_perf_ioctl(int fd, unsigned long request, void *arg);
ssize_t sys_perf_read(int fd, void *buf, size_t size);
void sys_perf_close(int fd);

#endif
