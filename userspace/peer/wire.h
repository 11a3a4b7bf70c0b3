/* SPDX-License-Identifier: BSD-2-Clause */
/* What goes over the control connection between `bench` and `bench peer`: a handshake in which each
 * proves to the other that it has the key, then messages, encrypted and authenticated.
 *
 * Handshake, K the key, MAC HMAC-SHA-256, ',' concatenation:
 *   client   C (32 random bytes), MAC(K, "bench peer 1 hello", C)
 *   server   S (32 random bytes), MAC(K, "bench peer 1 server", C, S)
 *   client                        MAC(K, "bench peer 1 client", C, S)
 * The server answers nothing before it has seen that the client has the key, so a stranger cannot
 * even learn what listens. A recorded first message gets an answer but leads nowhere: S is fresh.
 * Each direction then has a key of its own, MAC(K, "bench peer 1 to server" or "to client", C, S),
 * for a stream of libsodium's (crypto_secretstream_xchacha20poly1305): messages that are changed,
 * repeated, left out or put in another order do not decrypt. Who learns the key later can read what
 * was recorded before.
 *
 * A message is its length (32 bits, little endian, of what follows) and the encrypted JSON text. */
#ifndef PEER_WIRE_H
#define PEER_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include <sodium.h>
#include "bench/error.h"

#define WIRE_KEY 32
#define WIRE_NONCE 32
#define WIRE_MAC crypto_auth_hmacsha256_BYTES
#define WIRE_HELLO (WIRE_NONCE + WIRE_MAC)
/* A request; what a server takes at most. */
#define WIRE_REQUEST_MAX (64u << 10)
/* An answer, which may be a whole job's result. */
#define WIRE_ANSWER_MAX (32u << 20)

struct wire_key {
	unsigned char bytes[WIRE_KEY];
};

/* The key in a file: all of its bytes but line ends at the end, at least 16 of them. -EINVAL: too
 * short, or others than its owner may read or write it. */
int wire_key_read(struct wire_key *ret_key, const char *path, struct bench_err *err);

/* Server's side of a handshake under way. */
struct wire_greeting {
	unsigned char in[WIRE_HELLO], client[WIRE_NONCE], server[WIRE_NONCE];
	size_t got;
	bool answered; /* the hello was good; the proof is to come */
};

/* How to wait until fd is ready for events (POLLIN, ...): 0; -ETIMEDOUT; or another errno, which
 * ends what waited. */
struct wire_wait {
	int (*ready)(void *arg, int fd, short events, uint64_t deadline_ns);
	void *arg;
};

struct wire {
	int fd; /* a connected socket; who closes it is the caller's */
	const struct wire_wait *wait; /* for what is read; NULL = poll(2) */
	crypto_secretstream_xchacha20poly1305_state out, in;
	uint32_t max; /* bytes of a message that is taken */
};

/* Read what is there on a socket that does not block. 1: the client is who it says, and wire is
 * ready; 0: more is to come; -EACCES: it is not; another errno: it is gone. */
int wire_greet(struct wire_greeting *g, const struct wire_key *key, int fd, struct wire *ret_wire);
/* Client's side, all of it. wait: as in struct wire, during this call. -EACCES: the other side has
 * another key, or none; -ETIMEDOUT. */
int wire_connect(struct wire *ret_wire, int fd, const struct wire_key *key,
		 const struct wire_wait *wait, uint64_t deadline_ns);

/* Times are CLOCK_MONOTONIC ns. Both return 0; -ETIMEDOUT; -ECONNRESET: it was closed; -EBADMSG: not
 * from who has the key, or not in order; -EMSGSIZE; or another errno. */
int wire_send(struct wire *wire, const json_t *message, uint64_t deadline_ns);
int wire_receive(struct wire *wire, json_t **ret_message, uint64_t deadline_ns);

/* What they return, in words. */
const char *wire_error(int rc);

#endif
