/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_ASYNC_H
#define BENCH_ASYNC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include "bench/module.h"

/* The io_uring of one worker, as ASYNC modules use it: completion objects and explicit state
 * machines. All calls are made on the worker's own thread. An operation is taken with
 * bench_op_get(), described by one of the bench_op_*() calls below, goes to the kernel at the end
 * of the current turn (one io_uring_enter for all of them), and its callback runs after the reap
 * loop, never inside it. After its callback an operation is free again unless the callback
 * described it anew. */
struct bench_async;

struct bench_op {
	/* Runs on the worker after the reap. res is the CQE's: bytes or negative errno. */
	void (*done)(struct bench_worker *w, struct bench_op *op);
	void *user;	      /* the module's own, untouched */
	uint64_t intended_ns; /* when the op was due: set by bench_op_get() to the turn's time; an
				 open-loop generator overwrites it, and so does a callback that
				 describes its operation anew (bench_async_now(), or the time due) */
	uint64_t submit_ns;   /* stamp of the turn that handed it to the kernel */
	uint64_t done_ns;     /* stamp of the turn that reaped it */
	int32_t res;
	uint32_t cqe_flags;
	struct bench_op *next; /* the runtime's: free or ready list */
	uint16_t slot, gen;    /* user_data: never a pointer */
	uint8_t opcode;
	uint8_t state; /* the runtime's */
	bool passive;  /* waits for a peer: the drain at the end of a window does not wait for it.
			  Set before the operation is described */
	uint8_t tag;   /* the module's own */
};

/* bench_op_done() in an open loop. */
void bench_op_done_paced(struct bench_worker *w, const struct bench_op *op, uint64_t submit_ns,
			 uint64_t bytes, uint64_t key);

/* Account one op that ended with this operation (as bench_done() says), which was due at
 * op->intended_ns and first handed over at submit_ns: op->submit_ns, or earlier when the op took
 * several operations. A slow one is taken apart; key is what the module's locate() understands. */
static inline void bench_op_done(struct bench_worker *w, const struct bench_op *op,
				 uint64_t submit_ns, uint64_t bytes, uint64_t key)
{
	uint64_t latency_ns = op->done_ns - op->intended_ns;

	if (__builtin_expect(w->paced, 0)) {
		bench_op_done_paced(w, op, submit_ns, bytes, key);
		return;
	}
	bench_done(w, bytes, latency_ns);
	if (__builtin_expect(latency_ns >= w->slow_ns, 0))
		bench_slow(w, op->intended_ns, submit_ns, op->done_ns, key);
}

/* Account one op of which no latency is kept (bench_async_set_stamps()). It must have ended within the
 * window. */
static inline void bench_op_count(struct bench_worker *w, uint64_t bytes)
{
	w->ops++;
	w->bytes += bytes;
}

/* What the linked library and the running kernel gave this ring (bench_async_has()). */
enum bench_async_feature {
	BENCH_ASYNC_FIXED_FILES,
	BENCH_ASYNC_FIXED_BUFFERS,
	BENCH_ASYNC_MESSAGES, /* from ring to ring (Linux 5.18) */
};

/* Operations that may be in flight at once on this ring. bench_op_get() gives NULL beyond it. */
unsigned bench_async_depth(const struct bench_async *a);
bool bench_async_has(const struct bench_async *a, enum bench_async_feature feature);
/* CLOCK_MONOTONIC ns, read once per turn after the reap; see also bench_async_set_stamps(). */
uint64_t bench_async_now(const struct bench_async *a);

/* Register a file or buffers with the ring, on the worker's thread. Registration is an
 * optimisation: where the kernel refuses (old kernel, memlock limit) the functions fail with
 * negative errno and the module goes on with the plain descriptor or pointer.
 * bench_async_add_file() returns the index to use as fd together with BENCH_IO_FIXED_FILE;
 * bench_async_remove_file() makes that index free again, once no operation uses it. A file stays
 * open until then, whoever closes its descriptor, and may stay so for a moment longer.
 * bench_async_add_buffers() makes buffer i of the array index i. Both are undone by the core after
 * leave(). */
int bench_async_add_file(struct bench_async *a, int fd);
void bench_async_remove_file(struct bench_async *a, int index); /* negative: nothing */
int bench_async_add_buffers(struct bench_async *a, const struct iovec *iov, unsigned nr);

/* Hand queued operations to the kernel as soon as there are nr of them, not only at the end of the
 * turn: a device then works on the first while the callbacks of the others run. 0 = at the end of
 * the turn, the default, which costs fewest system calls. Holds until leave(). */
void bench_async_set_batch(struct bench_async *a, unsigned nr);

/* on = false: operations get no submit_ns, and the clock is read once per turn instead of twice; as
 * long as nothing in flight can wait, as with NOPs, once in up to eight turns that take 25 us
 * together. For a module that measures how many operations a ring does and not how long one takes,
 * which it then accounts by bench_op_count(). Where they were submitted is not known, so it must
 * not report latency. Holds until leave(); on is the default. */
void bench_async_set_stamps(struct bench_async *a, bool on);
/* A ring of the worker's own, with these IORING_SETUP_* flags instead of those that the runtime found
 * best (size, CLAMP and the like come with them; SQPOLL and IOPOLL are none of what the turn here can
 * do). bench_async_check() says whether it can be had: 0, -EINVAL when the linked liburing does not
 * know a flag and would map the ring wrongly, or the kernel's refusal, with the reason. It opens a
 * ring for a moment, but for unknown flags, which it finds without a system call.
 * bench_async_open(), in enter(), gives NULL on failure, said through bench_worker_fail(). The module
 * puts it into w->async, and in leave() puts back what was there and closes its own. */
int bench_async_check(unsigned setup_flags, struct bench_err *err);
bool bench_async_known(unsigned setup_flags); /* to the linked liburing */
struct bench_async *bench_async_open(struct bench_worker *w, unsigned setup_flags);
void bench_async_close(struct bench_async *a); /* NULL is fine */

#define BENCH_IO_FIXED_FILE 1u /* fd is an index from bench_async_add_file() */
#define BENCH_IO_DSYNC 2u      /* write: RWF_DSYNC; fsync: fdatasync */
#define BENCH_IO_SOON 4u       /* send: will complete while it is handed over, as a short message does;
				  the wait of that turn is for something else to complete as well */

/* A free operation, or NULL when bench_async_depth() are in use. */
struct bench_op *bench_op_get(struct bench_async *a);
/* Give back an operation that was taken but not described. */
void bench_op_put(struct bench_async *a, struct bench_op *op);

/* An operation that others carry out: several requests outstanding on one connection, say, whose
 * bytes go by operations of their own (which are then passive). It is under way, and counted so,
 * from now until bench_op_release(), or until it is cancelled with the rest (its callback then runs
 * with -ECANCELED). */
void bench_op_hold(struct bench_async *a, struct bench_op *op);
/* It is done: done_ns is this turn's time, and the operation is as in its callback. Describe it
 * anew, or give it back by bench_op_put(). */
void bench_op_release(struct bench_async *a, struct bench_op *op);

/* Describe the operation; it is queued for the end of the turn. buf_index -1 = not registered.
 * offset -1 = the file has no positions (a pipe, an eventfd), which is also what a wait for it counts
 * as in wall.time (blocked.ipc). Buffers stay the kernel's until done() runs. */
void bench_op_nop(struct bench_async *a, struct bench_op *op);
void bench_op_read(struct bench_async *a, struct bench_op *op, int fd, void *buf, uint32_t len,
		   uint64_t offset, int buf_index, unsigned flags);
void bench_op_write(struct bench_async *a, struct bench_op *op, int fd, const void *buf,
		    uint32_t len, uint64_t offset, int buf_index, unsigned flags);
void bench_op_fsync(struct bench_async *a, struct bench_op *op, int fd, unsigned flags);
void bench_op_recv(struct bench_async *a, struct bench_op *op, int fd, void *buf, uint32_t len,
		   int msg_flags, unsigned flags);
void bench_op_send(struct bench_async *a, struct bench_op *op, int fd, const void *buf,
		   uint32_t len, int msg_flags, unsigned flags);
void bench_op_accept(struct bench_async *a, struct bench_op *op, int fd);
void bench_op_connect(struct bench_async *a, struct bench_op *op, int fd,
		      const struct sockaddr *addr, socklen_t len);
/* Fires at the absolute CLOCK_MONOTONIC time; res is 0 when it fired, -ECANCELED when cancelled.
 * Kept in the ring's timer heap: costs no SQE. */
void bench_op_timeout(struct bench_async *a, struct bench_op *op, uint64_t at_ns);
void bench_op_poll(struct bench_async *a, struct bench_op *op, int fd, unsigned poll_mask);
/* Would a ring here have BENCH_ASYNC_MESSAGES? For check(), where there is none; opens one for a moment. */
bool bench_async_offers_messages(void);
/* Messages from ring to ring, for which the sender's ring needs BENCH_ASYNC_MESSAGES. An operation that
 * receives takes one message: its callback runs on its own worker, res is the value sent. It is passive
 * whatever op->passive says, and ends with -ECANCELED after the window. Its address is good for one
 * message and until its callback runs; one that comes later is dropped. Sending completes (res 0) while
 * it is handed over. */
void bench_op_receive(struct bench_async *a, struct bench_op *op);
uint64_t bench_op_address(const struct bench_op *op);
int bench_async_fd(const struct bench_async *a); /* of the ring, for senders */
void bench_op_message(struct bench_async *a, struct bench_op *op, int ring_fd, uint64_t address,
		      uint32_t value);
/* Cancel target (not one that receives messages); op gets its own completion (0, -ENOENT, -EALREADY), target its own. */
void bench_op_cancel(struct bench_async *a, struct bench_op *op, struct bench_op *target);

/* --- operations with several completions, and buffers that the kernel chooses --- */

/* What bench_async_try() can be asked for. */
enum bench_async_way {
	BENCH_ASYNC_MULTISHOT_ACCEPT,  /* 5.19 */
	BENCH_ASYNC_PROVIDED_BUFFERS,  /* rings of them, 5.19 */
	BENCH_ASYNC_MULTISHOT_RECV,    /* 6.0, with provided buffers */
	BENCH_ASYNC_SEND_ZC,	       /* 6.2: with the kernel's word on whether it copied */
	BENCH_ASYNC_BUSY_POLL,	       /* 6.9 */
};
/* Does the running kernel do it? Found out by doing it once, on a ring and a connection of its own;
 * from any thread, in check() at best. 0, or -EOPNOTSUPP and which kernel has it. */
int bench_async_try(enum bench_async_way way, struct bench_err *err);

/* Give the ring nr (a power of two) buffers of size bytes each, one after the other from mem, for
 * bench_op_recv_select(), in enter(); they must live until leave() is over. 0 or negative errno
 * (-EINVAL: older than 5.19). */
int bench_async_add_buf_ring(struct bench_async *a, void *mem, uint32_t size, unsigned nr);
/* In leave(), before the memory is freed; fine without a ring of them. */
void bench_async_drop_buf_ring(struct bench_async *a);
/* While the ring waits, poll the network cards that its sockets' packets come from, for up to us
 * microseconds. In enter(); undone by the core after leave(). 0 or negative errno (-EINVAL: older than
 * 6.9, or CONFIG_NET_RX_BUSY_POLL is off). */
int bench_async_busy_poll(struct bench_async *a, unsigned us);
/* The buffer that a completion filled, or -1; give it back when it was read. */
static inline int bench_op_buffer(const struct bench_op *op)
{
	return op->cqe_flags & 1u ? (int)(op->cqe_flags >> 16) : -1; /* IORING_CQE_F_BUFFER */
}
void bench_async_put_buffer(struct bench_async *a, int buffer);

/* The calls below make operations with several completions, which must be passive. done() runs for
 * each; while bench_op_more() says so, the op it gets is another one, with the same user and tag and
 * free after the callback (or described anew, for anything else), and the first goes on. */
static inline bool bench_op_more(const struct bench_op *op)
{
	return op->cqe_flags & 2u; /* IORING_CQE_F_MORE */
}
/* Receive into whichever buffer is free. -ENOBUFS ends it when none is. multishot: again and again
 * until it fails or the kernel ends it (bench_op_more() is false then); else once, and the operation
 * is as any other. */
void bench_op_recv_select(struct bench_async *a, struct bench_op *op, int fd, bool multishot);
/* Accept again and again; res is the descriptor. */
void bench_op_accept_multishot(struct bench_async *a, struct bench_op *op, int fd);
/* Send from the pages of buf. The first completion has the result; when more follows, buf stays the
 * kernel's until the second, whose res says what bench_op_copied() tells. */
void bench_op_send_zc(struct bench_async *a, struct bench_op *op, int fd, const void *buf,
		      uint32_t len, int msg_flags);
/* Is this the notification that buf is free? */
static inline bool bench_op_notified(const struct bench_op *op)
{
	return op->cqe_flags & 8u; /* IORING_CQE_F_NOTIF */
}
/* And did the kernel copy the data after all? IORING_NOTIF_USAGE_ZC_COPIED, Linux 6.2. */
static inline bool bench_op_copied(const struct bench_op *op)
{
	return (uint32_t)op->res & 1u << 31;
}

#endif
