// SPDX-License-Identifier: BSD-2-Clause
// argv and config file -> plan -> run -> report and saved result.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "core/cli.h"
#include "core/modules.h"
#include "core/option.h"
#include "core/output.h"
#include "core/remote.h"
#include "core/run.h"
#include "core/sampling.h"
#include "core/trace.h"

/* What belongs to the command line only. */
struct run_command {
	const char *config, *suite, *module_path;
	uint64_t dry_run, help;
};

static const char *const file_word[] = { "FILE", NULL };
static const char *const dir_word[] = { "DIR", NULL };
static const char *const suite_word[] = { "quick|full|FILE", NULL };

static const struct bench_option command_options[] = {
	{ "config", BENCH_OPT_STRING, offsetof(struct run_command, config), 0, 0, NULL, file_word,
	  "config file (default: ~/.config/bench/bench.conf, /etc/bench/bench.conf)", NULL, 0 },
	{ "suite", BENCH_OPT_STRING, offsetof(struct run_command, suite), 0, 0, NULL, suite_word,
	  "jobs to run: quick (less than a minute), full (up to 15), or a config file's", NULL, 0 },
	{ "module-path", BENCH_OPT_STRING, offsetof(struct run_command, module_path), 0, 0, NULL,
	  dir_word, "load the modules (*.so) of this directory, too", NULL, 0 },
	{ "dry-run", BENCH_OPT_BOOL, offsetof(struct run_command, dry_run), 0, 0, "0", NULL,
	  "print the plan and run nothing", NULL, 'n' },
	{ "help", BENCH_OPT_BOOL, offsetof(struct run_command, help), 0, 0, "0", NULL, "this text",
	  NULL, 'h' },
	{ NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 0 },
};

static int help(void)
{
	printf("Usage: bench [run] [OPTIONS] [MODULE[,key=value...]...]\n\n"
	       "Runs each job: warm-up, then trials; prints a report and saves the result. Without\n"
	       "modules the jobs of --suite or of the config file run, or else the suite quick.\n\n");
	option_help(command_options, "--", stdout);
	option_help(run_options, "--", stdout);
	printf("\nModules and their parameters: bench list modules\n");
	return 0;
}

static int refuse(const struct bench_err *err)
{
	fprintf(stderr, "bench: %s\n", err->msg);
	return EXIT_REQUEST;
}

/* Is it neither of the built-in ones? */
static bool suite_file(const char *suite)
{
	return suite && strcmp(suite, "quick") && strcmp(suite, "full");
}

/* Modules on the command line and suites replace the jobs of the config file. */
static int read_jobs(const struct cli *cli, const char *suite, const struct settings *settings,
		     struct job_list *jobs, struct bench_err *err)
{
	int rc = 0;

	if (suite && cli->nr_words)
		return bench_fail(err, -EINVAL, "give either --suite or modules, not both");
	if (cli->nr_words || (suite && !suite_file(suite)))
		job_list_drop_jobs(jobs);
	for (unsigned i = 0; i < cli->nr_words && !rc; i++)
		rc = job_list_add(jobs, cli->words[i], false, err);
	if (!rc && !jobs->nr)
		rc = job_list_add_suite(jobs, suite && !strcmp(suite, "full"), err);
	rc = rc ? rc : job_list_expand(jobs, err);
	if (!rc && settings->runtime == RUNTIME_BOTH)
		rc = job_list_pair(jobs, err);
	return rc;
}

static int read_request(struct cli *cli, int argc, char **argv, struct run_command *command,
			struct settings *settings, struct job_list *jobs, struct bench_err *err)
{
	int rc;

	option_defaults(command_options, command);
	option_defaults(run_options, settings);
	cli->tables[0] = command_options;
	cli->tables[1] = run_options;
	rc = cli_parse(cli, argc, argv, false, err);
	if (!rc)
		rc = cli_apply(cli, 0, command, err);
	if (rc || command->help)
		return rc;
	if (command->module_path)
		rc = modules_load(command->module_path, err);
	if (!rc)
		rc = config_read(command->config, run_options, settings, jobs, NULL, err);
	if (!rc && suite_file(command->suite)) {
		job_list_drop_jobs(jobs);
		rc = config_read(command->suite, run_options, settings, jobs, NULL, err);
		if (!rc && !jobs->nr)
			rc = bench_fail(err, -EINVAL, "suite '%s' has no jobs", command->suite);
	}
	if (!rc)
		rc = cli_apply(cli, 1, settings, err);
	if (!rc)
		rc = cli_join(cli, "threshold", ';', &settings->threshold, err);
	if (rc)
		return rc;
	return read_jobs(cli, command->suite, settings, jobs, err);
}

static void print_plan(const struct run *run, const struct plan *plan)
{
	plan_print(plan, stdout);
	printf("\nevents    ");
	if (run->counters)
		counter_plan_print(run->counters, stdout);
	else
		printf("none");
	printf("\nprobes%s\n", run->probes ? "" : "    none");
	if (run->probes)
		probe_print(run->probes, stdout);
}

/* The plan, and workers for it. Under --runtime=auto io_uring is given up where there is no room
 * for a ring of each worker. */
static int make_plan(struct run *run, struct plan *plan, const struct job_list *jobs,
		     struct bench_err *err)
{
	const struct settings *settings = run->settings;
	int rc;

	rc = plan_build(plan, jobs, settings, run->topology, run_active(run), err);
	if (rc)
		return rc;
	rc = run_open_workers(run, plan, err);
	if (rc != -ENOMEM || settings->runtime != RUNTIME_AUTO ||
	    runtime_active(run->runtime) != RUNTIME_URING)
		return rc;
	plan_free(plan);
	*plan = (struct plan){ 0 };
	rc = run_fall_back(run, err->msg, err);
	if (rc)
		return rc;
	return plan_build(plan, jobs, settings, run->topology, RUNTIME_BLOCKING, err);
}

static int execute(const struct settings *settings, const struct run_command *command,
		   const struct job_list *jobs, int argc, char **argv)
{
	struct output output = { 0 };
	struct bench_err err = { 0 };
	struct plan plan = { 0 };
	struct run run;
	int code = EXIT_REQUEST;

	if (output_init(&output, settings, &err)) {
		output_done(&output);
		return refuse(&err);
	}
	if (run_open(&run, settings, argc, argv, &err) || make_plan(&run, &plan, jobs, &err) ||
	    (!command->dry_run && remote_check(&run, &plan, &err)) || run_open_probes(&run, &err) ||
	    sampling_open(&run.sampling, &run, output.target.path, settings->force, &err) ||
	    trace_open(&run.trace, &run, output.target.path, settings->force, &err)) {
		refuse(&err);
		if (run.stop) /* while a peer was asked */
			code = 128 + run.signo;
		goto out;
	}
	if (command->dry_run) {
		print_plan(&run, &plan);
		code = 0;
		goto out;
	}
	run_open_live(&run, &plan);
	run_plan(&run, &plan);
	run_finish(&run);
	code = output_finish(&output, &run, stdout);
	if (run.stuck)
		_exit(code);
out:
	plan_free(&plan);
	run_close(&run);
	output_done(&output);
	return code;
}

int cmd_run(int argc, char **argv)
{
	struct run_command command;
	struct settings settings;
	struct job_list jobs = { 0 };
	struct bench_err err = { 0 };
	struct cli cli = { 0 };
	int code;

	if (read_request(&cli, argc, argv, &command, &settings, &jobs, &err))
		code = refuse(&err);
	else if (command.help)
		code = help();
	else
		code = execute(&settings, &command, &jobs, argc, argv);
	job_list_free(&jobs);
	cli_done(&cli);
	return code;
}
