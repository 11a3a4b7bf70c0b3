/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the model is filled from: the memory file of a run, or a saved result. */
#ifndef VIEW_FEED_H
#define VIEW_FEED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "bench/error.h"
#include "model.h"

struct feed {
	int file;    /* -1 = a saved result, all there */
	int answers; /* pipe to the run, -1 = none */
	int pidfd;   /* of the run, -1 = not known */
	pid_t pid;
	uint64_t offset;
	char *rest; /* of a line that is not complete */
	size_t len;
};

/* Descriptors that --live hands over; pid is the run's. */
int feed_inherited(struct feed *ret_feed, int file, int answers, pid_t pid, struct bench_err *err);
/* A run that goes on. pid 0 = the only one there is. -ESRCH, -EACCES, -EINVAL (there are several: err
 * names them). */
int feed_attach(struct feed *ret_feed, pid_t pid, struct bench_err *err);
/* A saved result, into the model at once. As bench_result_load(). */
int feed_file(struct feed *ret_feed, struct model *model, const char *path, struct bench_err *err);
void feed_close(struct feed *feed);

/* Read what came since. -EPROTO: the run speaks another version. */
int feed_poll(struct feed *feed, struct model *model, struct bench_err *err);
/* Has the process ended? */
bool feed_gone(const struct feed *feed);
/* Tell the run a line ("mark"). Never blocks; false when it could not be told. */
bool feed_answer(const struct feed *feed, const char *line);

#endif
