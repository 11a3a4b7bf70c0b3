// SPDX-License-Identifier: BSD-2-Clause
/* Operations beyond one SQE, one CQE: several completions, buffers that the kernel chooses, sends
 * without a copy, and operations that the module itself completes. */
#include "runtime/uring.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/async.h"

/* Linux 6.2; liburing 2.3 does not name them. */
#ifndef IORING_SEND_ZC_REPORT_USAGE
#define IORING_SEND_ZC_REPORT_USAGE (1U << 3)
#endif

/* The one group of buffers that a ring has. */
#define BUF_GROUP 0

_Static_assert(IORING_CQE_F_BUFFER == 1 && IORING_CQE_F_MORE == 2 && IORING_CQE_F_NOTIF == 8 &&
		       IORING_CQE_BUFFER_SHIFT == 16,
	       "bench/async.h names them by number");

bool uring_reap_more(struct bench_async *a, const struct bench_op *op,
		     const struct io_uring_cqe *cqe)
{
	struct bench_op *part = a->free;

	if (!(cqe->flags & IORING_CQE_F_MORE) || op->state != (URING_OP_KERNEL | URING_OP_PASSIVE))
		return false;
	if (!part) {
		/* The module keeps depth free for as many as its buffers allow. */
		a->failed = a->refuse = -ENOBUFS;
		return true;
	}
	a->free = part->next;
	part->done = op->done;
	part->user = op->user;
	part->tag = op->tag;
	part->opcode = op->opcode;
	part->passive = true;
	part->intended_ns = op->intended_ns;
	part->submit_ns = op->submit_ns;
	part->cqe_flags = cqe->flags;
	part->state = URING_OP_PASSIVE;
	uring_live_add(a, part->opcode, true);
	uring_ready(a, part, cqe->res);
	return true;
}

static uint64_t turn_time(const struct bench_async *a)
{
	/* Something may have been handed over since the turn's look at the clock. */
	return a->now_ns > a->inflight_since_ns ? a->now_ns : a->inflight_since_ns;
}

void bench_op_hold(struct bench_async *a, struct bench_op *op)
{
	assert(!op->passive);
	(void)uring_describe(a, op, IORING_OP_NOP, URING_OP_HELD);
	op->submit_ns = a->now_ns;
	op->cqe_flags = 0;
	if (a->refuse) {
		uring_ready(a, op, a->refuse);
		return;
	}
	uring_inflight_until(a, turn_time(a));
	uring_inflight_add(a, 1);
}

static void end_hold(struct bench_async *a)
{
	uring_inflight_until(a, turn_time(a));
	a->stats.completed++;
}

void bench_op_release(struct bench_async *a, struct bench_op *op)
{
	assert(op->state == URING_OP_HELD);
	end_hold(a);
	op->res = 0;
	op->done_ns = a->now_ns;
	op->state = URING_OP_RUNNING;
}

void uring_cancel_held(struct bench_async *a)
{
	for (unsigned i = 0; i < a->depth; i++) {
		if (a->ops[i].state != URING_OP_HELD)
			continue;
		end_hold(a);
		uring_ready(a, &a->ops[i], -ECANCELED);
	}
}

int bench_async_add_buf_ring(struct bench_async *a, void *mem, uint32_t size, unsigned nr)
{
	size_t bytes = nr * sizeof(struct io_uring_buf);
	struct io_uring_buf_reg reg = { .ring_entries = nr, .bgid = BUF_GROUP };
	void *map;
	int rc;

	assert(!a->buf_ring && nr && !(nr & (nr - 1)));
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return -errno;
	reg.ring_addr = (uint64_t)(uintptr_t)map;
	rc = io_uring_register_buf_ring(&a->ring, &reg, 0);
	if (rc) {
		(void)munmap(map, bytes);
		return rc;
	}
	a->buf_ring = map;
	a->buf_nr = nr;
	a->buf_size = size;
	a->buf_mem = mem;
	io_uring_buf_ring_init(a->buf_ring);
	for (unsigned i = 0; i < nr; i++)
		bench_async_put_buffer(a, (int)i);
	return 0;
}

void bench_async_put_buffer(struct bench_async *a, int buffer)
{
	io_uring_buf_ring_add(a->buf_ring, a->buf_mem + (size_t)buffer * a->buf_size, a->buf_size,
			      (unsigned short)buffer, io_uring_buf_ring_mask(a->buf_nr), 0);
	io_uring_buf_ring_advance(a->buf_ring, 1);
}

void bench_async_drop_buf_ring(struct bench_async *a)
{
	if (!a->buf_ring)
		return;
	(void)io_uring_unregister_buf_ring(&a->ring, BUF_GROUP); /* goes with the ring, else */
	(void)munmap(a->buf_ring, a->buf_nr * sizeof(struct io_uring_buf));
	a->buf_ring = NULL;
}

int uring_napi(int ring_fd, unsigned us)
{
	/* struct io_uring_napi of the kernel, which liburing 2.3 does not know. */
	struct {
		uint32_t busy_poll_to;
		uint8_t prefer_busy_poll, opcode, pad[2];
		uint32_t op_param, resv;
	} napi = { .busy_poll_to = us };
	const unsigned registers = 27, unregisters = 28; /* IORING_(UN)REGISTER_NAPI, Linux 6.9 */

	return syscall(SYS_io_uring_register, ring_fd, us ? registers : unregisters, &napi, 1)
		       ? -errno
		       : 0;
}

int bench_async_busy_poll(struct bench_async *a, unsigned us)
{
	int rc = uring_napi(a->ring.ring_fd, us);

	a->napi = !rc;
	return rc;
}

void bench_op_recv_select(struct bench_async *a, struct bench_op *op, int fd, bool multishot)
{
	uint64_t data;
	struct io_uring_sqe *sqe;

	assert(!multishot || op->passive);
	sqe = uring_op_sqe(a, op, IORING_OP_RECV, &data);
	if (!sqe)
		return;
	/* 0 bytes: as many as the buffer has. */
	if (multishot)
		io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	else
		io_uring_prep_recv(sqe, fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = BUF_GROUP;
	sqe->user_data = data;
}

void bench_op_accept_multishot(struct bench_async *a, struct bench_op *op, int fd)
{
	uint64_t data;
	struct io_uring_sqe *sqe;

	assert(op->passive);
	sqe = uring_op_sqe(a, op, IORING_OP_ACCEPT, &data);
	if (!sqe)
		return;
	io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
	sqe->user_data = data;
}

void bench_op_send_zc(struct bench_async *a, struct bench_op *op, int fd, const void *buf,
		      uint32_t len, int msg_flags)
{
	uint64_t data;
	struct io_uring_sqe *sqe;

	assert(op->passive);
	sqe = uring_op_sqe(a, op, IORING_OP_SEND_ZC, &data);
	if (!sqe)
		return;
	io_uring_prep_send_zc(sqe, fd, buf, len, msg_flags | MSG_NOSIGNAL,
			      IORING_SEND_ZC_REPORT_USAGE);
	sqe->user_data = data;
}
