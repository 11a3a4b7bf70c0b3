// SPDX-License-Identifier: BSD-2-Clause
/* Page faults: each worker touches one page after the other of a region of its own, gives the
 * region back and starts over. That each touch was a fault, and one only, is held against the
 * kernel's count. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/module.h"
#include "pages.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum fault_kind { FAULT_ANON, FAULT_FILE, FAULT_COW, FAULT_POPULATE, FAULT_HUGE };

struct fault_params {
	uint64_t kind, size;
};

/* What kind=populate asks for at once. */
#define FAULT_CHUNK (1u << 20)
/* In each page of the file behind kind=file and kind=cow. */
#define FAULT_BYTE 0x5a
/* Faults of the core's own at the edges of a window. */
#define FAULT_SLACK 16

struct fault_state {
	struct pages pages;
	int fd;
	bool open;
	uint64_t at;	   /* bytes of the region that have been touched */
	uint64_t expected; /* faults of the window */
	uint64_t begin;	   /* the kernel's count before it */
};

/* Bytes that one op goes on by. */
static size_t fault_step(uint64_t kind)
{
	return kind == FAULT_HUGE ? PAGES_2M : kind == FAULT_POPULATE ? FAULT_CHUNK : PAGES_4K;
}

static uint64_t fault_per_op(uint64_t kind)
{
	return kind == FAULT_POPULATE ? FAULT_CHUNK / PAGES_4K : 1;
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
	if (p->kind == FAULT_POPULATE && madvise(NULL, 0, MADV_POPULATE_WRITE))
		return bench_fail(err, -EOPNOTSUPP,
				  "kind=populate needs MADV_POPULATE_WRITE (Linux 5.14)");
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

static int fault_enter(struct bench_worker *w)
{
	const struct fault_params *p = w->job->params;
	struct fault_state *s = w->state;
	int rc = pages_map(w, &s->pages, p->size / PAGES_2M * PAGES_2M,
			   p->kind == FAULT_HUGE ? PAGES_HUGE : PAGES_SMALL);

	if (!rc && (p->kind == FAULT_FILE || p->kind == FAULT_COW))
		rc = fault_map_file(w, s, p->kind == FAULT_FILE ? MAP_SHARED : MAP_PRIVATE);
	return rc;
}

/* All pages go back; those of the file stay with it. */
static int fault_drop(struct bench_worker *w, struct fault_state *s)
{
	s->at = 0;
	if (madvise(s->pages.at, s->pages.bytes, MADV_DONTNEED))
		return bench_worker_fail(w, -errno, "MADV_DONTNEED: %s", strerror(errno));
	return 0;
}

static int fault_begin(struct bench_worker *w)
{
	struct fault_state *s = w->state;
	int rc = fault_drop(w, s);

	s->expected = 0;
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

static int fault_run(struct bench_worker *w, uint64_t ops)
{
	const struct fault_params *p = w->job->params;
	struct fault_state *s = w->state;
	size_t step = fault_step(p->kind);
	unsigned char wanted = p->kind == FAULT_FILE || p->kind == FAULT_COW ? FAULT_BYTE : 0;

	for (uint64_t i = 0; i < ops; i++) {
		unsigned char *page;
		int rc = s->at == s->pages.bytes ? fault_drop(w, s) : 0;

		if (rc)
			return rc;
		page = s->pages.at + s->at;
		if (p->kind == FAULT_POPULATE && madvise(page, step, MADV_POPULATE_WRITE))
			return bench_worker_fail(w, -errno, "MADV_POPULATE_WRITE: %s",
						 strerror(errno));
		if (!fault_touch(page, step, wanted))
			return bench_worker_fail(w, -EBADMSG, "a page has not the bytes expected");
		s->at += step;
	}
	s->expected += ops * fault_per_op(p->kind);
	return 0;
}

/* Within 1 %: more faults mean smaller pages than meant, fewer mean larger ones, or pages that were
 * still there. */
static void fault_finish(struct bench_worker *w)
{
	const struct fault_state *s = w->state;
	uint64_t got = fault_count() - s->begin;
	uint64_t slack = s->expected / 100 + FAULT_SLACK;

	if (got + slack < s->expected || got > s->expected + slack)
		(void)bench_worker_fail(w, -EBADMSG,
					"%" PRIu64
					" minor faults by the kernel's count, expected %" PRIu64
					" within 1 %%",
					got, s->expected);
}

static void fault_leave(struct bench_worker *w)
{
	struct fault_state *s = w->state;

	pages_unmap(&s->pages);
	if (s->open)
		close(s->fd);
	s->open = false;
}

static const char *const fault_kinds[] = { "anon", "file", "cow", "populate", "huge", NULL };

static const struct bench_option fault_options[] = {
	{ .name = "kind",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct fault_params, kind),
	  .def = "anon",
	  .values = fault_kinds,
	  .help = "anon: new memory; file: shared file in memory; cow: private copy of its page; "
		  "populate: new memory by madvise; huge: 2 MiB" },
	{ .name = "size",
	  .type = BENCH_OPT_SIZE,
	  .offset = offsetof(struct fault_params, size),
	  .min = PAGES_2M,
	  .max = 1ull << 36,
	  .def = "64m",
	  .help = "bytes of the region of each worker, whole 2 MiB; given back after each pass" },
	{ .name = NULL },
};

static const char *const fault_full[] = { "kind={anon,file,cow,populate,huge}", NULL };

const struct bench_module bench_module_fault = {
	.abi = BENCH_MODULE_ABI,
	.exec = BENCH_EXEC_BLOCKING,
	.name = "fault",
	.summary = "page faults: new memory, files, copies, huge pages",
	.op = "one fault of 4 KiB (kind=huge: of 2 MiB; kind=populate: 256 pages by one call)",
	.options = fault_options,
	.full = fault_full,
	.params_size = sizeof(struct fault_params),
	.state_size = sizeof(struct fault_state),
	.check = fault_check,
	.enter = fault_enter,
	.begin = fault_begin,
	.run = fault_run,
	.finish = fault_finish,
	.leave = fault_leave,
};
