// SPDX-License-Identifier: BSD-2-Clause
/* Which threads are followed. A thread is followed when it carries a tag, which names its slot of
 * the map "threads". iter/task sets tags (for threads that exist), task_newtask copies them to
 * children, sched_process_free gives the slot back. Objects with metrics only look tags up. */
#include "bench.bpf.h"
#include "blame.bpf.h"
#include "ledger.bpf.h"

struct probe_request request SEC(".data.request") = {};

const struct probe_program programs[] SEC(".rodata.programs") = { { "on_newtask" },
								  { "on_freed" } };
enum { RUN_NEWTASK, RUN_FREED };

PROBE_VALUES(1)

/* Slots that are not in use; a stack, so that few cache lines serve many short-lived threads. */
struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, PROBE_THREADS);
	__type(value, __u32);
} free_slots SEC(".maps");

/* Run by userspace at the start, to put PROBE_SLOTS_AT_ONCE of them there: ctx[0] is the last one. */
SEC("raw_tp")
int slots_fill(__u64 *ctx)
{
	__u32 last = (__u32)ctx[0], slot;

	for (__u32 i = 0; i < PROBE_SLOTS_AT_ONCE; i++) {
		slot = last - i;
		if (bpf_map_push_elem(&free_slots, &slot, BPF_ANY))
			return -1;
	}
	return 0;
}

static __always_inline struct probe_tag *tag_new(struct task_struct *task, bool raw)
{
	struct probe_tag zero = {};
	struct probe_tag *tag = NULL;
	__u32 tid = GET(raw, task, pid);

	if (!raw && config.storage)
		tag = bpf_task_storage_get(&tags, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (tag)
		return tag;
	/* Task storage may refuse for a moment when another task of this CPU is inside it (before
	 * 7.0), so the hash map is a way out there too. */
	zero.task = (__u64)task;
	if (bpf_map_update_elem(&tags_hash, &tid, &zero, BPF_ANY))
		return NULL;
	WRITE_ONCE(windows.hash_used, 1);
	return bpf_map_lookup_elem(&tags_hash, &tid);
}

static __always_inline int tag_task(struct task_struct *task, bool raw, __u32 flags, __u64 born_ns)
{
	struct probe_thread *thread;
	struct probe_tag *tag;
	__u32 slot;

	tag = tag_new(task, raw);
	if (!tag)
		goto fail;
	if (tag->generation != windows.generation) {
		if (bpf_map_pop_elem(&free_slots, &slot))
			goto fail;
		tag->slot = slot;
		tag->task = (__u64)task;
	}
	slot = tag->slot;
	thread = bpf_map_lookup_elem(&threads, &slot);
	if (!thread)
		goto fail;
	if (GET(raw, task, flags) & PF_IO_WORKER)
		flags |= PROBE_FLAG_IO_WORKER;
	if (tag->generation != windows.generation) {
		thread->slot = slot;
		thread->tid = GET(raw, task, pid);
		thread->tgid = GET(raw, task, tgid);
		thread->state = PROBE_UNKNOWN;
		thread->serial = 0;
		thread->peek_serial = 0;
		thread->born_ns = born_ns;
		thread->freed_ns = 0;
		thread->task = (__u64)task;
		thread->file_op = 0;
		thread->stack = 0;
		thread->mix = 0;
		thread->foreign[0] = 0;
		thread->foreign[1] = 0;
		thread->foreign[2] = 0;
		thread->foreign[3] = 0;
		thread->ring = 0;
		if (flags & PROBE_FLAG_HISTORY && request.rings < request.max_rings)
			thread->ring = ++request.rings;
	}
	bpf_probe_read_kernel(thread->comm, sizeof(thread->comm), &task->comm);
	thread->flags = flags;
	tag->flags = flags;
	thread->generation = windows.generation;
	WRITE_ONCE(tag->generation, windows.generation); /* last: it makes the tag valid */
	__sync_fetch_and_add(&windows.epoch, 1);
	return 0;
fail:
	__sync_fetch_and_add(&windows.no_tag, 1);
	return -1;
}

/* Userspace reads an iterator made for this program; it does what the request says. */
SEC("iter/task")
int visit(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct probe_thread *thread;
	struct probe_tag *tag;

	if (!task)
		return 0;
	if (request.op == PROBE_OP_TAG) {
		if (!request.all && (__u32)task->pid != request.tid &&
		    !(request.tgid && (__u32)task->tgid == request.tgid))
			return 0;
		if (tag_task(task, false, request.flags, request.born_ns)) {
			request.failed++;
		} else {
			request.found++;
			tag = tag_of(task, false);
			request.slot = tag ? tag->slot : PROBE_THREADS;
		}
		return 0;
	}
	thread = thread_of(task, false);
	if (!thread)
		return 0;
	thread->peek_blocked = PROBE_BLOCKED_OTHER;
	if (task_on_cpu(task, false)) {
		thread->peek_state = PROBE_RUNNING;
		if (thread->serial != windows.span[windows.current & 1].serial)
			thread->cpu = task_cpu(task, false);
	} else if (task_on_rq(task, false) && !task_delayed(task, false)) {
		thread->peek_state = PROBE_WAITING;
	} else if (task->exit_state) {
		thread->peek_state = PROBE_DEAD;
	} else {
		thread->peek_state = PROBE_BLOCKED;
		thread->peek_blocked = blocked_cause(task, thread, task_state(task, false));
	}
	thread->peek_serial = windows.span[windows.current & 1].serial;
	request.found++;
	return 0;
}

static __always_inline void count_run(__u32 program)
{
	struct probe_values_element *values;
	__u32 bank = window_bank();

	if (bank == PROBE_NO_WINDOW)
		return;
	values = values_here(bank);
	if (values)
		values->runs[program]++;
}

/* task_newtask(task, clone_flags): current is the parent. Unlike sched_process_fork it also fires
 * for io_uring's kernel workers. Works with and without a window. */
static __always_inline int on_newtask(__u64 *ctx, bool raw)
{
	struct task_struct *child = (void *)ctx[0], *parent;
	struct probe_thread *t, *mother;
	struct probe_tag *tag;
	__u32 slot, flags;

	if (!READ_ONCE(windows.heirs))
		return 0;
	count_run(RUN_NEWTASK);
	parent = task_current(raw);
	tag = tag_of(parent, raw);
	if (!tag)
		return 0;
	slot = tag->slot;
	flags = tag->flags & PROBE_FLAG_CHILDREN;
	/* What works for its ring is followed in any case. */
	if (!flags && !(GET(raw, child, flags) & PF_IO_WORKER))
		return 0;
	if (tag_task(child, raw, flags, bpf_ktime_get_ns()))
		return 0;
	/* A kernel worker is made by the thread it serves, or by another worker of that one. */
	t = thread_of(child, raw);
	if (!t)
		return 0;
	t->owner = slot;
	mother = bpf_map_lookup_elem(&threads, &slot);
	if (mother && mother->flags & PROBE_FLAG_IO_WORKER)
		t->owner = mother->owner;
	return 0;
}
PROBE_TRACEPOINT(task_newtask, on_newtask)

/* Userspace reads an iterator over its own files. */
SEC("iter/task_file")
int learn(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	__s32 fd = (__s32)ctx->fd;

	if (!task || !file || (__u32)task->tgid != bpf_get_current_pid_tgid() >> 32)
		return 0;
	if (fd == file_ops.timer_fd)
		file_ops.timer = (__u64)file->f_op;
	else if (fd == file_ops.event_fd)
		file_ops.event = (__u64)file->f_op;
	else if (fd == file_ops.epoll_fd)
		file_ops.epoll = (__u64)file->f_op;
	return 0;
}

/* A thread, or the program it runs, gets another name. */
static __always_inline int on_rename(__u64 *ctx, bool raw)
{
	struct task_struct *task = (void *)ctx[0];
	struct probe_thread *thread = thread_of(task, raw);

	if (thread)
		bpf_probe_read_kernel(thread->comm, sizeof(thread->comm), (void *)ctx[1]);
	return 0;
}
PROBE_TRACEPOINT(task_rename, on_rename)

/* Was its death not seen, in a window whose values are not read yet? */
static __always_inline bool thread_is_open(const struct probe_thread *thread)
{
	return thread->state != PROBE_DEAD && thread->serial &&
	       thread->serial == READ_ONCE(windows.span[thread->serial & 1].serial) &&
	       READ_ONCE(windows.unread);
}

/* sched_process_free(task): long after its last switch, with no scheduler lock held. */
static __always_inline int on_freed(__u64 *ctx, bool raw)
{
	struct task_struct *task = (void *)ctx[0];
	struct probe_thread *thread;
	struct probe_tag *tag;
	__u32 slot, tid;

	if (!READ_ONCE(windows.generation))
		return 0;
	count_run(RUN_FREED);
	tag = tag_of(task, raw);
	slot = tag ? tag->slot : PROBE_THREADS;
	if (tag) {
		tag->generation = 0;
		__sync_fetch_and_add(&windows.epoch, 1);
	}
	thread = bpf_map_lookup_elem(&threads, &slot);
	if (thread && thread->task == (__u64)task && thread_is_open(thread)) {
		/* What it did in this window is still to be read: untracking frees the slot. */
		thread->freed_ns = bpf_ktime_get_ns();
		thread->task = 0;
	} else if (thread && thread->task == (__u64)task) {
		thread->generation = 0;
		bpf_map_push_elem(&free_slots, &slot, BPF_ANY);
	}
	/* A void tag of an earlier generation goes too: the tid may come back. */
	if (READ_ONCE(windows.hash_used)) {
		tid = GET(raw, task, pid);
		tag = bpf_map_lookup_elem(&tags_hash, &tid);
		if (tag && tag->task == (__u64)task)
			bpf_map_delete_elem(&tags_hash, &tid);
	}
	return 0;
}
PROBE_TRACEPOINT(sched_process_free, on_freed)

/* --- sockets --- */

struct tcp_sock {
	__u64 tcp_wstamp_ns; /* last packet sent, CLOCK_MONOTONIC (4.20) */
} __pai;

/* Run by a followed thread, with BPF_PROG_TEST_RUN: when something was last sent by TCP sockets of
 * its process, ctx[0] and ctx[1]; into its own slot. */
SEC("raw_tp")
int socket_peek(__u64 *ctx)
{
	struct task_struct *task = task_current(config.raw);
	struct probe_thread *thread = thread_of(task, config.raw);
	struct task_struct___ledger *l = (void *)task;
	struct fdtable *fdt = BPF_CORE_READ(l, files, fdt);
	struct file **files = BPF_CORE_READ(fdt, fd);
	struct tcp_sock *tcp = NULL;
	struct socket *socket;
	struct file *file;

	if (!thread || !bpf_core_field_exists(tcp->tcp_wstamp_ns))
		return 0;
	for (int i = 0; i < 2; i++) {
		file = NULL;
		if ((__u32)ctx[i] < BPF_CORE_READ(fdt, max_fds))
			bpf_probe_read_kernel(&file, sizeof(file), files + (__u32)ctx[i]);
		socket = file ? BPF_CORE_READ(file, private_data) : NULL;
		tcp = socket ? (void *)BPF_CORE_READ(socket, sk) : NULL;
		thread->socket_sent_ns[i] = tcp ? BPF_CORE_READ(tcp, tcp_wstamp_ns) : 0;
	}
	return 0;
}

/* Run on every CPU by BPF_PROG_TEST_RUN to wait for the programs that were running there, because
 * interrupts are off in those that keep state; and to know what a program costs that does nothing.
 */
SEC("raw_tp")
int settle(__u64 *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
