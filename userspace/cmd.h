/* SPDX-License-Identifier: BSD-2-Clause */
/* The subcommands. Each gets argv with argv[0] its own name and returns the exit code. */
#ifndef CMD_H
#define CMD_H

#define EXIT_FAILED 1	 /* a job failed or is invalid */
#define EXIT_REQUEST 2	 /* the request cannot be served; said before any workload */
#define EXIT_REGRESSED 3 /* a threshold is broken, or a comparison found a regression */

int cmd_run(int argc, char **argv);
int cmd_exec(int argc, char **argv);
int cmd_peer(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_view(int argc, char **argv);

#endif
