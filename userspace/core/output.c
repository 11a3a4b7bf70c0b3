// SPDX-License-Identifier: BSD-2-Clause
#include "core/output.h"

#include <errno.h>
#include <string.h>

int output_init(struct output *output, const struct settings *settings, struct bench_err *err)
{
	*output = (struct output){ .reporter = reporter_find(settings->format, err) };
	if (!output->reporter)
		return -EINVAL;
	return result_target_init(&output->target, settings->output, settings->force, err);
}

int output_finish(struct output *output, struct run *run, FILE *out)
{
	struct bench_report_style style;
	struct bench_err err = { 0 };
	int code = run_exit_code(run);

	if (output->target.stream)
		out = stderr;
	style = reporter_style(out);
	/* Saved first: a closed pipe or a full terminal log must not cost the result. */
	if (result_save(run->result, &output->target, &err)) {
		fprintf(stderr, "bench: the result is not saved: %s\n", err.msg);
		code = code ? code : 1;
	}
	live_wait(run->live, &run->stop); /* the report has its terminal */
	if (output->reporter->report(run->result, &style, out, &err) || fflush(out)) {
		fprintf(stderr, "bench: the report is cut short: %s\n",
			err.msg[0] ? err.msg : strerror(errno));
		code = code ? code : 1;
	} else if (output->target.path && !err.code && !run->settings->quiet) {
		fprintf(stderr, "saved %s\n", output->target.path);
	}
	return code;
}

void output_done(struct output *output)
{
	result_target_done(&output->target);
}
