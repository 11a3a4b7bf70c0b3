/* SPDX-License-Identifier: BSD-2-Clause */
/* What a job's packets really pass through, said in the result: a number taken over loopback must
 * not be read as one of a network. */
#ifndef MODULES_NET_PATH_H
#define MODULES_NET_PATH_H

#include <stdio.h>
#include <sys/socket.h>

#include "net_link.h"

/* IP_MTU of a connected socket (man 7 ip, ipv6): what the kernel knows of the path. */
static inline unsigned net_path_mtu(const struct net_link *link, int fd)
{
	bool six = link->addr.sa.sa_family == AF_INET6;
	int mtu = 0;
	socklen_t len = sizeof(mtu);

	if (getsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_MTU : IP_MTU, &mtu, &len))
		return 0;
	return mtu > 0 ? (unsigned)mtu : 0;
}

static inline void net_path_name(const struct net_params *p, const struct net_link *link,
				 char *text, size_t size)
{
	char address[BENCH_INET_TEXT];

	bench_inet_print(&link->addr, address);
	if (p->netns)
		snprintf(text, size, "network namespace %s of this host", p->netns);
	else if (p->ends == BENCH_END_CLIENT)
		snprintf(text, size, "network to %s", address);
	else
		/* An address of this host is reached by lo, whichever card it belongs to. */
		snprintf(text, size, "loopback");
}

#endif
