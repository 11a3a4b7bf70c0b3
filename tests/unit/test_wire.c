// SPDX-License-Identifier: BSD-2-Clause
// The control connection of `bench peer`: who has the key, and what becomes of messages that somebody
// else had a hand in.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "bench/clock.h"
#include "peer/wire.h"

#define SOON (bench_now_ns() + 5 * BENCH_NS_PER_SEC)

struct client {
	int fd;
	struct wire_key key;
	struct wire wire;
	int rc;
};

static void *client_main(void *arg)
{
	struct client *c = arg;

	c->rc = wire_connect(&c->wire, c->fd, &c->key, NULL, SOON);
	return NULL;
}

static struct wire_key key_of(const char *text)
{
	struct wire_key key = { { 0 } };

	memcpy(key.bytes, text, strlen(text));
	return key;
}

/* Both sides of a handshake; the server's outcome. */
static int handshake(int fds[2], const char *client_key, const char *server_key,
		     struct client *ret_client, struct wire *ret_server)
{
	struct wire_key key = key_of(server_key);
	struct wire_greeting greeting = { .got = 0 };
	pthread_t thread;
	int rc = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	*ret_client = (struct client){ .fd = fds[0], .key = key_of(client_key) };
	assert_int_equal(pthread_create(&thread, NULL, client_main, ret_client), 0);
	while (!rc) {
		struct pollfd pfd = { .fd = fds[1], .events = POLLIN };

		assert_int_equal(poll(&pfd, 1, 5000), 1);
		rc = wire_greet(&greeting, &key, fds[1], ret_server);
	}
	if (rc < 0)
		close(fds[1]);
	pthread_join(thread, NULL);
	return rc;
}

static void close_both(int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

static json_t *number(int i)
{
	return json_pack("{s:i}", "n", i);
}

static void put(struct wire *wire, int i)
{
	json_t *message = number(i);

	assert_int_equal(wire_send(wire, message, SOON), 0);
	json_decref(message);
}

static int take(struct wire *wire)
{
	json_t *message = NULL;
	int rc = wire_receive(wire, &message, SOON);

	if (!rc) {
		rc = (int)json_integer_value(json_object_get(message, "n"));
		json_decref(message);
	}
	return rc;
}

static void messages_go_both_ways(void **state)
{
	struct wire server;
	struct client c;
	int fds[2];

	(void)state;
	assert_int_equal(handshake(fds, "a key", "a key", &c, &server), 1);
	assert_int_equal(c.rc, 0);
	for (int i = 1; i < 20; i++) {
		put(&c.wire, i);
		assert_int_equal(take(&server), i);
		put(&server, 100 + i);
		assert_int_equal(take(&c.wire), 100 + i);
	}
	close_both(fds);
}

static void another_key_is_refused_by_both(void **state)
{
	struct wire server;
	struct client c;
	int fds[2];

	(void)state;
	assert_int_equal(handshake(fds, "a key", "another key", &c, &server), -EACCES);
	assert_int_equal(c.rc, -EACCES);
	close(fds[0]);
}

/* What the client sends passes through here: the bytes of one message. */
static size_t intercept(int fd, unsigned char *bytes, size_t size)
{
	ssize_t n = recv(fd, bytes, size, 0);

	assert_true(n > 4);
	return (size_t)n;
}

/* A server that reads what we let it. */
static void tapped(int fds[2], int tap[2], struct client *c, struct wire *server)
{
	assert_int_equal(handshake(fds, "a key", "a key", c, server), 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, tap), 0);
	server->fd = tap[1];
}

static void a_changed_message_is_refused(void **state)
{
	unsigned char bytes[512];

	(void)state;
	/* Every byte of it, its length aside, which is only how much is read. */
	for (size_t at = 4; at < 4 + 17 + 7; at++) {
		struct wire server;
		struct client c;
		int fds[2], tap[2];
		size_t n;

		tapped(fds, tap, &c, &server);
		put(&c.wire, 1);
		n = intercept(fds[1], bytes, sizeof(bytes));
		assert_true(at < n);
		bytes[at] ^= 1;
		assert_int_equal(send(tap[0], bytes, n, 0), n);
		assert_int_equal(take(&server), -EBADMSG);
		close_both(fds);
		close_both(tap);
	}
}

static void a_repeated_or_a_missing_message_is_refused(void **state)
{
	unsigned char first[512], second[512];
	size_t n;

	(void)state;
	for (int missing = 0; missing < 2; missing++) {
		struct wire server;
		struct client c;
		int fds[2], tap[2];

		tapped(fds, tap, &c, &server);
		put(&c.wire, 1);
		n = intercept(fds[1], first, sizeof(first));
		if (missing) {
			put(&c.wire, 2);
			n = intercept(fds[1], second, sizeof(second));
			assert_int_equal(send(tap[0], second, n, 0), n);
		} else {
			assert_int_equal(send(tap[0], first, n, 0), n);
			assert_int_equal(take(&server), 1);
			assert_int_equal(send(tap[0], first, n, 0), n);
		}
		assert_int_equal(take(&server), -EBADMSG);
		close_both(fds);
		close_both(tap);
	}
}

static void a_length_beyond_the_limit_is_not_read(void **state)
{
	static const unsigned char huge[8] = { 0xff, 0xff, 0xff, 0xff };
	struct wire server;
	struct client c;
	int fds[2], tap[2];

	(void)state;
	tapped(fds, tap, &c, &server);
	assert_int_equal(send(tap[0], huge, sizeof(huge), 0), sizeof(huge));
	assert_int_equal(take(&server), -EMSGSIZE);
	close_both(fds);
	close_both(tap);
}

static void a_half_message_is_waited_for_until_the_deadline(void **state)
{
	unsigned char bytes[512];
	struct wire server;
	struct client c;
	json_t *message = NULL;
	int fds[2], tap[2];
	size_t n;

	(void)state;
	tapped(fds, tap, &c, &server);
	put(&c.wire, 1);
	n = intercept(fds[1], bytes, sizeof(bytes));
	assert_int_equal(send(tap[0], bytes, n / 2, 0), n / 2);
	assert_int_equal(wire_receive(&server, &message, bench_now_ns() + 50 * BENCH_NS_PER_MS),
			 -ETIMEDOUT);
	close_both(fds);
	close_both(tap);
}

static int gives_up(void *arg, int fd, short events, uint64_t deadline_ns)
{
	(void)fd;
	(void)deadline_ns;
	assert_int_equal(events, POLLIN);
	++*(unsigned *)arg;
	return -ECANCELED;
}

/* The other side says nothing. */
static void who_waits_may_give_up(void **state)
{
	struct wire_key key = key_of("the same");
	unsigned asked = 0;
	struct wire_wait wait = { gives_up, &asked };
	struct wire wire;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(wire_connect(&wire, fds[0], &key, &wait, SOON), -ECANCELED);
	assert_int_equal(asked, 1);
	assert_null(wire.wait);
	close_both(fds);
}

static void keys_are_files_of_their_owner(void **state)
{
	char path[] = "/tmp/bench-key-XXXXXX";
	int fd = mkstemp(path);
	struct wire_key one, two;
	struct bench_err err = { 0 };

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "0123456789abcdef\n", 17), 17);
	assert_int_equal(wire_key_read(&one, path, &err), 0);
	assert_int_equal(ftruncate(fd, 16), 0);
	assert_int_equal(wire_key_read(&two, path, &err), 0);
	assert_memory_equal(&one, &two, sizeof(one)); /* the line's end is not part of it */
	assert_int_equal(ftruncate(fd, 15), 0);
	assert_int_equal(wire_key_read(&two, path, &err), -EINVAL);
	assert_int_equal(ftruncate(fd, 100), 0);
	assert_int_equal(fchmod(fd, 0640), 0);
	assert_int_equal(wire_key_read(&two, path, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "chmod 600"));
	close(fd);
	unlink(path);
	assert_int_equal(wire_key_read(&two, path, &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_go_both_ways),
		cmocka_unit_test(another_key_is_refused_by_both),
		cmocka_unit_test(a_changed_message_is_refused),
		cmocka_unit_test(a_repeated_or_a_missing_message_is_refused),
		cmocka_unit_test(a_length_beyond_the_limit_is_not_read),
		cmocka_unit_test(a_half_message_is_waited_for_until_the_deadline),
		cmocka_unit_test(who_waits_may_give_up),
		cmocka_unit_test(keys_are_files_of_their_owner),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
