// SPDX-License-Identifier: BSD-2-Clause
/* The rate of dependent arithmetic: each op needs the result of the one before it, so the rate is
 * the core's clock divided by the instruction's latency. An integer add takes one cycle on every
 * core this runs on, which makes kernel=int a meter of the core's clock. After each call the value
 * of the chain is compared to its closed form. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/module.h"

enum cpu_kernel { CPU_INT, CPU_FLOAT };

struct cpu_params {
	uint64_t kernel;
};

/* What one worker did in the current window; read by report() after it. */
struct cpu_meter {
	uint64_t ops;
	uint64_t first_ns, last_ns; /* CPU time of the thread; 0 = not taken yet */
} __attribute__((aligned(64)));

/* Odd and large: the chain's value depends on every single add. It sits in a register on purpose:
 * recent Intel cores (Golden Cove on) resolve adds of small constants while renaming, several per
 * cycle. */
#define CPU_STEP 0x9e3779b97f4a7c15ull

/* The loop counter runs beside the chain and does not lengthen it: 64 ops per turn. */
#define CPU_UNROLL 64

/* The operands below are early clobbers ("&"): the chain writes them while its other operands are
 * still read, and a compiler may give one register to two operands of equal value. */

#if defined(__x86_64__)
static uint64_t cpu_int_chain(uint64_t x, uint64_t step, uint64_t ops)
{
	uint64_t turns = ops / CPU_UNROLL, rest = ops % CPU_UNROLL;

	__asm__ volatile("test %[t], %[t]\n\tjz 2f\n\t.p2align 5\n"
			 "1:\n\t.rept 64\n\tadd %[s], %[x]\n\t.endr\n\tdec %[t]\n\tjnz 1b\n"
			 "2:\ttest %[r], %[r]\n\tjz 4f\n"
			 "3:\tadd %[s], %[x]\n\tdec %[r]\n\tjnz 3b\n"
			 "4:\n"
			 : [x] "+&r"(x), [t] "+&r"(turns), [r] "+&r"(rest)
			 : [s] "r"(step)
			 : "cc");
	return x;
}

/* x = x * one + one. The chain goes through the factor: 4 cycles on Intel since Skylake and on AMD
 * since Zen 2 (uops.info, VFMADD213SD). Through the summand some cores forward early. */
static double cpu_float_chain(double x, double one, uint64_t ops)
{
	uint64_t turns = ops / CPU_UNROLL, rest = ops % CPU_UNROLL;

	__asm__ volatile("test %[t], %[t]\n\tjz 2f\n\t.p2align 5\n"
			 "1:\n\t.rept 64\n\tvfmadd213sd %[o], %[o], %[x]\n\t.endr\n"
			 "\tdec %[t]\n\tjnz 1b\n"
			 "2:\ttest %[r], %[r]\n\tjz 4f\n"
			 "3:\tvfmadd213sd %[o], %[o], %[x]\n\tdec %[r]\n\tjnz 3b\n"
			 "4:\n"
			 : [x] "+&x"(x), [t] "+&r"(turns), [r] "+&r"(rest)
			 : [o] "x"(one)
			 : "cc");
	return x;
}
#elif defined(__aarch64__)
static uint64_t cpu_int_chain(uint64_t x, uint64_t step, uint64_t ops)
{
	uint64_t turns = ops / CPU_UNROLL, rest = ops % CPU_UNROLL;

	__asm__ volatile("cbz %[t], 2f\n\t.p2align 5\n"
			 "1:\n\t.rept 64\n\tadd %[x], %[x], %[s]\n\t.endr\n"
			 "\tsub %[t], %[t], #1\n\tcbnz %[t], 1b\n"
			 "2:\tcbz %[r], 4f\n"
			 "3:\tadd %[x], %[x], %[s]\n\tsub %[r], %[r], #1\n\tcbnz %[r], 3b\n"
			 "4:\n"
			 : [x] "+&r"(x), [t] "+&r"(turns), [r] "+&r"(rest)
			 : [s] "r"(step));
	return x;
}

/* As on x86: the chain goes through the factor, 4 cycles on Neoverse N1, V1 and N2 (Arm's
 * optimization guides); through the summand it would be 2. */
static double cpu_float_chain(double x, double one, uint64_t ops)
{
	uint64_t turns = ops / CPU_UNROLL, rest = ops % CPU_UNROLL;

	__asm__ volatile("cbz %[t], 2f\n\t.p2align 5\n"
			 "1:\n\t.rept 64\n\tfmadd %d[x], %d[x], %d[o], %d[o]\n\t.endr\n"
			 "\tsub %[t], %[t], #1\n\tcbnz %[t], 1b\n"
			 "2:\tcbz %[r], 4f\n"
			 "3:\tfmadd %d[x], %d[x], %d[o], %d[o]\n\tsub %[r], %[r], #1\n"
			 "\tcbnz %[r], 3b\n"
			 "4:\n"
			 : [x] "+&w"(x), [t] "+&r"(turns), [r] "+&r"(rest)
			 : [o] "w"(one));
	return x;
}
#else
/* The empty asm keeps the compiler from folding the chain; loop overhead is part of the op here. */
static uint64_t cpu_int_chain(uint64_t x, uint64_t step, uint64_t ops)
{
	for (uint64_t i = 0; i < ops; i++) {
		x += step;
		__asm__ volatile("" : "+r"(x));
	}
	return x;
}

static double cpu_float_chain(double x, double one, uint64_t ops)
{
	for (uint64_t i = 0; i < ops; i++) {
		x = x * one + one;
		__asm__ volatile("" : "+m"(x));
	}
	return x;
}
#endif

/* The values that a chain of ops steps must end in. Whole numbers below 2^53 are exact in a double,
 * and 2^53 dependent operations take weeks. */
static uint64_t cpu_int_expect(uint64_t x, uint64_t ops)
{
	return x + CPU_STEP * ops;
}

static double cpu_float_expect(double x, uint64_t ops)
{
	return x + (double)ops;
}

/* 0 when the bits of the chain's value are the closed form's, else counts the error. */
static int cpu_verify(struct bench_worker *w, uint64_t ops, uint64_t got, uint64_t expected)
{
	if (got == expected)
		return 0;
	return bench_worker_fail(w, -EBADMSG,
				 "a chain of %" PRIu64 " operations on CPU %d ended in %#" PRIx64
				 " instead of %#" PRIx64,
				 ops, w->cpu, got, expected);
}

static uint64_t cpu_bits(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static uint64_t cpu_time_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * BENCH_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static int cpu_check(const void *params, struct bench_err *err)
{
#if defined(__x86_64__)
	const struct cpu_params *p = params;

	if (p->kernel == CPU_FLOAT && !__builtin_cpu_supports("fma"))
		return bench_fail(err, -EOPNOTSUPP,
				  "kernel=float: this CPU has no FMA instructions");
#else
	(void)params;
	(void)err;
#endif
	return 0;
}

static int cpu_setup(struct bench_job *job, struct bench_err *err)
{
	void *meters = NULL;

	if (posix_memalign(&meters, sizeof(struct cpu_meter),
			   job->nr_workers * sizeof(struct cpu_meter)))
		return bench_fail(err, -ENOMEM, "cpu: out of memory for %u workers",
				  job->nr_workers);
	memset(meters, 0, job->nr_workers * sizeof(struct cpu_meter));
	job->shared = meters;
	return 0;
}

static int cpu_begin(struct bench_worker *w)
{
	struct cpu_meter *meters = w->job->shared;

	meters[w->index] = (struct cpu_meter){ 0 };
	return 0;
}

static int cpu_run(struct bench_worker *w, uint64_t ops)
{
	const struct cpu_params *p = w->job->params;
	struct cpu_meter *meters = w->job->shared;
	struct cpu_meter *m = &meters[w->index];
	uint64_t got, expected;

	if (!m->first_ns)
		m->first_ns = cpu_time_ns();
	if (p->kernel == CPU_INT) {
		got = cpu_int_chain(m->ops, CPU_STEP, ops);
		expected = cpu_int_expect(m->ops, ops);
	} else {
		got = cpu_bits(cpu_float_chain(1.0, 1.0, ops));
		expected = cpu_bits(cpu_float_expect(1.0, ops));
	}
	m->ops += ops;
	/* A system call: only after the last batch of the window. */
	if (!bench_running(w, bench_now_ns()))
		m->last_ns = cpu_time_ns();
	return cpu_verify(w, ops, got, expected);
}

static void cpu_end(struct bench_worker *w)
{
	struct cpu_meter *meters = w->job->shared;

	/* The window may have ended between run()'s look at the clock and the core's. */
	if (!meters[w->index].last_ns)
		meters[w->index].last_ns = cpu_time_ns();
}

static void cpu_teardown(struct bench_job *job)
{
	free(job->shared);
	job->shared = NULL;
}

/* Adds per second of CPU time are cycles per second: the clock that the cores really ran at, with
 * the time in which others had the core left out. */
static void cpu_report(struct bench_job *job, uint64_t trial_ns)
{
	static const struct bench_metric_id mean = {
		"cpu.clock", "Hz", BENCH_SOURCE_MODULE, BENCH_BETTER_HIGHER, { { NULL, NULL } }
	};
	static const struct bench_metric_id slowest = {
		"cpu.clock_min", "Hz", BENCH_SOURCE_MODULE, BENCH_BETTER_HIGHER, { { NULL, NULL } }
	};
	const struct cpu_params *p = job->params;
	const struct cpu_meter *meters = job->shared;
	double sum = 0, min = 0;

	(void)trial_ns;
	if (p->kernel != CPU_INT)
		return;
	for (unsigned i = 0; i < job->nr_workers; i++) {
		const struct cpu_meter *m = &meters[i];
		double hz;

		if (!m->ops || m->last_ns <= m->first_ns) {
			bench_metric_put_status(job->metrics, &mean, BENCH_NOT_COUNTED, 0,
						"a worker did nothing in this trial");
			return;
		}
		hz = (double)m->ops * (double)BENCH_NS_PER_SEC / (double)(m->last_ns - m->first_ns);
		sum += hz;
		if (i == 0 || hz < min)
			min = hz;
	}
	bench_metric_put(job->metrics, &mean, sum / job->nr_workers);
	if (job->nr_workers > 1)
		bench_metric_put(job->metrics, &slowest, min);
}

static const char *const cpu_kernels[] = { "int", "float", NULL };

static const struct bench_option cpu_options[] = {
	{ .name = "kernel",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct cpu_params, kernel),
	  .def = "int",
	  .values = cpu_kernels,
	  .help = "dependent chain: int = 64-bit add, 1 cycle; float = double FMA, 4 cycles" },
	{ .name = NULL },
};

static const char *const cpu_suite[] = { "kernel=int", NULL };
static const char *const cpu_full[] = { "kernel=float", "kernel={int,float},workers=1", NULL };

const struct bench_module bench_module_cpu = {
	.abi = BENCH_MODULE_ABI,
	.exec = BENCH_EXEC_BLOCKING,
	.name = "cpu",
	.summary = "dependent arithmetic: the clock that the cores really run at",
	.op = "one operation of a dependent chain",
	.options = cpu_options,
	.suite = cpu_suite,
	.full = cpu_full,
	.params_size = sizeof(struct cpu_params),
	.check = cpu_check,
	.setup = cpu_setup,
	.begin = cpu_begin,
	.run = cpu_run,
	.end = cpu_end,
	.teardown = cpu_teardown,
	.report = cpu_report,
};
