// SPDX-License-Identifier: BSD-2-Clause
/* The turn of a ring: one io_uring_enter that submits and waits, then a reap that only moves
 * completions to the ready list, one clock read, then the callbacks. liburing makes and maps the
 * ring and encodes SQEs; the turn works on the mapped ring itself, because every enter is counted
 * and every completion is checked against the operation that it claims to be. */
#include "runtime/uring.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* include/linux/errno.h of the kernel, which lets it out where nothing can be restarted. */
#define KERNEL_ERESTARTSYS 512

static inline unsigned cq_waiting(const struct bench_async *a)
{
	return __atomic_load_n(a->cq_ktail, __ATOMIC_ACQUIRE) - a->cq_head;
}

/* The kernel took part of what was queued: find out which part. Rare (out of memory, or a kernel
 * without SUBMIT_ALL that stopped at a bad SQE), so the counters of the whole are kept cheap. */
static void count_part(struct bench_async *a, unsigned first, unsigned nr, unsigned *ret_passive,
		       unsigned *ret_internal)
{
	*ret_passive = *ret_internal = 0;
	for (unsigned i = first; i != first + nr; i++) {
		unsigned slot = (uint16_t)a->sqes[i & a->sq_mask].user_data;

		if (slot >= a->depth)
			++*ret_internal;
		else if (a->ops[slot].state & URING_OP_PASSIVE)
			++*ret_passive;
	}
}

/* The kernel took nr SQEs in the enter that began at now_ns. */
static inline __attribute__((always_inline)) void account_submit(struct bench_async *a, unsigned nr,
								 uint64_t now_ns)
{
	unsigned first = a->sq_taken, mask = a->sq_mask, depth = a->depth;
	unsigned passive = a->queued_passive, internal = a->queued_internal;
	const struct io_uring_sqe *sqes = a->sqes;
	struct bench_op *ops = a->ops;

	if (nr != uring_queued(a))
		count_part(a, first, nr, &passive, &internal);
	for (unsigned i = first, end = a->no_stamps ? first : first + nr; i != end; i++) {
		unsigned slot = (uint16_t)sqes[i & mask].user_data;

		if (slot < depth)
			ops[slot].submit_ns = now_ns;
	}
	a->sq_taken += nr;
	a->queued_passive -= passive;
	a->queued_internal -= internal;
	if (nr == internal)
		return;
	uring_inflight_until(a, now_ns);
	/* They were described in this turn, after its look at the clock. */
	if (now_ns > a->now_ns)
		a->stats.queued_integral += (nr - passive - internal) * (now_ns - a->now_ns);
	uring_inflight_add(a, nr - passive - internal);
	repeat_record(&a->submit_repeat, a->stats.submit_batch, nr - internal);
}

/* io_uring_enter(2) without a function around it. Mitigations leave the CPU's stack of return
 * addresses empty behind a system call: each return on the way up from it is then mispredicted,
 * which together cost a tenth of a NOP. For the same reason all of a turn is one function around
 * this one. Negative errno on failure. */
static inline __attribute__((always_inline)) int enter_call(int fd, unsigned to_submit,
							    unsigned wait_nr, unsigned flags,
							    const void *arg, size_t size)
{
#ifdef __x86_64__
	register long r10 __asm__("r10") = (long)flags;
	register long r8 __asm__("r8") = (long)arg;
	register long r9 __asm__("r9") = (long)size;
	long rc = SYS_io_uring_enter;

	__asm__ volatile("syscall"
			 : "+a"(rc)
			 : "D"((long)fd), "S"((long)to_submit), "d"((long)wait_nr), "r"(r10),
			   "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return (int)rc;
#else
	long rc = syscall(SYS_io_uring_enter, fd, to_submit, wait_nr, flags, arg, size);

	return rc < 0 ? -errno : (int)rc;
#endif
}

/* A thread of the kernel takes what is queued by itself unless it fell asleep; then, and to wait, it
 * takes a system call all the same. Completions come without. */
static int enter_sqpoll(struct bench_async *a, unsigned wait_nr, unsigned flags, const void *arg,
			size_t size)
{
	/* The tail must be seen before the thread's decision to sleep is looked at. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	flags &= IORING_ENTER_EXT_ARG | (wait_nr ? IORING_ENTER_GETEVENTS : 0);
	if (__atomic_load_n(a->sq_kflags, __ATOMIC_RELAXED) & IORING_SQ_CQ_OVERFLOW)
		flags |= IORING_ENTER_GETEVENTS;
	if (__atomic_load_n(a->sq_kflags, __ATOMIC_RELAXED) & IORING_SQ_NEED_WAKEUP)
		flags |= IORING_ENTER_SQ_WAKEUP;
	if (!(flags & (IORING_ENTER_GETEVENTS | IORING_ENTER_SQ_WAKEUP)))
		return (int)uring_queued(a);
	a->stats.enters++;
	return enter_call(a->ring.enter_ring_fd, uring_queued(a), wait_nr, flags | a->enter_flags,
			  arg, size);
}

/* One io_uring_enter. flags has GETEVENTS also where nothing is waited for but completions are
 * wanted: a DEFER_TASKRUN ring completes only then. 0; -EAGAIN or -EBUSY when the kernel wants its completions reaped before it
 * takes more; any other failure ends the ring. */
static inline __attribute__((always_inline)) int enter(struct bench_async *a, uint64_t now_ns,
						       unsigned wait_nr, unsigned flags,
						       const void *arg, size_t size)
{
	unsigned queued = uring_queued(a);
	int rc;

	if (queued > a->stats.sq_depth_max)
		a->stats.sq_depth_max = queued;
	__atomic_store_n(a->sq_ktail, a->sq_tail, __ATOMIC_RELEASE);
	if (a->sqpoll) {
		rc = enter_sqpoll(a, wait_nr, flags, arg, size);
	} else {
		a->stats.enters++;
		rc = enter_call(a->ring.enter_ring_fd, queued, wait_nr, flags | a->enter_flags, arg,
				size);
	}
	if (rc > 0)
		account_submit(a, (unsigned)rc, now_ns);
	a->queued_soon = 0;
	if (rc >= 0 || rc == -ETIME || rc == -EINTR)
		return 0;
	if (rc != -EAGAIN && rc != -EBUSY)
		a->failed = a->refuse = rc;
	return rc;
}

/* Not at the end of a turn. */
static __attribute__((noinline)) int enter_between(struct bench_async *a, unsigned flags)
{
	return enter(a, bench_now_ns(), 0, flags, NULL, 0);
}

/* A TIMEOUT goes with the batch. A count of 1 makes it end with the first completion; with 0 it
 * stays until its time. */
static bool queue_timeout(struct bench_async *a, uint64_t deadline_ns, unsigned count,
			  uint64_t slot)
{
	struct io_uring_sqe *sqe = uring_sqe_internal(a);

	if (!sqe)
		return false;
	a->timeout.tv_sec = (long long)(deadline_ns / BENCH_NS_PER_SEC);
	a->timeout.tv_nsec = (long long)(deadline_ns % BENCH_NS_PER_SEC);
	io_uring_prep_timeout(sqe, &a->timeout, count, IORING_TIMEOUT_ABS);
	sqe->user_data = slot;
	return true;
}

/* A timed wait starts and cancels a timer each time, which in a guest may cost two exits to the
 * hypervisor. For a deadline far away one TIMEOUT in the kernel serves many waits: it wakes the
 * last of them, early at worst. False when there is none, or was no room for it. */
static bool arm_far(struct bench_async *a, uint64_t deadline_ns, bool far)
{
	if (a->armed_ns && a->armed_ns <= deadline_ns)
		return true;
	if (!far || !queue_timeout(a, deadline_ns, 0, URING_SLOT_FAR))
		return false;
	a->armed_ns = deadline_ns;
	return true;
}

/* How a turn enters the kernel. */
struct entry {
	unsigned wait_nr;
	bool timed; /* arg goes along */
	struct io_uring_getevents_arg arg;
	struct __kernel_timespec ts;
};

/* Wait for a completion, until deadline_ns at the latest. */
static void wait_until(struct bench_async *a, uint64_t now_ns, uint64_t deadline_ns,
		       struct entry *e)
{
	bool far = deadline_ns - now_ns >= URING_FAR_NS;

	/* Those that complete at once are not what is waited for, unless there is nothing else. */
	e->wait_nr = a->queued_soon < a->live ? 1 + a->queued_soon : 1;
	if (a->reap_in_enter) { /* once, where something is due before a completion may come */
		e->wait_nr = far;
	} else if (deadline_ns == UINT64_MAX) {
		return;
	} else if (!a->iopoll && arm_far(a, deadline_ns, far)) {
		/* Making room in a full SQ may have reaped: then there is nothing to wait for. */
		if (a->ready)
			e->wait_nr = 0;
	} else if (!a->caps.ext_arg) {
		e->wait_nr = !a->iopoll && queue_timeout(a, deadline_ns, 1, URING_SLOT_TIMEOUT) &&
			     !a->ready;
	} else {
		e->ts.tv_sec = (long long)((deadline_ns - now_ns) / BENCH_NS_PER_SEC);
		e->ts.tv_nsec = (long long)((deadline_ns - now_ns) % BENCH_NS_PER_SEC);
		e->arg = (struct io_uring_getevents_arg){ .sigmask_sz = _NSIG / 8,
							  .ts = (uint64_t)(uintptr_t)&e->ts };
		e->timed = true;
	}
}

/* The kernel's side cannot tell what a wait in io_uring_enter is for. One store, when it changed. */
static void publish_mix(const struct bench_async *a)
{
	uint32_t mix = (a->waits[URING_WAITS_DISK] ? ASYNC_MIX_DISK : 0) |
		       (a->waits[URING_WAITS_NET] ? ASYNC_MIX_NET : 0) |
		       (a->waits[URING_WAITS_TIMER] ? ASYNC_MIX_TIMER : 0) |
		       (a->waits[URING_WAITS_IPC] ? ASYNC_MIX_IPC : 0);

	/* With nothing in flight it waits for a time: until the next operation is due, say. */
	mix = mix ? mix : ASYNC_MIX_TIMER;
	if (__atomic_load_n(a->mix, __ATOMIC_RELAXED) != mix)
		__atomic_store_n(a->mix, mix, __ATOMIC_RELAXED);
}

/* Submit, and wait unless there is something to do already. The system call is left out when it
 * would do nothing, which makes a spinning turn cheap. */
static inline void submit_and_wait(struct bench_async *a, uint64_t wait_until_ns)
{
	uint64_t deadline_ns = timers_next(&a->timers), now_ns = 0;
	bool wait = !a->ready && !cq_waiting(a);
	struct entry e;

	e.wait_nr = 0;
	e.timed = false;
	if (wait_until_ns < deadline_ns)
		deadline_ns = wait_until_ns;
	if (deadline_ns == UINT64_MAX && !a->live)
		wait = false; /* nothing could end it */
	if (uring_queued(a) || (wait && deadline_ns != UINT64_MAX))
		now_ns = a->no_stamps ? a->now_ns : bench_now_ns();
	if (wait && a->mix)
		publish_mix(a);
	if (wait && deadline_ns > now_ns)
		wait_until(a, now_ns, deadline_ns, &e);
	else if (!uring_queued(a) && !(__atomic_load_n(a->sq_kflags, __ATOMIC_RELAXED) &
				       (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)))
		return;
	/* A refusal to take more is not final: reaping, afterwards, is the cure. */
	(void)enter(a, now_ns, e.wait_nr,
		    IORING_ENTER_GETEVENTS | (e.timed ? IORING_ENTER_EXT_ARG : 0),
		    e.timed ? &e.arg : NULL, e.timed ? sizeof(e.arg) : 0);
}

/* Is it a completion of what is in flight under this slot and generation? */
static inline bool belongs(const struct bench_op *op, uint64_t data, unsigned flags)
{
	return data == uring_op_data(op) && (op->state & URING_OP_STATES) == URING_OP_KERNEL &&
	       !(flags & IORING_CQE_F_MORE);
}

/* A request that a worker of the kernel waits in is interrupted when everything is canceled. */
static inline int result_of(const struct bench_async *a, const struct io_uring_cqe *cqe)
{
	int res = cqe->res;

	if (__builtin_expect(res < 0, 0) && a->refuse == -ECANCELED &&
	    (res == -EINTR || res == -KERNEL_ERESTARTSYS))
		return -ECANCELED;
	return res;
}

/* What does not complete an operation that went to the kernel from here: the operation that receives
 * this message, or NULL when there is none (any more). */
static struct bench_op *stranger(struct bench_async *a, const struct io_uring_cqe *cqe)
{
	uint64_t data = cqe->user_data;
	unsigned slot = (uint16_t)data;

	/* Slot and generation take 32 bits. */
	if (data >> 32 == URING_MESSAGE >> 32) {
		data &= ~URING_MESSAGE;
		return slot < a->depth && a->ops[slot].opcode == URING_OP_RECEIVE &&
				       belongs(&a->ops[slot], data, cqe->flags) ?
			       &a->ops[slot] :
			       NULL;
	}
	if (data == URING_SLOT_FAR)
		a->armed_ns = 0;
	/* A completion of nothing that is in flight: no count can be trusted. */
	if (data < URING_SLOT_INTERNAL || data > UINT16_MAX)
		a->failed = a->refuse = -EPROTO;
	return NULL;
}

/* Move completions to the ready list. Returns how many of the operations were active ones. Works on
 * copies: the compiler must assume that a store to an operation changes the ring's own fields. */
static unsigned reap(struct bench_async *a)
{
	unsigned nr = cq_waiting(a), head = a->cq_head, end = head + nr, mask = a->cq_mask;
	const struct io_uring_cqe *cqes = a->cqes;
	struct bench_op *ops = a->ops, **tail = a->ready_tail;
	unsigned depth = a->depth, nr_ops = 0, nr_passive = 0;

	if (!nr)
		return 0;
	for (; head != end; head++) {
		const struct io_uring_cqe *cqe = &cqes[head & mask];
		uint64_t data = cqe->user_data;
		struct bench_op *op = &ops[(uint16_t)data];

		if (__builtin_expect((uint16_t)data >= depth || !belongs(op, data, cqe->flags),
				     0)) {
			if ((uint16_t)data < depth && data == uring_op_data(op)) {
				/* The list may grow by an operation of its own for each. */
				a->ready_tail = tail;
				if (uring_reap_more(a, op, cqe)) {
					tail = a->ready_tail;
					nr_ops++;
					nr_passive++;
					continue;
				}
			}
			op = stranger(a, cqe);
			if (!op)
				continue;
		}
		nr_ops++;
		nr_passive += op->state != URING_OP_KERNEL;
		op->res = result_of(a, cqe);
		op->cqe_flags = cqe->flags;
		op->state ^= URING_OP_KERNEL ^ URING_OP_READY; /* PASSIVE stays */
		*tail = op;
		tail = &op->next;
	}
	*tail = NULL;
	a->ready_tail = tail;
	a->cq_head = end;
	__atomic_store_n(a->cq_khead, end, __ATOMIC_RELEASE);
	if (nr > a->stats.cq_depth_max)
		a->stats.cq_depth_max = nr;
	if (nr_ops)
		repeat_record(&a->reap_repeat, a->stats.reap_batch, nr_ops);
	return nr_ops - nr_passive;
}

static void note_overflow(struct bench_async *a)
{
	if (__atomic_load_n(a->sq_kflags, __ATOMIC_RELAXED) & IORING_SQ_CQ_OVERFLOW)
		a->overflow_seen++;
}

static void reap_and_account(struct bench_async *a)
{
	unsigned nr_active = reap(a);

	a->now_ns = bench_now_ns();
	if (nr_active) {
		uring_inflight_until(a, a->now_ns);
		a->stats.completed += nr_active;
	}
	note_overflow(a);
}

/* Of reads and writes. What a message has for its result is a number and no bytes. */
static inline bool moves_bytes(uint8_t opcode)
{
	unsigned waits = uring_waits_for(opcode);

	return waits == URING_WAITS_DISK ||
	       (waits == URING_WAITS_IPC && opcode != URING_OP_RECEIVE);
}

/* The callback of an operation that is done, with this result. passive: URING_OP_PASSIVE or 0. */
static inline void run_one(struct bench_async *a, struct bench_worker *w, struct bench_op *op,
			   int res, uint8_t passive)
{
	if (res > 0 && moves_bytes(op->opcode)) {
		a->turn_ops++;
		a->turn_bytes += (uint32_t)res;
	}
	op->done_ns = a->now_ns;
	op->state = passive | URING_OP_RUNNING;
	op->done(w, op);
	if (uring_op_running(op))
		bench_op_put(a, op);
	if (uring_queued(a) >= a->submit_batch && !a->failed)
		(void)enter_between(a, 0);
}

/* Without stamps, and with nothing in flight but what cannot wait, a turn is short: how long the
 * last ones took tells for how many more the time is known well enough. Not so at the end of the
 * window, and not when there is something to do at a time. */
static inline void look_at_clock(struct bench_async *a, uint64_t wait_until_ns)
{
	uint64_t now_ns;

	if (a->clock_skip && a->live && a->live == a->waits[URING_WAITS_NONE] &&
	    a->now_ns + URING_CLOCK_NS < wait_until_ns) {
		a->clock_skip--;
		return;
	}
	now_ns = bench_now_ns();
	a->clock_skip = now_ns - a->now_ns < URING_CLOCK_NS ? URING_CLOCK_TURNS - 1 : 0;
	a->now_ns = now_ns;
	uring_inflight_until(a, now_ns);
}

/* Without stamps nothing is told of the moment of each completion, so that callbacks run as it is
 * taken, without the list in between. What is no plain completion of an operation is left to reap().
 * A callback may have to submit, which reaps: the head is moved before it runs. */
static void reap_at_once(struct bench_async *a, struct bench_worker *w, uint64_t wait_until_ns)
{
	unsigned nr = cq_waiting(a), end = a->cq_head + nr, mask = a->cq_mask, done = 0;
	const struct io_uring_cqe *cqes = a->cqes;

	look_at_clock(a, wait_until_ns);
	for (unsigned head; (int)(end - (head = a->cq_head)) > 0; done++) {
		const struct io_uring_cqe *cqe = &cqes[head & mask];
		uint64_t data = cqe->user_data;
		struct bench_op *op = &a->ops[(uint16_t)data];
		unsigned flags = cqe->flags;
		uint8_t passive;
		int res;

		if ((uint16_t)data >= a->depth || !belongs(op, data, flags))
			break;
		res = op->res = result_of(a, cqe);
		op->cqe_flags = flags;
		passive = op->state & URING_OP_PASSIVE;
		a->cq_head = head + 1;
		if (!passive)
			a->stats.completed++;
		run_one(a, w, op, res, passive);
	}
	__atomic_store_n(a->cq_khead, a->cq_head, __ATOMIC_RELEASE);
	if (nr > a->stats.cq_depth_max)
		a->stats.cq_depth_max = nr;
	if (done)
		repeat_record(&a->reap_repeat, a->stats.reap_batch, done);
	note_overflow(a);
}

int uring_submit(struct bench_async *a)
{
	int rc = 0;

	/* Each try reaps, so the kernel has room again unless it is out of memory. */
	for (unsigned tries = 0; tries < 64 && !a->failed; tries++) {
		rc = enter_between(a, IORING_ENTER_GETEVENTS);
		if (uring_queued(a) < a->sq_entries)
			return 0;
		reap_and_account(a);
	}
	return a->failed ? a->failed : rc ? rc : -EBUSY;
}

static void fire_timers(struct bench_async *a)
{
	uint64_t due_ns;
	int slot;

	while ((slot = timers_pop(&a->timers, a->now_ns, &due_ns)) >= 0) {
		bench_hist_record(a->stats.loop_lag, a->now_ns - due_ns);
		a->ops[slot].cqe_flags = 0;
		uring_ready(a, &a->ops[slot], 0);
	}
}

/* What callbacks make ready (a refused operation, say) runs in the next turn. */
static void run_ready(struct bench_async *a, struct bench_worker *w)
{
	struct bench_op *op = a->ready, *next;

	a->ready = NULL;
	a->ready_tail = &a->ready;
	for (; op; op = next) {
		next = op->next;
		run_one(a, w, op, op->res, op->state & URING_OP_PASSIVE);
	}
}

/* The bytes of a turn count in the next one: the last turn of a window is out of it. */
static void count_moved(struct bench_async *a)
{
	a->stats.moved_ops += a->turn_ops;
	a->stats.moved_bytes += a->turn_bytes;
	a->turn_ops = a->turn_bytes = 0;
}

int async_turn(struct bench_async *a, struct bench_worker *w, uint64_t wait_until_ns)
{
	if (a->failed)
		return a->failed;
	submit_and_wait(a, wait_until_ns);
	count_moved(a);
	if (a->no_stamps)
		reap_at_once(a, w, wait_until_ns);
	if (!a->no_stamps || cq_waiting(a))
		reap_and_account(a);
	if (a->timers.nr)
		fire_timers(a);
	run_ready(a, w);
	return a->failed;
}

void async_window_begin(struct bench_async *a)
{
	struct async_stats *s = &a->stats;

	a->submit_repeat = a->reap_repeat = (struct repeat){ 0 };
	bench_hist_reset(s->submit_batch);
	bench_hist_reset(s->reap_batch);
	bench_hist_reset(s->loop_lag);
	s->submitted = uring_inflight(a); /* left over from before: will complete in this window */
	s->completed = 0;
	s->moved_ops = s->moved_bytes = a->turn_ops = a->turn_bytes = 0;
	s->enters = 0;
	s->inflight_integral = 0;
	s->queued_integral = 0;
	s->inflight_max = (unsigned)s->submitted;
	s->sq_depth_max = 0;
	s->cq_depth_max = 0;
	a->overflow_base = __atomic_load_n(a->ring.cq.koverflow, __ATOMIC_RELAXED);
	a->dropped_base = __atomic_load_n(a->ring.sq.kdropped, __ATOMIC_RELAXED);
	a->overflow_seen = 0;
	a->now_ns = a->window_ns = a->inflight_since_ns = bench_now_ns();
}

/* What the operations without an end in this window have spent in it since they were due. The last
 * turn ends the window, so what it reaped came too late. */
static uint64_t rest_integral(const struct bench_async *a, uint64_t now_ns)
{
	uint64_t rest = 0;

	for (unsigned i = 0; i < a->depth; i++) {
		const struct bench_op *op = &a->ops[i];
		unsigned state = op->state & URING_OP_STATES;

		if (op->passive || op->opcode == IORING_OP_TIMEOUT)
			continue;
		if (state == URING_OP_KERNEL || state == URING_OP_READY ||
		    state == URING_OP_HELD)
			rest += now_ns > op->intended_ns ? now_ns - op->intended_ns : 0;
		else if (state == URING_OP_FREE && op->done_ns && op->done_ns == a->now_ns)
			rest += op->done_ns - op->intended_ns;
	}
	return rest;
}

void async_window_stats(struct bench_async *a, struct async_stats *ret_stats)
{
	unsigned overflow = __atomic_load_n(a->ring.cq.koverflow, __ATOMIC_RELAXED);
	unsigned dropped = __atomic_load_n(a->ring.sq.kdropped, __ATOMIC_RELAXED);

	repeat_end(&a->submit_repeat, a->stats.submit_batch);
	repeat_end(&a->reap_repeat, a->stats.reap_batch);
	uring_inflight_until(a, bench_now_ns());
	a->stats.inflight_ns = a->inflight_since_ns - a->window_ns;
	a->stats.rest_integral = rest_integral(a, a->inflight_since_ns);
	a->stats.cq_overflow = overflow - a->overflow_base + a->overflow_seen;
	a->stats.sq_dropped = dropped - a->dropped_base;
	*ret_stats = a->stats;
}

unsigned async_inflight_max(const struct bench_async *a)
{
	return a->stats.inflight_max;
}

void async_inflight_now(const struct bench_async *a, struct async_now *ret_now)
{
	ret_now->at_ns = a->inflight_since_ns;
	ret_now->inflight_ns = a->stats.inflight_integral;
	ret_now->next =
		uring_inflight(a) + uring_queued(a) - a->queued_passive - a->queued_internal;
}

void async_set_mix(struct bench_async *a, uint32_t *mix)
{
	a->mix = mix;
}
