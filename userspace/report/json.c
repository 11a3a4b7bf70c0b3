// SPDX-License-Identifier: BSD-2-Clause
/* The document itself, byte for byte as it is saved. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/reporter.h"
#include "core/result.h"

static int json_report(const json_t *result, const struct bench_report_style *style, FILE *out,
		       struct bench_err *err)
{
	char *text = result_dump(result);
	int r = 0;

	(void)style;
	if (!text)
		return bench_fail(err, -ENOMEM, "write the report: out of memory");
	errno = 0;
	if (fputs(text, out) == EOF || fflush(out)) {
		r = errno ? -errno : -EIO;
		bench_fail(err, r, "write the report: %s", strerror(-r));
	}
	free(text);
	return r;
}

const struct bench_reporter bench_reporter_json = {
	.name = "json",
	.summary = "the whole result, as it is saved",
	.report = json_report,
};
