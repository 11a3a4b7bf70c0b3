/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts, blame and work conservation: irq.c, blame.c and blame_balance.c. */
#ifndef PROBE_BLAME_H
#define PROBE_BLAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "blame_abi.h"
#include "probe/set.h"

#define IRQ_NAME_SIZE 48

/* Mapped values; NULL = not loaded. All but irq_name with one element per bank and CPU. */
struct probe_blames {
	struct probe_blame *blame;
	struct probe_irq *irq;
	struct probe_busy_cpu *busy;
	struct probe_balance *balance; /* per bank only */
	struct probe_irq_ring *irq_rings; /* nr_cpus */
	size_t irq_rings_bytes;
	size_t blame_bytes, irq_bytes, busy_bytes, balance_bytes;
	char irq_name[PROBE_SOURCES][IRQ_NAME_SIZE]; /* "" = not looked up yet */
	/* Windows whose charges do not add up to the wait that they are about, and the first one.
	 */
	unsigned nr_breaches;
	uint64_t blamed_ns, waited_ns;
};

/* Before an object is loaded: which of its metrics this kernel cannot give. */
void blame_check(const struct probe_set *set, struct probe_object *object);
/* Once all objects are loaded. What is missing is a status of its metrics. */
void blame_open(struct probe_set *set);
void blame_close(struct probe_set *set);
void blame_clear(const struct probe_set *set, unsigned bank);
/* The window was set: see what each CPU does now. */
void blame_window(struct probe_set *set);
/* The metrics of kinds PROBE_IRQ, PROBE_BLAME and PROBE_BALANCE. False = of another kind. */
bool blame_metric(struct probe_set *set, const struct probe_metric *metric, const int *cpus,
		  unsigned nr, struct bench_metric_set *metrics);
/* What is charged on a CPU in the current window, NULL = nothing; what to a task there, NULL = not
 * known. Loads only. */
const struct probe_blame *blame_here(const struct probe_set *set, unsigned cpu);
const struct probe_thief *blame_thief(const struct probe_set *set, unsigned cpu, uint32_t pid);
/* Did the charged time differ from the wait in a window so far? Fills text then. */
bool blame_breach(const struct probe_set *set, char *text, size_t size);

/* blame_cgroup.c: its path below the root of cgroup v2. False: the root, gone, or not to be known.
 */
bool cgroup_path(uint64_t id, char *ret_path, size_t size);

/* irq.c: is this PREEMPT_RT, where softirqs run in threads and can be preempted? */
bool irq_threaded(void);
/* Attach what the loader cannot, which depends on the architecture. */
void irq_open(struct probe_set *set, struct probe_object *object);
void irq_put(struct probe_set *set, const struct probe_metric *metric, const int *cpus, unsigned nr,
	     struct bench_metric_set *metrics);
/* "virtio0-req.0", "local_timer", "NET_RX". */
const char *irq_name(struct probe_blames *blames, unsigned source);

/* blame_balance.c: does the kernel have atomic operations that return the old value (5.12)? */
bool balance_possible(void);
/* It has not: make them plain ones. They are in a branch that is then never taken, but kernels
 * without them reject a program that contains one. */
void balance_strip(struct bpf_object *bpf);
void balance_seed(struct probe_set *set);
void balance_put(struct probe_set *set, const struct probe_metric *metric,
		 struct bench_metric_set *metrics);

#endif
