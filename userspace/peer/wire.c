// SPDX-License-Identifier: BSD-2-Clause
#include "peer/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/clock.h"

#define KEY_LEAST 16
#define KEY_MOST 4096
#define HEADER crypto_secretstream_xchacha20poly1305_HEADERBYTES
#define EXTRA crypto_secretstream_xchacha20poly1305_ABYTES

int wire_key_read(struct wire_key *ret_key, const char *path, struct bench_err *err)
{
	unsigned char text[KEY_MOST + 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	ssize_t len;

	if (fd < 0)
		return bench_fail(err, -errno, "--key=%s: %s", path, strerror(errno));
	len = fstat(fd, &st) || !S_ISREG(st.st_mode) ? -1 : read(fd, text, sizeof(text));
	close(fd);
	if (len < 0)
		return bench_fail(err, -EINVAL, "--key=%s: not a file that can be read", path);
	if (st.st_mode & 077)
		return bench_fail(err, -EINVAL,
				  "--key=%s: others can read or write it; chmod 600 it", path);
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	if (len < KEY_LEAST || len > KEY_MOST)
		return bench_fail(err, -EINVAL,
				  "--key=%s: a key has %d to %d bytes, this has %zd; make one by: "
				  "(umask 077; head -c 32 /dev/urandom | base64 > FILE)",
				  path, KEY_LEAST, KEY_MOST, len);
	if (sodium_init() < 0)
		return bench_fail(err, -EIO, "libsodium does not start");
	crypto_generichash(ret_key->bytes, WIRE_KEY, text, (size_t)len, NULL, 0);
	sodium_memzero(text, sizeof(text));
	return 0;
}

/* MAC over a word that says what it is for, and the random numbers of both sides. */
static void mac(unsigned char ret_mac[WIRE_MAC], const struct wire_key *key, const char *purpose,
		const unsigned char *client, const unsigned char *server)
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, key->bytes, WIRE_KEY);
	/* With its end, so that no purpose is the beginning of another one. */
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)purpose, strlen(purpose) + 1);
	crypto_auth_hmacsha256_update(&state, client, WIRE_NONCE);
	if (server)
		crypto_auth_hmacsha256_update(&state, server, WIRE_NONCE);
	crypto_auth_hmacsha256_final(&state, ret_mac);
	sodium_memzero(&state, sizeof(state));
}

static bool proves(const unsigned char *got, const struct wire_key *key, const char *purpose,
		   const unsigned char *client, const unsigned char *server)
{
	unsigned char wanted[WIRE_MAC];

	mac(wanted, key, purpose, client, server);
	return !sodium_memcmp(got, wanted, WIRE_MAC);
}

static int wait_for(int fd, short events, uint64_t deadline_ns)
{
	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = events };
		uint64_t now = bench_now_ns();
		uint64_t ms = now < deadline_ns ? (deadline_ns - now) / BENCH_NS_PER_MS + 1 : 0;
		int nr = poll(&pfd, 1, ms > 60000 ? 60000 : (int)ms);

		if (nr > 0)
			return 0;
		if (nr < 0 && errno != EINTR)
			return -errno;
		if (bench_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
	}
}

static int put_bytes(int fd, const void *data, size_t len, uint64_t deadline_ns)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = send(fd, (const char *)data + at, len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
		int rc;

		if (n >= 0) {
			at += (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return errno == EPIPE ? -ECONNRESET : -errno;
		rc = wait_for(fd, POLLOUT, deadline_ns);
		if (rc)
			return rc;
	}
	return 0;
}

static int get_bytes(const struct wire *wire, void *data, size_t len, uint64_t deadline_ns)
{
	const struct wire_wait *wait = wire->wait;
	int fd = wire->fd;

	for (size_t at = 0; at < len;) {
		ssize_t n = recv(fd, (char *)data + at, len - at, MSG_DONTWAIT);
		int rc;

		if (n > 0) {
			at += (size_t)n;
			continue;
		}
		if (!n)
			return -ECONNRESET;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		rc = wait ? wait->ready(wait->arg, fd, POLLIN, deadline_ns)
			  : wait_for(fd, POLLIN, deadline_ns);
		if (rc)
			return rc;
	}
	return 0;
}

/* Streams of both directions, client's side: either sends the header of its own first. */
static int start(struct wire *wire, const struct wire_key *key, const unsigned char *client,
		 const unsigned char *server, uint64_t deadline_ns)
{
	unsigned char header[HEADER], session[WIRE_MAC];
	int rc;

	mac(session, key, "bench peer 1 to server", client, server);
	crypto_secretstream_xchacha20poly1305_init_push(&wire->out, header, session);
	rc = put_bytes(wire->fd, header, HEADER, deadline_ns);
	rc = rc ? rc : get_bytes(wire, header, HEADER, deadline_ns);
	mac(session, key, "bench peer 1 to client", client, server);
	if (!rc && crypto_secretstream_xchacha20poly1305_init_pull(&wire->in, header, session))
		rc = -EBADMSG;
	sodium_memzero(session, sizeof(session));
	return rc;
}

/* The hello is complete: 0 when it was answered. */
static int answer_hello(struct wire_greeting *g, const struct wire_key *key, int fd)
{
	unsigned char out[WIRE_HELLO];

	if (!proves(g->in + WIRE_NONCE, key, "bench peer 1 hello", g->in, NULL))
		return -EACCES;
	memcpy(g->client, g->in, WIRE_NONCE);
	randombytes_buf(g->server, WIRE_NONCE);
	memcpy(out, g->server, WIRE_NONCE);
	mac(out + WIRE_NONCE, key, "bench peer 1 server", g->client, g->server);
	g->answered = true;
	g->got = 0;
	/* The first bytes on this connection: there is room, or something is wrong with it. */
	return put_bytes(fd, out, sizeof(out), 0);
}

int wire_greet(struct wire_greeting *g, const struct wire_key *key, int fd, struct wire *ret_wire)
{
	for (;;) {
		size_t want = g->answered ? WIRE_MAC + HEADER : WIRE_HELLO;
		ssize_t n = recv(fd, g->in + g->got, want - g->got, MSG_DONTWAIT);
		unsigned char header[HEADER], session[WIRE_MAC];
		int rc;

		if (!n)
			return -ECONNRESET;
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		g->got += (size_t)n;
		if (g->got < want)
			continue;
		if (!g->answered) {
			rc = answer_hello(g, key, fd);
			if (rc)
				return rc;
			continue;
		}
		if (!proves(g->in, key, "bench peer 1 client", g->client, g->server))
			return -EACCES;
		*ret_wire = (struct wire){ .fd = fd, .max = WIRE_REQUEST_MAX };
		mac(session, key, "bench peer 1 to server", g->client, g->server);
		rc = crypto_secretstream_xchacha20poly1305_init_pull(&ret_wire->in, g->in + WIRE_MAC,
								     session);
		mac(session, key, "bench peer 1 to client", g->client, g->server);
		crypto_secretstream_xchacha20poly1305_init_push(&ret_wire->out, header, session);
		sodium_memzero(session, sizeof(session));
		rc = rc ? -EBADMSG : put_bytes(fd, header, HEADER, 0);
		return rc ? rc : 1;
	}
}

static int connect_wire(struct wire *wire, const struct wire_key *key, uint64_t deadline_ns)
{
	unsigned char hello[WIRE_HELLO], answer[WIRE_HELLO], proof[WIRE_MAC];
	int rc;

	randombytes_buf(hello, WIRE_NONCE);
	mac(hello + WIRE_NONCE, key, "bench peer 1 hello", hello, NULL);
	rc = put_bytes(wire->fd, hello, sizeof(hello), deadline_ns);
	rc = rc ? rc : get_bytes(wire, answer, sizeof(answer), deadline_ns);
	/* It closes without a word when the key is not its own. */
	if (rc)
		return rc == -ECONNRESET ? -EACCES : rc;
	if (!proves(answer + WIRE_NONCE, key, "bench peer 1 server", hello, answer))
		return -EACCES;
	mac(proof, key, "bench peer 1 client", hello, answer);
	rc = put_bytes(wire->fd, proof, sizeof(proof), deadline_ns);
	return rc ? rc : start(wire, key, hello, answer, deadline_ns);
}

int wire_connect(struct wire *ret_wire, int fd, const struct wire_key *key,
		 const struct wire_wait *wait, uint64_t deadline_ns)
{
	int rc;

	*ret_wire = (struct wire){ .fd = fd, .wait = wait, .max = WIRE_ANSWER_MAX };
	rc = connect_wire(ret_wire, key, deadline_ns);
	ret_wire->wait = NULL;
	return rc;
}

int wire_send(struct wire *wire, const json_t *message, uint64_t deadline_ns)
{
	char *text = json_dumps(message, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0;
	unsigned char *out = text ? malloc(4 + len + EXTRA) : NULL;
	unsigned long long size = 0;
	int rc = -ENOMEM;

	if (!out)
		goto done;
	rc = -EMSGSIZE;
	if (len + EXTRA > WIRE_ANSWER_MAX)
		goto done;
	crypto_secretstream_xchacha20poly1305_push(&wire->out, out + 4, &size,
						   (unsigned char *)text, len, NULL, 0, 0);
	for (unsigned i = 0; i < 4; i++)
		out[i] = (unsigned char)(size >> (8 * i));
	rc = put_bytes(wire->fd, out, 4 + (size_t)size, deadline_ns);
done:
	free(out);
	free(text);
	return rc;
}

int wire_receive(struct wire *wire, json_t **ret_message, uint64_t deadline_ns)
{
	unsigned char head[4], *in = NULL, *text = NULL, tag;
	unsigned long long len = 0;
	uint32_t size = 0;
	int rc = get_bytes(wire, head, sizeof(head), deadline_ns);

	if (rc)
		return rc;
	for (unsigned i = 0; i < 4; i++)
		size |= (uint32_t)head[i] << (8 * i);
	if (size < EXTRA || size > wire->max)
		return -EMSGSIZE;
	in = malloc(size);
	text = malloc(size);
	rc = in && text ? get_bytes(wire, in, size, deadline_ns) : -ENOMEM;
	if (!rc && crypto_secretstream_xchacha20poly1305_pull(&wire->in, text, &len, &tag, in, size,
							      NULL, 0))
		rc = -EBADMSG;
	if (!rc) {
		*ret_message = json_loadb((char *)text, (size_t)len, JSON_REJECT_DUPLICATES, NULL);
		rc = json_is_object(*ret_message) ? 0 : -EBADMSG;
		if (rc) {
			json_decref(*ret_message);
			*ret_message = NULL; /* callers drop what they have, also after an error */
		}
	}
	free(in);
	free(text);
	return rc;
}

const char *wire_error(int rc)
{
	switch (rc) {
	case -EACCES:
		return "it does not have this key, or is no bench peer";
	case -ETIMEDOUT:
		return "no answer in time";
	case -ECONNRESET:
		return "it closed the connection";
	case -EBADMSG:
		return "a message that is not authentic";
	case -EMSGSIZE:
		return "a message that is too long";
	}
	return strerror(-rc);
}
