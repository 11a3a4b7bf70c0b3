// SPDX-License-Identifier: BSD-2-Clause
/* Records of several CPUs stand one after the other in the file: within a round they are put in the
 * order of time, as perf does (tools/perf/util/ordered-events.c). */
#include "profile/samples.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES (1u << 20)

/* A record that waits for its turn. */
struct held {
	uint64_t time_ns;
	uint64_t order; /* in the file: of equal times the first one */
	struct perf_event_header *record;
};

struct thread {
	uint32_t tid;
	char comm[32];
};

struct reader {
	int fd;
	uint64_t at, end; /* in the file */
	unsigned char *buffer;
	size_t used, size;
	struct held *held;
	size_t nr_held, room;
	uint64_t order;
	uint64_t newest_ns, flush_ns; /* of this round; up to here those before are whole */
	void *threads;		      /* a tree, by tid */
	struct symbols *symbols;
	const struct samples_visitor *visitor;
};

/* --- threads --- */

static int by_tid(const void *a, const void *b)
{
	uint32_t x = ((const struct thread *)a)->tid, y = ((const struct thread *)b)->tid;

	return x < y ? -1 : x > y ? 1 : 0;
}

static struct thread *thread_find(const struct reader *r, uint32_t tid)
{
	struct thread key = { .tid = tid }, **node = tfind(&key, &r->threads, by_tid);

	return node ? *node : NULL;
}

static void thread_name(struct reader *r, uint32_t tid, const char *comm)
{
	struct thread *t = thread_find(r, tid);

	if (!t) {
		t = calloc(1, sizeof(*t));
		if (!t)
			return;
		t->tid = tid;
		if (!tsearch(t, &r->threads, by_tid)) {
			free(t);
			return;
		}
	}
	strncpy(t->comm, comm, sizeof(t->comm) - 1);
}

static const char *comm_of(const struct reader *r, uint32_t tid)
{
	const struct thread *t = thread_find(r, tid);

	return t ? t->comm : "[unknown]";
}

/* --- records (perf_event_open(2)) --- */

static void on_comm(struct reader *r, const struct perf_event_header *h)
{
	const struct {
		struct perf_event_header header;
		uint32_t pid, tid;
		char comm[];
	} *e = (const void *)h;

	if (h->misc & PERF_RECORD_MISC_COMM_EXEC)
		symbols_exec(r->symbols, (pid_t)e->pid);
	else if (e->pid != e->tid && !thread_find(r, e->tid))
		symbols_fork(r->symbols, (pid_t)e->pid, (pid_t)e->pid);
	thread_name(r, e->tid, e->comm);
}

static void on_fork(struct reader *r, const struct perf_event_header *h)
{
	const struct {
		struct perf_event_header header;
		uint32_t pid, ppid, tid, ptid;
	} *e = (const void *)h;

	if (h->type == PERF_RECORD_EXIT) {
		symbols_exit(r->symbols, (pid_t)e->pid);
		return;
	}
	symbols_fork(r->symbols, (pid_t)e->pid, (pid_t)e->ppid);
	thread_name(r, e->tid, comm_of(r, e->ptid));
}

static void on_mmap2(struct reader *r, const struct perf_event_header *h)
{
	const struct {
		struct perf_event_header header;
		uint32_t pid, tid;
		uint64_t start, length, offset;
		uint32_t maj, min;
		uint64_t inode, generation;
		uint32_t prot, flags;
		char path[];
	} *e = (const void *)h;

	symbols_map(r->symbols, (pid_t)e->pid, e->start, e->length, e->offset, e->path);
}

static void on_sample(struct reader *r, const struct perf_event_header *h)
{
	const struct {
		struct perf_event_header header;
		uint64_t id, ip;
		uint32_t pid, tid;
		uint64_t time_ns;
		uint32_t cpu, reserved;
		uint64_t period, nr, chain[];
	} *e = (const void *)h;
	struct sample s = { .event = (enum profile_event)(e->id - 1),
			    .pid = e->pid,
			    .tid = e->tid,
			    .cpu = e->cpu,
			    .time_ns = e->time_ns,
			    .period = e->period,
			    .ip = e->ip,
			    .kernel = (h->misc & PERF_RECORD_MISC_CPUMODE_MASK) ==
				      PERF_RECORD_MISC_KERNEL,
			    .comm = comm_of(r, e->tid),
			    .chain = e->chain,
			    .nr_chain = (unsigned)e->nr };

	if (e->id - 1 < PROFILE_NR_EVENTS && h->size >= sizeof(*e) &&
	    e->nr <= (h->size - sizeof(*e)) / sizeof(e->chain[0]))
		r->visitor->sample(&s, r->symbols, r->visitor->ctx);
}

static void on_lost(struct reader *r, const struct perf_event_header *h)
{
	const uint64_t *words = (const uint64_t *)(h + 1); /* id, nr, ..., id */
	uint64_t id = ((const uint64_t *)h)[h->size / sizeof(uint64_t) - 1];

	if (r->visitor->lost && id - 1 < PROFILE_NR_EVENTS)
		r->visitor->lost((enum profile_event)(id - 1), words[1], r->visitor->ctx);
}

static void deliver(struct reader *r, const struct perf_event_header *h)
{
	switch (h->type) {
	case PERF_RECORD_COMM:
		on_comm(r, h);
		break;
	case PERF_RECORD_FORK:
	case PERF_RECORD_EXIT:
		on_fork(r, h);
		break;
	case PERF_RECORD_MMAP2:
		on_mmap2(r, h);
		break;
	case PERF_RECORD_SAMPLE:
		on_sample(r, h);
		break;
	case PERF_RECORD_LOST:
		on_lost(r, h);
		break;
	}
}

/* --- order --- */

static uint64_t time_of(const struct perf_event_header *h)
{
	const uint64_t *words = (const uint64_t *)h;
	size_t nr = h->size / sizeof(*words);

	if (h->type == PERF_RECORD_SAMPLE)
		return nr > 4 ? words[4] : 0;
	/* pid and tid, time, CPU, id at its end */
	return nr > 4 ? words[nr - 3] : 0;
}

static int by_time(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* Those up to until are due. */
static void flush(struct reader *r, uint64_t until)
{
	size_t due = 0;

	if (r->nr_held)
		qsort(r->held, r->nr_held, sizeof(*r->held), by_time);
	while (due < r->nr_held && r->held[due].time_ns <= until) {
		deliver(r, r->held[due].record);
		free(r->held[due++].record);
	}
	r->nr_held -= due;
	if (due && r->nr_held)
		memmove(r->held, r->held + due, r->nr_held * sizeof(*r->held));
}

static int hold(struct reader *r, const struct perf_event_header *h)
{
	struct held *held;

	if (h->type == PERFDATA_FINISHED_ROUND) {
		flush(r, r->flush_ns);
		r->flush_ns = r->newest_ns;
		return 0;
	}
	if (r->nr_held == r->room) {
		size_t room = r->room ? 2 * r->room : 4096;
		struct held *grown = reallocarray(r->held, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		r->held = grown;
		r->room = room;
	}
	held = &r->held[r->nr_held];
	*held = (struct held){ time_of(h), r->order++, malloc(h->size) };
	if (!held->record)
		return -ENOMEM;
	memcpy(held->record, h, h->size);
	r->nr_held++;
	if (held->time_ns > r->newest_ns)
		r->newest_ns = held->time_ns;
	return 0;
}

/* --- the file --- */

/* Have so many bytes in the buffer, fewer only at the end. */
static int fill(struct reader *r, size_t want)
{
	while (r->size - r->used < want && r->at < r->end) {
		size_t room, left = (size_t)(r->end - r->at);
		ssize_t n;

		memmove(r->buffer, r->buffer + r->used, r->size - r->used);
		r->size -= r->used;
		r->used = 0;
		room = READ_BYTES - r->size;
		n = pread(r->fd, r->buffer + r->size, left < room ? left : room, (off_t)r->at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		r->size += (size_t)n;
		r->at += (uint64_t)n;
	}
	return 0;
}

static int read_records(struct reader *r)
{
	int rc = 0;

	while (!rc) {
		const struct perf_event_header *h;

		rc = fill(r, sizeof(*h));
		if (rc || r->size - r->used < sizeof(*h))
			break;
		h = (const void *)(r->buffer + r->used);
		if (h->size < sizeof(*h) || h->size % 8)
			return -EINVAL;
		rc = fill(r, h->size);
		h = (const void *)(r->buffer + r->used);
		if (rc || r->size - r->used < h->size)
			break; /* the last one is not whole */
		rc = hold(r, h);
		r->used += h->size;
	}
	if (!rc)
		flush(r, UINT64_MAX);
	return rc;
}

static int read_head(struct reader *r)
{
	struct perfdata_header h;

	if (pread(r->fd, &h, sizeof(h), 0) != sizeof(h) || h.magic != PERFDATA_MAGIC ||
	    h.size != sizeof(h))
		return -EINVAL;
	r->at = h.data.offset;
	r->end = h.data.offset + h.data.size;
	return 0;
}

int samples_read(int fd, struct symbols *symbols, const struct samples_visitor *visitor,
		 struct bench_err *err)
{
	struct reader r = { .fd = fd, .symbols = symbols, .visitor = visitor };
	int rc = read_head(&r);

	if (!rc) {
		r.buffer = malloc(READ_BYTES);
		rc = r.buffer ? read_records(&r) : -ENOMEM;
	}
	for (size_t i = 0; i < r.nr_held; i++)
		free(r.held[i].record);
	free(r.held);
	free(r.buffer);
	tdestroy(r.threads, free);
	return rc ? bench_fail(err, rc, "read the samples: %s", strerror(-rc)) : 0;
}

bool sample_walk_next(struct sample_walk *w, const struct sample *s)
{
	if (!w->begun)
		w->kernel = s->kernel;
	w->begun = true;
	while (w->at < s->nr_chain) {
		uint64_t address = s->chain[w->at++];

		if (address >= PERF_CONTEXT_MAX) {
			w->kernel = address == PERF_CONTEXT_KERNEL;
			/* Behind a marker comes where it was interrupted or called the kernel. */
			w->below = false;
			continue;
		}
		w->address = address;
		w->caller = w->below;
		w->below = true;
		return true;
	}
	return false;
}
