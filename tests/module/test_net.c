// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <inttypes.h>
#include <pthread.h>
#include <cmocka.h>

#include "../../modules/net_common.h"
#include "module/rig.h"

extern const struct bench_module bench_module_net, bench_module_net_sync;

struct end {
	struct bench_worker w;
	const struct bench_module *module;
	struct bench_window *window;
	uint64_t ops; /* of the client; its last one ends the window */
	int ret;
};

/* enter .. leave on one thread, as the core calls them. */
static void *run_end(void *arg)
{
	struct end *e = arg;
	const struct bench_module *m = e->module;

	e->ret = m->enter(&e->w);
	if (!e->ret)
		e->ret = m->begin(&e->w);
	if (!e->ret && e->w.passive)
		e->ret = m->run(&e->w, UINT64_MAX);
	while (!e->ret && !e->w.passive && e->w.ops < e->ops) {
		e->ret = m->run(&e->w, 1);
		e->w.ops++;
	}
	if (!e->w.passive) {
		if (e->window->end_ns == UINT64_MAX)
			e->window->end_ns = bench_now_ns();
		m->finish(&e->w);
	}
	m->end(&e->w);
	m->leave(&e->w);
	return NULL;
}

/* Run a client and a server for so many operations: a time would pass unused on a busy host. */
static void run_pair(struct rig *r, struct end *ends, uint64_t ops)
{
	pthread_t threads[NET_WORKERS];

	for (unsigned i = 0; i < NET_WORKERS; i++) {
		ends[i] = (struct end){ .module = r->module, .window = &r->window, .ops = ops };
		rig_worker(r, &ends[i].w, i);
	}
	for (unsigned i = 0; i < NET_WORKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_end, &ends[i]), 0);
	for (unsigned i = 0; i < NET_WORKERS; i++)
		pthread_join(threads[i], NULL);
}

static void pair_done(struct rig *r, struct end *ends)
{
	for (unsigned e = 0; e < NET_WORKERS; e++)
		rig_worker_done(&ends[e].w);
	rig_done(r);
}

static void suite_and_defaults_are_valid(void **state)
{
	const struct bench_module *modules[] = { &bench_module_net, &bench_module_net_sync };

	(void)state;
	for (unsigned m = 0; m < 2; m++) {
		struct rig r;

		rig_init(&r, modules[m], 2);
		assert_int_equal(rig_params(&r, ""), 0);
		for (const char *const *s = modules[m]->suite; *s; s++) {
			/* Placement is every job's, not the module's. */
			char *own = strdup(*s), *placement = strstr(own, ",placement=");

			if (placement)
				*placement = '\0';
			assert_int_equal(rig_params(&r, own), 0);
			free(own);
		}
		rig_done(&r);
	}
}

static void impossible_parameters_are_refused(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, &bench_module_net, 2);
	assert_int_equal(rig_params(&r, "flows=0"), -EINVAL);
	assert_int_equal(rig_params(&r, "flows=1025"), -EINVAL);
	assert_int_equal(rig_params(&r, "port=65536"), -EINVAL);
	assert_int_equal(rig_params(&r, "mode=udp"), -EINVAL);
	assert_int_equal(rig_params(&r, "mode=stream,depth=2"), -EINVAL);
	assert_int_equal(rig_params(&r, "mode=connect,proto=udp"), -EINVAL);
	assert_int_equal(rig_params(&r, "mode=connect,recv=multishot"), -EINVAL);
	assert_int_equal(rig_params(&r, "accept=multishot"), -EINVAL);
	assert_int_equal(rig_params(&r, "zerocopy=1"), -EINVAL);
	assert_int_equal(rig_params(&r, "proto=udp,size=3"), -EINVAL);
	assert_int_equal(rig_params(&r, "proto=udp,size=65508"), -EINVAL);
	assert_int_equal(rig_params(&r, "proto=udp,probe=1"), -EINVAL);
	assert_int_equal(rig_params(&r, "netns=far"), -EINVAL);
	assert_non_null(strstr(r.err.msg, "address="));
	assert_int_equal(rig_params(&r, "busy_poll=1500ns"), -EINVAL);
	assert_int_equal(rig_params(&r, "flows=64,depth=16"), -EINVAL);
	assert_non_null(strstr(r.err.msg, "a ring holds 1024"));
	assert_int_equal(rig_params(&r, "size=64m,flows=17"), -EINVAL);
	assert_non_null(strstr(r.err.msg, "1 GiB"));
	rig_done(&r);
}

static void size_defaults_to_what_the_mode_is_about(void **state)
{
	(void)state;
	assert_int_equal(net_size(&(struct net_params){ .mode = NET_RR }), 1);
	assert_int_equal(net_size(&(struct net_params){ .mode = NET_STREAM }), 131072);
	assert_int_equal(net_size(&(struct net_params){ .mode = NET_STREAM, .size = 9 }), 9);
}

static void fairness_is_jains(void **state)
{
	(void)state;
	assert_true(net_jain(30, 300, 3) == 1);		 /* 10, 10, 10 */
	assert_true(net_jain(10, 100, 4) == 0.25);	 /* 10, 0, 0, 0 */
	assert_true(net_jain(10, 100, 1) == 0);		 /* of one flow there is none */
}

static void cpu_time_is_of_workers_and_packets(void **state)
{
	uint64_t idle[2][NET_CPUS_MAX] = { { 0 } }, packets[2][NET_CPUS_MAX] = { { 0 } };
	struct net_cpu_sample from = { 1000, idle[0], packets[0] }, to = { 2000, idle[1], packets[1] };
	const int cpus[] = { 0 };
	const struct bench_job job = { .nr_workers = 1, .cpus = cpus };
	unsigned nr = 0;

	(void)state;
	/* 0 is the worker's, 1 handled the packets, 2 neither, 3 is offline. */
	for (unsigned i = 0; i < 3; i++)
		idle[0][i] = 50;
	idle[1][0] = 50 + 200;
	idle[1][1] = 50 + 900;
	idle[1][2] = 50;
	packets[1][1] = 1000;
	packets[1][2] = 1;
	assert_true(net_cpu_busy(&job, &from, &to, &nr) == 800 + 100);
	assert_int_equal(nr, 2);
}

static void udp_and_connections_move_what_they_count(void **state)
{
	static const char *const params[] = { "proto=udp", "proto=udp,mode=stream,size=500",
					      "mode=connect" };

	(void)state;
	for (unsigned i = 0; i < sizeof(params) / sizeof(*params); i++) {
		struct end ends[NET_WORKERS];
		struct net_shared *s;
		struct rig r;

		rig_init(&r, &bench_module_net_sync, 2);
		assert_int_equal(rig_params(&r, params[i]), 0);
		assert_int_equal(net_setup(&r.job, &r.err), 0);
		run_pair(&r, ends, 200);
		if (ends[0].ret || ends[1].ret)
			fail_msg("%s: %s%s", params[i], ends[0].w.err.msg, ends[1].w.err.msg);
		s = r.job.shared;
		assert_int_equal(ends[0].w.ops, 200);
		/* 200 datagrams fit the receive buffer, so none may be lost. */
		assert_int_equal(atomic_load(&s->link.rx), atomic_load(&s->link.tx));
		assert_true(atomic_load(&s->link.rx) >= 200);
		pair_done(&r, ends);
	}
}

static void port_in_use_is_an_error_that_names_it(void **state)
{
	struct rig first, second;
	struct net_shared *s;
	char text[40];
	unsigned port;

	(void)state;
	rig_init(&first, &bench_module_net_sync, 2);
	assert_int_equal(rig_params(&first, ""), 0);
	assert_int_equal(net_setup(&first.job, &first.err), 0);
	s = first.job.shared;
	port = bench_inet_port(&s->link.addr);
	snprintf(text, sizeof(text), "port=%u", port);

	rig_init(&second, &bench_module_net_sync, 2);
	assert_int_equal(rig_params(&second, text), 0);
	assert_int_equal(net_setup(&second.job, &second.err), -EADDRINUSE);
	assert_non_null(strstr(second.err.msg, text + 5));
	assert_non_null(strstr(second.err.msg, "EADDRINUSE"));
	rig_done(&second);
	rig_done(&first);
}

static void both_modes_move_what_they_count(void **state)
{
	static const char *const params[] = { "mode=rr", "mode=rr,size=3000", "mode=stream",
					      "mode=stream,size=100,nodelay=0" };

	(void)state;
	for (unsigned i = 0; i < sizeof(params) / sizeof(*params); i++) {
		struct end ends[NET_WORKERS];
		struct net_shared *s;
		struct rig r;

		rig_init(&r, &bench_module_net_sync, 2);
		assert_int_equal(rig_params(&r, params[i]), 0);
		assert_int_equal(net_setup(&r.job, &r.err), 0);
		run_pair(&r, ends, 500);
		assert_int_equal(ends[0].ret, 0);
		assert_int_equal(ends[1].ret, 0);
		assert_int_equal(ends[0].w.errors + ends[1].w.errors, 0);
		assert_true(ends[0].w.ops > 0);
		s = r.job.shared;
		assert_int_equal(ends[0].w.bytes,
				 ends[0].w.ops * net_size(r.params) * (i < 2 ? 2 : 1));
		assert_int_equal(atomic_load(&s->link.rx), ends[0].w.ops * net_size(r.params));
		pair_done(&r, ends);
	}
}

static uint64_t number_after(const char *path, unsigned nr)
{
	FILE *f = fopen(path, "re");
	uint64_t value = 0;

	assert_non_null(f);
	for (unsigned i = 0; i < nr; i++)
		assert_int_equal(fscanf(f, "%" SCNu64, &value), 1);
	fclose(f);
	return value;
}

/* A stream's net.rx as bytes, for a trial of one second. */
static uint64_t stream_rx(struct rig *r, struct end *ends, uint64_t ops, uint64_t end_ns)
{
	json_t *metrics, *m;
	uint64_t rx;

	rig_init(r, &bench_module_net_sync, 2);
	r->window.end_ns = end_ns;
	assert_int_equal(rig_params(r, "mode=stream"), 0);
	assert_int_equal(net_setup(&r->job, &r->err), 0);
	run_pair(r, ends, ops);
	r->job.metrics = metric_set_new();
	metric_set_next_trial(r->job.metrics);
	net_report(&r->job, BENCH_NS_PER_SEC);
	metrics = metric_set_json(r->job.metrics);
	m = json_array_get(metrics, 0);
	assert_string_equal(json_string_value(json_object_get(m, "name")), "net.rx");
	rx = (uint64_t)json_number_value(json_object_get(m, "value"));
	json_decref(metrics);
	return rx;
}

/* What the two sockets and the server's buffer hold when the window ends is all that may be missing
 * from the rate of arrival. */
static void a_stream_has_a_rate_of_arrival_and_no_latency(void **state)
{
	uint64_t held = number_after("/proc/sys/net/ipv4/tcp_wmem", 3) +
			number_after("/proc/sys/net/ipv4/tcp_rmem", 3) + NET_STREAM_BUFFER;
	struct end ends[NET_WORKERS];
	uint64_t rx, sent;
	struct rig r;

	(void)state;
	rx = stream_rx(&r, ends, 2 * held / NET_STREAM_BUFFER, UINT64_MAX);
	assert_true(ends[NET_CLIENT].w.no_latency);
	sent = ends[NET_CLIENT].w.bytes;
	print_message("%" PRIu64 " bytes sent, %" PRIu64
		      " not received in the window, at most %" PRIu64 " held\n",
		      sent, sent - rx, held);
	assert_true(sent > held);
	assert_in_range(rx, sent - held, sent);
	pair_done(&r, ends);

	rig_init(&r, &bench_module_net_sync, 2);
	assert_int_equal(rig_params(&r, "mode=rr"), 0);
	assert_int_equal(net_setup(&r.job, &r.err), 0);
	run_pair(&r, ends, 1);
	assert_false(ends[NET_CLIENT].w.no_latency);
	pair_done(&r, ends);
}

/* A client that comes back late from its last send is no reason to count what arrived meanwhile. */
static void what_arrives_after_the_window_is_not_in_its_rate(void **state)
{
	struct end ends[NET_WORKERS];
	struct rig r;

	(void)state;
	assert_int_equal(stream_rx(&r, ends, 20, 1), 0);
	assert_int_equal(atomic_load(&((struct net_shared *)r.job.shared)->link.rx),
			 ends[NET_CLIENT].w.bytes);
	pair_done(&r, ends);
}

static void the_size_that_is_used_is_told(void **state)
{
	const struct bench_module *modules[] = { &bench_module_net, &bench_module_net_sync };

	(void)state;
	for (unsigned m = 0; m < 2; m++) {
		struct rig r;

		rig_init(&r, modules[m], 2);
		assert_int_equal(rig_params(&r, "mode=stream"), 0);
		modules[m]->resolve(r.params);
		assert_int_equal(((struct net_params *)r.params)->size, 131072);
		assert_int_equal(rig_params(&r, "size=7"), 0);
		modules[m]->resolve(r.params);
		assert_int_equal(((struct net_params *)r.params)->size, 7);
		rig_done(&r);
	}
}

static void lost_bytes_are_an_error(void **state)
{
	struct net_shared *s;
	struct bench_worker w;
	struct rig r;

	(void)state;
	rig_init(&r, &bench_module_net_sync, 2);
	rig_worker(&r, &w, NET_SERVER);
	assert_int_equal(rig_params(&r, ""), 0);
	assert_int_equal(net_setup(&r.job, &r.err), 0);
	s = r.job.shared;
	assert_int_equal(net_server_check(&w, 99), 0); /* the client has not said anything */
	net_client_done(&w, 100);
	assert_int_equal(net_server_check(&w, 100), 0);
	assert_int_equal(net_server_check(&w, 99), -EBADMSG);
	assert_non_null(strstr(w.err.msg, "received 99 bytes, the client sent 100"));
	assert_true(atomic_load(&s->link.mismatch));
	rig_worker_done(&w);
	rig_done(&r);
}

static void server_does_not_wait_for_a_client_that_failed(void **state)
{
	struct net_shared *s;
	struct bench_worker w;
	struct rig r;
	uint64_t t;
	struct net_ends_fds fds = { -1, -1 };

	(void)state;
	rig_init(&r, &bench_module_net_sync, 2);
	rig_worker(&r, &w, NET_SERVER);
	w.passive = true;
	assert_int_equal(rig_params(&r, ""), 0);
	assert_int_equal(net_setup(&r.job, &r.err), 0);
	s = r.job.shared;
	atomic_store(&s->link.client_failed, true);
	t = bench_now_ns();
	assert_int_equal(net_begin(&w, &fds, 0, 1), -ETIMEDOUT);
	assert_true(bench_now_ns() - t < BENCH_NS_PER_SEC);
	rig_worker_done(&w);
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(suite_and_defaults_are_valid),
		cmocka_unit_test(impossible_parameters_are_refused),
		cmocka_unit_test(size_defaults_to_what_the_mode_is_about),
		cmocka_unit_test(fairness_is_jains),
		cmocka_unit_test(cpu_time_is_of_workers_and_packets),
		cmocka_unit_test(udp_and_connections_move_what_they_count),
		cmocka_unit_test(port_in_use_is_an_error_that_names_it),
		cmocka_unit_test(both_modes_move_what_they_count),
		cmocka_unit_test(a_stream_has_a_rate_of_arrival_and_no_latency),
		cmocka_unit_test(what_arrives_after_the_window_is_not_in_its_rate),
		cmocka_unit_test(the_size_that_is_used_is_told),
		cmocka_unit_test(lost_bytes_are_an_error),
		cmocka_unit_test(server_does_not_wait_for_a_client_that_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
