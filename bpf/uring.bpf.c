// SPDX-License-Identifier: BSD-2-Clause
/* io_uring requests that could not be done at once and went to a kernel worker thread: they are
 * blocking calls in disguise. */
#include "bench.bpf.h"

const struct probe_desc metrics[] SEC(".rodata.probe") = {
	PROBE_METRIC(PROBE_COUNT, 0, "uring.punts", "count", "io_uring_queue_async_work",
		     "io_uring requests of tracked threads handed to kernel workers",
		     .better = PROBE_BETTER_LOWER),
};
const struct probe_program programs[] SEC(".rodata.programs") = { { "on_punt" } };
PROBE_VALUES(1)

static __always_inline int on_punt(__u64 *ctx, bool raw)
{
	__u64 *slot = values_event(0);

	if (slot && tag_of(task_current(raw), raw))
		value_add(&slot[0], 1);
	return 0;
}
PROBE_TRACEPOINT(io_uring_queue_async_work, on_punt)

char LICENSE[] SEC("license") = "Dual BSD/GPL";
