/* SPDX-License-Identifier: BSD-2-Clause */
/* Starts the wrapped command and keeps its process tree together, from a small process of its own:
 *
 *  - It is forked before anything is loaded. A program's peak memory is never less than what its
 *    parent held at fork (the kernel keeps that mark across execve), and forking it costs little.
 *  - What the command leaves behind becomes its child (PR_SET_CHILD_SUBREAPER), so that the CPU time
 *    of all of the tree can be told, and all of it can be ended.
 *  - It outlives us by as long as it takes to end the tree, whatever ended us.
 *
 * Everything stays in the caller's process group, session and terminal: job control goes on. */
#ifndef CORE_SPAWNER_H
#define CORE_SPAWNER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>
#include "bench/error.h"

/* What is left of an interrupted run this long after the signal is killed. */
#define SPAWN_GRACE_MS 2000
/* Runs that one request can ask for. */
#define SPAWN_RUNS 64

struct spawner {
	pid_t pid; /* 0 = none */
	int sock;
};

/* The command at its gate, about to exec. */
struct spawned {
	pid_t pid;
	int gate; /* -1 = closed, or there is none */
};

/* How a run ended. */
struct spawn_end {
	int error;	      /* negative errno: it could not be started, and nothing below counts */
	int exec_errno;	      /* of execve(2), 0 = it was executed */
	int status;	      /* of wait4() */
	uint64_t start_ns;    /* just before execve(2); 0 = it did not get there */
	uint64_t exit_ns;     /* when the command had ended */
	uint64_t rss_floor;   /* bytes that it held before execve(2): its peak cannot be less */
	struct rusage usage;  /* of the whole tree; ru_maxrss is that of its largest process */
	unsigned nr_running;  /* processes of this run that have not ended */
};

/* All that it may be asked to start: an argv each, which ends with NULL. */
struct spawn_commands {
	char *const *const *argvs;
	unsigned nr;
	unsigned nr_silent;  /* the first so many have stdout and stderr sent to /dev/null, */
	bool discard_output; /* and the others stdout, if this is set */
};

/* commands must live as long. Call it early, with a single thread. */
int spawner_open(struct spawner *s, const struct spawn_commands *commands, struct bench_err *err);
/* Ends the helper. A run that was started and did not end or stop is killed. */
void spawner_close(struct spawner *s);

/* Start a command. When it has ended its tree is accounted, and what still runs goes on. Where nr
 * is more than 1 it is started again at once, so many times in all, without a way to the caller and
 * back: that takes as long as a short command. A run that does not end with status 0, leaves
 * something running or is stopped is the last one. nr: 1 to SPAWN_RUNS. All of them are answered
 * together, once. */
int spawner_run(struct spawner *s, unsigned command, unsigned nr, struct bench_err *err);
/* The same up to its gate, where counters and probes can be put on it: two more messages, and a
 * process that has to be woken up for each. */
int spawner_start(struct spawner *s, unsigned command, struct spawned *ret_spawned,
		  struct bench_err *err);
void spawned_go(struct spawned *c);
/* Pass a signal on to the whole tree and kill what is left of it after SPAWN_GRACE_MS; the answer
 * comes when all has ended. What is in our process group has it already when it came from the
 * terminal. A command that hangs in execve(2) is killed at once, because the helper waits for that to
 * return. Means nothing when the answer is under way. */
int spawner_stop(struct spawner *s, int signo, bool from_terminal);
/* The answer, once s->sock is readable: how each run ended, in SPAWN_RUNS places. Returns how many
 * runs there were; -EAGAIN when there is no answer, -EPIPE when the helper is gone. */
int spawner_ended(struct spawner *s, struct spawn_end *ret_ends);
void spawned_done(struct spawned *c);

/* --- core/spawner_serve.c: the helper process --- */

enum spawn_op { SPAWN_START, SPAWN_STOP };

#define SPAWN_NAME "bench-spawn" /* of the helper, and of a command until it is executed */

struct spawn_request {
	enum spawn_op op;
	unsigned command;   /* SPAWN_START */
	unsigned nr;	    /* SPAWN_START: runs */
	int signo;	    /* SPAWN_STOP */
	bool from_terminal; /* SPAWN_STOP */
};

struct spawn_serve {
	int sock;
	const struct spawn_commands *commands;
	const void *mask; /* the sigset_t that a command starts with */
};

/* Does not return. */
_Noreturn void spawner_serve(const struct spawn_serve *config);

#endif
