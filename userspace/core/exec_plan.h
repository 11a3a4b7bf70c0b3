/* SPDX-License-Identifier: BSD-2-Clause */
/* What `bench exec` runs: commands x values of parameters, and what belongs before and after them.
 */
#ifndef CORE_EXEC_PLAN_H
#define CORE_EXEC_PLAN_H

#include <stdbool.h>
#include <jansson.h>
#include "bench/error.h"

/* Commands around those that are measured. */
enum exec_hook { EXEC_SETUP, EXEC_PREPARE, EXEC_CLEANUP, EXEC_NR_HOOKS };

/* What the user typed. Everything lives as long as the plan. */
struct exec_request {
	const char *const *texts;      /* --command, one line each; NULL = there is argv instead */
	char *const *argv;	       /* the words behind "--", ends with NULL */
	const char *const *names;      /* of the commands, in their order; may be fewer */
	const char *const *parameters; /* "NAME=VALUES" */
	unsigned nr_texts, nr_names, nr_parameters;
	const char *hooks[EXEC_NR_HOOKS]; /* NULL = none */
};

/* One job: a command with a value for each parameter. */
struct exec_spec {
	char *name;		  /* unique */
	unsigned command;	  /* index into the plan's commands */
	int hooks[EXEC_NR_HOOKS]; /* the same, -1 = none */
	char *sweep;		  /* the command as typed, NULL = no parameters */
	json_t *params;		  /* values of the parameters, NULL = none */
};

struct exec_plan {
	struct exec_spec *specs;
	unsigned nr;
	char ***commands; /* each an argv that ends with NULL: those of the jobs, then the hooks */
	unsigned nr_commands;
};

/* Replace {NAME} by each value of each parameter, in commands, names and hooks. -EINVAL: no
 * command, a name without a command, a parameter that is used nowhere, too many values. */
int exec_plan_build(struct exec_plan *ret_plan, const struct exec_request *request,
		    struct bench_err *err);
void exec_plan_free(struct exec_plan *plan);

/* --- core/exec_words.c --- */

/* The argv for a command line, malloc'ed, ends with NULL. Words and quotes as a shell has them; a
 * line that needs more of a shell than that is one: /bin/sh -c LINE (as make does it). NULL when
 * out of memory or when there is no word. */
char **exec_words(const char *line);
/* /bin/sh -c LINE. */
char **exec_shell(const char *line);
void exec_words_free(char **argv); /* NULL is fine */

#endif
