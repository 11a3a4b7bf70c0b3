// SPDX-License-Identifier: BSD-2-Clause
// What there is, what runs here, and why not. Needs no privileges and initialises nothing that was
// not asked about.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "core/cli.h"
#include "core/nearest.h"
#include "core/option.h"
#include "core/registry.h"
#include "core/settings.h"
#include "counters/counters.h"
#include "probe/probe.h"
#include "runtime/async.h"

static void list_modules(FILE *out)
{
	for (unsigned i = 0; registry_modules[i]; i++) {
		const struct bench_module *m = registry_modules[i];
		/* Calls check() with the default parameters, which ends with the largest. */
		_Alignas(64) unsigned char params[1024] = { 0 };
		struct bench_err err = { 0 };

		fprintf(out, "%s%-12s %s\n", i ? "\n" : "", m->name, m->summary);
		fprintf(out, "  op: %s\n  needs: %s", m->op,
			m->exec == BENCH_EXEC_ASYNC ? "the uring runtime (async)" : "any runtime (blocking)");
		if (m->sibling)
			fprintf(out, "; on blocking use %s", m->sibling);
		if (m->min_workers)
			fprintf(out, "; %u workers", m->min_workers);
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

int cmd_list(int argc, char **argv)
{
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		printf("Usage: bench list [modules|probes|counters|reporters|runtimes]\n\n"
		       "Without a topic, all of them.\n");
		return 0;
	}
	if (argc > 2) {
		fprintf(stderr, "bench: list takes one topic at most\n");
		return EXIT_REQUEST;
	}
	if (argc == 2)
		return list_topic(argv[1]);
	for (unsigned i = 0; i < NR_TOPICS; i++) {
		printf("%s== %s\n", i ? "\n" : "", topics[i].name);
		topics[i].list(stdout);
	}
	return 0;
}
