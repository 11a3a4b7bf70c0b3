// SPDX-License-Identifier: BSD-2-Clause
/* Who had the CPU while tracked threads waited for it. */
#include "probe/blame.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Rows of the largest; the rest is the row "other". */
#define TOP 16
/* The charges and the wait are two ways to the same sum. */
#define BREACH_SHARE 0.005
#define BREACH_NS 1000000u

static struct probe_object *object_named(struct probe_set *set, const char *name)
{
	for (unsigned i = 0; i < set->nr_objects; i++)
		if (!strcmp(set->objects[i].image->name, name) && set->objects[i].bpf)
			return &set->objects[i];
	return NULL;
}

void blame_check(const struct probe_set *set, struct probe_object *object)
{
	for (unsigned i = 0; i < object->nr_metrics; i++) {
		struct probe_metric *m = &object->metrics[i];

		if (m->why.status != BENCH_OK)
			continue;
		if (m->desc.kind == PROBE_BALANCE && !set->mode.atomics)
			why_set(&m->why, BENCH_NOT_SUPPORTED,
				"this kernel has no atomic operations for programs that return the "
				"old value: it needs 5.12");
		if (m->desc.kind == PROBE_IRQ && m->desc.slot >= PROBE_SOFTIRQ_TIME &&
		    set->mode.realtime)
			why_set(&m->why, BENCH_NOT_SUPPORTED,
				"on this kernel (PREEMPT_RT) softirqs run in threads: their time "
				"is "
				"that of ksoftirqd and of irq threads");
	}
}

void blame_open(struct probe_set *set)
{
	struct probe_object *irq = object_named(set, "irq");
	struct probe_blames *b = calloc(1, sizeof(*b));

	if (!b)
		return;
	set->blames = b;
	if (set->track && set->track->bpf)
		b->blame = object_map(set->track, "blame", &b->blame_bytes);
	if (irq) {
		b->irq = object_map(irq, "irq_time", &b->irq_bytes);
		b->irq_rings = object_map(irq, "irq_rings", &b->irq_rings_bytes);
		irq_open(set, irq);
	}
	if (set->sched && set->sched->bpf) {
		b->busy = object_map(set->sched, "busy", &b->busy_bytes);
		b->balance = object_map(set->sched, "balance", &b->balance_bytes);
	}
}

void blame_close(struct probe_set *set)
{
	struct probe_blames *b = set->blames;

	if (!b)
		return;
	if (b->blame)
		munmap(b->blame, b->blame_bytes);
	if (b->irq)
		munmap(b->irq, b->irq_bytes);
	if (b->irq_rings)
		munmap(b->irq_rings, b->irq_rings_bytes);
	if (b->busy)
		munmap(b->busy, b->busy_bytes);
	if (b->balance)
		munmap(b->balance, b->balance_bytes);
	free(b);
	set->blames = NULL;
}

void blame_clear(const struct probe_set *set, unsigned bank)
{
	struct probe_blames *b = set->blames;
	unsigned at = bank * set->nr_cpus;

	if (!b)
		return;
	if (b->blame)
		memset(&b->blame[at], 0, set->nr_cpus * sizeof(*b->blame));
	if (b->irq)
		memset(&b->irq[at], 0, set->nr_cpus * sizeof(*b->irq));
	if (b->busy)
		memset(&b->busy[at], 0, set->nr_cpus * sizeof(*b->busy));
	if (b->balance)
		memset(&b->balance[bank], 0, sizeof(*b->balance));
}

void blame_window(struct probe_set *set)
{
	if (set->blames && set->blames->balance)
		balance_seed(set);
}

const struct probe_blame *blame_here(const struct probe_set *set, unsigned cpu)
{
	const struct probe_blames *b = set->blames;

	return b && b->blame ? &b->blame[window_bank(set) * set->nr_cpus + cpu] : NULL;
}

const struct probe_thief *blame_thief(const struct probe_set *set, unsigned cpu, uint32_t pid)
{
	const struct probe_blame *b = blame_here(set, cpu);

	for (unsigned i = 0; b && i < PROBE_THIEF_TRIES; i++) {
		const struct probe_thief *thief =
			&b->thieves[(PROBE_THIEF_AT(pid) + i) & (PROBE_THIEVES - 1)];

		if (thief->pid == pid)
			return thief;
	}
	return NULL;
}

/* --- charges --- */

struct charge {
	char comm[IRQ_NAME_SIZE + 8];
	uint32_t pid; /* 0 = not a task */
	int64_t ns;
	uint64_t cgroup; /* 0 = not known */
};

struct charges {
	struct charge *charge;
	unsigned nr, max;
	int64_t total;
};

static struct charge *charge_add(struct charges *c, const char *prefix, const char *name,
				 uint32_t pid, int64_t ns)
{
	char comm[sizeof(c->charge->comm)];
	struct charge *charge = NULL;

	snprintf(comm, sizeof(comm), "%s%s", prefix, name);
	c->total += ns;
	for (unsigned i = 0; i < c->nr && !charge; i++)
		if (c->charge[i].pid == pid && (pid || !strcmp(c->charge[i].comm, comm)))
			charge = &c->charge[i];
	if (!charge) {
		if (c->nr == c->max)
			return NULL;
		charge = &c->charge[c->nr++];
		*charge = (struct charge){ .pid = pid };
		memcpy(charge->comm, comm, sizeof(comm));
	}
	charge->ns += ns;
	return charge;
}

void task_comm(uint32_t pid, char *ret_comm, size_t size)
{
	char path[32];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	f = fopen(path, "re");
	if (!f || !fgets(ret_comm, (int)size, f))
		snprintf(ret_comm, size, "task");
	if (f)
		fclose(f);
	ret_comm[strcspn(ret_comm, "\n")] = '\0';
}

static void charge_task(struct charges *c, const struct probe_blame *b, uint32_t pid, int64_t ns)
{
	struct charge *charge;
	uint64_t cgroup = 0;
	char comm[32] = "";

	for (unsigned i = 0; i < PROBE_THIEVES && !comm[0]; i++)
		if (b->thieves[i].pid == pid) {
			snprintf(comm, sizeof(comm), "%.16s", b->thieves[i].comm);
			cgroup = b->thieves[i].cgroup;
		}
	if (!comm[0])
		task_comm(pid, comm, sizeof(comm));
	charge = charge_add(c, "", comm, pid, ns);
	if (charge && cgroup)
		charge->cgroup = cgroup;
}

/* What runs at the window's end has not been charged for its last slice. */
static void charge_open(const struct probe_set *set, struct charges *c, const struct probe_blame *b)
{
	uint64_t word = b->word;
	int64_t ns = PROBE_WAIT_DIFF(PROBE_WAIT_NS(word, set->end_ns - set->start_ns), b->wait_ns) -
		     (b->hard_ns + b->soft_ns - b->irq_ns);

	if (!ns)
		return;
	if (!b->since_ns) {
		charge_add(c, "", "unknown", 0, ns); /* no switch, so no name */
		return;
	}
	if (!b->owner) {
		charge_add(c, "", "idle", 0, ns);
		return;
	}
	charge_task(c, b, b->owner, ns);
}

static void charges_cpu(const struct probe_set *set, unsigned cpu, struct charges *c)
{
	unsigned at = window_bank(set) * set->nr_cpus + cpu;
	const struct probe_blame *b = &set->blames->blame[at];
	const struct probe_irq *irq = set->blames->irq ? &set->blames->irq[at] : NULL;

	if (!b->word && !b->unknown_ns)
		return;
	charge_add(c, "", "idle", 0, b->idle_ns);
	if (b->host_ns)
		charge_add(c, "", "host", 0, b->host_ns);
	if (b->unknown_ns)
		charge_add(c, "", "unknown", 0, (int64_t)b->unknown_ns);
	if (b->other_ns)
		charge_add(c, "", "other", 0, b->other_ns);
	for (unsigned i = 0; i < PROBE_THIEVES; i++)
		if (b->thieves[i].pid)
			charge_task(c, b, b->thieves[i].pid, b->thieves[i].ns);
	charge_open(set, c, b);
	for (unsigned i = 0; irq && i < PROBE_SOURCES; i++)
		if (irq->blame_ns[i])
			charge_add(c, i < PROBE_SOURCE_SOFT ? "irq:" : "softirq:",
				   irq_name(set->blames, i), 0, irq->blame_ns[i]);
}

/* Names of rows that stand for no task. */
static bool reserved(const char *comm)
{
	static const char *const names[] = { "idle", "host", "other", "unknown" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(comm, names[i]))
			return true;
	return false;
}

/* Short-lived programs come in numbers: those of one name are one row, so that a trial can be
 * compared with the next. Whoever is still alive has a row of its own. */
static void charges_join_dead(struct charges *c)
{
	struct charges joined = { .max = c->nr, .charge = c->charge };

	for (unsigned i = 0; i < c->nr; i++) {
		struct charge charge = c->charge[i], *to;

		if (charge.pid && !reserved(charge.comm) && kill((pid_t)charge.pid, 0) &&
		    errno == ESRCH)
			charge.pid = 0;
		to = charge_add(&joined, "", charge.comm, charge.pid, charge.ns);
		if (to && charge.pid)
			to->cgroup = charge.cgroup;
	}
	*c = joined;
}

static int by_ns(const void *a, const void *b)
{
	const struct charge *x = a, *y = b;

	return (x->ns < y->ns) - (x->ns > y->ns);
}

/* --- the wait that it is about --- */

/* Open at the window's end; and of threads that waited all through it, without an event. */
static uint64_t waits_open(const struct probe_set *set, uint64_t *ret_silent)
{
	uint64_t sum = 0;

	*ret_silent = 0;
	for (unsigned i = 0; i < PROBE_THREADS; i++) {
		const struct probe_thread *t = &set->threads[i];
		bool silent = t->serial != set->serial;
		uint64_t from = silent ? t->born_ns : t->since_ns, ns;

		if (t->generation != set->windows->generation)
			continue;
		if (silent ? t->peek_serial != set->serial || t->peek_state != PROBE_WAITING
			   : t->state != PROBE_WAITING)
			continue;
		from = from > set->start_ns ? from : set->start_ns;
		ns = set->end_ns > from ? set->end_ns - from : 0;
		if (silent || !t->wait_cpu)
			*ret_silent += ns;
		sum += ns;
	}
	return sum;
}

static uint64_t waits_ended(const struct probe_set *set)
{
	const unsigned at = offsetof(struct probe_ledger, time_ns) / 8 + PROBE_WAITING;

	return values_sum(set, set->sched, SCHED_LEDGER + at) +
	       values_sum(set, set->sched, SCHED_LEDGER_IO + at);
}

/* After each window. */
static void blame_verify(struct probe_blames *b, uint64_t blamed, uint64_t waited)
{
	uint64_t apart = blamed > waited ? blamed - waited : waited - blamed;

	if (apart <= BREACH_NS || (double)apart <= BREACH_SHARE * (double)waited)
		return;
	if (!b->nr_breaches++) {
		b->blamed_ns = blamed;
		b->waited_ns = waited;
	}
}

bool blame_breach(const struct probe_set *set, char *text, size_t size)
{
	const struct probe_blames *b = set->blames;

	if (!b || !b->nr_breaches)
		return false;
	snprintf(text, size,
		 "probe check: followed threads waited %.3f ms for a CPU and %.3f ms were charged "
		 "to others (so in %u windows): sched.blame is not to be trusted",
		 (double)b->waited_ns / 1e6, (double)b->blamed_ns / 1e6, b->nr_breaches);
	return true;
}

/* --- rows --- */

static void charge_put(const struct probe_metric *metric, const struct charge *charge,
		       struct bench_metric_set *metrics)
{
	char pid[16], cgroup[256];
	struct bench_metric_id id = {
		.name = metric->desc.name,
		.unit = metric->desc.unit,
		.source = BENCH_SOURCE_PROBE,
		.better = BENCH_BETTER_LOWER,
		.labels = { { "comm", charge->comm } },
	};

	snprintf(pid, sizeof(pid), "%u", charge->pid);
	if (charge->pid)
		id.labels[1] = (struct bench_label){ "pid", pid };
	if (charge->cgroup && cgroup_path(charge->cgroup, cgroup, sizeof(cgroup)))
		id.labels[2] = (struct bench_label){ "cgroup", cgroup };
	bench_metric_put_sparse(metrics, &id, charge->ns > 0 ? (double)charge->ns : 0);
	bench_metric_join_mean(metrics, &id, false);
}

static void blame_put(struct probe_set *set, const struct probe_metric *metric,
		      struct bench_metric_set *metrics)
{
	struct charges c = { .max = set->nr_cpus * PROBE_THIEVES + PROBE_SOURCES + 8 };
	struct charge rest = { .comm = "other" };
	uint64_t silent, open = waits_open(set, &silent);

	c.charge = calloc(c.max, sizeof(*c.charge));
	if (!c.charge)
		return;
	charge_add(&c, "", "idle", 0, 0); /* a row at least, also when nobody waited */
	for (unsigned cpu = 0; cpu < set->nr_cpus; cpu++)
		charges_cpu(set, cpu, &c);
	if (silent)
		charge_add(&c, "", "unknown", 0, (int64_t)silent);
	if (fault_injected(set, "blame"))
		c.total -= c.total / 8;
	blame_verify(set->blames, c.total > 0 ? (uint64_t)c.total : 0, waits_ended(set) + open);
	charges_join_dead(&c);
	qsort(c.charge, c.nr, sizeof(*c.charge), by_ns);
	for (unsigned i = 0; i < c.nr; i++)
		if (i < TOP && (c.charge[i].pid || strcmp(c.charge[i].comm, "other")))
			charge_put(metric, &c.charge[i], metrics);
		else
			rest.ns += c.charge[i].ns;
	charge_put(metric, &rest, metrics);
	free(c.charge);
}

bool blame_metric(struct probe_set *set, const struct probe_metric *metric, const int *cpus,
		  unsigned nr, struct bench_metric_set *metrics)
{
	const struct probe_blames *b = set->blames;
	struct bench_metric_id id = {
		.name = metric->desc.name,
		.unit = metric->desc.unit,
		.source = BENCH_SOURCE_PROBE,
	};
	bool ok;

	if (metric->desc.kind == PROBE_IRQ)
		ok = b && b->irq;
	else if (metric->desc.kind == PROBE_BLAME)
		ok = b && b->blame && set->sched && set->sched->values;
	else if (metric->desc.kind == PROBE_BALANCE)
		ok = b && b->busy && b->balance;
	else
		return false;
	if (!ok)
		bench_metric_put_status(metrics, &id, BENCH_NOT_SUPPORTED, 0,
					"its maps cannot be mapped");
	else if (metric->desc.kind == PROBE_IRQ)
		irq_put(set, metric, cpus, nr, metrics);
	else if (metric->desc.kind == PROBE_BLAME)
		blame_put(set, metric, metrics);
	else
		balance_put(set, metric, metrics);
	return true;
}
