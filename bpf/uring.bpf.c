// SPDX-License-Identifier: BSD-2-Clause
/* io_uring requests that could not be done at once and went to a kernel worker thread: they are
 * blocking calls in disguise. Counted in the context of the thread that submits. */
#include "bench.bpf.h"

#define OPCODES 96 /* 65 in 6.18; the last one stands for all above */

struct io_kiocb {
	__u8 opcode;
} __pai;

const struct probe_desc metrics[] SEC(".rodata.probe") = {
	PROBE_METRIC(PROBE_COUNT, 0, "uring.punts", "count", "io_uring_queue_async_work",
		     "io_uring requests of tracked threads handed to kernel workers",
		     .better = PROBE_BETTER_LOWER, .found_key = "op", .found_max = OPCODES,
		     .found_enum = "io_uring_op", .found_prefix = "IORING_OP_"),
};
const struct probe_program programs[] SEC(".rodata.programs") = { { "on_punt" } };
PROBE_VALUES(OPCODES)

/* io_uring_queue_async_work(req, rw) since 6.0; (ctx, req, user_data, opcode, ...) in 5.19;
 * (ctx, rw, req, ...) before. */
static __always_inline __u32 opcode_of(__u64 *ctx, bool raw)
{
	struct io_kiocb *req;

	if (config.uring_punt_args > 5)
		return (__u8)ctx[3];
	if (config.uring_punt_args > 2) {
		req = (void *)ctx[2];
		return BPF_CORE_READ(req, opcode);
	}
	req = (void *)ctx[0];
	return GET(raw, req, opcode);
}

static __always_inline int on_punt(__u64 *ctx, bool raw)
{
	__u64 *slot = values_event(0);
	__u32 op;

	if (!slot || !tag_of(task_current(raw), raw))
		return 0;
	op = opcode_of(ctx, raw);
	value_add(&slot[op < OPCODES ? op : OPCODES - 1], 1);
	return 0;
}
PROBE_TRACEPOINT(io_uring_queue_async_work, on_punt)

char LICENSE[] SEC("license") = "Dual BSD/GPL";
