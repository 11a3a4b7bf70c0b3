// SPDX-License-Identifier: BSD-2-Clause
/* When all jobs are over: samples summed up in the result, and the file completed. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/run.h"
#include "core/sampling_file.h"
#include "core/version.h"
#include "profile/calltree.h"
#include "profile/symbols.h"

/* --- the file's own facts --- */

struct build_ids {
	struct perfdata_build_id *list;
	unsigned nr, room;
};

static void add_build_id(const char *path, bool kernel, const unsigned char *id, unsigned size,
			 void *ctx)
{
	struct build_ids *b = ctx;

	if (b->nr == b->room) {
		unsigned room = b->room ? 2 * b->room : 32;
		struct perfdata_build_id *grown = reallocarray(b->list, room, sizeof(*grown));

		if (!grown)
			return;
		b->list = grown;
		b->room = room;
	}
	b->list[b->nr] = (struct perfdata_build_id){ .path = path, .kernel = kernel, .size = size };
	memcpy(b->list[b->nr++].id, id, size);
}

/* The kernel tells its own among its notes (elf(5): name, description, type). */
static void add_kernel(struct build_ids *b)
{
	unsigned char notes[4096];
	FILE *file = fopen("/sys/kernel/notes", "re");
	size_t len = file ? fread(notes, 1, sizeof(notes), file) : 0, at = 0;

	if (file)
		fclose(file);
	while (at + 12 <= len) {
		uint32_t n[3];
		size_t text = at + 12, desc;

		memcpy(n, notes + at, sizeof(n));
		desc = text + (n[0] + 3) / 4 * 4;
		if (n[0] > len || n[1] > len || desc + n[1] > len)
			return;
		if (n[2] == 3 && n[0] == 4 && !memcmp(notes + text, "GNU", 4) && n[1] <= 20) {
			add_build_id("[kernel.kallsyms]", true, notes + desc, n[1], b);
			return;
		}
		at = desc + (n[1] + 3) / 4 * 4;
	}
}

static int complete(struct sampling *s, const struct symbols *symbols, struct bench_err *err)
{
	const json_t *result = s->run->result, *command = json_object_get(result, "command");
	const char **argv = calloc(json_array_size(command) + 1, sizeof(*argv));
	struct build_ids ids = { 0 };
	struct perfdata_facts facts = { .argv = argv,
					.nr_cpus = (unsigned)sysconf(_SC_NPROCESSORS_CONF),
					.nr_online = (unsigned)sysconf(_SC_NPROCESSORS_ONLN) };
	struct utsname uts = { 0 };
	char version[64];
	int rc;

	(void)uname(&uts); /* cannot fail */
	snprintf(version, sizeof(version), "bench %s", bench_version());
	facts.hostname = uts.nodename;
	facts.release = uts.release;
	facts.arch = uts.machine;
	facts.version = version;
	facts.cpu = bench_result_str(result, "host.cpu");
	facts.memory_kb = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	for (size_t i = 0; argv && i < json_array_size(command); i++)
		argv[facts.nr_argv++] = json_string_value(json_array_get(command, i));
	add_kernel(&ids);
	symbols_build_ids(symbols, add_build_id, &ids);
	facts.build_ids = ids.list;
	facts.nr_build_ids = ids.nr;
	rc = perfdata_finish(s->file, &facts, err);
	free(ids.list);
	free(argv);
	return rc;
}

/* --- the result --- */

struct folding {
	struct fold *fold;
	struct calltree *stacks;
};

static void on_sample(const struct sample *sample, struct symbols *symbols, void *ctx)
{
	struct folding *f = ctx;

	fold_add(f->fold, sample, symbols);
	calltree_add(f->stacks, sample, symbols);
}

/* A path for a shell: in quotes unless it is plain. malloc'ed, NULL when out of memory. */
static char *quoted(const char *path)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "/._-+,:@%";
	char *out = NULL;
	size_t size = 0;
	FILE *file;

	if (path[0] && !path[strspn(path, plain)])
		return strdup(path);
	file = open_memstream(&out, &size);
	if (!file)
		return NULL;
	fputc('\'', file);
	for (; *path; path++)
		fputs(*path == '\'' ? "'\\''" : (char[]){ *path, '\0' }, file);
	fputc('\'', file);
	return fclose(file) ? NULL : out;
}

/* Seconds with nine digits, as perf reads them. */
static void put_seconds(FILE *out, uint64_t ns)
{
	fprintf(out, "%" PRIu64 ".%09" PRIu64, ns / 1000000000u, ns % 1000000000u);
}

static json_t *command_json(const char *path, const struct fold_span *span)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	json_t *json;

	if (!out)
		return json_null();
	fprintf(out, "perf report -i %s --time ", path);
	put_seconds(out, span->start_ns);
	fputc(',', out);
	put_seconds(out, span->end_ns);
	if (fclose(out))
		return json_null();
	json = result_text(text);
	free(text);
	return json;
}

/* When each trial was, and how perf shows it. */
static json_t *spans_json(const struct sampling *s, unsigned job, const char *path)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < s->nr_spans; i++) {
		const struct fold_span *span = &s->spans[i];
		json_t *row;

		if (span->job != job)
			continue;
		row = json_pack("{s:i, s:I, s:I}", "trial", (int)span->trial, "start_ns",
				(json_int_t)span->start_ns, "end_ns", (json_int_t)span->end_ns);
		if (path)
			json_object_set_new(row, "command", command_json(path, span));
		json_array_append_new(list, row);
	}
	return list;
}

/* Of all of a job's trials: one stretch of time when no other job ran in between. */
static json_t *job_command(const struct sampling *s, unsigned job, const char *path)
{
	struct fold_span all = { 0 };
	bool alone = true;

	for (unsigned i = 0; i < s->nr_spans; i++) {
		if (s->spans[i].job == job) {
			all.start_ns = all.start_ns ? all.start_ns : s->spans[i].start_ns;
			all.end_ns = s->spans[i].end_ns;
		}
	}
	for (unsigned i = 0; i < s->nr_spans; i++)
		alone &= s->spans[i].job == job || s->spans[i].start_ns < all.start_ns ||
			 s->spans[i].start_ns >= all.end_ns;
	return all.start_ns && alone ? command_json(path, &all) : NULL;
}

static void put_profiles(const struct sampling *s, const struct folding *f, const char *path)
{
	json_t *jobs = json_object_get(s->run->result, "jobs"), *job, *command, *stacks;
	size_t i;

	json_array_foreach (jobs, i, job) {
		json_t *profile = json_pack("{s:s, s:I}", "event", record_event(s->record), "hz",
					    (json_int_t)s->run->settings->sample);

		if (!fold_json(f->fold, (unsigned)i, record_event(s->record), profile)) {
			json_decref(profile);
			continue;
		}
		command = path ? job_command(s, (unsigned)i, path) : NULL;
		if (command)
			json_object_set_new(profile, "command", command);
		stacks = calltree_json(f->stacks, (unsigned)i, record_event(s->record));
		if (stacks)
			json_object_set_new(profile, "stacks", stacks);
		json_object_set_new(profile, "spans", spans_json(s, (unsigned)i, path));
		json_object_set_new(job, "profile", profile);
	}
}

/* What the file lacks is said, and in the result for good. */
static void put_losses(struct sampling *s)
{
	struct record_stats stats;

	record_stats(s->record, &stats);
	json_object_set_new(s->run->result, "sampling",
			    json_pack("{s:s, s:I, s:I, s:I, s:b, s:I}", "event",
				      record_event(s->record), "hz",
				      (json_int_t)s->run->settings->sample, "samples",
				      (json_int_t)stats.samples, "lost", (json_int_t)stats.lost,
				      "lost_exact", stats.lost_exact, "throttled",
				      (json_int_t)stats.throttled));
	if (stats.lost)
		result_warn(s->run->result,
			    "%" PRIu64 " samples were lost: a buffer was full before it was read",
			    stats.lost);
	if (stats.throttled)
		result_warn(s->run->result,
			    "the kernel stopped sampling %" PRIu64
			    " times for a moment (kernel.perf_event_max_sample_rate)",
			    stats.throttled);
	if (stats.malformed)
		result_warn(s->run->result, "%" PRIu64 " buffers held what is no record",
			    stats.malformed);
}

void sampling_finish(struct sampling *s)
{
	unsigned nr_jobs;
	struct symbols *symbols;
	struct folding folding;
	const struct samples_visitor visitor = { .sample = on_sample, .ctx = &folding };
	struct bench_err err = { 0 };
	char *path;
	int rc;

	if (!s)
		return;
	nr_jobs = (unsigned)json_array_size(json_object_get(s->run->result, "jobs"));
	symbols = symbols_new();
	folding.fold = fold_new(s->spans, s->nr_spans, nr_jobs);
	folding.stacks = calltree_new(s->spans, s->nr_spans, nr_jobs);
	path = s->path ? quoted(s->path) : NULL;
	rc = symbols && folding.fold && folding.stacks ? perfdata_flush(s->file, &err) :
			       bench_fail(&err, -ENOMEM, "samples: out of memory");
	rc = rc ? rc : samples_read(s->out.fd, symbols, &visitor, &err);
	if (!rc) {
		put_profiles(s, &folding, path);
		put_losses(s);
		rc = complete(s, symbols, &err);
	}
	if (!rc && s->path)
		rc = result_file_publish(&s->out, s->path, s->force, &err);
	if (!rc && s->path)
		json_array_append_new(json_object_get(s->run->result, "artifacts"),
				      json_pack("{s:s, s:o}", "kind", "perf.data", "path",
						result_text(s->path)));
	if (rc)
		result_warn(s->run->result, "no file of samples is kept: %s", err.msg);
	free(path);
	fold_free(folding.fold);
	calltree_free(folding.stacks);
	symbols_free(symbols);
}
