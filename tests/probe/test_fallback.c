// SPDX-License-Identifier: BSD-2-Clause
/* The ways around what a kernel lacks give the same values: two sets at work in one window. */
#include "probe/rig.h"
#include "probe/set.h"

/* One spinner and six that sleep and work shortly on one CPU, and what else the host does. */
#define LOADERS 7

static void load_start(struct loader *l, int cpu)
{
	loader_start(&l[0], LOAD_SPIN, cpu);
	for (unsigned i = 1; i < LOADERS; i++) {
		l[i].nap_ns = MS / 2;
		l[i].burn_ns = MS / 10;
		loader_start(&l[i], LOAD_NAP, cpu);
	}
}

static void load_stop(struct loader *l)
{
	for (unsigned i = 0; i < LOADERS; i++)
		loader_stop(&l[i]);
}

/* The same window for both sets. */
static void measure_both(struct probe_set *a, struct probe_set *b, int cpu, json_t **ret_a,
			 json_t **ret_b)
{
	struct bench_window w = { .start_ns = bench_now_ns() + MS };

	w.end_ns = w.start_ns + 500 * MS;
	probe_window(a, &w);
	probe_window(b, &w);
	sleep_until(w.end_ns);
	*ret_a = set_read(a, &cpu, 1);
	*ret_b = set_read(b, &cpu, 1);
}

static bool near(const char *what, double a, double b, double tolerance)
{
	printf("%s: %.5g and %.5g\n", what, a, b);
	return fabs(a - b) <= tolerance * fmax(fabs(a), fabs(b));
}

static void compare(const char *fallback)
{
	struct probe_set *exact, *other;
	static struct loader l[LOADERS];
	int cpu = last_cpu();
	bool same = false;

	exact = set_open("sched", NULL);
	other = set_open("sched", fallback);
	assert_non_null(exact->windows);
	assert_non_null(other->windows);
	load_start(l, cpu);
	for (unsigned i = 0; i < LOADERS; i++) {
		set_track(exact, l[i].tid, false);
		set_track(other, l[i].tid, false);
	}
	/* Events are lost now and then (a few in 10,000), which one window may show. */
	for (unsigned try = 0; try < 3 && !same; try++) {
		json_t *a, *b;

		measure_both(exact, other, cpu, &a, &b);
		same = near("depth", on_cpu(a, "sched.runq_depth", cpu),
			    on_cpu(b, "sched.runq_depth", cpu), 0.02) &&
		       near("waiting", on_cpu(a, "sched.runq_waiting", cpu),
			    on_cpu(b, "sched.runq_waiting", cpu), 0.02) &&
		       near("runq latency, sum", hist(a, "sched.runq_latency", "sum"),
			    hist(b, "sched.runq_latency", "sum"), 0.01) &&
		       near("off-CPU, sum", hist(a, "sched.offcpu", "sum"),
			    hist(b, "sched.offcpu", "sum"), 0.01) &&
		       near("voluntary switches", value(a, "sched.switches", "kind", "voluntary"),
			    value(b, "sched.switches", "kind", "voluntary"), 0.002);
		json_decref(a);
		json_decref(b);
	}
	load_stop(l);
	probe_close(exact);
	probe_close(other);
	assert_true(same);
}

static void depth_from_events_is_the_exact_depth(void **state)
{
	(void)state;
	need_root();
	compare("depth");
}

static void depth_from_events_says_so(void **state)
{
	struct probe_set *set;
	int cpu = last_cpu();
	json_t *m;

	(void)state;
	need_root();
	set = set_open("sched.runq_depth", "depth");
	m = set_measure(set, 20 * MS, &cpu, 1);
	assert_non_null(strstr(
		bench_result_str(row(m, "sched.runq_depth", "cpu", "all", NULL, NULL), "note"),
		"derived from scheduler events"));
	json_decref(m);
	probe_close(set);
}

static void hash_map_serves_as_task_storage(void **state)
{
	(void)state;
	need_root();
	compare("storage");
}

static void raw_tracepoints_serve_as_typed_ones(void **state)
{
	(void)state;
	need_root();
	compare("raw");
}

/* Kinds of files by reads that may fail, in place of typed pointers. */
static void reads_serve_as_casts(void **state)
{
	(void)state;
	need_root();
	compare("casts");
}

static void everything_at_once_falls_back(void **state)
{
	(void)state;
	need_root();
	compare("raw,depth");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(depth_from_events_is_the_exact_depth),
		cmocka_unit_test(depth_from_events_says_so),
		cmocka_unit_test(hash_map_serves_as_task_storage),
		cmocka_unit_test(raw_tracepoints_serve_as_typed_ones),
		cmocka_unit_test(reads_serve_as_casts),
		cmocka_unit_test(everything_at_once_falls_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
