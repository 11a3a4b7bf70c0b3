// SPDX-License-Identifier: BSD-2-Clause
/* Which threads are followed: tags are set by visiting tasks with an iter/task program, and are
 * inherited in the kernel from then on. */
#include "probe/set.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <linux/bpf.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "bench/clock.h"

/* Read an iterator to its end: the program runs once per task. */
static int iterate(struct bpf_program *prog, const struct bpf_iter_attach_opts *opts)
{
	struct bpf_link *link = bpf_program__attach_iter(prog, opts);
	int fd, ret = 0;
	char buf[64];
	ssize_t n;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0) {
		ret = -errno;
		goto out;
	}
	do {
		n = read(fd, buf, sizeof(buf));
	} while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
	if (n < 0)
		ret = -errno;
	close(fd);
out:
	(void)bpf_link__destroy(link); /* detaches; cannot be helped if not */
	return ret;
}

int track_visit(struct probe_set *set, struct probe_object *object, const char *program, pid_t tid,
		pid_t tgid)
{
	union bpf_iter_link_info info = { 0 };
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));
	struct bpf_program *prog;

	prog = object && object->bpf ? bpf_object__find_program_by_name(object->bpf, program)
				     : NULL;
	if (!prog || !bpf_program__autoload(prog))
		return -ENOTSUP;
	set->request->found = 0;
	set->request->failed = 0;
	set->request->all = 1;
	if (!tid && !tgid)
		return iterate(prog, NULL);
	/* The kernel looks the number up in our pid namespace (6.1). Before that it may ignore it,
	 * and the program compares it with the number of the initial namespace. */
	info.task.tid = (__u32)(tgid ? 0 : tid);
	info.task.pid = (__u32)tgid;
	if (kernel_has_field(set->kernel, "bpf_iter_aux_info", "task"))
		return iterate(prog, &opts);
	set->request->all = 0;
	set->request->tid = (__u32)tid;
	set->request->tgid = (__u32)tgid;
	return iterate(prog, NULL);
}

/* All slots are free. By the program, because one system call for each takes longer than loading it;
 * where programs cannot be run like that (before 5.10), one by one. */
static int slots_fill(struct probe_set *set)
{
	int stack = bpf_object__find_map_fd_by_name(set->track->bpf, "free_slots");
	int fd = object_prog_fd(set->track, "slots_fill");
	uint32_t left = PROBE_THREADS;

	for (; fd >= 0 && left; left -= PROBE_SLOTS_AT_ONCE) {
		__u64 args[1] = { left - 1 };
		LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = sizeof(args));

		if (bpf_prog_test_run_opts(fd, &opts))
			break;
		if (opts.retval)
			return -ENOSPC;
	}
	for (uint32_t slot = left; slot--;)
		if (bpf_map_update_elem(stack, NULL, &slot, BPF_ANY))
			return -errno;
	return 0;
}

/* All tags become void, and their slots free. */
static void slots_free(struct probe_set *set)
{
	int stack = bpf_object__find_map_fd_by_name(set->track->bpf, "free_slots");
	int hash = bpf_object__find_map_fd_by_name(set->track->bpf, "tags_hash");
	uint32_t old = set->windows->generation, tid;

	set->windows->heirs = 0;
	__atomic_store_n(&set->windows->generation, old + 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&set->windows->epoch, 1, __ATOMIC_SEQ_CST);
	window_sync(set); /* no program gives a slot back from here on */
	for (uint32_t slot = 0; slot < PROBE_THREADS; slot++) {
		if (set->threads[slot].generation != old)
			continue;
		set->threads[slot].generation = 0;
		(void)bpf_map_update_elem(stack, NULL, &slot, BPF_ANY); /* it came from there */
	}
	if (!set->windows->hash_used)
		return;
	while (!bpf_map_get_next_key(hash, NULL, &tid) && !bpf_map_delete_elem(hash, &tid))
		;
	set->windows->hash_used = 0;
}

/* Give back the slots of threads that ended but whose sched_process_free never reached the program
 * (a host may hide some events). In two steps, a window apart: once the owner is wiped out a late
 * event finds nothing of its own, and one that was just at it is through by the second step. */
void track_collect(struct probe_set *set)
{
	int stack = bpf_object__find_map_fd_by_name(set->track->bpf, "free_slots");

	for (uint32_t slot = 0; slot < PROBE_THREADS; slot++) {
		struct probe_thread *t = &set->threads[slot];

		if (t->generation != set->windows->generation || t->state != PROBE_DEAD)
			continue;
		if (t->task) {
			t->task = 0;
			continue;
		}
		t->generation = 0;
		__atomic_add_fetch(&set->windows->epoch, 1, __ATOMIC_SEQ_CST);
		(void)bpf_map_update_elem(stack, NULL, &slot, BPF_ANY); /* it came from there */
	}
}

int track_open(struct probe_set *set)
{
	struct probe_object *track = set->track;

	set->windows = object_map(track, ".data.window", NULL);
	set->request = object_map(track, ".data.request", NULL);
	set->threads = object_map(track, "threads", NULL);
	set->clocks = object_map(track, "cpu_clock", &set->clocks_bytes);
	set->file_ops = object_map(track, ".data.files", NULL);
	set->follows = calloc(PROBE_THREADS, sizeof(*set->follows));
	if (!set->windows || !set->request || !set->threads || !set->clocks || !set->file_ops ||
	    !set->follows)
		return -ENOMEM;
	set->windows->generation = 1;
	set->socket_prog = object_prog_fd(track, "socket_peek");
	return slots_fill(set);
}

/* The kernel threads that work for the ring of a thread and are there already, left from a job
 * before: their names end in its number. If one cannot be followed its row is not there. */
static void track_ring_workers(struct probe_set *set, pid_t tid)
{
	char path[32], want[2][16], comm[32];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)tid);
	snprintf(want[0], sizeof(want[0]), "iou-wrk-%d", (int)tid);
	snprintf(want[1], sizeof(want[1]), "iou-sqp-%d", (int)tid);
	dir = opendir(path);
	set->request->flags = 0;
	while (dir && (entry = readdir(dir))) {
		pid_t worker = atoi(entry->d_name);

		if (worker <= 0 || worker == tid)
			continue;
		task_comm((uint32_t)worker, comm, sizeof(comm));
		if (!strcmp(comm, want[0]) || !strcmp(comm, want[1]))
			(void)track_visit(set, set->track, "visit", worker, 0);
	}
	if (dir)
		closedir(dir);
}

int probe_track(struct probe_set *set, pid_t tid, bool with_children, struct bench_err *err)
{
	int ret;

	/* Without programs there is nothing to follow; each metric says why it has no value. */
	if (!set->windows)
		return 0;
	set->windows->heirs = 1;
	if (with_children) {
		set->trees = true;
		ledger_foreign(set, true);
	}
	set->request->op = PROBE_OP_TAG;
	set->request->flags = with_children ? PROBE_FLAG_CHILDREN : PROBE_FLAG_HISTORY;
	set->request->max_rings = set->history ? set->nr_rings : 0;
	set->request->born_ns = set->window_set ? bench_now_ns() : 0;
	ret = track_visit(set, set->track, "visit", tid, with_children ? tid : 0);
	if (ret)
		return bench_fail(err, ret, "follow thread %d: %s", (int)tid, strerror(-ret));
	if (set->request->failed)
		return bench_fail(err, -ENOSPC,
				  "follow thread %d: more than %d threads are followed already",
				  (int)tid, PROBE_THREADS);
	if (!set->request->found)
		return bench_fail(err, -ESRCH, "follow thread %d: no such thread", (int)tid);
	for (unsigned i = 0; i < set->nr_follows; i++)
		if (set->follows[i].tid == tid && set->follows[i].slot == set->request->slot)
			return 0;
	if (set->follows && set->nr_follows < PROBE_THREADS)
		set->follows[set->nr_follows++] = (struct probe_follow){ tid, set->request->slot };
	set->windows->histories = set->request->rings;
	if (!with_children)
		track_ring_workers(set, tid);
	return 0;
}

void probe_untrack_all(struct probe_set *set)
{
	if (!set->windows)
		return;
	slots_free(set);
	for (unsigned i = 0; set->history && i < set->request->rings; i++)
		set->history[i].head = 0;
	set->request->rings = 0;
	set->windows->histories = 0;
	ledger_foreign(set, false);
	set->nr_follows = 0;
	set->trees = false;
}
