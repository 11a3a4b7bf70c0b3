// SPDX-License-Identifier: BSD-2-Clause
/* TCP segments sent again, on the whole host: they are sent from timers and interrupts, which
 * belong to no thread. */
#include "bench.bpf.h"

const struct probe_desc metrics[] SEC(".rodata.probe") = {
	PROBE_METRIC(PROBE_COUNT, 0, "net.retransmits", "count", "tcp_retransmit_skb",
		     "TCP segments sent again, on the whole host", .better = PROBE_BETTER_LOWER),
};
const struct probe_program programs[] SEC(".rodata.programs") = { { "on_retransmit" } };
PROBE_VALUES(1)

static __always_inline int on_retransmit(__u64 *ctx)
{
	__u64 *slot = values_event(0);

	if (slot)
		value_add(&slot[0], 1);
	return 0;
}
PROBE_TRACEPOINT_PLAIN(tcp_retransmit_skb, on_retransmit)

char LICENSE[] SEC("license") = "Dual BSD/GPL";
