// SPDX-License-Identifier: BSD-2-Clause
/* The smallest useful module outside of the tree: an op is `turns` turns of an empty loop. Build it
 * against the installed headers and load it:
 *
 *     cc -shared -fPIC -O2 -o modules.d/spin.so spin.c
 *     bench --module-path=modules.d spin,turns=1000
 */
#include <errno.h>

#include <bench/module.h>

struct spin_params {
	uint64_t turns;
};

static int spin_run(struct bench_worker *w, uint64_t ops)
{
	const struct spin_params *p = w->job->params;

	for (uint64_t i = 0; i < ops; i++)
		for (uint64_t turn = 0; turn < p->turns; turn++)
			__asm__ volatile("");
	return 0;
}

static const struct bench_option spin_options[] = {
	{ .name = "turns",
	  .type = BENCH_OPT_U64,
	  .offset = offsetof(struct spin_params, turns),
	  .min = 1,
	  .max = 1000000000,
	  .def = "100",
	  .help = "turns of the loop in one operation" },
	{ .name = NULL },
};

const struct bench_module bench_module_spin = {
	.abi = BENCH_MODULE_ABI,
	.exec = BENCH_EXEC_BLOCKING,
	.name = "spin",
	.summary = "an empty loop: the example of a module outside of the tree",
	.op = "turns turns of a loop",
	.options = spin_options,
	.params_size = sizeof(struct spin_params),
	.run = spin_run,
};
