// SPDX-License-Identifier: BSD-2-Clause
#include "core/exec.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "bench/clock.h"
#include "core/collect.h"
#include "core/observer.h"
#include "core/result.h"
#include "core/series.h"
#include "core/spawner.h"
#include "core/usage.h"
#include "counters/packages.h"

/* How often the loop looks whether the user interrupted. */
#define LOOK_NS (100 * BENCH_NS_PER_MS)

/* The kernel counts resident pages per CPU in batches of 32 or more, and exec(2) touches some. */
#define RSS_GRAIN (512 * 1024)

/* One run of the command. */
struct child {
	struct spawner *spawner;
	struct spawned at;
	bool turn; /* of the loop: something happened */
	bool exited;
	uint64_t exit_ns;
	bool answered;
	int answer;
	struct spawn_end end;
	int exec_errno; /* 0 = it ran */
};

struct exec_job {
	struct run *run;
	struct spawner *spawner;
	const struct exec_settings *settings;
	char *const *argv;
	struct bench_metric_set *metrics;
	struct sampler *sampler; /* NULL without probes */
	struct counter_packages *packages; /* NULL = none */
	unsigned nr_trials;
	int code; /* to pass on */
	int *cpus; /* all allowed ones */
	unsigned nr_cpus;
	struct bench_window window;
	struct observer observer;
};

/* A control run is timed like any other, but without probes, and enters no metric of its own. */
enum run_kind { RUN_WARM_UP, RUN_TIMED, RUN_CONTROL };

static void on_exit_of_child(void *arg, short revents)
{
	struct child *c = arg;

	(void)revents;
	if (c->exited)
		return;
	c->exit_ns = bench_now_ns();
	c->exited = true;
	c->turn = true;
}

static void on_answer(void *arg, short revents)
{
	struct child *c = arg;

	(void)revents;
	if (c->answered)
		return;
	c->answer = spawner_ended(c->spawner, &c->end);
	c->answered = true;
	c->turn = true;
}

/* Returns when the command has exited and, after an interruption, all that it started. */
static int child_wait(struct exec_job *job, struct child *c)
{
	struct loop *loop = runtime_loop(job->run->runtime);
	bool asked = false, watched;
	int rc = loop_watch(loop, c->at.pidfd, POLLIN, on_exit_of_child, c);

	watched = !rc;
	rc = rc ? rc : loop_watch(loop, c->spawner->sock, POLLIN, on_answer, c);
	while (!rc && !(c->exited && c->answered)) {
		/* It stays readable. */
		if (c->exited && watched) {
			loop_unwatch(loop, c->at.pidfd);
			watched = false;
		}
		if (!asked && job->run->stop)
			rc = spawner_stop(c->spawner, job->run->signo,
					  job->run->si_code == SI_KERNEL);
		else if (!asked && c->exited)
			rc = spawner_end(c->spawner);
		asked = asked || job->run->stop || c->exited;
		c->turn = false;
		rc = rc ? rc : loop_run(loop, &c->turn, bench_now_ns() + LOOK_NS);
		if (rc == -ETIME)
			rc = 0;
		if (c->answered && c->answer)
			rc = c->answer;
	}
	loop_unwatch(loop, c->spawner->sock);
	if (watched)
		loop_unwatch(loop, c->at.pidfd);
	if (!rc && recv(c->at.gate, &c->exec_errno, sizeof(c->exec_errno), MSG_DONTWAIT) !=
			   sizeof(c->exec_errno))
		c->exec_errno = 0;
	return rc;
}

static int exit_code(const struct child *c)
{
	int status = c->end.status;

	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void put(struct exec_job *job, const char *name, const char *unit, enum bench_better better,
		double value, const char *note)
{
	const struct bench_metric_id id = {
		.name = name, .unit = unit, .source = BENCH_SOURCE_MODULE, .better = better
	};

	bench_metric_put_status(job->metrics, &id, BENCH_OK, value, note);
}

static uint64_t tv_ns(struct timeval tv)
{
	return (uint64_t)tv.tv_sec * BENCH_NS_PER_SEC + (uint64_t)tv.tv_usec * BENCH_NS_PER_US;
}

static void put_usage(struct exec_job *job, const struct child *c)
{
	const struct rusage *usage = &c->end.usage;
	uint64_t rss = (uint64_t)usage->ru_maxrss * 1024; /* KiB (man getrusage) */
	char note[160] = "", peak[160];

	if (c->end.nr_running)
		snprintf(note, sizeof(note),
			 "%u process%s still running at its end: counted up to then",
			 c->end.nr_running, c->end.nr_running == 1 ? "" : "es");
	put(job, "user", "ns", BENCH_BETTER_LOWER, (double)tv_ns(usage->ru_utime),
	    note[0] ? note : NULL);
	put(job, "sys", "ns", BENCH_BETTER_LOWER, (double)tv_ns(usage->ru_stime),
	    note[0] ? note : NULL);
	snprintf(peak, sizeof(peak), "%s", "of the largest single process");
	if (rss <= c->at.rss_floor + RSS_GRAIN)
		snprintf(peak, sizeof(peak), "at most: it held %.1f MiB before it began",
			 (double)c->at.rss_floor / (1 << 20));
	put(job, "maxrss", "B", BENCH_BETTER_LOWER, (double)rss, peak);
}

static void collect(struct exec_job *job, const struct child *c, struct counter_session *session,
		    const struct collect_span *span)
{
	struct run *run = job->run;
	struct usage usage;

	metric_set_next_trial(job->metrics);
	put(job, "wall", "ns", BENCH_BETTER_LOWER, (double)(c->exit_ns - job->window.start_ns), NULL);
	put_usage(job, c);
	put(job, "exit_status", "status", BENCH_BETTER_NONE, exit_code(c), NULL);
	usage_of(&c->end.usage, &usage);
	if (!run->counters)
		usage_put(&usage, "tree", 0, job->metrics);
	if (session)
		counter_put(run->counters, &session, 1, "tree", 0, job->metrics);
	packages_put(job->packages, 0, job->metrics);
	if (run->probes)
		probe_put(run->probes, job->cpus, job->nr_cpus, job->metrics);
	host_put(&span->host[0], &span->host[1], job->metrics);
	job->nr_trials++;
}

/* One run. 0 when the command was run, whatever its exit status. */
static int run_once(struct exec_job *job, enum run_kind kind, struct child *c,
		    struct bench_err *err)
{
	bool timed = kind == RUN_TIMED;
	struct counter_session *session = NULL;
	struct run *run = job->run;
	struct collect_span span;
	int rc = spawner_start(c->spawner, &c->at, err);

	if (!rc && kind != RUN_WARM_UP && run->counters) {
		const struct counter_target target = {
			.tid = c->at.pid, .cpu = -1, .inherit = true, .enable_on_exec = true
		};

		rc = counter_open(&session, run->counters, &target, job->nr_trials, err);
	}
	if (!rc && timed && run->probes) {
		struct bench_err why = { 0 };

		if (probe_track(run->probes, c->at.pid, true, &why))
			result_warn(run->result, "probes do not follow the command: %s", why.msg);
	}
	if (rc)
		goto out;
	if (timed)
		collect_begin(&span, run, NULL);
	job->window = (struct bench_window){ .start_ns = bench_now_ns(), .end_ns = UINT64_MAX };
	if (timed && run->probes)
		probe_window(run->probes, &job->window);
	if (timed && job->sampler)
		sampler_begin(job->sampler, job->window.start_ns, UINT64_MAX, job->nr_trials + 1);
	packages_begin(job->packages);
	/* Should this fail, it has ended, which is seen next. */
	(void)!send(c->at.gate, "", 1, MSG_NOSIGNAL);
	rc = child_wait(job, c);
	packages_end(job->packages);
	job->window.end_ns = c->exit_ns;
	if (timed && job->sampler)
		sampler_end(job->sampler, c->exit_ns, !rc && !c->exec_errno && !run->stop);
	if (rc) {
		bench_fail(err, rc, "waiting for the command: %s", strerror(-rc));
		goto out;
	}
	if (timed) {
		collect_end(&span, run, NULL);
		if (run->probes)
			probe_window(run->probes, &job->window);
		if (!c->exec_errno && !run->stop)
			collect(job, c, session, &span);
	}
out:
	counter_close(session);
	if (run->probes)
		probe_untrack_all(run->probes);
	return rc;
}

/* Run i of nr, warm-up runs included. */
static int run_next(struct exec_job *job, uint64_t i, uint64_t nr, struct child *c,
		    struct bench_err *err)
{
	uint64_t warm = job->settings->warmup_runs;
	struct progress *progress = &job->run->progress;
	struct observer *o = &job->observer;
	enum run_kind kind = RUN_WARM_UP;
	int rc = 0;

	if (i < warm)
		progress_step(progress, "warm-up %" PRIu64 "/%" PRIu64, i + 1, warm);
	else
		progress_step(progress, "run %" PRIu64 "/%" PRIu64, i - warm + 1, nr - warm);
	/* The command owns the terminal from here on. */
	progress_clear(progress);
	if (i >= warm) {
		rc = observer_next(o, job->run, err);
		kind = o->control ? RUN_CONTROL : RUN_TIMED;
	}
	rc = rc ? rc : run_once(job, kind, c, err);
	if (!rc && kind != RUN_WARM_UP && !c->exec_errno && !job->run->stop)
		observer_note(o, 1e9 / (double)(c->exit_ns - job->window.start_ns), job->metrics);
	return rc;
}

/* What the end of a run means for the job. True when the runs go on. */
static bool judge(struct exec_job *job, const struct child *c, bool last, char *reason, size_t size)
{
	int code = exit_code(c), status = c->end.status;

	if (!code)
		return true;
	if (!job->code)
		job->code = code;
	if (job->settings->ignore_failure)
		return true;
	if (WIFSIGNALED(status))
		snprintf(reason, size, "the command was killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(reason, size, "the command exited with status %d%s", code,
			 last ? "" : "; remaining runs skipped (--ignore-failure goes on)");
	return false;
}

/* All runs. Sets the exit code to pass on, and status and reason of the job. */
static void run_all(struct exec_job *job, const char **status, char *reason, size_t size)
{
	const struct exec_settings *s = job->settings;
	struct bench_err err = { 0 };
	uint64_t nr;

	observer_begin(&job->observer, job->run);
	nr = s->warmup_runs + observer_trials(&job->observer, (unsigned)s->common.trials);
	*status = "ok";
	for (uint64_t i = 0; i < nr && !job->run->stop; i++) {
		struct child c = { .spawner = job->spawner, .at = { .gate = -1, .pidfd = -1 } };
		int rc = run_next(job, i, nr, &c, &err);
		bool go_on = false;

		spawned_done(&c.at);
		if (rc) {
			snprintf(reason, size, "%s", err.msg);
			job->code = EXEC_FAILED;
		} else if (c.exec_errno) {
			job->code = exec_explain(job->argv[0], c.exec_errno, reason, size);
		} else if (job->run->stop) {
			break;
		} else {
			go_on = judge(job, &c, i + 1 == nr, reason, size);
		}
		if (!go_on) {
			*status = "failed";
			return;
		}
	}
	if (job->run->stop) {
		*status = "interrupted";
		snprintf(reason, size, "%s", strsignal(job->run->signo));
		job->code = 128 + job->run->signo;
	}
}

/* A median over statuses says nothing: the value is that of the first run that failed. */
static void sum_up_failures(struct exec_job *job, json_t *metrics)
{
	json_t *metric, *trial;
	size_t i, n;

	json_array_foreach (metrics, i, metric) {
		json_t *trials = json_object_get(metric, "trials");
		unsigned nr_failed = 0;
		double first = 0;

		if (strcmp(bench_result_str(metric, "name"), "exit_status") != 0)
			continue;
		json_array_foreach (trials, n, trial) {
			if (!(json_number_value(trial) > 0))
				continue;
			if (!nr_failed++)
				first = json_number_value(trial);
		}
		json_object_set_new(metric, "value", result_number(first));
		json_object_set_new(metric, "ci", json_null());
		if (nr_failed)
			result_warn(job->run->result, "%u of %zu runs failed (status %.0f)", nr_failed,
				    json_array_size(trials), first);
	}
}

/* The command in one line. */
static void title(char *const argv[], char *name, size_t size)
{
	size_t used = 0, end;

	for (unsigned i = 0; argv[i] && used < size; i++)
		used += (size_t)snprintf(name + used, size - used, "%s%s", i ? " " : "", argv[i]);
	end = strcspn(name, "\r\n");
	if (used < size && !name[end])
		return;
	if (end > size - 4)
		end = size - 4;
	snprintf(name + end, size - end, "...");
}

static json_t *row(struct exec_job *job, const char *status, const char *reason)
{
	json_t *metrics = metric_set_json(job->metrics), *argv = json_array(), *object;
	char name[256] = "";

	for (unsigned i = 0; job->argv[i]; i++)
		json_array_append_new(argv, result_text(job->argv[i]));
	title(job->argv, name, sizeof(name));
	sum_up_failures(job, metrics);
	object = json_pack("{s:o, s:s, s:s, s:s, s:s, s:o, s:s, s:{s:o, s:I, s:b}, s:[], s:i, s:n, s:o}",
			 "name", result_text(name), "module", "exec", "exec", "blocking", "runtime",
			 runtime_name(runtime_active(job->run->runtime)), "status", status, "reason",
			 result_text(reason[0] ? reason : NULL), "op", "one run of the command", "params",
			 "argv", argv, "warmup", (json_int_t)job->settings->warmup_runs, "discard_output",
			 (int)job->settings->discard_output, "placement", "trials", (int)job->nr_trials,
			 "trial_ns", "metrics", metrics);
	observer_warnings(job->run, object);
	probe_stacks(job->run->probes, object);
	if (job->observer.on)
		json_object_set_new(object, "control_trials",
				    json_integer(job->observer.nr_pairs));
	return object;
}

static void put_series(const struct exec_job *job, json_t *object)
{
	json_t *series = sampler_json(job->sampler);

	if (series)
		json_object_set_new(object, "series", series);
}

json_t *exec_execute(struct run *run, struct spawner *spawner, const struct exec_settings *settings,
		     char *const argv[], int *ret_status)
{
	struct exec_job job = {
		.run = run, .spawner = spawner, .settings = settings, .argv = argv
	};
	const char *status = "ok";
	char reason[400] = "";
	json_t *object;

	job.metrics = metric_set_new();
	job.nr_cpus = topology_nr_cpus(run->topology);
	job.cpus = calloc(job.nr_cpus, sizeof(*job.cpus));
	for (unsigned i = 0; job.cpus && i < job.nr_cpus; i++)
		job.cpus[i] = topology_cpu(run->topology, i)->os_index;
	if (job.cpus && run->probes) {
		const struct sampler_config config = { .loop = runtime_loop(run->runtime),
						       .probes = run->probes,
						       .cpus = job.cpus,
						       .nr_cpus = job.nr_cpus,
						       .interval_ns = settings->common.interval_ns };

		job.sampler = sampler_new(&config);
	}
	if (run->counters)
		(void)packages_open(&job.packages, run->counters);
	run->progress.nr_jobs = 1;
	run->progress.job = 1;
	snprintf(run->progress.name, sizeof(run->progress.name), "exec");
	run_all(&job, &status, reason, sizeof(reason));
	*ret_status = job.code;
	progress_clear(&run->progress);
	if (run->counters)
		counter_put_missed(run->counters, job.nr_trials, 1, 0, "tree", job.metrics);
	object = row(&job, status, reason);
	if (job.sampler)
		put_series(&job, object);
	packages_close(job.packages);
	sampler_free(job.sampler);
	metric_set_free(job.metrics);
	free(job.cpus);
	return object;
}
