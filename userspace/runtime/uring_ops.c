// SPDX-License-Identifier: BSD-2-Clause
/* The describing calls of bench/async.h: each fills one SQE, or a place in the timer heap. */
#include "runtime/uring.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "bench/async.h"

unsigned bench_async_depth(const struct bench_async *a)
{
	return a->depth;
}

bool bench_async_has(const struct bench_async *a, enum bench_async_feature feature)
{
	switch (feature) {
	case BENCH_ASYNC_FIXED_FILES:
		return a->nr_files > 0;
	case BENCH_ASYNC_FIXED_BUFFERS:
		return a->caps.ops[IORING_OP_READ_FIXED] && a->caps.ops[IORING_OP_WRITE_FIXED];
	case BENCH_ASYNC_MESSAGES:
		return a->caps.ops[IORING_OP_MSG_RING];
	}
	return false;
}

void bench_async_set_batch(struct bench_async *a, unsigned nr)
{
	a->submit_batch = nr ? nr : UINT_MAX;
}

void bench_async_set_stamps(struct bench_async *a, bool on)
{
	a->no_stamps = !on;
}

uint64_t bench_async_now(const struct bench_async *a)
{
	return a->now_ns;
}

struct bench_op *bench_op_get(struct bench_async *a)
{
	struct bench_op *op = a->free;

	if (!op)
		return NULL;
	a->free = op->next;
	op->state = URING_OP_TAKEN;
	op->done = NULL;
	op->user = NULL;
	op->intended_ns = a->now_ns;
	op->passive = false;
	op->tag = 0;
	return op;
}

void bench_op_put(struct bench_async *a, struct bench_op *op)
{
	assert(op->state == URING_OP_TAKEN || uring_op_running(op));
	if (uring_op_running(op))
		uring_live_sub(a, op);
	op->state = URING_OP_FREE;
	op->next = a->free;
	a->free = op;
}

/* The part that is common to all: the operation is now described, under a new generation, so that a
 * late completion of its former use cannot pass for one of this. Returns its user_data. */
static inline uint64_t describe(struct bench_async *a, struct bench_op *op, uint8_t opcode,
				uint8_t state)
{
	/* In registers: reading back slot and generation as one word right after the generation was
	 * written would stall the CPU, which costs a tenth of a NOP. */
	uint16_t slot = op->slot, gen = op->gen + 1;
	bool passive = op->passive;
	uint8_t flags = passive ? URING_OP_PASSIVE : 0;

	if (__builtin_expect(op->state != (URING_OP_RUNNING | flags) || op->opcode != opcode, 0)) {
		assert(op->state == URING_OP_TAKEN || uring_op_running(op));
		assert(op->done);
		if (op->state != URING_OP_TAKEN)
			uring_live_sub(a, op);
		uring_live_add(a, opcode, passive);
	}
	op->gen = gen;
	op->opcode = opcode;
	op->state = state | flags;
	return uring_user_data(slot, gen);
}

/* There is no SQE for it: op is ready with the reason. */
static __attribute__((noinline, cold)) void refuse(struct bench_async *a, struct bench_op *op)
{
	op->submit_ns = a->now_ns;
	op->cqe_flags = 0;
	uring_ready(a, op, a->refuse ? a->refuse : -EAGAIN);
}

/* In registers. */
struct described {
	struct io_uring_sqe *sqe; /* NULL = none */
	uint64_t data;
};

/* Any operation, on any ring. */
static __attribute__((noinline)) struct described op_sqe_any(struct bench_async *a,
							     struct bench_op *op, uint8_t opcode)
{
	struct described d = { .data = describe(a, op, opcode, URING_OP_KERNEL) };

	d.sqe = a->refuse ? NULL : uring_sqe(a); /* makes room in a full SQ */
	if (!d.sqe)
		refuse(a, op);
	else if (op->passive)
		a->queued_passive++;
	return d;
}

/* Describe op by one SQE. NULL when it could not go to the kernel; it is then ready with the
 * reason. Always inlined, so that the compiler drops the fields that are constant; what loops do,
 * the same operation again from its callback, takes no call. */
static inline __attribute__((always_inline)) struct io_uring_sqe *op_sqe(struct bench_async *a,
									 struct bench_op *op,
									 uint8_t opcode,
									 uint64_t *ret_data)
{
	bool passive = opcode != IORING_OP_NOP && op->passive; /* a NOP waits for nobody */
	uint8_t flags = passive ? URING_OP_PASSIVE : 0;
	uint16_t slot = op->slot, gen = op->gen + 1;
	struct io_uring_sqe *sqe;
	struct described d;

	if (__builtin_expect(op->state != (URING_OP_RUNNING | flags) || op->opcode != opcode ||
				     a->refuse || uring_queued(a) == a->sq_entries,
			     0)) {
		d = op_sqe_any(a, op, opcode);
		*ret_data = d.data;
		return d.sqe;
	}
	op->gen = gen;
	op->state = URING_OP_KERNEL | flags;
	if (passive)
		a->queued_passive++;
	*ret_data = uring_user_data(slot, gen);
	sqe = &a->sqes[a->sq_tail++ & a->sq_mask];
	if (!sqe)
		__builtin_unreachable(); /* callers need not look */
	return sqe;
}

uint64_t uring_describe(struct bench_async *a, struct bench_op *op, uint8_t opcode, uint8_t state)
{
	return describe(a, op, opcode, state);
}

struct io_uring_sqe *uring_op_sqe(struct bench_async *a, struct bench_op *op, uint8_t opcode,
				  uint64_t *ret_data)
{
	return op_sqe(a, op, opcode, ret_data);
}

static inline void set_file(struct io_uring_sqe *sqe, unsigned flags)
{
	if (flags & BENCH_IO_FIXED_FILE)
		sqe->flags |= IOSQE_FIXED_FILE;
}

void bench_op_nop(struct bench_async *a, struct bench_op *op)
{
	uint64_t data;
	struct io_uring_sqe *sqe = op_sqe(a, op, IORING_OP_NOP, &data);

	if (!sqe)
		return;
	/* Where one has been already, it still stands: all NOPs are alike. */
	if (sqe->opcode != IORING_OP_NOP)
		io_uring_prep_nop(sqe);
	sqe->user_data = data;
}

void bench_op_read(struct bench_async *a, struct bench_op *op, int fd, void *buf, uint32_t len,
		   uint64_t offset, int buf_index, unsigned flags)
{
	uint8_t opcode = buf_index >= 0 ? IORING_OP_READ_FIXED : IORING_OP_READ;
	uint64_t data;
	struct io_uring_sqe *sqe = op_sqe(a, op, uring_opcode_at(opcode, offset), &data);

	if (!sqe)
		return;
	io_uring_prep_rw(opcode, sqe, fd, buf, len, offset);
	if (buf_index >= 0)
		sqe->buf_index = (uint16_t)buf_index;
	set_file(sqe, flags);
	sqe->user_data = data;
}

void bench_op_write(struct bench_async *a, struct bench_op *op, int fd, const void *buf,
		    uint32_t len, uint64_t offset, int buf_index, unsigned flags)
{
	uint8_t opcode = buf_index >= 0 ? IORING_OP_WRITE_FIXED : IORING_OP_WRITE;
	uint64_t data;
	struct io_uring_sqe *sqe = op_sqe(a, op, uring_opcode_at(opcode, offset), &data);

	if (!sqe)
		return;
	io_uring_prep_rw(opcode, sqe, fd, buf, len, offset);
	if (buf_index >= 0)
		sqe->buf_index = (uint16_t)buf_index;
	if (flags & BENCH_IO_DSYNC)
		sqe->rw_flags = RWF_DSYNC;
	set_file(sqe, flags);
	sqe->user_data = data;
}

void bench_op_fsync(struct bench_async *a, struct bench_op *op, int fd, unsigned flags)
{
	uint64_t data;
	struct io_uring_sqe *sqe = op_sqe(a, op, IORING_OP_FSYNC, &data);

	if (!sqe)
		return;
	io_uring_prep_fsync(sqe, fd, flags & BENCH_IO_DSYNC ? IORING_FSYNC_DATASYNC : 0);
	set_file(sqe, flags);
	sqe->user_data = data;
}

void bench_op_recv(struct bench_async *a, struct bench_op *op, int fd, void *buf, uint32_t len,
		   int msg_flags, unsigned flags)
{
	uint64_t data;
	struct io_uring_sqe *sqe = op_sqe(a, op, IORING_OP_RECV, &data);

	if (!sqe)
		return;
	io_uring_prep_recv(sqe, fd, buf, len, msg_flags);
	set_file(sqe, flags);
	sqe->user_data = data;
}

void bench_op_send(struct bench_async *a, struct bench_op *op, int fd, const void *buf,
		   uint32_t len, int msg_flags, unsigned flags)
{
	uint64_t data;
	struct io_uring_sqe *sqe = op_sqe(a, op, IORING_OP_SEND, &data);

	if (!sqe)
		return;
	/* A peer that has gone is -EPIPE in res, never a signal. */
	io_uring_prep_send(sqe, fd, buf, len, msg_flags | MSG_NOSIGNAL);
	if (flags & BENCH_IO_SOON)
		a->queued_soon++;
	set_file(sqe, flags);
	sqe->user_data = data;
}

void bench_op_accept(struct bench_async *a, struct bench_op *op, int fd)
{
	uint64_t data;
	struct io_uring_sqe *sqe = op_sqe(a, op, IORING_OP_ACCEPT, &data);

	if (!sqe)
		return;
	io_uring_prep_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
	sqe->user_data = data;
}

void bench_op_connect(struct bench_async *a, struct bench_op *op, int fd,
		      const struct sockaddr *addr, socklen_t len)
{
	struct sockaddr_storage *copy = &a->addrs[op->slot];
	struct io_uring_sqe *sqe;
	uint64_t data;

	/* Too long for any address family: leave it to the kernel to say so. */
	memcpy(copy, addr, len < sizeof(*copy) ? len : sizeof(*copy));
	sqe = op_sqe(a, op, IORING_OP_CONNECT, &data);
	if (!sqe)
		return;
	io_uring_prep_connect(sqe, fd, (const struct sockaddr *)copy, len);
	sqe->user_data = data;
}

void bench_op_timeout(struct bench_async *a, struct bench_op *op, uint64_t at_ns)
{
	(void)describe(a, op, IORING_OP_TIMEOUT, URING_OP_TIMER);
	op->submit_ns = a->now_ns;
	op->cqe_flags = 0;
	if (a->refuse)
		uring_ready(a, op, a->refuse);
	else
		timers_add(&a->timers, op->slot, at_ns);
}

void bench_op_poll(struct bench_async *a, struct bench_op *op, int fd, unsigned poll_mask)
{
	uint64_t data;
	struct io_uring_sqe *sqe = op_sqe(a, op, IORING_OP_POLL_ADD, &data);

	if (!sqe)
		return;
	io_uring_prep_poll_add(sqe, fd, poll_mask);
	sqe->user_data = data;
}

int bench_async_fd(const struct bench_async *a)
{
	return a->ring.ring_fd;
}

uint64_t bench_op_address(const struct bench_op *op)
{
	return uring_op_data(op) | URING_MESSAGE;
}

void bench_op_receive(struct bench_async *a, struct bench_op *op)
{
	op->passive = true;
	(void)describe(a, op, URING_OP_RECEIVE, URING_OP_KERNEL);
	op->submit_ns = a->now_ns;
	op->cqe_flags = 0;
	if (a->refuse)
		uring_ready(a, op, a->refuse);
}

void bench_op_message(struct bench_async *a, struct bench_op *op, int ring_fd, uint64_t address,
		      uint32_t value)
{
	uint64_t data;
	struct io_uring_sqe *sqe = op_sqe(a, op, IORING_OP_MSG_RING, &data);

	if (!sqe)
		return;
	io_uring_prep_msg_ring(sqe, ring_fd, value, address, 0);
	a->queued_soon++;
	sqe->user_data = data;
}

void bench_op_cancel(struct bench_async *a, struct bench_op *op, struct bench_op *target)
{
	/* A target that ended may have been given out again, as op itself even. */
	unsigned state = target != op ? target->state & URING_OP_STATES : URING_OP_FREE;
	struct io_uring_sqe *sqe;
	uint64_t data;

	if (state == URING_OP_KERNEL) {
		sqe = op_sqe(a, op, IORING_OP_ASYNC_CANCEL, &data);
		if (!sqe)
			return;
		io_uring_prep_cancel64(sqe, uring_op_data(target), 0);
		sqe->user_data = data;
		return;
	}
	(void)describe(a, op, IORING_OP_ASYNC_CANCEL, URING_OP_TIMER);
	op->submit_ns = a->now_ns;
	op->cqe_flags = 0;
	if (state == URING_OP_TIMER && timers_del(&a->timers, target->slot)) {
		uring_ready(a, target, -ECANCELED);
		uring_ready(a, op, 0);
	} else {
		uring_ready(a, op, -ENOENT); /* done already */
	}
}
