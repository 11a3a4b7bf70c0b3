// SPDX-License-Identifier: BSD-2-Clause
/* Collecting: rings of the probes are emptied into memory while a window is open, so that little of
 * them is overwritten, and become text when it is over. */
#include "core/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bench/clock.h"
#include "core/result.h"
#include "core/run.h"
#include "core/trace_file.h"
#include "probe/steps.h"

/* Rings hold 4096 transitions; emptied so often, a thread may switch 400,000 times a second. */
#define EMPTY_NS (10 * BENCH_NS_PER_MS)
/* Threads of a job that have a ring are fewer; see PROBE_RINGS. */
#define MAX_THREADS 256
#define CHUNK 512
/* Of one window, in memory. */
#define MAX_KEPT (1u << 20)

struct list {
	void *items;
	size_t nr, room, size;
};

struct thread {
	pid_t tid;
	char comm[16];
	struct probe_cursor cursor;
	struct list steps;
};

struct cpu {
	struct probe_cursor turns_at, blocks_at, served_at;
	struct list turns, blocks, served;
};

struct trace {
	struct run *run;
	struct trace_file *file;
	struct result_file out;
	char *path;
	bool force, open; /* a window is */
	struct loop *loop; /* of the window, with the timer */
	int timer;
	unsigned job, trial;
	struct thread threads[MAX_THREADS];
	struct cpu *cpus;
	unsigned nr_cpus;
	uint64_t nr_kept, nr_lost; /* of the window; of the run, by the rings or MAX_KEPT */
	struct trace_start *starts; /* of the windows of jobs that are not over */
	unsigned nr_starts;
};

static char *trace_path(const char *result_path)
{
	size_t len = strlen(result_path);
	char *path;

	if (len > 5 && !strcmp(result_path + len - 5, ".json"))
		len -= 5;
	if (asprintf(&path, "%.*s.trace.json", (int)len, result_path) < 0)
		return NULL;
	return path;
}

int trace_open(struct trace **ret_trace, struct run *run, const char *result_path, bool force,
	       struct bench_err *err)
{
	struct trace *t;
	int rc;

	*ret_trace = NULL;
	if (!run->settings->trace)
		return 0;
	if (!result_path)
		return bench_fail(err, -EINVAL,
				  "--trace writes a file beside the result's: choose one with --output");
	t = calloc(1, sizeof(*t));
	if (!t)
		return bench_fail(err, -ENOMEM, "out of memory");
	*t = (struct trace){ .run = run, .force = force, .timer = -1, .out = { .fd = -1 },
			     .path = trace_path(result_path),
			     .nr_cpus = probe_steps_cpus(run->probes) };
	t->cpus = calloc(t->nr_cpus + 1, sizeof(*t->cpus));
	rc = t->path && t->cpus ? result_file_open(&t->out, t->path, force, err) :
				  bench_fail(err, -ENOMEM, "out of memory");
	rc = rc ? rc : trace_file_open(&t->file, t->out.fd, run->settings->trace, run->started_ns,
				       run->probes, err);
	if (rc) {
		trace_close(t);
		return rc;
	}
	if (!run->probes)
		result_warn(run->result, "trace: without probes it has trials, slow operations and "
					 "the series only");
	*ret_trace = t;
	return 0;
}

void trace_close(struct trace *trace)
{
	struct trace *t = trace;

	if (!t)
		return;
	if (t->timer >= 0)
		loop_cancel_timer(t->loop, t->timer);
	for (unsigned i = 0; i < MAX_THREADS; i++)
		free(t->threads[i].steps.items);
	for (unsigned i = 0; t->cpus && i < t->nr_cpus; i++) {
		free(t->cpus[i].turns.items);
		free(t->cpus[i].blocks.items);
		free(t->cpus[i].served.items);
	}
	trace_file_close(t->file);
	result_file_close(&t->out);
	free(t->starts);
	free(t->cpus);
	free(t->path);
	free(t);
}

/* --- emptying the rings --- */

/* Room for nr more items, or NULL: then they are lost. */
static void *room_for(struct trace *t, struct list *list, size_t nr, size_t size)
{
	list->size = size;
	if (t->nr_kept + nr > MAX_KEPT)
		return NULL;
	if (list->nr + nr > list->room) {
		size_t room = list->room ? 2 * list->room : 2 * CHUNK;
		void *grown;

		while (room < list->nr + nr)
			room *= 2;
		grown = realloc(list->items, room * size);
		if (!grown)
			return NULL;
		list->items = grown;
		list->room = room;
	}
	return (char *)list->items + list->nr * size;
}

static void keep(struct trace *t, struct list *list, const void *items, size_t nr, size_t size)
{
	void *to = nr ? room_for(t, list, nr, size) : NULL;

	if (!to) {
		t->nr_lost += nr;
		return;
	}
	memcpy(to, items, nr * size);
	list->nr += nr;
	t->nr_kept += nr;
}

static void empty_threads(struct trace *t)
{
	struct probe_step steps[CHUNK];
	unsigned nr;

	for (unsigned i = 0; i < MAX_THREADS; i++) {
		struct thread *th = &t->threads[i];
		char comm[16];
		pid_t tid;

		if (!probe_steps_thread(t->run->probes, i, &tid, comm))
			return;
		/* The dead keep the name they had. */
		if (tid) {
			th->tid = tid;
			memcpy(th->comm, comm, sizeof(comm));
		}
		while ((nr = probe_steps(t->run->probes, i, &th->cursor, steps, CHUNK)))
			keep(t, &th->steps, steps, nr, sizeof(*steps));
	}
}

static void empty_cpus(struct trace *t)
{
	struct probe_block blocks[CHUNK];
	struct probe_served served[CHUNK];
	struct probe_turn turns[CHUNK];
	unsigned nr;

	for (unsigned i = 0; i < t->nr_cpus; i++) {
		struct cpu *c = &t->cpus[i];

		while ((nr = probe_turns(t->run->probes, i, &c->turns_at, turns, CHUNK)))
			keep(t, &c->turns, turns, nr, sizeof(*turns));
		while ((nr = probe_blocks(t->run->probes, i, &c->blocks_at, blocks, CHUNK)))
			keep(t, &c->blocks, blocks, nr, sizeof(*blocks));
		while ((nr = probe_served(t->run->probes, i, &c->served_at, served, CHUNK)))
			keep(t, &c->served, served, nr, sizeof(*served));
	}
}

static void on_timer(void *arg)
{
	struct trace *t = arg;

	empty_threads(t);
	empty_cpus(t);
	t->timer = loop_timer(t->loop, bench_now_ns() + EMPTY_NS, on_timer, t);
}

void trace_begin(struct trace *trace, unsigned job, unsigned trial)
{
	struct trace *t = trace;

	if (!t)
		return;
	t->job = job;
	t->trial = trial;
	t->open = true;
	t->nr_kept = 0;
	for (unsigned i = 0; i < MAX_THREADS; i++) {
		struct thread *th = &t->threads[i];

		th->steps.nr = 0;
		th->tid = 0;
		th->cursor.lost = 0;
		probe_steps_skip(t->run->probes, i, &th->cursor);
	}
	for (unsigned i = 0; i < t->nr_cpus; i++) {
		struct cpu *c = &t->cpus[i];

		c->turns.nr = c->blocks.nr = c->served.nr = 0;
		c->turns_at.lost = c->blocks_at.lost = c->served_at.lost = 0;
		probe_turns_skip(t->run->probes, i, &c->turns_at);
		probe_blocks_skip(t->run->probes, i, &c->blocks_at);
		probe_served_skip(t->run->probes, i, &c->served_at);
	}
	t->loop = run_loop(t->run);
	if (t->run->probes)
		t->timer = loop_timer(t->loop, bench_now_ns() + EMPTY_NS, on_timer, t);
}

/* --- writing a window --- */

static void note_start(struct trace *t, uint64_t start_ns)
{
	struct trace_start *grown = realloc(t->starts, (t->nr_starts + 1) * sizeof(*grown));

	if (!grown)
		return;
	t->starts = grown;
	t->starts[t->nr_starts++] = (struct trace_start){ t->job, t->trial, start_ns };
}

static void write_window(struct trace *t, const struct bench_window *window)
{
	struct trace_place place = { .job = t->job, .from_ns = window->start_ns,
				     .to_ns = window->end_ns };

	trace_file_trial(t->file, &place, t->trial);
	for (unsigned i = 0; i < MAX_THREADS; i++) {
		const struct thread *th = &t->threads[i];

		trace_file_thread(t->file, &place, th->tid, th->comm, th->steps.items,
				  (unsigned)th->steps.nr);
		t->nr_lost += th->cursor.lost;
	}
	for (unsigned i = 0; i < t->nr_cpus; i++) {
		const struct cpu *c = &t->cpus[i];

		trace_file_cpu(t->file, &place, i, c->turns.items, (unsigned)c->turns.nr);
		trace_file_blocks(t->file, &place, c->blocks.items, (unsigned)c->blocks.nr);
		trace_file_served(t->file, &place, i, c->served.items, (unsigned)c->served.nr);
		t->nr_lost += c->turns_at.lost + c->blocks_at.lost + c->served_at.lost;
	}
}

void trace_end(struct trace *trace, const struct bench_window *window, bool keep_it)
{
	struct trace *t = trace;

	if (!t || !t->open)
		return;
	t->open = false;
	if (t->timer >= 0)
		loop_cancel_timer(t->loop, t->timer);
	t->timer = -1;
	if (!keep_it)
		return;
	empty_threads(t);
	empty_cpus(t);
	note_start(t, window->start_ns);
	write_window(t, window);
}

void trace_job(struct trace *trace, unsigned job, const json_t *row)
{
	struct trace *t = trace;
	unsigned kept = 0;

	if (!t)
		return;
	trace_file_job(t->file, job, row, t->starts, t->nr_starts);
	for (unsigned i = 0; i < t->nr_starts; i++)
		if (t->starts[i].job != job)
			t->starts[kept++] = t->starts[i];
	t->nr_starts = kept;
}

void trace_finish(struct trace *trace)
{
	struct trace *t = trace;
	struct bench_err err = { 0 };
	uint64_t nr_dropped;
	int rc;

	if (!t)
		return;
	rc = trace_file_finish(t->file, t->nr_lost, &nr_dropped, &err);
	rc = rc ? rc : result_file_publish(&t->out, t->path, t->force, &err);
	if (rc) {
		result_warn(t->run->result, "no trace is kept: %s", err.msg);
		return;
	}
	if (t->nr_lost)
		result_warn(t->run->result,
			    "trace: %" PRIu64 " events came faster than they could be kept",
			    t->nr_lost);
	if (nr_dropped)
		result_warn(t->run->result,
			    "trace: %" PRIu64 " events did not fit; --trace=SIZE gives it more room",
			    nr_dropped);
	json_array_append_new(json_object_get(t->run->result, "artifacts"),
			      json_pack("{s:s, s:o}", "kind", "trace", "path", result_text(t->path)));
}
