/* SPDX-License-Identifier: BSD-2-Clause */
/* What a job's packets really pass through, said in the result: a number taken over loopback must
 * not be read as one of a network. */
#ifndef MODULES_NET_PATH_H
#define MODULES_NET_PATH_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "net_link.h"

/* IP_MTU of a connected socket (man 7 ip): what the kernel knows of the path. */
static inline unsigned net_path_mtu(int fd)
{
	int mtu = 0;
	socklen_t len = sizeof(mtu);

	return getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu, &len) == 0 && mtu > 0 ? (unsigned)mtu : 0;
}

static inline void net_path_name(const struct net_params *p, const struct net_link *link,
				 char *text, size_t size)
{
	if (p->netns)
		snprintf(text, size, "network namespace %s of this host", p->netns);
	else if (p->ends == BENCH_END_CLIENT)
		snprintf(text, size, "network to %s", inet_ntoa(link->addr.sin_addr));
	else
		/* An address of this host is reached by lo, whichever card it belongs to. */
		snprintf(text, size, "loopback");
}

#endif
