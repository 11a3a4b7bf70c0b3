// SPDX-License-Identifier: BSD-2-Clause
#include "core/inet.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

int bench_inet_parse(union bench_inet *ret_addr, const char *text)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;

	/* Unlike inet_pton(3) it knows of interfaces. It would take 10.1 for 10.0.0.1, too. */
	if (!strchr(text, ':') && inet_pton(AF_INET, text, &(struct in_addr){ 0 }) != 1)
		return -EINVAL;
	if (getaddrinfo(text, NULL, &hints, &found))
		return -EINVAL;
	memset(ret_addr, 0, sizeof(*ret_addr));
	memcpy(ret_addr, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return 0;
}

void bench_inet_print(const union bench_inet *addr, char *text)
{
	if (getnameinfo(&addr->sa, bench_inet_len(addr), text, BENCH_INET_TEXT, NULL, 0, NI_NUMERICHOST))
		snprintf(text, BENCH_INET_TEXT, "?");
}

void inet_unmap(union bench_inet *addr)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = addr->in6.sin6_port };

	if (addr->sa.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&addr->in6.sin6_addr))
		return;
	memcpy(&in4.sin_addr, &addr->in6.sin6_addr.s6_addr[12], sizeof(in4.sin_addr));
	addr->in4 = in4;
}

int inet_endpoint(const char *text, char *host, size_t size, const char **ret_port)
{
	const char *colon = strrchr(text, ':'), *begin = text, *end = colon;

	if (!colon || !colon[1])
		return -EINVAL;
	if (*text == '[') {
		begin++;
		end--;
		if (end <= begin || *end != ']')
			return -EINVAL;
	} else if (strchr(text, ':') != colon) {
		return -EINVAL; /* which of them is the port's? */
	}
	if (end == begin || (size_t)(end - begin) >= size)
		return -EINVAL;
	snprintf(host, size, "%.*s", (int)(end - begin), begin);
	*ret_port = colon + 1;
	return 0;
}

bool inet_same_host(const union bench_inet *a, const union bench_inet *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET6)
		return !memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, 8);
	return a->in4.sin_addr.s_addr == b->in4.sin_addr.s_addr;
}
