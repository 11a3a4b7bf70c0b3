// SPDX-License-Identifier: BSD-2-Clause
/* When a request and its answer were sent, from what the kernel keeps in TCP sockets anyway.
 * Nothing is hooked, so an operation costs nothing unless somebody asks. */
#include "probe/ledger.h"

#include <errno.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "bench/clock.h"
#include "probe/set.h"

int probe_answer(const struct probe_set *set, int fd, int peer_fd, uint64_t since_ns,
		 struct probe_answer *ret_answer)
{
	const struct probe_thread *t = set && set->windows ? ledger_thread(set, gettid()) : NULL;
	__u64 args[2] = { (__u64)fd, (__u64)peer_fd };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = sizeof(args));
	uint64_t sent, answered;

	if (!t || set->socket_prog < 0 || bpf_prog_test_run_opts(set->socket_prog, &opts))
		return -EOPNOTSUPP;
	sent = t->socket_sent_ns[0];
	answered = t->socket_sent_ns[1];
	if (!sent || !answered)
		return -EOPNOTSUPP;
	/* Paced packets are stamped with the time when they may go. */
	if (answered <= since_ns || answered > bench_now_ns())
		return -ENOENT;
	ret_answer->answered_ns = answered;
	/* An acknowledgement of the answer is a packet, too: then the request was not the last. */
	ret_answer->sent_ns = sent > since_ns && sent < answered ? sent : 0;
	return 0;
}
