// SPDX-License-Identifier: BSD-2-Clause
/* The report for people. Each job has a block; what matters most stands at its top, and the summary
 * at the very end, next to the prompt. */
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "report/lib/sections.h"

#define WIDTH_MIN 40u

static int report_job(struct text *t, const json_t *job)
{
	const json_t *metrics = bench_result_get(job, "metrics");

	t->job = job;
	t->metrics = json_is_array(metrics) ? metrics : NULL;
	t->shown = calloc(json_array_size(metrics) + 1, sizeof(*t->shown));
	if (!t->shown)
		return -ENOMEM;
	section_job(t);
	free(t->shown);
	t->shown = NULL;
	return 0;
}

static int report_jobs(struct text *t, const json_t *result)
{
	const json_t *jobs = bench_result_get(result, "jobs"), *job;
	size_t i;

	json_array_foreach (jobs, i, job) {
		const json_t *peer = bench_result_get(job, "peer");
		int rc = report_job(t, job);

		if (!rc && json_is_object(bench_result_get(peer, "job"))) {
			section_peer(t, peer);
			rc = report_job(t, bench_result_get(peer, "job"));
		}
		if (rc)
			return rc;
	}
	return 0;
}

static int text_report(const json_t *result, const struct bench_report_style *style, FILE *out,
		       struct bench_err *err)
{
	struct text t = { .out = out, .style = style, .width = style->width };
	locale_t before = 0, base = duplocale(LC_GLOBAL_LOCALE), numeric;
	int r;

	/* A decimal comma would make numbers ambiguous. */
	numeric = newlocale(LC_NUMERIC_MASK, "C", base);
	if (!numeric && base)
		freelocale(base);
	if (numeric)
		before = uselocale(numeric);
	if (t.width < WIDTH_MIN)
		t.width = WIDTH_MIN;
	errno = 0;
	section_head(&t, result);
	r = report_jobs(&t, result);
	section_sweeps(&t, result);
	section_summary(&t, result);
	section_comparison(&t, result);
	section_runtimes(&t, result);
	if (!r && (fflush(out) || ferror(out)))
		r = errno ? -errno : -EIO;
	if (numeric) {
		uselocale(before);
		freelocale(numeric);
	}
	if (r)
		bench_fail(err, r, "write the report: %s", strerror(-r));
	return r;
}

const struct bench_reporter bench_reporter_text = {
	.name = "text",
	.summary = "for people: what, how fast, how sure, and where the time went",
	.report = text_report,
};
