/* SPDX-License-Identifier: BSD-2-Clause */
/* cpu: what a worker notes of a window, and the metrics made of it. */
#ifndef MODULES_CPU_METER_H
#define MODULES_CPU_METER_H

#include "bench/module.h"

enum cpu_kernel {
	CPU_INT,
	CPU_MUL,
	CPU_DIV,
	CPU_FLOAT,
	CPU_FMA128,
	CPU_FMA256,
	CPU_FMA512,
	CPU_BRANCH,
	CPU_SHA256,
	CPU_LZ,
};

enum cpu_form { CPU_LATENCY, CPU_THROUGHPUT };

struct cpu_params {
	uint64_t kernel, form;
};

/* What one worker did in the current window; read by report() after it. */
struct cpu_meter {
	uint64_t ops;
	uint64_t first_ns, last_ns; /* CPU time of the thread; 0 = not taken yet */
	double hz;		    /* of the core right after the window; 0 = not measured */
	double random_ns, steady_ns, mispredict_ns; /* kernel=branch */
} __attribute__((aligned(64)));

static inline bool cpu_is_arith(uint64_t kernel)
{
	return kernel <= CPU_DIV;
}

static inline bool cpu_is_fma(uint64_t kernel)
{
	return kernel >= CPU_FMA128 && kernel <= CPU_FMA512;
}

/* Of a vector; all others work on 64 bits. */
static inline unsigned cpu_bits_of(uint64_t kernel)
{
	return cpu_is_fma(kernel) ? 128u << (kernel - CPU_FMA128) : 64;
}

/* The chain whose rate is the clock. */
static inline bool cpu_is_clock(const struct cpu_params *p)
{
	return p->kernel == CPU_INT && p->form == CPU_LATENCY;
}

/* CPU time of one op; 0 = the worker did nothing in this trial. */
static inline double cpu_op_ns(const struct cpu_meter *m)
{
	return m->ops && m->last_ns > m->first_ns
		       ? (double)(m->last_ns - m->first_ns) / (double)m->ops
		       : 0;
}

static inline void cpu_put(struct bench_job *job, const char *name, const char *unit,
		    enum bench_better better, double value, const char *note)
{
	struct bench_metric_id id = { name, unit, BENCH_SOURCE_MODULE, better, { { NULL, NULL } } };

	if (value > 0)
		bench_metric_put_status(job->metrics, &id, BENCH_OK, value, note);
	else
		bench_metric_put_status(job->metrics, &id, BENCH_NOT_COUNTED, 0,
					"a worker did nothing in this trial");
}

/* Adds per second of CPU time are cycles per second: the clock that the cores really ran at, with
 * the time in which others had the core left out. Of other kernels it is that of a chain of adds
 * right after the window. */
static inline void cpu_report_clock(struct bench_job *job)
{
	const struct cpu_meter *meters = job->shared;
	bool inside = cpu_is_clock(job->params);
	double sum = 0, min = 0;

	for (unsigned i = 0; i < job->nr_workers; i++) {
		double op_ns = cpu_op_ns(&meters[i]);
		double hz = !inside ? meters[i].hz : op_ns > 0 ? 1e9 / op_ns : 0;

		sum += hz;
		if (i == 0 || hz < min)
			min = hz;
	}
	cpu_put(job, "cpu.clock", "Hz", BENCH_BETTER_HIGHER, min > 0 ? sum / job->nr_workers : 0,
		inside ? NULL : "of a chain of additions right after the window");
	if (job->nr_workers > 1)
		cpu_put(job, "cpu.clock_min", "Hz", BENCH_BETTER_HIGHER, min, NULL);
}

/* Arithmetic: cycles of an operation; with vectors what that comes to in floating point. */
static inline void cpu_report_arith(struct bench_job *job)
{
	const struct cpu_params *p = job->params;
	const struct cpu_meter *meters = job->shared;
	double cycles = 0, flops = 0;
	bool all = true;

	for (unsigned i = 0; i < job->nr_workers; i++) {
		double op_ns = cpu_op_ns(&meters[i]);

		all &= op_ns > 0 && meters[i].hz > 0;
		cycles += op_ns * meters[i].hz / 1e9;
		flops += op_ns > 0 ? 2.0 * (cpu_bits_of(p->kernel) / 64) * 1e9 / op_ns : 0;
	}
	cpu_put(job, "cpu.cycles", "cycles", BENCH_BETTER_LOWER, all ? cycles / job->nr_workers : 0,
		p->kernel == CPU_DIV ? "a division and an addition" : NULL);
	if (cpu_is_fma(p->kernel))
		cpu_put(job, "cpu.flops", "1/s", BENCH_BETTER_HIGHER, all ? flops : 0,
			"a multiply-add is two; per second of CPU time, all workers");
}

static inline void cpu_put_branch(struct bench_job *job, const char *pattern, double ns)
{
	struct bench_metric_id id = { "cpu.branch",
				      "ns",
				      BENCH_SOURCE_MODULE,
				      BENCH_BETTER_LOWER,
				      { { "pattern", pattern } } };

	if (ns > 0)
		bench_metric_put(job->metrics, &id, ns);
	else
		bench_metric_put_status(job->metrics, &id, BENCH_NOT_COUNTED, 0,
					"a worker did nothing in this trial");
}

/* What goes wrong is half of the branches on random bits. */
static inline void cpu_report_branch(struct bench_job *job)
{
	const struct cpu_meter *meters = job->shared;
	double random = 0, steady = 0, cost = 0, cycles = 0;
	unsigned nr = job->nr_workers;

	for (unsigned i = 0; i < nr; i++) {
		random += meters[i].random_ns / nr;
		steady += meters[i].steady_ns / nr;
		cost += meters[i].mispredict_ns / nr;
		cycles += meters[i].mispredict_ns * meters[i].hz / 1e9 / nr;
	}
	cpu_put_branch(job, "random", random);
	cpu_put_branch(job, "steady", steady);
	cpu_put(job, "cpu.mispredict", "ns", BENCH_BETTER_LOWER, cost,
		"twice the difference of cpu.branch: every second one on random bits goes wrong");
	cpu_put(job, "cpu.mispredict_cycles", "cycles", BENCH_BETTER_LOWER, cycles, NULL);
}

static inline void cpu_report(struct bench_job *job, uint64_t trial_ns)
{
	const struct cpu_params *p = job->params;

	(void)trial_ns;
	cpu_report_clock(job);
	if ((cpu_is_arith(p->kernel) && !cpu_is_clock(p)) || p->kernel == CPU_FLOAT ||
	    cpu_is_fma(p->kernel))
		cpu_report_arith(job);
	if (p->kernel == CPU_BRANCH)
		cpu_report_branch(job);
}

#endif
