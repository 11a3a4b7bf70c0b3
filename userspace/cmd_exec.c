// SPDX-License-Identifier: BSD-2-Clause
// A program of the user's own under the same measurement. The report goes to stderr, as perf stat's
// does: stdout belongs to the command.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "core/cli.h"
#include "core/exec.h"
#include "core/exec_plan.h"
#include "core/option.h"
#include "core/output.h"
#include "core/run.h"
#include "core/sampling.h"
#include "core/trace.h"
#include "core/spawner.h"
#include "core/watch.h"

struct exec_command {
	const char *config, *command, *name, *parameter; /* all but config: the last one given */
	uint64_t help;
};

static const char *const file_word[] = { "FILE", NULL };
static const char *const command_word[] = { "CMD", NULL };
static const char *const name_word[] = { "NAME", NULL };
static const char *const values_word[] = { "NAME=VALUES", NULL };

static const struct bench_option command_options[] = {
	{ "command", BENCH_OPT_STRING, offsetof(struct exec_command, command), 0, 0, NULL,
	  command_word, "a command in one line; given again, commands run in turns", NULL, 0 },
	{ "name", BENCH_OPT_STRING, offsetof(struct exec_command, name), 0, 0, NULL, name_word,
	  "what the report calls it; given again, the next command", NULL, 'n' },
	{ "parameter", BENCH_OPT_STRING, offsetof(struct exec_command, parameter), 0, 0, NULL,
	  values_word, "run each command with each value, {1,2,4} or 1..8, in place of {NAME}", NULL,
	  0 },
	{ "config", BENCH_OPT_STRING, offsetof(struct exec_command, config), 0, 0, NULL, file_word,
	  "config file; its [general] and [exec] sections apply", NULL, 0 },
	{ "help", BENCH_OPT_BOOL, offsetof(struct exec_command, help), 0, 0, "0", NULL, "this text",
	  NULL, 'h' },
	{ NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 0 },
};

static int help(void)
{
	printf("Usage: bench exec [OPTIONS] -- COMMAND [ARGUMENT...]\n"
	       "       bench exec [OPTIONS] --command=CMD [--command=CMD...]\n"
	       "       bench exec [OPTIONS] -p PID | --cgroup=DIR\n\n"
	       "Runs the command: warm-up runs, then trials. Reports wall, user and system time, peak\n"
	       "memory, counters and probes over the whole process tree. The report goes to stderr.\n"
	       "Several commands run in turns, in rounds of random order, and are compared.\n"
	       "With -p or --cgroup it watches what runs already, and does not touch it.\n"
	       "Exits with the command's status; 124 when it took longer than --timeout, 125 when bench\n"
	       "or a command around it (--setup, ...) fails, 126 when the command cannot be executed,\n"
	       "127 when it is not found, 3 when it ended well and a --threshold is broken. --trials=1 --warmup=0 runs it exactly once.\n\n");
	option_help(command_options, "--", stdout);
	option_help(exec_options, "--", stdout);
	return 0;
}

static int fail(const struct bench_err *err)
{
	fprintf(stderr, "bench: %s\n", err->msg);
	return EXEC_FAILED;
}

/* Jobs that failed for this reason, before job nr end. */
static unsigned failed_so(const json_t *jobs, size_t end, const char *reason)
{
	unsigned nr = 0;
	const json_t *job;
	size_t i;

	json_array_foreach (jobs, i, job)
		nr += i < end && !strcmp(bench_result_str(job, "status"), "failed") &&
		      !strcmp(bench_result_str(job, "reason"), reason);
	return nr;
}

/* Each failure once, however many jobs it ended. */
static void tell_failures(const json_t *jobs, const struct bench_err *err)
{
	const json_t *job;
	size_t i;

	if (err->msg[0])
		fprintf(stderr, "bench: %s\n", err->msg);
	json_array_foreach (jobs, i, job) {
		const char *reason = bench_result_str(job, "reason");

		if (strcmp(bench_result_str(job, "status"), "failed") || !strcmp(reason, err->msg) ||
		    failed_so(jobs, i, reason))
			continue;
		if (json_array_size(jobs) > failed_so(jobs, json_array_size(jobs), reason))
			fprintf(stderr, "bench: %s: %s\n", bench_result_str(job, "name"), reason);
		else
			fprintf(stderr, "bench: %s\n", reason);
	}
}

/* Commands that never ran leave nothing worth saving. */
static bool anything(const struct run *run)
{
	const json_t *jobs = json_object_get(run->result, "jobs"), *job;
	bool found = run->stop;
	size_t i;

	json_array_foreach (jobs, i, job)
		found |= bench_result_num(job, "trials") > 0;
	return found;
}

/* What runs already. */
static int watch(const struct exec_settings *settings, int argc, char **argv)
{
	struct output output = { 0 };
	struct bench_err err = { 0 };
	struct run run;
	int status = EXEC_FAILED, code;

	if (watch_check(settings, &err) || output_init(&output, &settings->common, &err)) {
		output_done(&output);
		return fail(&err);
	}
	if (run_open(&run, &settings->common, argc, argv, &err) || run_open_probes(&run, &err) ||
	    sampling_open(&run.sampling, &run, output.target.path, settings->common.force, &err) ||
	    trace_open(&run.trace, &run, output.target.path, settings->common.force, &err)) {
		fail(&err);
		goto out;
	}
	run_open_live(&run, NULL);
	status = watch_execute(&run, settings, &err);
	if (err.msg[0]) {
		fail(&err);
		goto out;
	}
	run_finish(&run);
	code = output_finish(&output, &run, stderr);
	if (code && !status)
		status = code == OUTPUT_BROKEN ? code : EXEC_FAILED;
out:
	run_close(&run);
	output_done(&output);
	return status;
}

static int execute(const struct exec_settings *settings, const struct exec_plan *plan, int argc,
		   char **argv)
{
	const struct spawn_commands commands = { .argvs = (char *const *const *)plan->commands,
						 .nr = plan->nr_commands,
						 .nr_silent = plan->nr,
						 .discard_output = settings->discard_output };
	struct output output = { 0 };
	struct bench_err err = { 0 };
	struct spawner spawner = { 0 };
	struct run run;
	int status = EXEC_FAILED, code;

	if (output_init(&output, &settings->common, &err)) {
		fail(&err);
		goto closed;
	}
	if (output.target.stream && !settings->discard_output) {
		bench_fail(&err, -EINVAL,
			   "exec: -o - writes to standard output, which is the command's; add "
			   "--discard-output, or choose a file");
		fail(&err);
		goto closed;
	}
	if (settings->common.live && !settings->discard_output &&
	    (isatty(STDOUT_FILENO) || isatty(STDERR_FILENO))) {
		bench_fail(&err, -EINVAL,
			   "exec: --live draws on the terminal, which is the command's, too; add "
			   "--discard-output, or send the output to a file");
		fail(&err);
		goto closed;
	}
	if (spawner_open(&spawner, &commands, &err)) {
		fail(&err);
		goto closed;
	}
	if (run_open(&run, &settings->common, argc, argv, &err) || run_open_probes(&run, &err) ||
	    sampling_open(&run.sampling, &run, output.target.path, settings->common.force, &err) ||
	    trace_open(&run.trace, &run, output.target.path, settings->common.force, &err)) {
		fail(&err);
		goto out;
	}
	run_open_live(&run, NULL);
	status = exec_execute(&run, &spawner, settings, plan, &err);
	tell_failures(json_object_get(run.result, "jobs"), &err);
	run_finish(&run);
	if (anything(&run)) {
		code = output_finish(&output, &run, stderr);
		if (code && !status)
			status = code == OUTPUT_BROKEN ? code : EXEC_FAILED;
	}
out:
	run_close(&run);
closed:
	spawner_close(&spawner);
	output_done(&output);
	return status;
}

/* All values of an option that is given more than once. malloc'ed. */
static const char **values(const struct cli *cli, const char *name, unsigned *ret_nr)
{
	const char **list = calloc(cli->nr_given + 1, sizeof(*list));

	*ret_nr = 0;
	for (unsigned i = 0; list && i < cli->nr_given; i++)
		if (cli->given[i].table == 0 && !strcmp(cli->given[i].option->name, name))
			list[(*ret_nr)++] = cli->given[i].value;
	return list;
}

static int plan_and_execute(const struct cli *cli, const struct exec_settings *settings, int argc,
			    char **argv)
{
	struct exec_request request = {
		.argv = cli->words,
		.hooks = { settings->setup, settings->prepare, settings->cleanup },
	};
	const char **texts = values(cli, "command", &request.nr_texts);
	const char **names = values(cli, "name", &request.nr_names);
	const char **parameters = values(cli, "parameter", &request.nr_parameters);
	struct exec_plan plan = { 0 };
	struct bench_err err = { 0 };
	bool watched = settings->pid || settings->cgroup;
	int code;

	cli->words[cli->nr_words] = NULL;
	request.texts = request.nr_texts ? texts : NULL;
	request.names = names;
	request.parameters = parameters;
	if (!texts || !names || !parameters)
		bench_fail(&err, -ENOMEM, "out of memory");
	else if (settings->common.runtime == RUNTIME_BOTH)
		bench_fail(&err, -EINVAL,
			   "exec: runtime=uring,blocking compares the jobs of `bench run`; give "
			   "--runtime=auto, uring or blocking");
	else if (watched && (request.nr_texts || cli->nr_words))
		bench_fail(&err, -EINVAL, "exec: give either a command or something to watch");
	else if (!watched)
		(void)exec_plan_build(&plan, &request, &err);
	if (err.code)
		code = fail(&err);
	else
		code = watched ? watch(settings, argc, argv) : execute(settings, &plan, argc, argv);
	exec_plan_free(&plan);
	free(texts);
	free(names);
	free(parameters);
	return code;
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
	if (cli_parse(&cli, argc, argv, true, &err) || cli_apply(&cli, 0, &command, &err))
		code = fail(&err);
	else if (command.help)
		code = help();
	else if (config_read(command.config, exec_options, &settings, &jobs, NULL, &err) ||
		 cli_apply(&cli, 1, &settings, &err) ||
		 cli_join(&cli, "threshold", ';', &settings.common.threshold, &err))
		code = fail(&err);
	else
		code = plan_and_execute(&cli, &settings, argc, argv);
	job_list_free(&jobs);
	cli_done(&cli);
	return code;
}
