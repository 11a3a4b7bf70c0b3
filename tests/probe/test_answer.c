// SPDX-License-Identifier: BSD-2-Clause
/* When a request and its answer were sent, against a client and a server that know it. */
#include "probe/rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include "probe/ledger.h"

struct server {
	pthread_t thread;
	int fd, client;
	uint64_t delay_ns;
	_Atomic uint64_t before_ns, after_ns; /* it sent the last answer in between */
};

static void *serve(void *arg)
{
	struct server *s = arg;
	char c;

	while (recv(s->fd, &c, 1, 0) == 1) {
		sleep_for(s->delay_ns);
		s->before_ns = bench_now_ns();
		if (send(s->fd, &c, 1, MSG_NOSIGNAL) != 1)
			break;
		s->after_ns = bench_now_ns();
	}
	return NULL;
}

static void server_start(struct server *s)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	socklen_t len = sizeof(addr);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	s->client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(s->client, (struct sockaddr *)&addr, len), 0);
	s->fd = accept(fd, NULL, NULL);
	assert_true(s->fd >= 0);
	close(fd);
	assert_int_equal(setsockopt(s->client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
	assert_int_equal(setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(struct server *s)
{
	close(s->client);
	pthread_join(s->thread, NULL);
	close(s->fd);
}

struct asked {
	uint64_t before_ns, after_ns; /* the request was sent in between */
	struct probe_answer answer;
	int ret;
};

/* One request, whose answer lies there for late_ns. */
static struct asked request(const struct probe_set *set, struct server *s, uint64_t late_ns)
{
	struct asked a = { 0 };
	char c = 1;

	a.before_ns = bench_now_ns();
	assert_int_equal(send(s->client, &c, 1, MSG_NOSIGNAL), 1);
	a.after_ns = bench_now_ns();
	sleep_for(s->delay_ns + late_ns);
	assert_int_equal(recv(s->client, &c, 1, 0), 1);
	a.ret = probe_answer(set, s->client, s->fd, a.before_ns, &a.answer);
	while (atomic_load(&s->after_ns) < atomic_load(&s->before_ns))
		sleep_for(MS / 10);
	return a;
}

static bool within(uint64_t ns, uint64_t from, uint64_t to)
{
	return ns >= from && ns <= to;
}

/* Also where the answer lies there for so long that it is acknowledged meanwhile, by a packet. */
static void answers_have_their_times(void **state)
{
	struct server s = { .delay_ns = 3 * MS };
	unsigned sent[2] = { 0 };
	struct probe_set *set;
	uint64_t begin;

	(void)state;
	need_root();
	set = set_open("sched", getenv("TEST_FALLBACK"));
	set_track(set, gettid(), false);
	server_start(&s);
	(void)set_window(set, 0, 60000 * MS);
	for (unsigned i = 0; i < 60; i++) {
		bool late = i % 10 == 9;
		struct asked a = request(set, &s, late ? 120 * MS : 2 * MS);

		assert_int_equal(a.ret, 0);
		assert_true(within(a.answer.answered_ns, s.before_ns, s.after_ns));
		if (!a.answer.sent_ns)
			continue;
		sent[late]++;
		assert_true(within(a.answer.sent_ns, a.before_ns, a.after_ns));
	}
	begin = bench_now_ns();
	for (unsigned i = 0; i < 1000; i++) {
		struct probe_answer answer;

		(void)probe_answer(set, s.client, s.fd, 0, &answer);
	}
	printf("when the request was sent is known of %u of 54, and of %u of 6 whose answer lay "
	       "there "
	       "for 120 ms; to ask takes %.0f ns\n",
	       sent[0], sent[1], (double)(bench_now_ns() - begin) / 1000);
	/* The first answers of a connection are acknowledged at once. */
	assert_true(sent[0] >= 30);
	server_stop(&s);
	json_decref(set_read(set, NULL, 0));
	probe_close(set);
}

static void nothing_is_known_of_an_old_packet(void **state)
{
	struct server s = { .delay_ns = MS };
	struct probe_answer answer;
	struct probe_set *set;

	(void)state;
	need_root();
	set = set_open("sched", getenv("TEST_FALLBACK"));
	server_start(&s);
	assert_int_equal(probe_answer(set, s.client, s.fd, 0, &answer),
			 -EOPNOTSUPP); /* not followed */
	set_track(set, gettid(), false);
	(void)request(set, &s, MS);
	assert_int_equal(probe_answer(set, s.client, s.fd, bench_now_ns(), &answer), -ENOENT);
	assert_int_equal(probe_answer(set, s.client, 1000000, 0, &answer), -EOPNOTSUPP);
	server_stop(&s);
	probe_close(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_have_their_times),
		cmocka_unit_test(nothing_is_known_of_an_old_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
