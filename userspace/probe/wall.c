// SPDX-License-Identifier: BSD-2-Clause
/* The metrics wall.time and wall.time_of. */
#include "probe/ledger.h"

#include <linux/bpf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include "probe/set.h"

#define MAX_TASKS 32 /* with rows of their own; the others share */
/* A trial with more than this share of its time unaccounted for does not count. */
#define UNACCOUNTED_MAX 0.01

struct share {
	double ns[PROBE_NR_CAUSES];
	double user, error; /* of user + kernel, and half its 95 % interval; error 1 = not known */
	uint64_t samples;
};

/* Wilson's interval: right also for few samples and shares near 0 and 1. */
static void user_share(const struct probe_ledger *l, struct share *s)
{
	double user = (double)l->samples[PROBE_SAMPLE_USER], z = 1.96;
	double n = user + (double)l->samples[PROBE_SAMPLE_KERNEL], p;

	s->samples = (uint64_t)n;
	s->error = 1;
	if (n < 1)
		return;
	p = user / n;
	s->user = p;
	s->error = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
}

/* What the programs took of these threads' time: those of sched_switch run in the thread that is
 * switched, the others are charged by the share that these threads have in all switches. */
double wall_observer_ns(const struct probe_set *set, const struct probe_ledger *l)
{
	uint64_t seen = values_sum(set, set->sched, SCHED_SEEN);
	double share = seen ? (double)l->outs / (double)seen : 0, ns = 0;

	if (share > 1)
		share = 1;
	for (unsigned i = 0; i < set->nr_objects; i++) {
		const struct probe_object *o = &set->objects[i];

		for (unsigned k = 0; o->values && k < o->nr_runs; k++) {
			uint64_t runs = 0;

			for (unsigned cpu = 0; cpu < set->nr_cpus; cpu++)
				runs += object_values(o, window_bank(set) * set->nr_cpus + cpu)
						->runs[k];
			/* Those of interrupts are inside the interrupts' time. */
			if (!strncmp(o->image->name, "irq", 3) ||
			    !strcmp(o->runs[k].event, "cpu-clock"))
				continue;
			ns += (double)runs * o->runs[k].ns * share;
		}
	}
	return ns;
}

static void split(const struct probe_set *set, const struct ledger_sum *sum,
		  const struct share *all, struct share *s)
{
	const struct probe_ledger *l = &sum->ledger;
	double rest = (double)l->time_ns[PROBE_RUNNING], total = 0, observer;

	memset(s, 0, sizeof(*s));
	user_share(l, s);
	if (s->error >= 1 && all) {
		s->user = all->user;
		s->error = all->error;
	}
	s->ns[PROBE_CAUSE_HARDIRQ] = (double)l->taken_ns[PROBE_TAKEN_HARDIRQ];
	s->ns[PROBE_CAUSE_SOFTIRQ] = (double)l->taken_ns[PROBE_TAKEN_SOFTIRQ];
	s->ns[PROBE_CAUSE_STEAL] = (double)l->taken_ns[PROBE_TAKEN_STEAL];
	for (int i = PROBE_CAUSE_HARDIRQ; i <= PROBE_CAUSE_STEAL; i++)
		rest -= s->ns[i];
	s->ns[PROBE_CAUSE_USER] = rest * s->user;
	s->ns[PROBE_CAUSE_KERNEL] = rest - s->ns[PROBE_CAUSE_USER];
	observer = wall_observer_ns(set, l);
	if (observer > s->ns[PROBE_CAUSE_KERNEL])
		observer = s->ns[PROBE_CAUSE_KERNEL];
	s->ns[PROBE_CAUSE_KERNEL] -= observer;
	s->ns[PROBE_CAUSE_OBSERVER] = observer;
	s->ns[PROBE_CAUSE_RUNQUEUE] = (double)l->time_ns[PROBE_WAITING];
	for (int i = 0; i < PROBE_BLOCKED_CAUSES; i++)
		s->ns[PROBE_CAUSE_DISK + i] = (double)l->blocked_ns[i];
	for (int i = 0; i < PROBE_CAUSE_UNACCOUNTED; i++)
		total += s->ns[i];
	s->ns[PROBE_CAUSE_UNACCOUNTED] = (double)sum->wall_ns - total;
}

static struct bench_metric_id row_id(const char *name, enum probe_cause cause, const char *task)
{
	return (struct bench_metric_id){
		.name = name,
		.unit = "ratio",
		.source = BENCH_SOURCE_PROBE,
		.labels = { { "cause", probe_cause_name(cause) }, { task ? "task" : NULL, task } },
	};
}

/* What is to be known about a row beyond its number; "" = nothing. */
static void row_note(const struct probe_set *set, const struct share *s, enum probe_cause cause,
		     char *note, size_t size)
{
	note[0] = '\0';
	switch (cause) {
	case PROBE_CAUSE_USER:
	case PROBE_CAUSE_KERNEL:
		if (!set->mode.samples)
			snprintf(note, size, "user and kernel together: %.120s", set->no_samples.text);
		else if (s->error >= 1)
			snprintf(note, size, "user and kernel together: no sample met a thread");
		else
			snprintf(note, size,
				 "user : kernel from %llu samples, one each %.3f ms: %.1f ± %.1f %% "
				 "user",
				 (unsigned long long)s->samples, (double)set->sample_ns / 1e6,
				 s->user * 100, s->error * 100);
		break;
	case PROBE_CAUSE_STEAL:
		if (!kernel_has_field(set->kernel, "rq", "prev_steal_time_rq"))
			snprintf(note, size, "this kernel does not say what the host takes");
		break;
	case PROBE_CAUSE_OBSERVER:
		snprintf(note, size, "runs of the programs x their measured cost");
		break;
	default:
		if (!set->mode.regs && cause >= PROBE_CAUSE_DISK && cause <= PROBE_CAUSE_OTHER)
			snprintf(note, size, "system calls cannot be read (bpf_task_pt_regs): "
					     "only disk is told from the rest");
		break;
	}
}

/* A cause that is not known on this host has a status instead of a zero. */
static enum bench_status row_status(const struct probe_set *set, const struct share *s,
				    enum probe_cause cause)
{
	if (cause == PROBE_CAUSE_USER && (!set->mode.samples || s->error >= 1))
		return set->mode.samples ? BENCH_NOT_COUNTED : set->no_samples.status;
	if (cause == PROBE_CAUSE_STEAL && !kernel_has_field(set->kernel, "rq", "prev_steal_time_rq"))
		return BENCH_NOT_SUPPORTED;
	return BENCH_OK;
}

/* Is too much of this window unaccounted for? Says how much. */
static bool is_broken(const struct ledger_sum *sum, const struct share *s, char *note, size_t size)
{
	double left = s->ns[PROBE_CAUSE_UNACCOUNTED], wall = (double)sum->wall_ns;

	snprintf(note, size, "%.2f %% of the wall time is unaccounted for", 100 * left / wall);
	return fabs(left) > UNACCOUNTED_MAX * wall;
}

static void job_put(const struct probe_set *set, struct bench_metric_set *metrics)
{
	char note[160], why[80];
	struct ledger_sum sum;
	struct share s;
	bool broken;
	double wall;

	ledger_sum(set, false, &sum);
	split(set, &sum, NULL, &s);
	wall = (double)sum.wall_ns;
	broken = is_broken(&sum, &s, why, sizeof(why));
	for (enum probe_cause c = 0; c < PROBE_NR_CAUSES; c++) {
		struct bench_metric_id id = row_id("wall.time", c, NULL);
		enum bench_status status = row_status(set, &s, c);

		row_note(set, &s, c, note, sizeof(note));
		if (!sum.wall_ns) {
			status = BENCH_NOT_COUNTED;
			snprintf(note, sizeof(note), "no thread was followed in the window");
		} else if (broken && status == BENCH_OK) {
			bench_metric_put_left_out(metrics, &id, s.ns[c] / wall, why);
		} else {
			bench_metric_put_status(metrics, &id, status,
						sum.wall_ns ? s.ns[c] / wall : 0,
						note[0] ? note : NULL);
		}
		bench_metric_join_mean(metrics, &id, false);
	}
}

/* --- by task --- */

struct task {
	char name[32];
	struct ledger_sum sum;
};

struct tasks {
	struct task *task;
	unsigned nr, max;
};

/* Names of kernel workers end in a number that changes from run to run. A new one may still be
 * called as the thread that it works for. */
static struct task *task_named(struct tasks *tasks, const char *comm, bool io_worker)
{
	char name[32];

	if (io_worker)
		snprintf(name, sizeof(name), "io_uring %s",
			 strncmp(comm, "iou-sqp", 7) ? "workers" : "SQPOLL");
	else
		snprintf(name, sizeof(name), "%.15s", comm);
	for (unsigned i = 0; i < tasks->nr; i++)
		if (!strcmp(tasks->task[i].name, name))
			return &tasks->task[i];
	if (tasks->nr == tasks->max) {
		unsigned max = tasks->max ? 2 * tasks->max : 64;
		struct task *more = reallocarray(tasks->task, max, sizeof(*more));

		if (!more)
			return NULL;
		tasks->task = more;
		tasks->max = max;
	}
	memset(&tasks->task[tasks->nr], 0, sizeof(*tasks->task));
	memcpy(tasks->task[tasks->nr].name, name, sizeof(name));
	return &tasks->task[tasks->nr++];
}

static void sum_add(struct ledger_sum *to, const struct probe_ledger *from)
{
	uint64_t *a = (uint64_t *)&to->ledger;
	const uint64_t *b = (const uint64_t *)from;

	for (size_t i = 0; i < PROBE_LEDGER_SLOTS; i++)
		a[i] += b[i];
	to->wall_ns += from->life_ns;
}

static void tasks_living(const struct probe_set *set, struct tasks *tasks)
{
	for (unsigned i = 0; i < PROBE_THREADS; i++) {
		const struct probe_thread *t = &set->threads[i];
		struct task *task;

		if (t->generation != set->windows->generation)
			continue;
		/* The dead are in their graves already. */
		if (t->serial == set->serial && t->state == PROBE_DEAD)
			continue;
		task = task_named(tasks, t->comm, t->flags & PROBE_FLAG_IO_WORKER);
		if (!task)
			return;
		if (t->serial == set->serial)
			sum_add(&task->sum, &t->ledger);
		ledger_open_interval(set, t, &task->sum);
	}
}

static void tasks_dead(const struct probe_set *set, struct tasks *tasks)
{
	int fd = bpf_object__find_map_fd_by_name(set->sched->bpf, "graves");
	char key[16], next[16], *prev = NULL;
	struct probe_grave grave;

	while (fd >= 0 && !bpf_map_get_next_key(fd, prev, next)) {
		struct task *task;

		memcpy(key, next, sizeof(key));
		prev = key;
		if (bpf_map_lookup_elem(fd, key, &grave) || grave.serial != set->serial)
			continue;
		task = task_named(tasks, key,
				  !strncmp(key, "iou-wrk", 7) || !strncmp(key, "iou-sqp", 7));
		if (task)
			sum_add(&task->sum, &grave.ledger);
	}
}

static int by_wall_down(const void *a, const void *b)
{
	uint64_t x = ((const struct task *)a)->sum.wall_ns, y = ((const struct task *)b)->sum.wall_ns;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* why: the window is broken, so is this; NULL = it is not. */
static void task_put(const struct probe_set *set, const struct task *task, const struct share *all,
		     const char *why, struct bench_metric_set *metrics)
{
	struct share s;
	char note[160];

	split(set, &task->sum, all, &s);
	for (enum probe_cause c = 0; c < PROBE_NR_CAUSES; c++) {
		struct bench_metric_id id = row_id("wall.time_of", c, task->name);
		enum bench_status status = row_status(set, &s, c);

		if (status != BENCH_OK && s.ns[c] == 0)
			continue; /* wall.time says why there is none */
		row_note(set, &s, c, note, sizeof(note));
		if (why && status == BENCH_OK)
			bench_metric_put_left_out(metrics, &id,
						  s.ns[c] / (double)task->sum.wall_ns, why);
		else
			bench_metric_put_status(metrics, &id, status,
						s.ns[c] / (double)task->sum.wall_ns,
						note[0] ? note : NULL);
		bench_metric_join_mean(metrics, &id, true); /* up to 512 rows */
	}
}

static void tasks_put(const struct probe_set *set, struct bench_metric_set *metrics)
{
	struct tasks tasks = { 0 };
	struct ledger_sum sum;
	struct share all;
	char why[80];
	bool broken;

	tasks_living(set, &tasks);
	tasks_dead(set, &tasks);
	if (tasks.nr)
		qsort(tasks.task, tasks.nr, sizeof(*tasks.task), by_wall_down);
	for (unsigned i = MAX_TASKS; i < tasks.nr; i++) {
		struct task *others = &tasks.task[MAX_TASKS - 1];
		const struct ledger_sum *more = &tasks.task[i].sum;

		snprintf(others->name, sizeof(others->name), "others");
		sum_add(&others->sum, &more->ledger);
		others->sum.wall_ns += more->wall_ns - more->ledger.life_ns;
	}
	ledger_sum(set, false, &sum);
	split(set, &sum, NULL, &all);
	broken = is_broken(&sum, &all, why, sizeof(why));
	for (unsigned i = 0; i < tasks.nr && i < MAX_TASKS; i++)
		if (tasks.task[i].sum.wall_ns)
			task_put(set, &tasks.task[i], &all, broken ? why : NULL, metrics);
	free(tasks.task);
}

void wall_put(struct probe_set *set, const struct probe_metric *metric,
	      struct bench_metric_set *metrics)
{
	if (metric->desc.slot == PROBE_WALL_JOB)
		job_put(set, metrics);
	else if (metric->desc.slot == PROBE_WALL_WORST)
		worst_put(set, metrics);
	else
		tasks_put(set, metrics);
}
