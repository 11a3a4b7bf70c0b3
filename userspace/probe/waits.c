// SPDX-License-Identifier: BSD-2-Clause
#include "probe/waits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "probe/set.h"
#include "waits_abi.h"

_Static_assert((int)PROBE_WAIT_CPU == WAITS_CPU && (int)PROBE_WAIT_OFFCPU == WAITS_OFFCPU,
	       "one order on both sides");

/* /proc/PID/ns/pid of the first namespace (PROC_PID_INIT_INO of linux/proc_ns.h). */
#define FIRST_PID_NAMESPACE 0xEFFFFFFCu

/* What was told of the thread in a slot. */
struct told {
	uint64_t serial;
	uint32_t tid;
	uint64_t sum_ns[WAITS_SUMS];
};

struct probe_waits {
	struct probe_object *object;
	struct ring_buffer *ring;
	struct told told[PROBE_THREADS];
	struct probe_waits_stats stats;
	/* While it is read. */
	void (*fn)(const struct probe_wait *wait, void *ctx);
	void *ctx;
};

/* What came since the last time; the ledger never goes back, but for a window's end. */
static void since(struct told *told, const struct waits_record *r, struct probe_wait *wait)
{
	if (told->serial != r->serial || told->tid != r->tid)
		*told = (struct told){ .serial = r->serial, .tid = r->tid };
	for (unsigned i = 0; i < WAITS_SUMS; i++) {
		/* A difference of two sums that were not of one moment may be below 0. */
		uint64_t sum = (int64_t)r->sum_ns[i] > 0 ? r->sum_ns[i] : 0;

		wait->ns[i] = sum > told->sum_ns[i] ? sum - told->sum_ns[i] : 0;
		if (sum > told->sum_ns[i])
			told->sum_ns[i] = sum;
	}
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The stack is of the last wait: of the time blocked, and of the time for the CPU after that. */
static void stack_part(const struct waits_record *r, struct probe_wait *wait)
{
	unsigned kind = r->blocked == PROBE_BLOCKED_DISK || r->blocked == PROBE_BLOCKED_FAULT ?
				PROBE_WAIT_BLOCK_IO :
				PROBE_WAIT_OFFCPU;
	uint64_t all = r->at_ns > r->off_ns ? r->at_ns - r->off_ns : 0;

	wait->stack_ns[PROBE_WAIT_RUNQ] = least(r->runq_ns, wait->ns[PROBE_WAIT_RUNQ]);
	wait->stack_ns[kind] =
		least(all > r->runq_ns ? all - r->runq_ns : 0, wait->ns[kind]);
	wait->kernel = (const uint64_t *)r->kernel;
	wait->user = (const uint64_t *)r->user;
	wait->nr_kernel = r->kernel_bytes > 0 ? (unsigned)r->kernel_bytes / 8 : 0;
	wait->nr_user = r->user_bytes > 0 ? (unsigned)r->user_bytes / 8 : 0;
}

static int on_record(void *ctx, void *data, size_t size)
{
	struct probe_set *set = ctx;
	struct probe_waits *w = set->waits;
	const struct waits_record *r = data;
	struct probe_wait wait = { 0 };

	if (size < offsetof(struct waits_record, kernel) || r->slot >= PROBE_THREADS)
		return 0;
	wait.at_ns = r->at_ns;
	wait.tid = r->tid;
	wait.tgid = r->tgid;
	wait.cpu = r->cpu;
	wait.ended = r->flags & WAITS_DEAD;
	since(&w->told[r->slot], r, &wait);
	if (size == sizeof(*r))
		stack_part(r, &wait);
	w->fn(&wait, w->ctx);
	return 0;
}

/* Numbers of threads are those of the first namespace for programs, and of our own for perf. */
static bool first_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) || st.st_ino == FIRST_PID_NAMESPACE;
}

static int open_fail(struct probe_waits *w, int rc, const char *why, struct bench_err *err)
{
	free(w);
	return bench_fail(err, rc, "waits are not sampled: %s", why);
}

int probe_waits_open(struct probe_set *set, struct bench_err *err)
{
	struct probe_waits *w = calloc(1, sizeof(*w));
	struct bpf_map *map;

	if (!w)
		return open_fail(w, -ENOMEM, "out of memory", err);
	if (!set->windows || !set->sched || !set->sched->bpf || !set->mode.causes)
		return open_fail(w, -ENOTSUP,
				 set->why.status != BENCH_OK ? set->why.text :
				 "they need the probe wall.time", err);
	if (!first_namespace())
		return open_fail(w, -ENOTSUP,
				 "probes number threads otherwise than perf does in this PID namespace",
				 err);
	for (unsigned i = 0; i < set->nr_objects; i++)
		if (!strcmp(set->objects[i].image->name, "waits"))
			w->object = &set->objects[i];
	if (!w->object || object_load(w->object, set))
		return open_fail(w, -ENOTSUP, w->object ? w->object->why.text : "no such program",
				 err);
	map = bpf_object__find_map_by_name(w->object->bpf, "waits");
	w->ring = map ? ring_buffer__new(bpf_map__fd(map), on_record, set, NULL) : NULL;
	if (!w->ring || !w->object->nr_links) {
		object_close(w->object);
		ring_buffer__free(w->ring);
		return open_fail(w, -ENOTSUP, "no program is attached to sched_switch", err);
	}
	set->waits = w;
	return 0;
}

void waits_close(struct probe_set *set)
{
	if (set->waits)
		ring_buffer__free(set->waits->ring);
	free(set->waits);
	set->waits = NULL;
}

void probe_waits_read(struct probe_set *set, void (*fn)(const struct probe_wait *wait, void *ctx),
		      void *ctx)
{
	if (!set || !set->waits)
		return;
	set->waits->fn = fn;
	set->waits->ctx = ctx;
	(void)ring_buffer__consume(set->waits->ring); /* on_record() refuses none */
}

/* A thread's ledger, closed at the window's end. */
static void closed(const struct probe_set *set, const struct probe_thread *t,
		   struct waits_record *r)
{
	struct ledger_sum sum = { 0 };
	const struct probe_ledger *l = &sum.ledger;
	uint64_t taken = 0, disk;

	if (t->serial == set->serial)
		sum.ledger = t->ledger;
	ledger_open_interval(set, t, &sum);
	for (unsigned i = 0; i < PROBE_TAKEN; i++)
		taken += l->taken_ns[i];
	disk = l->blocked_ns[PROBE_BLOCKED_DISK] + l->blocked_ns[PROBE_BLOCKED_FAULT];
	r->sum_ns[WAITS_CPU] = l->time_ns[PROBE_RUNNING] - taken;
	r->sum_ns[WAITS_TAKEN] = taken;
	r->sum_ns[WAITS_RUNQ] = l->time_ns[PROBE_WAITING];
	r->sum_ns[WAITS_BLOCK_IO] = disk;
	r->sum_ns[WAITS_OFFCPU] = l->time_ns[PROBE_BLOCKED] - disk;
}

void probe_waits_end(struct probe_set *set, void (*fn)(const struct probe_wait *wait, void *ctx),
		     void *ctx)
{
	if (!set || !set->waits)
		return;
	if (set->window_set)
		window_close(set);
	probe_waits_read(set, fn, ctx);
	for (unsigned i = 0; i < PROBE_THREADS; i++) {
		const struct probe_thread *t = &set->threads[i];
		struct waits_record r = { .serial = set->serial, .tid = t->tid };
		struct probe_wait wait = { .at_ns = set->end_ns,
					   .tid = t->tid,
					   .tgid = t->tgid,
					   .cpu = t->cpu,
					   .ended = true };

		if (t->generation != set->windows->generation)
			continue;
		closed(set, t, &r);
		since(&set->waits->told[i], &r, &wait);
		fn(&wait, ctx);
	}
	set->waits->stats.stacks += values_sum(set, set->waits->object, WAITS_STACKS);
	set->waits->stats.full += values_sum(set, set->waits->object, WAITS_FULL);
}

void probe_waits_stats(const struct probe_set *set, struct probe_waits_stats *ret_stats)
{
	*ret_stats = set && set->waits ? set->waits->stats : (struct probe_waits_stats){ 0 };
}

unsigned probe_nr_cpus(const struct probe_set *set)
{
	return set->nr_cpus;
}

uint64_t probe_cpu_taken(const struct probe_set *set, unsigned cpu)
{
	return set->clocks[cpu].hardirq_ns + set->clocks[cpu].softirq_ns;
}
