// SPDX-License-Identifier: BSD-2-Clause
/* Page faults: each worker touches one page after the other of a region of its own, gives the
 * region back and starts over; or takes each page away again while others run. That each touch was a
 * fault, and one only, is held against the kernel's count. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/module.h"
#include "fault_shoot.h"
#include "pages.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* From unmap on the order of enum shoot_kind. */
enum fault_kind {
	FAULT_ANON,
	FAULT_FILE,
	FAULT_COW,
	FAULT_FORK,
	FAULT_POPULATE,
	FAULT_HUGE,
	FAULT_PRESENT,
	FAULT_UNMAP,
	FAULT_PROTECT,
	FAULT_DONTNEED,
};

struct fault_params {
	uint64_t kind, size;
};

/* What kind=populate asks for at once; kind=present has all of the region put in place so. */
#define FAULT_CHUNK (1u << 20)
/* In each page of the file behind kind=file and kind=cow, and of the memory that kind=fork shares. */
#define FAULT_BYTE 0x5a
/* Faults of the core's own at the edges of a window. */
#define FAULT_SLACK 16
/* A fork shares all memory, what the core and this thread's stack are in, too. */
#define FAULT_SLACK_FORK 64
/* One in so many touches is timed, apart from what else an op has: two clock reads are 3 % of one.
 * Odd, since each 512th fault brings a new page table. */
#define FAULT_TIMED 17

/* What one worker did in the current window; read by report() after it. */
struct fault_meter {
	uint64_t ops;
	uint64_t ns;	    /* in the timed touches, or in all calls that take pages away */
	uint64_t timed;	    /* touches */
	int64_t interrupts; /* shootdowns and the like on the others' CPUs; -1 = not counted */
	atomic_bool over;   /* of worker 0: the others stop running beside it */
} __attribute__((aligned(64)));

struct fault_state {
	struct pages pages;
	int fd;
	bool open;
	uint64_t at;	   /* bytes of the region that have been touched */
	uint64_t expected; /* faults of the window */
	uint64_t begin;	   /* the kernel's count before it */
	uint64_t forks;	   /* in the window */
	int64_t interrupts; /* before the window */
	pid_t child;	   /* kind=fork: it shares the memory; 0 = none */
};

static bool fault_is_shoot(uint64_t kind)
{
	return kind >= FAULT_UNMAP;
}

/* Bytes that one op goes on by. */
static size_t fault_step(uint64_t kind)
{
	return kind == FAULT_HUGE ? PAGES_2M : kind == FAULT_POPULATE ? FAULT_CHUNK : PAGES_4K;
}

static uint64_t fault_per_op(uint64_t kind)
{
	return kind == FAULT_PRESENT ? 0 : kind == FAULT_POPULATE ? FAULT_CHUNK / PAGES_4K : 1;
}

static uint64_t fault_count(void)
{
	struct rusage u;

	/* Cannot fail with a valid address. */
	(void)getrusage(RUSAGE_THREAD, &u);
	return (uint64_t)u.ru_minflt;
}

static int fault_check(const void *params, struct bench_err *err)
{
	const struct fault_params *p = params;

	if (sysconf(_SC_PAGESIZE) != PAGES_4K)
		return bench_fail(err, -EOPNOTSUPP, "pages of this kernel have %ld bytes, not 4096",
				  sysconf(_SC_PAGESIZE));
	if ((p->kind == FAULT_POPULATE || p->kind == FAULT_PRESENT) &&
	    madvise(NULL, 0, MADV_POPULATE_WRITE))
		return bench_fail(err, -EOPNOTSUPP, "kind=%s needs MADV_POPULATE_WRITE (Linux 5.14)",
				  p->kind == FAULT_PRESENT ? "present" : "populate");
	return pages_check(p->kind == FAULT_HUGE ? PAGES_HUGE : PAGES_SMALL, err);
}

/* The pages of a file in memory, all of them there before the first window, instead of those of the
 * region. */
static int fault_map_file(struct bench_worker *w, struct fault_state *s, int flags)
{
	unsigned char page[PAGES_4K];

	s->fd = memfd_create("bench-fault", MFD_CLOEXEC);
	if (s->fd < 0)
		return bench_worker_fail(w, -errno, "memfd_create: %s", strerror(errno));
	s->open = true;
	memset(page, FAULT_BYTE, sizeof(page));
	for (size_t at = 0; at < s->pages.bytes; at += sizeof(page))
		if (write(s->fd, page, sizeof(page)) != sizeof(page))
			return bench_worker_fail(w, -errno, "write to a file in memory: %s",
						 strerror(errno));
	if (mmap(s->pages.at, s->pages.bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED, s->fd,
		 0) == MAP_FAILED)
		return bench_worker_fail(w, -errno, "mmap of a file in memory: %s",
					 strerror(errno));
	return 0;
}

static int fault_setup(struct bench_job *job, struct bench_err *err)
{
	const struct fault_params *p = job->params;
	size_t bytes = job->nr_workers * sizeof(struct fault_meter);
	void *meters = NULL;

	if (posix_memalign(&meters, sizeof(struct fault_meter), bytes))
		return bench_fail(err, -ENOMEM, "fault: out of memory");
	memset(meters, 0, bytes);
	job->shared = meters;
	if (fault_is_shoot(p->kind))
		job->figure = "fault.call";
	return 0;
}

static int fault_enter(struct bench_worker *w)
{
	const struct fault_params *p = w->job->params;
	struct fault_state *s = w->state;
	int rc;

	w->passive = fault_is_shoot(p->kind) && w->index > 0;
	if (w->passive)
		return 0;
	rc = pages_map(w, &s->pages, p->size / PAGES_2M * PAGES_2M,
		       p->kind == FAULT_HUGE ? PAGES_HUGE : PAGES_SMALL);
	if (!rc && (p->kind == FAULT_FILE || p->kind == FAULT_COW))
		rc = fault_map_file(w, s, p->kind == FAULT_FILE ? MAP_SHARED : MAP_PRIVATE);
	if (!rc && p->kind == FAULT_FORK)
		memset(s->pages.at, FAULT_BYTE, s->pages.bytes);
	return rc;
}

static void fault_kill(struct fault_state *s)
{
	if (s->child <= 0)
		return;
	(void)kill(s->child, SIGKILL); /* it is our own child and not reaped yet */
	while (waitpid(s->child, NULL, 0) < 0 && errno == EINTR)
		;
	s->child = 0;
}

/* A child that does nothing shares the memory: the next write to each page has to copy it. */
static int fault_share(struct bench_worker *w, struct fault_state *s)
{
	fault_kill(s);
	s->child = fork();
	if (s->child < 0)
		return bench_worker_fail(w, -errno, "fork: %s", strerror(errno));
	if (s->child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	s->forks++;
	return 0;
}

/* All pages go back; those of the file stay with it. */
static int fault_drop(struct bench_worker *w, struct fault_state *s)
{
	const struct fault_params *p = w->job->params;
	int rc;

	s->at = 0;
	if (p->kind == FAULT_FORK)
		return fault_share(w, s);
	if (fault_is_shoot(p->kind)) {
		rc = shoot_rewind((enum shoot_kind)(p->kind - FAULT_UNMAP), &s->pages);
		return rc ? bench_worker_fail(w, rc, "making the region whole again: %s",
					      strerror(-rc))
			  : 0;
	}
	if (madvise(s->pages.at, s->pages.bytes, MADV_DONTNEED))
		return bench_worker_fail(w, -errno, "MADV_DONTNEED: %s", strerror(errno));
	if (p->kind != FAULT_PRESENT)
		return 0;
	if (madvise(s->pages.at, s->pages.bytes, MADV_POPULATE_WRITE))
		return bench_worker_fail(w, -errno, "MADV_POPULATE_WRITE: %s", strerror(errno));
	s->expected += s->pages.bytes / PAGES_4K;
	return 0;
}

static int fault_begin(struct bench_worker *w)
{
	struct fault_meter *meters = w->job->shared;
	struct fault_state *s = w->state;
	int rc;

	meters[w->index].ops = meters[w->index].ns = meters[w->index].timed = 0;
	meters[w->index].interrupts = 0;
	/* Workers begin together: the others may look at it already, but not before the window. */
	atomic_store(&meters[w->index].over, false);
	if (w->passive)
		return 0;
	rc = fault_drop(w, s);
	s->forks = 0;
	s->expected = 0;
	s->interrupts = shoot_interrupts(w->job->cpus ? w->job->cpus + 1 : NULL, w->job->nr_workers - 1);
	s->begin = fault_count();
	return rc;
}

/* Write to the first byte and look at the last: what is there says whose page it is. A sanitizer's
 * shadow memory has pages, too, whose faults would be counted. */
__attribute__((no_sanitize_address)) static inline bool fault_touch(unsigned char *page,
								    size_t step,
								    unsigned char wanted)
{
	volatile unsigned char *p = page;

	p[0] = 1;
	return p[step - 1] == wanted;
}

/* Beside worker 0, in user space, so that its CPU has the translations of this process. */
static int fault_run_beside(struct bench_worker *w)
{
	struct fault_meter *meters = w->job->shared;

	while (!atomic_load_explicit(&meters[0].over, memory_order_relaxed))
		__asm__ volatile("" ::: "memory");
	return 0;
}

/* One page: touched, and with the shootdowns taken away again. */
static int fault_page(struct bench_worker *w, struct fault_state *s, struct fault_meter *m,
		      unsigned char wanted)
{
	const struct fault_params *p = w->job->params;
	unsigned char *page = s->pages.at + s->at;
	size_t step = fault_step(p->kind);
	uint64_t begin;
	int rc;

	if (p->kind == FAULT_POPULATE && madvise(page, step, MADV_POPULATE_WRITE))
		return bench_worker_fail(w, -errno, "MADV_POPULATE_WRITE: %s", strerror(errno));
	if (!fault_touch(page, step, wanted))
		return bench_worker_fail(w, -EBADMSG, "a page has not the bytes expected");
	s->at += step;
	if (!fault_is_shoot(p->kind))
		return 0;
	begin = bench_now_ns();
	rc = shoot_page((enum shoot_kind)(p->kind - FAULT_UNMAP), page);
	m->ns += bench_now_ns() - begin;
	return rc ? bench_worker_fail(w, rc, "taking a page away: %s", strerror(-rc)) : 0;
}

static int fault_run(struct bench_worker *w, uint64_t ops)
{
	const struct fault_params *p = w->job->params;
	struct fault_meter *meters = w->job->shared;
	struct fault_meter *m = &meters[w->index];
	struct fault_state *s = w->state;
	bool shoot = fault_is_shoot(p->kind);
	unsigned char wanted =
		p->kind == FAULT_FILE || p->kind == FAULT_COW || p->kind == FAULT_FORK ? FAULT_BYTE : 0;
	bool timed = !shoot && (ops > 1 || m->ops % FAULT_TIMED == 0);
	uint64_t begin = timed ? bench_now_ns() : 0, left_out = 0;
	int rc = 0;

	if (w->passive)
		return fault_run_beside(w);
	for (uint64_t i = 0; i < ops && !rc; i++) {
		if (s->at == s->pages.bytes) {
			uint64_t at = timed ? bench_now_ns() : 0;

			rc = fault_drop(w, s);
			left_out += timed ? bench_now_ns() - at : 0;
		}
		rc = rc ? rc : fault_page(w, s, m, wanted);
	}
	if (timed) {
		m->ns += bench_now_ns() - begin - left_out;
		m->timed += ops;
	}
	m->ops += ops;
	s->expected += ops * fault_per_op(p->kind);
	return rc;
}

/* Within 1 %: more faults mean smaller pages than meant, fewer mean larger ones, or pages that were
 * still there. */
static void fault_finish(struct bench_worker *w)
{
	struct fault_meter *meters = w->job->shared;
	const struct fault_state *s = w->state;
	uint64_t got = fault_count() - s->begin;
	uint64_t slack = s->expected / 100 + FAULT_SLACK + s->forks * FAULT_SLACK_FORK;
	int64_t interrupts = shoot_interrupts(w->job->cpus ? w->job->cpus + 1 : NULL, w->job->nr_workers - 1);

	if (w->index == 0) {
		atomic_store(&meters[0].over, true);
		meters[0].interrupts = interrupts < 0 ? -1 : interrupts - s->interrupts;
	}

	if (got + slack < s->expected || got > s->expected + slack)
		(void)bench_worker_fail(w, -EBADMSG,
					"%" PRIu64
					" minor faults by the kernel's count, expected %" PRIu64
					" within 1 %%",
					got, s->expected);
}

static void fault_interrupt(struct bench_worker *w)
{
	struct fault_meter *meters = w->job->shared;

	atomic_store(&meters[0].over, true);
}

static void fault_leave(struct bench_worker *w)
{
	struct fault_state *s = w->state;

	fault_kill(s);
	pages_unmap(&s->pages);
	if (s->open)
		close(s->fd);
	s->open = false;
}

static void fault_teardown(struct bench_job *job)
{
	free(job->shared);
	job->shared = NULL;
}

static void fault_put(struct bench_job *job, const char *name, const char *unit, double value)
{
	struct bench_metric_id id = {
		name, unit, BENCH_SOURCE_MODULE, BENCH_BETTER_LOWER, { { NULL, NULL } }
	};

	bench_metric_put(job->metrics, &id, value);
}

/* Interrupts of one call on the CPUs of the other workers. */
static void fault_report_interrupts(struct bench_job *job, const struct fault_meter *m)
{
	static const struct bench_metric_id id = {
		"fault.ipis", "count", BENCH_SOURCE_HOST, BENCH_BETTER_NONE, { { NULL, NULL } }
	};

	if (m->interrupts < 0)
		bench_metric_put_status(job->metrics, &id, BENCH_NOT_SUPPORTED, 0,
					"/proc/interrupts has no function calls between CPUs, or a worker is "
					"bound to no CPU");
	else
		bench_metric_put(job->metrics, &id, (double)m->interrupts / (double)m->ops);
}

static void fault_report(struct bench_job *job, uint64_t trial_ns)
{
	const struct fault_params *p = job->params;
	const struct fault_meter *meters = job->shared;
	bool shoot = fault_is_shoot(p->kind);
	unsigned nr = shoot ? 1 : job->nr_workers;
	double ns = 0;

	(void)trial_ns;
	for (unsigned i = 0; i < nr; i++) {
		uint64_t count = shoot ? meters[i].ops : meters[i].timed;

		if (!count)
			return;
		ns += (double)meters[i].ns / (double)count / nr;
	}
	fault_put(job, shoot ? "fault.call" : "fault.touch", "ns", ns);
	if (shoot)
		fault_report_interrupts(job, &meters[0]);
}

static const char *const fault_kinds[] = { "anon",    "file",  "cow",	  "fork",     "populate", "huge",
					   "present", "unmap", "protect", "dontneed", NULL };

static const struct bench_option fault_options[] = {
	{ .name = "kind",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct fault_params, kind),
	  .def = "anon",
	  .values = fault_kinds,
	  .help = "anon: new memory; file: shared file in memory; cow: private copy of its page; fork: "
		  "copy of memory shared with a child; populate: new memory by madvise; huge: 2 MiB; "
		  "present: pages that the kernel has put there already, no fault: a hypervisor's part; "
		  "unmap, protect, dontneed: new memory, taken away while the other workers run" },
	{ .name = "size",
	  .type = BENCH_OPT_SIZE,
	  .offset = offsetof(struct fault_params, size),
	  .min = PAGES_2M,
	  .max = 1ull << 36,
	  .def = "64m",
	  .help = "bytes of the region of each worker, whole 2 MiB; given back after each pass" },
	{ .name = NULL },
};

static const char *const fault_full[] = { "kind={anon,file,cow,fork,populate,huge,present}",
					  "kind=anon,spread={one,core}",
					  "kind={unmap,protect,dontneed},spread={one,core}", NULL };

const struct bench_module bench_module_fault = {
	.abi = BENCH_MODULE_ABI,
	.exec = BENCH_EXEC_BLOCKING,
	.name = "fault",
	.summary = "page faults: new memory, files, copies, huge pages; pages taken away",
	.op = "one fault of 4 KiB (kind=huge: of 2 MiB; kind=populate: 256 pages by one call; "
	      "kind=present: the first touch of a page; "
	      "kind=unmap, protect, dontneed: and the call that takes it away)",
	.options = fault_options,
	.full = fault_full,
	.params_size = sizeof(struct fault_params),
	.state_size = sizeof(struct fault_state),
	.check = fault_check,
	.setup = fault_setup,
	.enter = fault_enter,
	.begin = fault_begin,
	.run = fault_run,
	.finish = fault_finish,
	.interrupt = fault_interrupt,
	.leave = fault_leave,
	.teardown = fault_teardown,
	.report = fault_report,
};
