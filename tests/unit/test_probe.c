// SPDX-License-Identifier: BSD-2-Clause
/* What probes say of themselves; needs no privileges and no kernel support. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <bpf/btf.h>

#include "bench/hist.h"
#include "core/result.h"
#include "blame_abi.h"
#include "probe/set.h"

static const struct bpf_image *image(const char *name)
{
	for (const struct bpf_image *i = registry_bpf_images; i->name; i++)
		if (!strcmp(i->name, name))
			return i;
	fail_msg("no image %s", name);
	return NULL;
}

static void objects_describe_themselves(void **state)
{
	(void)state;
	for (const struct bpf_image *i = registry_bpf_images; i->name; i++) {
		struct probe_object object;

		assert_int_equal(object_describe(&object, i, NULL), 0);
		for (unsigned k = 0; k < object.nr_metrics; k++) {
			const struct probe_desc *d = &object.metrics[k].desc;

			assert_true(strchr(d->name, '.') != NULL);
			assert_true(d->unit[0] && d->help[0] && d->events[0]);
			assert_true(d->kind <= PROBE_WALL ||
				    (d->kind >= PROBE_IRQ && d->kind <= PROBE_BALANCE));
			assert_true(!d->key[0] == !d->label[0][0]);
		}
		/* Metrics need programs that count their runs. */
		assert_true(!object.nr_metrics || object.nr_runs);
		object_close(&object);
	}
}

static void scheduler_metrics_have_their_names(void **state)
{
	static const char *const names[] = {
		"sched.runq_depth", "sched.runq_waiting", "sched.runq_depth_max",
		"sched.runq_time",  "sched.runq_latency", "sched.offcpu",
		"sched.switches",   "sched.migrations",
	};
	struct probe_object object;

	(void)state;
	assert_int_equal(object_describe(&object, image("sched"), NULL), 0);
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		bool found = false;

		for (unsigned k = 0; k < object.nr_metrics; k++)
			found |= !strcmp(object.metrics[k].desc.name, names[i]);
		if (!found)
			fail_msg("%s is missing", names[i]);
	}
	object_close(&object);
}

static void garbage_is_not_a_probe(void **state)
{
	static const unsigned char bytes[256] = "not an object";
	const struct bpf_image bad = { "bad", bytes, bytes + sizeof(bytes) };
	struct probe_object object;

	(void)state;
	assert_int_equal(object_describe(&object, &bad, NULL), -EINVAL);
}

static void list_names_every_metric(void **state)
{
	struct probe_object object;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	probe_list(out);
	fclose(out);
	for (const struct bpf_image *i = registry_bpf_images; i->name; i++) {
		assert_int_equal(object_describe(&object, i, NULL), 0);
		for (unsigned k = 0; k < object.nr_metrics; k++)
			assert_non_null(strstr(text, object.metrics[k].desc.name));
		object_close(&object);
	}
	free(text);
}

static void missing_tracepoint_is_not_supported(void **state)
{
	struct probe_metric depth = { .desc = { .kind = PROBE_DEPTH,
						.events = "sched_switch no_such_event" } };
	struct probe_metric ok = { .desc = { .kind = PROBE_HIST, .events = "sched_switch" } };
	struct kernel *kernel = kernel_open();

	(void)state;
	if (!kernel) {
		printf("skip: this kernel has no type information\n");
		skip();
	}
	metric_check(&depth, kernel);
	assert_int_equal(depth.why.status, BENCH_NOT_SUPPORTED);
	assert_non_null(strstr(depth.why.text, "no_such_event"));
	metric_check(&ok, kernel);
	assert_int_equal(ok.why.status, BENCH_OK);
	assert_true(kernel_tracepoint_args(kernel, "sched_switch") >= 3);
	assert_true(kernel_has_field(kernel, "task_struct", "pid"));
	assert_false(kernel_has_field(kernel, "task_struct", "no_such_field"));
	kernel_close(kernel);
}

/* Read by ourselves where the kernel maps them, by libbpf from a copy. */
static void types_are_those_that_libbpf_reads(void **state)
{
	struct btf *btf = btf__load_vmlinux_btf();
	struct kernel *kernel = kernel_open();

	(void)state;
	if (!kernel || !btf) {
		kernel_close(kernel);
		printf("skip: this kernel has no type information\n");
		skip();
	}
	assert_int_equal(kernel_nr_types(kernel), btf__type_cnt(btf));
	for (uint32_t id = 1; id < kernel_nr_types(kernel); id++) {
		const struct btf_type *ours = kernel_type_at(kernel, id);
		const struct btf_type *theirs = btf__type_by_id(btf, id);

		assert_memory_equal(ours, theirs, sizeof(*ours));
		if (strcmp(kernel_name(kernel, ours->name_off),
			   btf__name_by_offset(btf, theirs->name_off)))
			fail_msg("type %u is called %s", id, kernel_name(kernel, ours->name_off));
	}
	assert_null(kernel_type_at(kernel, kernel_nr_types(kernel)));
	assert_string_equal(kernel_name(kernel, UINT32_MAX), "");
	kernel_close(kernel);
	btf__free(btf);
}

static void unknown_name_is_an_error_with_the_nearest(void **state)
{
	struct bench_err err = { 0 };
	struct probe_set *set;

	(void)state;
	assert_int_equal(probe_open(&set, "sched.runq_dept", &err), -ENOENT);
	assert_non_null(strstr(err.msg, "'sched.runq_depth'"));
	assert_int_equal(probe_open(&set, "sched,zzzzzzzzzzzz", &err), -ENOENT);
	assert_non_null(strstr(err.msg, "zzzzzzzzzzzz"));
}

/* A set without probes answers every call and puts nothing. */
static void none_is_an_empty_set(void **state)
{
	struct bench_metric_set *metrics = metric_set_new();
	struct bench_window window = { 1, 2 };
	struct bench_err err = { 0 };
	json_t *json, *warnings = json_array();
	struct probe_set *set;

	(void)state;
	assert_int_equal(probe_open(&set, "none", &err), 0);
	assert_int_equal(probe_track(set, 1, true, &err), 0);
	probe_window(set, &window);
	metric_set_next_trial(metrics);
	probe_put(set, NULL, 0, metrics);
	json = metric_set_json(metrics);
	assert_int_equal(json_array_size(json), 0);
	json_decref(json);
	json_decref(probe_overhead(set));
	probe_warnings(set, warnings);
	assert_int_equal(json_array_size(warnings), 0);
	json_decref(warnings);
	probe_untrack_all(set);
	probe_close(set);
	probe_close(NULL);
	metric_set_free(metrics);
}

/* A set as if a kernel had filled it: one CPU, one histogram, one thread. */
struct made {
	struct probe_set set;
	struct probe_object sched;
	struct probe_windows windows;
	struct probe_thread *threads;
	struct probe_depth depth[2];
	struct probe_queue queue;
};

static struct made *made_new(void)
{
	struct made *m = calloc(1, sizeof(*m));

	m->set.nr_cpus = 1;
	m->set.sched = &m->sched;
	m->sched.value_size = (PROBE_MAX_PROGRAMS + SCHED_SLOTS) * 8;
	m->sched.values = calloc(2, m->sched.value_size);
	m->threads = calloc(PROBE_THREADS, sizeof(*m->threads));
	m->set.threads = m->threads;
	m->set.windows = &m->windows;
	m->set.depth = m->depth;
	m->set.queues = &m->queue;
	m->set.serial = 3; /* bank 1 */
	m->set.start_ns = 1000;
	m->set.end_ns = 2000;
	m->set.mode.depth_exact = true;
	m->windows.generation = 7;
	return m;
}

static void made_free(struct made *m)
{
	free(m->sched.values);
	free(m->threads);
	free(m);
}

static void kernel_histogram_is_read_exactly(void **state)
{
	struct bench_hist *hist = bench_hist_new(PROBE_HIST_BITS);
	struct made *m = made_new();
	struct probe_hist *k = (void *)&object_values(&m->sched, 1)->slot[SCHED_LATENCY];

	(void)state;
	k->count = 2;
	k->sum = 1005;
	k->max = 1000;
	k->not_min = ~5ull;
	k->n[5] = 1;
	k->n[bench_hist_index(PROBE_HIST_BITS, 1000)] = 1;
	values_hist(&m->set, &m->sched, SCHED_LATENCY, m->set.end_ns, hist);
	assert_int_equal(hist->count, 2);
	assert_int_equal(hist->sum, 1005);
	assert_int_equal(hist->min, 5);
	assert_int_equal(hist->max, 1000);
	assert_int_equal(bench_hist_at(hist, 0.1), 5);
	bench_hist_free(hist);
	made_free(m);
}

static void open_intervals_are_closed_at_the_end(void **state)
{
	struct bench_hist *hist = bench_hist_new(PROBE_HIST_BITS);
	struct made *m = made_new();

	(void)state;
	/* Blocked since 1400; asleep since before the window; another generation's; running. */
	m->threads[0] = (struct probe_thread){ .generation = 7,
					       .serial = 3,
					       .state = PROBE_BLOCKED,
					       .since_ns = 1400,
					       .off_ns = 1400 };
	m->threads[1] = (struct probe_thread){
		.generation = 7, .serial = 1, .peek_serial = 3, .peek_state = PROBE_BLOCKED
	};
	m->threads[2] = (struct probe_thread){
		.generation = 6, .serial = 3, .state = PROBE_BLOCKED, .since_ns = 1, .off_ns = 1
	};
	m->threads[3] =
		(struct probe_thread){ .generation = 7, .serial = 3, .state = PROBE_RUNNING };
	values_hist(&m->set, &m->sched, SCHED_OFFCPU, m->set.end_ns, hist);
	assert_int_equal(hist->count, 2);
	assert_int_equal(hist->sum, 600 + 1000);
	bench_hist_free(hist);
	made_free(m);
}

static void depth_is_closed_at_the_end(void **state)
{
	struct made *m = made_new();
	struct probe_depth d;

	(void)state;
	assert_false(depth_close(&m->set, 0, m->set.end_ns, &d)); /* nothing is known */
	m->depth[1].peeked = 1;
	m->depth[1].peek_depth = 2;
	m->depth[1].peek_waiting = 1;
	assert_true(depth_close(&m->set, 0, m->set.end_ns, &d)); /* silent: the same all the time */
	assert_int_equal(d.at_ns[2], 1000);
	assert_int_equal(d.waiting_ns, 1000);
	m->depth[1] = (struct probe_depth){ .touched = 1,
					    .depth = 70,
					    .waiting = 69,
					    .since_ns = 1250,
					    .max = 3,
					    .depth_ns = 750,
					    .at_ns = { [3] = 250 } };
	assert_true(depth_close(&m->set, 0, m->set.end_ns, &d));
	assert_int_equal(d.at_ns[3], 250);
	assert_int_equal(d.at_ns[PROBE_DEPTHS - 1], 750); /* the last bucket has all above, too */
	assert_int_equal(d.depth_ns, 750 + 70 * 750);
	assert_int_equal(d.max, 70);
	made_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_describe_themselves),
		cmocka_unit_test(scheduler_metrics_have_their_names),
		cmocka_unit_test(garbage_is_not_a_probe),
		cmocka_unit_test(list_names_every_metric),
		cmocka_unit_test(missing_tracepoint_is_not_supported),
		cmocka_unit_test(types_are_those_that_libbpf_reads),
		cmocka_unit_test(unknown_name_is_an_error_with_the_nearest),
		cmocka_unit_test(none_is_an_empty_set),
		cmocka_unit_test(kernel_histogram_is_read_exactly),
		cmocka_unit_test(open_intervals_are_closed_at_the_end),
		cmocka_unit_test(depth_is_closed_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
