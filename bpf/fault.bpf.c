// SPDX-License-Identifier: BSD-2-Clause
/* Page faults of the tracked threads, from the kernel's own count in each task, so that a fault
 * costs nothing more than without probes: read when the window is set, when it ends, and when a
 * thread exits. It is the count that getrusage(2) tells. */
#include "bench.bpf.h"

enum { FAULT_MINOR, FAULT_MAJOR, FAULT_SLOTS };

struct task_struct___faults {
	unsigned long min_flt, maj_flt;
} __pai;

const struct probe_desc metrics[] SEC(".rodata.probe") = {
	PROBE_METRIC(PROBE_COUNT, FAULT_MINOR, "fault.count", "count", "sched_process_exit",
		     "page faults of tracked threads; major ones had to read from a device",
		     .better = PROBE_BETTER_LOWER, .key = "kind", .label = { "minor", "major" }),
};
const struct probe_program programs[] SEC(".rodata.programs") = { { "on_exit" } };
PROBE_VALUES(FAULT_SLOTS)

/* What a thread had when the window was set; element as in map "threads". */
struct fault_base {
	__u64 serial; /* of that window; another = there is none */
	__u64 told;   /* window in which the thread's faults are counted already */
	__u64 born_ns;
	__u64 minor, major;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PROBE_THREADS);
	__type(key, __u32);
	__type(value, struct fault_base);
} fault_bases SEC(".maps");

/* What the iterator is to do: set by userspace. */
struct fault_request {
	__u32 end; /* else: begin */
	__u32 pad;
} fault_request SEC(".data.fault") = {};

static __always_inline void count(struct task_struct *task, bool raw, bool end, __u32 bank)
{
	struct task_struct___faults *faults = (void *)task;
	struct probe_values_element *v = values_here(bank);
	struct probe_tag *tag = tag_of(task, raw);
	const volatile struct probe_span *w = window_span(bank);
	struct probe_thread *t;
	struct fault_base *b;
	__u32 slot;

	if (!tag || !v)
		return;
	slot = tag->slot;
	t = bpf_map_lookup_elem(&threads, &slot);
	b = bpf_map_lookup_elem(&fault_bases, &slot);
	if (!t || !b)
		return;
	/* The slot and even the task's address may be those of a thread that is gone. */
	if (b->serial != w->serial || b->born_ns != t->born_ns) {
		/* Older than the window and new here: what it had before is not known. */
		if (end && t->born_ns < w->start_ns)
			return;
		b->serial = w->serial;
		b->told = 0;
		b->born_ns = t->born_ns;
		b->minor = end ? 0 : GET(raw, faults, min_flt);
		b->major = end ? 0 : GET(raw, faults, maj_flt);
	}
	if (!end || b->told == w->serial)
		return;
	b->told = w->serial;
	value_add(&v->slot[FAULT_MINOR], GET(raw, faults, min_flt) - b->minor);
	value_add(&v->slot[FAULT_MAJOR], GET(raw, faults, maj_flt) - b->major);
}

SEC("iter/task")
int visit_faults(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	__u32 bank = window_bank();

	if (task && bank != PROBE_NO_WINDOW)
		count(task, false, fault_request.end, bank);
	return 0;
}

/* sched_process_exit(task): once for each thread. */
static __always_inline int on_exit(__u64 *ctx, bool raw)
{
	struct task_struct *task = (void *)ctx[0];

	if (values_event(0))
		count(task, raw, true, window_bank());
	return 0;
}
PROBE_TRACEPOINT(sched_process_exit, on_exit)

char LICENSE[] SEC("license") = "Dual BSD/GPL";
