/* SPDX-License-Identifier: BSD-2-Clause */
/* What a thread is blocked on, read off the kernel's own state when it leaves its CPU: the system
 * call that it is in (its saved registers), whether it waits for I/O, and the kind of file. No hook
 * at system calls, which would cost more than all the rest. */
#ifndef LEDGER_BPF_H
#define LEDGER_BPF_H

#include "bench.bpf.h"
#include "syscalls.bpf.h"
#include "typed.bpf.h"

#define PF_IO_WORKER 0x00000010 /* include/linux/sched.h */
#define PF_KTHREAD 0x00200000
#define TASK_UNINTERRUPTIBLE 0x0002
/* Stopped by a signal, by a debugger, by the freezer (6.1; older ones: as if uninterruptible). */
#define TASK_HELD (0x0004 | 0x0008 | 0x8000)
#define TASK_NOLOAD 0x0400

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFREG 0100000
#define S_IFBLK 0060000
#define S_IFDIR 0040000
#define S_IFIFO 0010000
#define AF_UNIX 1

struct file_operations;
struct inode {
	unsigned short i_mode;
} __pai;

struct file {
	const struct file_operations *f_op;
	void *private_data;
	struct inode *f_inode;
} __pai;

struct kiocb {
	struct file *ki_filp;
} __pai;

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
} __pai;

struct files_struct {
	struct fdtable *fdt;
} __pai;

struct sock_common {
	unsigned short skc_family;
} __pai;

struct sock {
	struct sock_common __sk_common;
} __pai;

struct socket {
	struct sock *sk;
} __pai;

struct rb_node {
	struct rb_node *rb_right, *rb_left;
} __pai;

struct rb_root {
	struct rb_node *rb_node;
} __pai;

struct rb_root_cached {
	struct rb_root rb_root;
} __pai;

struct eventpoll {
	struct rb_root_cached rbr;
} __pai;

struct epoll_filefd {
	struct file *file;
} __pai;

struct epitem {
	struct rb_node rbn; /* the first field, in a union with the callback that frees it */
	struct epoll_filefd ffd;
} __pai;

/* The same task, with the fields that only this file reads. */
struct task_struct___ledger {
	void *stack;
	unsigned int flags;
	unsigned in_iowait : 1;
	struct files_struct *files;
} __pai;

/* What a file is to somebody who waits for it. */
enum file_class {
	FILE_UNKNOWN,
	FILE_DISK, /* a regular file, a directory, a block device */
	FILE_NET,
	FILE_IPC,
	FILE_TIMER,
	FILE_EPOLL,
	FILE_OTHER,
	FILE_SOCKET, /* its family decides */
};

struct probe_file_ops file_ops SEC(".data.files") = {};

/* Kinds of files without a type of their own are told by their operations, whose addresses are
 * learned at start from files of each kind. A function of its own for the verifier, which walks it
 * once; it takes the thread's number, because no pointer can be passed to one before 5.12. */
__noinline int file_class_of(__u32 slot, __u64 file)
{
	struct probe_thread *t = bpf_map_lookup_elem(&threads, &slot);
	struct file *f = (void *)file;
	struct socket *socket;
	__u32 class = FILE_OTHER, mode;
	__u64 op;

	if (!t || !file)
		return FILE_UNKNOWN;
	op = (__u64)BPF_CORE_READ(f, f_op);
	if (op == t->file_op && op && t->file_class != FILE_SOCKET)
		return t->file_class;
	mode = op == t->file_op ? S_IFSOCK : BPF_CORE_READ(f, f_inode, i_mode) & S_IFMT;
	if (mode == S_IFSOCK) {
		/* One set of operations for all families. */
		t->file_op = op;
		t->file_class = FILE_SOCKET;
		socket = BPF_CORE_READ(f, private_data);
		return BPF_CORE_READ(socket, sk, __sk_common.skc_family) == AF_UNIX ? FILE_IPC
										    : FILE_NET;
	}
	if (op && op == READ_ONCE(file_ops.timer))
		class = FILE_TIMER;
	else if (op && op == READ_ONCE(file_ops.event))
		class = FILE_IPC;
	else if (op && op == READ_ONCE(file_ops.epoll))
		class = FILE_EPOLL;
	else if (mode == S_IFIFO)
		class = FILE_IPC;
	else if (mode == S_IFREG || mode == S_IFBLK || mode == S_IFDIR)
		class = FILE_DISK;
	t->file_op = op;
	t->file_class = class;
	return class;
}

/* The file behind a descriptor of the task that has this table; 0 = none. */
static __always_inline __u64 file_at(struct fdtable *fdt, __u64 fd)
{
	__u64 file = 0;

	if (!fdt || (__u32)fd >= fdt->max_fds)
		return 0;
	if (bpf_probe_read_kernel(&file, sizeof(file), fdt->fd + (__u32)fd))
		return 0;
	return file;
}

/* What is behind the descriptor that the current task waits for. The usual case, that it is of the kind
 * of the one before, without a call. A place of the table is read as a struct that begins with such a
 * pointer: the verifier knows no pointers to pointers. */
static __always_inline __u32 file_class_at(struct fdtable *fdt, struct probe_thread *t, __u64 fd,
					   bool raw)
{
	struct socket *socket;
	struct kiocb *place;
	struct file *f;

	if (!raw && config.typed_kiocb && (__u32)fd < fdt->max_fds) {
		place = typed((__u64)(fdt->fd + (__u32)fd), config.typed_kiocb);
		f = place->ki_filp;
		if ((__u64)f->f_op == t->file_op && t->file_op) {
			if (t->file_class != FILE_SOCKET)
				return t->file_class;
			socket = typed((__u64)f->private_data, config.typed_socket);
			return socket->sk->__sk_common.skc_family == AF_UNIX ? FILE_IPC : FILE_NET;
		}
	}
	return file_class_of(t->slot, file_at(fdt, fd));
}

/* One of several files that are waited for at the same time: the network wins over pipes, those
 * over timers, because a timer is mostly there to end a wait for something else. */
static __always_inline __u32 file_merge(__u32 have, __u32 more)
{
	if (have == FILE_NET || more == FILE_NET)
		return FILE_NET;
	if (have == FILE_IPC || more == FILE_IPC)
		return FILE_IPC;
	if (have == FILE_TIMER || more == FILE_TIMER)
		return FILE_TIMER;
	return have == FILE_UNKNOWN ? more : have;
}

/* The root of an epoll's tree of files and its two children. */
static __always_inline __u32 epoll_class(struct probe_thread *t, __u64 file)
{
	struct file *f = (void *)file;
	struct eventpoll *ep = BPF_CORE_READ(f, private_data);
	struct rb_node *root = BPF_CORE_READ(ep, rbr.rb_root.rb_node), *node = root;
	__u32 class = FILE_UNKNOWN;

	for (int i = 0; i < 3 && root; i++) {
		struct epitem *item = (void *)node;

		if (node)
			class = file_merge(class,
					   file_class_of(t->slot,
							 (__u64)BPF_CORE_READ(item, ffd.file)));
		if (class == FILE_NET)
			break;
		node = i ? BPF_CORE_READ(root, rb_right) : BPF_CORE_READ(root, rb_left);
	}
	return class;
}

#define POLL_FILES 4

struct pollfd {
	int fd;
	short events, revents;
};

/* The first few descriptors of poll(), in the memory of the task, which is current. */
static __always_inline __u32 poll_class(struct fdtable *fdt, struct probe_thread *t,
					__u64 array, __u64 nr)
{
	__u32 class = FILE_UNKNOWN;

	for (__u32 i = 0; i < POLL_FILES && i < nr; i++) {
		struct pollfd p = {};

		if (bpf_probe_read_user(&p, sizeof(p), (void *)(array + i * sizeof(p))) || p.fd < 0)
			continue;
		class = file_merge(class, file_class_of(t->slot, file_at(fdt, p.fd)));
		if (class == FILE_NET)
			break;
	}
	return class;
}

/* The lowest descriptors of the sets of select(). */
static __always_inline __u32 select_class(struct fdtable *fdt, struct probe_thread *t,
					  __u64 reads, __u64 writes)
{
	__u64 bits = 0, more = 0;
	__u32 class = FILE_UNKNOWN;

	if (reads)
		bpf_probe_read_user(&bits, sizeof(bits), (void *)reads);
	if (writes)
		bpf_probe_read_user(&more, sizeof(more), (void *)writes);
	bits |= more;
	for (__u32 i = 0; i < POLL_FILES && bits; i++) {
		class = file_merge(class, file_class_of(t->slot,
							file_at(fdt, bit_highest(bits & -bits))));
		bits &= bits - 1;
	}
	return class;
}

static __always_inline __u32 file_cause(__u32 class, bool disk_sleep)
{
	switch (class) {
	case FILE_DISK:
		return disk_sleep ? PROBE_BLOCKED_DISK : PROBE_BLOCKED_OTHER;
	case FILE_NET:
		return PROBE_BLOCKED_NET;
	case FILE_IPC:
		return PROBE_BLOCKED_IPC;
	case FILE_TIMER:
		return PROBE_BLOCKED_TIMER;
	default:
		return PROBE_BLOCKED_OTHER;
	}
}

/* A timer beside anything else only limits that wait. */
static __always_inline __u32 uring_cause(const struct probe_thread *t)
{
	__u32 mix = READ_ONCE(t->mix);

	if (!mix) {
		mix |= t->foreign[0] > 0 ? PROBE_MIX_DISK : 0;
		mix |= t->foreign[1] > 0 ? PROBE_MIX_NET : 0;
		mix |= t->foreign[2] > 0 ? PROBE_MIX_TIMER : 0;
		mix |= t->foreign[3] > 0 ? PROBE_MIX_IPC : 0;
	}
	if (mix & ~PROBE_MIX_TIMER)
		mix &= ~PROBE_MIX_TIMER;
	switch (mix) {
	case PROBE_MIX_DISK:
		return PROBE_BLOCKED_DISK;
	case PROBE_MIX_NET:
		return PROBE_BLOCKED_NET;
	case PROBE_MIX_TIMER:
		return PROBE_BLOCKED_TIMER;
	case PROBE_MIX_IPC:
		return PROBE_BLOCKED_IPC;
	default:
		return PROBE_BLOCKED_URING;
	}
}

/* poll() and its family; memory: the task is current, its memory can be read. */
static __always_inline __u32 poll_cause(struct fdtable *fdt, struct probe_thread *t,
					const struct syscall_now *s, bool memory)
{
	__u32 class = FILE_UNKNOWN;
	__u64 file;

	if (s->class == SYSCALL_EPOLL) {
		file = file_at(fdt, s->arg[0]);
		if (file)
			class = epoll_class(t, file);
	} else if (!memory) {
		return PROBE_BLOCKED_OTHER;
	} else if (s->class == SYSCALL_POLL) {
		class = poll_class(fdt, t, s->arg[0], (__u32)s->arg[1]);
	} else if (s->arg[0]) {
		class = select_class(fdt, t, s->arg[1], s->arg[2]);
	}
	/* Nothing to wait for but the end of time. */
	if (class == FILE_UNKNOWN)
		return PROBE_BLOCKED_TIMER;
	return file_cause(class, true);
}

/* All that can be told of a task whose system call cannot be read. A wait for completions counts as
 * one for I/O, whatever it is for; a thread that has requests in flight is taken to wait for them.
 */
static __always_inline __u32 iowait_cause(struct task_struct *task, const struct probe_thread *t,
					  bool raw)
{
	struct task_struct___ledger *l = (void *)task;
	bool iowait = raw ? BPF_CORE_READ_BITFIELD_PROBED(l, in_iowait)
			  : BPF_CORE_READ_BITFIELD(l, in_iowait);

	if (!iowait)
		return PROBE_BLOCKED_OTHER;
	if (READ_ONCE(t->mix) || t->foreign[0] > 0 || t->foreign[1] > 0 || t->foreign[2] > 0 ||
	    t->foreign[3] > 0)
		return uring_cause(t);
	return PROBE_BLOCKED_DISK;
}

/* Where a task's saved registers are on its kernel stack: the same place in all; 0 = not known yet.
 */
struct probe_regs {
	__u64 offset;
} regs_at SEC(".data.regs") = {};

/* Asks the kernel, once: that costs as much as the rest of what is done here. */
static __always_inline void syscall_ask(struct task_struct *task, struct syscall_now *ret)
{
	struct task_struct___ledger *l = (void *)task;
	struct pt_regs *regs = (void *)bpf_task_pt_regs(task);
	__u64 address = 0;

	syscall_of(regs, ret);
	/* Through memory it is a number: the verifier of 6.12 and older subtracts nothing from
	 * such a pointer. */
	if (!bpf_probe_read_kernel(&address, sizeof(address), &regs))
		WRITE_ONCE(regs_at.offset, address - (__u64)l->stack);
}

/* cast: the task is one by its number only, which is as good for all but the kernel's functions. */
static __always_inline void syscall_read(struct task_struct *task, bool cast, bool raw,
					 struct syscall_now *ret)
{
	struct task_struct___ledger *l = (void *)task;
	__u64 offset = READ_ONCE(regs_at.offset);

	if (!raw && config.typed_regs && likely(offset))
		syscall_of(typed((__u64)l->stack + offset, config.typed_regs), ret);
	else
		syscall_ask(cast ? bpf_get_current_task_btf() : task, ret);
}

/* Why is this task blocked? It is current, or it is asleep; memory: it is current. cast: as in
 * syscall_read(). raw: for a raw_tp program. */
static __always_inline __u32 blocked_on(struct task_struct *task, struct probe_thread *t,
					__u32 state, bool memory, bool cast, bool raw)
{
	struct task_struct___ledger *l = (void *)task;
	bool deep = state & TASK_UNINTERRUPTIBLE && !(state & TASK_NOLOAD);
	/* Once for all that need it: the verifier takes a millisecond for each walk from a task. */
	struct fdtable *fdt = l->files->fdt;
	struct syscall_now s;
	bool iowait;

	/* Whatever it was about to wait for. */
	if (state & TASK_HELD)
		return PROBE_BLOCKED_OTHER;
	iowait = BPF_CORE_READ_BITFIELD(l, in_iowait);
	if (task->flags & (PF_KTHREAD | PF_IO_WORKER))
		return iowait ? PROBE_BLOCKED_DISK : PROBE_BLOCKED_OTHER;
	if (!config.regs)
		return iowait_cause(task, t, false);
	syscall_read(task, cast, raw, &s);
	/* Before the test for I/O: a wait for completions counts as one whatever it is for. */
	if (s.class == SYSCALL_URING)
		return uring_cause(t);
	if (s.class == SYSCALL_NONE)
		return deep ? PROBE_BLOCKED_FAULT : PROBE_BLOCKED_OTHER;
	if (iowait)
		return PROBE_BLOCKED_DISK;
	switch (s.class) {
	case SYSCALL_FUTEX:
		return PROBE_BLOCKED_FUTEX;
	case SYSCALL_SLEEP:
		return PROBE_BLOCKED_TIMER;
	case SYSCALL_IPC:
		return PROBE_BLOCKED_IPC;
	case SYSCALL_DISK:
		return deep ? PROBE_BLOCKED_DISK : PROBE_BLOCKED_OTHER;
	case SYSCALL_FILE:
		return file_cause(file_class_at(fdt, t, s.arg[0], raw), deep);
	case SYSCALL_POLL:
	case SYSCALL_SELECT:
	case SYSCALL_EPOLL:
		return poll_cause(fdt, t, &s, memory);
	default:
		return PROBE_BLOCKED_OTHER;
	}
}

/* Of a task that is asleep. */
static __noinline __u32 blocked_cause(struct task_struct *task, struct probe_thread *t,
				      __u32 state)
{
	return blocked_on(task, t, state, false, false, false);
}

/* Of the current task, which leaves its CPU. A function of its own for the verifier, which
 * walks it once; it takes an address, because no such pointer can be passed to one. */
__noinline int blocked_now(struct probe_thread *t, __u64 task, __u32 state)
{
	if (!t)
		return 0;
	if (config.typed_task)
		t->blocked =
			blocked_on(typed(task, config.typed_task), t, state, true, true, false);
	else
		t->blocked = blocked_on(bpf_get_current_task_btf(), t, state, true, false, false);
	return 0;
}

#endif
