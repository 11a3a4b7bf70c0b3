/* SPDX-License-Identifier: BSD-2-Clause */
/* One worker of one job, driven by a test instead of the core. */
#ifndef TESTS_MODULE_RIG_H
#define TESTS_MODULE_RIG_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/module.h"
#include "core/option.h"
#include "core/result.h"

struct rig {
	const struct bench_module *module;
	void *params;
	char *text; /* backs the string parameters */
	struct bench_window window;
	struct bench_job job;
	struct bench_err err;
};

/* Parameters from "key=value,key=value"; what is not named has its default. 0 or the error of
 * parsing or validate(). */
static inline int rig_params(struct rig *r, const char *text)
{
	char *save = NULL;
	int ret = 0;

	option_defaults(r->module->options, r->params);
	free(r->text);
	r->text = strdup(text);
	for (char *key = strtok_r(r->text, ",", &save); key && !ret;
	     key = strtok_r(NULL, ",", &save)) {
		char *value = strchr(key, '=');
		const struct bench_option *opt;

		*value++ = '\0';
		opt = option_find(r->module->options, key);
		ret = opt ? option_set(opt, r->params, value, &r->err)
			  : bench_fail(&r->err, -ENOENT, "no option '%s'", key);
	}
	if (!ret && r->module->validate)
		ret = r->module->validate(r->params, &r->err);
	return ret;
}

static inline void rig_init(struct rig *r, const struct bench_module *module, unsigned nr_workers)
{
	*r = (struct rig){ .module = module };
	r->params = calloc(1, module->params_size);
	r->job = (struct bench_job){ .params = r->params, .nr_workers = nr_workers };
	r->window = (struct bench_window){ .start_ns = 0, .end_ns = UINT64_MAX };
}

static inline void rig_worker(struct rig *r, struct bench_worker *w, unsigned index)
{
	*w = (struct bench_worker){ .job = &r->job,
				    .window = &r->window,
				    .index = index,
				    .cpu = -1,
				    .latency = bench_hist_new(BENCH_HIST_BITS_WORKER) };
	if (r->module->state_size)
		w->state = calloc(1, r->module->state_size);
}

static inline void rig_worker_done(struct bench_worker *w)
{
	bench_hist_free(w->latency);
	free(w->state);
}

static inline void rig_done(struct rig *r)
{
	if (r->module->teardown)
		r->module->teardown(&r->job);
	metric_set_free(r->job.metrics);
	free(r->params);
	free(r->text);
}

#endif
