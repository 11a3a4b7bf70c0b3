/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding a reporter and printing a result with it. */
#ifndef CORE_REPORT_H
#define CORE_REPORT_H

#include <stdio.h>
#include <jansson.h>
#include "bench/error.h"
#include "bench/reporter.h"

/* The reporter called name, or NULL with err naming the nearest. */
const struct bench_reporter *reporter_find(const char *name, struct bench_err *err);
/* Colour, charset and width that suit out. */
struct bench_report_style reporter_style(FILE *out);

#endif
