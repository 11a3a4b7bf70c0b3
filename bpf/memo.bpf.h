/* SPDX-License-Identifier: BSD-2-Clause */
/* Which threads the tasks are that a CPU met last. Looking a tag up in task storage costs more than
 * most of what follows, and switches go to and fro between a few tasks; that most of them are not
 * followed is remembered, too. Part of sched.bpf.c, whose programs run with interrupts off. */
#ifndef MEMO_BPF_H
#define MEMO_BPF_H

#include "bench.bpf.h"

/* windows.epoch changes when a tag is made, given back or void. It is read before the tag is looked
 * up, so that one that is made meanwhile voids what is remembered. */
static __always_inline struct probe_thread *memo_thread(struct probe_values_element *v,
							struct task_struct *task, bool raw)
{
	__u32 at = (__u32)GET(raw, task, pid) & (PROBE_MEMOS - 1);
	struct probe_memo *memo = (struct probe_memo *)&v->slot[SCHED_MEMO] + at;
	__u32 epoch = READ_ONCE(windows.epoch), slot;
	struct probe_tag *tag;

	if (likely(memo->task == (__u64)task && memo->epoch == epoch)) {
		slot = memo->slot;
	} else {
		barrier();
		tag = tag_of(task, raw);
		/* Before 6.2 task storage may refuse for a moment: that is not to be remembered. */
		if (!tag && !config.storage_sure)
			return NULL;
		slot = tag ? tag->slot : PROBE_THREADS;
		memo->task = (__u64)task;
		memo->epoch = epoch;
		memo->slot = slot;
	}
	return slot < PROBE_THREADS ? bpf_map_lookup_elem(&threads, &slot) : NULL;
}

#endif
