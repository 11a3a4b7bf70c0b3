// SPDX-License-Identifier: BSD-2-Clause
/* What TCP lost on the whole host: segments sent again, dropped and reset. This happens in timers
 * and interrupts, which belong to no thread. */
#include "bench.bpf.h"

#define REASONS 192 /* 128 in 6.18; the last one stands for all above, and for other subsystems */

enum {
	NET_RETRANSMITS,
	NET_RESETS, /* sent, received */
	NET_DROPS = NET_RESETS + 2,
	NET_SLOTS = NET_DROPS + REASONS,
};

#define IPPROTO_TCP 6
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd

enum skb_drop_reason { SKB_CONSUMED = 1, SKB_DROP_REASON_NOT_SPECIFIED = 2 };

struct sk_buff {
	unsigned char *head;
	__be16 protocol;
	__u16 network_header;
	char cb[48];
} __pai;

struct tcp_skb_cb {
	__u16 tcp_gso_segs;
} __pai;

const struct probe_desc metrics[] SEC(".rodata.probe") = {
	PROBE_METRIC(PROBE_COUNT, NET_RETRANSMITS, "net.retransmits", "count", "tcp_retransmit_skb",
		     "TCP segments sent again, on the whole host", .better = PROBE_BETTER_LOWER),
	PROBE_METRIC(PROBE_COUNT, NET_DROPS, "net.drops", "count", "kfree_skb",
		     "TCP packets dropped, by the kernel's reason, on the whole host",
		     .better = PROBE_BETTER_LOWER, .found_key = "reason", .found_max = REASONS,
		     .found_enum = "skb_drop_reason", .found_prefix = "SKB_DROP_REASON_"),
	PROBE_METRIC(PROBE_COUNT, NET_RESETS, "net.resets", "count",
		     "tcp_send_reset tcp_receive_reset", "TCP connections reset, on the whole host",
		     .key = "kind", .label = { "sent", "received" }),
};
const struct probe_program programs[] SEC(".rodata.programs") = {
	{ "on_retransmit" }, { "on_synack" },	 { "on_drop" },
	{ "on_reset_sent" }, { "on_reset_got" },
};
enum { RUN_RETRANSMIT, RUN_SYNACK, RUN_DROP, RUN_RESET_SENT, RUN_RESET_GOT };
PROBE_VALUES(NET_SLOTS)

/* tcp_retransmit_skb(sk, skb, ...): a packet may hold several segments. */
static __always_inline int on_retransmit(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[1];
	__u64 *slot = values_event(RUN_RETRANSMIT);
	struct tcp_skb_cb *cb;
	__u32 segments;

	if (!slot)
		return 0;
	cb = (void *)__builtin_preserve_access_index(&skb->cb);
	segments = BPF_CORE_READ(cb, tcp_gso_segs);
	value_add(&slot[NET_RETRANSMITS], segments ?: 1);
	return 0;
}
PROBE_TRACEPOINT_PLAIN(tcp_retransmit_skb, on_retransmit)

/* The answer to a connection request, which is no packet of a connection yet. */
static __always_inline int on_synack(__u64 *ctx)
{
	__u64 *slot = values_event(RUN_SYNACK);

	if (slot)
		value_add(&slot[NET_RETRANSMITS], 1);
	return 0;
}
PROBE_TRACEPOINT_PLAIN(tcp_retransmit_synack, on_synack)

/* Extension headers of IPv6 are not walked: TCP behind one is not seen. */
static __always_inline bool is_tcp(struct sk_buff *skb)
{
	__u8 *ip = BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, network_header), protocol = 0;

	switch (__builtin_bswap16(BPF_CORE_READ(skb, protocol))) {
	case ETH_P_IP:
		bpf_probe_read_kernel(&protocol, 1, ip + 9);
		break;
	case ETH_P_IPV6:
		bpf_probe_read_kernel(&protocol, 1, ip + 6);
		break;
	}
	return protocol == IPPROTO_TCP;
}

/* kfree_skb(skb, location, reason, ...), reason since 5.17. Without a reason it need not be a drop
 * at all. */
static __always_inline int on_drop(__u64 *ctx)
{
	__u32 reason = (__u32)ctx[2];
	__u64 *slot;

	if (window_bank() == PROBE_NO_WINDOW ||
	    reason <= bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NOT_SPECIFIED))
		return 0;
	slot = values_event(RUN_DROP);
	if (!slot || !is_tcp((void *)ctx[0]))
		return 0;
	if (reason >= REASONS)
		reason = REASONS - 1;
	asm volatile(""
		     : "+r"(reason)); /* the verifier is to see that this very value is bounded */
	value_add(&slot[NET_DROPS + reason], 1);
	return 0;
}
PROBE_TRACEPOINT_PLAIN(kfree_skb, on_drop)

static __always_inline int on_reset_sent(__u64 *ctx)
{
	__u64 *slot = values_event(RUN_RESET_SENT);

	if (slot)
		value_add(&slot[NET_RESETS], 1);
	return 0;
}
PROBE_TRACEPOINT_PLAIN(tcp_send_reset, on_reset_sent)

static __always_inline int on_reset_got(__u64 *ctx)
{
	__u64 *slot = values_event(RUN_RESET_GOT);

	if (slot)
		value_add(&slot[NET_RESETS + 1], 1);
	return 0;
}
PROBE_TRACEPOINT_PLAIN(tcp_receive_reset, on_reset_got)

char LICENSE[] SEC("license") = "Dual BSD/GPL";
