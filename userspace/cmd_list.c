// SPDX-License-Identifier: BSD-2-Clause
// What there is, what runs here, and why not. Needs no privileges and initialises nothing that was
// not asked about.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "core/cli.h"
#include "core/modules.h"
#include "core/nearest.h"
#include "core/option.h"
#include "core/registry.h"
#include "core/settings.h"
#include "counters/counters.h"
#include "probe/probe.h"
#include "runtime/async.h"

static void list_modules(FILE *out)
{
	const struct bench_module *m;

	for (unsigned i = 0; (m = module_at(i)); i++) {
		/* Calls check() with the default parameters, which ends with the largest. */
		_Alignas(64) unsigned char params[1024] = { 0 };
		struct bench_err err = { 0 };

		fprintf(out, "%s%-12s %s\n", i ? "\n" : "", m->name, m->summary);
		fprintf(out, "  op: %s\n  needs: %s", m->op,
			m->exec == BENCH_EXEC_ASYNC ? "the uring runtime (async)" : "any runtime (blocking)");
		if (m->sibling)
			fprintf(out, "; on blocking use %s", m->sibling);
		if (m->min_workers)
			fprintf(out, m->max_workers == m->min_workers ? "; %u workers" :
									"; %u workers at least",
				m->min_workers);
		fputc('\n', out);
		if (m->check && m->params_size <= sizeof(params)) {
			option_defaults(m->options, params);
			if (m->check(params, &err))
				fprintf(out, "  not here: %s\n", err.msg);
		}
		option_help(m->options, "", out);
	}
	fprintf(out, "\nEvery job also takes:\n");
	option_help(job_options, "", out);
}

static void list_reporters(FILE *out)
{
	for (unsigned i = 0; registry_reporters[i]; i++)
		fprintf(out, "%-16s %s\n", registry_reporters[i]->name, registry_reporters[i]->summary);
}

static void list_runtimes(FILE *out)
{
	struct async_caps caps;
	struct bench_err err = { 0 };
	const char *words[64];

	if (async_probe(&caps, &err)) {
		fprintf(out, "%-16s not here: %s\n", "uring", err.msg);
	} else {
		fprintf(out, "%-16s io_uring per worker:", "uring");
		for (unsigned i = 0, nr = async_caps_words(&caps, words, 64); i < nr; i++)
			fprintf(out, " %s", words[i]);
		fputc('\n', out);
	}
	fprintf(out, "%-16s pinned threads and poll(2); BLOCKING modules only\n", "blocking");
}

static const struct {
	const char *name;
	void (*list)(FILE *out);
} topics[] = {
	{ "modules", list_modules },   { "probes", probe_list },     { "counters", counter_list },
	{ "reporters", list_reporters }, { "runtimes", list_runtimes },
};

#define NR_TOPICS (sizeof(topics) / sizeof(topics[0]))

static int list_topic(const char *name)
{
	struct nearest n = { .name = name };

	for (unsigned i = 0; i < NR_TOPICS; i++) {
		if (strcmp(topics[i].name, name) == 0) {
			topics[i].list(stdout);
			return 0;
		}
		nearest_offer(&n, topics[i].name);
	}
	fprintf(stderr, "bench: cannot list '%s'; %s%s%s\n", name,
		n.best ? "did you mean '" : "there are modules, probes, counters, reporters, runtimes",
		n.best ? n.best : "", n.best ? "'?" : "");
	return EXIT_REQUEST;
}

static const char *const dir_word[] = { "DIR", NULL };

struct list_command {
	const char *module_path;
	uint64_t help;
};

static const struct bench_option list_options[] = {
	{ "module-path", BENCH_OPT_STRING, offsetof(struct list_command, module_path), 0, 0, NULL,
	  dir_word, "list the modules (*.so) of this directory, too", NULL, 0 },
	{ "help", BENCH_OPT_BOOL, offsetof(struct list_command, help), 0, 0, "0", NULL,
	  "this text", NULL, 'h' },
	{ NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 0 },
};

static int help(void)
{
	printf("Usage: bench list [OPTIONS] [modules|probes|counters|reporters|runtimes]\n\n"
	       "Without a topic, all of them.\n\n");
	option_help(list_options, "--", stdout);
	return 0;
}

static int list(const struct cli *cli)
{
	if (cli->nr_words)
		return list_topic(cli->words[0]);
	for (unsigned i = 0; i < NR_TOPICS; i++) {
		printf("%s== %s\n", i ? "\n" : "", topics[i].name);
		topics[i].list(stdout);
	}
	return 0;
}

int cmd_list(int argc, char **argv)
{
	struct cli cli = { .tables = { list_options } };
	struct list_command command;
	struct bench_err err = { 0 };
	int code = EXIT_REQUEST, rc;

	option_defaults(list_options, &command);
	rc = cli_parse(&cli, argc, argv, false, &err);
	rc = rc ? rc : cli_apply(&cli, 0, &command, &err);
	if (!rc && !command.help && cli.nr_words > 1)
		rc = bench_fail(&err, -EINVAL, "list takes one topic at most");
	if (!rc && !command.help && command.module_path)
		rc = modules_load(command.module_path, &err);
	if (rc)
		fprintf(stderr, "bench: %s\n", err.msg);
	else
		code = command.help ? help() : list(&cli);
	cli_done(&cli);
	return code;
}
