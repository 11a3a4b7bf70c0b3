// SPDX-License-Identifier: BSD-2-Clause
// Serve the other end of network jobs to a bench on another host.
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "bench/clock.h"
#include "cmd.h"
#include "core/cli.h"
#include "core/option.h"
#include "core/remote_session.h"
#include "peer/listen.h"

struct peer_command {
	const char *listen, *key, *cpus;
	uint64_t idle_ns, help;
};

static const char *const address_word[] = { "ADDR:PORT", NULL };
static const char *const file_word[] = { "FILE", NULL };
static const char *const list_word[] = { "LIST", NULL };

static const struct bench_option peer_options[] = {
	{ "listen", BENCH_OPT_STRING, offsetof(struct peer_command, listen), 0, 0, NULL,
	  address_word,
	  "address of this host and port, such as 0.0.0.0:5210 or [::]:5210; port 0 is any free "
	  "one",
	  NULL, 0 },
	{ "key", BENCH_OPT_STRING, offsetof(struct peer_command, key), 0, 0, NULL, file_word,
	  "file with the key that clients must have, 16 bytes at least", NULL, 0 },
	{ "cpus", BENCH_OPT_STRING, offsetof(struct peer_command, cpus), 0, 0, NULL, list_word,
	  "CPUs for workers, unless the client names some with peer_cpus=", NULL, 0 },
	{ "idle", BENCH_OPT_DURATION, offsetof(struct peer_command, idle_ns), BENCH_NS_PER_SEC,
	  86400 * BENCH_NS_PER_SEC, "60s", NULL, "give up a client that is silent for so long",
	  NULL, 0 },
	{ "help", BENCH_OPT_BOOL, offsetof(struct peer_command, help), 0, 0, "0", NULL, "this text",
	  NULL, 'h' },
	{ NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 0 },
};

static int help(void)
{
	printf("Usage: bench peer --listen=ADDR:PORT --key=FILE [OPTIONS]\n\n"
	       "Serves the other end of network jobs: bench net,peer=HOST:PORT --key=FILE, on another\n"
	       "host, decides what is run here, and gets the result of both ends. Clients must have\n"
	       "the same key and version; one is served at a time. A key is made by\n"
	       "  (umask 077; head -c 32 /dev/urandom | base64 > FILE)\n\n");
	option_help(peer_options, "--", stdout);
	return 0;
}

static int serve(struct wire *wire, const char *client, const char *address, const void *arg)
{
	const struct peer_command *command = arg;
	const struct remote_session_config config = { .address = address,
						      .client = client,
						      .cpus = command->cpus,
						      .idle_ns = command->idle_ns };

	return remote_session(wire, &config);
}

static int refuse(const struct bench_err *err)
{
	fprintf(stderr, "bench: %s\n", err->msg);
	return EXIT_REQUEST;
}

static int read_command(struct cli *cli, int argc, char **argv, struct peer_command *command,
			struct bench_err *err)
{
	int rc;

	option_defaults(peer_options, command);
	rc = cli_parse(cli, argc, argv, false, err);
	rc = rc ? rc : cli_apply(cli, 0, command, err);
	if (rc || command->help)
		return rc;
	if (cli->nr_words)
		return bench_fail(err, -1, "peer: unexpected argument '%s'", cli->words[0]);
	if (!command->listen || !command->key)
		return bench_fail(err, -1, "peer: give --listen=ADDR:PORT and --key=FILE");
	return 0;
}

int cmd_peer(int argc, char **argv)
{
	struct cli cli = { .tables = { peer_options } };
	struct peer_command command = { 0 };
	struct peer_listener listener = { .fd = -1, .signal_fd = -1, .serve = serve, .arg = &command };
	struct bench_err err = { 0 };
	char text[BENCH_INET_TEXT];
	int code = 0, rc = read_command(&cli, argc, argv, &command, &err);

	if (!rc && command.help) {
		code = help();
		goto out;
	}
	rc = rc ? rc : wire_key_read(&listener.key, command.key, &err);
	rc = rc ? rc : peer_listen(&listener, command.listen, &err);
	if (rc) {
		code = refuse(&err);
		goto out;
	}
	bench_inet_print(&listener.addr, text);
	printf(strchr(text, ':') ? "listening on [%s]:%u\n" : "listening on %s:%u\n", text,
	       bench_inet_port(&listener.addr));
	fflush(stdout);
	rc = peer_serve(&listener);
	code = rc > 0 ? 128 + rc : EXIT_FAILED;
	if (rc < 0)
		fprintf(stderr, "bench: peer: %s\n", strerror(-rc));
out:
	peer_close(&listener);
	cli_done(&cli);
	return code;
}
