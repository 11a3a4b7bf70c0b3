// SPDX-License-Identifier: BSD-2-Clause
#include "core/run.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "bench/clock.h"
#include "core/knee.h"
#include "core/job.h"
#include "core/limits.h"
#include "core/result.h"
#include "core/sampling.h"
#include "core/sweep_curve.h"
#include "core/trace.h"
#include "core/verdict.h"

/* First signal: stop what runs, save what finished. Second: leave at once; temporary files are
 * unnamed and the kernel drops probes and counters with us. */
static void on_signal(void *arg, short revents)
{
	struct run *run = arg;
	struct signalfd_siginfo info;

	(void)revents;
	if (read(run->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (run->stop)
		_exit(128 + (int)info.ssi_signo);
	run->signo = (int)info.ssi_signo;
	run->si_code = info.ssi_code;
	run->stop = true;
	if (run->window && run->window->end_ns > bench_now_ns())
		run->window->end_ns = bench_now_ns();
	progress_clear(&run->progress);
	if (!run->settings->quiet && !live_shown(run->live))
		fprintf(stderr, "bench: %s: stopping; once more to leave at once\n",
			strsignal(run->signo));
}

/* Blocked before any thread exists, so that all of them inherit it and only the loop sees them. */
static int open_signals(struct run *run, struct bench_err *err)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	sigset_t set;

	sigemptyset(&set);
	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction action;

		/* What nohup or a shell has us ignore stays ignored. */
		if (!sigaction(signals[i], NULL, &action) && action.sa_handler != SIG_IGN)
			sigaddset(&set, signals[i]);
	}
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	run->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (run->signal_fd < 0)
		return bench_fail(err, -errno, "signalfd: %s", strerror(errno));
	return 0;
}

enum runtime_kind run_active(const struct run *run)
{
	return run->blocking ? RUNTIME_BOTH : runtime_active(run->runtime);
}

struct runtime *run_runtime(const struct run *run, enum runtime_kind kind)
{
	return run->blocking && kind == RUNTIME_BLOCKING ? run->blocking : run->runtime;
}

struct loop *run_loop(const struct run *run)
{
	return runtime_loop(run->followed ? run->followed->runtime : run->runtime);
}

static json_t *runtime_json(const struct run *run, const char *fallback)
{
	const struct async_selftest *test = runtime_selftest(run->runtime);
	const struct async_caps *caps = runtime_caps(run->runtime);
	json_t *object = json_pack("{s:s, s:s, s:s*}", "requested",
				   runtime_name((enum runtime_kind)run->settings->runtime), "active", runtime_name(run_active(run)), "reason",
				   fallback[0] ? fallback : NULL);
	json_t *features = json_array();
	const char *words[64];

	if (!fallback[0])
		json_object_set_new(object, "reason", json_null());
	if (test)
		json_object_set_new(object, "selftest",
				    json_pack("{s:b, s:I, s:I, s:I, s:I, s:I}", "passed",
					      test->submitted == test->completed, "nops",
					      (json_int_t)test->nr_nops, "submitted",
					      (json_int_t)test->submitted, "completed",
					      (json_int_t)test->completed, "nop_ns",
					      (json_int_t)test->nop_ns, "timer_late_ns",
					      (json_int_t)test->timer_late_ns));
	else
		json_object_set_new(object, "selftest", json_null());
	for (unsigned i = 0, nr = caps ? async_caps_words(caps, words, 64) : 0; i < nr; i++)
		json_array_append_new(features, json_string(words[i]));
	json_object_set_new(object, "features", features);
	json_object_set_new(object, "workers", json_array());
	return object;
}

/* The runtime, with signals on its loop, and what the result says of it. */
static int open_runtime(struct run *run, enum runtime_kind kind, const char *reason,
			struct bench_err *err)
{
	struct bench_err fallback = { 0 };
	bool both = kind == RUNTIME_BOTH;
	int rc = runtime_open(&run->runtime, both ? RUNTIME_URING : kind, &fallback, err);

	if (!rc && both)
		rc = runtime_open(&run->blocking, RUNTIME_BLOCKING, &fallback, err);
	if (rc)
		return rc;
	/* Only the loop of the job in execution runs. */
	rc = loop_watch(runtime_loop(run->runtime), run->signal_fd, POLLIN, on_signal, run);
	if (!rc && both)
		rc = loop_watch(runtime_loop(run->blocking), run->signal_fd, POLLIN, on_signal, run);
	if (rc)
		return bench_fail(err, rc, "signals: %s", strerror(-rc));
	reason = reason ? reason : fallback.msg;
	json_object_set_new(run->result, "runtime", runtime_json(run, reason));
	if (reason[0]) {
		result_warn(run->result, "blocking runtime: %s", reason);
		fprintf(stderr, "bench: warning: falling back to the blocking runtime: %s\n",
			reason);
	}
	return 0;
}

static void close_runtime(struct run *run)
{
	if (run->runtime && run->signal_fd >= 0)
		loop_unwatch(runtime_loop(run->runtime), run->signal_fd);
	runtime_close(run->runtime);
	run->runtime = NULL;
	if (run->blocking && run->signal_fd >= 0)
		loop_unwatch(runtime_loop(run->blocking), run->signal_fd);
	runtime_close(run->blocking);
	run->blocking = NULL;
}

int run_fall_back(struct run *run, const char *reason, struct bench_err *err)
{
	close_runtime(run);
	return open_runtime(run, RUNTIME_BLOCKING, reason, err);
}

int run_open(struct run *run, const struct settings *settings, int argc, char *const argv[],
	     struct bench_err *err)
{
	int rc;

	*run = (struct run){ .settings = settings, .signal_fd = -1, .started_ns = bench_now_ns() };
	progress_init(&run->progress, settings->quiet, 0);
	run->result = result_new(argc, argv);
	/* Behind a subcommand argv begins with its name; a result tells what was typed. */
	if (argv[0] != program_invocation_name)
		json_array_insert_new(json_object_get(run->result, "command"), 0,
				      result_text(program_invocation_name));
	nofile_raise(); /* a module may need many connections */
	rc = open_signals(run, err);
	if (rc)
		return rc;
	rc = topology_open(&run->topology, err);
	if (rc)
		return rc;
	if (settings->counters && !settings->counters[strspn(settings->counters, " \t,")])
		return bench_fail(err, -EINVAL,
				  "--counters: the list is empty; give names, none, or --counters alone "
				  "for the set that fits this host");
	if (!settings->counters || strcmp(settings->counters, "none") != 0) {
		rc = counter_plan_new(&run->counters, settings->counters, err);
		if (rc)
			return rc;
		if (settings->multiplex)
			counter_plan_multiplex(run->counters);
	}
	rc = open_runtime(run, (enum runtime_kind)settings->runtime, NULL, err);
	if (rc)
		return rc;
	json_object_set_new(run->result, "host", host_facts(run->topology));
	json_object_set_new(run->result, "audit", host_audit(run->topology));
	json_object_set_new(run->result, "jobs", json_array());
	if (run->counters)
		json_object_set_new(run->result, "events", counter_plan_json(run->counters));
	return 0;
}

int run_open_workers(struct run *run, const struct plan *plan, struct bench_err *err)
{
	for (unsigned i = 0; i < plan->nr_jobs; i++) {
		const struct plan_job *job = &plan->jobs[i];
		struct bench_err why = { 0 };
		unsigned *threads;
		int rc;

		if (job->skip)
			continue;
		threads = calloc(job->nr_workers, sizeof(*threads));
		rc = threads ? runtime_threads(run_runtime(run, job->runtime), job->cpus,
					       job->nr_workers, threads, &why) :
			       bench_fail(&why, -ENOMEM, "out of memory");
		free(threads);
		if (rc == -ENOMEM)
			return bench_fail(err, rc, "%s: %u worker%s: %s", job->spec->name,
					  job->nr_workers, job->nr_workers == 1 ? "" : "s", why.msg);
	}
	return 0;
}

int run_open_probes(struct run *run, struct bench_err *err)
{
	const char *list = run->settings->probes;

	if (list && strcmp(list, "none") == 0) {
		if (run->settings->observer == OBSERVER_AB)
			return bench_fail(err, -EINVAL,
					  "--observer=ab compares trials with probes and without: "
					  "there are none");
		return 0;
	}
	return probe_open(&run->probes, list, err);
}

/* CPUs that workers of any job are bound to, each once: a viewer keeps off them. */
static json_t *worker_cpus(const struct plan *plan)
{
	json_t *list = json_array(), *known;
	size_t n;

	for (unsigned i = 0; i < plan->nr_jobs; i++)
		for (unsigned k = 0; plan->jobs[i].cpus && k < plan->jobs[i].nr_workers; k++) {
			bool found = false;

			json_array_foreach(list, n, known)
				found |= json_integer_value(known) == plan->jobs[i].cpus[k];
			if (!found)
				json_array_append_new(list, json_integer(plan->jobs[i].cpus[k]));
		}
	return list;
}

void run_open_live(struct run *run, const struct plan *plan)
{
	struct bench_err err = { 0 };
	json_t *names = json_array();
	const json_t *result = run->result;
	int rc = live_open(&run->live, runtime_loop(run->runtime), run->result, run->started_ns,
			   &err);

	if (!rc && run->blocking && live_also(run->live, runtime_loop(run->blocking)))
		result_warn(run->result, "live view: marks are late in jobs on the blocking runtime");
	if (rc)
		result_warn(run->result, "%s", err.msg);
	run->progress.live = run->live;
	for (unsigned i = 0; plan && i < plan->nr_jobs; i++)
		json_array_append_new(names, result_text(plan->jobs[i].spec->name));
	live_tell(run->live, "run",
		  json_pack("{s:i, s:O*, s:O*, s:O*, s:O*, s:O*, s:o, s:I, s:o}", "pid",
			    (int)getpid(), "tool", json_object_get(result, "tool"), "command",
			    json_object_get(result, "command"), "host",
			    json_object_get(result, "host"), "runtime",
			    json_object_get(result, "runtime"), "audit",
			    json_object_get(result, "audit"), "jobs", names, "expected_ns",
			    (json_int_t)(plan ? plan_duration_ns(plan) : 0), "worker_cpus",
			    plan ? worker_cpus(plan) : json_array()));
	if (!run->settings->live)
		return;
	if (!rc)
		rc = live_show(run->live, &err);
	if (rc)
		fprintf(stderr, "bench: --live: %s; going on with progress lines\n", err.msg);
}

void run_close(struct run *run)
{
	/* Threads that hang in the kernel cannot be joined; the kernel cleans up after us. */
	if (run->stuck)
		return;
	sampling_close(run->sampling);
	trace_close(run->trace);
	probe_close(run->probes);
	counter_plan_free(run->counters);
	live_close(run->live);
	close_runtime(run);
	topology_close(run->topology);
	if (run->signal_fd >= 0)
		close(run->signal_fd);
	json_decref(run->result);
}

/* Threads the pool got for this job, for result.runtime.workers. */
static void note_workers(struct run *run, const struct plan_job *plan)
{
	json_t *workers = json_object_get(json_object_get(run->result, "runtime"), "workers");

	for (unsigned i = 0; i < plan->nr_workers; i++) {
		const struct topology_cpu *cpu = topology_find(run->topology, plan->cpus[i]);
		bool known = false;
		json_t *row;
		size_t n;

		json_array_foreach(workers, n, row)
			known |= json_integer_value(json_object_get(row, "cpu")) == plan->cpus[i];
		if (known || !cpu)
			continue;
		json_array_append_new(workers,
				      json_pack("{s:i, s:i, s:i, s:i, s:i}", "index",
						(int)json_array_size(workers), "cpu", cpu->os_index,
						"core", cpu->core, "package", cpu->package, "numa",
						cpu->numa));
	}
}

/* The object of a job that will not run, NULL when it will. */
static json_t *row_without(struct run *run, const struct plan_job *job)
{
	if (job->skip) {
		result_warn(run->result, "%s: skipped: %s", job->spec->name, job->skip);
		return job_not_run(run, job, "skipped", job->skip);
	}
	if (run->stop || run->stuck)
		return job_not_run(run, job, run->stuck ? "failed" : "interrupted",
				   run->stuck ? "an earlier job hangs in the kernel" :
						"not started");
	return NULL;
}

static void begin_job(struct run *run, const struct plan *plan, unsigned i)
{
	const struct plan_job *job = &plan->jobs[i];

	if (job->warning)
		result_warn(run->result, "%s: %s", job->spec->name, job->warning);
	progress_job(&run->progress, i + 1, job->spec->name);
	note_workers(run, job);
}

void run_plan(struct run *run, const struct plan *plan)
{
	json_t *jobs = json_object_get(run->result, "jobs");

	progress_run(&run->progress, plan->nr_jobs, plan_duration_ns(plan));
	for (unsigned i = 0; i < plan->nr_jobs; i++) {
		const struct plan_job *job = &plan->jobs[i];
		json_t *row = row_without(run, job);

		if (!row && job->spec->in_turns && !job[1].skip) {
			begin_job(run, plan, i);
			begin_job(run, plan, ++i);
			turns_execute(run, job, jobs);
			continue;
		}
		if (!row) {
			begin_job(run, plan, i);
			row = job_execute(run, job);
			verdict_add(row);
		}
		json_array_append_new(jobs, row);
		live_job(run->live, i + 1, row, 0, true);
		trace_job(run->trace, i, row);
	}
	knee_mark(jobs);
	sweep_curves_add(run->result, plan);
	progress_clear(&run->progress);
}

void run_finish(struct run *run)
{
	json_t *result = run->result, *overhead, *observer;

	overhead = run->probes ? probe_overhead(run->probes) : json_object();
	observer = observer_json(json_object_get(result, "jobs"));
	if (observer)
		json_object_set_new(overhead, "observer", observer);
	json_object_set_new(result, "overhead", overhead);
	if (run->probes)
		probe_warnings(run->probes, json_object_get(result, "warnings"));
	json_object_set_new(result, "artifacts", json_array());
	sampling_finish(run->sampling);
	trace_finish(run->trace);
	json_object_set_new(result, "elapsed_ns",
			    json_integer((json_int_t)(bench_now_ns() - run->started_ns)));
}

int run_exit_code(const struct run *run)
{
	json_t *jobs = json_object_get(run->result, "jobs"), *job;
	size_t i;

	if (run->signo)
		return 128 + run->signo;
	json_array_foreach(jobs, i, job) {
		const char *status = bench_result_str(job, "status");

		if (strcmp(status, "failed") == 0 || strcmp(status, "invalid") == 0)
			return 1;
	}
	return 0;
}
