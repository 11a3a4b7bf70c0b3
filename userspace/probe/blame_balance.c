// SPDX-License-Identifier: BSD-2-Clause
/* Work conservation: the share of the window when a task waited while a CPU had nothing to do. */
#include "probe/blame.h"

#include <bpf/bpf.h>
#include <errno.h>

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
	const struct probe_busy_cpu *busy =
		&set->blames->busy[window_bank(set) * set->nr_cpus];
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
