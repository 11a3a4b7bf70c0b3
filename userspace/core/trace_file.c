// SPDX-License-Identifier: BSD-2-Clause
#include "core/trace_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/result.h"
#include "probe/probe.h"

/* Numbers of processes and threads that are none: they must not be those of a real one, because
 * viewers sort by them. */
#define PID_CPUS 1
#define PID_SERVED 2
#define PID_JOB(job) ((job) + 3)
#define TID_TRIALS 0

/* Kept for the end of the document. */
#define RESERVE 512

/* Names of the owners of turns, by number: to ask for each turn would take longer than the run. */
#define COMMS 1024

struct trace_file {
	FILE *out;
	const struct probe_set *probes;
	struct {
		uint32_t pid;
		char comm[16];
	} comms[COMMS];
	uint64_t started_ns, bytes, max_bytes, nr_dropped, nr_ids;
	bool begun, named_cpus, named_served;
};

/* One event; what does not fit is counted. */
static void put(struct trace_file *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct trace_file *f, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (len < 0 || len >= (int)sizeof(text) || f->bytes + (unsigned)len + 2 + RESERVE > f->max_bytes) {
		f->nr_dropped++;
		return;
	}
	fprintf(f->out, "%s%s", f->begun ? ",\n" : "", text);
	f->bytes += (unsigned)len + 2;
	f->begun = true;
}

int trace_file_open(struct trace_file **ret_file, int fd, uint64_t max_bytes, uint64_t started_ns,
		    const struct probe_set *probes, struct bench_err *err)
{
	struct trace_file *f = calloc(1, sizeof(*f));
	int own = f ? dup(fd) : -1;

	if (own >= 0)
		f->out = fdopen(own, "w");
	if (!f || !f->out) {
		if (own >= 0)
			close(own);
		free(f);
		return bench_fail(err, -ENOMEM, "trace: out of memory");
	}
	f->max_bytes = max_bytes;
	f->started_ns = started_ns;
	f->probes = probes;
	fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n", f->out);
	*ret_file = f;
	return 0;
}

void trace_file_close(struct trace_file *file)
{
	if (!file)
		return;
	if (file->out)
		fclose(file->out);
	free(file);
}

/* A text from outside as a JSON string with its quotes; malloc'ed. */
static char *quoted(const char *text)
{
	json_t *string = json_string(text);
	char *quotes;

	if (!string) /* not UTF-8 */
		string = json_string("?");
	quotes = json_dumps(string, JSON_ENCODE_ANY);
	json_decref(string);
	return quotes;
}

/* "12.345": us with three decimals. */
static const char *us(char buf[32], uint64_t ns)
{
	snprintf(buf, 32, "%" PRIu64 ".%03u", ns / 1000, (unsigned)(ns % 1000));
	return buf;
}

static const char *at(const struct trace_file *f, char buf[32], uint64_t ns)
{
	return us(buf, ns > f->started_ns ? ns - f->started_ns : 0);
}

static void name(struct trace_file *f, const char *what, unsigned pid, unsigned tid, const char *text)
{
	char *quotes = quoted(text);

	if (quotes)
		put(f, "{\"ph\":\"M\",\"name\":\"%s\",\"pid\":%u,\"tid\":%u,\"args\":{\"name\":%s}}",
		    what, pid, tid, quotes);
	free(quotes);
}

void trace_file_trial(struct trace_file *file, const struct trace_place *place, unsigned trial)
{
	char ts[32], dur[32];

	if (trial == 1)
		name(file, "thread_name", PID_JOB(place->job), TID_TRIALS, "trials");
	put(file, "{\"ph\":\"X\",\"name\":\"trial %u\",\"cat\":\"trial\",\"pid\":%u,\"tid\":%d,\"ts\":%s,"
		  "\"dur\":%s}",
	    trial, PID_JOB(place->job), TID_TRIALS, at(file, ts, place->from_ns),
	    us(dur, place->to_ns - place->from_ns));
}

/* What is left of [*from, *to) within the window; false = nothing. */
static bool cut(const struct trace_place *place, uint64_t *from, uint64_t *to)
{
	if (*from < place->from_ns)
		*from = place->from_ns;
	if (*to > place->to_ns)
		*to = place->to_ns;
	return *to > *from;
}

static void put_step(struct trace_file *f, const struct trace_place *place, pid_t tid,
		     const struct probe_step *step, const struct probe_step *next)
{
	uint64_t from = step->at_ns, to = next ? next->at_ns : place->to_ns;
	const char *cause = step->cause == PROBE_CAUSE_ONCPU ? "run" :
			    probe_cause_name((enum probe_cause)step->cause);
	char ts[32], dur[32], taken[128] = "";

	if (!cut(place, &from, &to))
		return;
	if (step->cause == PROBE_CAUSE_ONCPU && next)
		snprintf(taken, sizeof(taken), ",\"hardirq_ns\":%u,\"softirq_ns\":%u,\"steal_ns\":%u",
			 next->hardirq_ns, next->softirq_ns, next->steal_ns);
	put(f, "{\"ph\":\"X\",\"name\":\"%s\",\"cat\":\"thread\",\"pid\":%u,\"tid\":%d,\"ts\":%s,\"dur\":%s,"
	       "\"args\":{\"cpu\":%u%s}}",
	    cause, PID_JOB(place->job), tid, at(f, ts, from), us(dur, to - from), step->cpu, taken);
}

void trace_file_thread(struct trace_file *file, const struct trace_place *place, pid_t tid,
		       const char *comm, const struct probe_step *steps, unsigned nr)
{
	char text[40];

	if (!nr || !tid)
		return;
	snprintf(text, sizeof(text), "%s %d", comm, tid);
	name(file, "thread_name", PID_JOB(place->job), (unsigned)tid, text);
	for (unsigned i = 0; i < nr; i++)
		put_step(file, place, tid, &steps[i], i + 1 < nr ? &steps[i + 1] : NULL);
}

static const char *comm_of(struct trace_file *f, unsigned cpu, uint32_t pid)
{
	unsigned i = pid % COMMS;

	if (f->comms[i].pid != pid)
		probe_turn_comm(f->probes, cpu, pid, f->comms[i].comm);
	f->comms[i].pid = pid;
	return f->comms[i].comm;
}

void trace_file_cpu(struct trace_file *file, const struct trace_place *place, unsigned cpu,
		    const struct probe_turn *turns, unsigned nr)
{
	char ts[32], dur[32], text[32];
	uint64_t last = 0;

	if (!nr)
		return;
	if (!file->named_cpus)
		name(file, "process_name", PID_CPUS, 0, "CPUs");
	file->named_cpus = true;
	snprintf(text, sizeof(text), "cpu %u", cpu);
	name(file, "thread_name", PID_CPUS, cpu, text);
	for (unsigned i = 0; i < nr; i++) {
		uint64_t from = turns[i].from_ns > last ? turns[i].from_ns : last;
		uint64_t to = turns[i].to_ns;
		char *quotes;

		if (!turns[i].pid || !cut(place, &from, &to))
			continue;
		last = to;
		quotes = quoted(comm_of(file, cpu, turns[i].pid));
		if (quotes)
			put(file, "{\"ph\":\"X\",\"name\":%s,\"cat\":\"cpu\",\"pid\":%u,\"tid\":%u,\"ts\":%s,"
				  "\"dur\":%s,\"args\":{\"pid\":%u}}",
			    quotes, PID_CPUS, cpu, at(file, ts, from), us(dur, to - from), turns[i].pid);
		free(quotes);
	}
}

/* By their beginnings; what lies around comes before what lies within. */
static int by_begin(const void *a, const void *b)
{
	const struct probe_served *x = a, *y = b;

	if (x->from_ns != y->from_ns)
		return x->from_ns < y->from_ns ? -1 : 1;
	return x->to_ns > y->to_ns ? -1 : x->to_ns < y->to_ns;
}

void trace_file_served(struct trace_file *file, const struct trace_place *place, unsigned cpu,
		       struct probe_served *served, unsigned nr)
{
	char ts[32], dur[32], text[32];

	if (!nr)
		return;
	if (!file->named_served)
		name(file, "process_name", PID_SERVED, 0, "interrupts");
	file->named_served = true;
	snprintf(text, sizeof(text), "cpu %u", cpu);
	name(file, "thread_name", PID_SERVED, cpu, text);
	qsort(served, nr, sizeof(*served), by_begin);
	for (unsigned i = 0; i < nr; i++) {
		uint64_t from = served[i].from_ns, to = served[i].to_ns;
		const char *what;
		bool soft = probe_served_name(file->probes, served[i].source, &what);
		char *quotes;

		if (!cut(place, &from, &to))
			continue;
		quotes = quoted(what);
		if (quotes)
			put(file, "{\"ph\":\"X\",\"name\":%s,\"cat\":\"%s\",\"pid\":%u,\"tid\":%u,\"ts\":%s,"
				  "\"dur\":%s}",
			    quotes, soft ? "softirq" : "irq", PID_SERVED, cpu, at(file, ts, from),
			    us(dur, to - from));
		free(quotes);
	}
}

/* A span of its own track: b and e belong together by category, process and id. */
static void span(struct trace_file *f, unsigned pid, const char *cat, const char *title,
		 uint64_t from_ns, uint64_t to_ns, const char *args)
{
	char ts[32];
	uint64_t id = ++f->nr_ids;

	put(f, "{\"ph\":\"b\",\"name\":%s,\"cat\":\"%s\",\"id\":%" PRIu64 ",\"pid\":%u,\"tid\":0,\"ts\":%s,"
	       "\"args\":%s}",
	    title, cat, id, pid, at(f, ts, from_ns), args);
	put(f, "{\"ph\":\"e\",\"name\":%s,\"cat\":\"%s\",\"id\":%" PRIu64 ",\"pid\":%u,\"tid\":0,\"ts\":%s}",
	    title, cat, id, pid, at(f, ts, to_ns));
}

void trace_file_blocks(struct trace_file *file, const struct trace_place *place,
		       const struct probe_block *blocks, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		const struct probe_block *b = &blocks[i];
		uint64_t from = b->insert_ns, to = b->complete_ns;
		char args[200];

		if (!cut(place, &from, &to))
			continue;
		snprintf(args, sizeof(args),
			 "{\"dev\":\"%u:%u\",\"sector\":%" PRIu64 ",\"bytes\":%u,\"queue_ns\":%" PRIu64
			 ",\"device_ns\":%" PRIu64 "}",
			 b->dev >> 20, b->dev & 0xfffff, b->sector, b->bytes,
			 b->issue_ns - b->insert_ns, b->complete_ns - b->issue_ns);
		span(file, PID_JOB(place->job), "block", "\"block request\"", from, to, args);
	}
}

static void put_slow(struct trace_file *f, unsigned job, const json_t *op,
		     const struct trace_start *starts, unsigned nr_starts)
{
	unsigned trial = (unsigned)json_integer_value(json_object_get(op, "trial"));
	/* When it was to start, since the start of its trial. */
	uint64_t at_ns = (uint64_t)json_integer_value(json_object_get(op, "at_ns"));
	uint64_t latency = (uint64_t)json_integer_value(json_object_get(op, "latency_ns"));
	json_t *args = json_object();
	char *text;

	json_object_set(args, "causes", json_object_get(op, "causes"));
	json_object_set(args, "culprits", json_object_get(op, "culprits"));
	text = json_dumps(args, JSON_COMPACT);
	json_decref(args);
	for (unsigned i = 0; text && i < nr_starts; i++)
		if (starts[i].job == job && starts[i].trial == trial)
			span(f, PID_JOB(job), "slow", "\"slow operation\"", starts[i].ns + at_ns,
			     starts[i].ns + at_ns + latency, text);
	free(text);
}

static void put_series(struct trace_file *f, unsigned job, const json_t *row)
{
	const json_t *series = json_object_get(row, "series"), *names, *values;
	uint64_t first_ns = (uint64_t)json_integer_value(json_object_get(row, "at_ns"));
	size_t i;

	names = json_object_get(series, "columns");
	json_array_foreach(json_object_get(series, "rows"), i, values) {
		uint64_t ns = first_ns + (uint64_t)json_integer_value(json_array_get(values, 0));
		char ts[32];

		for (size_t c = 3; c < json_array_size(names); c++) {
			const json_t *value = json_array_get(values, c);

			if (json_is_number(value))
				put(f, "{\"ph\":\"C\",\"name\":\"%s\",\"pid\":%u,\"tid\":0,\"ts\":%s,"
				       "\"args\":{\"value\":%.9g}}",
				    json_string_value(json_array_get(names, c)), PID_JOB(job),
				    us(ts, ns), json_number_value(value));
		}
	}
}

void trace_file_job(struct trace_file *file, unsigned job, const json_t *row,
		    const struct trace_start *starts, unsigned nr_starts)
{
	json_t *op;
	size_t i;

	name(file, "process_name", PID_JOB(job), 0, bench_result_str(row, "name"));
	put_series(file, job, row);
	json_array_foreach(json_object_get(row, "slow"), i, op)
		put_slow(file, job, op, starts, nr_starts);
}

int trace_file_finish(struct trace_file *file, uint64_t nr_lost, uint64_t *ret_nr_dropped,
		      struct bench_err *err)
{
	struct trace_file *f = file;

	*ret_nr_dropped = f->nr_dropped;
	fprintf(f->out, "\n],\"otherData\":{\"clock\":\"CLOCK_MONOTONIC\",\"started_ns\":\"%" PRIu64
			"\",\"lost\":\"%" PRIu64 "\",\"dropped\":\"%" PRIu64 "\"}}\n",
		f->started_ns, nr_lost, f->nr_dropped);
	if (fflush(f->out) || ferror(f->out))
		return bench_fail(err, errno ? -errno : -EIO, "write the trace: %s", strerror(errno));
	return 0;
}
