// SPDX-License-Identifier: BSD-2-Clause
/* The ASYNC modules on real rings, one window each. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <pthread.h>
#include <stdatomic.h>
#include <errno.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../modules/disk_common.h"
#include "bench/async.h"
#include "module/rig.h"
#include "runtime/async.h"

extern const struct bench_module bench_module_disk, bench_module_net, bench_module_ring;

#define WINDOW_NS (100 * BENCH_NS_PER_MS)

static struct async_caps caps;
static void (*after_setup)(struct bench_job *job); /* NULL = nothing to break */
static char dir[64];

struct ring {
	struct bench_worker w;
	const struct bench_module *module;
	struct rig *rig;
	pthread_barrier_t *barrier; /* all phases in step, as the core does */
	atomic_uint *active;
	uint64_t submitted, completed, enters;
	int ret;
};

static void window(struct ring *r)
{
	struct bench_async *a = r->w.async;
	struct async_stats stats;

	async_window_begin(a);
	r->ret = r->module->start(&r->w);
	while (!r->ret && bench_running(&r->w, bench_now_ns()))
		r->ret = async_turn(a, &r->w, r->w.window->end_ns);
	if (!r->ret)
		r->ret = async_drain(a, &r->w, bench_now_ns() + BENCH_NS_PER_SEC);
	while (!r->ret && r->w.passive && atomic_load(r->active))
		r->ret = async_turn(a, &r->w, bench_now_ns() + BENCH_NS_PER_MS);
	if (!r->ret)
		r->ret = async_cancel(a, &r->w, bench_now_ns() + BENCH_NS_PER_SEC);
	/* Now only: a send without a copy ends when its data was received. */
	if (!r->w.passive)
		atomic_fetch_sub(r->active, 1);
	async_window_stats(a, &stats);
	r->submitted = stats.submitted;
	r->completed = stats.completed;
	r->enters = stats.enters;
}

static void *run_ring(void *arg)
{
	struct ring *r = arg;
	struct bench_err err = { 0 };

	r->ret = async_open(&r->w.async, &caps, &err);
	if (!r->ret)
		r->ret = r->module->enter(&r->w);
	if (!r->ret && r->module->begin)
		r->ret = r->module->begin(&r->w);
	/* The window starts when both ends are ready, however long a busy host took for that. */
	if (pthread_barrier_wait(r->barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
		r->rig->window.end_ns = bench_now_ns() + WINDOW_NS;
	pthread_barrier_wait(r->barrier);
	if (!r->ret)
		window(r);
	pthread_barrier_wait(r->barrier);
	if (r->module->end)
		r->module->end(&r->w);
	if (r->module->leave)
		r->module->leave(&r->w);
	async_unregister(r->w.async);
	async_close(r->w.async);
	return NULL;
}

/* Run one window of the module with these parameters. 0, or what setup() said. */
static int run_job(struct rig *rig, const struct bench_module *module, unsigned nr,
		   struct ring *rings, const char *params)
{
	pthread_barrier_t barrier;
	pthread_t threads[2];
	atomic_uint active = 0;
	int ret;

	rig_init(rig, module, nr);
	assert_int_equal(rig_params(rig, params), 0);
	ret = module->setup(&rig->job, &rig->err);
	if (ret)
		return ret;
	if (after_setup)
		after_setup(&rig->job);
	pthread_barrier_init(&barrier, NULL, nr);
	for (unsigned i = 0; i < nr; i++) {
		rings[i] = (struct ring){
			.module = module, .rig = rig, .barrier = &barrier, .active = &active
		};
		rig_worker(rig, &rings[i].w, i);
	}
	active = 1;
	for (unsigned i = 0; i < nr; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_ring, &rings[i]), 0);
	for (unsigned i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&barrier);
	return 0;
}

static void check_rings(const struct ring *rings, unsigned nr, const char *params)
{
	for (unsigned i = 0; i < nr; i++) {
		const struct ring *r = &rings[i];

		if (r->ret || r->w.errors || r->submitted != r->completed)
			fail_msg("%s: worker %u: %d, %s, %lu submitted, %lu completed", params, i,
				 r->ret, r->w.err.msg, r->submitted, r->completed);
	}
	if (!rings[0].w.ops)
		fail_msg("%s: no operation in the window", params);
}

static void disk_keeps_its_counts_in_every_mode(void **state)
{
	static const char *const modes[] = { "randread", "read", "randwrite", "write", "randrw" };
	static const unsigned depths[] = { 1, 7, 64 };

	(void)state;
	for (unsigned i = 0; i < 2 * sizeof(modes) / sizeof(*modes); i++) {
		struct ring ring;
		struct rig rig;
		char text[200];
		int ret;

		snprintf(text, sizeof(text), "rw=%s,size=1m,directory=%s,direct=%u,depth=%u",
			 modes[i / 2], dir, i % 2, depths[i % 3]);
		ret = run_job(&rig, &bench_module_disk, 1, &ring, text);
		if (ret == -EOPNOTSUPP) {
			print_message("%s: %s\n", text, rig.err.msg);
		} else {
			assert_int_equal(ret, 0);
			check_rings(&ring, 1, text);
			assert_int_equal(ring.w.bytes, ring.w.ops * 4096);
			assert_int_equal(ring.w.latency->count, ring.w.ops);
			/* What completes after the window is not counted, at most the depth. */
			assert_true(ring.completed >= ring.w.ops);
			assert_true(ring.completed - ring.w.ops <= depths[i % 3]);
			rig_worker_done(&ring.w);
		}
		rig_done(&rig);
	}
}

static void cut_the_file(struct bench_job *job)
{
	struct disk_shared *s = job->shared;

	assert_int_equal(ftruncate(s->set.files[0].fd, 8192), 0);
}

/* All four operations end beyond the new end of the file, and none is tried again. */
static void short_reads_are_errors_and_not_operations(void **state)
{
	struct ring ring;
	struct rig rig;
	char text[200];

	(void)state;
	after_setup = cut_the_file;
	snprintf(text, sizeof(text), "rw=read,size=1m,directory=%s,direct=0,depth=4", dir);
	assert_int_equal(run_job(&rig, &bench_module_disk, 1, &ring, text), 0);
	after_setup = NULL;
	assert_int_equal(ring.w.errors, 4);
	assert_int_equal(ring.w.ops, 2);
	assert_int_equal(ring.w.bytes, 8192);
	assert_non_null(strstr(ring.w.err.msg, "short, 0 bytes"));
	rig_worker_done(&ring.w);
	rig_done(&rig);
}

static void net_keeps_its_counts_in_both_modes(void **state)
{
	static const char *const params[] = { "mode=rr", "mode=rr,flows=32", "mode=rr,size=200k",
					      "mode=stream", "mode=stream,flows=3,size=1000" };

	(void)state;
	for (unsigned i = 0; i < sizeof(params) / sizeof(*params); i++) {
		struct ring rings[2];
		struct rig rig;
		double rx;

		assert_int_equal(run_job(&rig, &bench_module_net, 2, rings, params[i]), 0);
		check_rings(rings, 2, params[i]);
		assert_true(rings[1].w.passive);
		assert_int_equal(rings[0].w.latency->count, i < 3 ? rings[0].w.ops : 0);
		rig.job.metrics = metric_set_new();
		metric_set_next_trial(rig.job.metrics);
		bench_module_net.report(&rig.job, WINDOW_NS);
		rx = metric_set_value(rig.job.metrics, "net.rx_bytes");
		/* Both directions count in rr; what is under way at the end does not. */
		assert_true(rx >= (double)rings[0].w.bytes / (i < 3 ? 2 : 1));
		for (unsigned e = 0; e < 2; e++)
			rig_worker_done(&rings[e].w);
		rig_done(&rig);
	}
}

/* Ways to send and receive, several messages under way, datagrams, connections: the same invariants. */
static void net_keeps_its_counts_in_every_way(void **state)
{
	static const char *const params[] = {
		"depth=8",
		"depth=5,flows=7,size=3000",
		"depth=3,size=100k",
		"recv=provided",
		"recv=multishot,flows=3,depth=4,size=777",
		"mode=stream,recv=provided,flows=2",
		"mode=stream,recv=multishot,flows=3",
		"mode=stream,zerocopy=1,flows=2",
		"mode=stream,zerocopy=1,recv=multishot,size=1m",
		"mode=stream,probe=1,flows=2",
		"probe=1,flows=2",
		"proto=udp",
		"proto=udp,depth=16,flows=3,size=1000",
		"proto=udp,recv=multishot,depth=16,flows=3",
		"proto=udp,mode=stream,depth=4",
		"proto=udp,mode=stream,recv=multishot,depth=4",
		"mode=connect",
		"mode=connect,flows=5",
		"mode=connect,flows=5,accept=multishot",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(params) / sizeof(*params); i++) {
		bool timed = !strstr(params[i], "stream");
		struct ring rings[2];
		struct rig rig;

		rig_init(&rig, &bench_module_net, 2);
		assert_int_equal(rig_params(&rig, params[i]), 0);
		if (bench_module_net.check(rig.params, &rig.err)) {
			print_message("%s: skipped: %s\n", params[i], rig.err.msg);
			rig_done(&rig);
			continue;
		}
		rig_done(&rig);
		assert_int_equal(run_job(&rig, &bench_module_net, 2, rings, params[i]), 0);
		check_rings(rings, 2, params[i]);
		assert_true(rings[1].w.passive);
		assert_int_equal(rings[0].w.latency->count, timed ? rings[0].w.ops : 0);
		rig.job.metrics = metric_set_new();
		metric_set_next_trial(rig.job.metrics);
		bench_module_net.report(&rig.job, WINDOW_NS);
		if (strstr(params[i], "connect"))
			assert_true(metric_set_value(rig.job.metrics, "net.accepted") >=
				    (double)rings[0].w.ops);
		else if (!strstr(params[i], "udp"))
			assert_true(metric_set_value(rig.job.metrics, "net.rx_bytes") >=
				    (double)rings[0].w.bytes / (timed ? 2 : 1));
		for (unsigned e = 0; e < 2; e++)
			rig_worker_done(&rings[e].w);
		rig_done(&rig);
	}
}

static void share_a_cpu(struct bench_job *job)
{
	static const int cpus[] = { 0, 0 };

	job->cpus = cpus;
}

/* A call to send and one to receive where one message is under way. Where several are, a client
 * hands all of them over at once, together with the receive of what follows: they complete
 * meanwhile, and are not what is waited for. */
static void short_messages_share_system_calls(void **state)
{
	static const struct {
		const char *params;
		unsigned max[2]; /* calls of client and server in 16 transactions */
	} cases[] = { { "mode=rr,size=64", { 33, 33 } }, { "mode=rr,size=64,depth=8", { 3, 5 } } };

	(void)state;
	for (unsigned c = 0; c < 2; c++) {
		struct ring rings[2];
		struct rig rig;

		after_setup = share_a_cpu;
		assert_int_equal(run_job(&rig, &bench_module_net, 2, rings, cases[c].params), 0);
		after_setup = NULL;
		check_rings(rings, 2, cases[c].params);
		for (unsigned i = 0; i < 2; i++) {
			if (rings[i].enters > rings[0].w.ops * cases[c].max[i] / 16 + 20)
				fail_msg("%s: worker %u: %lu calls for %lu transactions",
					 cases[c].params, i, rings[i].enters, rings[0].w.ops);
			rig_worker_done(&rings[i].w);
		}
		rig_done(&rig);
	}
}

/* One system call for each batch: that is what batch= means. */
static void nops_go_to_the_kernel_in_batches(void **state)
{
	static const unsigned batches[] = { 1, 8, 32 };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct ring ring;
		struct rig rig;
		char text[32];
		double per_call;

		snprintf(text, sizeof(text), "batch=%u", batches[i]);
		assert_int_equal(run_job(&rig, &bench_module_ring, 1, &ring, text), 0);
		check_rings(&ring, 1, text);
		assert_int_equal(ring.w.latency->count, ring.w.ops);
		per_call = (double)ring.submitted / (double)ring.enters;
		if (per_call < 0.95 * batches[i] || per_call > 1.05 * batches[i])
			fail_msg("%s: %.2f operations for each call", text, per_call);
		rig_worker_done(&ring.w);
		rig_done(&rig);
	}
}

static void every_wakeup_of_a_ring_is_counted(void **state)
{
	struct ring rings[2];
	double woken;
	struct rig rig;

	(void)state;
	assert_int_equal(run_job(&rig, &bench_module_ring, 2, rings, "mode=wake,interval=200us"),
			 0);
	check_rings(rings, 2, "mode=wake");
	/* Without latency of its own, or Little's law would be held against it. */
	assert_int_equal(rings[0].w.latency->count, 0);
	rig.job.metrics = metric_set_new();
	metric_set_next_trial(rig.job.metrics);
	bench_module_ring.report(&rig.job, WINDOW_NS);
	woken = metric_set_value(rig.job.metrics, "ring.wakeup");
	assert_true(woken > 0 && woken < 1e8);
	assert_true(rings[0].w.ops <= WINDOW_NS / (200 * BENCH_NS_PER_US));
	for (unsigned e = 0; e < 2; e++)
		rig_worker_done(&rings[e].w);
	rig_done(&rig);
}

static int prepare(void **state)
{
	struct bench_err err = { 0 };

	(void)state;
	if (async_probe(&caps, &err)) {
		print_message("skipped: %s\n", err.msg);
		exit(77);
	}
	strcpy(dir, "bench-test-async-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disk_keeps_its_counts_in_every_mode),
		cmocka_unit_test(short_reads_are_errors_and_not_operations),
		cmocka_unit_test(net_keeps_its_counts_in_both_modes),
		cmocka_unit_test(net_keeps_its_counts_in_every_way),
		cmocka_unit_test(nops_go_to_the_kernel_in_batches),
		cmocka_unit_test(every_wakeup_of_a_ring_is_counted),
		cmocka_unit_test(short_messages_share_system_calls),
	};

	return cmocka_run_group_tests(tests, prepare, remove_dir);
}
