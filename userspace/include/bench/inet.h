/* SPDX-License-Identifier: BSD-2-Clause */
/* IPv4 and IPv6 addresses alike. */
#ifndef BENCH_INET_H
#define BENCH_INET_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* An address and a port, as the calls of sockets take and give it. Zeroed = none. */
union bench_inet {
	struct sockaddr sa; /* sa_family tells which: AF_INET or AF_INET6 */
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
};

/* Room for the text of any address: one of a link names its interface, fe80::1%eth0. */
#define BENCH_INET_TEXT (INET6_ADDRSTRLEN + 1 + IF_NAMESIZE)

/* Read a numeric address (10.0.0.2, fd00::2, fe80::2%eth0); the port is 0 then. 0, or -EINVAL: it is
 * none, or names no interface of this host. */
int bench_inet_parse(union bench_inet *ret_addr, const char *text);
/* The address as bench_inet_parse() reads it; text has BENCH_INET_TEXT bytes. */
void bench_inet_print(const union bench_inet *addr, char *text);
/* Bytes of it, for bind(2) and connect(2). */
static inline socklen_t bench_inet_len(const union bench_inet *addr)
{
	return addr->sa.sa_family == AF_INET6 ? sizeof(addr->in6) : sizeof(addr->in4);
}

/* In host order. */
static inline uint16_t bench_inet_port(const union bench_inet *addr)
{
	return ntohs(addr->sa.sa_family == AF_INET6 ? addr->in6.sin6_port : addr->in4.sin_port);
}

static inline void bench_inet_set_port(union bench_inet *addr, uint16_t port)
{
	if (addr->sa.sa_family == AF_INET6)
		addr->in6.sin6_port = htons(port);
	else
		addr->in4.sin_port = htons(port);
}

#endif
