// SPDX-License-Identifier: BSD-2-Clause
/* How programs are loaded here: found out by trying, or forced, to test it (BENCH_PROBE_FALLBACK). */
#include "probe/blame.h"
#include "probe/set.h"

#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>

bool mode_may_load(void)
{
	char line[256];
	unsigned long long caps = 0;
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	if (f)
		fclose(f);
	/* capability.h: CAP_SYS_ADMIN 21, CAP_PERFMON 38, CAP_BPF 39 */
	return caps >> 21 & 1 || (caps >> 38 & 1 && caps >> 39 & 1);
}

bool mode_forced(const char *what)
{
	const char *env = getenv("BENCH_PROBE_FALLBACK"), *p = env;
	size_t len = strlen(what);

	for (; p && (p = strstr(p, what)); p += len)
		if ((p == env || p[-1] == ',') && (!p[len] || p[len] == ','))
			return true;
	return false;
}

/* The depth can be read from the run queue when its changes are announced, when a task leads to
 * its queue, and when sleepers that are still counted (sched_delayed, 6.12) can be told apart. */
static bool depth_readable(const struct kernel *kernel)
{
	if (!kernel_has_tracepoint(kernel, "sched_update_nr_running_tp") ||
	    !kernel_has_field(kernel, "cfs_rq", "rq") || !kernel_has_field(kernel, "rq", "curr"))
		return false;
	return !kernel_has_field(kernel, "sched_entity", "sched_delayed") ||
	       kernel_has_field(kernel, "cfs_rq", "h_nr_runnable") ||
	       kernel_has_field(kernel, "cfs_rq", "h_nr_delayed");
}

/* sk_buff has had these fields ever since; and without a reason there is no tracepoint to attach.
 */
static void mode_find_net(struct probe_set *set)
{
	const struct kernel *kernel = set->kernel;

	set->mode.net = (struct probe_net_config){
		.skb_head = (__u32)kernel_field_offset(kernel, "sk_buff", "head"),
		.skb_network_header = (__u32)kernel_field_offset(kernel, "sk_buff", "network_header"),
		.skb_protocol = (__u32)kernel_field_offset(kernel, "sk_buff", "protocol"),
		.skb_segments = (__u32)(kernel_field_offset(kernel, "sk_buff", "cb") +
					kernel_field_offset(kernel, "tcp_skb_cb", "tcp_gso_segs")),
		.no_reason = (__u32)kernel_enum_value(kernel, "skb_drop_reason",
						      "SKB_DROP_REASON_NOT_SPECIFIED"),
	};
}

#define HELPER_CGRP_STORAGE_GET 210 /* linux/bpf.h since 6.2 */

void mode_find(struct probe_set *set)
{
	bool storage = libbpf_probe_bpf_map_type(BPF_MAP_TYPE_TASK_STORAGE, NULL) == 1;

	/* The typed form needs to know who is current, which came with task storage in 5.11. */
	set->mode.raw = mode_forced("raw") ||
			(!storage && mode_may_load() &&
			 libbpf_probe_bpf_helper(BPF_PROG_TYPE_RAW_TRACEPOINT,
						 BPF_FUNC_get_current_task_btf, NULL) != 1);
	set->mode.storage = storage && !set->mode.raw && !mode_forced("storage");
	/* Look-ups do without the lock since 6.2, which came with this helper. */
	set->mode.storage_sure =
		!set->mode.storage ||
		libbpf_probe_bpf_helper(BPF_PROG_TYPE_RAW_TRACEPOINT, HELPER_CGRP_STORAGE_GET, NULL) == 1;
	set->mode.depth_forced = mode_forced("depth");
	set->mode.depth_exact = !set->mode.depth_forced && depth_readable(set->kernel);
	set->mode.prev_state = kernel_tracepoint_args(set->kernel, "sched_switch") >= 4;
	set->mode.regs =
		!mode_forced("regs") && libbpf_probe_bpf_helper(BPF_PROG_TYPE_RAW_TRACEPOINT,
							   BPF_FUNC_task_pt_regs, NULL) == 1;
	for (unsigned i = 0; set->sched && i < set->sched->nr_metrics; i++)
		set->mode.causes |= set->sched->metrics[i].wanted &&
				    set->sched->metrics[i].desc.kind == PROBE_WALL;
	set->mode.realtime = irq_threaded();
	/* Without privileges nothing can be tried, and the reason will be that. */
	set->mode.atomics = !mode_forced("atomics") && (!mode_may_load() || balance_possible());
	set->nr_rings = 4 * set->nr_cpus < LEDGER_MAX_RINGS ? 4 * set->nr_cpus : LEDGER_MAX_RINGS;
	set->mode.block_rq_arg = kernel_tracepoint_args(set->kernel, "block_rq_issue") > 1;
	set->mode.cqe_arg = kernel_tracepoint_args(set->kernel, "io_uring_complete") == 3;
	set->mode.uring_punt_args = kernel_tracepoint_args(set->kernel, "io_uring_queue_async_work");
	if (!set->mode.raw && !mode_forced("casts") && typed_possible(set->kernel)) {
		set->mode.typed_kiocb = kernel_type(set->kernel, "kiocb", BTF_KIND_STRUCT, 0);
		set->mode.typed_socket = kernel_type(set->kernel, "socket", BTF_KIND_STRUCT, 0);
		set->mode.typed_regs = kernel_type(set->kernel, "pt_regs", BTF_KIND_STRUCT, 0);
		set->mode.typed_task = kernel_type(set->kernel, "task_struct", BTF_KIND_STRUCT, 0);
	}
	mode_find_net(set);
}
