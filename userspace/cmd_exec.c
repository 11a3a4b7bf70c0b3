// SPDX-License-Identifier: BSD-2-Clause
// A program of the user's own under the same measurement. The report goes to stderr, as perf stat's
// does: stdout belongs to the command.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "core/cli.h"
#include "core/exec.h"
#include "core/option.h"
#include "core/output.h"
#include "core/run.h"
#include "core/spawner.h"
#include "core/verdict.h"

struct exec_command {
	const char *config;
	uint64_t help;
};

static const char *const file_word[] = { "FILE", NULL };

static const struct bench_option command_options[] = {
	{ "config", BENCH_OPT_STRING, offsetof(struct exec_command, config), 0, 0, NULL, file_word,
	  "config file; its [general] and [exec] sections apply", NULL, 0 },
	{ "help", BENCH_OPT_BOOL, offsetof(struct exec_command, help), 0, 0, "0", NULL, "this text",
	  NULL, 'h' },
	{ NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 0 },
};

static int help(void)
{
	printf("Usage: bench exec [OPTIONS] -- COMMAND [ARGUMENT...]\n\n"
	       "Runs the command: warm-up runs, then trials. Reports wall, user and system time, peak\n"
	       "memory, counters and probes over the whole process tree. The report goes to stderr.\n"
	       "Exits with the command's status; 125 when bench fails, 126 when the command cannot be\n"
	       "executed, 127 when it is not found. --trials=1 --warmup=0 runs it exactly once.\n\n");
	option_help(command_options, "--", stdout);
	option_help(exec_options, "--", stdout);
	return 0;
}

static int fail(const struct bench_err *err)
{
	fprintf(stderr, "bench: %s\n", err->msg);
	return EXEC_FAILED;
}

static int execute(const struct exec_settings *settings, char *const command[], int argc, char **argv)
{
	struct output output = { 0 };
	struct bench_err err = { 0 };
	struct spawner spawner = { 0 };
	struct run run;
	json_t *row;
	int status = EXEC_FAILED, code;

	if (output_init(&output, &settings->common, &err))
		return fail(&err);
	if (output.target.stream && !settings->discard_output) {
		bench_fail(&err, -EINVAL,
			   "exec: -o - writes to standard output, which is the command's; add "
			   "--discard-output, or choose a file");
		return fail(&err);
	}
	if (spawner_open(&spawner, command, settings->discard_output, &err)) {
		fail(&err);
		goto closed;
	}
	if (run_open(&run, &settings->common, argc, argv, &err) || run_open_probes(&run, &err)) {
		fail(&err);
		goto out;
	}
	row = exec_execute(&run, &spawner, settings, command, &status);
	verdict_add(row);
	json_array_append_new(json_object_get(run.result, "jobs"), row);
	if (strcmp(bench_result_str(row, "status"), "failed") == 0)
		fprintf(stderr, "bench: %s\n", bench_result_str(row, "reason"));
	run_finish(&run);
	/* A command that never ran leaves nothing worth saving. */
	if (json_integer_value(json_object_get(row, "trials")) || run.stop) {
		code = output_finish(&output, &run, stderr);
		if (code && !status)
			status = EXEC_FAILED;
	}
out:
	run_close(&run);
closed:
	spawner_close(&spawner);
	output_done(&output);
	return status;
}

int cmd_exec(int argc, char **argv)
{
	struct exec_command command;
	struct exec_settings settings;
	struct job_list jobs = { 0 };
	struct bench_err err = { 0 };
	struct cli cli = { .tables = { command_options, exec_options } };
	int code;

	option_defaults(command_options, &command);
	settings = (struct exec_settings){ 0 };
	option_defaults(exec_options, &settings);
	if (cli_parse(&cli, argc, argv, true, &err) || cli_apply(&cli, 0, &command, &err)) {
		code = fail(&err);
	} else if (command.help) {
		code = help();
	} else if (config_read(command.config, exec_options, &settings, &jobs, NULL, &err) ||
		   cli_apply(&cli, 1, &settings, &err)) {
		code = fail(&err);
	} else if (!cli.nr_words) {
		bench_fail(&err, -1, "exec: no command given; bench exec [OPTIONS] -- COMMAND");
		code = fail(&err);
	} else {
		cli.words[cli.nr_words] = NULL;
		code = execute(&settings, cli.words, argc, argv);
	}
	job_list_free(&jobs);
	cli_done(&cli);
	return code;
}
