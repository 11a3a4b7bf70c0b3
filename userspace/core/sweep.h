/* SPDX-License-Identifier: BSD-2-Clause */
/* Parameters with several values: a job that has one stands for a job for each value. */
#ifndef CORE_SWEEP_H
#define CORE_SWEEP_H

#include <stdbool.h>
#include "bench/error.h"
#include "bench/option.h"

/* Values of one parameter, and jobs of one sweep, at most. */
#define SWEEP_MAX_VALUES 1000

struct sweep_values {
	char **texts; /* as a user would type them, in order, without repetitions */
	unsigned nr;
};

/* Does text stand for several values of opt? "{a,b,...}" does for every type, "LOW..HIGH",
 * "LOW..HIGH*FACTOR" and "LOW..HIGH+STEP" do for numbers, sizes and times. */
bool sweep_is(const struct bench_option *opt, const char *text);
/* The values that text stands for; without a step numbers go up by 1, sizes and times by *2. Each
 * is one that option_set() accepts. -EINVAL: err names the parameter and what is wrong. */
int sweep_parse(struct sweep_values *ret_values, const struct bench_option *opt, const char *text,
		struct bench_err *err);
void sweep_free(struct sweep_values *values);

#endif
