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

const struct probe_desc metrics[] SEC(".rodata.probe") = {
	PROBE_METRIC(PROBE_COUNT, NET_RETRANSMITS, "net.retransmits", "count", "tcp_retransmit_skb",
		     "TCP segments sent again, on the whole host", .better = PROBE_BETTER_LOWER),
	PROBE_METRIC(PROBE_COUNT, NET_DROPS, "net.drops", "count", "kfree_skb",
		     "TCP packets dropped, by the kernel's reason, on the whole host",
		     .better = PROBE_BETTER_LOWER, .found_key = "reason", .found_max = REASONS,
		     .found_enum = "skb_drop_reason", .found_prefix = "SKB_DROP_REASON_",
		     .min_args = 3),
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

/* A field of a kernel object, by the offset that userspace found out. */
#define FIELD(to, object, offset)                                                                  \
	bpf_probe_read_kernel(to, sizeof(*(to)), (const char *)(object) + (offset))

/* tcp_retransmit_skb(sk, skb, ...): a packet may hold several segments. */
static __always_inline int on_retransmit(__u64 *ctx)
{
	__u64 *slot = values_event(RUN_RETRANSMIT);
	__u16 segments = 0;

	if (!slot)
		return 0;
	FIELD(&segments, ctx[1], config.net.skb_segments);
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
static __always_inline bool is_tcp(const void *skb)
{
	__u16 header = 0, ethernet = 0;
	const char *head = NULL;
	__u8 protocol = 0;

	FIELD(&head, skb, config.net.skb_head);
	FIELD(&header, skb, config.net.skb_network_header);
	FIELD(&ethernet, skb, config.net.skb_protocol);
	switch (__builtin_bswap16(ethernet)) {
	case ETH_P_IP:
		FIELD(&protocol, head, header + 9);
		break;
	case ETH_P_IPV6:
		FIELD(&protocol, head, header + 6);
		break;
	}
	return protocol == IPPROTO_TCP;
}

/* kfree_skb(skb, location, reason, ...), reason since 5.17. Without a reason it need not be a drop
 * at all. */
static __always_inline int on_drop(__u64 *ctx)
{
	__u64 reason = (__u32)ctx[2]; /* as wide as an index, so that its bound is not lost */
	__u64 *slot;

	if (window_bank() == PROBE_NO_WINDOW || reason <= config.net.no_reason)
		return 0;
	slot = values_event(RUN_DROP);
	if (!slot || !is_tcp((void *)ctx[0]))
		return 0;
	if (reason >= REASONS)
		reason = REASONS - 1;
	asm volatile("" : "+r"(reason)); /* nor by the compiler, which would bound a copy of it */
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
