// SPDX-License-Identifier: BSD-2-Clause
/* Who is followed: threads, processes, what they fork, and nobody after that. */
#include "probe/rig.h"
#include "probe/set.h"

#include <sys/stat.h>
#include <sys/wait.h>

#define NAPS 50

static void naps(void)
{
	for (unsigned i = 0; i < NAPS; i++)
		sleep_for(20000);
}

static void *nap_thread(void *arg)
{
	naps();
	return arg;
}

/* Four tasks nap: a process, a thread of it, its child, and a grandchild that outlives the child
 * (a double fork). The last one holds the write end of the pipe open. */
static void nap_tree(void)
{
	pthread_t thread;
	pid_t child;

	if (pthread_create(&thread, NULL, nap_thread, NULL))
		_exit(1);
	child = fork();
	if (!child) {
		if (!fork()) {
			sleep_for(10 * MS); /* its parent is gone by then */
			naps();
			_exit(0);
		}
		naps();
		_exit(0);
	}
	naps();
	pthread_join(thread, NULL);
	waitpid(child, NULL, 0);
}

/* Voluntary switches of a process that waits to be tracked and then becomes a tree of four. */
static double tree_switches(struct probe_set *set, bool children)
{
	int go[2], over[2];
	double switches;
	char c = 0;
	json_t *m;
	pid_t pid;

	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe(over), 0);
	pid = fork();
	if (!pid) {
		close(go[1]);
		close(over[0]);
		if (read(go[0], &c, 1) != 1)
			_exit(1);
		nap_tree();
		_exit(0);
	}
	close(over[1]);
	set_track(set, pid, children);
	set_window(set, 0, 60000 * MS);
	assert_int_equal(write(go[1], &c, 1), 1);
	assert_int_equal(read(over[0], &c, 1), 0); /* all of the tree have ended */
	waitpid(pid, NULL, 0);
	m = set_read(set, NULL, 0);
	switches = value(m, "sched.switches", "kind", "voluntary");
	json_decref(m);
	close(go[0]);
	close(go[1]);
	close(over[0]);
	probe_untrack_all(set);
	return switches;
}

static void tree_is_followed(const char *fallback)
{
	struct probe_set *set;
	double all, one;

	need_root();
	set = set_open("sched", fallback);
	assert_non_null(set->windows);
	all = tree_switches(set, true);
	one = tree_switches(set, false);
	printf("4 tasks with %d naps each: %.0f switches in the tree, %.0f of its root\n", NAPS,
	       all, one);
	assert_true(all >= 4 * NAPS);
	assert_true(all < 4 * NAPS + 60);
	assert_true(one >= NAPS);
	assert_true(one < 2 * NAPS);
	probe_close(set);
}

static void children_of_children_are_followed(void **state)
{
	(void)state;
	tree_is_followed(NULL);
}

static void children_are_followed_without_task_storage(void **state)
{
	(void)state;
	tree_is_followed("storage");
}

static void nobody_is_followed_after_untracking(void **state)
{
	struct loader l = { .nap_ns = 50000 };
	struct probe_set *set;
	double tracked, untracked;
	json_t *m;

	(void)state;
	need_root();
	set = set_open("sched", NULL);
	loader_start(&l, LOAD_NAP, -1);
	set_track(set, l.tid, false);
	m = set_measure(set, 50 * MS, NULL, 0);
	tracked = value(m, "sched.switches", "kind", "voluntary");
	json_decref(m);
	probe_untrack_all(set);
	m = set_measure(set, 50 * MS, NULL, 0);
	untracked = value(m, "sched.switches", "kind", "voluntary");
	json_decref(m);
	loader_stop(&l);
	assert_true(tracked > 10);
	assert_true(untracked == 0);
	probe_close(set);
}

static void tracking_twice_counts_once(void **state)
{
	struct loader l = { .nap_ns = 50000 };
	struct probe_set *set;
	double naps_seen, switches;
	struct bench_window w;
	json_t *m;

	(void)state;
	need_root();
	set = set_open("sched", NULL);
	loader_start(&l, LOAD_NAP, -1);
	set_track(set, l.tid, false);
	set_track(set, l.tid, false);
	w = set_window(set, MS, 100 * MS);
	sleep_until(w.start_ns);
	naps_seen = -(double)atomic_load(&l.naps);
	sleep_until(w.end_ns);
	naps_seen += (double)atomic_load(&l.naps);
	m = set_read(set, NULL, 0);
	switches = value(m, "sched.switches", "kind", "voluntary");
	loader_stop(&l);
	assert_true(fabs(switches - naps_seen) <= 2 + 0.1 * naps_seen);
	json_decref(m);
	probe_close(set);
}

static void unknown_thread_is_an_error(void **state)
{
	struct bench_err err = { 0 };
	struct probe_set *set;

	(void)state;
	need_root();
	set = set_open("sched", NULL);
	assert_true(probe_track(set, 4194304 + 1, false, &err) < 0); /* above the largest pid_max */
	assert_true(err.msg[0]);
	probe_close(set);
}

static unsigned slots_in_use(const struct probe_set *set)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < PROBE_THREADS; i++)
		nr += set->threads[i].generation == set->windows->generation;
	return nr;
}

static void run_task(void)
{
	pid_t child = vfork();

	if (!child)
		_exit(0);
	waitpid(child, NULL, 0);
}

static void run_tasks(unsigned nr)
{
	while (nr--)
		run_task();
}

/* More than there are slots, a few alive at a time. */
static void short_lived_tasks_do_not_leak(void **state)
{
	struct probe_set *set;
	json_t *m, *warnings = json_array();
	unsigned left = 0;
	pid_t pid;

	(void)state;
	need_root();
	set = set_open("sched", NULL);
	set_track(set, getpid(), true);
	set_window(set, 0, 60000 * MS);
	pid = fork();
	if (!pid) {
		run_tasks(10000);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	m = set_read(set, NULL, 0);
	assert_true(value(m, "sched.switches", "kind", "voluntary") >= 10000);
	json_decref(m);
	for (unsigned i = 0; i < 100; i++) { /* the kernel frees tasks after a grace period */
		json_decref(set_measure(set, MS, NULL, 0)); /* this tidies up */
		left = slots_in_use(set);
		if (left <= 2)
			break;
		sleep_for(20 * MS);
	}
	probe_warnings(set, warnings);
	printf("10000 tasks later %u slots are in use, %llu tasks had none\n", left,
	       (unsigned long long)set->windows->no_tag);
	assert_true(left <= 2); /* this thread; libc may keep another */
	assert_true(set->windows->no_tag == 0);
	json_decref(warnings);
	probe_close(set);
}

/* --- memory --- */

/* A memory cgroup of its own, so that what others do meanwhile is not in its account. Version 1
 * counts kernel memory in a file, version 2 in a line. */
static bool group_new(char *ret_dir, size_t size)
{
	static const char *const roots[] = { "/sys/fs/cgroup/memory", "/sys/fs/cgroup",
					     "/sys/fs/cgroup/unified" };
	char path[128];

	for (unsigned i = 0; i < sizeof(roots) / sizeof(*roots); i++) {
		snprintf(ret_dir, size, "%s/bench-test-%d", roots[i], getpid());
		if (mkdir(ret_dir, 0700))
			continue;
		snprintf(path, sizeof(path), "%s/memory.stat", ret_dir);
		if (!access(path, R_OK))
			return true;
		rmdir(ret_dir);
	}
	return false;
}

static double group_kernel_bytes(const char *dir)
{
	char path[128], line[128];
	double bytes = -1, n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/memory.kmem.usage_in_bytes", dir);
	f = fopen(path, "re");
	if (f) {
		if (fscanf(f, "%lf", &bytes) != 1)
			bytes = -1;
		fclose(f);
		return bytes;
	}
	snprintf(path, sizeof(path), "%s/memory.stat", dir);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "kernel %lf", &n) == 1)
			bytes = n;
	if (f)
		fclose(f);
	return bytes;
}

/* The kernel frees tasks after a grace period: the least that is seen for a while. */
static double group_settled(const char *dir)
{
	double least = group_kernel_bytes(dir);

	for (unsigned i = 0; i < 40; i++) {
		double now;

		sleep_for(25 * MS);
		now = group_kernel_bytes(dir);
		least = now < least ? now : least;
	}
	return least;
}

/* In the group: bytes of kernel memory before and after 10,000 tasks. */
static void memory_child(const char *dir, int out)
{
	double bytes[3];
	struct probe_set *set;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	f = fopen(path, "we");
	if (!f || fprintf(f, "%d\n", (int)getpid()) < 0 || fclose(f))
		_exit(1);
	bytes[0] = group_settled(dir);
	set = set_open("all", NULL);
	set_track(set, getpid(), true);
	set_window(set, 0, 60000 * MS);
	run_tasks(3000); /* caches are filled */
	bytes[1] = group_settled(dir);
	run_tasks(10000);
	bytes[2] = group_settled(dir);
	if (write(out, bytes, sizeof(bytes)) != sizeof(bytes))
		_exit(1);
	probe_close(set);
	_exit(0);
}

static void kernel_memory_does_not_grow_with_tasks(void **state)
{
	double bytes[3] = { -1, -1, -1 };
	int out[2], status = 0;
	char dir[96];
	pid_t pid;
	bool got;

	(void)state;
	need_root();
	if (!group_new(dir, sizeof(dir))) {
		printf("skip: no memory cgroup can be made\n");
		skip();
	}
	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (!pid)
		memory_child(dir, out[1]);
	close(out[1]);
	got = read(out[0], bytes, sizeof(bytes)) == sizeof(bytes);
	close(out[0]);
	waitpid(pid, &status, 0);
	for (unsigned i = 0; i < 200 && rmdir(dir); i++)
		sleep_for(10 * MS);
	assert_true(got && status == 0);
	if (bytes[0] < 0) {
		printf("skip: this kernel does not account kernel memory\n");
		skip();
	}
	printf("kernel memory: %.0f KiB for the probes, %+.0f KiB after 10000 tasks\n",
	       (bytes[1] - bytes[0]) / 1024, (bytes[2] - bytes[1]) / 1024);
	/* The maps are in this account. A tag that is left of each task would be above 1 MB. */
	assert_true(bytes[1] - bytes[0] > 1e6);
	assert_true(bytes[2] - bytes[1] < 400e3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(children_of_children_are_followed),
		cmocka_unit_test(children_are_followed_without_task_storage),
		cmocka_unit_test(nobody_is_followed_after_untracking),
		cmocka_unit_test(tracking_twice_counts_once),
		cmocka_unit_test(unknown_thread_is_an_error),
		cmocka_unit_test(short_lived_tasks_do_not_leak),
		cmocka_unit_test(kernel_memory_does_not_grow_with_tasks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
