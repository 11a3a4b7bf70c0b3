/* SPDX-License-Identifier: BSD-2-Clause */
/* The processes that descend from one, from /proc, and what each has used so far. */
#ifndef CORE_TREE_H
#define CORE_TREE_H

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

struct tree {
	pid_t *pids; /* parents before their children */
	unsigned nr, room;
};

/* Read all descendants anew; `without` (may be NULL) names processes to leave out together with
 * what descends from them. Processes that start or end meanwhile may or may not be in it. -ENOMEM. */
int tree_read(struct tree *tree, const struct tree *without);
/* The same of a process and all its descendants. */
int tree_read_of(struct tree *tree, pid_t root, const struct tree *without);
int tree_add(struct tree *tree, pid_t pid); /* -ENOMEM */
bool tree_has(const struct tree *tree, pid_t pid);
void tree_done(struct tree *tree);

/* Add what a process has used so far, with the children that it waited for: CPU time to the ns (the
 * children's to 10 ms), faults, switches; ru_maxrss becomes the larger one. False when the process
 * has ended or is ending: then nothing but its CPU time is added. */
bool tree_add_usage(pid_t pid, struct rusage *sum);
/* Add the usage of a process that was waited for. */
void rusage_add(struct rusage *sum, const struct rusage *more);

#endif
