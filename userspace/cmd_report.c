// SPDX-License-Identifier: BSD-2-Clause
/* bench report: a saved result through any reporter, without measuring again. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd.h"
#include "core/registry.h"
#include "core/report.h"
#include "core/result.h"
#include "core/threshold.h"

static void help(FILE *out)
{
	fprintf(out, "Usage: bench report FILE [--format=NAME] [-o FILE]\n\n"
		     "Print a saved result; '-' reads standard input.\n\n"
		     "  -f, --format=NAME  how to print it (text):\n");
	for (unsigned i = 0; registry_reporters[i]; i++)
		fprintf(out, "                       %-12s %s\n", registry_reporters[i]->name,
			registry_reporters[i]->summary);
	fprintf(out, "  -o, --output=FILE  write to FILE instead of standard output, replacing it\n"
		     "  --threshold=METRIC<VALUE\n"
		     "                     exit with 3 unless this holds, such as 'latency.p99<2ms' or\n"
		     "                     '[disk*] ops>=50k'; may be given again\n"
		     "  --job=N|NAME       stacks: of this job only\n"
		     "  --event=NAME       stacks: of these samples only, such as 'cpu-clock' or\n"
		     "                     'offcpu-time'\n"
		     "  --base=FILE        flamegraph: colour what has changed since this result\n"
		     "  -h, --help         this text\n\n"
		     "Exit status: 0 printed, 1 the output could not be written, 2 bad request or "
		     "bad file,\n3 a threshold is broken.\n");
}

struct request {
	const char *input, *output;
	const char *job, *event, *base;
	const struct bench_reporter *reporter;
	char *list; /* of thresholds */
	struct thresholds *thresholds;
	bool help;
};

static int add_threshold(struct request *req, const char *text, struct bench_err *err)
{
	char *list;

	if (asprintf(&list, "%s;%s", req->list ? req->list : "", text) < 0)
		return bench_fail(err, -ENOMEM, "out of memory");
	free(req->list);
	req->list = list;
	return 0;
}

static int parse(struct request *req, int argc, char **argv, struct bench_err *err)
{
	static const struct option options[] = {
		{ "format", required_argument, NULL, 'f' },
		{ "output", required_argument, NULL, 'o' },
		{ "threshold", required_argument, NULL, 't' },
		{ "job", required_argument, NULL, 'j' },
		{ "event", required_argument, NULL, 'e' },
		{ "base", required_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *format = "text";
	int option;

	optind = 0; /* the caller may have used getopt before */
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":f:o:h", options, NULL)) != -1) {
		if (option == 'h')
			req->help = true;
		else if (option == 'f')
			format = optarg;
		else if (option == 'o')
			req->output = optarg;
		else if (option == 'j')
			req->job = optarg;
		else if (option == 'e')
			req->event = optarg;
		else if (option == 'b')
			req->base = optarg;
		else if (option == 't' && add_threshold(req, optarg, err))
			return -ENOMEM;
		else if (option != 't')
			return bench_fail(err, -EINVAL, "%s '%s'; see bench report --help",
					  option == ':' ? "a value is missing for"
							: "unknown option",
					  argv[optind - 1]);
	}
	req->reporter = reporter_find(format, err);
	if (req->help)
		return 0;
	if (!req->reporter || thresholds_parse(&req->thresholds, req->list, err))
		return -EINVAL;
	if (optind >= argc)
		return bench_fail(err, -EINVAL, "which file? Usage: bench report FILE; see --help");
	if (optind + 1 < argc)
		return bench_fail(err, -EINVAL, "one file at a time: '%s' is one too many",
				  argv[optind + 1]);
	req->input = argv[optind];
	return 0;
}

/* A device or a pipe cannot be renamed over: write to it as it is. */
static bool is_plain_target(const char *path)
{
	struct stat st;

	return stat(path, &st) || S_ISREG(st.st_mode);
}

/* What is shown of the result: its number, or the first job of that name. */
static int choose(const struct request *req, const json_t *result, json_t **ret_base,
		  struct bench_report_style *style, struct bench_err *err)
{
	const json_t *jobs = json_object_get(result, "jobs"), *job;
	char *end = NULL;
	unsigned long nr = req->job ? strtoul(req->job, &end, 10) : 0;
	size_t i;

	style->event = req->event;
	if (req->job && (*end || end == req->job)) {
		nr = 0;
		json_array_foreach (jobs, i, job)
			if (!nr && !strcmp(bench_result_str(job, "name"), req->job))
				nr = i + 1;
	}
	if (req->job && (!nr || nr > json_array_size(jobs)))
		return bench_fail(err, -EINVAL, "--job=%s: neither a number from 1 to %zu nor the name "
				  "of a job in %s", req->job, json_array_size(jobs), req->input);
	style->job = (unsigned)nr;
	if (req->base && bench_result_load(ret_base, req->base, err))
		return -EINVAL;
	style->base = *ret_base;
	return 0;
}

/* Rendered in memory first, so that a reporter that fails leaves the old file as it was. */
static int report_to_file(const struct request *req, const json_t *result,
			  struct bench_report_style style, struct bench_err *err)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int r;

	if (!out)
		return bench_fail(err, -ENOMEM, "write '%s': out of memory", req->output);
	style.width = 100;
	style.utf8 = reporter_style(stdout).utf8;
	r = req->reporter->report(result, &style, out, err);
	if (fclose(out) && !r)
		r = bench_fail(err, -ENOMEM, "write '%s': out of memory", req->output);
	if (!r)
		r = result_write(req->output, true, text, size, err);
	free(text);
	return r;
}

static int report_to_stream(const struct request *req, const json_t *result,
			    struct bench_report_style style, struct bench_err *err)
{
	bool own = req->output && strcmp(req->output, "-");
	FILE *out = own ? fopen(req->output, "we") : stdout;
	struct bench_report_style plain;
	int r;

	if (!out) {
		r = -errno;
		return bench_fail(err, r, "open '%s': %s", req->output, strerror(-r));
	}
	plain = reporter_style(out);
	style.color = plain.color;
	style.utf8 = plain.utf8;
	style.width = plain.width;
	r = req->reporter->report(result, &style, out, err);
	if (own && fclose(out) && !r) {
		r = -errno;
		bench_fail(err, r, "write '%s': %s", req->output, strerror(-r));
	}
	return r;
}

int cmd_report(int argc, char **argv)
{
	struct request req = { 0 };
	struct bench_err err = { 0 };
	struct bench_report_style style = { 0 };
	json_t *result = NULL, *base = NULL;
	int code = 0;

	if (parse(&req, argc, argv, &err)) {
		code = EXIT_REQUEST;
	} else if (req.help) {
		help(stdout);
	} else if (bench_result_load(&result, req.input, &err) ||
		   choose(&req, result, &base, &style, &err)) {
		code = EXIT_REQUEST;
	} else {
		bool file = req.output && strcmp(req.output, "-") && is_plain_target(req.output);
		unsigned nr_broken = thresholds_apply(req.thresholds, result);
		int r = file ? report_to_file(&req, result, style, &err)
			     : report_to_stream(&req, result, style, &err);

		/* The reader went away (a pager, head): nothing to complain about. */
		code = r && r != -EPIPE ? EXIT_FAILED : nr_broken ? EXIT_REGRESSED : 0;
		if (r == -ENODATA) /* the result has nothing of what was asked for */
			code = EXIT_REQUEST;
	}
	if (code && code != EXIT_REGRESSED)
		fprintf(stderr, "bench: %s\n", err.msg);
	json_decref(result);
	json_decref(base);
	thresholds_free(req.thresholds);
	free(req.list);
	return code;
}
