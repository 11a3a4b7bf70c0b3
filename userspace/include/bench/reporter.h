/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_REPORTER_H
#define BENCH_REPORTER_H

#include "bench/result.h"

struct bench_report_style {
	bool color;	/* a terminal, and NO_COLOR unset */
	bool utf8;	/* the locale's charset */
	unsigned width; /* columns, 100 unless the terminal is narrower */
	/* What is shown, for reporters of stacks: */
	unsigned job;	    /* this one of the result's (1, 2, ...), 0 = all */
	const char *event;  /* its samples only ("cpu-clock", "offcpu-time"), NULL = all */
	const json_t *base; /* a result that it is compared with, NULL = none */
};

/* Renders a result. One const descriptor per file of userspace/report/: `report/foo.c` defines
 * `const struct bench_reporter bench_reporter_foo` whose .name is "foo". */
struct bench_reporter {
	const char *name;    /* file stem with '-' for '_', value of --format */
	const char *summary; /* one line for `bench list reporters` */
	/* 0, or negative errno from writing; -ENODATA: the result has nothing of what was asked for. */
	int (*report)(const json_t *result, const struct bench_report_style *style, FILE *out,
		      struct bench_err *err);
};

#endif
