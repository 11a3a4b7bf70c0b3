// SPDX-License-Identifier: BSD-2-Clause
/* Making and unmaking a ring: memory, set-up flags, registered files and buffers, and the bounds on
 * its kernel workers. */
#include "runtime/uring.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "runtime/async.h"

/* Kernel workers that one ring may have at work: enough for a queue of buffered or metadata
 * operations to overlap, too few to flood the CPUs. (The kernel's own bound for regular files is
 * min(SQ entries, 4 x CPUs), and RLIMIT_NPROC for the rest.) */
#define IOWQ_BOUNDED 8u
#define IOWQ_UNBOUNDED 16u

#define FILES_MAX 1024u

/* The kernel gives back the locked memory of a closed ring a moment after close(2) returned, so that
 * a refusal counts only when it lasts. */
#define MEMLOCK_WAIT_NS (100 * BENCH_NS_PER_MS)
#define MEMLOCK_NAP_NS (2 * BENCH_NS_PER_MS)

int uring_setup(struct io_uring *ret_ring, unsigned setup_flags)
{
	const struct timespec nap = { .tv_nsec = MEMLOCK_NAP_NS };
	uint64_t until_ns = bench_now_ns() + MEMLOCK_WAIT_NS;
	int rc;

	for (;;) {
		struct io_uring_params p = { .flags = setup_flags & URING_KNOWN_SETUP_FLAGS };

		if (p.flags & IORING_SETUP_CQSIZE)
			p.cq_entries = URING_CQ_ENTRIES;
		rc = io_uring_queue_init_params(p.flags & IORING_SETUP_SQPOLL ?
							URING_SQPOLL_ENTRIES :
							URING_SQ_ENTRIES,
						ret_ring, &p);
		if (rc != -ENOMEM || bench_now_ns() >= until_ns)
			return rc;
		(void)nanosleep(&nap, NULL); /* a shorter nap does no harm */
	}
}

void uring_bind_iowq(struct bench_async *a)
{
	cpu_set_t cpus;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0 || CPU_EQUAL(&cpus, &a->iowq_cpus))
		return;
	/* Where the kernel cannot, its workers roam as they always did; punts are counted. */
	(void)io_uring_register_iowq_aff(&a->ring, sizeof(cpus), &cpus);
	a->iowq_cpus = cpus;
}

static void bound_iowq(struct bench_async *a)
{
	unsigned max[2] = { IOWQ_BOUNDED, IOWQ_UNBOUNDED };

	(void)io_uring_register_iowq_max_workers(&a->ring, max); /* 5.15 */
	CPU_ZERO(&a->iowq_cpus);
	uring_bind_iowq(a);
}

/* An empty table, filled by bench_async_add_file(). Kernels before 5.19 have no sparse call but
 * take -1 for an empty place. Without one, plain descriptors are used. */
static void register_files(struct bench_async *a)
{
	unsigned nr = a->depth < FILES_MAX ? a->depth : FILES_MAX;
	struct rlimit lim;
	int none[FILES_MAX];

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < nr)
		nr = (unsigned)lim.rlim_cur; /* else EMFILE */
	a->files = calloc(nr, sizeof(*a->files));
	if (!a->files)
		return;
	memset(none, 0xff, sizeof(none));
	if (io_uring_register_files_sparse(&a->ring, nr) == 0 ||
	    io_uring_register_files(&a->ring, none, nr) == 0)
		a->nr_files = nr;
}

static void map_ring(struct bench_async *a)
{
	struct io_uring_sq *sq = &a->ring.sq;
	struct io_uring_cq *cq = &a->ring.cq;

	a->sqes = sq->sqes;
	a->sq_ktail = sq->ktail;
	a->sq_kflags = sq->kflags;
	a->sq_entries = *sq->kring_entries;
	a->sq_mask = *sq->kring_mask;
	a->sq_tail = a->sq_taken = *sq->ktail;
	a->cqes = cq->cqes;
	a->cq_khead = cq->khead;
	a->cq_ktail = cq->ktail;
	a->cq_mask = *cq->kring_mask;
	a->cq_head = *cq->khead;
	for (unsigned i = 0; i < a->sq_entries; i++)
		sq->array[i] = i;
	bench_async_set_batch(a, 0);
	a->depth = *cq->kring_entries / 2;
	if (a->depth > ASYNC_DEPTH_MAX)
		a->depth = ASYNC_DEPTH_MAX;
}

static int alloc_ops(struct bench_async *a)
{
	static_assert(sizeof(struct bench_op) == 64, "an operation is one cache line");

	a->ops = aligned_alloc(64, a->depth * sizeof(*a->ops));
	a->addrs = calloc(a->depth, sizeof(*a->addrs));
	a->stats.submit_batch = bench_hist_new(BENCH_HIST_BITS_WORKER);
	a->stats.reap_batch = bench_hist_new(BENCH_HIST_BITS_WORKER);
	a->stats.loop_lag = bench_hist_new(BENCH_HIST_BITS_WORKER);
	if (!a->ops || !a->addrs || !a->stats.submit_batch || !a->stats.reap_batch ||
	    !a->stats.loop_lag || timers_init(&a->timers, a->depth) < 0)
		return -ENOMEM;
	memset(a->ops, 0, a->depth * sizeof(*a->ops));
	a->ready_tail = &a->ready;
	for (unsigned i = a->depth; i-- > 0;) {
		a->ops[i].slot = (uint16_t)i;
		a->ops[i].next = a->free;
		a->free = &a->ops[i];
	}
	return 0;
}

int async_open(struct bench_async **ret_async, const struct async_caps *caps, struct bench_err *err)
{
	struct bench_async *a;
	int rc;

	a = aligned_alloc(64, (sizeof(*a) + 63) / 64 * 64);
	if (!a)
		return bench_fail(err, -ENOMEM, "make a ring: out of memory");
	memset(a, 0, sizeof(*a));
	a->caps = *caps;
	a->ring.ring_fd = -1;
	rc = uring_setup(&a->ring, caps->setup_flags);
	if (rc < 0) {
		a->ring.ring_fd = -1;
		rc = uring_denied(rc, err);
		goto out;
	}
	map_ring(a);
	rc = alloc_ops(a);
	if (rc < 0) {
		bench_fail(err, rc, "make a ring: out of memory");
		goto out;
	}
	a->sqpoll = caps->setup_flags & IORING_SETUP_SQPOLL;
	a->iopoll = caps->setup_flags & IORING_SETUP_IOPOLL;
	a->reap_in_enter = a->iopoll && !a->sqpoll;
	if (caps->ring_fd && io_uring_register_ring_fd(&a->ring) == 1)
		a->enter_flags = IORING_ENTER_REGISTERED_RING;
	bound_iowq(a);
	register_files(a);
	async_window_begin(a);
	*ret_async = a;
out:
	if (rc < 0)
		async_close(a);
	return rc;
}

int async_open_like(struct bench_async **ret_async, const struct bench_async *model, unsigned want,
		    struct bench_err *err)
{
	struct async_caps caps = model->caps;

	if (want & BENCH_RING_IOPOLL)
		caps.setup_flags |= IORING_SETUP_IOPOLL;
	if (want & BENCH_RING_SQPOLL) {
		/* Its thread does what these leave to the task. */
		caps.setup_flags &= ~(unsigned)(IORING_SETUP_DEFER_TASKRUN |
						IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG);
		caps.setup_flags |= IORING_SETUP_SQPOLL;
	}
	return async_open(ret_async, &caps, err);
}

void async_close(struct bench_async *a)
{
	if (!a)
		return;
	if (a->ring.ring_fd >= 0)
		io_uring_queue_exit(&a->ring);
	timers_done(&a->timers);
	bench_hist_free(a->stats.submit_batch);
	bench_hist_free(a->stats.reap_batch);
	bench_hist_free(a->stats.loop_lag);
	free(a->files);
	free(a->addrs);
	free(a->ops);
	free(a);
}

bool bench_async_known(unsigned setup_flags)
{
	return !(setup_flags & ~URING_KNOWN_SETUP_FLAGS);
}

/* With what every ring here has. */
static unsigned own_flags(unsigned setup_flags)
{
	return setup_flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
}

int bench_async_check(unsigned setup_flags, struct bench_err *err)
{
	struct io_uring ring;
	int rc;

	if (!bench_async_known(setup_flags))
		return bench_fail(err, -EINVAL,
				  "IORING_SETUP flags %#x: the linked liburing does not know %#x of them",
				  setup_flags, setup_flags & ~URING_KNOWN_SETUP_FLAGS);
	rc = uring_setup(&ring, own_flags(setup_flags));
	if (rc == -EINVAL)
		return bench_fail(err, -EOPNOTSUPP,
				  "IORING_SETUP flags %#x: this kernel refuses them", setup_flags);
	if (rc < 0)
		return uring_denied(rc, err);
	io_uring_queue_exit(&ring);
	return 0;
}

bool bench_async_offers_messages(void)
{
	struct io_uring_probe *probe = io_uring_get_probe();
	bool has = probe && io_uring_opcode_supported(probe, IORING_OP_MSG_RING);

	io_uring_free_probe(probe);
	return has;
}

struct bench_async *bench_async_open(struct bench_worker *w, unsigned setup_flags)
{
	struct async_caps caps = w->async->caps;
	struct bench_async *a = NULL;
	struct bench_err err = { 0 };
	int rc;

	caps.setup_flags = own_flags(setup_flags);
	rc = async_open(&a, &caps, &err);
	if (rc < 0) {
		(void)bench_worker_fail(w, rc, "IORING_SETUP flags %#x: %s", setup_flags, err.msg);
		return NULL;
	}
	return a;
}

void bench_async_close(struct bench_async *a)
{
	async_close(a);
}

int bench_async_add_file(struct bench_async *a, int fd)
{
	for (unsigned i = 0; i < a->nr_files; i++) {
		int rc;

		if (a->files[i])
			continue;
		rc = io_uring_register_files_update(&a->ring, i, &fd, 1);
		if (rc < 0)
			return rc;
		a->files[i] = true;
		return (int)i;
	}
	return a->nr_files ? -ENOSPC : -EOPNOTSUPP;
}

void bench_async_remove_file(struct bench_async *a, int index)
{
	int none = -1;

	if (index < 0 || (unsigned)index >= a->nr_files || !a->files[index])
		return;
	/* Emptying a place cannot fail; the table goes with the ring in any case. */
	(void)io_uring_register_files_update(&a->ring, (unsigned)index, &none, 1);
	a->files[index] = false;
}

int bench_async_add_buffers(struct bench_async *a, const struct iovec *iov, unsigned nr)
{
	int rc = io_uring_register_buffers(&a->ring, iov, nr);

	a->refused_buffers = rc < 0 ? rc : 0;
	if (rc < 0)
		return rc;
	a->buffers = true;
	return 0;
}

void async_unregister(struct bench_async *a)
{
	if (!a)
		return;
	for (unsigned i = 0; i < a->nr_files; i++)
		bench_async_remove_file(a, (int)i);
	if (a->buffers)
		(void)io_uring_unregister_buffers(&a->ring);
	a->buffers = false;
	a->refused_buffers = 0;
	bench_async_drop_buf_ring(a); /* a module that leaks its buffers has not done so */
	if (a->napi)
		(void)uring_napi(a->ring.ring_fd, 0);
	a->napi = false;
	bench_async_set_batch(a, 0);
	bench_async_set_stamps(a, true);
}

int async_refused_buffers(const struct bench_async *a, struct bench_err *err)
{
	struct rlimit limit;

	if (!a->refused_buffers)
		return 0;
	if (a->refused_buffers == -ENOMEM && !getrlimit(RLIMIT_MEMLOCK, &limit) &&
	    limit.rlim_cur != RLIM_INFINITY)
		return bench_fail(err, -ENOMEM,
				  "io_uring did not register the buffers: they are more than may be "
				  "locked (RLIMIT_MEMLOCK = %" PRIu64 " KiB); operations take plain ones, "
				  "which cost more CPU time; remedy: ulimit -l unlimited, or run as root",
				  (uint64_t)limit.rlim_cur / 1024);
	return bench_fail(err, a->refused_buffers,
			  "io_uring did not register the buffers (%s); operations take plain ones, which "
			  "cost more CPU time",
			  strerror(-a->refused_buffers));
}
