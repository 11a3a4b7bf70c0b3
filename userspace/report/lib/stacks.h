/* SPDX-License-Identifier: BSD-2-Clause */
/* The stacks of a result, as one tree: jobs, below them events, below these commands and then their
 * functions, outermost first. A level of which only one was asked for, and that of a single job, is
 * left out. */
#ifndef REPORT_LIB_STACKS_H
#define REPORT_LIB_STACKS_H

#include <stdbool.h>
#include <stdint.h>
#include "bench/reporter.h"

enum stack_kind {
	STACK_GROUP, /* a job or an event */
	STACK_COMMAND,
	STACK_USER,
	STACK_INLINED,
	STACK_KERNEL,
	STACK_JIT,
	STACK_NONE, /* of a wait without a stack */
};

struct stack_place {
	const char *name; /* never empty: of a function that is not known "[file]" */
	const char *dso;  /* its file, "" = none */
	enum stack_kind kind;
	double self, total; /* in the tree's unit */
	uint32_t number; /* the reporter's own */
	struct stack_place *first, *next; /* below it; beside it, by name */
};

struct stack_tree {
	struct stack_place *root; /* "all" */
	const char *unit; /* "ns" or "cycles" */
	unsigned nr_others; /* trees of another unit, which are not in it */
	double cut; /* of the total: told of a place above its own */
	/* memory */
	struct stack_place **chunks;
	unsigned nr_chunks, nr_used;
	char **texts;
	unsigned nr_texts;
};

/* Order of places by what they are called, whatever is above them. For qsort() and tsearch(): of
 * struct stack_place. */
int stack_place_compare(const void *a, const void *b);

/* What style asks for of a result. -ENODATA: there are no stacks of that, and err says why; -ENOMEM. */
int stack_tree_new(struct stack_tree *ret_tree, const json_t *result,
		   const struct bench_report_style *style, struct bench_err *err);
void stack_tree_free(struct stack_tree *tree);

#endif
