// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>

#include "../../modules/ipc.c"
#include "module/rig.h"

struct pair {
	struct rig rig;
	struct bench_worker client, server;
	pthread_t thread;
	int served;
};

static void *serve(void *arg)
{
	struct pair *p = arg;

	p->served = bench_module_ipc.run(&p->server, UINT64_MAX);
	return NULL;
}

static void pair_init(struct pair *p, const char *params)
{
	rig_init(&p->rig, &bench_module_ipc, 2);
	assert_int_equal(rig_params(&p->rig, params), 0);
	bench_module_ipc.resolve(p->rig.params);
	rig_worker(&p->rig, &p->client, 0);
	rig_worker(&p->rig, &p->server, 1);
	assert_int_equal(bench_module_ipc.setup(&p->rig.job, &p->rig.err), 0);
	assert_int_equal(bench_module_ipc.enter(&p->client), 0);
	assert_int_equal(bench_module_ipc.enter(&p->server), 0);
}

static void pair_begin(struct pair *p)
{
	assert_int_equal(bench_module_ipc.begin(&p->client), 0);
	assert_int_equal(bench_module_ipc.begin(&p->server), 0);
	assert_int_equal(pthread_create(&p->thread, NULL, serve, p), 0);
}

static void pair_done(struct pair *p)
{
	bench_module_ipc.leave(&p->client);
	bench_module_ipc.leave(&p->server);
	rig_worker_done(&p->client);
	rig_worker_done(&p->server);
	rig_done(&p->rig);
}

static void every_kind_and_size_goes_there_and_back(void **state)
{
	static const char *const params[] = { "kind=pipe",	     "kind=pipe,size=100k",
					      "kind=eventfd",	     "kind=unix",
					      "kind=unix,size=1m",   "kind=futex",
					      "kind=futex,size=100", "kind=tcp",
					      "kind=tcp,size=300k" };

	(void)state;
	for (unsigned i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
		int before = dup(0), after;
		struct pair p;

		close(before);
		pair_init(&p, params[i]);
		for (unsigned window = 0; window < 3; window++) {
			uint64_t bytes = p.client.bytes;
			const struct channel *ch = p.rig.job.shared;

			pair_begin(&p);
			assert_int_equal(bench_module_ipc.run(&p.client, 300), 0);
			bench_module_ipc.finish(&p.client);
			pthread_join(p.thread, NULL);
			assert_int_equal(p.served, 0);
			assert_int_equal(p.client.err.code, 0);
			assert_int_equal(p.client.bytes - bytes, 600 * ch->size);
		}
		pair_done(&p);
		after = dup(0);
		close(after);
		assert_int_equal(before, after);
	}
}

static void counts_that_differ_are_an_error(void **state)
{
	struct channel_end *e;
	struct pair p;

	(void)state;
	pair_init(&p, "kind=pipe");
	pair_begin(&p);
	assert_int_equal(bench_module_ipc.run(&p.client, 10), 0);
	e = p.client.state;
	e->round_trips--;
	bench_module_ipc.finish(&p.client);
	pthread_join(p.thread, NULL);
	assert_int_equal(p.served, -EBADMSG);
	assert_non_null(strstr(p.server.err.msg, "answered 10 messages, the client sent 9"));
	pair_done(&p);
}

/* Had the client gone on without waiting for the server, there would be no switches. */
static void one_cpu_without_switches_is_an_error(void **state)
{
	int cpus[2] = { 0, 0 };
	struct channel_end *e;
	struct pair p;

	(void)state;
	pair_init(&p, "kind=futex");
	p.rig.job.cpus = cpus;
	pair_begin(&p);
	assert_int_equal(bench_module_ipc.run(&p.client, 10), 0);
	bench_module_ipc.finish(&p.client);
	pthread_join(p.thread, NULL);
	p.client.err.code = 0;
	e = p.client.state;
	e->begin = switches_now();
	assert_int_equal(channel_check_switches(&p.client, e), -EBADMSG);
	cpus[1] = 1;
	assert_int_equal(channel_check_switches(&p.client, e), 0);
	pair_done(&p);
}

static void a_wrong_answer_is_an_error(void **state)
{
	unsigned char wrong[100] = { 77 };
	struct channel_port server;
	struct pair p;

	(void)state;
	pair_init(&p, "kind=unix,size=100");
	server = channel_port(p.rig.job.shared, CHANNEL_SERVER);
	/* It lies there before the question is asked. */
	assert_int_equal(channel_send(&server, wrong), 0);
	assert_int_equal(bench_module_ipc.run(&p.client, 1), -EBADMSG);
	/* Only its start is right. */
	wrong[0] = 2;
	assert_int_equal(channel_send(&server, wrong), 0);
	assert_int_equal(bench_module_ipc.run(&p.client, 1), -EBADMSG);
	pair_done(&p);
}

/* A client that never comes back must not keep the server for ever. */
static void interrupt_ends_a_server_that_waits(void **state)
{
	(void)state;
	for (unsigned kind = 0; ipc_kinds[kind]; kind++) {
		char text[32];
		struct pair p;

		snprintf(text, sizeof(text), "kind=%s", ipc_kinds[kind]);
		pair_init(&p, text);
		pair_begin(&p);
		usleep(1000);
		bench_module_ipc.interrupt(&p.server);
		pthread_join(p.thread, NULL);
		pair_done(&p);
	}
}

static void sizes_of_an_eventfd_are_refused(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, &bench_module_ipc, 2);
	assert_int_equal(rig_params(&r, "kind=eventfd,size=100"), -EINVAL);
	assert_int_equal(rig_params(&r, "kind=eventfd"), 0);
	ipc_resolve(r.params);
	assert_int_equal(((struct ipc_params *)r.params)->size, 8);
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_and_size_goes_there_and_back),
		cmocka_unit_test(counts_that_differ_are_an_error),
		cmocka_unit_test(one_cpu_without_switches_is_an_error),
		cmocka_unit_test(a_wrong_answer_is_an_error),
		cmocka_unit_test(interrupt_ends_a_server_that_waits),
		cmocka_unit_test(sizes_of_an_eventfd_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
