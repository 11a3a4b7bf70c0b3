/* SPDX-License-Identifier: BSD-2-Clause */
/* What a program that publishes no mix has in flight in its io_uring: counted as it submits and
 * completes, so that a wait for completions has a cause. Attached only while a program of others is
 * followed. Part of sched.bpf.c. */
#ifndef FOREIGN_BPF_H
#define FOREIGN_BPF_H

#include "ledger.bpf.h"

struct io_cqe {
	int fd; /* when the request begins */
} __pai;

struct io_kiocb {
	struct file *file;
	__u8 opcode;
	__u32 flags;
	struct io_cqe cqe;
} __pai;

#define REQ_F_FIXED_FILE 1u /* IOSQE_FIXED_FILE of linux/io_uring.h */

struct io_uring_cqe {
	__u32 flags;
} __pai;

#define IORING_CQE_F_MORE 2u /* the request goes on */

enum { FOREIGN_DISK, FOREIGN_NET, FOREIGN_TIMER, FOREIGN_IPC, FOREIGN_FILE, FOREIGN_NONE };

#define NO FOREIGN_NONE
/* By opcode, in the order of enum io_uring_op; what comes later is not told. */
static const __u8 foreign_ops[64] SEC(".rodata.uring") = {
	NO, /* NOP, READV, WRITEV, FSYNC, READ_FIXED, WRITE_FIXED, POLL_ADD, POLL_REMOVE */
	FOREIGN_FILE, FOREIGN_FILE, FOREIGN_DISK, FOREIGN_FILE, FOREIGN_FILE, FOREIGN_FILE, NO,
	/* SYNC_FILE_RANGE, SENDMSG, RECVMSG, TIMEOUT, TIMEOUT_REMOVE, ACCEPT, ASYNC_CANCEL */
	FOREIGN_DISK, FOREIGN_NET, FOREIGN_NET, FOREIGN_TIMER, NO, FOREIGN_NET, NO,
	/* LINK_TIMEOUT, CONNECT, FALLOCATE, OPENAT, CLOSE, FILES_UPDATE, STATX, READ, WRITE */
	FOREIGN_TIMER, FOREIGN_NET, FOREIGN_DISK, FOREIGN_DISK, NO, NO, FOREIGN_DISK, FOREIGN_FILE,
	FOREIGN_FILE,
	/* FADVISE, MADVISE, SEND, RECV, OPENAT2, EPOLL_CTL, SPLICE, PROVIDE_, REMOVE_BUFFERS */
	FOREIGN_DISK, NO, FOREIGN_NET, FOREIGN_NET, FOREIGN_DISK, NO, FOREIGN_FILE, NO, NO,
	/* TEE, SHUTDOWN, RENAMEAT, UNLINKAT, MKDIRAT, SYMLINKAT, LINKAT, MSG_RING, FSETXATTR */
	FOREIGN_FILE, FOREIGN_NET, FOREIGN_DISK, FOREIGN_DISK, FOREIGN_DISK, FOREIGN_DISK,
	FOREIGN_DISK, NO, FOREIGN_DISK,
	/* SETXATTR, FGETXATTR, GETXATTR, SOCKET, URING_CMD, SEND_ZC, SENDMSG_ZC, READ_MULTISHOT */
	FOREIGN_DISK, FOREIGN_DISK, FOREIGN_DISK, FOREIGN_NET, FOREIGN_DISK, FOREIGN_NET,
	FOREIGN_NET, FOREIGN_FILE,
	NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
};
#undef NO

/* A request has its file only after it was announced: then it is looked up as the kernel will. */
static __always_inline __u64 foreign_file(struct io_kiocb *req, bool begins)
{
	struct task_struct___ledger *l = (void *)bpf_get_current_task();
	__u64 file = (__u64)BPF_CORE_READ(req, file);
	__u32 fd = (__u32)BPF_CORE_READ(req, cqe.fd);
	struct fdtable *fdt;
	struct file **at;

	if (file || !begins)
		return file;
	fdt = BPF_CORE_READ(l, files, fdt);
	if (fd >= BPF_CORE_READ(fdt, max_fds))
		return 0;
	at = BPF_CORE_READ(fdt, fd) + fd;
	bpf_probe_read_kernel(&file, sizeof(file), at);
	return file;
}

/* The same when it begins and when it ends, or the counts would run away. What is registered with the
 * ring is not known when it begins: taken for a disk's. */
static __always_inline __u32 foreign_class(struct probe_thread *t, struct io_kiocb *req, bool begins)
{
	__u32 class = foreign_ops[BPF_CORE_READ(req, opcode) & 63];

	if (class != FOREIGN_FILE)
		return class;
	if (BPF_CORE_READ(req, flags) & REQ_F_FIXED_FILE)
		return FOREIGN_DISK;
	switch (file_class_of(t->slot, foreign_file(req, begins))) {
	case FILE_NET:
		return FOREIGN_NET;
	case FILE_IPC:
		return FOREIGN_IPC;
	case FILE_TIMER:
		return FOREIGN_TIMER;
	default:
		return FOREIGN_DISK;
	}
}

/* The thread whose ring it is: a kernel worker acts for the one that made it. */
static __always_inline struct probe_thread *foreign_owner(bool raw)
{
	struct probe_thread *t = thread_of(task_current(raw), raw);
	__u32 slot;

	if (!t || !(t->flags & PROBE_FLAG_IO_WORKER))
		return t;
	slot = t->owner;
	return bpf_map_lookup_elem(&threads, &slot);
}

static __always_inline int foreign_count(struct io_kiocb *req, bool raw, __s64 n)
{
	struct probe_thread *t;
	__u32 class;

	if (window_bank() == PROBE_NO_WINDOW || !req)
		return 0;
	t = foreign_owner(raw);
	if (!t)
		return 0;
	class = foreign_class(t, req, n > 0);
	/* One by one, because the verifier loses the bounds of an index. */
	if (class == FOREIGN_DISK)
		__sync_fetch_and_add(&t->foreign[FOREIGN_DISK], n);
	else if (class == FOREIGN_NET)
		__sync_fetch_and_add(&t->foreign[FOREIGN_NET], n);
	else if (class == FOREIGN_TIMER)
		__sync_fetch_and_add(&t->foreign[FOREIGN_TIMER], n);
	else if (class == FOREIGN_IPC)
		__sync_fetch_and_add(&t->foreign[FOREIGN_IPC], n);
	return 0;
}

static __always_inline int foreign_submit(__u64 *ctx, bool raw)
{
	return foreign_count((struct io_kiocb *)ctx[0], raw, 1);
}
PROBE_TRACEPOINT(io_uring_submit_req, foreign_submit)

static __always_inline int foreign_complete(__u64 *ctx, bool raw)
{
	__u32 flags;

	/* Three arguments with the completion itself (6.11), or its fields one by one. */
	if (config.cqe_arg) {
		struct io_uring_cqe *cqe = (void *)ctx[2];

		flags = BPF_CORE_READ(cqe, flags);
	} else {
		flags = (__u32)ctx[4];
	}
	return flags & IORING_CQE_F_MORE ? 0 : foreign_count((struct io_kiocb *)ctx[1], raw, -1);
}
PROBE_TRACEPOINT(io_uring_complete, foreign_complete)

#endif
