// SPDX-License-Identifier: BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../modules/cpu.c"
#include "module/rig.h"

static void chain_ends_in_its_closed_form_for_every_remainder(void **state)
{
	(void)state;
	for (uint64_t ops = 0; ops < 4 * CPU_UNROLL; ops++) {
		uint64_t x = 7;

		for (uint64_t i = 0; i < ops; i++)
			x += CPU_STEP;
		assert_int_equal(cpu_int_chain(7, CPU_STEP, ops), x);
		assert_int_equal(cpu_int_expect(7, ops), x);
		if (cpu_check(&(struct cpu_params){ CPU_FLOAT, CPU_LATENCY }, NULL) == 0)
			assert_true(cpu_float_chain(1.0, 1.0, ops) == 1.0 + (double)ops);
	}
}

static const char *const jobs[] = {
	"kernel=int", "kernel=mul", "kernel=div", "kernel=float", "kernel=fma128", "kernel=fma256",
	"kernel=fma512", "kernel=branch", "kernel=sha256", "kernel=lz", "kernel=int,form=throughput",
	"kernel=mul,form=throughput", "kernel=div,form=throughput", "kernel=fma128,form=throughput",
	"kernel=fma256,form=throughput", "kernel=fma512,form=throughput",
};

#define NR(a) (sizeof(a) / sizeof((a)[0]))

/* A job with one worker, entered and begun; false when this host cannot run it. */
struct one {
	struct rig r;
	struct bench_worker w;
	struct cpu_state *s;
	bool runs;
};

static bool one_init(struct one *o, const char *params)
{
	rig_init(&o->r, &bench_module_cpu, 1);
	o->r.job.metrics = metric_set_new();
	assert_int_equal(rig_params(&o->r, params), 0);
	rig_worker(&o->r, &o->w, 0);
	o->s = o->w.state;
	o->runs = bench_module_cpu.check(o->r.params, &o->r.err) == 0;
	if (!o->runs) {
		print_message("%s left out: %s\n", params, o->r.err.msg);
		return false;
	}
	assert_int_equal(bench_module_cpu.setup(&o->r.job, &o->r.err), 0);
	assert_int_equal(bench_module_cpu.enter(&o->w), 0);
	assert_int_equal(bench_module_cpu.begin(&o->w), 0);
	return true;
}

static void one_done(struct one *o)
{
	if (o->runs)
		bench_module_cpu.leave(&o->w);
	rig_worker_done(&o->w);
	rig_done(&o->r);
}

/* Any number of operations in any number of calls, twice: the second window starts anew. */
static void every_kernel_accepts_its_own_results(void **state)
{
	struct one o;

	(void)state;
	for (unsigned i = 0; i < NR(jobs); i++) {
		bool large = strstr(jobs[i], "branch") || strstr(jobs[i], "sha") ||
			     strstr(jobs[i], "lz");

		if (one_init(&o, jobs[i])) {
			for (unsigned window = 0; window < 2; window++) {
				assert_int_equal(bench_module_cpu.begin(&o.w), 0);
				for (uint64_t ops = 1; ops < (large ? 10 : 100000); ops = ops * 3 + 1)
					assert_int_equal(bench_module_cpu.run(&o.w, ops), 0);
				bench_module_cpu.end(&o.w);
				if (o.w.errors)
					fail_msg("%s: %s", jobs[i], o.w.err.msg);
			}
		}
		one_done(&o);
	}
}

/* As many as asked for, also when the loops do more at a time. */
static void operations_are_counted_exactly(void **state)
{
	struct arith a;
	struct fma f;

	(void)state;
	arith_begin(&a);
	for (uint64_t ops = 1; ops < 40; ops++)
		arith_run(&a, ARITH_ADD, true, ops);
	for (uint64_t i = 0, sum = 0; i < ARITH_CHAINS; i++) {
		sum += a.done[i];
		assert_int_equal(a.x[i], i + 7 + CPU_STEP * a.done[i]);
		if (i == ARITH_CHAINS - 1)
			assert_int_equal(sum, 39 * 40 / 2);
	}
	if (fma_check(128, NULL))
		return;
	fma_begin(&f, 128);
	for (uint64_t ops = 1, sum = 0; ops < 200; ops += 7) {
		uint64_t done = 0;

		fma_run(&f, true, ops);
		sum += ops;
		for (unsigned i = 0; i < FMA_CHAINS; i++)
			done += f.done[i];
		assert_int_equal(done, sum + f.ahead);
		assert_in_range(f.ahead, 0, FMA_UNROLL - 1);
	}
}

/* What a broken core, or a compiler that took the work away, would leave. */
static void wrong_results_of_a_window_are_errors(void **state)
{
	struct one o;

	(void)state;
	for (unsigned i = 0; i < NR(jobs); i++) {
		if (!one_init(&o, jobs[i]) || cpu_is_clock(o.r.params)) {
			one_done(&o);
			continue;
		}
		assert_int_equal(bench_module_cpu.run(&o.w, 3), 0);
		o.s->arith.x[0] ^= 1ull << 40;
		o.s->fma.acc[0][1] += 1;
		o.s->branch.steady.taken--;
		o.s->block[77] ^= 1;
		if (o.s->lz)
			o.s->lz->text[1000] ^= 1;
		if (strstr(jobs[i], "sha") || strstr(jobs[i], "lz"))
			assert_int_equal(bench_module_cpu.run(&o.w, 1), -EBADMSG);
		bench_module_cpu.end(&o.w);
		if (!strstr(jobs[i], "float"))
			assert_int_equal(o.w.errors, 1);
		one_done(&o);
	}
}

/* FIPS 180-4's examples, and one of two blocks of padding. */
static void sha256_gives_the_known_answers(void **state)
{
	static const struct {
		const char *text;
		unsigned char first[4];
	} rows[] = {
		{ "", { 0xe3, 0xb0, 0xc4, 0x42 } },
		{ "abc", { 0xba, 0x78, 0x16, 0xbf } },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  { 0x24, 0x8d, 0x6a, 0x61 } },
		{ "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopq"
		  "klmnopqrlmnopqrsmnopqrstnopqrstu",
		  { 0xcf, 0x5b, 0x16, 0xa7 } },
	};
	unsigned char digest[SHA256_BYTES], block[CPU_BLOCK];

	(void)state;
	for (unsigned i = 0; i < NR(rows); i++) {
		sha256((const unsigned char *)rows[i].text, strlen(rows[i].text), digest);
		assert_memory_equal(digest, rows[i].first, 4);
	}
	for (unsigned i = 0; i < CPU_BLOCK; i++)
		block[i] = (unsigned char)(i % 251);
	sha256(block, CPU_BLOCK, digest);
	assert_memory_equal(digest, cpu_digest, SHA256_BYTES);
}

/* Text, noise, one byte over and over: what a compressor has to take. */
static void lz_restores_what_it_compressed(void **state)
{
	struct lz *lz = calloc(1, sizeof(*lz));
	struct prng rng;
	size_t packed;

	(void)state;
	for (unsigned kind = 0; kind < 4; kind++) {
		prng_seed(&rng, kind);
		if (kind == 0)
			lz_text(lz->text, LZ_TEXT);
		else if (kind == 1)
			prng_fill(&rng, lz->text, LZ_TEXT);
		else if (kind == 2)
			memset(lz->text, 'x', LZ_TEXT);
		else
			for (unsigned i = 0; i < LZ_TEXT; i++)
				lz->text[i] = (unsigned char)prng_below(&rng, 2);
		packed = lz_pack(lz);
		print_message("kind %u: %zu of %u bytes\n", kind, packed, LZ_TEXT);
		assert_true(packed <= LZ_PACKED);
		memset(lz->restored, 0xee, LZ_TEXT);
		assert_int_equal(lz_unpack(lz, packed), LZ_TEXT);
		assert_memory_equal(lz->restored, lz->text, LZ_TEXT);
		/* Prose gets shorter by half or so. */
		if (kind == 0)
			assert_in_range(packed, LZ_TEXT / 5, LZ_TEXT * 4 / 5);
	}
	/* Damaged data ends early and writes nowhere else. */
	for (unsigned i = 0; i < 2000; i++) {
		prng_fill(&rng, lz->packed, LZ_PACKED);
		assert_true(lz_unpack(lz, LZ_PACKED) <= LZ_TEXT);
	}
	free(lz);
}

/* The bits decide, and about half of them are set. */
static void branches_follow_their_bits(void **state)
{
	struct branch b;

	(void)state;
	branch_begin(&b, 3);
	for (unsigned i = 0; i < 10; i++)
		branch_run(&b);
	assert_true(branch_right(&b));
	assert_int_equal(b.random.branches, 10 * BRANCH_RUN);
	assert_int_equal(b.steady.taken, 10 * BRANCH_RUN);
	assert_true(b.random.taken > 0.49 * 10 * BRANCH_RUN);
	assert_true(b.random.taken < 0.51 * 10 * BRANCH_RUN);
	assert_int_equal(branch_word(0), 0);
	assert_int_equal(branch_word(0x8000000000000001ull), 2);
}

/* One lost operation, one flipped bit: the check must see both. */
static void wrong_chain_is_an_error(void **state)
{
	struct rig r;
	struct bench_worker w;
	uint64_t right = cpu_int_expect(3, 1000);

	(void)state;
	rig_init(&r, &bench_module_cpu, 1);
	rig_worker(&r, &w, 0);
	assert_int_equal(cpu_verify(&w, 1000, right, right), 0);
	assert_int_equal(w.errors, 0);
	assert_int_equal(cpu_verify(&w, 1000, cpu_int_chain(3, CPU_STEP, 999), right), -EBADMSG);
	assert_int_equal(cpu_verify(&w, 1000, right ^ (1ull << 63), right), -EBADMSG);
	assert_int_equal(cpu_verify(&w, 1000, cpu_bits(cpu_float_expect(1.0, 999)),
				    cpu_bits(cpu_float_expect(1.0, 1000))),
			 -EBADMSG);
	assert_int_equal(w.errors, 3);
	assert_non_null(strstr(w.err.msg, "chain of 1000 operations"));
	rig_worker_done(&w);
	rig_done(&r);
}

static uint64_t best_ns(double (*chain)(uint64_t), uint64_t ops)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 20; i++) {
		uint64_t t = bench_now_ns();
		volatile double sink = chain(ops);

		(void)sink;
		t = bench_now_ns() - t;
		best = t < best ? t : best;
	}
	return best;
}

static double chain_int(uint64_t ops)
{
	return (double)cpu_int_chain(1, CPU_STEP, ops);
}

static double chain_float(uint64_t ops)
{
	return cpu_float_chain(1.0, 1.0, ops);
}

/* Were the adds folded or renamed away, the integer chain would be faster than any clock allows;
 * the ratio of the two is the FMA's latency in cycles. */
static void float_chain_takes_an_fma_latency_of_integer_steps(void **state)
{
	double ratio;

	(void)state;
#if !defined(__x86_64__) && !defined(__aarch64__)
	print_message("no assembly for this architecture, so no known latency\n");
	skip();
#endif
	if (cpu_check(&(struct cpu_params){ CPU_FLOAT, CPU_LATENCY }, NULL)) {
		print_message("this CPU has no FMA instructions\n");
		skip();
	}
	ratio = (double)best_ns(chain_float, 1000000) / (double)best_ns(chain_int, 1000000);
	print_message("FMA latency: %.2f cycles\n", ratio);
	assert_true(ratio > 2.5 && ratio < 6.0);
}

/* sysbench's test of the CPU is its divider's. Here each instruction is told by itself, in cycles that
 * are known: 1 for an add, 3 for a multiply (Intel, AMD), less than that side by side. */
static void cycles_are_those_of_the_instruction(void **state)
{
	static const struct {
		const char *job;
		double least, most;
	} rows[] = { { "kernel=mul", 2.5, 6 },
		     { "kernel=div", 6, 100 },
		     { "kernel=float", 2.5, 6 },
		     { "kernel=int,form=throughput", 0.05, 0.9 },
		     { "kernel=mul,form=throughput", 0.2, 2.2 },
		     { "kernel=fma128,form=throughput", 0.2, 2.2 },
		     { "kernel=fma512,form=throughput", 0.4, 3 } };
	struct one o;

	(void)state;
#if !defined(__x86_64__) && !defined(__aarch64__)
	print_message("no known latencies for this architecture\n");
	skip();
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	print_message("a sanitizer's own instructions are part of the time\n");
	skip();
#endif
	for (unsigned i = 0; i < NR(rows); i++) {
		double cycles = 0;

		/* A busy host has its moments: the least of several is the instruction's. */
		for (unsigned try = 0; try < 5; try++) {
			double now;

			if (one_init(&o, rows[i].job)) {
				assert_int_equal(bench_module_cpu.run(&o.w, 4000000), 0);
				bench_module_cpu.end(&o.w);
				metric_set_next_trial(o.r.job.metrics);
				bench_module_cpu.report(&o.r.job, 1);
				now = metric_set_value(o.r.job.metrics, "cpu.cycles");
				cycles = cycles == 0 || now < cycles ? now : cycles;
			}
			one_done(&o);
		}
		if (cycles == 0)
			continue;
		print_message("%s: %.2f cycles\n", rows[i].job, cycles);
		assert_true(cycles > rows[i].least && cycles < rows[i].most);
	}
}

/* What is known of kernels that have them, and of no other. */
static void each_kernel_reports_its_own_metrics(void **state)
{
	struct one o;

	(void)state;
	for (unsigned i = 0; i < NR(jobs); i++) {
		bool branch = strstr(jobs[i], "branch"), fma = strstr(jobs[i], "fma");
		struct bench_metric_set *set;

		if (!one_init(&o, jobs[i])) {
			one_done(&o);
			continue;
		}
		set = o.r.job.metrics;
		metric_set_next_trial(set);
		assert_int_equal(bench_module_cpu.run(
					 &o.w, strchr("bsl", jobs[i][7]) ? 5 : 20000000), 0);
		bench_module_cpu.end(&o.w);
		bench_module_cpu.report(&o.r.job, 1);
		assert_true(metric_set_value(set, "cpu.clock") > 1e8 &&
			    metric_set_value(set, "cpu.clock") < 1e10);
		assert_int_equal(metric_set_value(set, "cpu.flops") > 0, fma);
		if (branch)
			assert_true(metric_set_now(set, "cpu.branch", "pattern", "random") > 0);
		assert_int_equal(metric_set_value(set, "cpu.cycles") > 0,
				 !branch && !strstr(jobs[i], "sha") && !strstr(jobs[i], "lz") &&
					 !cpu_is_clock(o.r.params));
		one_done(&o);
	}
}

static void random_branches_cost_more(void **state)
{
	struct branch b;

	(void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	print_message("a sanitizer's own branches are part of the time\n");
	skip();
#endif
	branch_begin(&b, 1);
	for (unsigned i = 0; i < 200; i++)
		branch_run(&b);
	print_message("a branch: %.2f ns random, %.2f ns steady; mispredicted %.2f ns\n",
		      branch_ns(&b.random), branch_ns(&b.steady), branch_mispredict_ns(&b));
	assert_true(branch_ns(&b.random) > 2 * branch_ns(&b.steady));
}

static void throughput_is_for_arithmetic(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, &bench_module_cpu, 1);
	assert_int_equal(rig_params(&r, "kernel=sha256,form=throughput"), -EINVAL);
	assert_int_equal(rig_params(&r, "kernel=float,form=throughput"), -EINVAL);
	assert_int_equal(rig_params(&r, "kernel=div,form=throughput"), 0);
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chain_ends_in_its_closed_form_for_every_remainder),
		cmocka_unit_test(every_kernel_accepts_its_own_results),
		cmocka_unit_test(operations_are_counted_exactly),
		cmocka_unit_test(wrong_results_of_a_window_are_errors),
		cmocka_unit_test(sha256_gives_the_known_answers),
		cmocka_unit_test(lz_restores_what_it_compressed),
		cmocka_unit_test(branches_follow_their_bits),
		cmocka_unit_test(wrong_chain_is_an_error),
		cmocka_unit_test(float_chain_takes_an_fma_latency_of_integer_steps),
		cmocka_unit_test(cycles_are_those_of_the_instruction),
		cmocka_unit_test(each_kernel_reports_its_own_metrics),
		cmocka_unit_test(random_branches_cost_more),
		cmocka_unit_test(throughput_is_for_arithmetic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
