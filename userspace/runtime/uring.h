/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files that make up a ring share: uring.c (open, close, the turn), uring_ops.c
 * (describing operations), uring_stop.c (drain and cancel), uring_probe.c (what the kernel allows).
 */
#ifndef RUNTIME_URING_H
#define RUNTIME_URING_H

#include <stdbool.h>
#include <stdint.h>
#include <liburing.h>
#include <sched.h>
#include "bench/clock.h"
#include "runtime/async.h"
#include "runtime/timers.h"

#define URING_SQ_ENTRIES 256u
#define URING_CQ_ENTRIES 4096u
/* With SQPOLL the kernel's thread takes SQEs when it gets to it. There is a place for each operation
 * that can be in flight, so that none is written over before it was taken. */
#define URING_SQPOLL_ENTRIES 2048u
/* Memory of such a ring that the kernel may count as locked: 64 bytes an SQE, 4 its place in the
 * array, 16 a CQE, each of the two areas in whole pages. */
#define URING_KIB (16u + 68u)

/* Set-up flags that the linked liburing understands. A kernel may know more, but a library that
 * does not know a flag maps the rings wrongly: liburing 2.3 with NO_SQARRAY sees endless
 * completions that never were. NO_SQARRAY is left out for every version, because the turn here
 * fills the array once and relies on it. 0x3fff = everything up to DEFER_TASKRUN, all of liburing
 * 2.3; later versions add NO_MMAP (2.5, needs another set-up call) and nothing that we ask for. */
#define URING_KNOWN_SETUP_FLAGS 0x3fffu
#define URING_SETUP_NO_SQARRAY (1u << 16)
#if defined(IO_URING_VERSION_MAJOR) && IO_URING_VERSION_MAJOR < 2
#error "liburing 2.3 or newer is needed"
#endif

/* user_data = slot | generation << 16. Slots from URING_SLOT_INTERNAL are not operations. */
#define URING_SLOT_INTERNAL 0xfff0u
#define URING_SLOT_TIMEOUT 0xfff0u /* wakes a wait where the kernel has no EXT_ARG */
#define URING_SLOT_CANCEL 0xfff1u  /* from async_cancel() */
#define URING_SLOT_FAR 0xfff2u	   /* wakes the waits until a deadline far away */

/* user_data of a message from another ring: this, and that of the operation that receives it. What
 * receives has no SQE, and this for its opcode, which the kernel does not have. */
#define URING_MESSAGE (1ull << 63)
#define URING_OP_RECEIVE 255u

/* A deadline at least this far away is one TIMEOUT for many waits. */
#define URING_FAR_NS (5 * BENCH_NS_PER_MS)

/* Without stamps the clock need not be read in each of so many turns, if they take no longer than
 * this. */
#define URING_CLOCK_TURNS 8u
#define URING_CLOCK_NS (25 * BENCH_NS_PER_US)

/* bench_op.state: one of these, and URING_OP_PASSIVE as it was when the operation was described. */
enum {
	URING_OP_FREE,
	URING_OP_TAKEN,	  /* bench_op_get() gave it out */
	URING_OP_KERNEL,  /* described: in the SQ or with the kernel */
	URING_OP_TIMER,	  /* in the timer heap */
	URING_OP_READY,	  /* done, callback to come */
	URING_OP_RUNNING, /* in its callback */
	URING_OP_HELD,	  /* under way, and the module says when it is done */
	URING_OP_STATES = 0x7f,
	URING_OP_PASSIVE = 0x80,
};

/* What an operation waits for in the kernel. A file's kind is not looked at: reads and writes at an
 * offset are a disk's, those without one are of something that has none, a pipe or an eventfd. */
enum {
	URING_WAITS_NONE,
	URING_WAITS_DISK,
	URING_WAITS_NET,
	URING_WAITS_TIMER,
	URING_WAITS_IPC,
	URING_NR_WAITS
};

/* Stands for the kernel's in bench_op.opcode: a read or a write without an offset. */
#define URING_OPCODE_STREAM 254u
_Static_assert(URING_OPCODE_STREAM != URING_OP_RECEIVE && (unsigned)IORING_OP_LAST <= URING_OPCODE_STREAM,
	       "opcodes of our own");

static inline uint8_t uring_opcode_at(uint8_t opcode, uint64_t offset)
{
	return offset == (uint64_t)-1 ? URING_OPCODE_STREAM : opcode;
}

/* By opcode; a table, because it is asked for twice an operation. */
static inline unsigned uring_waits_for(uint8_t opcode)
{
	static const uint8_t waits[256] = {
		[IORING_OP_READ] = URING_WAITS_DISK,	 [IORING_OP_READ_FIXED] = URING_WAITS_DISK,
		[IORING_OP_WRITE] = URING_WAITS_DISK,	 [IORING_OP_WRITE_FIXED] = URING_WAITS_DISK,
		[IORING_OP_FSYNC] = URING_WAITS_DISK,	 [IORING_OP_RECV] = URING_WAITS_NET,
		[IORING_OP_SEND] = URING_WAITS_NET,	 [IORING_OP_SEND_ZC] = URING_WAITS_NET,
		[IORING_OP_ACCEPT] = URING_WAITS_NET,	 [IORING_OP_CONNECT] = URING_WAITS_NET,
		[IORING_OP_POLL_ADD] = URING_WAITS_NET,	 [IORING_OP_TIMEOUT] = URING_WAITS_TIMER,
		[URING_OPCODE_STREAM] = URING_WAITS_IPC, [URING_OP_RECEIVE] = URING_WAITS_IPC,
	};

	return waits[opcode];
}

/* Batches are as large as the one before, mostly: those that are go to the histogram together,
 * which by then has left the CPU's first cache. */
struct repeat {
	uint64_t value, nr;
};

static inline void repeat_end(struct repeat *r, struct bench_hist *hist)
{
	if (r->nr)
		bench_hist_record_many(hist, r->value, r->nr);
	r->nr = 0;
}

static inline void repeat_record(struct repeat *r, struct bench_hist *hist, uint64_t value)
{
	if (value != r->value) {
		repeat_end(r, hist);
		r->value = value;
	}
	r->nr++;
}

struct bench_async {
	/* Submission. The SQ ring's own index array is the identity and never changes. */
	struct io_uring_sqe *sqes;
	unsigned *sq_ktail, *sq_kflags;
	unsigned sq_mask, sq_entries, sq_tail;
	unsigned sq_taken;	  /* by the kernel, of sq_tail; of the rest (uring_queued()): */
	unsigned queued_passive;  /* passive operations */
	unsigned queued_internal; /* no operations at all */
	unsigned queued_soon;	  /* operations that complete while they are handed over */
	bool no_stamps;		  /* operations get no submit_ns */
	unsigned submit_batch;	  /* hand over between callbacks when so many are queued */

	/* Completion. */
	struct io_uring_cqe *cqes;
	unsigned *cq_khead, *cq_ktail;
	unsigned cq_mask, cq_head;

	unsigned depth;
	struct bench_op *ops;
	struct bench_op *free;
	struct bench_op *ready, **ready_tail;
	uint64_t now_ns;
	unsigned clock_skip; /* turns that may pass before the clock is read again */
	int failed; /* sticky: the ring cannot be used any more */
	int refuse; /* what is described now completes with this at once: failed, or -ECANCELED */
	unsigned live, live_passive; /* described, or in the callback; live includes passive */

	/* The live ones by what they wait for; told before each wait. */
	uint32_t waits[URING_NR_WAITS];
	uint32_t *mix; /* async_set_mix(); NULL = nobody reads it */

	/* The window's accounting. Passive operations are in the batch sizes only. */
	struct async_stats stats;
	uint64_t turn_ops, turn_bytes; /* moved in the last turn */
	struct repeat submit_repeat, reap_repeat;
	uint64_t inflight_since_ns;
	uint64_t window_ns;
	unsigned overflow_base, dropped_base;
	uint64_t overflow_seen; /* turns that found CQEs waiting outside the CQ */

	struct timers timers;
	struct io_uring ring;
	unsigned enter_flags;		  /* IORING_ENTER_REGISTERED_RING or 0 */
	bool sqpoll; /* a thread of the kernel submits */
	bool iopoll; /* no TIMEOUT is allowed */
	bool reap_in_enter; /* iopoll, without sqpoll: the wait polls, and knows no deadline */
	struct __kernel_timespec timeout; /* of the newest TIMEOUT that is queued */
	uint64_t armed_ns;		  /* the pending URING_SLOT_FAR fires then; 0 = none */
	struct async_caps caps;
	struct sockaddr_storage *addrs; /* by slot: the kernel reads it at the end of the turn */
	bool *files;			/* by index: in use */
	unsigned nr_files;		/* size of the registered table, 0 = none */
	bool buffers;
	int refused_buffers; /* negative errno of the last registration that failed, 0 = none */
	struct io_uring_buf_ring *buf_ring; /* provided buffers; NULL = none */
	unsigned buf_nr;		    /* how many, a power of two */
	uint32_t buf_size;
	unsigned char *buf_mem; /* the module's */
	bool napi;		/* busy polling is on */
	cpu_set_t iowq_cpus; /* where this ring's kernel workers may run */
};

/* SQEs that the kernel has not taken. */
static inline unsigned uring_queued(const struct bench_async *a)
{
	return a->sq_tail - a->sq_taken;
}

static inline uint64_t uring_user_data(uint16_t slot, uint16_t gen)
{
	return (uint64_t)slot | (uint64_t)gen << 16;
}

static inline uint64_t uring_op_data(const struct bench_op *op)
{
	return uring_user_data(op->slot, op->gen);
}

static inline bool uring_op_running(const struct bench_op *op)
{
	return (op->state & URING_OP_STATES) == URING_OP_RUNNING;
}

/* An operation is among the live ones from when it is described until it is free again. One that
 * its callback describes anew as the same stays so without a count being touched: that is what
 * loops do. */
static inline void uring_live_add(struct bench_async *a, uint8_t opcode, bool passive)
{
	a->live++;
	a->live_passive += passive;
	a->waits[uring_waits_for(opcode)]++;
}

static inline void uring_live_sub(struct bench_async *a, const struct bench_op *op)
{
	a->live--;
	a->live_passive -= !!(op->state & URING_OP_PASSIVE);
	a->waits[uring_waits_for(op->opcode)]--;
}

/* Append to the list whose callbacks run next. */
static inline void uring_ready(struct bench_async *a, struct bench_op *op, int res)
{
	op->res = res;
	op->state = (op->state & URING_OP_PASSIVE) | URING_OP_READY;
	op->next = NULL;
	*a->ready_tail = op;
	a->ready_tail = &op->next;
}

/* Operations with the kernel; passive ones are not counted. */
static inline unsigned uring_inflight(const struct bench_async *a)
{
	return (unsigned)(a->stats.submitted - a->stats.completed);
}

/* in flight x time, up to now_ns. */
static inline void uring_inflight_until(struct bench_async *a, uint64_t now_ns)
{
	a->stats.inflight_integral += uring_inflight(a) * (now_ns - a->inflight_since_ns);
	a->inflight_since_ns = now_ns;
}

/* uring_inflight_until() has been called. */
static inline void uring_inflight_add(struct bench_async *a, unsigned nr)
{
	a->stats.submitted += nr;
	if (uring_inflight(a) > a->stats.inflight_max)
		a->stats.inflight_max = uring_inflight(a);
}

/* op has another completion, and more will follow: give this one to an operation of its own. False
 * when op is not of that kind. */
bool uring_reap_more(struct bench_async *a, const struct bench_op *op,
		     const struct io_uring_cqe *cqe);
/* Cancel held operations; their callbacks run in the next turn. */
void uring_cancel_held(struct bench_async *a);
/* IORING_REGISTER_NAPI and what undoes it, which liburing has from 2.6 on. 0 or negative errno. */
int uring_napi(int ring_fd, unsigned us);
/* The common part of describing an operation; see uring_ops.c. */
uint64_t uring_describe(struct bench_async *a, struct bench_op *op, uint8_t opcode, uint8_t state);
struct io_uring_sqe *uring_op_sqe(struct bench_async *a, struct bench_op *op, uint8_t opcode,
				  uint64_t *ret_data);

/* Hand over what is queued without waiting. 0, or negative errno when the kernel took nothing. */
int uring_submit(struct bench_async *a);

/* An SQE, submitting first when the SQ is full. NULL when even that did not help. */
static inline struct io_uring_sqe *uring_sqe(struct bench_async *a)
{
	if (__builtin_expect(uring_queued(a) == a->sq_entries, 0) && uring_submit(a) < 0)
		return NULL;
	return &a->sqes[a->sq_tail++ & a->sq_mask];
}

/* An SQE that belongs to no operation. */
static inline struct io_uring_sqe *uring_sqe_internal(struct bench_async *a)
{
	struct io_uring_sqe *sqe = uring_sqe(a);

	if (sqe)
		a->queued_internal++;
	return sqe;
}

/* Keep the ring's kernel workers on the CPUs of the calling thread. Kernels before 5.14 cannot. */
void uring_bind_iowq(struct bench_async *a);

/* Like io_uring_queue_init_params() with what a ring of this project has. */
int uring_setup(struct io_uring *ret_ring, unsigned setup_flags);

/* What was seen when io_uring was refused; split from the reading of it for the tests. */
struct uring_denial {
	int code;	  /* negative errno of io_uring_setup(2) */
	int disabled;	  /* kernel.io_uring_disabled, -1 = there is none */
	int seccomp;	  /* "Seccomp:" of /proc/self/status, -1 = unknown */
	uint64_t memlock; /* RLIMIT_MEMLOCK, bytes */
};
/* Fill err with cause and remedy, and return the code for async_probe(). */
int uring_explain(const struct uring_denial *denial, struct bench_err *err);
/* The same with what is seen now. */
int uring_denied(int code, struct bench_err *err);

#endif
