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
		if (cpu_check(&(struct cpu_params){ CPU_FLOAT }, NULL) == 0)
			assert_true(cpu_float_chain(1.0, 1.0, ops) == 1.0 + (double)ops);
	}
}

static void run_accepts_right_chain(void **state)
{
	struct rig r;
	struct bench_worker w;

	(void)state;
	for (unsigned kernel = 0; kernel < 2; kernel++) {
		rig_init(&r, &bench_module_cpu, 1);
		assert_int_equal(rig_params(&r, kernel ? "kernel=float" : "kernel=int"), 0);
		rig_worker(&r, &w, 0);
		if (bench_module_cpu.check(r.params, &r.err) == 0) {
			assert_int_equal(bench_module_cpu.setup(&r.job, &r.err), 0);
			assert_int_equal(bench_module_cpu.begin(&w), 0);
			for (uint64_t ops = 1; ops < 100000; ops = ops * 3 + 1)
				assert_int_equal(bench_module_cpu.run(&w, ops), 0);
			assert_int_equal(w.errors, 0);
		}
		rig_worker_done(&w);
		rig_done(&r);
	}
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
	if (cpu_check(&(struct cpu_params){ CPU_FLOAT }, NULL)) {
		print_message("this CPU has no FMA instructions\n");
		skip();
	}
	ratio = (double)best_ns(chain_float, 1000000) / (double)best_ns(chain_int, 1000000);
	print_message("FMA latency: %.2f cycles\n", ratio);
	assert_true(ratio > 2.5 && ratio < 6.0);
}

static void report_gives_clock_of_int_kernel_only(void **state)
{
	(void)state;
	for (unsigned kernel = 0; kernel < 2; kernel++) {
		struct rig r;
		struct bench_worker w;
		double hz;

		rig_init(&r, &bench_module_cpu, 1);
		rig_worker(&r, &w, 0);
		r.job.metrics = metric_set_new();
		assert_int_equal(rig_params(&r, kernel ? "kernel=float" : "kernel=int"), 0);
		if (bench_module_cpu.check(r.params, &r.err)) {
			print_message("kernel=float left out: %s\n", r.err.msg);
		} else {
			assert_int_equal(bench_module_cpu.setup(&r.job, &r.err), 0);
			assert_int_equal(bench_module_cpu.begin(&w), 0);
			assert_int_equal(bench_module_cpu.run(&w, 20000000), 0);
			bench_module_cpu.end(&w);
			metric_set_next_trial(r.job.metrics);
			bench_module_cpu.report(&r.job, 1);
			hz = metric_set_value(r.job.metrics, "cpu.clock");
			if (kernel == CPU_INT)
				assert_true(hz > 1e8 && hz < 1e10);
			else
				assert_true(hz != hz);
		}
		rig_worker_done(&w);
		rig_done(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chain_ends_in_its_closed_form_for_every_remainder),
		cmocka_unit_test(run_accepts_right_chain),
		cmocka_unit_test(wrong_chain_is_an_error),
		cmocka_unit_test(float_chain_takes_an_fma_latency_of_integer_steps),
		cmocka_unit_test(report_gives_clock_of_int_kernel_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
