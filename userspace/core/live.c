// SPDX-License-Identifier: BSD-2-Clause
#include "core/live.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bench/clock.h"
#include "bench/result.h"
#include "core/live_show.h"
#include "core/result.h"

/* Of the last line. */
#define END_ROOM 4096

struct live {
	struct loop *loop, *other; /* NULL = none */
	json_t *result; /* borrowed */
	uint64_t started_ns, size, nr_dropped;
	int file, pipe[2];
	bool watched;
	unsigned job;
	char step[200];	   /* told last */
	size_t nr_warnings; /* told so far */
	char line[256];	    /* of a viewer, not complete yet */
	size_t len;
	struct live_viewer viewer;
};

bool live_watched(const struct live *live)
{
	return live && live->watched;
}

/* Time of the calling thread, the orchestrator's: what the tool costs. */
static json_int_t own_cpu_ns(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts))
		return 0;
	return (json_int_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void live_tell(struct live *live, const char *type, json_t *members)
{
	/* There is always room for the word that it is over, which a viewer waits for. */
	uint64_t room = strcmp(type, "end") ? LIVE_MAX - END_ROOM : LIVE_MAX;
	json_t *object;
	char *text;
	size_t len;

	if (!live) {
		json_decref(members);
		return;
	}
	object = json_pack("{s:s, s:I, s:i, s:I}", "t", type, "at_ns",
			   (json_int_t)(bench_now_ns() - live->started_ns), "job", (int)live->job,
			   "tool_ns", own_cpu_ns());
	if (members)
		json_object_update(object, members);
	json_decref(members);
	text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15));
	json_decref(object);
	len = text ? strlen(text) : 0;
	if (len)
		text[len++] = '\n'; /* over the end: written with its length */
	/* The file's size grows when the bytes are there: a reader sees whole lines, or knows by the
	 * missing newline that it does not. */
	if (!len || live->size + len > room ||
	    pwrite(live->file, text, len, (off_t)live->size) != (ssize_t)len)
		live->nr_dropped++;
	else
		live->size += len;
	free(text);
}

void live_step(struct live *live, unsigned job, const char *name, const char *text)
{
	if (!live || (live->job == job && !strcmp(live->step, text)))
		return;
	live->job = job;
	strncpy(live->step, text, sizeof(live->step) - 1);
	live_tell(live, "step", json_pack("{s:o, s:o}", "name", result_text(name), "text",
					  result_text(text)));
}

static json_t *new_warnings(struct live *live)
{
	const json_t *all = json_object_get(live->result, "warnings");
	json_t *fresh = json_array();

	for (; live->nr_warnings < json_array_size(all); live->nr_warnings++)
		json_array_append(fresh, json_array_get(all, live->nr_warnings));
	return fresh;
}

void live_job(struct live *live, unsigned nr, const json_t *job, uint64_t at_ns, bool over)
{
	if (!live)
		return;
	live_tell(live, "doc",
		  json_pack("{s:i, s:O, s:b, s:I, s:o}", "job", (int)nr, "doc", (json_t *)job, "over", (int)over,
			    "first_ns",
			    at_ns > live->started_ns ? (json_int_t)(at_ns - live->started_ns) : 0,
			    "warnings", new_warnings(live)));
}

/* A moment somebody marked: kept in the result. */
static void mark(struct live *live, const char *text)
{
	json_t *marks = json_object_get(live->result, "marks");
	uint64_t at_ns = bench_now_ns() - live->started_ns;
	json_t *one = json_pack("{s:I, s:i, s:o}", "at_ns", (json_int_t)at_ns, "job",
				(int)live->job, "text", result_text(text));

	if (!marks) {
		marks = json_array();
		json_object_set_new(live->result, "marks", marks);
	}
	/* Enough for anybody who marks by hand, and a bound for who does not. */
	if (json_array_size(marks) < 10000)
		json_array_append(marks, one);
	live_tell(live, "mark", json_deep_copy(one));
	json_decref(one);
}

static void on_line(struct live *live, const char *line)
{
	if (!strcmp(line, "hello"))
		live->watched = true;
	else if (!strncmp(line, "mark ", 5) || !strcmp(line, "mark"))
		mark(live, line[4] ? line + 5 : "");
}

static void on_answer(void *arg, short revents)
{
	struct live *live = arg;
	char buf[512];
	ssize_t nr = read(live->pipe[0], buf, sizeof(buf));

	(void)revents;
	for (ssize_t i = 0; i < nr; i++) {
		if (buf[i] != '\n') {
			/* The rest of a line that is too long is dropped. */
			if (live->len < sizeof(live->line) - 1)
				live->line[live->len++] = buf[i];
			continue;
		}
		live->line[live->len] = 0;
		live->len = 0;
		on_line(live, live->line);
	}
}

bool live_shown(const struct live *live)
{
	return live && live->viewer.pid;
}

int live_open(struct live **ret_live, struct loop *loop, json_t *result, uint64_t started_ns,
	      struct bench_err *err)
{
	struct live *live = calloc(1, sizeof(*live));
	int rc;

	if (!live)
		return bench_fail(err, -ENOMEM, "out of memory");
	*live = (struct live){ .loop = loop, .result = result, .started_ns = started_ns,
			       .file = -1, .pipe = { -1, -1 } };
	live->file = memfd_create("bench-live", MFD_CLOEXEC);
	rc = live->file < 0 || pipe2(live->pipe, O_CLOEXEC | O_NONBLOCK) ? -errno : 0;
	rc = rc ? rc : loop_watch(loop, live->pipe[0], POLLIN, on_answer, live);
	if (rc) {
		live->loop = NULL;
		live_close(live);
		return bench_fail(err, rc, "live view: %s", strerror(-rc));
	}
	live_tell(live, "live",
		  json_pack("{s:i, s:i, s:i, s:I}", "version", LIVE_VERSION, "pid", (int)getpid(),
			    "answers", live->pipe[1], "started_ns", (json_int_t)started_ns));
	*ret_live = live;
	return 0;
}

int live_also(struct live *live, struct loop *loop)
{
	int rc = live ? loop_watch(loop, live->pipe[0], POLLIN, on_answer, live) : 0;

	if (live && !rc)
		live->other = loop;
	return rc;
}

void live_close(struct live *live)
{
	static const bool at_once = true;

	if (!live)
		return;
	live_viewer_wait(&live->viewer, &at_once);
	if (live->loop)
		loop_unwatch(live->loop, live->pipe[0]);
	if (live->other)
		loop_unwatch(live->other, live->pipe[0]);
	for (unsigned i = 0; i < 2; i++)
		if (live->pipe[i] >= 0)
			close(live->pipe[i]);
	if (live->file >= 0)
		close(live->file);
	free(live);
}

int live_show(struct live *live, struct bench_err *err)
{
	int rc;

	if (!live)
		return bench_fail(err, -ENOTSUP, "there is nothing to watch");
	rc = live_viewer_start(&live->viewer, live->loop, live->other, live->file,
			       live->pipe[1], err);
	live->watched |= !rc;
	return rc;
}

void live_wait(struct live *live, const bool *stop)
{
	if (!live)
		return;
	live_tell(live, "end", json_pack("{s:I}", "dropped", (json_int_t)live->nr_dropped));
	live_viewer_wait(&live->viewer, stop);
}
