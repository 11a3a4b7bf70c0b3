// SPDX-License-Identifier: BSD-2-Clause
// The table of subcommands. Without one, `run` is meant.
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/error.h"
#include "cmd.h"
#include "core/nearest.h"
#include "core/modules.h"
#include "core/version.h"

static const struct command {
	const char *name, *summary;
	int (*main)(int argc, char **argv);
} commands[] = {
	{ "run", "run workloads and say how fast and why (the default command)", cmd_run },
	{ "exec", "run a program of yours under the same measurement", cmd_exec },
	{ "peer", "serve the other end of network jobs to a bench on another host", cmd_peer },
	{ "list", "modules, probes, counters, reporters, runtimes, and why any is missing", cmd_list },
	{ "report", "print a saved result again, in any format", cmd_report },
	{ "view", "look at a saved result, or watch a run, on the terminal", cmd_view },
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(void)
{
	printf("Usage: bench [run] [OPTIONS] [MODULE[,key=value...]...]\n"
	       "       bench COMMAND ...\n\n"
	       "bench runs workloads on this host and says how fast it is and why.\n"
	       "Without modules it runs the default suite, in less than a minute.\n\n");
	for (unsigned i = 0; i < NR_COMMANDS; i++)
		printf("  %-8s %s\n", commands[i].name, commands[i].summary);
	printf("\n  bench COMMAND --help   options of a command\n"
	       "  bench --version        version\n\n"
	       "Examples:\n"
	       "  bench --runtime=uring --counters        the whole suite, in depth\n"
	       "  bench disk,rw=randread,depth=32         one job\n"
	       "  bench exec -- make -j4                  a program of yours\n");
}

/* A lone word that is neither command nor module is a mistake in either. */
static int unknown(const char *word)
{
	struct nearest n = { .name = word };

	for (unsigned i = 0; i < NR_COMMANDS; i++)
		nearest_offer(&n, commands[i].name);
	if (!n.best)
		return 0;
	fprintf(stderr, "bench: unknown command or module '%s'; did you mean 'bench %s'?\n", word,
		n.best);
	return EXIT_REQUEST;
}

/* A descriptor 0, 1 or 2 that is closed would be given to the next file that is opened, and be
 * written to. */
static void fill_standard_files(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", O_RDWR);
}

static int dispatch(int argc, char **argv)
{
	/* Only the character set is taken from the user: numbers are always written the C way. */
	setlocale(LC_CTYPE, "");
	if (argc > 1) {
		for (unsigned i = 0; i < NR_COMMANDS; i++)
			if (strcmp(argv[1], commands[i].name) == 0)
				return commands[i].main(argc - 1, argv + 1);
		if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
		    strcmp(argv[1], "-h") == 0) {
			help();
			return 0;
		}
		if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
			printf("bench %s (%s)\n", bench_version(), bench_commit());
			return 0;
		}
		if (argv[1][0] != '-' && !strchr(argv[1], ',')) {
			struct bench_err err = { 0 };

			if (!module_find(argv[1], &err) && !strstr(err.msg, "did you mean") &&
			    unknown(argv[1]))
				return EXIT_REQUEST;
		}
	}
	return cmd_run(argc, argv);
}

int main(int argc, char **argv)
{
	int code;

	fill_standard_files();
	/* A reader that went away and a file size limit are errors of the write that meets them. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	code = dispatch(argc, argv);
	if ((fflush(stdout) || ferror(stdout)) && !code) {
		fprintf(stderr, "bench: cannot write to standard output: %s\n", strerror(errno));
		code = EXIT_FAILED;
	}
	return code;
}
