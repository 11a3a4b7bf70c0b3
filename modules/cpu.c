// SPDX-License-Identifier: BSD-2-Clause
/* What a core can do by itself: the latency and throughput of arithmetic, the price of a mispredicted
 * branch, a hash, a compressor. Everything works on registers or fits the caches. An integer add takes
 * one cycle on every core this runs on, which makes kernel=int a meter of the core's clock, and lets
 * the others tell cycles without a PMU. Every result is compared to what it must be. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/module.h"
#include "cpu_arith.h"
#include "cpu_branch.h"
#include "cpu_chain.h"
#include "cpu_fma.h"
#include "cpu_lz.h"
#include "cpu_meter.h"
#include "cpu_sha256.h"

#define CPU_BLOCK 4096u

struct cpu_state {
	struct arith arith;
	struct fma fma;
	struct branch branch;
	struct lz *lz; /* kernel=lz */
	size_t packed; /* bytes of its text when packed */
	unsigned char block[CPU_BLOCK];
};

/* SHA-256 of 4096 bytes 0, 1, .. 250, 0, 1, .. (by Python's hashlib). */
static const unsigned char cpu_digest[SHA256_BYTES] = {
	0xd6, 0x7c, 0x65, 0x6e, 0x01, 0x75, 0x66, 0x50, 0xd7, 0x77, 0x17, 0xb0, 0x83, 0x99, 0x85, 0xa0,
	0x56, 0xec, 0x28, 0xff, 0xe1, 0x74, 0x60, 0x1d, 0x69, 0x0f, 0xc4, 0x07, 0xa2, 0xce, 0xff, 0xca,
};

/* The operations of a chain that count its clock, and the best of so many: about 25 us each. */
#define CPU_CLOCK_OPS 100000u
#define CPU_CLOCK_TRIES 8

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

/* The least time of several is that of nobody interrupting. */
static double cpu_clock_hz(void)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < CPU_CLOCK_TRIES; i++) {
		uint64_t begin = bench_now_ns(), took, x;

		x = cpu_int_chain(i, CPU_STEP, CPU_CLOCK_OPS);
		__asm__ volatile("" : : "r"(x));
		took = bench_now_ns() - begin;
		least = took < least ? took : least;
	}
	return least ? CPU_CLOCK_OPS * 1e9 / (double)least : 0;
}

static int cpu_validate(const void *params, struct bench_err *err)
{
	const struct cpu_params *p = params;

	if (p->form == CPU_THROUGHPUT && !cpu_is_arith(p->kernel) && !cpu_is_fma(p->kernel))
		return bench_fail(err, -EINVAL,
				  "form=throughput is for int, mul, div and fma128 to fma512");
	return 0;
}

static int cpu_check(const void *params, struct bench_err *err)
{
	const struct cpu_params *p = params;

	if (cpu_is_fma(p->kernel))
		return fma_check(cpu_bits_of(p->kernel), err);
#if defined(__x86_64__)
	if (p->kernel == CPU_FLOAT && !__builtin_cpu_supports("fma"))
		return bench_fail(err, -EOPNOTSUPP,
				  "kernel=float: this CPU has no FMA instructions");
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

static int cpu_enter(struct bench_worker *w)
{
	const struct cpu_params *p = w->job->params;
	struct cpu_state *s = w->state;

	for (unsigned i = 0; i < CPU_BLOCK; i++)
		s->block[i] = (unsigned char)(i % 251);
	if (p->kernel != CPU_LZ)
		return 0;
	s->lz = calloc(1, sizeof(*s->lz));
	if (!s->lz)
		return bench_worker_fail(w, -ENOMEM, "out of memory");
	lz_text(s->lz->text, LZ_TEXT);
	s->packed = lz_pack(s->lz);
	memcpy(s->lz->wanted, s->lz->packed, s->packed);
	return 0;
}

static int cpu_begin(struct bench_worker *w)
{
	const struct cpu_params *p = w->job->params;
	struct cpu_meter *meters = w->job->shared;
	struct cpu_state *s = w->state;

	meters[w->index] = (struct cpu_meter){ 0 };
	arith_begin(&s->arith);
	if (cpu_is_fma(p->kernel))
		fma_begin(&s->fma, cpu_bits_of(p->kernel));
	branch_begin(&s->branch, w->index + 1);
	return 0;
}

static int cpu_hash(struct bench_worker *w, const struct cpu_state *s, uint64_t ops)
{
	unsigned char digest[SHA256_BYTES];

	for (uint64_t i = 0; i < ops; i++) {
		sha256(s->block, CPU_BLOCK, digest);
		if (memcmp(digest, cpu_digest, sizeof(digest)))
			return bench_worker_fail(w, -EBADMSG,
						 "a digest on CPU %d is not that of the data", w->cpu);
	}
	w->bytes += ops * CPU_BLOCK;
	return 0;
}

static int cpu_lz(struct bench_worker *w, struct cpu_state *s, uint64_t ops)
{
	for (uint64_t i = 0; i < ops; i++) {
		size_t packed = lz_pack(s->lz);

		if (packed != s->packed || memcmp(s->lz->packed, s->lz->wanted, packed))
			return bench_worker_fail(w, -EBADMSG,
						 "one text was compressed in two ways on CPU %d", w->cpu);
		/* Nothing of the time before is to be taken for the result of this. */
		memset(s->lz->restored, 0, LZ_TEXT);
		if (lz_unpack(s->lz, packed) != LZ_TEXT ||
		    memcmp(s->lz->restored, s->lz->text, LZ_TEXT))
			return bench_worker_fail(w, -EBADMSG,
						 "the restored text is not the one compressed, on CPU %d",
						 w->cpu);
	}
	w->bytes += ops * LZ_TEXT;
	return 0;
}

static int cpu_work(struct bench_worker *w, uint64_t ops)
{
	const struct cpu_params *p = w->job->params;
	const struct cpu_meter *meters = w->job->shared;
	uint64_t begin = meters[w->index].ops;
	struct cpu_state *s = w->state;

	if (cpu_is_clock(p))
		return cpu_verify(w, ops, cpu_int_chain(begin, CPU_STEP, ops),
				  cpu_int_expect(begin, ops));
	if (cpu_is_arith(p->kernel)) {
		arith_run(&s->arith, (enum arith_kind)p->kernel, p->form == CPU_THROUGHPUT, ops);
		return 0;
	}
	if (p->kernel == CPU_FLOAT)
		return cpu_verify(w, ops, cpu_bits(cpu_float_chain(1.0, 1.0, ops)),
				  cpu_bits(cpu_float_expect(1.0, ops)));
	if (cpu_is_fma(p->kernel)) {
		fma_run(&s->fma, p->form == CPU_THROUGHPUT, ops);
		return 0;
	}
	if (p->kernel == CPU_SHA256)
		return cpu_hash(w, s, ops);
	if (p->kernel == CPU_LZ)
		return cpu_lz(w, s, ops);
	for (uint64_t i = 0; i < ops; i++)
		branch_run(&s->branch);
	return 0;
}

static int cpu_run(struct bench_worker *w, uint64_t ops)
{
	struct cpu_meter *meters = w->job->shared;
	struct cpu_meter *m = &meters[w->index];
	int rc;

	if (!m->first_ns)
		m->first_ns = cpu_time_ns();
	rc = cpu_work(w, ops);
	m->ops += ops;
	/* A system call: only after the last batch of the window. */
	if (!bench_running(w, bench_now_ns()))
		m->last_ns = cpu_time_ns();
	return rc;
}

/* What went on from call to call is looked at as a whole. */
static void cpu_verify_window(struct bench_worker *w)
{
	const struct cpu_params *p = w->job->params;
	const struct cpu_state *s = w->state;
	unsigned i;

	if (cpu_is_arith(p->kernel) && !cpu_is_clock(p)) {
		i = arith_verify(&s->arith, (enum arith_kind)p->kernel);
		if (i < ARITH_CHAINS)
			(void)cpu_verify(w, s->arith.done[i], s->arith.x[i],
					 arith_expect(&s->arith, (enum arith_kind)p->kernel, i));
	} else if (cpu_is_fma(p->kernel)) {
		i = fma_verify(&s->fma);
		if (i < FMA_CHAINS)
			(void)bench_worker_fail(w, -EBADMSG,
						"chain %u of %" PRIu64
						" multiply-adds on CPU %d has a wrong sum",
						i, s->fma.done[i], w->cpu);
	} else if (p->kernel == CPU_BRANCH && !branch_right(&s->branch)) {
		(void)bench_worker_fail(w, -EBADMSG,
					"%" PRIu64 " branches were taken on CPU %d, %" PRIu64
					" bits were set",
					s->branch.random.taken, w->cpu, s->branch.random.expected);
	}
}

static void cpu_end(struct bench_worker *w)
{
	const struct cpu_params *p = w->job->params;
	struct cpu_meter *meters = w->job->shared;
	struct cpu_meter *m = &meters[w->index];
	const struct cpu_state *s = w->state;

	/* The window may have ended between run()'s look at the clock and the core's. */
	if (!m->last_ns)
		m->last_ns = cpu_time_ns();
	/* At once: a clock that wide vectors have lowered rises again within a millisecond. */
	if (!cpu_is_clock(p))
		m->hz = cpu_clock_hz();
	m->random_ns = branch_ns(&s->branch.random);
	m->steady_ns = branch_ns(&s->branch.steady);
	m->mispredict_ns = branch_mispredict_ns(&s->branch);
	cpu_verify_window(w);
}

static void cpu_leave(struct bench_worker *w)
{
	struct cpu_state *s = w->state;

	free(s->lz);
	s->lz = NULL;
}

static void cpu_teardown(struct bench_job *job)
{
	free(job->shared);
	job->shared = NULL;
}

static const char *const cpu_kernels[] = { "int",    "mul",    "div",	 "float",  "fma128",
					   "fma256", "fma512", "branch", "sha256", "lz",
					   NULL };
static const char *const cpu_forms[] = { "latency", "throughput", NULL };

static const struct bench_option cpu_options[] = {
	{ .name = "kernel",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct cpu_params, kernel),
	  .def = "int",
	  .values = cpu_kernels,
	  .help = "int, mul, div: 64-bit add, multiply, divide; float: multiply-add of doubles; "
		  "fma128, fma256, fma512: of vectors; branch: mispredicted branches; sha256: hash; "
		  "lz: compress a text and restore it" },
	{ .name = "form",
	  .type = BENCH_OPT_ENUM,
	  .offset = offsetof(struct cpu_params, form),
	  .def = "latency",
	  .values = cpu_forms,
	  .help = "int, mul, div, fma: latency: each operation needs the one before; throughput: "
		  "several chains side by side" },
	{ .name = NULL },
};

static const char *const cpu_suite[] = { "kernel=int", NULL };
static const char *const cpu_full[] = {
	"kernel={int,mul,div,float},workers=1",
	"kernel={int,mul,div},form=throughput,workers=1",
	"kernel={fma128,fma256,fma512},form=throughput,workers=1",
	"kernel={branch,sha256},workers=1",
	"kernel=lz,spread={one,core,pu}",
	NULL,
};

const struct bench_module bench_module_cpu = {
	.abi = BENCH_MODULE_ABI,
	.exec = BENCH_EXEC_BLOCKING,
	.name = "cpu",
	.summary = "a core by itself: clock, arithmetic, mispredicted branches, a hash, a compressor",
	.op = "int, mul, div, float, fma: one instruction; branch: 65,536 branches on random bits and "
	      "as many that never change; sha256: 4 KiB hashed; lz: 64 KiB compressed and restored",
	.options = cpu_options,
	.suite = cpu_suite,
	.full = cpu_full,
	.params_size = sizeof(struct cpu_params),
	.state_size = sizeof(struct cpu_state),
	.validate = cpu_validate,
	.check = cpu_check,
	.setup = cpu_setup,
	.enter = cpu_enter,
	.begin = cpu_begin,
	.run = cpu_run,
	.end = cpu_end,
	.leave = cpu_leave,
	.teardown = cpu_teardown,
	.report = cpu_report,
};
