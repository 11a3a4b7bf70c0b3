// SPDX-License-Identifier: BSD-2-Clause
/* Probes taken off their tracepoints do not run; put back, they measure as before. */
#include "probe/rig.h"

#include <dirent.h>

/* BPF links of this process; others of the host come and go. */
static unsigned links(void)
{
	DIR *dir = opendir("/proc/self/fdinfo");
	struct dirent *entry;
	unsigned nr = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		char path[300], line[256];
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/fdinfo/%s", entry->d_name);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f))
			nr += !strncmp(line, "link_id:", 8);
		if (f)
			fclose(f);
	}
	closedir(dir);
	return nr;
}

static double runs(struct probe_set *set, const char *event)
{
	json_t *overhead = probe_overhead(set), *program;
	double nr = 0;
	size_t i;

	json_array_foreach (json_object_get(overhead, "programs"), i, program)
		if (!strcmp(bench_result_str(program, "event"), event))
			nr += bench_result_num(program, "runs");
	json_decref(overhead);
	return nr;
}

static void detached_programs_do_not_run(void **state)
{
	struct loader l = { .nap_ns = MS, .burn_ns = MS / 10 };
	struct bench_err err = { 0 };
	struct probe_set *set;
	json_t *with, *without, *again;
	int cpu = last_cpu();
	unsigned before;
	double nr;

	(void)state;
	need_root();
	set = set_open("all", NULL);
	before = links();
	loader_start(&l, LOAD_NAP, cpu);
	set_track(set, l.tid, false);
	with = set_measure(set, 60 * MS, &cpu, 1);
	assert_true(value(with, "sched.switches", "kind", "voluntary") > 5);

	assert_int_equal(probe_detach(set, &err), 0);
	assert_int_equal(probe_detach(set, &err), 0); /* twice is once */
	assert_true(links() + 3 < before);
	nr = runs(set, "sched_switch");
	assert_true(nr > 5);
	without = set_measure(set, 60 * MS, &cpu, 1);
	assert_true(runs(set, "sched_switch") == nr);

	assert_int_equal(probe_attach(set, &err), 0);
	assert_int_equal(links(), before);
	again = set_measure(set, 60 * MS, &cpu, 1);
	assert_true(runs(set, "sched_switch") > nr + 5);
	assert_true(value(again, "sched.switches", "kind", "voluntary") > 5);
	loader_stop(&l);
	probe_untrack_all(set);
	probe_close(set);
	json_decref(with);
	json_decref(without);
	json_decref(again);
}

static void depth_from_events_cannot_be_interrupted(void **state)
{
	struct bench_err err = { 0 };
	struct probe_set *set;

	(void)state;
	need_root();
	set = set_open("all", "depth");
	assert_int_equal(probe_detach(set, &err), -EOPNOTSUPP);
	assert_true(err.msg[0]);
	probe_close(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(detached_programs_do_not_run),
		cmocka_unit_test(depth_from_events_cannot_be_interrupted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
