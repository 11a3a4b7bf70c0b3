// SPDX-License-Identifier: BSD-2-Clause
/* Time in interrupts, by what interrupted: interrupt lines, the vectors that have no line (x86: the
 * timer tick, inter-processor interrupts), and softirqs. Each has its own time only: what
 * interrupts it is taken out. Also adds to the CPU's clock of interrupt time (cpu_clock), and
 * charges what tracked threads wait meanwhile (blame.bpf.h).
 *
 * Programs at hard interrupts run with interrupts off. Those at softirqs do not: they read the hard
 * interrupts' sums around the clock, and again when one came in between. */
#include "bench.bpf.h"
#include "blame.bpf.h"

#define LINES "irq_handler_entry irq_handler_exit"
#define SOFTS "softirq_entry softirq_exit"

const struct probe_desc metrics[] SEC(".rodata.probe") = {
	PROBE_METRIC(PROBE_IRQ, PROBE_IRQ_TIME, "irq.time", "ns", LINES,
		     "time in hard interrupts on the job's CPUs, timer tick and IPIs included",
		     .better = PROBE_BETTER_LOWER),
	PROBE_METRIC(PROBE_IRQ, PROBE_IRQ_COUNT, "irq.count", "count", LINES,
		     "hard interrupts on the job's CPUs", .better = PROBE_BETTER_LOWER),
	PROBE_METRIC(PROBE_IRQ, PROBE_SOFTIRQ_TIME, "softirq.time", "ns", SOFTS,
		     "time in soft interrupts on the job's CPUs, in ksoftirqd too",
		     .better = PROBE_BETTER_LOWER),
	PROBE_METRIC(PROBE_IRQ, PROBE_SOFTIRQ_COUNT, "softirq.count", "count", SOFTS,
		     "soft interrupts on the job's CPUs", .better = PROBE_BETTER_LOWER),
};

const struct probe_program programs[] SEC(".rodata.programs") = {
	{ "on_line_entry" }, { "on_line_exit" }, { "on_vector_entry" }, { "on_vector_exit" },
	{ "on_ipi_entry" },  { "on_ipi_exit" },	 { "on_soft_entry" },	{ "on_soft_exit" },
};
enum {
	RUN_LINE_ENTRY,
	RUN_LINE_EXIT,
	RUN_VECTOR_ENTRY,
	RUN_VECTOR_EXIT,
	RUN_IPI_ENTRY,
	RUN_IPI_EXIT,
	RUN_SOFT_ENTRY,
	RUN_SOFT_EXIT,
};

PROBE_VALUES(1)

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct probe_irq);
} irq_time SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* CPUs; set by userspace */
	__type(key, __u32);
	__type(value, struct probe_irq_ring);
} irq_rings SEC(".maps");

/* What every program here works on. */
struct here {
	const volatile struct probe_span *w;
	struct probe_cpu_clock *clock;
	struct probe_blame *blame;
	struct probe_irq *irq;
};

/* False = outside a window. */
static __always_inline bool here_get(struct here *h, __u32 program)
{
	__u32 bank = window_bank(), cpu = bpf_get_smp_processor_id(), key;
	struct probe_values_element *v;

	if (bank == PROBE_NO_WINDOW)
		return false;
	key = bank * config.nr_cpus + cpu;
	v = bpf_map_lookup_elem(&values, &key);
	h->irq = bpf_map_lookup_elem(&irq_time, &key);
	h->blame = bpf_map_lookup_elem(&blame, &key);
	h->clock = bpf_map_lookup_elem(&cpu_clock, &cpu);
	h->w = window_span(bank);
	if (!v || !h->irq || !h->blame || !h->clock)
		return false;
	value_add(&v->runs[program], 1);
	return true;
}

static __always_inline void irq_begin(struct here *h, struct probe_irq_open *open, __u32 source,
				      __u64 now)
{
	struct moment m = window_moment(h->w, now);

	open->start_ns = now;
	open->hard_ns = h->clock->hardirq_ns;
	open->wait_ns = blame_integral(h->blame, blame_clock(h->w, &m));
	open->hard_wait = h->blame->hard_ns;
	open->source = source;
}

struct irq_cost {
	__u64 ns;
	__s64 wait_ns;
	__u64 nr; /* 1 when it ended in the window */
};

/* Its own time, and what was waited in it, without the hard interrupts inside. */
static __always_inline struct irq_cost irq_end(struct here *h, const struct probe_irq_open *open,
					       __u64 now)
{
	__u64 ns = window_clip(h->w, open->start_ns, now);
	__u64 nested = READ_ONCE(h->clock->hardirq_ns) - open->hard_ns;
	struct moment m = window_moment(h->w, now);
	__u64 wait = blame_integral(h->blame, blame_clock(h->w, &m));
	struct irq_cost cost;

	cost.ns = ns > nested ? ns - nested : 0;
	cost.nr = window_has(h->w, now);
	cost.wait_ns = PROBE_WAIT_DIFF(wait, open->wait_ns) -
		       (READ_ONCE(h->blame->hard_ns) - open->hard_wait);
	return cost;
}

static __always_inline void irq_charge(struct here *h, __u32 source, const struct irq_cost *cost)
{
	if (source >= PROBE_SOURCES)
		return;
	h->irq->ns[source] += cost->ns;
	h->irq->blame_ns[source] += cost->wait_ns;
	h->irq->nr[source] += cost->nr;
}

/* For a timeline. */
static __always_inline void irq_remember(__u32 source, __u64 from, __u64 to)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct probe_irq_ring *r = bpf_map_lookup_elem(&irq_rings, &cpu);
	struct probe_irq_span *span;

	if (!r)
		return;
	span = &r->ring[r->head % PROBE_IRQ_RING];
	span->from_ns = from;
	span->ns = (__u32)(to - from);
	span->source = source;
	barrier();
	WRITE_ONCE(r->head, r->head + 1);
}

/* --- hard --- */

static __always_inline int hard_entry(__u32 program, __u32 source)
{
	struct here h;
	__u32 depth;

	if (!here_get(&h, program))
		return 0;
	depth = h.irq->depth++;
	if (depth < PROBE_IRQ_NEST)
		irq_begin(&h, &h.irq->hard[depth], source, bpf_ktime_get_ns());
	return 0;
}

static __always_inline int hard_exit(__u32 program, __u32 source)
{
	struct irq_cost cost;
	struct here h;
	__u32 depth;
	__u64 now;

	if (!here_get(&h, program))
		return 0;
	depth = h.irq->depth - 1;
	if (depth >= PROBE_IRQ_NEST || h.irq->hard[depth].source != source) {
		/* It began before the window, or something was missed: start afresh. */
		h.irq->dropped++;
		h.irq->depth = 0;
		return 0;
	}
	now = bpf_ktime_get_ns();
	cost = irq_end(&h, &h.irq->hard[depth], now);
	irq_charge(&h, source, &cost);
	irq_remember(source, h.irq->hard[depth].start_ns, now);
	h.clock->hardirq_ns += cost.ns;
	h.blame->hard_ns += cost.wait_ns;
	h.irq->depth = depth;
	return 0;
}

static __always_inline __u32 line_source(__u64 irq)
{
	return PROBE_SOURCE_LINE + (irq < PROBE_IRQ_LINES ? irq : PROBE_IRQ_LINES - 1);
}

/* irq_handler_entry(irq, action), irq_handler_exit(irq, action, ret) */
static __always_inline int on_line_entry(__u64 *ctx)
{
	return hard_entry(RUN_LINE_ENTRY, line_source((__u32)ctx[0]));
}
PROBE_TRACEPOINT_PLAIN(irq_handler_entry, on_line_entry)

static __always_inline int on_line_exit(__u64 *ctx)
{
	return hard_exit(RUN_LINE_EXIT, line_source((__u32)ctx[0]));
}
PROBE_TRACEPOINT_PLAIN(irq_handler_exit, on_line_exit)

/* x86: each kind of vector has tracepoints of its own, local_timer_entry(vector) and so on, which
 * userspace attaches these two to. */
SEC("raw_tp") int on_vector_entry_raw(__u64 *ctx)
{
	return hard_entry(RUN_VECTOR_ENTRY, PROBE_SOURCE_VECTOR + (ctx[0] & 0xff));
}

SEC("raw_tp") int on_vector_exit_raw(__u64 *ctx)
{
	return hard_exit(RUN_VECTOR_EXIT, PROBE_SOURCE_VECTOR + (ctx[0] & 0xff));
}

/* arm64: ipi_entry(reason), ipi_exit(reason) */
static __always_inline int on_ipi_entry(__u64 *ctx)
{
	return hard_entry(RUN_IPI_ENTRY, PROBE_SOURCE_IPI);
}
PROBE_TRACEPOINT_PLAIN(ipi_entry, on_ipi_entry)

static __always_inline int on_ipi_exit(__u64 *ctx)
{
	return hard_exit(RUN_IPI_EXIT, PROBE_SOURCE_IPI);
}
PROBE_TRACEPOINT_PLAIN(ipi_exit, on_ipi_exit)

/* --- soft --- */

static __always_inline __u32 soft_source(__u64 vector)
{
	return PROBE_SOURCE_SOFT + (vector & (PROBE_SOFTIRQS - 1));
}

/* softirq_entry(vector). No hard interrupt is being served when a softirq begins. */
static __always_inline int on_soft_entry(__u64 *ctx)
{
	struct here h;

	if (!here_get(&h, RUN_SOFT_ENTRY))
		return 0;
	h.irq->depth = 0;
	for (int i = 0; i < 3; i++) {
		irq_begin(&h, &h.irq->soft, soft_source(ctx[0]), bpf_ktime_get_ns());
		barrier();
		if (READ_ONCE(h.clock->hardirq_ns) == h.irq->soft.hard_ns)
			break;
	}
	h.irq->soft.open = 1;
	h.clock->soft_since = 1; /* samples of user and kernel leave it alone */
	return 0;
}
PROBE_TRACEPOINT_PLAIN(softirq_entry, on_soft_entry)

static __always_inline int on_soft_exit(__u64 *ctx)
{
	struct irq_cost cost;
	struct here h;
	__u64 hard, now = 0;

	if (!here_get(&h, RUN_SOFT_EXIT))
		return 0;
	if (!h.irq->soft.open || h.irq->soft.source != soft_source(ctx[0])) {
		h.irq->dropped++;
		return 0;
	}
	for (int i = 0; i < 3; i++) {
		hard = READ_ONCE(h.clock->hardirq_ns);
		barrier();
		now = bpf_ktime_get_ns();
		cost = irq_end(&h, &h.irq->soft, now);
		barrier();
		if (READ_ONCE(h.clock->hardirq_ns) == hard)
			break;
	}
	irq_charge(&h, soft_source(ctx[0]), &cost);
	irq_remember(soft_source(ctx[0]), h.irq->soft.start_ns, now);
	h.clock->softirq_ns += cost.ns;
	h.blame->soft_ns += cost.wait_ns;
	h.irq->soft.open = 0;
	h.clock->soft_since = 0;
	return 0;
}
PROBE_TRACEPOINT_PLAIN(softirq_exit, on_soft_exit)

char LICENSE[] SEC("license") = "Dual BSD/GPL";
