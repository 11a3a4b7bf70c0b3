// SPDX-License-Identifier: BSD-2-Clause
/* Work conservation: the share of the window when a task waited while a CPU had nothing to do. */
#include "probe/blame.h"

#include <bpf/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* BPF_STX | BPF_DW | BPF_ATOMIC, and the operations of balance.bpf.h; in older headers the class is
 * BPF_XADD and the operation 0. */
#define STX_ATOMIC_DW 0xdb
#define ATOMIC_FETCH_ADD 0x01
#define ATOMIC_XCHG 0xe1

bool balance_possible(void)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = 10, .off = -8 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 1 },
		{ .code = STX_ATOMIC_DW,
		  .dst_reg = 10,
		  .src_reg = 1,
		  .off = -8,
		  .imm = ATOMIC_FETCH_ADD },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, NULL, "GPL", insns,
			       sizeof(insns) / sizeof(*insns), NULL);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

void balance_strip(struct bpf_object *bpf)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, bpf)
	{
		size_t nr = bpf_program__insn_cnt(prog);
		struct bpf_insn *insns = calloc(nr, sizeof(*insns));

		if (!insns)
			return;
		memcpy(insns, bpf_program__insns(prog), nr * sizeof(*insns));
		for (size_t i = 0; i < nr; i++) {
			if (insns[i].code == (BPF_LD | BPF_IMM | BPF_DW))
				i++; /* the second half is a number */
			else if (insns[i].code == STX_ATOMIC_DW &&
				 (insns[i].imm == ATOMIC_FETCH_ADD || insns[i].imm == ATOMIC_XCHG))
				insns[i].imm = 0;
		}
		/* Copied; the relocations stay. When it fails, the load says so. */
		(void)bpf_program__set_insns(prog, insns, nr);
		free(insns);
	}
}

/* Ask each allowed CPU's run queue what it does now. It may change while it is asked, and then is
 * corrected by its next event; the second round is for one that has no further event. */
void balance_seed(struct probe_set *set)
{
	int fd = object_prog_fd(set->sched, "balance_peek");

	for (unsigned i = 0; fd >= 0 && i < 2 * set->nr_cpus; i++) {
		__u64 args[1] = { i % set->nr_cpus };
		LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = sizeof(args));

		if (args[0] < CPU_SETSIZE && CPU_ISSET(args[0], &set->allowed) &&
		    bpf_prog_test_run_opts(fd, &opts))
			return;
	}
}

void balance_put(struct probe_set *set, const struct probe_metric *metric,
		 struct bench_metric_set *metrics)
{
	const struct probe_balance *b = &set->blames->balance[window_bank(set)];
	const struct probe_busy_cpu *busy = &set->blames->busy[window_bank(set) * set->nr_cpus];
	uint64_t window = set->end_ns - set->start_ns, lost = b->lost_ns;
	struct bench_metric_id id = {
		.name = metric->desc.name,
		.unit = metric->desc.unit,
		.source = BENCH_SOURCE_PROBE,
		.better = BENCH_BETTER_LOWER,
	};
	unsigned nr = 0;

	for (unsigned cpu = 0; cpu < set->nr_cpus; cpu++)
		nr += busy[cpu].busy != PROBE_BUSY_UNKNOWN;
	if (!nr || !window) {
		bench_metric_put_status(metrics, &id, BENCH_NOT_COUNTED, 0,
					"the state of no CPU is known");
		return;
	}
	if (PROBE_BALANCE_LOSS(b->counts))
		lost += window;
	/* Events of other CPUs may be stamped a little out of order. */
	if ((int64_t)lost < 0)
		lost = 0;
	if (lost > window)
		lost = window;
	if (set->mode.depth_exact)
		bench_metric_put(metrics, &id, (double)lost / (double)window);
	else
		bench_metric_put_status(metrics, &id, BENCH_OK, (double)lost / (double)window,
					"derived from scheduler events");
}
