// SPDX-License-Identifier: BSD-2-Clause
#include "core/stuck.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/worker.h"

/* Different places that are told apart; further ones are counted together. */
#define PLACES 6

/* The calls in which threads of this program sleep on purpose; others are told by number. */
static const struct {
	long nr;
	const char *name;
} calls[] = {
	{ SYS_read, "read" },
	{ SYS_write, "write" },
	{ SYS_pread64, "pread64" },
	{ SYS_pwrite64, "pwrite64" },
	{ SYS_fsync, "fsync" },
	{ SYS_fdatasync, "fdatasync" },
	{ SYS_futex, "futex" },
	{ SYS_recvfrom, "recvfrom" },
	{ SYS_sendto, "sendto" },
	{ SYS_wait4, "wait4" },
	{ SYS_ppoll, "ppoll" },
	{ SYS_epoll_pwait, "epoll_pwait" },
	{ SYS_clock_nanosleep, "clock_nanosleep" },
	{ SYS_io_uring_enter, "io_uring_enter" },
};

/* The first line of /proc/self/task/TID/NAME; false when it cannot be read. */
static bool task_line(pid_t tid, const char *name, char *buf, int size)
{
	char path[64];
	FILE *f;
	bool got;

	snprintf(path, sizeof(path), "/proc/self/task/%d/%s", (int)tid, name);
	f = fopen(path, "re");
	if (!f)
		return false;
	got = fgets(buf, size, f);
	fclose(f);
	if (got)
		buf[strcspn(buf, "\n")] = '\0';
	return got;
}

/* R, S, D, ...: what follows the name, which may have any character in it. '?' = gone. */
static char task_state(pid_t tid)
{
	char line[512];
	const char *end = task_line(tid, "stat", line, sizeof(line)) ? strrchr(line, ')') : NULL;

	return end && end[1] == ' ' ? end[2] : '?';
}

/* The kernel's function, or how it is otherwise. */
static void task_place(pid_t tid, char *text, size_t size)
{
	char state = task_state(tid), place[128];

	if (state == 'R')
		snprintf(text, size, "running or runnable");
	else if (state == '?')
		snprintf(text, size, "gone");
	else if (task_line(tid, "wchan", place, sizeof(place)) && place[0] && strcmp(place, "0"))
		snprintf(text, size, "asleep in %s", place);
	else
		snprintf(text, size, "in state %c", state);
}

void stuck_thread(pid_t tid, char *text, size_t size)
{
	char line[256], *end;
	size_t used;
	long nr;

	task_place(tid, text, size);
	used = strlen(text);
	/* "running", or "-1 SP PC" outside of a call, or the call's number and arguments. */
	if (!task_line(tid, "syscall", line, sizeof(line)))
		return;
	nr = strtol(line, &end, 10);
	if (end == line || nr < 0)
		return;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].nr == nr) {
			snprintf(text + used, size - used, " (system call %s)", calls[i].name);
			return;
		}
	snprintf(text + used, size - used, " (system call %ld)", nr);
}

struct place {
	char name[64];
	unsigned nr;
};

/* The last place takes what has none of its own. */
static void count_place(struct place *places, unsigned *nr_places, const char *name)
{
	unsigned i = 0;

	while (i < *nr_places && strcmp(places[i].name, name))
		i++;
	if (i == *nr_places && i < PLACES)
		snprintf(places[(*nr_places)++].name, sizeof(places[0].name), "%s", name);
	places[i].nr++;
}

void stuck_others(const pid_t *tids, unsigned nr, char *text, size_t size)
{
	struct place places[PLACES + 1] = { 0 };
	DIR *dir = opendir("/proc/self/task");
	unsigned nr_places = 0;
	struct dirent *entry;
	size_t used = 0;

	text[0] = '\0';
	while (dir && (entry = readdir(dir))) {
		pid_t tid = (pid_t)atoi(entry->d_name);
		char place[64];
		bool known = tid <= 0 || tid == gettid();

		for (unsigned i = 0; i < nr; i++)
			known |= tids[i] == tid;
		if (known)
			continue;
		task_place(tid, place, sizeof(place));
		count_place(places, &nr_places, place);
	}
	if (dir)
		closedir(dir);
	for (unsigned i = 0; i <= PLACES && used < size; i++)
		if (places[i].nr)
			used += (size_t)snprintf(text + used, size - used, "%s%u %s", used ? ", " : "",
						 places[i].nr,
						 places[i].name[0] ? places[i].name : "elsewhere");
}

void stuck_workers(const struct runtime *rt, const struct job_run *jr, unsigned nr,
		   const char *callback, char *text, size_t size)
{
	pid_t *tids = calloc(jr->nr, sizeof(*tids));
	char one[120], others[240] = "";
	unsigned late = 0, nr_late = 0;

	for (unsigned i = jr->nr; i-- > 0;) {
		if (tids)
			tids[i] = runtime_thread(rt, jr->workers[i].thread)->tid;
		if (i >= nr || jr->workers[i].done)
			continue;
		late = i;
		nr_late++;
	}
	stuck_thread(runtime_thread(rt, jr->workers[late].thread)->tid, one, sizeof(one));
	if (tids)
		stuck_others(tids, jr->nr, others, sizeof(others));
	snprintf(text, size,
		 "a worker does not come back from the kernel: worker %u in %s(), %s%s%s%s", late,
		 callback, one, nr_late > 1 ? "; others, too" : "",
		 others[0] ? "; the threads beside the workers: " : "", others);
	free(tids);
}
