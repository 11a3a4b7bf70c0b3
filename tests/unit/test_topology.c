// SPDX-License-Identifier: BSD-2-Clause
/* Order and choice of CPUs on hosts that hwloc makes up, CPU lists, binding and cgroup quotas. */
#include "host/topology.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "bench/clock.h"
#include "fixtures/host/unpack.h"
#include "host/cgroup.h"

static struct topology *open_synthetic(const char *description)
{
	struct topology *t = NULL;
	struct bench_err err = { 0 };

	setenv("HWLOC_SYNTHETIC", description, 1);
	setenv("HWLOC_THISSYSTEM", "0", 1);
	assert_int_equal(topology_open(&t, &err), 0);
	unsetenv("HWLOC_SYNTHETIC");
	unsetenv("HWLOC_THISSYSTEM");
	return t;
}

static struct topology *open_live(void)
{
	struct topology *t = NULL;
	struct bench_err err = { 0 };
	int ret = topology_open(&t, &err);

	if (ret)
		fail_msg("topology_open: %s", err.msg);
	return t;
}

static void assert_order(const struct topology *t, const int *os, unsigned nr)
{
	assert_int_equal(topology_nr_cpus(t), nr);
	for (unsigned i = 0; i < nr; i++)
		assert_int_equal(topology_cpu(t, i)->os_index, os[i]);
	assert_null(topology_cpu(t, nr));
}

static void cores_come_before_siblings(void **state)
{
	(void)state;
	/* Siblings are neighbours: PUs 0,1 are core 0. */
	struct topology *t = open_synthetic("package:1 core:3 pu:2");
	const int os[] = { 0, 2, 4, 1, 3, 5 };

	assert_order(t, os, 6);
	assert_int_equal(topology_nr_cores(t), 3);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(topology_cpu(t, i)->core, os[i] / 2);
		assert_int_equal(topology_cpu(t, i)->smt_sibling, i >= 3);
	}
	topology_close(t);
}

static void what_cpus_have_in_common(void **state)
{
	(void)state;
	struct topology *t = open_synthetic("package:2 l3:2 core:2 pu:2");
	const struct topology_cpu *first = topology_find(t, 0);
	const enum topology_relation relations[] = {
		TOPOLOGY_SAME_CPU, TOPOLOGY_SMT,     TOPOLOGY_LLC,     TOPOLOGY_LLC,
		TOPOLOGY_PACKAGE,  TOPOLOGY_PACKAGE, TOPOLOGY_PACKAGE, TOPOLOGY_PACKAGE,
		TOPOLOGY_CROSS,
	};

	for (unsigned i = 0; i < sizeof(relations) / sizeof(*relations); i++)
		assert_int_equal(topology_relation(first, topology_find(t, (int)i)), relations[i]);
	topology_close(t);
	/* Without an L3 cores share an L2, or nothing is known. */
	t = open_synthetic("package:1 l2:2 core:2 pu:1");
	assert_int_equal(topology_relation(topology_find(t, 0), topology_find(t, 1)), TOPOLOGY_LLC);
	assert_int_equal(topology_relation(topology_find(t, 0), topology_find(t, 2)),
			 TOPOLOGY_PACKAGE);
	topology_close(t);
	t = open_synthetic("package:1 core:2 pu:1");
	assert_int_equal(topology_relation(topology_find(t, 0), topology_find(t, 1)),
			 TOPOLOGY_PACKAGE);
	topology_close(t);
}

static void interleaved_numbering_is_understood(void **state)
{
	(void)state;
	/* The usual numbering of two-socket servers: even CPUs on one package, and siblings at
	 * the end. */
	struct topology *t =
		open_synthetic("package:2 [numa] core:2 pu:2(indexes=0,4,2,6,1,5,3,7)");
	const int os[] = { 0, 2, 1, 3, 4, 6, 5, 7 };
	const int package[] = { 0, 0, 1, 1, 0, 0, 1, 1 };

	assert_order(t, os, 8);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(topology_cpu(t, i)->package, package[i]);
		assert_int_equal(topology_cpu(t, i)->numa, package[i]);
		assert_int_equal(topology_cpu(t, i)->smt_sibling, i >= 4);
	}
	assert_int_equal(topology_nr_cores(t), 4);
	topology_close(t);
}

static void numa_nodes_are_used_one_by_one(void **state)
{
	(void)state;
	struct topology *t = open_synthetic("package:2 group:2 [numa] core:2 pu:1");

	assert_int_equal(topology_nr_cpus(t), 8);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(topology_cpu(t, i)->numa, i / 2);
		assert_int_equal(topology_cpu(t, i)->package, i / 4);
		assert_false(topology_cpu(t, i)->smt_sibling);
	}
	topology_close(t);
}

static void third_siblings_come_after_second_ones(void **state)
{
	(void)state;
	struct topology *t = open_synthetic("core:2 pu:4");
	const int os[] = { 0, 4, 1, 5, 2, 6, 3, 7 };

	assert_order(t, os, 8);
	assert_int_equal(topology_nr_cores(t), 2);
	topology_close(t);
}

static void lists_are_parsed_in_the_order_given(void **state)
{
	(void)state;
	struct topology *t = open_synthetic("core:8 pu:1");
	struct bench_err err = { 0 };
	int *cpus = NULL;
	unsigned nr = 0;

	assert_int_equal(topology_parse(t, "6,1-3,0", &cpus, &nr, &err), 0);
	assert_int_equal(nr, 5);
	const int want[] = { 6, 1, 2, 3, 0 };

	assert_memory_equal(cpus, want, sizeof(want));
	free(cpus);
	assert_int_equal(topology_parse(t, "all", &cpus, &nr, &err), 0);
	assert_int_equal(nr, 8);
	free(cpus);
	topology_close(t);
}

static void bad_lists_are_refused_with_the_bad_part(void **state)
{
	(void)state;
	static const struct {
		const char *list, *names;
	} bad[] = {
		{ "", "''" },
		{ "0,", "''" },
		{ ",0", "''" },
		{ "0,x-2", "'x-2'" },
		{ "1-", "'1-'" },
		{ "-1", "'-1'" },
		{ " 1", "' 1'" },
		{ "0x1", "'0x1'" },
		{ "1-2-3", "'1-2-3'" },
		{ "all,0", "'all'" },
		{ "3-1", "'3-1' runs backwards" },
		{ "0,1,0", "CPU 0 stands twice" },
		{ "0-2,1-3", "CPU 1 stands twice" },
		{ "0-9", "CPU 8: this host has no such CPU" },
		{ "0-4294967295", "CPU 8: this host has no such CPU" },
		{ "4294967296", "CPU 4294967296: this host has no such CPU" },
		{ "99999999999999999999", "has no such CPU" },
	};
	struct topology *t = open_synthetic("core:8 pu:1");

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct bench_err err = { 0 };
		unsigned nr = 77;
		int *cpus = NULL;

		assert_int_equal(topology_parse(t, bad[i].list, &cpus, &nr, &err), -EINVAL);
		if (!strstr(err.msg, bad[i].names))
			fail_msg("'%s': '%s' does not say %s", bad[i].list, err.msg, bad[i].names);
		assert_null(cpus);
		assert_int_equal(nr, 77);
	}
	topology_close(t);
}

static void offline_cpu_is_named_as_such(void **state)
{
	(void)state;
	struct fixture fixture;
	struct topology *t = NULL;
	struct bench_err err = { 0 };
	int *cpus = NULL;
	unsigned nr = 0;

	assert_int_equal(fixture_open(&fixture, "cpu2-offline"), 0);
	setenv("HWLOC_FSROOT", fixture.dir, 1);
	setenv("HWLOC_COMPONENTS", "linux,stop", 1);
	int ret = topology_open(&t, &err);

	unsetenv("HWLOC_FSROOT");
	unsetenv("HWLOC_COMPONENTS");
	fixture_close(&fixture);
	assert_int_equal(ret, 0);
	assert_int_equal(topology_nr_cpus(t), 3);
	assert_null(topology_find(t, 2));
	assert_non_null(topology_find(t, 3));
	assert_int_equal(topology_parse(t, "1-3", &cpus, &nr, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "CPU 2 is offline (usable: 0-1,3)"));
	assert_int_equal(topology_parse(t, "4", &cpus, &nr, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "CPU 4: this host has no such CPU"));
	topology_close(t);
}

static void another_host_cannot_be_bound_to(void **state)
{
	(void)state;
	struct topology *t = open_synthetic("core:2 pu:1");

	assert_int_equal(topology_bind(t, 0, NULL, 0), -EOPNOTSUPP);
	assert_int_equal(topology_bind(t, 5, NULL, 0), -EINVAL);
	topology_close(t);
}

static void json_describes_caches_nodes_and_cpus(void **state)
{
	(void)state;
	struct topology *t = open_synthetic(
		"package:2 [numa(memory=1GB)] l3:1(size=8388608) l2:2(size=1048576) core:1 pu:2");
	json_t *doc = topology_json(t);
	json_t *caches = json_object_get(doc, "caches");
	json_t *nodes = json_object_get(doc, "nodes");

	assert_int_equal(json_integer_value(json_object_get(doc, "packages")), 2);
	assert_int_equal(json_integer_value(json_object_get(doc, "cores")), 4);
	assert_int_equal(json_integer_value(json_object_get(doc, "pus")), 8);
	assert_int_equal(json_array_size(caches), 2);
	assert_int_equal(
		json_integer_value(json_object_get(json_array_get(caches, 0), "size_bytes")),
		1 << 20);
	assert_int_equal(
		json_integer_value(json_object_get(json_array_get(caches, 1), "shared_by_pus")), 4);
	assert_int_equal(json_array_size(nodes), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(nodes, 1), "cpus")),
			    "4-7");
	assert_int_equal(json_array_size(json_object_get(doc, "cpus")), 8);
	json_decref(doc);
	topology_close(t);
}

/* CPU time of this thread: what it takes on a host where others run, too. */
static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * BENCH_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void open_is_quick(void **state)
{
	(void)state;
	uint64_t best = UINT64_MAX, first = 0;

	for (int i = 0; i < 5; i++) {
		uint64_t start = cpu_ns();
		struct topology *t = open_live();
		uint64_t ns = cpu_ns() - start;

		topology_close(t);
		first = i ? first : ns;
		best = ns < best ? ns : best;
	}
	print_message("topology_open: first %.2f ms, best %.2f ms of CPU time\n", (double)first / 1e6,
		      (double)best / 1e6);
	if (best > 20 * BENCH_NS_PER_MS)
		fail_msg("topology_open takes %.1f ms at best", (double)best / 1e6);
	assert_null(getenv("HWLOC_PLUGINS_PATH"));
}

/* Run body in a child, so that what it does to its affinity or cgroup stays there. */
static int in_child(int (*body)(void *arg), void *arg)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid)
		_exit(body(arg));
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

static int nr_usable(int *ret_last)
{
	cpu_set_t set;
	int nr = 0;

	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set)) {
			*ret_last = i;
			nr++;
		}
	return nr;
}

static int pinned_body(void *arg)
{
	struct bench_err err = { 0 };
	struct topology *t;
	int cpu = *(int *)arg, *cpus;
	unsigned nr;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CHECK(!sched_setaffinity(0, sizeof(set), &set));
	CHECK(!topology_open(&t, &err));
	CHECK(topology_nr_cpus(t) == 1);
	CHECK(topology_nr_cores(t) == 1);
	CHECK(topology_cpu(t, 0)->os_index == cpu);
	CHECK(!topology_cpu(t, 0)->smt_sibling);
	CHECK(cpu == 0 || !topology_find(t, 0));
	if (cpu) {
		CHECK(topology_parse(t, "0", &cpus, &nr, &err) == -EINVAL);
		CHECK(strstr(err.msg, "CPU 0 is outside of our cpuset"));
		CHECK(topology_bind(t, 0, NULL, 0) == -EINVAL);
	}
	topology_close(t);
	return 0;
}

static void only_cpus_of_the_affinity_mask_are_kept(void **state)
{
	(void)state;
	int cpu = 0;

	nr_usable(&cpu);
	assert_int_equal(in_child(pinned_body, &cpu), 0);
}

static int bind_body(void *arg)
{
	struct topology *t = open_live();
	cpu_set_t set;
	int first = topology_cpu(t, 0)->os_index;
	int last = topology_cpu(t, topology_nr_cpus(t) - 1)->os_index;

	(void)arg;
	CHECK(topology_bind(t, last, NULL, 0) == 0);
	CHECK(!sched_getaffinity(0, sizeof(set), &set));
	CHECK(CPU_COUNT(&set) == 1 && CPU_ISSET(last, &set));
	CHECK(sched_getcpu() == last);

	CHECK(topology_bind(t, -1, &first, 1) == 0);
	CHECK(!sched_getaffinity(0, sizeof(set), &set));
	CHECK(CPU_COUNT(&set) == (int)topology_nr_cpus(t) - (first != last));
	CHECK(first == last || !CPU_ISSET(first, &set));

	/* Nothing left: all of them. */
	int *all = calloc(topology_nr_cpus(t), sizeof(int));

	for (unsigned i = 0; i < topology_nr_cpus(t); i++)
		all[i] = topology_cpu(t, i)->os_index;
	CHECK(topology_bind(t, -1, all, topology_nr_cpus(t)) == 0);
	CHECK(!sched_getaffinity(0, sizeof(set), &set));
	CHECK(CPU_COUNT(&set) == (int)topology_nr_cpus(t));
	CHECK(topology_bind(t, 100000, NULL, 0) == -EINVAL);
	free(all);
	topology_close(t);
	return 0;
}

static void bind_takes_one_cpu_or_all_but_some(void **state)
{
	(void)state;
	assert_int_equal(in_child(bind_body, NULL), 0);
}

/* --- quotas on fixtures --- */

static void assert_quota(const char *name, double cpus, const char *path, int version)
{
	struct cgroup_limits limits;
	struct fixture fixture;
	int ret = fixture_open(&fixture, name);

	if (ret)
		fail_msg("fixture %s: %s (run me in the top directory)", name, strerror(-ret));
	ret = cgroup_read(&limits);
	fixture_close(&fixture);
	assert_int_equal(ret, 0);
	assert_int_equal(limits.version, version);
	assert_true(limits.quota_cpus > cpus - 1e-9 && limits.quota_cpus < cpus + 1e-9);
	assert_string_equal(limits.quota_path, path);
}

static void tightest_ancestor_gives_the_quota(void **state)
{
	(void)state;
	assert_quota("v2-nested", 1.5, "/sys/fs/cgroup/batch.slice/cpu.max", 2);
}

static void no_limit_is_no_quota(void **state)
{
	(void)state;
	assert_quota("v2-unlimited", 0, "", 2);
}

static void v1_container_quota_is_found(void **state)
{
	(void)state;
	assert_quota("v1-container", 2.5, "/cg roup/cpu,cpuacct/cpu.cfs_quota_us", 1);
}

static void path_outside_of_the_namespace_uses_the_mount(void **state)
{
	(void)state;
	assert_quota("v2-namespace", 0.25, "/sys/fs/cgroup/cpu.max", 2);
}

static void v1_controller_wins_over_empty_v2(void **state)
{
	(void)state;
	assert_quota("hybrid", 1.5, "/sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", 1);
}

static void memory_cpuset_and_throttling_are_read(void **state)
{
	(void)state;
	struct cgroup_limits limits;
	struct fixture fixture;

	assert_int_equal(fixture_open(&fixture, "v2-nested"), 0);
	assert_int_equal(cgroup_read(&limits), 0);
	fixture_close(&fixture);
	assert_int_equal(limits.memory_bytes, 2147483648);
	assert_string_equal(limits.memory_path, "/sys/fs/cgroup/batch.slice/memory.max");
	assert_string_equal(limits.cpuset, "0-3");
	assert_int_equal(limits.nr_throttled, 7);

	assert_int_equal(fixture_open(&fixture, "v1-container"), 0);
	assert_int_equal(cgroup_read(&limits), 0);
	fixture_close(&fixture);
	assert_int_equal(limits.memory_bytes, 1073741824);
	assert_string_equal(limits.cpuset, "2-5");
	assert_int_equal(limits.nr_throttled, -1);

	assert_int_equal(fixture_open(&fixture, "hybrid"), 0);
	assert_int_equal(cgroup_read(&limits), 0);
	fixture_close(&fixture);
	assert_int_equal(limits.memory_bytes, -1);
}

/* --- quotas and cpusets on this host --- */

static int put_file(const char *dir, const char *name, const char *text)
{
	char path[PATH_MAX];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	close(fd);
	return n == (ssize_t)strlen(text) ? 0 : -EIO;
}

static int quota_body(void *arg)
{
	const char *dir = arg;
	struct topology *t;
	struct bench_err err = { 0 };
	const char *source = NULL;
	char self[32], inner[160], want[160];

	snprintf(self, sizeof(self), "%d", getpid());
	snprintf(inner, sizeof(inner), "%s/inner", dir);
	snprintf(want, sizeof(want), "%s/cpu.cfs_quota_us", dir);
	CHECK(!put_file(inner, "cgroup.procs", self));
	CHECK(!topology_open(&t, &err));
	CHECK(topology_quota(t, &source) == 1.5);
	CHECK(!strcmp(source, want));
	topology_close(t);
	return 0;
}

static void real_v1_quota_is_found(void **state)
{
	(void)state;
	char dir[128], inner[160];
	int ret;

	/* The limit is set on the parent, the child process lives one level below. */
	snprintf(dir, sizeof(dir), "/sys/fs/cgroup/cpu/bench-test-%d", getpid());
	snprintf(inner, sizeof(inner), "%s/inner", dir);
	if (mkdir(dir, 0755) || mkdir(inner, 0755)) {
		print_message("skipped: cannot make %s: %s\n", inner, strerror(errno));
		rmdir(dir);
		skip();
	}
	ret = put_file(dir, "cpu.cfs_quota_us", "150000");
	if (!ret)
		ret = in_child(quota_body, dir) ? -1 : 0;
	rmdir(inner);
	rmdir(dir);
	if (ret == -ENOENT) {
		print_message("skipped: this kernel's v1 cpu controller has no quota\n");
		skip();
	}
	assert_int_equal(ret, 0);
}

struct vanish {
	const char *dir;
	int keep, gone;
};

static int vanish_body(void *arg)
{
	const struct vanish *v = arg;
	struct topology *t = open_live();
	char text[32];

	CHECK(topology_bind(t, v->gone, NULL, 0) == 0);
	CHECK(topology_bind(t, -1, NULL, 0) == 0);
	snprintf(text, sizeof(text), "%d", getpid());
	CHECK(!put_file(v->dir, "cgroup.procs", text));
	/* Known from the start, gone since. */
	CHECK(topology_find(t, v->gone));
	CHECK(topology_bind(t, v->gone, NULL, 0) == -EINVAL);
	CHECK(topology_bind(t, v->keep, NULL, 0) == 0);
	topology_close(t);
	t = open_live();
	CHECK(!topology_find(t, v->gone));
	topology_close(t);
	return 0;
}

static void cpu_that_vanished_cannot_be_bound_to(void **state)
{
	(void)state;
	struct topology *t = open_live();
	struct vanish v = { .keep = topology_cpu(t, 0)->os_index };
	unsigned nr = topology_nr_cpus(t);
	char dir[128], text[32];
	int ret = 1;

	v.gone = topology_cpu(t, nr - 1)->os_index;
	topology_close(t);
	if (nr < 2) {
		print_message("skipped: needs two CPUs\n");
		skip();
	}
	snprintf(dir, sizeof(dir), "/sys/fs/cgroup/cpuset/bench-test-%d", getpid());
	if (mkdir(dir, 0755)) {
		print_message("skipped: cannot make %s: %s\n", dir, strerror(errno));
		skip();
	}
	v.dir = dir;
	snprintf(text, sizeof(text), "%d", v.keep);
	if (!put_file(dir, "cpuset.cpus", text) && !put_file(dir, "cpuset.mems", "0"))
		ret = in_child(vanish_body, &v);
	rmdir(dir);
	assert_int_equal(ret, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cores_come_before_siblings),
		cmocka_unit_test(what_cpus_have_in_common),
		cmocka_unit_test(interleaved_numbering_is_understood),
		cmocka_unit_test(numa_nodes_are_used_one_by_one),
		cmocka_unit_test(third_siblings_come_after_second_ones),
		cmocka_unit_test(lists_are_parsed_in_the_order_given),
		cmocka_unit_test(bad_lists_are_refused_with_the_bad_part),
		cmocka_unit_test(offline_cpu_is_named_as_such),
		cmocka_unit_test(another_host_cannot_be_bound_to),
		cmocka_unit_test(json_describes_caches_nodes_and_cpus),
		cmocka_unit_test(open_is_quick),
		cmocka_unit_test(only_cpus_of_the_affinity_mask_are_kept),
		cmocka_unit_test(bind_takes_one_cpu_or_all_but_some),
		cmocka_unit_test(tightest_ancestor_gives_the_quota),
		cmocka_unit_test(no_limit_is_no_quota),
		cmocka_unit_test(v1_container_quota_is_found),
		cmocka_unit_test(path_outside_of_the_namespace_uses_the_mount),
		cmocka_unit_test(v1_controller_wins_over_empty_v2),
		cmocka_unit_test(memory_cpuset_and_throttling_are_read),
		cmocka_unit_test(real_v1_quota_is_found),
		cmocka_unit_test(cpu_that_vanished_cannot_be_bound_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
