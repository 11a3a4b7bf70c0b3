/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CORE_INET_H
#define CORE_INET_H

#include <arpa/inet.h>
#include <stddef.h>
#include "bench/inet.h"

/* Take apart HOST:PORT; an IPv6 address is in brackets, [fd00::2]:5210. host has size bytes, *ret_port is
 * borrowed from text; neither is looked at. 0, or -EINVAL: it is not of that form, or too long. */
int inet_endpoint(const char *text, char *host, size_t size, const char **ret_port);
/* An IPv4 address that an IPv6 socket shows as ::ffff:10.0.0.2, as what it is. */
void inet_unmap(union bench_inet *addr);

/* Are they of one host, as far as an address tells? IPv6: of one network of 64 bits, of which one host may
 * use as many addresses as it likes. Ports are not looked at. */
bool inet_same_host(const union bench_inet *a, const union bench_inet *b);

#endif
