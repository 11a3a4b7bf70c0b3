// SPDX-License-Identifier: BSD-2-Clause
#include "core/sampling.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/clock.h"
#include "core/result.h"
#include "core/run.h"
#include "core/sampling_file.h"
#include "core/worker.h"
#include "profile/existing.h"

/* How often buffers are emptied into the file: they hold many times that. */
#define DRAIN_NS (50 * BENCH_NS_PER_MS)
/* Threads of one job x CPUs that each of them is sampled on: a descriptor each. Beyond that a worker
 * is sampled on its own CPU only, where what it makes may run elsewhere. */
#define MANY_EVENTS 8192u

static void to_file(const struct perf_event_header *header, void *ctx)
{
	struct sampling *s = ctx;

	if (header->type == PERF_RECORD_SAMPLE)
		perfdata_cpu_sample(s->file, header, sampling_ran(s, header));
	else
		perfdata_record(s->file, header);
}

static void drain(struct sampling *s)
{
	sampling_taken(s);
	record_read(s->record, to_file, s);
	sampling_waits_read(s);
	perfdata_round(s->file);
}

static void on_timer(void *arg)
{
	struct sampling *s = arg;

	drain(s);
	s->timer = loop_timer(s->loop, bench_now_ns() + DRAIN_NS, on_timer, s);
}

/* kernel.perf_event_max_sample_rate; 0 = not known. */
static uint64_t rate_limit(void)
{
	FILE *file = fopen("/proc/sys/kernel/perf_event_max_sample_rate", "re");
	uint64_t limit = 0;

	if (file && fscanf(file, "%" SCNu64, &limit) != 1)
		limit = 0;
	if (file)
		fclose(file);
	return limit;
}

/* "r.json" -> "r.perf.data", malloc'ed. */
static char *data_path(const char *result_path)
{
	size_t len = strlen(result_path);
	char *path;

	if (len > 5 && !strcmp(result_path + len - 5, ".json"))
		len -= 5;
	return asprintf(&path, "%.*s.perf.data", (int)len, result_path) < 0 ? NULL : path;
}

static int open_record(struct sampling *s, struct bench_err *err)
{
	unsigned nr = topology_nr_cpus(s->run->topology);
	struct record_config config = { .frequency = (unsigned)s->run->settings->sample,
					.nr_cpus = nr };
	uint64_t limit = rate_limit();
	int *cpus, rc;

	if (limit && config.frequency > limit)
		return bench_fail(err, -EINVAL,
				  "--sample=%u: this host takes at most %" PRIu64
				  " samples a second (kernel.perf_event_max_sample_rate)",
				  config.frequency, limit);
	cpus = calloc(nr, sizeof(*cpus));
	if (!cpus)
		return bench_fail(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < nr; i++)
		cpus[i] = topology_cpu(s->run->topology, i)->os_index;
	config.cpus = cpus;
	rc = record_open(&s->record, &config, err);
	free(cpus);
	return rc;
}

/* The probes look about every millisecond what it is that runs. Where samples of the same clock are
 * taken as often, they do it then: an interrupt less, which is most of what either costs. */
static void share_samples(struct sampling *s)
{
	int prog_fd = probe_sample_program(s->run->probes);
	const struct perf_event_attr *attr = record_attr(s->record);
	uint64_t period_ns = BENCH_NS_PER_SEC / s->run->settings->sample;

	if (prog_fd >= 0 && attr->type == PERF_TYPE_SOFTWARE &&
	    attr->config == PERF_COUNT_SW_CPU_CLOCK &&
	    period_ns <= PROBE_SAMPLE_MAX_NS && !record_run(s->record, prog_fd))
		probe_sample_shared(s->run->probes, period_ns);
}

int sampling_open(struct sampling **ret_sampling, struct run *run, const char *result_path,
		  bool force, struct bench_err *err)
{
	struct sampling *s;
	int rc;

	*ret_sampling = NULL;
	if (!run->settings->sample)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return bench_fail(err, -ENOMEM, "out of memory");
	s->run = run;
	s->timer = -1;
	s->out.fd = -1;
	s->force = force;
	s->path = result_path ? data_path(result_path) : NULL;
	rc = result_file_open(&s->out, s->path, force, err);
	rc = rc ? rc : open_record(s, err);
	rc = rc ? rc : perfdata_new(&s->file, s->out.fd, record_attr(s->record),
				    record_event(s->record), err);
	if (!rc) {
		s->kernel = kallsyms_open();
		if (!s->kernel)
			rc = bench_fail(err, -ENOMEM, "out of memory");
	}
	if (rc) {
		sampling_close(s);
		return rc;
	}
	existing_kernel(s->file, s->kernel);
	share_samples(s);
	sampling_waits_open(s);
	*ret_sampling = s;
	return 0;
}

void sampling_close(struct sampling *s)
{
	if (!s)
		return;
	if (s->timer >= 0)
		loop_cancel_timer(s->loop, s->timer);
	record_close(s->record);
	perfdata_free(s->file);
	kallsyms_close(s->kernel);
	result_file_close(&s->out);
	free(s->cpus);
	free(s->spans);
	free(s->path);
	free(s);
}

int sampling_follow(struct sampling *s, pid_t pid, pid_t tid, bool on_exec, const int *cpus,
		    unsigned nr_cpus, struct bench_err *err)
{
	if (!s)
		return 0;
	s->nr_followed++;
	if ((uint64_t)s->nr_followed * nr_cpus > MANY_EVENTS)
		nr_cpus = 1;
	s->on_exec = on_exec;
	if (pid != s->known)
		existing_process(s->file, pid, bench_now_ns());
	s->known = pid;
	return record_attach(s->record, tid, on_exec, cpus, nr_cpus, err);
}

void sampling_follow_workers(struct sampling *s, const struct job_run *jr, const char *job)
{
	int *cpus = s ? calloc(jr->nr, sizeof(*cpus)) : NULL;
	struct bench_err err = { 0 };
	int rc = 0;

	for (unsigned i = 0; cpus && i < jr->nr && !rc; i++) {
		pid_t tid = runtime_thread(jr->runtime, jr->workers[i].thread)->tid;

		memcpy(cpus, jr->job.cpus, jr->nr * sizeof(*cpus));
		cpus[0] = jr->job.cpus[i];
		cpus[i] = jr->job.cpus[0];
		rc = sampling_follow(s, getpid(), tid, false, cpus, jr->nr, &err);
	}
	if (s && (rc || !cpus))
		result_warn(s->run->result, "%s: not sampled: %s", job,
			    rc ? err.msg : "out of memory");
	free(cpus);
}

void sampling_unfollow(struct sampling *s)
{
	if (!s)
		return;
	drain(s);
	record_detach(s->record);
	s->nr_followed = 0;
	s->known = 0;
}

void sampling_begin(struct sampling *s)
{
	if (!s)
		return;
	if (!s->on_exec)
		record_start(s->record);
	s->begun = true;
	s->loop = run_loop(s->run);
	on_timer(s);
}

static void note_span(struct sampling *s, unsigned job, const struct bench_window *window)
{
	unsigned trial = 1;

	if (window->end_ns <= window->start_ns) /* its end is not known */
		return;
	if (s->nr_spans == s->room) {
		unsigned room = s->room ? 2 * s->room : 64;
		struct fold_span *grown = reallocarray(s->spans, room, sizeof(*grown));

		if (!grown)
			return;
		s->spans = grown;
		s->room = room;
	}
	for (unsigned i = 0; i < s->nr_spans; i++)
		trial += s->spans[i].job == job;
	s->spans[s->nr_spans++] = (struct fold_span){ window->start_ns, window->end_ns, job, trial };
}

void sampling_stop(struct sampling *s)
{
	if (!s)
		return;
	record_stop(s->record);
	if (s->timer >= 0)
		loop_cancel_timer(s->loop, s->timer);
	s->timer = -1;
	drain(s);
}

void sampling_end(struct sampling *s, unsigned job, const struct bench_window *window)
{
	if (!s || !s->begun)
		return;
	s->begun = false;
	sampling_waits_end(s);
	perfdata_round(s->file);
	note_span(s, job, window);
}
