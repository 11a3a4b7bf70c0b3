/* SPDX-License-Identifier: BSD-2-Clause */
/* Samples summed up by their whole stacks: for each job and event a tree whose first level is the
 * command (the thread's name), and below it its functions, outermost first. */
#ifndef PROFILE_CALLTREE_H
#define PROFILE_CALLTREE_H

#include <jansson.h>
#include "profile/fold.h"
#include "profile/samples.h"

struct calltree;

/* spans live as long. NULL when out of memory. */
struct calltree *calltree_new(const struct fold_span *spans, unsigned nr_spans, unsigned nr_jobs);
void calltree_free(struct calltree *stacks); /* NULL is fine */
void calltree_add(struct calltree *stacks, const struct sample *sample, struct symbols *symbols);

/* Places in the trees of a job that a result keeps, those of most time. What lies above one that is
 * left out has its time. */
#define CALLTREE_KEPT 20000u

/* "stacks" of a job's profile: frames, and a tree for each event, whose unit is ns. Samples in cycles
 * are told as the CPU time that they stand for, where that is known, and then there is no
 * "unsampled-cpu". NULL = there is no sample of that job, or no memory. */
json_t *calltree_json(struct calltree *stacks, unsigned job, const char *cpu_event);

#endif
